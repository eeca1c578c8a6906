/** Put the edit back: the residual, resized up and warped back, is added to the photo itself. */

import { samplesFor, scaleOf, type Patch, type Similarity } from "./align";

/** The residual fades in over this part of the crop's side, so that no square can show. */
const FEATHER = 0.04;

/** Pixels of the crop, a side, over which `opacity` fits a line; and how far it reaches. */
const WINDOW = 9;
const REACH = (WINDOW - 1) / 2;
/** What variance of a window is too little to tell. */
const FLAT = 0.003;
/** Sums over a window: of the residual, the crop, the residual's size; of both products. */
const SUMS = 11;

/** Pixels around a layer that repeat its outermost, so that none of 4 x 4 neighbours is missing. */
const BORDER = 3;

/**
 * Say how much of the photo a residual hides at each pixel of the crop, from 0 to 1.
 *
 * To paint over the photo with the share m is `m * (paint - crop)`: where the crop is brighter, the
 * residual is lower, and m is the slope of a line through each window. `opacity` in
 * helpers/alignment.py says more; both compute the same.
 *
 * Each live frame needs it, so nothing is summed twice: a window's sums are those of the one before
 * it with a column more and a column less, and so are a column's from row to row. In float64 the
 * differences stay exact enough. At the border the outermost pixels go on outside.
 *
 * @param crop float32 of length size * size * 3, in [-1, 1]
 * @param residual the same, in [-2, 2]
 */
export function opacity(crop: Float32Array, residual: Float32Array, size: number): Float32Array {
  const columns = new Float64Array(size * SUMS);
  const addRow = (row: number, sign: number) => {
    let i = clamp(row, 0, size - 1) * size * 3;
    for (let at = 0; at < columns.length; at += SUMS, i += 3) {
      for (let c = 0; c < 3; c++) {
        const change = residual[i + c];
        const own = crop[i + c];
        columns[at + c] += sign * change;
        columns[at + 3 + c] += sign * own;
        columns[at + 6 + c] += sign * Math.abs(change);
        columns[at + 9] += sign * change * own;
        columns[at + 10] += sign * own * own;
      }
    }
  };
  const sums = new Float64Array(SUMS);
  const addColumn = (column: number, sign: number) => {
    const at = clamp(column, 0, size - 1) * SUMS;
    for (let k = 0; k < SUMS; k++) sums[k] += sign * columns[at + k];
  };

  const shares = new Float32Array(size * size);
  for (let row = -REACH; row <= REACH; row++) addRow(row, 1);
  for (let row = 0, i = 0; row < size; row++) {
    sums.fill(0);
    for (let column = -REACH; column <= REACH; column++) addColumn(column, 1);
    for (let column = 0; column < size; column++, i++) {
      shares[i] = shareOf(sums);
      addColumn(column + REACH + 1, 1);
      addColumn(column - REACH, -1);
    }
    addRow(row + REACH + 1, 1);
    addRow(row - REACH, -1);
  }
  return shares;
}

/** The opacity in the middle of a window, from its sums. */
function shareOf(sums: Float64Array): number {
  const count = WINDOW * WINDOW;
  const strongest = Math.max(sums[6], sums[7], sums[8]) / count;
  const products = sums[0] * sums[3] + sums[1] * sums[4] + sums[2] * sums[5];
  const squares = sums[3] * sums[3] + sums[4] * sums[4] + sums[5] * sums[5];
  const covariance = (sums[9] - products / count) / count;
  const variance = (sums[10] - squares / count) / count;
  const slope = Math.min(1, Math.max(0, -covariance / (variance + FLAT)));
  // A slope of next to nothing is noise.
  return slope * Math.min(1, Math.max(0, 10 * strongest));
}

/** The residual at the strength that the user chose: 0 changes nothing, 1 is what was computed. */
export function atStrength(residual: Float32Array, strength: number): Float32Array {
  return strength === 1 ? residual : residual.map((value) => value * strength);
}

/**
 * Add a residual to a patch of the photo, in place.
 *
 * Only pixels inside the face crop change, and only the residual is resampled (by cubic
 * interpolation), so that the photo keeps its full sharpness. But where the residual paints over
 * the photo, what is finer than the crop's pixels would show through: there the photo's own pixels
 * give way to those of the edited crop.
 *
 * Most of a patch does not change, and what does is up to a million pixels: the loops below make no
 * objects, and stop at a pixel as soon as it is known to stay.
 *
 * @param residual float32 of length size * size * 3, in [-2, 2], where 1 is 127.5 grey levels
 * @param crop what the residual was computed for, in [-1, 1]; without it, nothing gives way
 */
export function addResidual(
  patch: Patch,
  residual: Float32Array,
  toCrop: Similarity,
  size: number,
  crop?: Float32Array,
): void {
  const { a, b, dx, dy } = toCrop;
  const { data, width, height } = patch.pixels;
  // Where the face is smaller than the crop, a pixel of the photo covers several of the residual.
  const n = samplesFor(scaleOf(toCrop));
  const side = size + 2 * BORDER;
  const layer = layerOf(residual, size, crop);
  const seen = whereSeen(layer, side, n);
  const places = samplePlaces(toCrop, n);
  const change = new Float64Array(4);
  for (let row = 0, pixel = 0; row < height; row++) {
    for (let column = 0; column < width; column++, pixel += 4) {
      const x = a * (column + patch.x) - b * (row + patch.y) + dx;
      const y = b * (column + patch.x) + a * (row + patch.y) + dy;
      if (!(x > -0.5 && y > -0.5 && x < size - 0.5 && y < size - 0.5)) continue;
      let changes = false;
      for (let k = 0; k < places.length; k += 2) {
        // Beyond the crop its border goes on, so no more than a pixel of that is needed.
        const u = clamp(x + places[k], -1, size);
        const v = clamp(y + places[k + 1], -1, size);
        const left = Math.floor(u);
        const top = Math.floor(v);
        const first = (top - 1 + BORDER) * side + left - 1 + BORDER;
        if (!seen[first]) continue;
        changes = true;
        addSample(layer, side, first, u - left, v - top, change);
      }
      if (!changes) continue;
      const weight = fade(x, y, size) / (n * n);
      for (let c = 0; c < 3; c++) {
        const own = data[pixel + c] - 127.5;
        // The array itself rounds and clips to 0..255.
        data[pixel + c] += weight * (127.5 * change[c] - change[3] * own);
      }
      change.fill(0);
    }
  }
}

/** Where the n x n samples of a pixel of the photo lie, in the crop and from the pixel's middle. */
function samplePlaces({ a, b }: Similarity, n: number): Float64Array {
  const places = new Float64Array(2 * n * n);
  for (let i = 0; i < n * n; i++) {
    const right = ((i % n) + 0.5) / n - 0.5;
    const down = (Math.floor(i / n) + 0.5) / n - 0.5;
    places.set([a * right - b * down, b * right + a * down], 2 * i);
  }
  return places;
}

/**
 * Join a residual and its opacity, four numbers a pixel, with a border. The first three bring along
 * from the crop as much as the fourth takes from the photo.
 */
function layerOf(residual: Float32Array, size: number, crop?: Float32Array): Float32Array {
  const side = size + 2 * BORDER;
  const layer = new Float32Array(side * side * 4);
  const hidden = crop && opacity(crop, residual, size);
  for (let row = 0, at = 0; row < side; row++) {
    const start = clamp(row - BORDER, 0, size - 1) * size;
    for (let column = 0; column < side; column++, at += 4) {
      const i = start + clamp(column - BORDER, 0, size - 1);
      const share = hidden ? hidden[i] : 0;
      for (let c = 0; c < 3; c++) {
        layer[at + c] = residual[3 * i + c] + (share && share * crop![3 * i + c]);
      }
      layer[at + 3] = share;
    }
  }
  return layer;
}

/**
 * Find where a layer can change a pixel at all: most masks leave most of a face as it is.
 *
 * @returns for each pixel of the layer, whether it and the 4 x 4 to its right and below, of which it
 *   is the first, may come to half a grey level in one of n x n samples
 */
function whereSeen(layer: Float32Array, side: number, n: number): Uint8Array {
  // The weights of four neighbours add up to 1.25 at most, whatever their signs; and what is added
  // and what is hidden may come together.
  const least = 0.25 / (127.5 * 1.25 ** 2) / (n * n);
  const seen = new Uint8Array(side * side);
  for (let i = 0, at = 0; i < seen.length; i++) {
    for (let c = 0; c < 4; c++, at++) if (Math.abs(layer[at]) >= least) seen[i] = 1;
  }
  // In place, since only what comes later is read.
  for (const step of [1, side]) {
    for (let i = 0; i < seen.length - 3 * step; i++) {
      seen[i] |= seen[i + step] | seen[i + 2 * step] | seen[i + 3 * step];
    }
  }
  return seen;
}

/** Weight of the residual at a point of the crop: 0 outside of it, 1 well inside. */
function fade(x: number, y: number, size: number): number {
  // The border pixels reach half a pixel beyond their centres.
  const depth = Math.min(x, y, size - 1 - x, size - 1 - y) + 0.5;
  const step = Math.min(1, Math.max(0, depth / (FEATHER * size)));
  return step * step * (3 - 2 * step);
}

const acrossWeights = new Float64Array(4);
const downWeights = new Float64Array(4);

/**
 * Add the cubic interpolation of four channels to `sum`.
 *
 * @param first the first of the 4 x 4 neighbours, by number
 * @param right how far behind the second of them the point lies, from 0 to 1
 * @param down the same, below
 */
function addSample(
  layer: Float32Array,
  side: number,
  first: number,
  right: number,
  down: number,
  sum: Float64Array,
): void {
  cubicWeights(right, acrossWeights);
  cubicWeights(down, downWeights);
  let [c0, c1, c2, c3] = [0, 0, 0, 0];
  for (let i = 0; i < 4; i++) {
    for (let j = 0, at = (first + i * side) * 4; j < 4; j++, at += 4) {
      const weight = downWeights[i] * acrossWeights[j];
      c0 += weight * layer[at];
      c1 += weight * layer[at + 1];
      c2 += weight * layer[at + 2];
      c3 += weight * layer[at + 3];
    }
  }
  sum[0] += c0;
  sum[1] += c1;
  sum[2] += c2;
  sum[3] += c3;
}

function clamp(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
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
  const { data } = pixels; // asking for it each time costs more than the pixel
  for (let i = 0, p = 0; i < image.length; i += 3, p += 4) {
    for (let c = 0; c < 3; c++) {
      const shift = residual ? residual[i + c] : 0;
      data[p + c] = (image[i + c] + shift + 1) * 127.5;
    }
    data[p + 3] = 255;
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
  const { data } = pixels;
  for (let i = 0, p = 0; i < residual.length; i += 3, p += 4) {
    const change = Math.max(
      Math.abs(residual[i]),
      Math.abs(residual[i + 1]),
      Math.abs(residual[i + 2]),
    );
    for (let c = 0; c < 3; c++) data[p + c] = 255 * (3 * change - c);
    data[p + 3] = 255;
  }
  return pixels;
}
