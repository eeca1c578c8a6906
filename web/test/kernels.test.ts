import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import {
  depthToSpace,
  env,
  leakyRelu,
  mean,
  memory,
  ready,
  reshape,
  setBackend,
  stridedSlice,
  tanh,
  tensor,
  tensor4d,
  tidy,
  type Tensor,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";

import { replaceSlowKernels } from "../src/kernels";

const shape = [2, 5, 7, 3];
const values = Float32Array.from({ length: 210 }, (_, i) => Math.sin(i * 1.7) * 3);
let x: Tensor;

beforeAll(async () => {
  const backend = await import("@tensorflow/tfjs-backend-wasm");
  const main = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  backend.setWasmPaths(join(dirname(main), "../wasm-out/"));
  env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  await setBackend("wasm");
  await ready();
  x = tensor(values, shape);
});

function channels(...shape: [number, number, number, number]): Tensor4D {
  const count = shape.reduce((product, side) => product * side);
  return tensor4d(Float32Array.from({ length: count }, (_, i) => Math.sin(i * 2.3)), shape);
}

const CASES: [name: string, compute: () => Tensor][] = [
  ["a leaky ReLU", () => leakyRelu(x, 0.2)],
  ["a leaky ReLU of one number", () => leakyRelu(tensor(-2), 0.3)],
  ["a mean over height and width", () => mean(x, [1, 2], true)],
  ["the same without their axes", () => mean(x, [1, 2])],
  ["a mean over other axes", () => mean(x, [0, 3])],
  ["a mean over all", () => mean(x)],
  ["a hyperbolic tangent", () => tanh(x)],
  ["some channels", () => stridedSlice(x, [0, 0, 0, 1], [0, 0, 0, 3], [1, 1, 1, 1], 7, 7)],
  ["the first of them", () => stridedSlice(x, [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1], 7, 7)],
  ["the last, without their axis", () => stridedSlice(x, [-1], [0], [1], 0, 1, 1, 0, 1)],
  ["every other channel", () => stridedSlice(x, [0, 0, 0, 0], [2, 5, 7, 3], [1, 1, 1, 2])],
  ["some rows", () => stridedSlice(x, [0, 1, 0, 0], [2, 4, 7, 3], [1, 1, 1, 1])],
  ["blocks of 2 x 2 pixels", () => depthToSpace(channels(2, 3, 5, 12), 2)],
  ["blocks of 3 x 3 pixels", () => depthToSpace(channels(1, 2, 4, 18), 3)],
  ["blocks of pixels of channels first", () => depthToSpace(channels(2, 8, 3, 5), 2, "NCHW")],
  ["some of three axes", () => stridedSlice(reshape(x, [10, 7, 3]), [0, 2, 1], [10, 6, 3])],
];

it("gives what the backend's own kernels give, and leaves nothing behind", async () => {
  const own = CASES.map(([, compute]) => compute());
  replaceSlowKernels();
  const before = memory().numTensors;
  for (const [i, [name, compute]] of CASES.entries()) {
    const result = tidy(compute);
    expect(result.shape, name).toEqual(own[i].shape);
    const [ours, theirs] = [await result.data(), await own[i].data()];
    ours.forEach((value, k) => expect(value, name).toBeCloseTo(theirs[k], 5));
    result.dispose();
  }
  expect(memory().numTensors).toBe(before);
});

it("takes the leaky ReLU's slope from where it stands", async () => {
  const result = await leakyRelu(tensor([-1, 0, 2]), 0.25).data();
  expect([...result]).toEqual([-0.25, 0, 2]);
});
