/** The whole way of one picture: detect, align, edit, composite. */

import type { GraphModel } from "@tensorflow/tfjs-converter";
import { memory } from "@tensorflow/tfjs-core";

import {
  apply,
  cropBounds,
  invert,
  photoToCrop,
  takeCrop,
  type Landmarks,
  type Patch,
  type Rectangle,
  type Similarity,
  type Size,
} from "./align";
import { addResidual, atStrength, toHeat, toPixels } from "./composite";
import { decide, type Evidence } from "./decide";
import { detect, measure, type Face } from "./detect";
import { run } from "./edit";
import { isWithin, SIDE } from "./follow";
import type { Direction, Editing } from "./formats";
import type { HintCode } from "./problems";
import { withSecondPass } from "./secondPass";
import { complete, keptSuiting, suitingStyle } from "./style";
import type { Track, Tracker } from "./track";

/** What to do with each face: `invert` adds the attribute where it is not, else removes it. */
export type Mode = Direction | "invert";

export interface Network {
  model: GraphModel;
  size: number;
  headroom?: number;
  /** What may be chosen of what a generator draws, what suits, and whether it looks twice. */
  what: Editing;
  /** The style that is chosen. */
  style?: number[];
}
/** One generator for `add` and `remove`; for `invert` both, and who tells which of them to use. */
export type Networks = Partial<Record<Direction, Network>> & {
  /** A classifier; `column` is the attribute's place in its output. */
  tell?: Network & { column: number };
};

export type Stage = "detect" | "align" | "edit" | "composite";

/** A face and its edit, at strength 1. */
export interface Edit {
  direction: Direction;
  evidence?: Evidence;
  toCrop: Similarity;
  size: number;
  headroom: number;
  crop: Float32Array;
  /** What suits the face. */
  suiting: number[];
  residual: Float32Array;
}

export interface Inverted {
  /** How many faces were edited, and in which direction; the largest comes first. */
  directions: Direction[];
  /** In `invert` mode: what was found about the largest face. */
  evidence?: Evidence;
  /** What changed: put these onto the photo, in this order. */
  patches: Patch[];
  /** Of the largest face, at the chosen strength. */
  views?: Views;
  /** What the user could do for a better result. */
  hint?: HintCode;
  milliseconds: Record<Stage, number>;
  /** Tensors that live on afterwards: the weights. A number that grows is a leak. */
  tensors: number;
}

export interface Views {
  crop: ImageData;
  edited: ImageData;
  /** The residual at a fixed range: grey is no change, black is -1, white is +1. */
  residual: ImageData;
  /** How much each pixel changes, at a fixed range: black is nothing, white is 1 or more. */
  heat: ImageData;
}

/** More faces than this are left as they are. */
const MOST_FACES = 4;
/** Between the eyes, in pixels of the photo. */
const SMALL = 16;
/**
 * Where all but the brightest twentieth is darker than this grey value, too little light fell on
 * it. (The mean would say as much of a dark skin, or of a dark wall.)
 */
const DARK = 60;

/** Milliseconds of each stage, added up. */
export function stopwatch() {
  const milliseconds: Record<Stage, number> = { detect: 0, align: 0, edit: 0, composite: 0 };
  let last = performance.now();
  return {
    milliseconds,
    count(stage: Stage) {
      const now = performance.now();
      milliseconds[stage] += now - last;
      last = now;
    },
  };
}

/**
 * Find the faces of a photo and compute their edits.
 *
 * @param live the tracker of the film that the photo is the next frame of, and when it was taken
 */
export async function findEdits(
  photo: ImageBitmap,
  detector: GraphModel,
  models: Networks,
  mode: Mode,
  { count }: ReturnType<typeof stopwatch>,
  live?: { tracker: Tracker; at: number },
): Promise<Edit[]> {
  const faces: (Landmarks & Partial<Track>)[] = live
    ? (await live.tracker.next(eyesOf(photo, detector), live.at)).map((track) =>
        Object.assign(track, track.landmarks),
      )
    : await detect(detector, photo);
  count("detect");

  const edits: Edit[] = [];
  for (const face of faces.slice(0, MOST_FACES)) {
    const cropFor = ({ size, headroom = 0 }: Network) => {
      const toCrop = photoToCrop(face, size, headroom);
      const patch = readPatch(photo, cropBounds(toCrop, size, photo));
      return { toCrop, size, headroom, crop: takeCrop(patch, photo, toCrop, size) };
    };
    let direction: Direction;
    let evidence: Evidence | undefined;
    if (mode === "invert") {
      const tell = models.tell!;
      evidence = face.evidence;
      // In live mode a face that was only followed is still the same face.
      if (!evidence || face.measured !== false) {
        const { crop, size } = cropFor(tell);
        count("align");
        evidence = decide((await run(tell.model, crop, size))[tell.column], evidence);
        face.evidence = evidence;
        count("edit");
      }
      direction = evidence.present ? "remove" : "add";
    } else direction = mode;

    const generator = models[direction]!;
    const cut = cropFor(generator);
    count("align");
    const suiting = keptSuiting(face, direction, () =>
      suitingStyle(generator.what, cut.crop, cut.size, cut.headroom),
    );
    const edit = { ...cut, direction, evidence, suiting };
    edits.push({ ...edit, residual: await residualOf(edit, generator, live !== undefined) });
    count("edit");
  }
  return edits;
}

/** @param live in a film one pass has to do: two would take twice as long */
async function residualOf(
  { crop, size, suiting }: Pick<Edit, "crop" | "size" | "suiting">,
  { model, what, style = [] }: Network,
  live: boolean,
): Promise<Float32Array> {
  const pass = (image: Float32Array) => run(model, image, size, complete(what, style, suiting));
  const first = await pass(crop);
  const levels = live ? undefined : what.secondPass;
  return levels ? withSecondPass(crop, first, size, levels, pass) : first;
}

/** Compute what is added anew, in another style. */
export async function restyle(edits: Edit[], network: Network): Promise<Edit[]> {
  const others: Edit[] = [];
  for (const edit of edits) {
    const residual = edit.direction === "add" ? await residualOf(edit, network, false) : edit.residual;
    others.push({ ...edit, residual });
  }
  return others;
}

/** Put the edits onto the photo, each at the given strength: 0 changes nothing, 1 is the edit. */
export function compositeEdits(
  photo: ImageBitmap,
  found: Edit[],
  strength: number,
  { milliseconds, count }: ReturnType<typeof stopwatch>,
): Inverted {
  const patches: Patch[] = [];
  const edits = found.map((edit) => ({
    ...edit,
    residual: atStrength(edit.residual, strength),
  }));
  for (const { toCrop, size, residual, crop } of edits) {
    // A face that overlaps one before it is added to what that one became.
    const patch = readPatch(photo, cropBounds(toCrop, size, photo), patches);
    addResidual(patch, residual, toCrop, size, crop);
    patches.push(patch);
  }
  const [first] = edits;
  const views = first && viewsOf(first);
  const result: Inverted = {
    directions: edits.map((each) => each.direction),
    evidence: first?.evidence,
    patches,
    views,
    hint: hintFor(photo, views?.crop ?? smaller(photo), first),
    milliseconds,
    tensors: memory().numTensors,
  };
  count("composite");
  return result;
}

function viewsOf({ crop, residual, size }: Edit): Views {
  return {
    crop: toPixels(crop, size),
    edited: toPixels(crop, size, residual),
    residual: toPixels(residual, size),
    heat: toHeat(residual, size),
  };
}

/** Read a rectangle of a photo, with earlier changes in it. */
function readPatch(photo: ImageBitmap, area: Rectangle, changes: Patch[] = []): Patch {
  const { x, y, width, height } = area;
  const context = contextOf(width, height);
  context.drawImage(photo, -x, -y);
  for (const change of changes) context.putImageData(change.pixels, change.x - x, change.y - y);
  return { x, y, pixels: context.getImageData(0, 0, width, height) };
}

/** A canvas with more pixels than this is not worth its memory once a photo has been read. */
const MOST_KEPT = 2_000_000;
let kept: OffscreenCanvasRenderingContext2D | undefined;

/**
 * Take a canvas of at least this size, on which whatever is drawn next replaces what was there. One
 * serves all faces of all frames: a new one costs more than the drawing.
 */
function contextOf(width: number, height: number): OffscreenCanvasRenderingContext2D {
  if (kept && kept.canvas.width >= width && kept.canvas.height >= height) {
    kept.resetTransform();
    return kept;
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.globalCompositeOperation = "copy";
  context.imageSmoothingQuality = "high";
  if (width * height <= MOST_KEPT) kept = context;
  return context;
}

/** What the tracker needs to see of a frame. */
function eyesOf(photo: ImageBitmap, detector: GraphModel) {
  return {
    search: (known: Face[]) => detect(detector, photo, false, known),
    measure: (about: Face) => measure(detector, photo, about),
    shows: (view: Similarity) => isWithin(photo, view),
    read(view: Similarity): Float32Array {
      const context = contextOf(SIDE, SIDE);
      // A canvas counts from the corner of the first pixel, we from its centre.
      const half = 0.5 * (1 - view.a);
      const turned = 0.5 * view.b;
      context.setTransform(
        view.a,
        view.b,
        -view.b,
        view.a,
        view.dx + half + turned,
        view.dy + half - turned,
      );
      context.drawImage(photo, 0, 0);
      return greyOf(context.getImageData(0, 0, SIDE, SIDE));
    },
  };
}

function greyOf({ data }: ImageData): Float32Array {
  const grey = new Float32Array(data.length / 4);
  for (let i = 0; i < grey.length; i++) {
    grey[i] = 0.3 * data[4 * i] + 0.59 * data[4 * i + 1] + 0.11 * data[4 * i + 2];
  }
  return grey;
}

/** @param seen the face crop of the first edit, or the photo where there is none */
function hintFor(photo: Size, seen: ImageData, first?: Edit): HintCode | undefined {
  // The detector finds faces in the dark that no eye sees, and the generators see no better.
  if (isDark(greyOf(seen))) return "too-dark";
  return first && hintForFace(first, photo);
}

/** What is wrong with where a face lies, if something is. */
export function hintForFace(
  { toCrop, size, headroom }: Pick<Edit, "toCrop" | "size" | "headroom">,
  photo: Size,
): "face-small" | "face-cut" | undefined {
  const back = invert(toCrop);
  const side = size * (1 - headroom);
  const above = size * headroom;
  const at = (x: number, y: number) => apply(back, { x: above / 2 + x * side, y: above + y * side });
  const eyes = [at(0.39, 0.51), at(0.61, 0.51)];
  // From the brows to the chin, and from cheek to cheek.
  const outline = [0.3, 0.7].flatMap((x) => [0.4, 0.85].map((y) => at(x, y)));
  const outside = outline.some(
    ({ x, y }) => x < 0 || y < 0 || x > photo.width - 1 || y > photo.height - 1,
  );
  if (outside) return "face-cut";
  return Math.hypot(eyes[1].x - eyes[0].x, eyes[1].y - eyes[0].y) < SMALL ? "face-small" : undefined;
}

function smaller(photo: ImageBitmap): ImageData {
  const side = 16;
  const context = contextOf(side, side);
  context.drawImage(photo, 0, 0, side, side);
  return context.getImageData(0, 0, side, side);
}

export function isDark(grey: Float32Array): boolean {
  let dark = 0;
  for (const value of grey) if (value < DARK) dark++;
  return dark > Math.floor(grey.length * 0.95);
}
