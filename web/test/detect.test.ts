import type { GraphModel } from "@tensorflow/tfjs-converter";
import { setBackend, tensor } from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { expect, test, vi } from "vitest";

import { decode, type Face } from "../src/detect";

/** What the network gives where it sees nothing: scores far below zero. */
function nothing(): Float32Array[] {
  return [
    new Float32Array(512).fill(-20),
    new Float32Array(512 * 16),
    new Float32Array(384).fill(-20),
    new Float32Array(384 * 16),
  ];
}

/** Let an anchor of the fine grid (16 x 16 cells, 2 in each) see a face of 60 x 50 pixels. */
function see(numbers: Float32Array[], index: number, logit: number, shift = 0): void {
  numbers[0][index] = logit;
  const values = [shift, 0, 60, 50, -12, -8, 13, -8, 0, 3, 1, 14, -25, 0, 25, 0];
  numbers[1].set(values, index * 16);
}

test("nothing is found where no score is high", () => {
  expect(decode(nothing())).toEqual([]);
});

test("numbers are counted from the middle of the anchor's cell", () => {
  const numbers = nothing();
  see(numbers, (5 * 16 + 9) * 2, 3); // row 5, column 9: its middle is (152, 88)
  const [face, ...others] = decode(numbers);
  expect(others).toEqual([]);
  expect(face.score).toBeCloseTo(1 / (1 + Math.exp(-3)), 6);
  expect(face.centre).toEqual({ x: 152, y: 88 });
  expect(face.extent).toBe(60);
  expect(face.leftEye).toEqual({ x: 140, y: 80 });
  expect(face.rightEye).toEqual({ x: 165, y: 80 });
  expect(face.mouth).toEqual({ x: 153, y: 102 });
});

test("the coarse grid comes with its own anchors", () => {
  const numbers = nothing();
  const index = (2 * 8 + 7) * 6 + 4; // row 2, column 7 of 8 x 8 cells, 6 in each
  numbers[2][index] = 4;
  numbers[3].set([1, 2, 100, 120], index * 16);
  const [face] = decode(numbers);
  expect(face.centre).toEqual({ x: 7.5 * 32 + 1, y: 2.5 * 32 + 2 });
  expect(face.extent).toBe(120);
});

test("boxes that overlap become one, weighted by score; others stay apart", () => {
  const numbers = nothing();
  see(numbers, (5 * 16 + 9) * 2, 3);
  see(numbers, (5 * 16 + 9) * 2 + 1, 3, 10); // the same cell, 10 px further right
  see(numbers, (12 * 16 + 2) * 2, 1);
  const faces = decode(numbers);
  expect(faces).toHaveLength(2);
  expect(faces[0].centre.x).toBeCloseTo(157, 4);
  expect(faces[1].score).toBeLessThan(faces[0].score);
});

test("a face that is known is not measured again", async () => {
  const context = {
    resetTransform() {},
    setTransform() {},
    fillRect() {},
    drawImage() {},
    getImageData: () => ({ data: new Uint8ClampedArray(256 * 256 * 4) }),
  };
  vi.stubGlobal("OffscreenCanvas", class { getContext = () => context; });
  vi.resetModules(); // the canvas is made with the module
  const { detect } = await import("../src/detect");
  await setBackend("cpu");
  const numbers = nothing();
  see(numbers, (7 * 16 + 7) * 2, 3);
  const execute = vi.fn(() => numbers.map((each) => tensor(each)));
  const detector = { execute } as unknown as GraphModel;
  const picture = { width: 256, height: 256 } as unknown as ImageBitmap;
  const look = async (known: Face[]) => {
    execute.mockClear();
    const faces = await detect(detector, picture, false, known);
    return { faces, looks: execute.mock.calls.length };
  };
  const first = await look([]);
  expect(first).toMatchObject({ faces: { length: 1 }, looks: 2 });
  expect(await look(first.faces)).toEqual({ faces: [], looks: 1 });
  const elsewhere = { ...first.faces[0], centre: { x: 20, y: 230 } };
  expect(await look([elsewhere])).toMatchObject({ faces: { length: 1 }, looks: 2 });
});
