/**
 * Find faces with BlazeFace: the network gives, for each of 896 anchors, a score, a box and six
 * keypoints; decoding them and merging the boxes that overlap is done here.
 */

import type { GraphModel } from "@tensorflow/tfjs-converter";
import { tensor4d, tidy, type Tensor } from "@tensorflow/tfjs-core";

import { apply, invert, type Landmarks, type Point, type Similarity } from "./align";

export interface Face extends Landmarks {
  score: number;
  centre: Point;
  /** Longer side of the box, in pixels of the photo. */
  extent: number;
}

type Picture = (ImageBitmap | OffscreenCanvas) & { width: number; height: number };

/** The side of the network's input. */
const SIDE = 256;
/** Cells along a side, and anchors in each cell, of the network's two output grids. */
const GRIDS = [
  { cells: 16, anchors: 2, scores: "Identity", boxes: "Identity_2" },
  { cells: 8, anchors: 6, scores: "Identity_1", boxes: "Identity_3" },
];
const OUTPUTS = GRIDS.flatMap((grid) => [grid.scores, grid.boxes]);
/** Numbers for each anchor: centre, width and height of the box, then the keypoints. */
const VALUES = 16;
const [RIGHT_OF_PERSON, LEFT_OF_PERSON, , MOUTH] = [4, 6, 8, 10];
const LEAST_SCORE = 0.5;
const OVERLAP = 0.3;
/** A second look, at this many times the face's box, measures the landmarks more precisely. */
const SECOND_LOOK = 2;

/**
 * BlazeFace marks the eyes further out and the mouth lower than CelebA's landmarks, which the
 * template is made of, by these parts of the distance between the eyes (the mean over 500 photos
 * of CelebA). Uncorrected, every crop would show its face 4% too small.
 */
const EYES_OUTWARD = 0.017;
const MOUTH_LOWER = 0.062;

const canvas = typeof OffscreenCanvas === "undefined" ? null : new OffscreenCanvas(SIDE, SIDE);
const context = canvas?.getContext("2d", { willReadFrequently: true });

/**
 * Find the faces of a picture, the largest first.
 *
 * @param thorough look at parts of the picture too, for small faces: up to eleven looks, not two
 * @param known faces that need not be found again
 */
export async function detect(
  detector: GraphModel,
  picture: Picture,
  thorough = true,
  known: Face[] = [],
): Promise<Face[]> {
  let faces: Face[] = [];
  for (const views of viewsOf(picture, thorough)) {
    for (const view of views) faces.push(...(await look(detector, picture, view)));
    if (faces.length > 0) break;
  }
  const measured: Face[] = [];
  for (const face of faces) {
    if (known.some((other) => same(other, face))) continue;
    measured.push((await measure(detector, picture, face)) ?? asCelebA(face));
  }
  return apart(measured).sort((p, q) => q.extent - p.extent);
}

/** Measure the landmarks of a face that lies about here; undefined where none does. */
export async function measure(
  detector: GraphModel,
  picture: Picture,
  about: Face,
): Promise<Face | undefined> {
  const found = await look(detector, picture, closeUp(about));
  const nearest = found.sort((p, q) => gap(p, about) - gap(q, about))[0];
  return nearest && gap(nearest, about) < about.extent / 4 ? asCelebA(nearest) : undefined;
}

/** Views to try, one group after the other until a face is seen. */
function viewsOf(picture: Picture, thorough: boolean): Similarity[][] {
  // A face that fills the whole picture is too large for the network: look from further away.
  const groups = [[wholePicture(picture, 1)], [wholePicture(picture, 2)]];
  // A small one is too small for it: look at nine parts, each half as wide, that overlap by half.
  if (thorough) {
    const places = [-0.25, 0, 0.25];
    groups.push(places.flatMap((down) => places.map((right) => part(picture, right, down))));
  }
  return groups;
}

/** Leave out faces that were found twice, in two views. */
function apart(faces: Face[]): Face[] {
  return faces.filter((face, i) => !faces.slice(0, i).some((other) => same(other, face)));
}

function asCelebA(face: Face): Face {
  const { leftEye, rightEye, mouth } = face;
  const across = { x: rightEye.x - leftEye.x, y: rightEye.y - leftEye.y };
  const moved = (p: Point, right: number, down: number): Point => ({
    x: p.x + across.x * right - across.y * down,
    y: p.y + across.y * right + across.x * down,
  });
  return {
    ...face,
    leftEye: moved(leftEye, EYES_OUTWARD, 0),
    rightEye: moved(rightEye, -EYES_OUTWARD, 0),
    mouth: moved(mouth, 0, -MOUTH_LOWER),
  };
}

/** Whether two faces lie so close together that they must be one. */
export function same(p: Face, q: Face): boolean {
  return gap(p, q) < p.extent / 2;
}

function gap(p: Face, q: Face): number {
  return Math.hypot(p.centre.x - q.centre.x, p.centre.y - q.centre.y);
}

/** The view (from the picture to the network's input) that shows the whole picture. */
function wholePicture({ width, height }: Picture, distance: number): Similarity {
  const a = SIDE / (Math.max(width, height) * distance);
  return { a, b: 0, dx: (SIDE - a * width) / 2, dy: (SIDE - a * height) / 2 };
}

/** The view that shows half of the picture's width, `right` and `down` of its middle. */
function part(picture: Picture, right: number, down: number): Similarity {
  const { a } = wholePicture(picture, 0.5);
  const x = picture.width * (0.5 + right);
  const y = picture.height * (0.5 + down);
  return { a, b: 0, dx: SIDE / 2 - a * x, dy: SIDE / 2 - a * y };
}

/** The view that shows one face in the middle, its eyes level. */
function closeUp(face: Face): Similarity {
  const across = { x: face.rightEye.x - face.leftEye.x, y: face.rightEye.y - face.leftEye.y };
  const zoom = SIDE / (face.extent * SECOND_LOOK) / Math.hypot(across.x, across.y);
  const a = across.x * zoom;
  const b = -across.y * zoom;
  const { x, y } = face.centre;
  return { a, b, dx: SIDE / 2 - (a * x - b * y), dy: SIDE / 2 - (b * x + a * y) };
}

/** Run the network on one view of the picture. */
async function look(detector: GraphModel, picture: Picture, view: Similarity): Promise<Face[]> {
  if (!context) throw new Error("This browser has no OffscreenCanvas.");
  context.resetTransform();
  context.fillStyle = "#808080"; // what the network sees as zero
  context.fillRect(0, 0, SIDE, SIDE);
  context.setTransform(view.a, view.b, -view.b, view.a, view.dx, view.dy);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const input = new Float32Array(SIDE * SIDE * 3);
  for (let i = 0, p = 0; i < input.length; i += 3, p += 4) {
    input[i] = data[p] / 127.5 - 1;
    input[i + 1] = data[p + 1] / 127.5 - 1;
    input[i + 2] = data[p + 2] / 127.5 - 1;
  }
  const outputs = tidy(
    () => detector.execute(tensor4d(input, [1, SIDE, SIDE, 3]), OUTPUTS) as Tensor[],
  );
  const numbers = (await Promise.all(outputs.map((output) => output.data()))) as Float32Array[];
  outputs.forEach((output) => output.dispose());
  const back = invert(view);
  const zoom = Math.hypot(back.a, back.b);
  return decode(numbers).map((found) => ({
    score: found.score,
    // Canvas coordinates count from the corner of the first pixel, ours from its centre.
    leftEye: toIndex(apply(back, found.leftEye)),
    rightEye: toIndex(apply(back, found.rightEye)),
    mouth: toIndex(apply(back, found.mouth)),
    centre: toIndex(apply(back, found.centre)),
    extent: found.extent * zoom,
  }));
}

function toIndex(p: Point): Point {
  return { x: p.x - 0.5, y: p.y - 0.5 };
}

interface Box {
  score: number;
  values: Float32Array; // in pixels of the network's input
}

/** Turn the network's numbers (scores and boxes of each grid) into faces, the best first. */
export function decode(numbers: Float32Array[]): Face[] {
  const boxes: Box[] = [];
  GRIDS.forEach(({ cells, anchors }, grid) => {
    const scores = numbers[2 * grid];
    const values = numbers[2 * grid + 1];
    const step = SIDE / cells;
    scores.forEach((logit, index) => {
      const score = 1 / (1 + Math.exp(-logit));
      if (score < LEAST_SCORE) return;
      const cell = Math.floor(index / anchors);
      const anchor = [((cell % cells) + 0.5) * step, (Math.floor(cell / cells) + 0.5) * step];
      const box = values.slice(index * VALUES, (index + 1) * VALUES);
      // Width and height stand at 2 and 3; every other pair is a point relative to the anchor.
      for (let i = 0; i < VALUES; i++) if (i !== 2 && i !== 3) box[i] += anchor[i % 2];
      boxes.push({ score, values: box });
    });
  });
  return merge(boxes).map(({ score, values }) => ({
    score,
    centre: { x: values[0], y: values[1] },
    extent: Math.max(values[2], values[3]),
    leftEye: { x: values[RIGHT_OF_PERSON], y: values[RIGHT_OF_PERSON + 1] },
    rightEye: { x: values[LEFT_OF_PERSON], y: values[LEFT_OF_PERSON + 1] },
    mouth: { x: values[MOUTH], y: values[MOUTH + 1] },
  }));
}

/**
 * Merge boxes that overlap into their mean, weighted by score. Keeping just the best, as plain
 * non-maximum suppression does, makes the landmarks jump between anchors from frame to frame.
 */
function merge(boxes: Box[]): Box[] {
  let rest = [...boxes].sort((p, q) => q.score - p.score);
  const merged: Box[] = [];
  while (rest.length > 0) {
    const best = rest[0];
    const same = rest.filter((box) => box === best || overlap(box.values, best.values) > OVERLAP);
    rest = rest.filter((box) => !same.includes(box));
    const total = same.reduce((sum, box) => sum + box.score, 0);
    const values = best.values.map((_, i) =>
      same.reduce((sum, box) => sum + (box.values[i] * box.score) / total, 0),
    );
    merged.push({ score: best.score, values });
  }
  return merged;
}

/** Area of the intersection of two boxes, divided by the area of their union. */
function overlap(p: Float32Array, q: Float32Array): number {
  const side = (i: number) =>
    Math.max(
      0,
      Math.min(p[i] + p[i + 2] / 2, q[i] + q[i + 2] / 2) -
        Math.max(p[i] - p[i + 2] / 2, q[i] - q[i + 2] / 2),
    );
  const shared = side(0) * side(1);
  return shared / (p[2] * p[3] + q[2] * q[3] - shared);
}
