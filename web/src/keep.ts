/** Pictures out: to a file, to the clipboard, and a short clip. */

import { Problem } from "./problems";

export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Not at once: some browsers start to read it only later.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export async function pngOf(canvas: HTMLCanvasElement): Promise<Blob> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Problem("crashed", "the picture is too large to be written");
  return blob;
}

export const canCopy = () =>
  typeof ClipboardItem !== "undefined" && navigator.clipboard?.write !== undefined;

export async function copyPicture(canvas: HTMLCanvasElement): Promise<void> {
  try {
    // The promise goes in, not the picture: Safari wants write() to be called within the click.
    await navigator.clipboard.write([new ClipboardItem({ "image/png": pngOf(canvas) })]);
  } catch (error) {
    throw new Problem("copy-failed", error instanceof Error ? error.message : "");
  }
}

/** In the order in which they are preferred: the first plays almost everywhere. */
const CLIPS = ["video/mp4", "video/webm;codecs=vp9", "video/webm"];
const FRAMES_PER_SECOND = 30;

function clipType(): string | undefined {
  if (typeof MediaRecorder === "undefined") return undefined;
  return CLIPS.find((type) => MediaRecorder.isTypeSupported(type));
}

export const canRecord = () =>
  clipType() !== undefined && "captureStream" in HTMLCanvasElement.prototype;

export interface Recording {
  stop(): void;
  /** The clip, once it is stopped or `seconds` are over. */
  clip: Promise<Blob>;
}

/** Record what a canvas shows. Nothing is sent: the clip is made in this browser's memory. */
export function record(canvas: HTMLCanvasElement, seconds: number): Recording {
  let recorder: MediaRecorder;
  const parts: Blob[] = [];
  try {
    const stream = canvas.captureStream(FRAMES_PER_SECOND);
    recorder = new MediaRecorder(stream, { mimeType: clipType() });
    recorder.start(1000);
  } catch (error) {
    throw new Problem("record-failed", error instanceof Error ? error.message : "");
  }
  const stop = () => recorder.state !== "inactive" && recorder.stop();
  const timer = setTimeout(stop, seconds * 1000);
  const clip = new Promise<Blob>((resolve, reject) => {
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onerror = () => reject(new Problem("record-failed"));
    recorder.onstop = () => {
      clearTimeout(timer);
      recorder.stream.getTracks().forEach((track) => track.stop());
      const blob = new Blob(parts, { type: recorder.mimeType });
      if (blob.size > 0) resolve(blob);
      else reject(new Problem("record-failed", "the clip is empty"));
    };
  });
  return { stop, clip };
}

export function clipSuffix(clip: Blob): string {
  return clip.type.startsWith("video/mp4") ? "mp4" : "webm";
}
