/** Run a generator: a face crop in, its residual out. */

import type { GraphModel } from "@tensorflow/tfjs-converter";
import { tensor4d, tidy, type Tensor } from "@tensorflow/tfjs-core";

/**
 * @param crop float32 of length size * size * 3, in [-1, 1]
 * @returns the residual, of the same length; edited = clip(crop + residual, -1, 1)
 */
export async function edit(
  generator: GraphModel,
  crop: Float32Array,
  size: number,
): Promise<Float32Array> {
  const residual = tidy(
    () => generator.predict(tensor4d(crop, [1, size, size, 3])) as Tensor,
  );
  try {
    return (await residual.data()) as Float32Array;
  } finally {
    residual.dispose();
  }
}
