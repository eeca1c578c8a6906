import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import {
  apply,
  bringOnto,
  cropBounds,
  invert,
  photoToCrop,
  takeCrop,
  TEMPLATE,
  type Landmarks,
  type Patch,
  type Point,
  type Size,
} from "../src/align";
import { addResidual, atStrength, opacity } from "../src/composite";

/** What helpers/alignment.py computes; tests/web/test_units.py holds it to that. */
const fixture: { cases: Case[] } = JSON.parse(
  readFileSync(new URL("alignment.json", import.meta.url), "utf8"),
);

interface Case {
  name: string;
  photo: Size;
  landmarks: [number, number][];
  size: number;
  headroom: number;
  transform: number[];
  /** x, y, red, green, blue */
  crop: number[][];
  pasted: number[][];
  painted: number[][];
}

/** The photo of the fixture: smooth, different in each channel, the same in Python. */
function wave(size: Size): ImageData {
  const data = new Uint8ClampedArray(size.width * size.height * 4);
  for (let y = 0, p = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++, p += 4) {
      for (let c = 0; c < 3; c++) {
        data[p + c] = Math.round(127 + 100 * Math.sin(x / 9 + c) * Math.cos(y / 11));
      }
      data[p + 3] = 255;
    }
  }
  return { data, ...size, colorSpace: "srgb" } as ImageData;
}

function cut(photo: ImageData, area: { x: number; y: number } & Size): Patch {
  const data = new Uint8ClampedArray(area.width * area.height * 4);
  for (let row = 0; row < area.height; row++) {
    const start = ((area.y + row) * photo.width + area.x) * 4;
    data.set(photo.data.subarray(start, start + area.width * 4), row * area.width * 4);
  }
  const pixels = { data, width: area.width, height: area.height } as ImageData;
  return { x: area.x, y: area.y, pixels };
}

function landmarks([left, right, mouth]: [number, number][]): Landmarks {
  return {
    leftEye: { x: left[0], y: left[1] },
    rightEye: { x: right[0], y: right[1] },
    mouth: { x: mouth[0], y: mouth[1] },
  };
}

describe("transforms", () => {
  const face = landmarks([[12, 40], [91, -3], [55.5, 120.25]]);
  const moved = (move: (p: Point) => Point): Landmarks => ({
    leftEye: move(face.leftEye),
    rightEye: move(face.rightEye),
    mouth: move(face.mouth),
  });

  test("a known similarity is found again, exactly", () => {
    const turn = (Math.PI * 25) / 180;
    const known = { a: 0.7 * Math.cos(turn), b: 0.7 * Math.sin(turn), dx: -8, dy: 31 };
    const found = bringOnto(face, moved((p) => apply(known, p)));
    for (const key of ["a", "b", "dx", "dy"] as const) expect(found[key]).toBeCloseTo(known[key], 9);
  });

  test("a mirrored face is not mirrored back", () => {
    const mirrored = moved((p) => ({ x: -p.x, y: p.y }));
    const found = bringOnto(face, mirrored);
    const there = apply(found, face.mouth);
    expect(Math.hypot(there.x - mirrored.mouth.x, there.y - mirrored.mouth.y)).toBeGreaterThan(10);
  });

  test("a head that looks aside is not turned", () => {
    const { leftEye, rightEye, mouth } = TEMPLATE;
    const aside = photoToCrop({ leftEye, rightEye, mouth: { x: mouth.x + 6, y: mouth.y } }, 128);
    expect(aside.b).toBeCloseTo(0, 9);
  });

  test("the inverse undoes the transform to 0.001 px", () => {
    const toCrop = photoToCrop(landmarks([[812, 1403], [1377, 1214], [1290, 1893]]), 128);
    for (const point of Object.values(face)) {
      const there = apply(toCrop, apply(invert(toCrop), point));
      expect(Math.hypot(there.x - point.x, there.y - point.y)).toBeLessThan(1e-3);
    }
  });

  test("a face that lies as the template does is not moved", () => {
    const still = photoToCrop(TEMPLATE, 128);
    expect(still.a).toBeCloseTo(1, 9);
    for (const rest of [still.b, still.dx, still.dy]) expect(rest).toBeCloseTo(0, 9);
  });
});

describe("the same as in Python", () => {
  test.each(fixture.cases)("$name", (c) => {
    const photo = wave(c.photo);
    const toCrop = photoToCrop(landmarks(c.landmarks), c.size, c.headroom);
    const { a, b, dx, dy } = toCrop;
    const matrix = [a, -b, dx, b, a, dy];
    c.transform.forEach((value, i) => expect(matrix[i]).toBeCloseTo(value, 4));

    const patch = cut(photo, cropBounds(toCrop, c.size, photo));
    const crop = takeCrop(patch, photo, toCrop, c.size);
    for (const [x, y, ...pixel] of c.crop) {
      for (let channel = 0; channel < 3; channel++) {
        const value = (crop[(y * c.size + x) * 3 + channel] + 1) * 127.5;
        expect(Math.abs(value - pixel[channel]), `crop (${x}, ${y})`).toBeLessThanOrEqual(1.01);
      }
    }

    /** A residual whose values follow from place and channel. */
    const residualOf = (value: (x: number, y: number, index: number) => number) =>
      Float32Array.from({ length: c.size * c.size * 3 }, (_, i) =>
        value(Math.floor(i / 3) % c.size, Math.floor(i / 3 / c.size), i),
      );
    const wavy = residualOf(
      (x, y, i) => 0.4 * Math.sin((x * 12) / c.size + (i % 3)) * Math.cos((y * 9) / c.size),
    );
    addResidual(patch, wavy, toCrop, c.size);
    expectPixels(photo, patch, c.pasted, "pasted");

    const paint = residualOf((x, y, i) => {
      const share = 0.5 + 0.5 * Math.sin((x * 7) / c.size) * Math.cos((y * 5) / c.size);
      return share * (0.3 - crop[i]);
    });
    const other = cut(photo, cropBounds(toCrop, c.size, photo));
    addResidual(other, paint, toCrop, c.size, crop);
    expectPixels(photo, other, c.painted, "painted");
  });
});

/** Compare some pixels of a photo, on which a patch lies, with those that Python found. */
function expectPixels(photo: ImageData, patch: Patch, expected: number[][], what: string) {
  for (const [x, y, ...pixel] of expected) {
    const inside = { x: x - patch.x, y: y - patch.y };
    const start = (inside.y * patch.pixels.width + inside.x) * 4;
    const outside =
      inside.x < 0 ||
      inside.y < 0 ||
      inside.x >= patch.pixels.width ||
      inside.y >= patch.pixels.height;
    const found = outside
      ? photo.data.subarray((y * photo.width + x) * 4)
      : patch.pixels.data.subarray(start);
    for (let channel = 0; channel < 3; channel++) {
      const difference = Math.abs(found[channel] - pixel[channel]);
      expect(difference, `${what} (${x}, ${y})`).toBeLessThanOrEqual(1);
    }
  }
}

describe("compositing", () => {
  const size = 128;
  const photo = wave({ width: 500, height: 400 });
  const toCrop = photoToCrop(landmarks([[210, 180], [290, 170], [255, 260]]), size);
  const whole = { x: 0, y: 0, width: photo.width, height: photo.height };

  test("outside of the crop no pixel changes, however large the residual", () => {
    const patch = cut(photo, whole);
    addResidual(patch, new Float32Array(size * size * 3).fill(2), toCrop, size);
    let changed = 0;
    let outside = 0;
    for (let y = 0, p = 0; y < photo.height; y++) {
      for (let x = 0; x < photo.width; x++, p += 4) {
        const at = apply(toCrop, { x, y });
        const inside = Math.min(at.x, at.y, size - 1 - at.x, size - 1 - at.y) > -0.5;
        if (inside) changed += Number(patch.pixels.data[p] !== photo.data[p]);
        else outside += Number(patch.pixels.data[p] !== photo.data[p]);
      }
    }
    expect(outside).toBe(0);
    expect(changed).toBeGreaterThan(10_000);
  });

  test("a residual of zero changes nothing at all", () => {
    const patch = cut(photo, whole);
    addResidual(patch, new Float32Array(size * size * 3), toCrop, size);
    expect(patch.pixels.data.every((value, i) => value === photo.data[i])).toBe(true);
  });

  test("what is painted over does not show through, and what is added to does", () => {
    const striped = Float32Array.from({ length: size * size * 3 }, (_, i) =>
      Math.floor(i / 3) % 16 < 8 ? 0.4 : -0.4,
    );
    const pixel = (200 * photo.width + 250) * 4;
    /** How much of a single bright pixel, too small for the crop, is left in the result. */
    const left = (residual: Float32Array) => {
      const [bright, dark] = [160, 60].map((grey) => {
        const patch = cut(photo, whole);
        patch.pixels.data[pixel] = grey;
        addResidual(patch, residual, toCrop, size, striped);
        return patch.pixels.data[pixel];
      });
      return (bright - dark) / 100;
    };
    const paint = striped.map((value) => 0.1 - value);
    const shadow = new Float32Array(size * size * 3).fill(-0.2);
    expect(left(paint)).toBeLessThan(0.05);
    expect(left(shadow)).toBeGreaterThan(0.98);
    expect(left(paint.map((value) => value / 2))).toBeCloseTo(0.5, 1);
    const nothing = new Float32Array(size * size * 3);
    expect(opacity(striped, nothing, size).every((share) => share === 0)).toBe(true);
  });

  test("strength scales the change", () => {
    const middle = (strength: number) => {
      const patch = cut(photo, whole);
      const residual = new Float32Array(size * size * 3).fill(0.2);
      addResidual(patch, atStrength(residual, strength), toCrop, size);
      return patch.pixels.data[(200 * photo.width + 250) * 4];
    };
    const before = photo.data[(200 * photo.width + 250) * 4];
    expect(middle(0)).toBe(before);
    expect(middle(1) - before).toBeCloseTo(25.5, -0.4);
    expect(middle(2) - before).toBeCloseTo(51, -0.4);
  });
});
