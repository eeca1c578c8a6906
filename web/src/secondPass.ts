/** What one pass of a generator leaves, a second takes off. As `helpers/second_pass.py` has it. */

/** Between which mean changes around a pixel, in grey levels, the second pass fades in. */
export type Levels = [number, number];

/** How far around a pixel, as a share of the crop's side. */
const REACH = 4 / 256;

/**
 * The residual of two passes: of the second counts what changes much.
 *
 * @param crop float32 of length size * size * 3, in [-1, 1]
 * @param first the residual of the first pass
 * @param run a pass: a crop in, a residual out
 */
export async function withSecondPass(
  crop: Float32Array,
  first: Float32Array,
  size: number,
  [low, high]: Levels,
  run: (edited: Float32Array) => Promise<Float32Array>,
): Promise<Float32Array> {
  const edited = crop.map((value, i) => clip(value + first[i]));
  const again = await run(edited);
  const much = new Float32Array(size * size);
  for (let i = 0; i < much.length; i++) {
    for (let k = 0; k < 3; k++) much[i] = Math.max(much[i], Math.abs(again[3 * i + k]));
  }
  const around = meanAround(much, size, Math.round(REACH * size));
  return edited.map((value, i) => {
    const level = 127.5 * around[Math.floor(i / 3)];
    const share = Math.min(1, Math.max(0, (level - low) / (high - low)));
    return clip(value + share * again[i]) - crop[i];
  });
}

function clip(value: number): number {
  return Math.min(1, Math.max(-1, value));
}

/** Means over squares around each pixel, of as much of them as lies in the image. */
function meanAround(image: Float32Array, size: number, reach: number): Float32Array {
  // Rows become columns, twice.
  const alongRows = (from: Float32Array) => {
    const to = new Float32Array(from.length);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const [left, right] = [Math.max(0, x - reach), Math.min(size - 1, x + reach)];
        let sum = 0;
        for (let i = left; i <= right; i++) sum += from[y * size + i];
        to[x * size + y] = sum / (right - left + 1);
      }
    }
    return to;
  };
  return alongRows(alongRows(image));
}
