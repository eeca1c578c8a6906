/** Pictures in: from a file, from a sample, from the webcam. */

import { Problem } from "./problems";

/** iOS gives a canvas no more pixels than this; a larger photo is reduced to it. */
const MOST_PIXELS = 16_777_216;

/**
 * Read a picture file, turned upright as its EXIF data says. Of an animation, the first frame.
 */
export async function photoFromFile(file: Blob, name: string): Promise<ImageBitmap> {
  if (file.size === 0) throw new Problem("photo-empty", name);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Problem((await isHeic(file)) ? "photo-heic" : "photo-unreadable", name);
  }
  const reduce = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const width = Math.max(1, Math.floor(bitmap.width * reduce));
  const height = Math.max(1, Math.floor(bitmap.height * reduce));
  const photo = draw(bitmap, width, height, false);
  bitmap.close();
  return photo;
}

/** Tell by its first bytes whether a file is a phone's HEIC or HEIF photo. */
async function isHeic(file: Blob): Promise<boolean> {
  // The file may have been moved since it was chosen.
  const start = await file.slice(4, 12).text().catch(() => "");
  return /^ftyp(hei|hev|mif1|msf1)/.test(start);
}

export async function photoFromAddress(address: string): Promise<ImageBitmap> {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) throw new Problem("photo-missing", address);
  return photoFromFile(await response.blob(), address);
}

/** Take the frame that the video shows now. */
export function photoFromVideo(video: HTMLVideoElement, mirror: boolean): ImageBitmap {
  return draw(video, video.videoWidth, video.videoHeight, mirror);
}

/** Return a picture the other way round. */
export function mirrored(photo: ImageBitmap): ImageBitmap {
  return draw(photo, photo.width, photo.height, true);
}

function draw(source: CanvasImageSource, width: number, height: number, mirror: boolean) {
  const canvas = new OffscreenCanvas(width, height);
  // The pixels are read by the worker, so a GPU's canvas would only have to give them back.
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "white"; // behind a picture that has holes
  context.fillRect(0, 0, width, height);
  if (mirror) context.setTransform(-1, 0, 0, 1, width, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return canvas.transferToImageBitmap();
}

/** Which way a phone's camera looks: at the user or away. */
export type Facing = "user" | "environment";

/** Start a camera: the given one, else one that looks this way. */
export async function openCamera(wanted: {
  deviceId?: string;
  facing?: Facing;
}): Promise<MediaStream> {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    throw new Problem("camera-insecure");
  }
  const { deviceId, facing = "user" } = wanted;
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: facing };
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { ...which, width: { ideal: 1280 }, height: { ideal: 720 } },
    });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError" || name === "SecurityError") throw new Problem("camera-denied");
    if (name === "NotFoundError" || name === "OverconstrainedError") {
      throw new Problem("camera-none");
    }
    throw new Problem("camera-busy", name);
  }
}

export function closeCamera(stream: MediaStream): void {
  stream.getTracks().forEach((track) => track.stop());
}

/** The cameras of this device. Their names are known only after the first permission. */
export async function cameras(): Promise<MediaDeviceInfo[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

/**
 * Wait for the video's next frame, so that none is computed twice.
 *
 * @returns false where none has come for `patience` milliseconds
 */
export function nextVideoFrame(video: HTMLVideoElement, patience: number): Promise<boolean> {
  return new Promise((resolve) => {
    // A hidden page is given no frames; that says nothing about the camera.
    const timer = setTimeout(() => resolve(document.hidden), patience);
    const come = () => {
      clearTimeout(timer);
      resolve(true);
    };
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(come);
    else requestAnimationFrame(come);
  });
}
