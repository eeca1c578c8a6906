/** Kernels of the WASM backend that others of its kernels, or a loop, do many times as fast. */

import {
  avgPool,
  conv2d,
  fill,
  getKernel,
  mul,
  prelu,
  registerKernel,
  reshape,
  scalar,
  sigmoid,
  slice_util,
  sub,
  tensor4d,
  tidy,
  unregisterKernel,
  type StridedSliceAttrs,
  type Tensor,
  type Tensor4D,
} from "@tensorflow/tfjs-core";

type Attributes = Record<string, unknown>;

/**
 * All are plain loops there, the mean even behind a transposition: a fifth of a generator's time.
 * XNNPACK, which the backend has for other kernels, takes a leaky ReLU as one of many slopes, a
 * mean over height and width as a pooling over the whole map, a tangent as a sigmoid that is
 * stretched, and some channels of all as a convolution that picks them. It knows no pixels out of
 * channels, but they are whole pieces to be copied, not numbers that each look for their place.
 */
export function replaceSlowKernels(): void {
  replace("LeakyRelu", (x, { alpha }) =>
    x.rank > 0 ? prelu(x, fill([x.shape[x.rank - 1]], alpha as number)) : undefined,
  );
  replace("Mean", (x, { axis, keepDims }) => {
    if (x.rank !== 4 || x.dtype !== "float32" || String(axis) !== "1,2") return undefined;
    const [batch, height, width, channels] = x.shape;
    const mean = avgPool(x as Tensor4D, [height, width], 1, "valid");
    return keepDims ? mean : reshape(mean, [batch, channels]);
  });
  replace("Tanh", (x) => sub(mul(sigmoid(mul(x, scalar(2))), scalar(2)), scalar(1)));
  replace("StridedSlice", (x, attributes) => {
    const [first, count] = channelsOf(x, attributes as unknown as StridedSliceAttrs) ?? [0, 0];
    if (count === 0) return undefined;
    const channels = x.shape[3]!;
    const picked = new Float32Array(channels * count);
    for (let i = 0; i < count; i++) picked[(first + i) * count + i] = 1;
    return conv2d(x as Tensor4D, tensor4d(picked, [1, 1, channels, count]), 1, "valid");
  });
  replace("DepthToSpace", (x, { blockSize, dataFormat }) =>
    dataFormat === "NHWC" && x.dtype === "float32"
      ? spread(x as Tensor4D, blockSize as number)
      : undefined,
  );
}

/** Lay the channels of each place out as a block of pixels. */
function spread(x: Tensor4D, block: number): Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const numbers = x.dataSync();
  const pixels = new Float32Array(numbers.length);
  const piece = channels / block; // of one row of pixels, beside each other there too
  for (let row = 0, at = 0; row < batch * height; row++) {
    for (let column = 0; column < width; column++) {
      for (let down = 0; down < block; down++) {
        let to = ((row * block + down) * width + column) * piece;
        for (let i = 0; i < piece; i++) pixels[to++] = numbers[at++];
      }
    }
  }
  return tensor4d(pixels, [batch, height * block, width * block, piece / block]);
}

/** The first channel and their number, if a slice takes just some channels of whole pictures. */
function channelsOf(x: Tensor, slice: StridedSliceAttrs): [number, number] | undefined {
  if (x.rank !== 4 || x.dtype !== "float32") return undefined;
  const { begin, finalShape, isSimpleSlice } = slice_util.sliceInfo(
    x.shape,
    slice.begin,
    slice.end,
    slice.strides,
    slice.beginMask,
    slice.endMask,
    slice.ellipsisMask,
    slice.newAxisMask,
    slice.shrinkAxisMask,
  );
  const whole = finalShape.length === 4 && [0, 1, 2].every((i) => finalShape[i] === x.shape[i]);
  return isSimpleSlice && whole ? [begin[3], finalShape[3]] : undefined;
}

/** Compute a kernel another way, where `compute` knows one. */
function replace(
  name: string,
  compute: (x: Tensor, attributes: Attributes) => Tensor | undefined,
): void {
  const old = getKernel(name, "wasm");
  unregisterKernel(name, "wasm");
  registerKernel({
    ...old,
    kernelFunc: (call) => {
      const { x } = call.inputs as { x: Tensor };
      const result = tidy(() => compute(x, call.attrs as Attributes) as Tensor);
      return result ?? old.kernelFunc(call);
    },
  });
}
