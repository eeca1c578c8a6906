import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { withSecondPass, type Levels } from "../src/secondPass";

const path = new URL("second-pass.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(path, "utf8")) as {
  cases: { size: number; levels: Levels; residual: number[][] }[];
};

/** Three numbers of each pixel. */
function draw(size: number, value: (x: number, y: number, c: number) => number): Float32Array {
  return new Float32Array(3 * size * size).map((_, i) =>
    value(Math.floor(i / 3) % size, Math.floor(i / 3 / size), i % 3),
  );
}

describe("a second pass", () => {
  it.each(cases)("takes off what Python has it take off: $size px", async (each) => {
    const { size, levels } = each;
    const crop = draw(size, (x, y, c) => 0.8 * Math.sin(x / 9 + c) * Math.cos(y / 11));
    const cover = draw(
      size,
      (x, y) => 0.5 + 0.5 * Math.sin((x * 7) / size) * Math.cos((y * 5) / size),
    );
    const pass = async (image: Float32Array) => image.map((value, i) => cover[i] * (1.2 - value));
    const both = await withSecondPass(crop, await pass(crop), size, levels, pass);
    for (const [x, y, ...expected] of each.residual) {
      expected.forEach((value, k) =>
        expect(both[3 * (y * size + x) + k], `${x}, ${y}`).toBeCloseTo(value, 4),
      );
    }
  });

  it("counts by how much it changes around a pixel", async () => {
    const crop = draw(64, () => 0.5);
    const residual = async (level: number) => {
      const pass = async (image: Float32Array) => image.map(() => level / 127.5);
      return (await withSecondPass(crop, new Float32Array(crop.length), 64, [4, 8], pass))[0] * 127.5;
    };
    expect(await residual(4)).toBeCloseTo(0, 4);
    expect(await residual(6)).toBeCloseTo(3, 4); // half of it
    expect(await residual(-8)).toBeCloseTo(-8, 4);
    expect(await residual(100)).toBeCloseTo(63.75, 4); // white is the end
  });
});
