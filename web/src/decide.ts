/**
 * Is the attribute there? The generators themselves tell, so that no third network is needed.
 *
 * How much a generator changes says little alone: both always change something, and how much
 * depends on the photo. So the face is compared with itself: if the remove generator takes
 * something away, the add generator then has more to do than it had before. On 300 photos of
 * CelebA that no network was trained on, half of them with glasses, this is right for 91%, which
 * is optimistic: `MORE` was chosen on them. Chosen on one half of them, 89% of the other
 * (which of the two changes more: 84%).
 */

/** How much more, as a natural logarithm: a fifth. */
const MORE = 0.2;
/** In live mode an answer is kept until the evidence against it is at least this strong. */
const DOUBT = 0.1;
/** Share of a new frame's evidence in live mode. */
const NEWS = 0.4;

export interface Evidence {
  present: boolean;
  /** The amount of change that adding does after removing, divided by that without removing. */
  ratio: number;
}

/**
 * @param adding the add generator's residual of the face
 * @param addingAfterRemoving the same of the face from which the attribute was removed
 * @param before what was found in the frame before, in live mode
 */
export function decide(
  adding: Float32Array,
  addingAfterRemoving: Float32Array,
  before?: Evidence,
): Evidence {
  let logarithm = Math.log((rms(addingAfterRemoving) + 1e-6) / (rms(adding) + 1e-6));
  if (before) logarithm = Math.log(before.ratio) * (1 - NEWS) + logarithm * NEWS;
  const margin = before ? (before.present ? -DOUBT : DOUBT) : 0;
  return { present: logarithm > MORE + margin, ratio: Math.exp(logarithm) };
}

function rms(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}
