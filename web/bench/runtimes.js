/**
 * Other runtimes, each on one WASM thread: what `course.py bench web` compares the page with.
 *
 * Each takes the bytes of a model and the shape of its input, and returns a function from the
 * numbers of an image to those of the residual.
 */
const RUNTIMES = {
  async "onnxruntime-web"(model, shape) {
    const ort = await import("onnxruntime-web");
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = new URL("node_modules/onnxruntime-web/dist/", location).href;
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    const [input] = session.inputNames;
    const [output] = session.outputNames;
    return async (image) => {
      const results = await session.run({ [input]: new ort.Tensor("float32", image, shape) });
      return results[output].data;
    };
  },

  async "LiteRT.js"(model, shape) {
    const { loadAndCompile, loadLiteRt, Tensor } = await import("@litertjs/core");
    await loadLiteRt(new URL("node_modules/@litertjs/core/wasm/", location).href);
    const compiled = await loadAndCompile(model, {
      accelerator: "wasm",
      cpuOptions: { numThreads: 1 },
    });
    return async (image) => {
      const input = new Tensor(image, shape);
      const [output] = await compiled.run(input);
      const numbers = await output.data();
      input.delete();
      output.delete();
      return numbers;
    };
  },
};

const loaded = {};
const read = async (name) => (await fetch(`data/${name}`)).arrayBuffer();
let image;

/** Load the runtime's model; return what it computes for the image. */
window.load = async (name, shape) => {
  image ??= new Float32Array(await read("image"));
  loaded[name] = await RUNTIMES[name](new Uint8Array(await read(name)), shape);
  return Array.from(await loaded[name](image));
};

/** Run a model `count` times; return how many milliseconds each took. */
window.time = async (name, count) => {
  const milliseconds = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await loaded[name](image);
    milliseconds.push(performance.now() - start);
  }
  return milliseconds;
};
