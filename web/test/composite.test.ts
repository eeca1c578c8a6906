import { expect, it, vi } from "vitest";

import { apply, type Patch, type Similarity } from "../src/align";
import { addResidual, atStrength, opacity } from "../src/composite";

const SIZE = 32;
const [WIDTH, HEIGHT] = [90, 80];
const turned: Similarity = { a: 0.42, b: 0.09, dx: -0.7, dy: -4.3 };

function photo(): Patch {
  const data = Uint8ClampedArray.from({ length: WIDTH * HEIGHT * 4 }, (_, i) => 20 + (i % 211));
  const pixels = { data, width: WIDTH, height: HEIGHT } as unknown as ImageData;
  return { x: 2, y: 5, pixels };
}

/** The same sum as in the page, written out, with every neighbour of every pixel. */
function addAll(patch: Patch, residual: Float32Array, strength: number): void {
  const { data } = patch.pixels;
  const near = (t: number) => {
    const d = Math.abs(t);
    return d < 1 ? 1.5 * d ** 3 - 2.5 * d ** 2 + 1 : d < 2 ? -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2 : 0;
  };
  const inside = (i: number) => Math.min(Math.max(i, 0), SIZE - 1);
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    const { x, y } = apply(turned, { x: (i % WIDTH) + patch.x, y: Math.floor(i / WIDTH) + patch.y });
    const depth = Math.min(x, y, SIZE - 1 - x, SIZE - 1 - y) + 0.5;
    const step = Math.min(1, Math.max(0, depth / (0.04 * SIZE)));
    const weight = step * step * (3 - 2 * step) * strength;
    for (let c = 0; c < 3 && weight > 0; c++) {
      let sum = 0;
      for (let row = Math.floor(y) - 1; row <= Math.floor(y) + 2; row++) {
        for (let column = Math.floor(x) - 1; column <= Math.floor(x) + 2; column++) {
          const at = (inside(row) * SIZE + inside(column)) * 3 + c;
          sum += near(x - column) * near(y - row) * residual[at];
        }
      }
      data[4 * i + c] += 127.5 * weight * sum;
    }
  }
}

it.each([0.3, 1, 1.5])("leaves no pixel out that changes, at strength %d", (strength) => {
  // Most is nothing, some is too little to be seen, and some is around what can just be seen.
  const residual = Float32Array.from({ length: SIZE * SIZE * 3 }, (_, i) => {
    const chance = Math.abs(Math.sin(i * 12.9898) * 43758.5453) % 1;
    return chance < 0.97 ? 0 : (chance - 0.985) * [0.02, 0.4, 60][i % 3];
  });
  const [ours, whole, before] = [photo(), photo(), photo()];
  addResidual(ours, atStrength(residual, strength), turned, SIZE);
  addAll(whole, residual, strength);
  const changed = whole.pixels.data.filter((value, i) => value !== before.pixels.data[i]);
  expect(changed.length).toBeGreaterThan(500);
  expect(changed.length).toBeLessThan(0.5 * WIDTH * HEIGHT * 3);
  expect(ours.pixels.data).toEqual(whole.pixels.data);
});

it("sums up each window's opacity as if it were alone", () => {
  const noise = (i: number) => Math.abs(Math.sin(i * 78.233) * 43758.5453) % 1;
  const crop = Float32Array.from({ length: SIZE * SIZE * 3 }, (_, i) => 2 * noise(i) - 1);
  const residual = crop.map((own, i) => (i % 97 < 60 ? noise(i >> 6) * (0.2 - own) : 0));
  const found = opacity(crop, residual, SIZE);
  const inside = (i: number) => Math.min(Math.max(i, 0), SIZE - 1);
  for (let i = 0; i < SIZE * SIZE; i++) {
    const window = Array.from({ length: 81 }, (_, k) => {
      const row = inside(Math.floor(i / SIZE) + Math.floor(k / 9) - 4);
      return 3 * (row * SIZE + inside((i % SIZE) + (k % 9) - 4));
    });
    const mean = (of: (at: number) => number) => window.reduce((sum, at) => sum + of(at), 0) / 81;
    let [covariance, variance, strongest] = [0, 0, 0];
    for (let c = 0; c < 3; c++) {
      const own = mean((at) => crop[at + c]);
      covariance += mean((at) => crop[at + c] * residual[at + c]) - own * mean((at) => residual[at + c]);
      variance += mean((at) => crop[at + c] ** 2) - own ** 2;
      strongest = Math.max(strongest, mean((at) => Math.abs(residual[at + c])));
    }
    const slope = Math.min(1, Math.max(0, -covariance / (variance + 0.003)));
    expect(found[i]).toBeCloseTo(slope * Math.min(1, 10 * strongest), 5);
  }
});

it("reads nothing of a residual where there is nothing", () => {
  const residual = new Float32Array(SIZE * SIZE * 3);
  const patch = photo();
  const set = vi.fn(() => true);
  patch.pixels = { ...patch.pixels, data: new Proxy(patch.pixels.data, { set }) } as ImageData;
  addResidual(patch, residual, turned, SIZE);
  expect(set).not.toHaveBeenCalled();
});
