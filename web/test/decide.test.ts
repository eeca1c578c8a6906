import { expect, test } from "vitest";

import { decide } from "../src/decide";

test("a picture is decided by the likelier answer", () => {
  expect(decide(0.51)).toEqual({ present: true, probability: 0.51 });
  expect(decide(0.5).present).toBe(false);
});

test("in live mode an answer is kept while the evidence against it is weak", () => {
  const there = { present: true, probability: 0.5 };
  expect(decide(0.2, there).present).toBe(true);
  expect(decide(0, { present: true, probability: 0.4 }).present).toBe(false);
  const absent = { present: false, probability: 0.5 };
  expect(decide(0.8, absent).present).toBe(false);
  expect(decide(1, { present: false, probability: 0.6 }).present).toBe(true);
});

test("in live mode one odd answer changes none", () => {
  expect(decide(0, { present: true, probability: 1 })).toEqual({ present: true, probability: 0.4 });
});
