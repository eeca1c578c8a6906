/** What models there are, and their files, with progress and with errors in words. */

import blazefaceWeights from "../node_modules/@vladmandic/human/models/blazeface.bin?url";
import blazefaceTopology from "../node_modules/@vladmandic/human/models/blazeface.json?url";
import type { Mode } from "./invert";
import { Problem } from "./problems";
import { readCheck, readGraph, readManifest } from "./validate";

export type Direction = "add" | "remove";
/** What a model is for: to edit in one direction, or to tell whether the attribute is there. */
export type Role = Direction | "tell";

/** A model and an attribute that it serves, from models/manifest.json. */
export interface ModelEntry {
  attribute: string;
  role: Role;
  /** Of model.json, relative to the manifest. */
  path: string;
  /** Side of the face crop in pixels. */
  size: number;
  /** How many numbers it gives, and in a classifier's which is the attribute's. */
  outputs: number;
  column: number;
  /** Of a classifier: how often it was right on held-out photos, 0 to 1. */
  accuracy?: number;
  /** What one may choose of what it draws, each by a number from -1 to 1; often nothing. */
  styles: string[];
  /** Bytes of weights. */
  bytes: number;
  parameters: number;
  network: string;
  /** What it was trained on, and on what terms the weights may be used. */
  data: string;
  licence: string;
  /** What a generator's edits of held-out photos were measured to be, if they were. */
  measured?: Measured;
}

export interface Measured {
  /** Photos. */
  count: number;
  /** Shares that a judge calls changed, and a face embedding the same person, 0 to 1. */
  flips: number;
  same_person: number;
  /** What changes outside the attribute's region, and by how much that brightens: levels of 255. */
  outside: number;
  brightness: number;
}

/** A TensorFlow.js graph model as it was downloaded. */
export interface ModelFiles {
  topology: object;
  weightSpecs: { name: string; shape: number[]; dtype: string }[];
  weights: ArrayBuffer;
}

/** A face crop and the output that Keras computed for it when the model was exported. */
export interface Check {
  size: number;
  crop: Float32Array;
  style: number[];
  output: Float32Array;
  tolerance: number;
}

export type Progress = (loaded: number, total: number) => void;

/** Where the models lie: beside the page, wherever that is. */
export const MANIFEST = "models/manifest.json";

/** Which networks there are to change an attribute; the first is the one to begin with. */
export function networksOf(entries: ModelEntry[], attribute: string): string[] {
  const generators = entries.filter(
    (entry) => entry.attribute === attribute && entry.role !== "tell",
  );
  return [...new Set(generators.map(({ network }) => network))];
}

/** What serves an attribute: the generators of one network, and whichever classifier there is. */
function serving(entries: ModelEntry[], attribute: string, network: string): ModelEntry[] {
  return entries.filter(
    (entry) =>
      entry.attribute === attribute && (entry.role === "tell" || entry.network === network),
  );
}

/** Which ways a network can change an attribute, with the models that there are. */
export function modesOf(entries: ModelEntry[], attribute: string, network: string): Mode[] {
  const roles = serving(entries, attribute, network).map(({ role }) => role);
  const can = (role: Role) => roles.includes(role);
  const directions = (["add", "remove"] as const).filter(can);
  return directions.length === 2 && can("tell") ? [...directions, "invert"] : directions;
}

/** The models that a mode needs: all three to invert, else one. Empty where there is none. */
export function modelsFor(
  entries: ModelEntry[],
  attribute: string,
  network: string,
  mode: Mode,
): ModelEntry[] {
  if (!modesOf(entries, attribute, network).includes(mode)) return [];
  const roles: Role[] = mode === "invert" ? ["add", "remove", "tell"] : [mode];
  const there = serving(entries, attribute, network);
  return roles.map((role) => there.find((entry) => entry.role === role)!);
}

export async function fetchManifest(): Promise<ModelEntry[]> {
  const address = absolute(MANIFEST);
  let manifest: unknown;
  try {
    manifest = await fetchJson(address);
  } catch (error) {
    if (error instanceof Problem && error.code === "offline") throw error;
    throw new Problem("models-missing", MANIFEST);
  }
  const entries = readAs(MANIFEST, () => readManifest(manifest));
  if (!entries.some(({ role }) => role !== "tell")) {
    throw new Problem("models-missing", `${MANIFEST} is empty`);
  }
  return entries;
}

export async function fetchChecked(
  entry: ModelEntry,
  progress: Progress,
): Promise<{ files: ModelFiles; check: Check }> {
  const address = readAs(MANIFEST, () => new URL(entry.path, absolute(MANIFEST)).href);
  const checkAddress = new URL("check.json", address).href;
  const [files, stored] = await Promise.all([
    fetchModel(address, undefined, progress),
    fetchJson(checkAddress),
  ]);
  return { files, check: readAs(checkAddress, () => readCheck(stored, entry)) };
}

export function fetchDetector(progress: Progress): Promise<ModelFiles> {
  return fetchModel(absolute(blazefaceTopology), absolute(blazefaceWeights), progress);
}

/** @param weights the address of the weights, where it is not the one that the model names */
async function fetchModel(
  address: string,
  weights: string | undefined,
  progress: Progress,
): Promise<ModelFiles> {
  const json = await fetchJson(address);
  const graph = readAs(address, () => readGraph(json));
  const { topology, weightSpecs, bytes: total } = graph;
  const addresses = weights
    ? [weights]
    : readAs(address, () => graph.paths.map((path) => new URL(path, address).href));
  const parts: Uint8Array[] = [];
  let loaded = 0;
  for (const part of addresses) {
    const response = await request(part);
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new Problem("offline", part);
      });
      if (done) break;
      parts.push(value);
      loaded += value.length;
      progress(loaded, total);
      if (loaded > total) await reader.cancel(); // or it may go on for ever
    }
  }
  if (loaded !== total) {
    throw new Problem("model-broken", `${addresses[0]}: ${loaded} of ${total} bytes`);
  }
  const joined = new Uint8Array(total);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return { topology, weightSpecs, weights: joined.buffer };
}

async function request(address: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch {
    throw new Problem("offline", address);
  }
  if (!response.ok) throw new Problem("model-broken", `${address}: status ${response.status}`);
  return response;
}

async function fetchJson(address: string): Promise<unknown> {
  const response = await request(address);
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    // Many hosts answer with their own page where a file is missing.
    const what = text.trimStart().startsWith("<") ? "a web page" : "no JSON";
    throw new Problem("model-broken", `${address} holds ${what} instead of a model`);
  }
}

function absolute(address: string): string {
  return new URL(address, document.baseURI).href;
}

/** Read a file's contents; what is wrong with them is said with its address. */
function readAs<Result>(address: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new Problem("model-broken", `${address}: ${(error as Error).message}`);
  }
}
