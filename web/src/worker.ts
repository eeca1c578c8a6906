/**
 * The computing half of the page, in a thread of its own, so that the page never freezes. One
 * worker computes with one backend: a backend that fails or hangs is ended with its worker.
 */

import { loadGraphModel, type GraphModel } from "@tensorflow/tfjs-converter";
import { enableProdMode, io } from "@tensorflow/tfjs-core";

import { useBackend } from "./backends";
import { edit } from "./edit";
import type { Backend } from "./engine";
import { invertPhoto, type Inverted } from "./invert";
import type { Check, ModelFiles } from "./models";

/** What the page asks, and what the worker answers. */
export interface Tasks {
  start(backend: Backend, insist: boolean, detector: ModelFiles): void;
  load(name: string, files: ModelFiles, check: Check): SelfTest;
  invert(name: string, photo: ImageBitmap): Inverted;
}
export type TaskName = keyof Tasks;
export interface Request {
  id: number;
  task: TaskName;
  parameters: unknown[];
}
export type Reply = { id: number; result: unknown } | { id: number; error: string };

export interface SelfTest {
  /** Largest difference between the residual computed here and Keras's. */
  difference: number;
  /** Of one generator run, after the first, which compiles. */
  milliseconds: number;
}

let detector: GraphModel;
const generators = new Map<string, { model: GraphModel; size: number }>();

const tasks: { [Name in TaskName]: (...p: Parameters<Tasks[Name]>) => Promise<unknown> } = {
  async start(backend, insist, files) {
    enableProdMode();
    await useBackend(backend, insist);
    detector = await build(files);
  },

  async load(name, files, check) {
    const model = await build(files);
    await edit(model, check.crop, check.size);
    const start = performance.now();
    const residual = await edit(model, check.crop, check.size);
    const milliseconds = performance.now() - start;
    let difference = 0;
    residual.forEach((value, i) => {
      const off = Math.abs(value - check.residual[i]);
      // Not (off > difference): a NaN has to fail, and compares as false with everything.
      if (!(off <= difference)) difference = Number.isNaN(off) ? Infinity : off;
    });
    if (difference > check.tolerance) {
      model.dispose();
      throw new Error(`the self-test is off by ${difference.toPrecision(2)}`);
    }
    generators.set(name, { model, size: check.size });
    return { difference, milliseconds } satisfies SelfTest;
  },

  async invert(name, photo) {
    const { model, size } = generators.get(name)!;
    try {
      return await invertPhoto(photo, detector, model, size);
    } finally {
      photo.close();
    }
  },
};

function build({ topology, weightSpecs, weights }: ModelFiles): Promise<GraphModel> {
  return loadGraphModel(
    io.fromMemory({
      modelTopology: topology,
      weightSpecs: weightSpecs as io.WeightsManifestEntry[],
      weightData: weights,
    }),
  );
}

addEventListener("message", async ({ data }: MessageEvent<Request>) => {
  let reply: Reply;
  try {
    const run = tasks[data.task] as (...parameters: unknown[]) => Promise<unknown>;
    reply = { id: data.id, result: await run(...data.parameters) };
  } catch (error) {
    reply = { id: data.id, error: error instanceof Error ? error.message : String(error) };
  }
  (self as unknown as Worker).postMessage(reply);
});
