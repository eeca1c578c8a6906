import { describe, expect, it } from "vitest";

import { readCheck, readGraph, readManifest } from "../src/validate";

const entry = {
  attribute: "glasses",
  direction: "add",
  path: "glasses-add/model.json",
  size: 128,
  bytes: 4,
  parameters: 1,
  network: "",
  data: "",
  licence: "",
};
const classifier = { ...entry, attributes: ["hat", "glasses"], accuracy: [0.9, 0.8] };
const weight = { name: "w", shape: [2, 3], dtype: "float32" };
const graph = (weights: unknown, paths: unknown[] = ["weights.bin"]) => ({
  modelTopology: { node: [] },
  weightsManifest: [{ paths, weights }],
});
const base64 = (bytes: number) => btoa("\0".repeat(bytes));
const check = { size: 2, image: base64(12), output: base64(48), tolerance: 0.02 };

const PROTOTYPE = '{"__proto__": {"models": []}}';

const KINDS = { styles: ["a"], kinds: ["a"] };
const RULE = { box: [0, 0, 0.5, 1], stops: [0.2, 0.4], numbers: [-1, 1] };
const MANY = Array.from({ length: 1000 }, (_, i) => `kind ${i}`);

/** Files that an attacker, or a bug, could put in a model's place. */
const HOSTILE: [name: string, read: () => unknown, words: string][] = [
  ["a manifest that is null", () => readManifest(null), "no object"],
  ["a manifest that is a list", () => readManifest([entry]), "no object"],
  ["a list of models that is a number", () => readManifest({ models: 5 }), "no list"],
  ["no model", () => readManifest({ models: [null] }), "model 1 is no object"],
  ["a direction that there is not", () => withEntry({ direction: "up" }), '"direction" is "up"'],
  ["an attribute in parts", () => withEntry({ attribute: { a: 1 } }), '"attribute"'],
  ["a crop of a billion pixels", () => withEntry({ size: 1e9 }), "1000000000"],
  ["a crop of no pixel", () => withEntry({ size: 0 }), '"size" is 0'],
  ["a crop that is all headroom", () => withEntry({ headroom: 1 }), '"headroom" is 1'],
  ["a list in the prototype", () => readManifest(JSON.parse(PROTOTYPE)), "no list"],
  ["no topology", () => readGraph({ weightsManifest: [] }), '"modelTopology" is no object'],
  ["a Keras model", () => readGraph({ modelTopology: { model_config: {} } }), "no nodes"],
  ["weights in no list", () => readGraph(graph({ length: 3 })), '"weights" is no list'],
  ["a weight without a shape", () => withWeight({ shape: undefined }), "the shape of weight w"],
  ["a negative shape", () => withWeight({ shape: [-1, -6] }), "[-1,-6]"],
  ["half a side", () => withWeight({ shape: [0.5, 12] }), "[0.5,12]"],
  ["words as a shape", () => withWeight({ shape: ["2", "3"] }), '["2","3"]'],
  ["strings as weights", () => withWeight({ dtype: "string" }), "the dtype of weight w"],
  ["a dtype out of the prototype", () => withWeight({ dtype: "constructor" }), "constructor"],
  ["a weight without a name", () => withWeight({ name: 5 }), "name is 5"],
  ["a path that is an object", () => readGraph(graph([], [{}])), "a path of weights is {}"],
  ["a pair of another size", () => withCheck({ size: 4 }), '"size" is 4'],
  ["a pair without an output", () => withCheck({ output: undefined }), '"output"'],
  ["a classifier for nothing", () => withClassifier({ attributes: undefined }), '"attributes"'],
  ["a classifier for a number", () => withClassifier({ attributes: [1] }), "an attribute is 1"],
  ["an accuracy in words", () => withClassifier({ accuracy: ["all"] }), "an accuracy is"],
  ["classifiers that are a word", () => readManifest({ models: [], classifiers: "a" }), "no list"],
  ["a pair that is too short", () => withCheck({ image: base64(11) }), "11 of 12 bytes"],
  ["levels in words", () => withEntry({ second_pass: "all" }), '"second_pass" is no list'],
  ["one level", () => withEntry({ second_pass: [4] }), '"second_pass" is [4]'],
  ["levels that fall", () => withEntry({ second_pass: [8, 4] }), '"second_pass" is [8,4]'],
  ["a level below nothing", () => withEntry({ second_pass: [-1, 4] }), '"second_pass" is [-1,4]'],
  ["a style that is a number", () => withEntry({ styles: [1] }), '"styles" is [1]'],
  ["a style without a name", () => withEntry({ styles: [""] }), '"styles" is [""]'],
  ["a thousand styles", () => withEntry({ styles: Array(1000).fill("a") }), '"styles"'],
  ["a kind that is no style", () => withEntry({ styles: ["a"], kinds: ["b"] }), '"kinds" is ["b"]'],
  ["a kind twice", () => withEntry({ styles: ["a"], kinds: ["a", "a"] }), '"kinds"'],
  ["kinds that are a word", () => withEntry({ kinds: "round" }), '"kinds" is no list'],
  ["a thousand kinds", () => withEntry({ styles: MANY, kinds: MANY }), '"kinds"'],
  ["what suits, in two rows", () => withEntry({ ...KINDS, suits: [["a", "a", "a"], ["a", "a", "a"]] }), '"suits"'],
  ["what suits, in rows of two", () => withEntry({ ...KINDS, suits: Array(3).fill(["a", "a"]) }), '"suits"'],
  ["what suits, and is no kind", () => withEntry({ ...KINDS, suits: Array(3).fill(["a", "a", "b"]) }), '"suits"'],
  ["what suits of what is no style", () => withEntry({ ...KINDS, by_light: { c: RULE } }), '"by_light" is "c"'],
  ["what suits of a kind by light", () => withEntry({ ...KINDS, by_light: { a: RULE } }), '"by_light" is "a"'],
  ["what suits by light, in a list", () => withEntry({ by_light: [] }), '"by_light" is no object'],
  ["a rule that is a number", () => withEntry({ styles: ["b"], by_light: { b: 1 } }), "of b is no object"],
  ["a part that has no end", () => withRule({ box: [0, 0, 0.5] }), '"box"'],
  ["a part that begins in words", () => withRule({ box: ["0", 0, 0.5, 1] }), '"box"'],
  ["a part without a pixel", () => withRule({ box: [0.5, 0, 0.501, 1] }), '"box"'],
  ["a part out of the crop", () => withRule({ box: [0, 0, 0.5, 1.5] }), '"box"'],
  ["stops that are one", () => withRule({ stops: [0.5, 0.5] }), '"stops"'],
  ["stops from light to dark", () => withRule({ stops: [0.6, 0.2] }), '"stops"'],
  ["a number above 1", () => withRule({ numbers: [0, 2] }), '"numbers"'],
  ["a number below -1", () => withRule({ numbers: [-2, 0] }), '"numbers"'],
  ["pictures that are style", () => withEntry({ pictures: 'a")} * {' }), '"pictures"'],
  ["pictures elsewhere", () => withEntry({ pictures: "//a.test/b" }), '"pictures"'],
  ["a style that the model does not take", () => withCheck({ style: [1] }), '"style" is [1]'],
  ["measurements in words", () => withEntry({ measured: "good" }), '"measured" is no object'],
  ["half of the measurements", () => withEntry({ measured: { count: 5 } }), 'measured "flips"'],
  ["a tolerance in words", () => withCheck({ tolerance: "all" }), '"tolerance" is "all"'],
];
const shape = { size: 2, headroom: 0, outputs: 12, styles: [] };
const withCheck = (change: object) => readCheck({ ...check, ...change }, shape);
const withClassifier = (change: object) =>
  readManifest({ models: [], classifiers: [{ ...classifier, ...change }] });
const withEntry = (change: object) => readManifest({ models: [{ ...entry, ...change }] });
const withRule = (change: object) =>
  withEntry({ styles: ["a", "b"], kinds: ["a"], by_light: { b: { ...RULE, ...change } } });
const withWeight = (change: object) => readGraph(graph([{ ...weight, ...change }]));

describe("the files of a model", () => {
  it("are read where they are right", () => {
    const high = { ...entry, headroom: 0.1875 };
    const [generator, other, ...told] = readManifest({
      models: [entry, high],
      classifiers: [classifier],
    });
    const nothing = { styles: [], kinds: [], suits: [], byLight: [] };
    const made = { role: "add", outputs: 128 * 128 * 3, column: 0, ...nothing };
    expect(generator).toEqual({ ...entry, headroom: 0, ...made });
    expect(other).toEqual({ ...high, ...made });
    expect(readCheck(check, { ...shape, headroom: 0.1875 }).headroom).toBe(0.1875);
    expect(told).toMatchObject([
      { attribute: "hat", role: "tell", outputs: 2, column: 0, accuracy: 0.9 },
      { attribute: "glasses", role: "tell", outputs: 2, column: 1, accuracy: 0.8 },
    ]);
    const small = { ...weight, quantization: { dtype: "uint8" } };
    expect(readGraph(graph([weight, small]))).toMatchObject({ bytes: 24 + 6 });
    expect(readCheck(check, shape).crop).toEqual(new Float32Array(12).fill(-1));
  });

  it("say what may be chosen of what is added", () => {
    const styles = ["shape", "colour"];
    const [generator] = readManifest({ models: [{ ...entry, styles }] });
    expect(generator.styles).toEqual(styles);
    const [follows] = readManifest({ models: [{ ...entry, styles, by_light: { shape: RULE } }] });
    expect(follows.byLight).toEqual([RULE, null]);
    expect(readCheck({ ...check, style: [0.5, -1] }, { ...shape, styles }).style).toEqual([0.5, -1]);
  });

  it("say whether a photo is edited twice", () => {
    const [twice, once] = readManifest({ models: [{ ...entry, second_pass: [4, 8] }, entry] });
    expect([twice.secondPass, once.secondPass]).toEqual([[4, 8], undefined]);
  });

  it("may claim any number of bytes, which none is set aside for", () => {
    expect(readGraph(graph([{ ...weight, shape: [1e9, 1e9] }])).bytes).toBe(4e18);
  });

  it.each(HOSTILE)("are refused in words: %s", (_, read, words) => {
    expect(read).toThrow(words);
  });
});
