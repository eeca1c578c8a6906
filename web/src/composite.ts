/** Put the edit back: the residual, resized up and warped back, is added to the photo itself. */

import { apply, type Patch, type Similarity } from "./align";

/** The residual fades out over this part of the crop's side, so that no square can show. */
const FEATHER = 0.04;

/**
 * Add a residual to a patch of the photo, in place.
 *
 * Only pixels inside the face crop change. The photo keeps its full sharpness, since nothing of
 * it is resampled: just the residual is, by cubic interpolation.
 *
 * @param residual float32 of length size * size * 3, in [-2, 2] of the range [-1, 1]
 */
export function addResidual(
  patch: Patch,
  residual: Float32Array,
  toCrop: Similarity,
  size: number,
  strength = 1,
): void {
  const { data, width, height } = patch.pixels;
  const last = size - 1;
  const wx = new Float32Array(4);
  const wy = new Float32Array(4);
  const columns = new Int32Array(4);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = apply(toCrop, { x: column + patch.x, y: row + patch.y });
      // Distance to the crop's border, whose pixels reach half a pixel beyond their centres.
      const inside = Math.min(at.x, at.y, last - at.x, last - at.y) + 0.5;
      if (inside <= 0) continue;
      const fade = smooth(Math.min(1, inside / (FEATHER * size))) * strength * 127.5;
      const x0 = Math.floor(at.x);
      const y0 = Math.floor(at.y);
      cubicWeights(at.x - x0, wx);
      cubicWeights(at.y - y0, wy);
      for (let j = 0; j < 4; j++) columns[j] = clampIndex(x0 - 1 + j, last) * 3;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let i = 0; i < 4; i++) {
        const start = clampIndex(y0 - 1 + i, last) * size * 3;
        for (let j = 0; j < 4; j++) {
          const source = start + columns[j];
          const weight = wy[i] * wx[j];
          red += weight * residual[source];
          green += weight * residual[source + 1];
          blue += weight * residual[source + 2];
        }
      }
      const pixel = (row * width + column) * 4; // the array itself rounds and clips to 0..255
      data[pixel] += red * fade;
      data[pixel + 1] += green * fade;
      data[pixel + 2] += blue * fade;
    }
  }
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}

function clampIndex(index: number, last: number): number {
  return index < 0 ? 0 : index > last ? last : index;
}

/** Catmull-Rom weights of four neighbours: exact at the pixels, smooth between them. */
function cubicWeights(t: number, weights: Float32Array): void {
  weights[0] = ((2 - t) * t - 1) * t * 0.5;
  weights[1] = ((3 * t - 5) * t * t + 2) * 0.5;
  weights[2] = ((4 - 3 * t) * t + 1) * t * 0.5;
  weights[3] = (t - 1) * t * t * 0.5;
}

/** Paint an image in [-1, 1], shifted by a residual if one is given, as opaque pixels. */
export function toPixels(image: Float32Array, size: number, residual?: Float32Array): ImageData {
  const pixels = new ImageData(size, size);
  for (let i = 0, p = 0; i < image.length; i += 3, p += 4) {
    for (let c = 0; c < 3; c++) {
      pixels.data[p + c] = (image[i + c] + (residual?.[i + c] ?? 0) + 1) * 127.5;
    }
    pixels.data[p + 3] = 255;
  }
  return pixels;
}
