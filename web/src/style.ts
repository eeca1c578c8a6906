/** A style is a row of numbers. Some stand for kinds: of those one is 1 at most, the others are 0. */

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
