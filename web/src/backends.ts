/** The TensorFlow.js backends, each a chunk that is loaded only where it is tried. */

import { backend as current, env, ready, setBackend } from "@tensorflow/tfjs-core";

import simdAddress from "../node_modules/@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url";
import plainAddress from "../node_modules/@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url";
import { replaceSlowKernels } from "./kernels";
import type { Backend } from "./tasks";

/**
 * Load a backend and make it the one that computes. Throws where the device has none.
 *
 * @param insist use it even if a processor imitates the GPU, which takes seconds for an image
 * @param onLost told once, should the GPU be taken away; the backend computes no more then
 */
export async function useBackend(
  backend: Backend,
  insist: boolean,
  onLost: (reason: string) => void,
): Promise<void> {
  await load[backend](insist);
  if (!(await setBackend(backend))) throw new Error(`${backend} can't be used here`);
  await ready();
  const { gpgpu, device } = current() as unknown as Gpu;
  gpgpu?.gl.canvas.addEventListener("webglcontextlost", () => onLost("WebGL context lost"));
  device?.lost.then(({ message }) => onLost(`WebGPU device lost. ${message}`.trim()));
}

/** What the two GPU backends keep of the browser's own objects. */
interface Gpu {
  gpgpu?: { gl: { canvas: EventTarget } };
  device?: { lost: Promise<{ message: string }> };
}

/** Renderers that compute on the processor, which WASM does faster. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render|software/i;

const load: Record<Backend, (insist: boolean) => Promise<unknown>> = {
  async webgpu(insist) {
    const gpu = (navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } }).gpu;
    const adapter = await gpu?.requestAdapter();
    if (!adapter) throw new Error("no WebGPU");
    if (!insist && (adapter.isFallbackAdapter || adapter.info?.isFallbackAdapter)) {
      throw new Error("WebGPU is imitated in software");
    }
    return import("@tensorflow/tfjs-backend-webgpu");
  },

  async webgl(insist) {
    const probe = new OffscreenCanvas(1, 1).getContext("webgl2", {
      failIfMajorPerformanceCaveat: !insist, // should refuse software, and does in some browsers
    });
    if (!probe) throw new Error("no WebGL in hardware");
    const names = probe.getExtension("WEBGL_debug_renderer_info");
    const name = probe.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? probe.RENDERER);
    probe.getExtension("WEBGL_lose_context")?.loseContext();
    if (!insist && SOFTWARE.test(name)) throw new Error(`WebGL is imitated in software (${name})`);
    return import("@tensorflow/tfjs-backend-webgl");
  },

  async wasm() {
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    replaceSlowKernels();
    // One thread: the threaded build would start workers of its own from text.
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    setWasmPaths({
      "tfjs-backend-wasm.wasm": absolute(plainAddress),
      "tfjs-backend-wasm-simd.wasm": absolute(simdAddress),
      "tfjs-backend-wasm-threaded-simd.wasm": absolute(simdAddress), // named, never loaded
    });
  },

  cpu: () => import("@tensorflow/tfjs-backend-cpu"),
};

interface Adapter {
  isFallbackAdapter?: boolean;
  info?: { isFallbackAdapter?: boolean };
}

function absolute(address: string): string {
  return new URL(address, import.meta.url).href;
}
