/** A style is a row of numbers. Some stand for kinds: of those one is 1 at most, the others are 0. */

import type { Choosable, Direction, Suitable } from "./formats";

/** Sliders run from -100 to 100, in steps of: */
export const STEP = 5;

/** The kind that a style asks for; "" for the one that suits. */
export function kindOf({ styles, kinds }: Choosable, style: number[]): string {
  return styles.find((name, i) => style[i] >= 0.5 && kinds.includes(name)) ?? "";
}

/** A style with another kind, all else equal. */
export function withKind({ styles, kinds }: Choosable, style: number[], kind: string): number[] {
  return styles.map((name, i) => (kinds.includes(name) ? Number(name === kind) : style[i]));
}

/** A style by chance: one of the kinds, and numbers that the sliders have. */
export function anyStyle(what: Choosable, chance: () => number = Math.random): number[] {
  const steps = 100 / STEP;
  const numbers = what.styles.map(
    () => Math.floor(chance() * (2 * steps + 1) - steps) / steps,
  );
  const kind = what.kinds[Math.floor(chance() * what.kinds.length)];
  return withKind(what, numbers, kind);
}

/** Left, top, right and bottom of where hair and clothes are, as shares of the face crop. */
const HAIR = [0.36, 0.16, 0.64, 0.25];
const CLOTHES = [0.2, 0.92, 0.8, 1];
/** Their mean lightness, 0 to 1, that a third and two thirds of CelebA's faces are below. */
const HAIR_STOPS = [0.17, 0.3];
const CLOTHES_STOPS = [0.33, 0.47];
const LIGHTNESS = [0.3, 0.59, 0.11];

/** What suits a face: a whole style. As `helpers/styling.py` has it. */
export function suitingStyle(
  { styles, kinds, suits, byLight }: Suitable,
  crop: Float32Array,
  size: number,
  headroom: number,
): number[] {
  const light = (box: number[]) => lightness(box, crop, size, headroom);
  const third = (box: number[], stops: number[]) => {
    const seen = light(box);
    return stops.filter((stop) => seen > stop).length;
  };
  const kind = suits.length > 0 ? suits[third(HAIR, HAIR_STOPS)][third(CLOTHES, CLOTHES_STOPS)] : "";
  return styles.map((name, i) => {
    if (kinds.includes(name)) return Number(name === kind);
    const rule = byLight[i];
    if (!rule) return 0;
    const { box, stops, numbers } = rule;
    const share = (light(box) - stops[0]) / (stops[1] - stops[0]);
    return numbers[0] + (numbers[1] - numbers[0]) * Math.min(1, Math.max(0, share));
  });
}

/**
 * What a network is asked for: a style, as it suits as far as that leaves it open. The kind is left
 * open where none is asked for. A number of 0 is what suits, -1 and 1 are the ends, and one between
 * is so far on the way there.
 */
export function complete(what: Choosable, style: number[], suiting: number[]): number[] {
  const anyKind = Number(kindOf(what, style) === "");
  return style.map((value, i) => {
    const open = what.kinds.includes(what.styles[i]) ? anyKind : 1 - Math.abs(value);
    return value + open * (suiting[i] ?? 0);
  });
}

function lightness(box: number[], crop: Float32Array, size: number, headroom: number): number {
  const above = Math.round(size * headroom);
  const left = Math.floor(above / 2);
  const [x0, y0, x1, y1] = box.map((share) => Math.floor((size - above) * share));
  let sum = 0;
  for (let y = above + y0; y < above + y1; y++) {
    for (let x = left + x0; x < left + x1; x++) {
      for (let k = 0; k < 3; k++) sum += LIGHTNESS[k] * crop[3 * (y * size + x) + k];
    }
  }
  return (sum / ((x1 - x0) * (y1 - y0)) + 1) / 2;
}

/**
 * What suits a face as it did when something was first added to it: a hat that suits does not
 * change from frame to frame. Where a hat is to come off, it would be taken for hair: none is kept.
 */
export function keptSuiting(
  face: { suiting?: number[] },
  direction: Direction,
  see: () => number[],
): number[] {
  return direction === "add" ? (face.suiting ??= see()) : [];
}
