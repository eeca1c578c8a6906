/** Is the attribute there? A small classifier tells; in live mode its answers are smoothed. */

/** In live mode an answer is kept until the evidence against it is at least this strong. */
const DOUBT = 0.2;
/** Share of new evidence in live mode: it is asked once in a dozen frames, so twice must do. */
const NEWS = 0.6;

export interface Evidence {
  present: boolean;
  /** That the attribute is there, 0 to 1. */
  probability: number;
}

/**
 * @param probability what the classifier says of this face
 * @param before what was found in the frame before, in live mode
 */
export function decide(probability: number, before?: Evidence): Evidence {
  if (!before) return { present: probability > 0.5, probability };
  const smooth = before.probability * (1 - NEWS) + probability * NEWS;
  return { present: smooth > (before.present ? 0.5 - DOUBT : 0.5 + DOUBT), probability: smooth };
}
