/** Kernels of the WASM backend that others of its kernels do many times as fast. */

import {
  avgPool,
  fill,
  getKernel,
  prelu,
  registerKernel,
  reshape,
  tidy,
  unregisterKernel,
  type Tensor,
  type Tensor4D,
} from "@tensorflow/tfjs-core";

type Attributes = Record<string, unknown>;

/**
 * Both are plain loops there, the mean even behind a transposition: a fifth of a generator's time.
 * XNNPACK, which the backend has for other kernels, takes a leaky ReLU as one of many slopes, and
 * a mean over height and width as a pooling over the whole map.
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
