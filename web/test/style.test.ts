import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { anyStyle, keptLooks, kindOf, looksOf, styleFor, suitingKinds, withKind } from "../src/style";

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

describe("the kind that suits", () => {
  const suits = [
    ["round", "square", "round"],
    ["square", "square", "square"],
    ["cat-eye", "round", "cat-eye"],
  ];

  it("is asked for where the style leaves the kind open, and only there", () => {
    const open = suitingKinds({ ...what, suits }, [0, 0, 0, 0.5, -1]);
    expect(open).toEqual([0, 1, 0, 1, 1, 1, 2, 0, 2]);
    expect(styleFor(6, [0, 0, 0, 0.5, -1], open)).toEqual([0, 0, 1, 0.5, -1]);
    expect(suitingKinds({ ...what, suits }, [0, 1, 0, 0, 0])).toEqual([]);
    expect(styleFor(6, [0, 1, 0, 0, 0], [])).toEqual([0, 1, 0, 0, 0]);
    expect(suitingKinds({ ...numbers, suits: [] }, [1, 1])).toEqual([]);
  });

  it("is kept from frame to frame, from the first on which something is added", () => {
    const face = {};
    expect(keptLooks(face, "remove", () => 3)).toBe(0); // what looks like hair is the hat
    expect(keptLooks(face, "add", () => 5)).toBe(5);
    expect(keptLooks(face, "add", () => 7)).toBe(5);
    expect(keptLooks({}, "add", () => 7)).toBe(7);
  });

  const path = new URL("looks.json", import.meta.url);
  const { cases } = JSON.parse(readFileSync(path, "utf8")) as {
    cases: { headroom: number; drawn: [number, number, number, number, number]; looks: number }[];
  };
  it.each(cases)("depends on hair and clothes as Python has it: $drawn", (each) => {
    const [size, hair, clothes, right, down] = each.drawn;
    const crop = new Float32Array(3 * size * size);
    crop.forEach((_, i) => {
      const [y, x, c] = [Math.floor(i / 3 / size), Math.floor(i / 3) % size, i % 3];
      const slope = right * (x / size - 0.5) + down * (y / size - 0.5);
      crop[i] = (y < 0.6 * size ? hair : clothes) + slope + 0.1 * (c - 1);
    });
    expect(looksOf(crop, size, each.headroom)).toBe(each.looks);
  });
});
