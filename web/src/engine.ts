/** The page's end of the worker: start one with the best backend that computes right. */

import type { Check, Editing, ModelFiles } from "./formats";
import type { Inverted } from "./invert";
import { Problem, type ProblemCode } from "./problems";
import {
  BACKENDS,
  type Backend,
  type Order,
  type Reply,
  type Request,
  type SelfTest,
  type TaskName,
  type Tasks,
} from "./tasks";
import workerAddress from "./worker?worker&url";

export interface Engine {
  backend: Backend;
  /** Backends that were tried before this one, and why they were not taken. */
  passedOver: string[];
  selfTest: SelfTest;
  load(name: string, files: ModelFiles, check: Check, what: Editing): Promise<SelfTest>;
  invert(order: Order, photo: ImageBitmap): Promise<Inverted>;
  again(strength: number, style: number[]): Promise<Inverted | undefined>;
  resources(): Promise<string[]>;
  stop(): void;
}

export interface Wishes {
  /** Just this one, however slow it is. */
  only?: Backend;
  /** Not these, and why. */
  avoid: ReadonlyMap<Backend, string>;
  /** Told if the backend that was taken is gone later. */
  onLost(backend: Backend, problem: Problem): void;
}

/**
 * Seconds after which a task is ended with its worker. The course's models take a second at most; a
 * graph can be small and compute for ever, and a GPU can hang.
 */
export const PATIENCE: Record<Backend, number> = { webgpu: 20, webgl: 20, wasm: 30, cpu: 120 };
/** For a GPU that was insisted on, since a processor that imitates it takes minutes. */
const PATIENCE_WITH_IMITATIONS = 300;
/** A GPU that needs more milliseconds than this for one image is none. */
const LONGEST_IMAGE = 1_000;

/**
 * Start a worker for each backend in turn, until one computes the stored answer.
 *
 * @param first the generator that the self-test runs, which stays loaded
 */
export async function startEngine(
  detector: ModelFiles,
  first: { name: string; files: ModelFiles; check: Check; what: Editing },
  { only, avoid, onLost }: Wishes,
): Promise<Engine> {
  const candidates = BACKENDS.filter((backend) => (only ? backend === only : !avoid.has(backend)));
  let unreachable = false;
  const passedOver = [...avoid].map(([backend, reason]) => `${backend}: ${reason}`);
  for (const backend of candidates) {
    let taken = false;
    const gpu = backend === "webgpu" || backend === "webgl";
    const { call, stop } = openWorker(
      gpu && only ? PATIENCE_WITH_IMITATIONS : PATIENCE[backend],
      // Of a GPU it may be the fault, and the next backend can do better. None is faster than WASM.
      gpu && !only ? "gpu-lost" : "too-slow",
      (problem) => taken && onLost(backend, problem),
    );
    try {
      await call("start", [backend, only !== undefined, detector]);
      const selfTest = await call("load", [first.name, first.files, first.check, first.what]);
      if (gpu && !only && selfTest.milliseconds > LONGEST_IMAGE) {
        throw new Error(`${Math.round(selfTest.milliseconds)} ms for one image`);
      }
      taken = true;
      return {
        backend,
        passedOver,
        selfTest,
        load: (...model) => call("load", model),
        invert: (order, photo) => call("invert", [order, photo], [photo]),
        again: (...asked) => call("again", asked),
        resources: () => call("resources", []),
        stop,
      };
    } catch (error) {
      stop();
      const { code, detail, message } = error as Problem;
      if (code === "offline" || code === "too-slow") throw error;
      // In the words of Chrome, Firefox and Safari: a part of the page that was not fetched yet.
      unreachable ||= /dynamically imported module|importing a module/i.test(detail ?? message);
      passedOver.push(`${backend}: ${detail ?? message}`);
    }
  }
  const code = unreachable ? "offline" : "no-backend";
  throw new Problem(code, passedOver.join("; ") || `there is no backend ${only}`);
}

/**
 * Start a worker. `call` runs a task there; `stop` ends it, and every call that still waits.
 *
 * @param patience seconds that a task may take
 * @param slow what it is called if one takes longer
 * @param onLost told if the worker is gone for that reason, or because its GPU is
 */
function openWorker(
  patience: number,
  slow: "gpu-lost" | "too-slow",
  onLost: (problem: Problem) => void,
) {
  // A worker takes its security policy from its own address's headers, which a host of static
  // files may not send. One that starts from a blob inherits the page's policy instead.
  const absolute = new URL(workerAddress, document.baseURI).href;
  const starter = URL.createObjectURL(
    new Blob([`import ${JSON.stringify(absolute)};`], { type: "text/javascript" }),
  );
  const worker = new Worker(starter, { type: "module" });
  const waiting = new Map<number, Waiting>();
  let ended: Problem | undefined;
  let calls = 0;

  function end(reason: string, code: ProblemCode = "crashed"): void {
    if (ended) return;
    ended = new Problem(code, reason);
    worker.terminate();
    URL.revokeObjectURL(starter);
    waiting.forEach(({ clock, reject }) => {
      clearInterval(clock);
      reject(ended!);
    });
    waiting.clear();
    if (code === "gpu-lost" || code === "too-slow") onLost(ended);
  }
  // Without a message the worker's own file did not come.
  worker.onerror = ({ message }) => (message ? end(message) : end(absolute, "offline"));
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    if ("lost" in data) return end(data.lost, "gpu-lost");
    const call = waiting.get(data.id);
    clearInterval(call?.clock);
    waiting.delete(data.id);
    if ("error" in data) call?.reject(new Problem("crashed", data.error));
    else call?.resolve(data.result as never);
  };

  function call<Name extends TaskName>(
    task: Name,
    parameters: Parameters<Tasks[Name]>,
    transfer: Transferable[] = [],
  ): Promise<ReturnType<Tasks[Name]>> {
    return new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      const id = ++calls;
      // Seconds are counted one by one: a device that was asleep meanwhile did not compute.
      let left = patience;
      const clock = setInterval(() => {
        if (--left > 0) return;
        const what = task === "load" ? parameters[0] : task;
        end(`${what}: stopped after ${patience} seconds`, slow);
      }, 1000);
      waiting.set(id, { clock, resolve, reject });
      worker.postMessage({ id, task, parameters } satisfies Request, transfer);
    });
  }
  return { call, stop: () => end("it was stopped") };
}

/** A call whose answer is not there yet. */
interface Waiting {
  clock: ReturnType<typeof setInterval>;
  resolve(value: never): void;
  reject(error: Error): void;
}
