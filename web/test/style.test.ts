import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import type { ByLight, Choosable } from "../src/formats";
import {
  anyStyle,
  complete,
  keptSuiting,
  kindOf,
  suitingStyle,
  withKind,
} from "../src/style";

const what = { styles: ["round", "square", "cat-eye", "size", "lenses"], kinds: ["round", "square", "cat-eye"] };
const numbers = { styles: ["shape", "lenses"], kinds: [] };

describe("a style with kinds", () => {
  it("asks for the kind that suits where none is chosen, whatever the numbers", () => {
    expect(kindOf(what, [0, 0, 0, 1, 1])).toBe("");
    expect(kindOf(numbers, [1, 1])).toBe("");
  });

  it("has one kind at a time, and keeps the numbers", () => {
    const square = withKind(what, [1, 0, 0, -0.5, 0.25], "square");
    expect(square).toEqual([0, 1, 0, -0.5, 0.25]);
    expect(kindOf(what, square)).toBe("square");
    expect(withKind(what, square, "")).toEqual([0, 0, 0, -0.5, 0.25]);
  });

  it("is by chance one of the kinds, and numbers that the sliders have", () => {
    const found = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const style = anyStyle(what);
      expect(style.slice(0, 3).sort()).toEqual([0, 0, 1]);
      for (const value of style.slice(3)) {
        expect(Math.abs(value)).toBeLessThanOrEqual(1);
        expect(value * 20).toBeCloseTo(Math.round(value * 20), 9);
      }
      found.add(kindOf(what, style));
    }
    expect(found.size).toBe(3);
    expect(anyStyle(what, () => 0)).toEqual([1, 0, 0, -1, -1]);
    expect(anyStyle(what, () => 1 - 1e-9)).toEqual([0, 0, 1, 1, 1]);
    expect(anyStyle(numbers, () => 0)).toEqual([-1, -1]);
  });
});

describe("what suits", () => {
  const lenses = { box: [0, 0, 0.5, 1], stops: [0.2, 0.6], numbers: [1, -0.5] };
  const byLight = [null, null, null, null, lenses];

  it("is asked for where the style leaves it open, and only there", () => {
    const suiting = [0, 1, 0, 0, -0.7];
    expect(complete(what, [0, 0, 0, 0, 0], suiting)).toEqual(suiting);
    expect(complete(what, [0, 0, 1, 0, 0], suiting)).toEqual([0, 0, 1, 0, -0.7]);
    // From what suits to both ends.
    expect(complete(what, [0, 0, 0, 0.5, 1], suiting)).toEqual([0, 1, 0, 0.5, 1]);
    expect(complete(what, [0, 0, 0, 1, -1], suiting)).toEqual([0, 1, 0, 1, -1]);
    expect(complete(what, [0, 0, 0, 0, 0.5], suiting)[4]).toBeCloseTo(0.5 - 0.35, 9);
    expect(complete(what, [0, 0, 0, 0, -0.5], suiting)[4]).toBeCloseTo(-0.5 - 0.35, 9);
    // Of a face from which something is taken off, nothing was found out.
    expect(complete(what, [1, 0, 0, 0, 0], [])).toEqual([1, 0, 0, 0, 0]);
    expect(complete(numbers, [0, 1], [0.3, 0.3])).toEqual([0.3, 1]);
  });

  it.each([
    [0.1, 1],
    [0.2, 1],
    [0.4, 0.25],
    [0.6, -0.5],
    [0.9, -0.5],
  ])("follows how light a part is: where that is %f, lenses are %f", (light, number) => {
    const size = 32;
    const crop = new Float32Array(3 * size * size);
    crop.forEach((_, i) => (crop[i] = Math.floor(i / 3) % size < size / 2 ? 2 * light - 1 : 1));
    const suiting = suitingStyle({ ...what, suits: [], byLight }, crop, size, 0);
    expect(suiting.slice(0, 4)).toEqual([0, 0, 0, 0]); // of those, nothing is known
    expect(suiting[4]).toBeCloseTo(number, 5);
  });

  it("is kept from frame to frame, from the first on which something is added", () => {
    const face = {};
    expect(keptSuiting(face, "remove", () => [3])).toEqual([]); // what looks like hair is the hat
    expect(keptSuiting(face, "add", () => [5])).toEqual([5]);
    expect(keptSuiting(face, "add", () => [7])).toEqual([5]);
    expect(keptSuiting({}, "add", () => [7])).toEqual([7]);
  });

  const path = new URL("suiting.json", import.meta.url);
  const { card, cases } = JSON.parse(readFileSync(path, "utf8")) as {
    card: Choosable & { suits: string[][]; by_light: Record<string, ByLight> };
    cases: {
      headroom: number;
      drawn: [number, number, number, number, number];
      suiting: number[];
    }[];
  };
  it.each(cases)("depends on the crop as Python has it: $drawn", (each) => {
    const [size, hair, clothes, right, down] = each.drawn;
    const crop = new Float32Array(3 * size * size);
    crop.forEach((_, i) => {
      const [y, x, c] = [Math.floor(i / 3 / size), Math.floor(i / 3) % size, i % 3];
      const slope = right * (x / size - 0.5) + down * (y / size - 0.5);
      crop[i] = (y < 0.6 * size ? hair : clothes) + slope + 0.1 * (c - 1);
    });
    const rules = card.styles.map((name) => card.by_light[name] ?? null);
    const suiting = suitingStyle({ ...card, byLight: rules }, crop, size, each.headroom);
    suiting.forEach((value, i) => expect(value).toBeCloseTo(each.suiting[i], 4));
    expect(suiting.length).toBe(each.suiting.length);
  });
});
