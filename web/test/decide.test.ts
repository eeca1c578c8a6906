import { expect, test } from "vitest";

import { decide } from "../src/decide";

const residual = (size: number) => Float32Array.from({ length: 12 }, (_, i) => (i % 2 ? size : -size));
const answer = (ratio: number, before?: boolean) =>
  decide(
    residual(0.1),
    residual(0.1 * ratio),
    before === undefined ? undefined : { present: before, ratio },
  ).present;

test("it was there if adding has at least a fifth more to do without it", () => {
  expect(answer(1.3)).toBe(true);
  expect(answer(1.15)).toBe(false);
  expect(answer(0.8)).toBe(false);
});

test("in live mode an answer is kept while the evidence is weak", () => {
  expect(answer(1.15, true)).toBe(true);
  expect(answer(1.3, false)).toBe(false);
  expect(answer(1, true)).toBe(false);
  expect(answer(1.5, false)).toBe(true);
});

test("two generators that change nothing say nothing", () => {
  expect(decide(residual(0), residual(0))).toEqual({ present: false, ratio: 1 });
});
