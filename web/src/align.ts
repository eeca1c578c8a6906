/**
 * From three landmarks to the face crop and back: the same mathematics as helpers/alignment.py.
 *
 * Coordinates are pixel indices: (0, 0) is the centre of the top left pixel.
 */

export interface Point {
  x: number;
  y: number;
}

/** Eyes and mouth as the viewer sees them: the left eye is the one on the left of the photo. */
export interface Landmarks {
  leftEye: Point;
  rightEye: Point;
  mouth: Point;
}

/** Rotation, uniform scale and shift: x' = a x - b y + dx, y' = b x + a y + dy. */
export interface Similarity {
  a: number;
  b: number;
  dx: number;
  dy: number;
}

/** A rectangle of a photo, and where its top left pixel lies in the photo. */
export interface Patch {
  x: number;
  y: number;
  pixels: ImageData;
}

export interface Size {
  width: number;
  height: number;
}

export interface Rectangle extends Size {
  x: number;
  y: number;
}

/** Where CelebA's faces have their eyes and their mouth, in a face crop of 128 x 128. */
export const TEMPLATE_SIZE = 128;
export const TEMPLATE: Landmarks = {
  leftEye: { x: 50.1, y: 65.8 },
  rightEye: { x: 77.6, y: 65.8 },
  mouth: { x: 63.8, y: 95.3 },
};

export function apply(t: Similarity, p: Point): Point {
  return { x: t.a * p.x - t.b * p.y + t.dx, y: t.b * p.x + t.a * p.y + t.dy };
}

export function scaleOf(t: Similarity): number {
  return Math.hypot(t.a, t.b);
}

export function invert(t: Similarity): Similarity {
  const squared = t.a * t.a + t.b * t.b;
  const a = t.a / squared;
  const b = -t.b / squared;
  return { a, b, dx: -(a * t.dx - b * t.dy), dy: -(b * t.dx + a * t.dy) };
}

/** First `first`, then `second`. */
export function compose(second: Similarity, first: Similarity): Similarity {
  const shift = apply(second, { x: first.dx, y: first.dy });
  return {
    a: second.a * first.a - second.b * first.b,
    b: second.b * first.a + second.a * first.b,
    dx: shift.x,
    dy: shift.y,
  };
}

/**
 * Find the similarity that brings one face onto another.
 *
 * The line of the eyes gives the turn: a head that looks aside has its mouth aside of their middle,
 * which a fit of all three points would take for a tilt. Then the points come as far from their
 * mean as the others are from theirs, and mean onto mean. With points as complex numbers, the turn
 * is conj(from) * to of the two lines of eyes, divided by its length.
 */
export function bringOnto(from: Landmarks, to: Landmarks): Similarity {
  const f = shapeOf(from);
  const t = shapeOf(to);
  const real = f.eyes.x * t.eyes.x + f.eyes.y * t.eyes.y;
  const imaginary = f.eyes.x * t.eyes.y - f.eyes.y * t.eyes.x;
  const scale = t.spread / f.spread / Math.hypot(real, imaginary);
  const a = scale * real;
  const b = scale * imaginary;
  return {
    a,
    b,
    dx: t.mean.x - (a * f.mean.x - b * f.mean.y),
    dy: t.mean.y - (b * f.mean.x + a * f.mean.y),
  };
}

/** The line of the eyes, the mean of the three points, and how far they are from it. */
function shapeOf({ leftEye, rightEye, mouth }: Landmarks) {
  const points = [leftEye, rightEye, mouth];
  const mean = {
    x: (leftEye.x + rightEye.x + mouth.x) / 3,
    y: (leftEye.y + rightEye.y + mouth.y) / 3,
  };
  return {
    eyes: { x: rightEye.x - leftEye.x, y: rightEye.y - leftEye.y },
    mean,
    spread: Math.hypot(...points.flatMap((p) => [p.x - mean.x, p.y - mean.y])),
  };
}

/**
 * Find the transform from the photo to the face crop of `size` x `size`, of which the part
 * `headroom` is above what is called the face crop elsewhere: a hat is higher than that.
 */
export function photoToCrop(face: Landmarks, size: number, headroom = 0): Similarity {
  const zoom = (size * (1 - headroom)) / TEMPLATE_SIZE;
  // Half a pixel: an image is scaled about its corner, not about the centre of its first pixel.
  const target = (p: Point): Point => ({
    x: (p.x + 0.5) * zoom - 0.5 + (size * headroom) / 2,
    y: (p.y + 0.5) * zoom - 0.5 + size * headroom,
  });
  return bringOnto(face, {
    leftEye: target(TEMPLATE.leftEye),
    rightEye: target(TEMPLATE.rightEye),
    mouth: target(TEMPLATE.mouth),
  });
}

/** Find the rectangle, in whole pixels, that the face crop reads: it may reach beyond the photo. */
function footprint(toCrop: Similarity, size: number): Rectangle {
  const back = invert(toCrop);
  const ends = [-0.5, size - 0.5];
  const corners = ends.flatMap((x) => ends.map((y) => apply(back, { x, y })));
  const xs = corners.map((p) => p.x);
  const ys = corners.map((p) => p.y);
  // Interpolation reads one pixel more on each side.
  const x = Math.floor(Math.min(...xs)) - 1;
  const y = Math.floor(Math.min(...ys)) - 1;
  const width = Math.ceil(Math.max(...xs)) + 2 - x;
  const height = Math.ceil(Math.max(...ys)) + 2 - y;
  return { x, y, width, height };
}

/** Find the part of the photo that holds the face crop: at least one pixel. */
export function cropBounds(toCrop: Similarity, size: number, photo: Size): Rectangle {
  const { x, y, width, height } = footprint(toCrop, size);
  const left = Math.min(Math.max(x, 0), photo.width - 1);
  const top = Math.min(Math.max(y, 0), photo.height - 1);
  return {
    x: left,
    y: top,
    width: Math.max(1, Math.min(x + width, photo.width) - left),
    height: Math.max(1, Math.min(y + height, photo.height) - top),
  };
}

/** How many samples along a side make an output pixel that covers `pixels` of its source. */
export function samplesFor(pixels: number): number {
  return Math.max(1, Math.ceil(pixels - 1e-6));
}

/**
 * Warp the face crop out of the photo.
 *
 * Each pixel of the crop is the mean of n x n bilinear samples, n growing with the reduction, so
 * that no pixel of a large face is skipped. Beyond the photo's edge its mirror image is read.
 *
 * @param patch what `cropBounds` names
 * @param photo the size of the whole photo
 * @returns float32 of length size * size * 3, in [-1, 1], on the 256 levels of a photo
 */
export function takeCrop(
  patch: Patch,
  photo: Size,
  toCrop: Similarity,
  size: number,
): Float32Array {
  const { data, width, height } = patch.pixels;
  const back = invert(toCrop);
  const area = footprint(toCrop, size);
  const columns = mirrored(area.x, area.width, photo.width, patch.x, width, 4);
  const rows = mirrored(area.y, area.height, photo.height, patch.y, height, 4 * width);
  const n = samplesFor(scaleOf(back));
  const { a, b } = back;
  const [dx, dy] = [back.dx - area.x, back.dy - area.y];
  const crop = new Float32Array(size * size * 3);
  for (let out = 0, row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let i = 0; i < n; i++) {
        const v = row - 0.5 + (i + 0.5) / n;
        for (let j = 0; j < n; j++) {
          const u = column - 0.5 + (j + 0.5) / n;
          const x = a * u - b * v + dx;
          const y = b * u + a * v + dy;
          // Neither is negative, and this is the fastest way to cut them off.
          const left = x | 0;
          const top = y | 0;
          const fx = x - left;
          const fy = y - top;
          // The four neighbours p q r s, by rows, each with its weight.
          const p = rows[top] + columns[left];
          const q = rows[top] + columns[left + 1];
          const r = rows[top + 1] + columns[left];
          const s = rows[top + 1] + columns[left + 1];
          const ofP = (1 - fx) * (1 - fy);
          const ofQ = fx * (1 - fy);
          const ofR = (1 - fx) * fy;
          const ofS = fx * fy;
          red += data[p] * ofP + data[q] * ofQ + data[r] * ofR + data[s] * ofS;
          green += data[p + 1] * ofP + data[q + 1] * ofQ + data[r + 1] * ofR + data[s + 1] * ofS;
          blue += data[p + 2] * ofP + data[q + 2] * ofQ + data[r + 2] * ofR + data[s + 2] * ofS;
        }
      }
      crop[out++] = Math.round(red / (n * n)) / 127.5 - 1;
      crop[out++] = Math.round(green / (n * n)) / 127.5 - 1;
      crop[out++] = Math.round(blue / (n * n)) / 127.5 - 1;
    }
  }
  return crop;
}

/**
 * Where in a patch's data the pixels start, start + 1, ... of one side of the photo lie, with the
 * photo mirrored at its edges.
 */
function mirrored(
  start: number,
  count: number,
  photoSide: number,
  patchStart: number,
  patchSide: number,
  stride: number,
): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => {
    const period = 2 * photoSide;
    const turned = (((start + i) % period) + period) % period;
    const inPhoto = turned < photoSide ? turned : period - 1 - turned;
    // A face almost outside of the photo would mirror to beyond the patch.
    return Math.min(Math.max(inPhoto - patchStart, 0), patchSide - 1) * stride;
  });
}
