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
    throw new Problem("photo-unreadable", name);
  }
  const reduce = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const width = Math.max(1, Math.floor(bitmap.width * reduce));
  const height = Math.max(1, Math.floor(bitmap.height * reduce));
  const photo = draw(bitmap, width, height, false);
  bitmap.close();
  return photo;
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

/** Start a camera: the given one, else the one that looks at the user. */
export async function openCamera(deviceId?: string): Promise<MediaStream> {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    throw new Problem("camera-insecure");
  }
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
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
