import { describe, expect, it } from "vitest";

import { anyStyle, kindOf, withKind } from "../src/style";

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
