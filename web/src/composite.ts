/** Put the edit back: the residual, resized up and warped back, is added to the photo itself. */

import { apply, samplesFor, scaleOf, type Patch, type Similarity } from "./align";

/** The residual fades in over this part of the crop's side, so that no square can show. */
const FEATHER = 0.04;

/** Pixels of the crop, a side, over which `opacity` fits a line. */
const WINDOW = 9;
/** What variance of a window is too little to tell. */
const FLAT = 0.003;

/**
 * Say how much of the photo a residual hides at each pixel of the crop, from 0 to 1.
 *
 * To paint over the photo with the share m is `m * (paint - crop)`: where the crop is brighter, the
 * residual is lower, and m is the slope of a line through each window. `opacity` in
 * helpers/alignment.py says more; both compute the same.
 *
 * @param crop float32 of length size * size * 3, in [-1, 1]
 * @param residual the same, in [-2, 2]
 */
export function opacity(crop: Float32Array, residual: Float32Array, size: number): Float32Array {
  const magnitude = residual.map(Math.abs);
  const means = [residual, crop, product(residual, crop), product(crop, crop), magnitude].map(
    (image) => windowMeans(image, size),
  );
  const shares = new Float32Array(size * size);
  for (let i = 0; i < shares.length; i++) {
    let covariance = 0;
    let variance = 0;
    let strongest = 0;
    for (let k = 3 * i; k < 3 * i + 3; k++) {
      const own = means[1][k];
      covariance += means[2][k] - means[0][k] * own;
      variance += means[3][k] - own * own;
      strongest = Math.max(strongest, means[4][k]);
    }
    // A slope of next to nothing is noise.
    const slope = Math.min(1, Math.max(0, -covariance / (variance + FLAT)));
    shares[i] = slope * Math.min(1, 10 * strongest);
  }
  return shares;
}

function product(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value * b[i]);
}

/** Means over `WINDOW` x `WINDOW` pixels around each, three channels; the border goes on outside. */
function windowMeans(image: Float32Array, size: number): Float32Array {
  const row = 3 * size;
  const across = runningMeans(image, size, 3, row);
  return runningMeans(across, size, row, 3);
}

/** Means of `WINDOW` pixels that lie `step` apart, in lines of `size` pixels `between` apart. */
function runningMeans(image: Float32Array, size: number, step: number, between: number) {
  const result = new Float32Array(image.length);
  const reach = (WINDOW - 1) / 2;
  for (let line = 0; line < size; line++) {
    for (let channel = 0; channel < 3; channel++) {
      const start = line * between + channel;
      const at = (index: number) => image[start + clampIndex(index, size - 1) * step];
      let sum = 0;
      for (let index = -reach; index <= reach; index++) sum += at(index);
      for (let index = 0; index < size; index++) {
        result[start + index * step] = sum / WINDOW;
        sum += at(index + reach + 1) - at(index - reach);
      }
    }
  }
  return result;
}

/**
 * Add a residual to a patch of the photo, in place.
 *
 * Only pixels inside the face crop change, and only the residual is resampled (by cubic
 * interpolation), so that the photo keeps its full sharpness. But where the residual paints over
 * the photo, what is finer than the crop's pixels would show through: there the photo's own pixels
 * give way to those of the edited crop.
 *
 * @param residual float32 of length size * size * 3, in [-2, 2], where 1 is 127.5 grey levels
 * @param crop what the residual was computed for, in [-1, 1]; without it, nothing gives way
 */
export function addResidual(
  patch: Patch,
  residual: Float32Array,
  toCrop: Similarity,
  size: number,
  strength = 1,
  crop?: Float32Array,
): void {
  const { data, width, height } = patch.pixels;
  const layer = layerOf(residual.map((value) => value * strength), size, crop);
  // Where the face is smaller than the crop, a pixel of the photo covers several of the residual.
  const n = samplesFor(scaleOf(toCrop));
  const seen = n === 1 ? whereSeen(layer, size) : undefined;
  const change = [0, 0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const x = column + patch.x;
      const y = row + patch.y;
      const middle = apply(toCrop, { x, y });
      if (seen && !seen[indexAt(middle, size)]) continue;
      const weight = fade(middle, size);
      if (weight === 0) continue;
      change.fill(0);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const at = { x: x - 0.5 + (j + 0.5) / n, y: y - 0.5 + (i + 0.5) / n };
          sample(layer, size, apply(toCrop, at), change);
        }
      }
      const pixel = (row * width + column) * 4;
      const hidden = change[3];
      for (let c = 0; c < 3; c++) {
        const own = data[pixel + c] - 127.5;
        // The array itself rounds and clips to 0..255.
        data[pixel + c] += (weight * (127.5 * change[c] - hidden * own)) / (n * n);
      }
    }
  }
}

/**
 * Join a residual and its opacity, four numbers a pixel. The first three bring along from the crop
 * as much as the fourth takes from the photo.
 */
function layerOf(residual: Float32Array, size: number, crop?: Float32Array): Float32Array {
  const layer = new Float32Array(size * size * 4);
  const hidden = crop && opacity(crop, residual, size);
  for (let i = 0; i < size * size; i++) {
    const share = hidden ? hidden[i] : 0;
    for (let c = 0; c < 3; c++) {
      layer[4 * i + c] = residual[3 * i + c] + (share && share * crop![3 * i + c]);
    }
    layer[4 * i + 3] = share;
  }
  return layer;
}

/**
 * Find where a layer can change a pixel at all: most masks leave most of a face as it is.
 *
 * @returns for each pixel of the crop, whether an interpolation between it and the next ones may
 *   come to half a grey level
 */
function whereSeen(layer: Float32Array, size: number): Uint8Array {
  // The weights of four neighbours add up to 1.25 at most, whatever their signs; and what is added
  // and what is hidden may come together.
  const least = 0.25 / (127.5 * 1.25 ** 2);
  const seen = new Uint8Array(size * size);
  for (let i = 0; i < layer.length; i++) {
    if (Math.abs(layer[i]) < least) continue;
    const x = Math.floor(i / 4) % size;
    const y = Math.floor(i / (4 * size));
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

/** Add the cubic interpolation of four channels at a point to `sum`. */
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
      const source = (start + clampIndex(left - 1 + j, size - 1)) * 4;
      for (let c = 0; c < 4; c++) sum[c] += weight * image[source + c];
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
