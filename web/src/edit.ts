/** Run a model: a face crop in, a generator's residual or a classifier's answers out. */

import type { GraphModel } from "@tensorflow/tfjs-converter";
import { tensor2d, tensor4d, tidy, type Tensor } from "@tensorflow/tfjs-core";

/**
 * @param crop float32 of length size * size * 3, in [-1, 1]
 * @param style what a generator that knows styles should draw, each number in [-1, 1]
 * @returns of a generator the residual, of the same length: edited = clip(crop + residual, -1, 1);
 *   of a classifier one probability for each attribute
 */
export async function run(
  model: GraphModel,
  crop: Float32Array,
  size: number,
  style: number[] = [],
): Promise<Float32Array> {
  const output = tidy(() => {
    const inputs = model.inputs.map(({ name }): [string, Tensor] => [
      name,
      name === "style" ? tensor2d([style]) : tensor4d(crop, [1, size, size, 3]),
    ]);
    return model.predict(Object.fromEntries(inputs)) as Tensor;
  });
  try {
    return (await output.data()) as Float32Array;
  } finally {
    output.dispose();
  }
}
