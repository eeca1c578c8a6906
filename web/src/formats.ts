/** What the files of a model say, once they have been looked through. */

import type { Levels } from "./secondPass";

export type Direction = "add" | "remove";
/** What a model is for: to edit in one direction, or to tell whether the attribute is there. */
export type Role = Direction | "tell";

/** What may be chosen of what is added. */
export interface Choosable {
  /** Of all numbers, each from -1 to 1; 0 is what suits. */
  styles: string[];
  /** Those of them that stand for kinds. */
  kinds: string[];
}

/** What may be chosen, and what suits where nothing is. */
export interface Suitable extends Choosable {
  /** Three rows of three kinds: by how light the hair is, and the clothes. Or none. */
  suits: string[][];
  /** Of each number what it follows, or nothing. */
  byLight: (ByLight | null)[];
}

/** How a number follows the lightness of a part of the face crop. */
export interface ByLight {
  /** Left, top, right and bottom of that part, as shares of the crop. */
  box: number[];
  /** Mean lightness, 0 to 1, at both ends of a line. */
  stops: number[];
  /** What the number is there, and beyond. */
  numbers: number[];
}

/** How a generator is to be run. */
export interface Editing extends Suitable {
  /** Of one that looks at a photo twice: how much its second pass has to find. */
  secondPass?: Levels;
}

/** A model and an attribute that it serves, from models/manifest.json. */
export interface ModelEntry extends Editing {
  attribute: string;
  role: Role;
  /** Of model.json, relative to the manifest. */
  path: string;
  /** Side of the face crop in pixels. */
  size: number;
  /** The part of it that is above the usual face crop; half as much is on either side. */
  headroom: number;
  /** How many numbers it gives, and in a classifier's which is the attribute's. */
  outputs: number;
  column: number;
  /** Of a classifier: how often it was right on held-out photos, 0 to 1. */
  accuracy?: number;
  /** Pictures of the kinds, relative to the manifest: one for what suits, then one for each. */
  pictures?: string;
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
  headroom: number;
  crop: Float32Array;
  style: number[];
  output: Float32Array;
  tolerance: number;
}
