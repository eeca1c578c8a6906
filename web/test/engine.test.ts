import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { PATIENCE, startEngine, type Wishes } from "../src/engine";
import type { Check, ModelFiles } from "../src/formats";
import type { Backend, Request, TaskName } from "../src/tasks";

const files: ModelFiles = { topology: {}, weightSpecs: [], weights: new ArrayBuffer(0) };
const check: Check = {
  size: 1,
  headroom: 0,
  crop: new Float32Array(3),
  style: [],
  output: new Float32Array(3),
  tolerance: 1,
};
const what = { styles: [], kinds: [], suits: [], byLight: [] };
const first = { name: "a/model.json", files, check, what };
const selfTest = { difference: 0, milliseconds: 1 };

/** A worker that answers at once, except to the tasks that hang on the backends that hang. */
class FakeWorker {
  static made: FakeWorker[] = [];
  static hangs: (task: TaskName, backend: Backend) => boolean;
  onmessage?: (event: { data: unknown }) => void;
  backend!: Backend;
  terminated = false;

  constructor() {
    FakeWorker.made.push(this);
  }

  postMessage({ id, task, parameters }: Request): void {
    if (task === "start") this.backend = parameters[0] as Backend;
    if (FakeWorker.hangs(task, this.backend)) return;
    queueMicrotask(() => this.onmessage?.({ data: { id, result: selfTest } }));
  }

  terminate(): void {
    this.terminated = true;
  }
}

function start(only?: Backend) {
  const onLost = vi.fn<Wishes["onLost"]>();
  const started = startEngine(files, first, { only, avoid: new Map(), onLost });
  const failed = started.then(
    () => undefined,
    (error) => error,
  );
  return { started, failed, onLost };
}

const wait = (seconds: number) => vi.advanceTimersByTimeAsync(1000 * seconds);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("document", { baseURI: "http://page.test/" });
  FakeWorker.made = [];
  FakeWorker.hangs = () => false;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a model that computes for ever", () => {
  it("is ended with its worker, and no slower backend is tried", async () => {
    FakeWorker.hangs = (task, backend) =>
      backend.startsWith("web") ? task === "start" : task === "load";
    const { failed } = start();
    await wait(PATIENCE.webgpu + PATIENCE.webgl + PATIENCE.wasm + 3);
    const error = await failed;
    expect(error.code).toBe("too-slow");
    expect(error.detail).toBe("a/model.json: stopped after 30 seconds");
    const tried = FakeWorker.made.map(({ backend, terminated }) => [backend, terminated]);
    expect(tried).toEqual([
      ["webgpu", true],
      ["webgl", true],
      ["wasm", true],
    ]);
  });

  it("is given the time that it is said to have", async () => {
    FakeWorker.hangs = (task) => task === "load";
    const { failed } = start("wasm");
    await wait(PATIENCE.wasm - 1);
    expect(FakeWorker.made[0].terminated).toBe(false);
    await wait(1);
    expect((await failed).code).toBe("too-slow");
  });

  it("is found out later too: a second model, or a frame", async () => {
    const { started, onLost } = start("wasm");
    const engine = await started;
    FakeWorker.hangs = () => true;
    const loading = engine.load("b/model.json", files, check, what).catch((error) => error);
    const again = engine.again(1, []).catch((error) => error);
    await wait(PATIENCE.wasm);
    expect(await loading).toMatchObject({ code: "too-slow" });
    expect(await again).toBe(await loading); // it waited in the same worker
    expect(onLost).toHaveBeenCalledExactlyOnceWith("wasm", await loading);
    await expect(engine.again(1, [])).rejects.toMatchObject({ code: "too-slow" });
  });
});

describe("the clock", () => {
  it("starts anew with each task, and stops with its answer", async () => {
    const { started, onLost } = start("wasm");
    const engine = await started;
    for (let frame = 0; frame < 4; frame++) {
      await engine.again(1, []);
      await wait(PATIENCE.wasm - 1);
    }
    expect(onLost).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("counts no time in which the device slept", async () => {
    const { started, onLost } = start("wasm");
    const engine = await started;
    FakeWorker.hangs = () => true;
    engine.again(1, []).catch(() => undefined);
    await wait(2);
    vi.setSystemTime(Date.now() + 3_600_000);
    await wait(2);
    expect(onLost).not.toHaveBeenCalled();
  });

  it("lets the next backend take over from a GPU that hangs", async () => {
    const { started, onLost } = start();
    const engine = await started;
    expect(engine.backend).toBe("webgpu");
    FakeWorker.hangs = () => true;
    const frame = engine.again(1, []).catch((error) => error);
    await wait(PATIENCE.webgpu);
    expect((await frame).code).toBe("gpu-lost");
    expect(onLost).toHaveBeenCalledOnce();
  });

  it("waits for a GPU that was insisted on, which may be imitated", async () => {
    FakeWorker.hangs = (task) => task === "load";
    const { failed } = start("webgl");
    await wait(10 * PATIENCE.webgl);
    expect(FakeWorker.made[0].terminated).toBe(false);
    await wait(5 * PATIENCE.webgl);
    expect((await failed).code).toBe("too-slow");
  });
});
