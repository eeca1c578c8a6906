/**
 * Follow a face from frame to frame without the network: half a millisecond, where it takes thirty.
 *
 * This is the inverse compositional Lucas-Kanade method (Baker and Matthews, 2004): find the
 * similarity under which the face's grey values in the new frame look like those in the frame in
 * which it was last detected. The derivatives are of that frame alone, and computed once.
 */

import { apply, compose, invert, type Similarity, type Size } from "./align";

/** Every so many frames the picture is searched for more faces, and half-way each is measured. */
export const PERIOD = 12;

/** Side of the square of grey values: the face crop, at half its size. */
export const SIDE = 64;

/** The part of the square that is compared: brows to mouth, and not the background. */
const WINDOW = { left: 17, top: 21, right: 47, bottom: 55 };
const MIDDLE = { x: (WINDOW.left + WINDOW.right) / 2, y: (WINDOW.top + WINDOW.bottom) / 2 };
/** From coarse to fine: blurred first, so that a large step is found too. */
const BLURS = [4, 1];
const STEPS = 12;
const SMALL_STEP = 0.02; // pixels

/** A picture to be found again. */
export interface Model {
  levels: Level[];
}
interface Level {
  blur: number;
  /** Standardized grey values of the window, and their derivatives by the four parameters. */
  values: Float32Array;
  steepest: Float32Array;
  /** Inverse of the 4 x 4 Hessian, by rows. */
  inverse: number[];
}

export interface Motion {
  /** From where a point was in the model's square to where it is in the new one. */
  motion: Similarity;
  /** Correlation of what was and what is, at most 1. */
  likeness: number;
}

/** @param grey SIDE x SIDE values, of any range: brightness and contrast do not count */
export function modelOf(grey: Float32Array): Model {
  return { levels: BLURS.map((blur) => levelOf(blurred(grey, blur), blur)) };
}

/** Find the model in a new square, in which the face lies near where it lay in the model's. */
export function follow(model: Model, grey: Float32Array): Motion {
  let motion: Similarity = { a: 1, b: 0, dx: 0, dy: 0 };
  let likeness = 0;
  for (const level of model.levels) {
    const now = blurred(grey, level.blur);
    for (let step = 0; step < STEPS; step++) {
      const seen = standardized(windowOf(now, motion));
      const gradient = new Float64Array(4);
      likeness = 0;
      for (let i = 0; i < seen.length; i++) {
        const error = seen[i] - level.values[i];
        likeness += (seen[i] * level.values[i]) / seen.length;
        for (let k = 0; k < 4; k++) gradient[k] += level.steepest[4 * i + k] * error;
      }
      const [a, b, dx, dy] = [0, 1, 2, 3].map((row) =>
        gradient.reduce((sum, value, k) => sum + level.inverse[4 * row + k] * value, 0),
      );
      motion = compose(motion, invert(aroundMiddle(a, b, dx, dy)));
      const reach = (WINDOW.right - WINDOW.left) / 2;
      if (Math.hypot(dx, dy) + Math.hypot(a, b) * reach < SMALL_STEP) break;
    }
  }
  return { motion, likeness };
}

/**
 * Say whether a picture shows all that is compared in a view of it. Where it ends, a view ends too,
 * and that edge would be followed instead of the face.
 */
export function isWithin(picture: Size, view: Similarity): boolean {
  const toPicture = invert(view);
  const margin = Math.max(...BLURS);
  return [WINDOW.left - margin, WINDOW.right + margin].every((x) =>
    [WINDOW.top - margin, WINDOW.bottom + margin].every((y) => {
      const p = apply(toPicture, { x, y });
      return p.x >= 0 && p.y >= 0 && p.x < picture.width && p.y < picture.height;
    }),
  );
}

/** The similarity of four small parameters: growth, turn and shift about the window's middle. */
function aroundMiddle(a: number, b: number, dx: number, dy: number): Similarity {
  const { x, y } = MIDDLE;
  return { a: 1 + a, b, dx: dx - a * x + b * y, dy: dy - b * x - a * y };
}

function levelOf(grey: Float32Array, blur: number): Level {
  const still: Similarity = { a: 1, b: 0, dx: 0, dy: 0 };
  const plain = windowOf(grey, still);
  const spread = spreadOf(plain);
  const values = standardized(plain);
  const steepest = new Float32Array(values.length * 4);
  const hessian = new Array<number>(16).fill(0);
  let i = 0;
  for (let y = WINDOW.top; y < WINDOW.bottom; y++) {
    for (let x = WINDOW.left; x < WINDOW.right; x++, i++) {
      const at = y * SIDE + x;
      const across = (grey[at + 1] - grey[at - 1]) / 2 / spread;
      const down = (grey[at + SIDE] - grey[at - SIDE]) / 2 / spread;
      const u = x - MIDDLE.x;
      const v = y - MIDDLE.y;
      const row = [across * u + down * v, down * u - across * v, across, down];
      steepest.set(row, 4 * i);
      row.forEach((p, k) => row.forEach((q, l) => (hessian[4 * k + l] += p * q)));
    }
  }
  for (let k = 0; k < 4; k++) hessian[5 * k] += 1e-3; // a plain grey square has no derivatives
  return { blur, values, steepest, inverse: inverseOf(hessian) };
}

/** Read the window through a similarity, by bilinear interpolation. */
function windowOf(grey: Float32Array, { a, b, dx, dy }: Similarity): Float32Array {
  const width = WINDOW.right - WINDOW.left;
  const values = new Float32Array(width * (WINDOW.bottom - WINDOW.top));
  const last = SIDE - 1.001;
  let i = 0;
  for (let row = WINDOW.top; row < WINDOW.bottom; row++) {
    for (let column = WINDOW.left; column < WINDOW.right; column++, i++) {
      const x = Math.min(Math.max(a * column - b * row + dx, 0), last);
      const y = Math.min(Math.max(b * column + a * row + dy, 0), last);
      const left = Math.floor(x);
      const top = Math.floor(y);
      const start = top * SIDE + left;
      const fx = x - left;
      const fy = y - top;
      values[i] =
        (grey[start] * (1 - fx) + grey[start + 1] * fx) * (1 - fy) +
        (grey[start + SIDE] * (1 - fx) + grey[start + SIDE + 1] * fx) * fy;
    }
  }
  return values;
}

function meanOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function spreadOf(values: Float32Array): number {
  const mean = meanOf(values);
  let squared = 0;
  for (const value of values) squared += (value - mean) ** 2;
  return Math.sqrt(squared / values.length) + 1e-6;
}

function standardized(values: Float32Array): Float32Array {
  const mean = meanOf(values);
  const spread = spreadOf(values);
  for (let i = 0; i < values.length; i++) values[i] = (values[i] - mean) / spread;
  return values;
}

/** Replace each value by the mean of the square of 2 radius + 1 around it. */
function blurred(grey: Float32Array, radius: number): Float32Array {
  return meansAlong(meansAlong(grey, radius, 1, SIDE), radius, SIDE, 1);
}

/** Means along lines whose values lie `step` apart, and which lie `between` apart. */
function meansAlong(values: Float32Array, radius: number, step: number, between: number) {
  const means = new Float32Array(values.length);
  const inside = (i: number) => Math.min(Math.max(i, 0), SIDE - 1) * step;
  for (let line = 0; line < SIDE; line++) {
    const start = line * between;
    let sum = 0;
    for (let i = -radius; i <= radius; i++) sum += values[start + inside(i)];
    for (let i = 0; i < SIDE; i++) {
      means[start + i * step] = sum / (2 * radius + 1);
      sum += values[start + inside(i + radius + 1)] - values[start + inside(i - radius)];
    }
  }
  return means;
}

/** Invert a symmetric, positive 4 x 4 matrix by elimination. */
function inverseOf(matrix: number[]): number[] {
  const left = [...matrix];
  const right = left.map((_, i) => (i % 5 === 0 ? 1 : 0));
  for (let pivot = 0; pivot < 4; pivot++) {
    const scale = left[5 * pivot];
    for (let k = 0; k < 4; k++) {
      left[4 * pivot + k] /= scale;
      right[4 * pivot + k] /= scale;
    }
    for (let row = 0; row < 4; row++) {
      if (row === pivot) continue;
      const factor = left[4 * row + pivot];
      for (let k = 0; k < 4; k++) {
        left[4 * row + k] -= factor * left[4 * pivot + k];
        right[4 * row + k] -= factor * right[4 * pivot + k];
      }
    }
  }
  return right;
}
