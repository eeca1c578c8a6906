/**
 * Landmarks that neither tremble nor lag: the one-euro filter (Casiez, Roussel and Vogel, 2012), a
 * low-pass filter that opens up as the point moves faster. A still face is held still, where the
 * eye would see glasses shake; a moving one is followed, where it would see them trail.
 */

import type { Landmarks, Point } from "./align";

/** Cut-off in Hz of a point at rest. Lower is calmer. */
const REST = 1.2;
/** Hz more for each eye distance per second. Higher lags less. */
const OPENING = 4;
/** Cut-off in Hz of the speed itself. */
const SPEED = 1;

/** Share of a new value that a low-pass filter of this cut-off lets through. */
function share(cutoff: number, seconds: number): number {
  const step = 2 * Math.PI * cutoff * seconds;
  return step / (step + 1);
}

/** Smooths one number. */
export function oneEuro(): (value: number, seconds: number, unit: number) => number {
  let smooth: number | undefined;
  let speed = 0;
  /**
   * @param seconds since the last value
   * @param unit what speeds are measured in, so that near and far faces are smoothed alike
   */
  return (value, seconds, unit) => {
    if (smooth === undefined || seconds <= 0) return (smooth = value);
    speed += share(SPEED, seconds) * ((value - smooth) / seconds / unit - speed);
    smooth += share(REST + OPENING * Math.abs(speed), seconds) * (value - smooth);
    return smooth;
  };
}

/** Smooths the landmarks of one face. `seconds` is the time since the face was last seen. */
export function landmarkSmoother(): (face: Landmarks, seconds: number) => Landmarks {
  const filters = Array.from({ length: 6 }, oneEuro);
  return ({ leftEye, rightEye, mouth }, seconds) => {
    const unit = Math.hypot(rightEye.x - leftEye.x, rightEye.y - leftEye.y) || 1;
    const next = (p: Point, i: number): Point => ({
      x: filters[i](p.x, seconds, unit),
      y: filters[i + 1](p.y, seconds, unit),
    });
    return { leftEye: next(leftEye, 0), rightEye: next(rightEye, 2), mouth: next(mouth, 4) };
  };
}
