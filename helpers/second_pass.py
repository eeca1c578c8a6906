"""What one pass of a generator leaves, a second takes off: where it still sees much (notebook 10).

Of a frame or a hat one pass may leave a part, and the same network finds that in its own edit. But
two whole passes smooth the eyes, and edits are told from real photos more often. So of the second
counts what changes much around a pixel. The page does the same with photos
(`web/src/secondPass.ts`). In a film one pass has to do.

Of 177 held-out photos, `gauge` finds more than a tenth of the glasses left on 42.4% after one pass,
on 33.3% where the second fades in from 8 to 16 levels, on 20.9% from 5 to 10, on 16.9% from 4 to 8,
and on 10.2% after two whole ones. `telling` has an AUC of 0.798, 0.796, 0.810, 0.821 and 0.869.
"""

import keras
from keras import ops

# Between which mean changes around a pixel, in grey levels of 255, the second pass fades in.
LEVELS = {"glasses": [5, 10], "hat": [8, 16]}
REACH = 4 / 256  # of the crop's side: how far around a pixel
BOTH = "_twice"  # what the name of a generator that makes both passes ends in


def levels_of(card: dict) -> dict:
    """Return ``second_pass`` for a card, between which levels a second pass fades in, or nothing.

    Two passes are safe where a network learned to leave alone who wears nothing, as those did that
    learned from drawn pairs to take off. It is the course that says so, and never a file.
    """
    taught = card.get("recipe", {}).get("directions") == ["remove"]
    known = taught and card["direction"] == "remove" and card["attribute"] in LEVELS
    return {"second_pass": LEVELS[card["attribute"]]} if known else {}


def with_second_pass(generator: keras.Model, low: float, high: float) -> keras.Model:
    """Return a generator that edits once more what its own edit left.

    Parameters
    ----------
    generator : keras.Model
        Face crops (batch, size, size, 3) in [-1, 1] to residuals.
    low, high : float
        The second residual counts as far as its mean size around a pixel goes from `low` to
        `high` grey levels of 255. The size is that of the channel that changes most; around is a
        square of `REACH` to each side.

    Returns
    -------
    keras.Model
        Face crops to the residual of both passes. ``image + residual`` lies in [-1, 1].
    """
    image = keras.Input(generator.input_shape[1:], name="image")
    edited = ops.clip(image + generator(image), -1, 1)
    again = generator(edited)
    much = ops.max(ops.abs(again), axis=-1, keepdims=True)
    side = 2 * int(REACH * image.shape[1] + 0.5) + 1  # halves up, as JavaScript rounds
    around = 127.5 * ops.average_pool(much, side, strides=1, padding="same")
    share = ops.clip((around - low) / (high - low), 0, 1)
    both = ops.clip(edited + share * again, -1, 1) - image
    return keras.Model(image, both, name=generator.name + BOTH)
