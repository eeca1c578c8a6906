/**
 * The faces of a live picture, from frame to frame: detected every few frames, followed between,
 * and their landmarks smoothed.
 */

import { apply, compose, invert, photoToCrop, type Landmarks, type Similarity } from "./align";
import type { Evidence } from "./decide";
import { same, type Face } from "./detect";
import { follow, modelOf, PERIOD, SIDE, type Model } from "./follow";
import { landmarkSmoother } from "./smooth";

/** A followed face that looks less like itself than this is measured by the network at once. */
const LEAST_LIKENESS = 0.85;

export interface Track {
  /** As it was measured or followed, before smoothing. */
  face: Face;
  landmarks: Landmarks;
  /** Whether the network measured it in this frame. */
  measured: boolean;
  /** Whether its attribute is there; kept here by whoever finds out. */
  evidence?: Evidence;
  /** What suits it; kept here likewise, or a hat would change from frame to frame. */
  suiting?: number[];
}

interface Followed extends Track {
  smooth: ReturnType<typeof landmarkSmoother>;
  /** What it looked like when it was measured, there, and in which view. */
  model: Model;
  origin: Face;
  originView: Similarity;
  /** From the photo to the square in which it is looked for next. */
  view: Similarity;
}

/** What a tracker needs from a frame: tests give it without a network and without a canvas. */
export interface Eyes {
  /** Find all faces but those that are known. */
  search(known: Face[]): Promise<Face[]>;
  /** Measure a face that lies about here; undefined where none does. */
  measure(about: Face): Promise<Face | undefined>;
  /** Whether the picture shows all that is compared in a view: else there is no following. */
  shows(view: Similarity): boolean;
  /** Grey values of the SIDE x SIDE square that a view shows. */
  read(view: Similarity): Float32Array;
}

export class Tracker {
  private tracks: Followed[] = [];
  private frame = 0;
  private last = 0;

  /** Take the next frame; return its faces, the largest first. */
  async next(eyes: Eyes, milliseconds: number): Promise<Track[]> {
    const seconds = (milliseconds - this.last) / 1000;
    this.last = milliseconds;
    const phase = this.frame++ % PERIOD;
    const kept: Followed[] = [];
    for (const track of this.tracks) {
      track.measured = false;
      const followed = phase !== PERIOD / 2 && this.follow(track, eyes);
      if (!followed && !(await this.measure(track, eyes))) continue;
      // Two tracks that ended on the same face would edit it twice.
      if (!kept.some((other) => same(other.face, track.face))) kept.push(track);
    }
    this.tracks = kept;
    if (phase === 0 || kept.length === 0) await this.search(eyes);
    for (const track of this.tracks) track.landmarks = track.smooth(track.face, seconds);
    this.tracks.sort((p, q) => q.face.extent - p.face.extent);
    return this.tracks;
  }

  private follow(track: Followed, eyes: Eyes): boolean {
    if (!eyes.shows(track.view)) return false;
    const { motion, likeness } = follow(track.model, eyes.read(track.view));
    if (!(likeness > LEAST_LIKENESS)) return false;
    // The square moves on with the face, so the model is always looked for in its middle.
    track.view = compose(invert(motion), track.view);
    track.face = moved(track.origin, compose(invert(track.view), track.originView));
    return true;
  }

  private async measure(track: Followed, eyes: Eyes): Promise<boolean> {
    const face = await eyes.measure(track.face);
    if (!face) return false;
    Object.assign(track, seen(face, eyes));
    return true;
  }

  private async search(eyes: Eyes): Promise<void> {
    for (const face of await eyes.search(this.tracks.map((track) => track.face))) {
      if (this.tracks.some((track) => same(track.face, face))) continue;
      this.tracks.push({ ...seen(face, eyes), landmarks: face, smooth: landmarkSmoother() });
    }
  }
}

function seen(face: Face, eyes: Eyes) {
  const view = photoToCrop(face, SIDE);
  const model = modelOf(eyes.read(view));
  return { face, origin: face, view, originView: view, measured: true, model };
}

function moved(face: Face, motion: Similarity): Face {
  return {
    score: face.score,
    extent: face.extent * Math.hypot(motion.a, motion.b),
    centre: apply(motion, face.centre),
    leftEye: apply(motion, face.leftEye),
    rightEye: apply(motion, face.rightEye),
    mouth: apply(motion, face.mouth),
  };
}
