/** What can go wrong, in the words that the page shows. Each says what to do next. */

const WORDS = {
  "camera-denied": {
    title: "The camera is blocked for this page.",
    advice:
      "Allow it with the camera sign beside the address, then start the camera again. Or use a photo.",
  },
  "camera-none": {
    title: "No camera was found.",
    advice: "Plug one in and start the camera again. Or use a photo.",
  },
  "camera-busy": {
    title: "Another program is using the camera.",
    advice: "Close the other program, then start the camera again. Or use a photo.",
  },
  "camera-insecure": {
    title: "A browser gives the camera only to secure pages.",
    advice: "Open this page by https, or on this machine by localhost. Or use a photo.",
  },
  "camera-lost": {
    title: "The camera has stopped.",
    advice: "It was unplugged, or its permission was taken back. Start it again. Or use a photo.",
  },
  "camera-silent": {
    title: "The camera sends no picture.",
    advice:
      "Open its cover, or close the program that may have taken it. It goes on by itself; or start it again.",
  },
  "photo-heic": {
    title: "This browser can't read HEIC photos.",
    advice:
      "Save it as JPEG first: share it from the phone's photo app as “most compatible”, or take a screenshot.",
  },
  "photo-unreadable": {
    title: "This file is not a picture that the browser can read.",
    advice: "Choose a JPEG, PNG or WebP file.",
  },
  "photo-empty": {
    title: "This file is empty.",
    advice: "Choose another photo. If it came from a cloud folder, wait until it is downloaded.",
  },
  "photo-missing": {
    title: "The sample could not be loaded.",
    advice: "Reload the page, or use a photo of yours.",
  },
  "no-face": {
    title: "No face was found in this picture.",
    advice: "Use a picture in which a face looks towards the camera, upright, well lit and not small.",
  },
  "too-dark": {
    title: "It is too dark to see a face well.",
    advice: "Turn on a light in front of you, or use a brighter picture.",
  },
  "face-small": {
    title: "The face is very small.",
    advice: "Come closer, or use a larger picture: the model has few pixels to go by.",
  },
  "face-cut": {
    title: "Part of the face is outside of the picture.",
    advice: "Move it into the middle: where the model sees no face, it can only guess.",
  },
  "models-missing": {
    title: "There are no models here yet.",
    advice: "Notebook 09 and `course.py export` write them to web/public/models. Then build again.",
  },
  "model-broken": {
    title: "A model could not be loaded.",
    advice: "The file may be missing on the server or incomplete. Reload, or export it again.",
  },
  "too-slow": {
    title: "This model computes for too long, so it was stopped.",
    advice:
      "Choose another attribute or direction, or export this model again: the course's own need a second at most. If this device was very busy, try again.",
  },
  offline: {
    title: "The server does not answer.",
    advice: "Check the connection, or that `course.py web` still runs. Then try again.",
  },
  "no-backend": {
    title: "This browser could not compute the model's stored answer.",
    advice:
      "Use a current version of Chrome, Edge, Firefox or Safari. Where they all fail, the model is broken: export it again.",
  },
  "gpu-lost": {
    title: "The graphics processor was taken away from this page.",
    advice:
      "That happens when it is reset or very busy. Try again, or let another backend compute, under “See inside”.",
  },
  "copy-failed": {
    title: "The picture could not be copied.",
    advice: "This browser, or this page's permissions, do not allow it. Download it instead.",
  },
  "record-failed": {
    title: "This browser can't record a clip of the page.",
    advice: "Take a photo and download it, or use a current Chrome, Edge, Firefox or Safari.",
  },
  crashed: {
    title: "The computation stopped.",
    advice: "The device may have run out of memory. Try again, or use a smaller photo.",
  },
} as const;

export type ProblemCode = keyof typeof WORDS;
/** What is no failure, but could be better. */
export type HintCode = "too-dark" | "face-small" | "face-cut";

/** An error that the page can show to its reader. */
export class Problem extends Error {
  readonly title: string;
  readonly advice: string;

  /** @param detail what exactly happened: a file's name, an address, a number */
  constructor(
    readonly code: ProblemCode,
    readonly detail = "",
  ) {
    super(`${WORDS[code].title} ${detail}`);
    this.title = WORDS[code].title;
    this.advice = WORDS[code].advice;
  }
}

/** Whatever was thrown, as a problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("crashed", error instanceof Error ? error.message : String(error));
}
