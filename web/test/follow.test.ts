import { describe, expect, test } from "vitest";

import { apply, compose, invert, type Similarity } from "../src/align";
import { follow, modelOf, SIDE } from "../src/follow";
import { landmarkSmoother, oneEuro } from "../src/smooth";
import { face } from "./face";

const still: Similarity = { a: 1, b: 0, dx: 0, dy: 0 };

/** The square that shows the face after a motion. */
function square(motion: Similarity, change = (value: number) => value): Float32Array {
  const back = invert(motion);
  return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const { x, y } = apply(back, { x: i % SIDE, y: Math.floor(i / SIDE) });
    return change(face(x, y));
  });
}

/** Turn and zoom about the middle, then shift. */
function moved(degrees: number, zoom: number, dx: number, dy: number): Similarity {
  const turn = (degrees * Math.PI) / 180;
  const about = { a: zoom * Math.cos(turn), b: zoom * Math.sin(turn), dx: 0, dy: 0 };
  const to = { ...still, dx: 32 + dx, dy: 38 + dy };
  return compose(to, compose(about, { ...still, dx: -32, dy: -38 }));
}

function miss(p: Similarity, q: Similarity): number {
  const points = [[25, 33], [38, 33], [32, 47]].map(([x, y]) => ({ x, y }));
  return Math.max(
    ...points.map((point) => {
      const [s, t] = [apply(p, point), apply(q, point)];
      return Math.hypot(s.x - t.x, s.y - t.y);
    }),
  );
}

describe("following", () => {
  const model = modelOf(square(still));

  test.each([
    [0, 1, 0, 0],
    [0, 1, 4, 0],
    [0, 1, -3, 5],
    [8, 1, 0, 0],
    [-6, 1.08, 2, -2],
    [3, 0.93, -4, 1],
  ])("turn %d, zoom %d, shift (%d, %d)", (degrees, zoom, dx, dy) => {
    const truth = moved(degrees, zoom, dx, dy);
    const { motion, likeness } = follow(model, square(truth));
    expect(miss(motion, truth)).toBeLessThan(0.15);
    expect(likeness).toBeGreaterThan(0.98);
  });

  test("light that changes is no motion", () => {
    const dimmed = square(still, (value) => 0.4 * value + 20);
    expect(miss(follow(model, dimmed).motion, still)).toBeLessThan(0.01);
  });

  test("what is not the face is not like it", () => {
    const stripes = Float32Array.from({ length: SIDE * SIDE }, (_, i) => 99 * Math.sin(i / 3));
    expect(follow(model, stripes).likeness).toBeLessThan(0.6);
    const nothing = new Float32Array(SIDE * SIDE);
    expect(follow(model, nothing).likeness).toBeLessThan(0.6);
  });

  test("a model of nothing gives numbers, and is like nothing", () => {
    const { motion, likeness } = follow(modelOf(new Float32Array(SIDE * SIDE)), square(still));
    expect(Object.values(motion).every(Number.isFinite)).toBe(true);
    expect(likeness).toBeLessThan(0.6);
  });
});

describe("smoothing", () => {
  const frame = 1 / 20;

  /** The same noise at each run, uniform in [-1, 1]. */
  function noise(): () => number {
    let state = 1;
    return () => {
      state = (state * 16807) % 2147483647;
      return (2 * state) / 2147483647 - 1;
    };
  }

  test("the noise of a still point is at least halved", () => {
    const filter = oneEuro();
    const next = noise();
    let raw = 0;
    let left = 0;
    for (let i = 0; i < 400; i++) {
      const value = 2 * next();
      const smooth = filter(300 + value, frame, 60);
      if (i < 20) continue;
      raw += value ** 2;
      left += (smooth - 300) ** 2;
    }
    expect(Math.sqrt(left / raw)).toBeLessThan(0.5);
  });

  test("a moving point is followed within a tenth of the eyes' distance", () => {
    const filter = oneEuro();
    const at = (i: number) => 300 + 90 * i * frame; // 1.5 eye distances a second
    let lag = 0;
    for (let i = 0; i < 60; i++) {
      const smooth = filter(at(i), frame, 60);
      if (i > 20) lag = Math.max(lag, at(i) - smooth);
    }
    expect(lag / 60).toBeLessThan(0.1);
  });

  test("near and far faces are smoothed alike", () => {
    const near = landmarkSmoother();
    const far = landmarkSmoother();
    const next = noise();
    for (let i = 0; i < 30; i++) {
      const x = 50 + i + next();
      const eyes = (zoom: number) => ({
        leftEye: { x: x * zoom, y: 40 * zoom },
        rightEye: { x: (x + 60) * zoom, y: 40 * zoom },
        mouth: { x: (x + 30) * zoom, y: 100 * zoom },
      });
      const large = near(eyes(4), frame);
      const small = far(eyes(1), frame);
      expect(large.leftEye.x / 4).toBeCloseTo(small.leftEye.x, 6);
    }
  });

  test("a face that is still stays where it is", () => {
    const smooth = landmarkSmoother();
    const still = {
      leftEye: { x: 50, y: 140 },
      rightEye: { x: 110, y: 141 },
      mouth: { x: 80, y: 200 },
    };
    for (let i = 0; i < 3; i++) expect(smooth(still, frame)).toEqual(still);
  });
});
