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

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
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

/** The same transform, for points counted from another corner: first add `offset`, then apply. */
export function shifted(t: Similarity, offset: Point): Similarity {
  const { x: dx, y: dy } = apply(t, offset);
  return { ...t, dx, dy };
}

/**
 * Find the similarity that maps `from` onto `to` with the least squared error.
 *
 * This is Umeyama's method. In the plane it needs no matrix decomposition: with the points as
 * complex numbers around their means, the best rotation and scale is the complex number
 * sum(conj(from) * to) / sum(|from|^2), which can't mirror.
 */
export function fitSimilarity(from: Point[], to: Point[]): Similarity {
  const centre = (points: Point[]): Point => ({
    x: points.reduce((sum, p) => sum + p.x, 0) / points.length,
    y: points.reduce((sum, p) => sum + p.y, 0) / points.length,
  });
  const f = centre(from);
  const t = centre(to);
  let a = 0;
  let b = 0;
  let spread = 0;
  from.forEach((point, i) => {
    const fx = point.x - f.x;
    const fy = point.y - f.y;
    const tx = to[i].x - t.x;
    const ty = to[i].y - t.y;
    a += fx * tx + fy * ty;
    b += fx * ty - fy * tx;
    spread += fx * fx + fy * fy;
  });
  a /= spread;
  b /= spread;
  return { a, b, dx: t.x - (a * f.x - b * f.y), dy: t.y - (b * f.x + a * f.y) };
}

/** Find the transform from the photo to the face crop of `size` x `size`. */
export function photoToCrop(face: Landmarks, size: number): Similarity {
  const zoom = size / TEMPLATE_SIZE;
  // Half a pixel: an image is scaled about its corner, not about the centre of its first pixel.
  const target = (p: Point): Point => ({
    x: (p.x + 0.5) * zoom - 0.5,
    y: (p.y + 0.5) * zoom - 0.5,
  });
  return fitSimilarity(
    [face.leftEye, face.rightEye, face.mouth],
    [target(TEMPLATE.leftEye), target(TEMPLATE.rightEye), target(TEMPLATE.mouth)],
  );
}

/** Find the rectangle of the photo, in whole pixels, that holds the face crop. */
export function cropBounds(
  toCrop: Similarity,
  size: number,
  photo: { width: number; height: number },
): Rectangle {
  const back = invert(toCrop);
  const corners = [-0.5, size - 0.5].flatMap((x) =>
    [-0.5, size - 0.5].map((y) => apply(back, { x, y })),
  );
  const range = (values: number[], end: number): [number, number] => {
    // One pixel more on each side, which the interpolation reads; at least one pixel in all.
    const low = Math.min(end - 1, Math.max(0, Math.floor(Math.min(...values)) - 1));
    const high = Math.max(low + 1, Math.min(end, Math.ceil(Math.max(...values)) + 2));
    return [low, high];
  };
  const [left, right] = range(corners.map((p) => p.x), photo.width);
  const [top, bottom] = range(corners.map((p) => p.y), photo.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** More samples than this along a pixel's side show no difference, and cost time. */
const MAX_SAMPLES = 8;

/**
 * Warp the face crop out of the photo.
 *
 * Each pixel of the crop is the mean of n x n bilinear samples, n growing with the reduction, so
 * that a face of a thousand pixels does not turn into noise. Outside the photo its edge goes on.
 *
 * @returns float32 of length size * size * 3, in [-1, 1]
 */
export function takeCrop(patch: Patch, toCrop: Similarity, size: number): Float32Array {
  const { data, width, height } = patch.pixels;
  const back = invert(toCrop);
  const n = Math.min(MAX_SAMPLES, Math.max(1, Math.ceil(scaleOf(back))));
  const crop = new Float32Array(size * size * 3);
  const weight = 1 / (n * n);
  let out = 0;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++, out += 3) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let i = 0; i < n; i++) {
        const v = row - 0.5 + (i + 0.5) / n;
        for (let j = 0; j < n; j++) {
          const u = column - 0.5 + (j + 0.5) / n;
          const x = clamp(back.a * u - back.b * v + back.dx - patch.x, width - 1);
          const y = clamp(back.b * u + back.a * v + back.dy - patch.y, height - 1);
          const x0 = Math.floor(x);
          const y0 = Math.floor(y);
          const fx = x - x0;
          const fy = y - y0;
          const p00 = (y0 * width + x0) * 4;
          const p01 = x0 + 1 < width ? p00 + 4 : p00;
          const down = y0 + 1 < height ? width * 4 : 0;
          const w00 = (1 - fx) * (1 - fy);
          const w01 = fx * (1 - fy);
          const w10 = (1 - fx) * fy;
          const w11 = fx * fy;
          red += data[p00] * w00 + data[p01] * w01 + data[p00 + down] * w10 + data[p01 + down] * w11;
          green +=
            data[p00 + 1] * w00 +
            data[p01 + 1] * w01 +
            data[p00 + down + 1] * w10 +
            data[p01 + down + 1] * w11;
          blue +=
            data[p00 + 2] * w00 +
            data[p01 + 2] * w01 +
            data[p00 + down + 2] * w10 +
            data[p01 + down + 2] * w11;
        }
      }
      crop[out] = (red * weight) / 127.5 - 1;
      crop[out + 1] = (green * weight) / 127.5 - 1;
      crop[out + 2] = (blue * weight) / 127.5 - 1;
    }
  }
  return crop;
}

function clamp(value: number, high: number): number {
  return value < 0 ? 0 : value > high ? high : value;
}
