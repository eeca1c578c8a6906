/** What models there are, and their files, with progress and with errors in words. */

import blazefaceWeights from "../node_modules/@vladmandic/human/models/blazeface.bin?url";
import blazefaceTopology from "../node_modules/@vladmandic/human/models/blazeface.json?url";
import type { Check, ModelEntry, ModelFiles, Role } from "./formats";
import type { Mode } from "./invert";
import { Problem } from "./problems";
import { readCheck, readGraph, readManifest } from "./validate";

export type Progress = (loaded: number, total: number) => void;

/** Where the models lie: beside the page, wherever that is. */
export const MANIFEST = "models/manifest.json";

/** The address of a file that the manifest names. */
export function addressOf(path: string): string {
  return new URL(path, absolute(MANIFEST)).href;
}

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
  const address = readAs(MANIFEST, () => addressOf(entry.path));
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
