/** A style is a row of numbers. Some stand for kinds: of those one is 1 at most, the others are 0. */

import type { Direction } from "./formats";

/** What may be chosen of what is added. */
export interface Choosable {
  /** Of all numbers, each from -1 to 1; 0 is what suits. */
  styles: string[];
  /** Those of them that stand for kinds. */
  kinds: string[];
}

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

/**
 * For each of the nine looks the place of the kind that suits it, if a style leaves the kind open;
 * none where it does not, or where nothing is known of what suits.
 */
export function suitingKinds(
  what: Choosable & { suits: string[][] },
  style: number[],
): number[] {
  if (kindOf(what, style) !== "") return [];
  return what.suits.flat().map((kind) => what.styles.indexOf(kind));
}

/** What a network is asked for: a style, with the kind that suits a face of these looks. */
export function styleFor(looks: number, style: number[], suits: number[] = []): number[] {
  return style.map((value, i) => (i === suits[looks] ? 1 : value));
}

/** Left, top, right and bottom of where hair and clothes are, as shares of the face crop. */
const HAIR = [0.36, 0.16, 0.64, 0.25];
const CLOTHES = [0.2, 0.92, 0.8, 1];
/** Their mean lightness, 0 to 1, that a third and two thirds of CelebA's faces are below. */
const HAIR_STOPS = [0.17, 0.3];
const CLOTHES_STOPS = [0.33, 0.47];
const LIGHTNESS = [0.3, 0.59, 0.11];

/**
 * Which of nine looks a face has: three times that of the hair, plus that of the clothes, each 0
 * where it is dark to 2 where it is light. As `helpers/styling.py` has it.
 */
export function looksOf(crop: Float32Array, size: number, headroom: number): number {
  const above = Math.round(size * headroom);
  const left = Math.floor(above / 2);
  const third = (box: number[], stops: number[]) => {
    const [x0, y0, x1, y1] = box.map((share) => Math.floor((size - above) * share));
    let sum = 0;
    for (let y = above + y0; y < above + y1; y++) {
      for (let x = left + x0; x < left + x1; x++) {
        for (let k = 0; k < 3; k++) sum += LIGHTNESS[k] * crop[3 * (y * size + x) + k];
      }
    }
    const lightness = (sum / ((x1 - x0) * (y1 - y0)) + 1) / 2;
    return stops.filter((stop) => lightness > stop).length;
  };
  return 3 * third(HAIR, HAIR_STOPS) + third(CLOTHES, CLOTHES_STOPS);
}

/**
 * The looks of a face as they were when something was first added to it: a hat that suits does not
 * change from frame to frame. Where a hat is to come off, it would be taken for hair: none are kept.
 */
export function keptLooks(face: { looks?: number }, direction: Direction, see: () => number): number {
  return direction === "add" ? (face.looks ??= see()) : 0;
}
