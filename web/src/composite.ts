/** Put the edit back: the residual, resized up and warped back, is added to the photo itself. */

import { apply, samplesFor, scaleOf, type Patch, type Similarity } from "./align";

/** The residual fades in over this part of the crop's side, so that no square can show. */
const FEATHER = 0.04;

/**
 * Add a residual to a patch of the photo, in place.
 *
 * Only pixels inside the face crop change, and only the residual is resampled (by cubic
 * interpolation), so that the photo keeps its full sharpness.
 *
 * @param residual float32 of length size * size * 3, in [-2, 2], where 1 is 127.5 grey levels
 */
export function addResidual(
  patch: Patch,
  residual: Float32Array,
  toCrop: Similarity,
  size: number,
  strength = 1,
): void {
  const { data, width, height } = patch.pixels;
  // Where the face is smaller than the crop, a pixel of the photo covers several of the residual.
  const n = samplesFor(scaleOf(toCrop));
  const seen = n === 1 ? whereSeen(residual, size, strength) : undefined;
  const change = [0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const x = column + patch.x;
      const y = row + patch.y;
      const middle = apply(toCrop, { x, y });
      if (seen && !seen[indexAt(middle, size)]) continue;
      const weight = fade(middle, size) * strength;
      if (weight === 0) continue;
      change.fill(0);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const at = { x: x - 0.5 + (j + 0.5) / n, y: y - 0.5 + (i + 0.5) / n };
          sample(residual, size, apply(toCrop, at), change);
        }
      }
      const pixel = (row * width + column) * 4;
      for (let c = 0; c < 3; c++) {
        // The array itself rounds and clips to 0..255.
        data[pixel + c] += (127.5 * weight * change[c]) / (n * n);
      }
    }
  }
}

/**
 * Find where the residual can change a pixel at all: most masks leave most of a face as it is.
 *
 * @returns for each pixel of the crop, whether an interpolation between it and the next ones may
 *   come to half a grey level
 */
function whereSeen(residual: Float32Array, size: number, strength: number): Uint8Array {
  // The weights of four neighbours add up to 1.25 at most, whatever their signs.
  const least = 0.5 / (127.5 * 1.25 ** 2 * strength);
  const seen = new Uint8Array(size * size);
  for (let i = 0; i < residual.length; i++) {
    if (Math.abs(residual[i]) < least) continue;
    const x = Math.floor(i / 3) % size;
    const y = Math.floor(i / (3 * size));
    // It is read by the pixels from two before it to one behind it.
    const [left, right] = [Math.max(x - 2, 0), Math.min(x + 2, size)];
    for (let row = Math.max(y - 2, 0); row < Math.min(y + 2, size); row++) {
      seen.fill(1, row * size + left, row * size + right);
    }
  }
  return seen;
}

/** The place in the crop of the pixel to the left of and above a point. */
function indexAt({ x, y }: { x: number; y: number }, size: number): number {
  return clampIndex(Math.floor(y), size - 1) * size + clampIndex(Math.floor(x), size - 1);
}

/** Weight of the residual at a point of the crop: 0 outside of it, 1 well inside. */
function fade({ x, y }: { x: number; y: number }, size: number): number {
  // The border pixels reach half a pixel beyond their centres.
  const depth = Math.min(x, y, size - 1 - x, size - 1 - y) + 0.5;
  const step = Math.min(1, Math.max(0, depth / (FEATHER * size)));
  return step * step * (3 - 2 * step);
}

const acrossWeights = new Float64Array(4);
const downWeights = new Float64Array(4);

/** Add the cubic interpolation of three channels at a point to `sum`. */
function sample(
  image: Float32Array,
  size: number,
  { x, y }: { x: number; y: number },
  sum: number[],
): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  cubicWeights(x - left, acrossWeights);
  cubicWeights(y - top, downWeights);
  for (let i = 0; i < 4; i++) {
    const start = clampIndex(top - 1 + i, size - 1) * size;
    for (let j = 0; j < 4; j++) {
      const weight = downWeights[i] * acrossWeights[j];
      const source = (start + clampIndex(left - 1 + j, size - 1)) * 3;
      for (let c = 0; c < 3; c++) sum[c] += weight * image[source + c];
    }
  }
}

function clampIndex(index: number, last: number): number {
  return index < 0 ? 0 : index > last ? last : index;
}

/** Catmull-Rom weights of four neighbours: exact at the pixels, smooth between them. */
function cubicWeights(t: number, weights: Float64Array): void {
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

/**
 * Paint how much each pixel changes, whatever the sign: the largest of its three channels, from
 * black (0) over red and yellow to white (1 and more).
 *
 * The exported graph has one output, the residual, so the network's own mask is not to be had;
 * where the mask is 0 this is black too.
 */
export function toHeat(residual: Float32Array, size: number): ImageData {
  const pixels = new ImageData(size, size);
  for (let i = 0, p = 0; i < residual.length; i += 3, p += 4) {
    const [r, g, b] = [residual[i], residual[i + 1], residual[i + 2]];
    const change = Math.max(Math.abs(r), Math.abs(g), Math.abs(b));
    for (let c = 0; c < 3; c++) pixels.data[p + c] = 255 * (3 * change - c);
    pixels.data[p + 3] = 255;
  }
  return pixels;
}
