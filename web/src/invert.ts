/** The whole way of one picture: detect, align, edit, composite. */

import type { GraphModel } from "@tensorflow/tfjs-converter";
import { memory } from "@tensorflow/tfjs-core";

import { cropBounds, photoToCrop, takeCrop, type Patch } from "./align";
import { addResidual, toPixels } from "./composite";
import { detect } from "./detect";
import { edit } from "./edit";

export interface Inverted {
  /** How many faces were edited; the largest one is shown in `crop`, `edited`, `residual`. */
  faces: number;
  /** What changed: put these onto the photo, in this order. */
  patches: Patch[];
  crop?: ImageData;
  edited?: ImageData;
  /** The residual at a fixed range: grey is no change, black is -1, white is +1. */
  residual?: ImageData;
  milliseconds: Record<"detect" | "align" | "edit" | "composite", number>;
  /** Tensors that live on afterwards: the weights. A number that grows is a leak. */
  tensors: number;
}

/** More faces than this are left as they are. */
const MOST_FACES = 4;

/** Edit the faces of a photo, whose pixels are read from and written to nothing but a copy. */
export async function invertPhoto(
  photo: ImageBitmap,
  detector: GraphModel,
  generator: GraphModel,
  size: number,
): Promise<Inverted> {
  const milliseconds = { detect: 0, align: 0, edit: 0, composite: 0 };
  let last = performance.now();
  const count = (stage: keyof typeof milliseconds) => {
    const now = performance.now();
    milliseconds[stage] += now - last;
    last = now;
  };

  const faces = (await detect(detector, photo)).slice(0, MOST_FACES);
  count("detect");

  const canvas = new OffscreenCanvas(photo.width, photo.height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  if (faces.length > 0) context.drawImage(photo, 0, 0);
  const result: Inverted = { faces: faces.length, patches: [], milliseconds, tensors: 0 };
  for (const face of faces) {
    const toCrop = photoToCrop(face, size);
    const { x, y, width, height } = cropBounds(toCrop, size, photo);
    const patch: Patch = { x, y, pixels: context.getImageData(x, y, width, height) };
    const crop = takeCrop(patch, photo, toCrop, size);
    count("align");

    const residual = await edit(generator, crop, size);
    count("edit");

    addResidual(patch, residual, toCrop, size);
    context.putImageData(patch.pixels, x, y); // a face that overlaps this one sees it edited
    result.patches.push(patch);
    if (!result.crop) {
      result.crop = toPixels(crop, size);
      result.edited = toPixels(crop, size, residual);
      result.residual = toPixels(residual, size);
    }
    count("composite");
  }
  result.tensors = memory().numTensors;
  return result;
}
