/** What the page asks of the worker, and what the worker answers. */

import type { Check, Editing, ModelFiles, Role } from "./formats";
import type { Inverted, Mode } from "./invert";

/** What can compute, in the order in which it is tried. */
export const BACKENDS = ["webgpu", "webgl", "wasm", "cpu"] as const;
export type Backend = (typeof BACKENDS)[number];

export interface Tasks {
  start(backend: Backend, insist: boolean, detector: ModelFiles): void;
  load(name: string, files: ModelFiles, check: Check, what: Editing): SelfTest;
  invert(order: Order, photo: ImageBitmap): Inverted;
  /** Composite the last photo again, at another strength or in another style. */
  again(strength: number, style: number[]): Inverted | undefined;
  /** Addresses of everything that this worker has loaded. */
  resources(): string[];
}
export type TaskName = keyof Tasks;
export interface Request {
  id: number;
  task: TaskName;
  parameters: unknown[];
}
export type Reply =
  | { id: number; result: unknown }
  | { id: number; error: string }
  /** Said unasked: the device that computes is gone. */
  | { lost: string };

export interface Order {
  mode: Mode;
  /** Names of the models to use. */
  models: Partial<Record<Role, string>>;
  /** The attribute's place in the classifier's output. */
  column: number;
  /** 0 changes nothing, 1 is what the generator computes. */
  strength: number;
  /** What to add, where its model knows styles: numbers from -1 to 1, in the model's order. */
  style: number[];
  /** In live mode: a number that all frames of one film share, and the time in milliseconds. */
  live?: { film: number; at: number };
}

export interface SelfTest {
  /** Largest difference between the output computed here and Keras's. */
  difference: number;
  /** Of one run, after the first, which compiles. */
  milliseconds: number;
}
