/**
 * The computing half of the page, in a thread of its own, so that the page never freezes. One
 * worker computes with one backend: a backend that fails or hangs is ended with its worker.
 */

import { loadGraphModel, type GraphModel } from "@tensorflow/tfjs-converter";
import { enableProdMode, io } from "@tensorflow/tfjs-core";

import { useBackend } from "./backends";
import { run } from "./edit";
import type { ModelFiles, Role } from "./formats";
import {
  compositeEdits,
  findEdits,
  restyle,
  stopwatch,
  type Edit,
  type Inverted,
  type Network,
  type Networks,
} from "./invert";
import type { Reply, Request, SelfTest, TaskName, Tasks } from "./tasks";
import { Tracker } from "./track";

let detector: GraphModel;
const networks = new Map<string, Network>();
let film: { number: number; tracker: Tracker } | undefined;
let last: { photo: ImageBitmap; edits: Edit[]; add?: Network } | undefined;

const tasks: { [Name in TaskName]: (...p: Parameters<Tasks[Name]>) => Promise<unknown> } = {
  async start(backend, insist, files) {
    enableProdMode();
    await useBackend(backend, insist, (lost) => post({ lost }));
    detector = await build(files);
  },

  async load(name, files, check, what) {
    const model = await build(files);
    await run(model, check.crop, check.size, check.style);
    const start = performance.now();
    const output = await run(model, check.crop, check.size, check.style);
    const milliseconds = performance.now() - start;
    if (output.length !== check.output.length) {
      model.dispose();
      throw new Error(`${output.length} numbers come out, not ${check.output.length}`);
    }
    let difference = 0;
    output.forEach((value, i) => {
      const off = Math.abs(value - check.output[i]);
      // Not (off > difference): a NaN has to fail, and compares as false with everything.
      if (!(off <= difference)) difference = Number.isNaN(off) ? Infinity : off;
    });
    if (difference > check.tolerance) {
      model.dispose();
      throw new Error(`the self-test is off by ${difference.toPrecision(2)}`);
    }
    // Asked for twice, by someone who switched to and fro: one set of weights is enough.
    if (networks.has(name)) model.dispose();
    else networks.set(name, { model, size: check.size, headroom: check.headroom, what });
    return { difference, milliseconds } satisfies SelfTest;
  },

  async invert({ mode, models, column, strength, style, live }, photo) {
    const loaded = (role: Role) => networks.get(models[role] ?? "");
    const [tell, plain] = [loaded("tell"), loaded("add")];
    const add = plain && { ...plain, style };
    const named: Networks = {
      add,
      remove: loaded("remove"),
      tell: tell && { ...tell, column },
    };
    if (!live) film = undefined;
    else if (live.film !== film?.number) film = { number: live.film, tracker: new Tracker() };
    const watch = stopwatch();
    const edits = await findEdits(
      photo,
      detector,
      named,
      mode,
      watch,
      live && { tracker: film!.tracker, at: live.at },
    );
    last?.photo.close();
    last = { photo, edits, add };
    return compositeEdits(photo, edits, strength, watch);
  },

  async again(strength, style) {
    const now = last;
    if (!now) return undefined;
    const watch = stopwatch();
    // Asked while another attribute is being computed, the style may be that one's.
    const fits = now.add?.style?.length === style.length;
    if (now.add && fits && String(now.add.style) !== String(style)) {
      const add = { ...now.add, style };
      now.edits = await restyle(now.edits, add);
      now.add = add;
      watch.count("edit");
    }
    return now === last ? compositeEdits(now.photo, now.edits, strength, watch) : undefined;
  },

  async resources() {
    return performance.getEntriesByType("resource").map((entry) => entry.name);
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

function post(reply: Reply, transfer: Transferable[] = []): void {
  (self as unknown as Worker).postMessage(reply, transfer);
}

/** The pixels of a result: they go to the page as they are, without a copy. */
function pixelsOf(result: unknown): Transferable[] {
  const { patches = [], views } = (result ?? {}) as Partial<Inverted>;
  const all = [...patches.map(({ pixels }) => pixels), ...Object.values(views ?? {})];
  return all.map(({ data }) => data.buffer);
}

async function answer({ data }: MessageEvent<Request>): Promise<void> {
  try {
    const run = tasks[data.task] as (...parameters: unknown[]) => Promise<unknown>;
    const result = await run(...data.parameters);
    post({ id: data.id, result }, pixelsOf(result));
  } catch (error) {
    post({ id: data.id, error: error instanceof Error ? error.message : String(error) });
  }
}

// One after the other: a GPU is waited for, and meanwhile another picture would become the `last`.
let answered = Promise.resolve();
addEventListener("message", (message: MessageEvent<Request>) => {
  answered = answered.then(() => answer(message));
});
