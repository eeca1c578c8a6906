/**
 * Look through the files of a model before anything is built from them: what is wrong is then said
 * with the place where it is, and a file that is nonsense, or malicious, goes no further.
 *
 * Each function throws an Error that says what is wrong.
 */

import type { ByLight, Check, Measured, ModelEntry, ModelFiles, Suitable } from "./formats";
import type { Levels } from "./secondPass";

type Unknown = Record<string, unknown>;

/** Bytes that one number takes in a file of weights. */
const BYTES: Record<string, number> = {
  float32: 4,
  int32: 4,
  complex64: 8,
  float16: 2,
  uint16: 2,
  uint8: 1,
  bool: 1,
};
/** A face crop larger than this is no face crop. */
const LARGEST_CROP = 1024;
/** Nobody wants more sliders than this, or to choose from more pictures. */
const MOST_SLIDERS = 8;
const MOST_KINDS = 40;

export function readManifest(json: unknown): ModelEntry[] {
  const { models, classifiers = [] } = objectOf(json, "the manifest");
  const generators = listOf(models, '"models"').map((model, i): ModelEntry => {
    const entry = readEntry(model, `model ${i + 1}`);
    const { attribute, direction, size } = entry;
    if (typeof attribute !== "string") return wrong(`model ${i + 1}: "attribute"`, attribute);
    if (direction !== "add" && direction !== "remove") {
      return wrong(`model ${i + 1}: "direction"`, direction);
    }
    const chosen = readStyles(entry, `model ${i + 1}`);
    const outputs = size * size * 3;
    const measured = readMeasured(entry.measured, `model ${i + 1}`);
    const secondPass = readLevels(entry.second_pass, `model ${i + 1}`);
    const common = { outputs, column: 0, measured, secondPass, ...chosen };
    return { ...entry, attribute, role: direction, ...common };
  });
  const judges = listOf(classifiers, '"classifiers"').flatMap((model, i): ModelEntry[] => {
    const entry = readEntry(model, `classifier ${i + 1}`);
    const attributes = listOf(entry.attributes, `classifier ${i + 1}: "attributes"`);
    const accuracies = listOf(entry.accuracy ?? [], `classifier ${i + 1}: "accuracy"`);
    return attributes.map((attribute, column) => {
      const accuracy = accuracies[column];
      if (typeof attribute !== "string") return wrong(`classifier ${i + 1}: an attribute`, attribute);
      if (accuracy !== undefined && typeof accuracy !== "number") {
        return wrong(`classifier ${i + 1}: an accuracy`, accuracy);
      }
      const outputs = attributes.length;
      const nothing = {
        styles: [],
        kinds: [],
        suits: [],
        byLight: [],
        pictures: undefined,
        measured: undefined,
        secondPass: undefined,
      };
      return { ...entry, attribute, role: "tell", outputs, column, accuracy, ...nothing };
    });
  });
  return [...generators, ...judges];
}

function readStyles(
  entry: Unknown & Common,
  what: string,
): Suitable & Pick<ModelEntry, "pictures"> {
  const styles = listOf(entry.styles ?? [], `${what}: "styles"`);
  const kinds = listOf(entry.kinds ?? [], `${what}: "kinds"`);
  const named = styles.every((name) => typeof name === "string") && !styles.includes("");
  if (styles.length > MOST_SLIDERS + kinds.length || !named) wrong(`${what}: "styles"`, styles);
  const each = new Set(kinds);
  const known = each.size === kinds.length && kinds.every((kind) => (styles as unknown[]).includes(kind));
  if (kinds.length > MOST_KINDS || !known) wrong(`${what}: "kinds"`, kinds);
  const suits = listOf(entry.suits ?? [], `${what}: "suits"`);
  const three = (row: unknown) => Array.isArray(row) && row.length === 3 && row.every((k) => each.has(k));
  if (suits.length > 0 && !(suits.length === 3 && suits.every(three))) wrong(`${what}: "suits"`, suits);
  const rules = objectOf(entry.by_light ?? {}, `${what}: "by_light"`);
  for (const name of Object.keys(rules)) {
    if (!styles.includes(name) || each.has(name)) wrong(`${what}: "by_light"`, name);
  }
  const side = entry.size - Math.round(entry.size * entry.headroom);
  const byLight = (styles as string[]).map((name) =>
    Object.hasOwn(rules, name) ? readRule(rules[name], side, `${what}: "by_light" of ${name}`) : null,
  );
  const { pictures } = entry;
  // It becomes a part of the page's style.
  if (pictures !== undefined && !(typeof pictures === "string" && /^\w[\w./-]*$/.test(pictures))) {
    return wrong(`${what}: "pictures"`, pictures);
  }
  return {
    styles: styles as string[],
    kinds: kinds as string[],
    suits: suits as string[][],
    byLight,
    pictures,
  };
}

function readRule(json: unknown, side: number, what: string): ByLight {
  const { box, stops, numbers } = objectOf(json, what);
  const within = (list: unknown, count: number, least: number): list is number[] =>
    Array.isArray(list) &&
    list.length === count &&
    list.every((n) => typeof n === "number" && n >= least && n <= 1);
  const pixel = (share: number) => Math.floor(side * share);
  const empty = (from: number, to: number) => pixel(from) >= pixel(to);
  if (!within(box, 4, 0) || empty(box[0], box[2]) || empty(box[1], box[3])) {
    return wrong(`${what}: "box"`, box);
  }
  if (!within(stops, 2, 0) || stops[0] >= stops[1]) return wrong(`${what}: "stops"`, stops);
  if (!within(numbers, 2, -1)) return wrong(`${what}: "numbers"`, numbers);
  return { box, stops, numbers };
}

function readLevels(json: unknown, what: string): Levels | undefined {
  if (json === undefined) return undefined;
  const levels = listOf(json, `${what}: "second_pass"`);
  const [low, high] = levels;
  const numbers = typeof low === "number" && typeof high === "number";
  if (levels.length !== 2 || !numbers || !(low >= 0 && low < high)) {
    return wrong(`${what}: "second_pass"`, json);
  }
  return [low, high];
}

function readMeasured(json: unknown, what: string): Measured | undefined {
  if (json === undefined) return undefined;
  const measured = objectOf(json, `${what}: "measured"`);
  for (const key of ["count", "flips", "same_person", "outside", "brightness"]) {
    if (typeof measured[key] !== "number") wrong(`${what}: measured "${key}"`, measured[key]);
  }
  return measured as unknown as Measured;
}

type Common = Pick<
  ModelEntry,
  "path" | "size" | "headroom" | "bytes" | "parameters" | "network" | "data" | "licence"
>;

/** What both kinds of models say of themselves. */
function readEntry(model: unknown, what: string): Unknown & Common {
  const entry = objectOf(model, what);
  for (const key of ["path", "network", "data", "licence"]) {
    if (typeof entry[key] !== "string") wrong(`${what}: "${key}"`, entry[key]);
  }
  for (const key of ["bytes", "parameters"]) {
    if (typeof entry[key] !== "number") wrong(`${what}: "${key}"`, entry[key]);
  }
  if (!isCount(entry.size) || entry.size > LARGEST_CROP || entry.size === 0) {
    wrong(`${what}: "size"`, entry.size);
  }
  const { headroom = 0 } = entry;
  if (typeof headroom !== "number" || !(headroom >= 0 && headroom <= 0.5)) {
    return wrong(`${what}: "headroom"`, headroom);
  }
  return { ...entry, headroom } as Unknown & Common;
}

/** A model.json, all but the weights themselves. */
export function readGraph(json: unknown): {
  topology: object;
  weightSpecs: ModelFiles["weightSpecs"];
  paths: string[];
  /** How many bytes of weights there have to be. */
  bytes: number;
} {
  const { modelTopology, weightsManifest } = objectOf(json, "it");
  const { node } = objectOf(modelTopology, '"modelTopology"');
  if (!Array.isArray(node)) throw new Error('"modelTopology" has no nodes');
  if (!Array.isArray(weightsManifest)) throw new Error('"weightsManifest" is no list');
  const groups = weightsManifest.map((group) => objectOf(group, "a group of weights"));
  const paths = groups.flatMap((group) => listOf(group.paths, '"paths"'));
  const stray = paths.find((path) => typeof path !== "string");
  if (stray !== undefined) wrong("a path of weights", stray);
  const specs = groups.flatMap((group) => listOf(group.weights, '"weights"'));
  const bytes = specs.reduce<number>((sum, spec) => sum + bytesOf(spec), 0);
  return {
    topology: modelTopology as object,
    weightSpecs: specs as ModelFiles["weightSpecs"],
    paths: paths as string[],
    bytes,
  };
}

/** The check.json of a model. */
export function readCheck(
  json: unknown,
  { size, headroom, outputs, styles }: Pick<ModelEntry, "size" | "headroom" | "outputs" | "styles">,
): Check {
  const stored = objectOf(json, "it");
  if (stored.size !== size) wrong('"size"', stored.size);
  const { tolerance } = stored;
  if (typeof tolerance !== "number") return wrong('"tolerance"', tolerance);
  const style = listOf(stored.style ?? [], '"style"');
  if (style.length !== styles.length || !style.every((value) => typeof value === "number")) {
    return wrong('"style"', style);
  }
  const image = fromBase64(stored.image, "image", size * size * 3);
  const output = fromBase64(stored.output, "output", outputs * 4);
  return {
    size,
    headroom,
    crop: Float32Array.from(image, (value) => value / 127.5 - 1),
    style: style as number[],
    output: new Float32Array(output.buffer),
    tolerance,
  };
}

/** Bytes of one weight in the file, where "quantization" may store it in fewer. */
function bytesOf(spec: unknown): number {
  const { name, shape, dtype, quantization } = objectOf(spec, "a weight");
  if (typeof name !== "string") wrong("a weight's name", name);
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return wrong(`the shape of weight ${name}`, shape);
  }
  const stored = quantization ? objectOf(quantization, '"quantization"').dtype : dtype;
  if (typeof stored !== "string" || !Object.hasOwn(BYTES, stored)) {
    return wrong(`the dtype of weight ${name}`, stored);
  }
  return shape.reduce((product, side) => product * side, BYTES[stored]);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

function objectOf(value: unknown, what: string): Unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what} is no object`);
  }
  return value as Unknown;
}

function listOf(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  return value;
}

function fromBase64(text: unknown, key: string, length: number): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  try {
    bytes = Uint8Array.from(atob(String(text)), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error(`"${key}" is no base64`);
  }
  if (bytes.length !== length) throw new Error(`"${key}": ${bytes.length} of ${length} bytes`);
  return bytes;
}

function wrong(what: string, value: unknown): never {
  throw new Error(`${what} is ${JSON.stringify(value)?.slice(0, 60)}`);
}
