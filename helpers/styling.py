"""What a generator that knows styles is asked for: by names, or as it suits a face (notebook 11).

Left to find the kind that suits by itself, a network that is not sure which it is draws half of one
and half of another: a felt hat with a cap's emblem. So the kind is chosen here, by how light hair
and clothes are, and the network is always told one. The page does the same (`web/src/style.ts`).
"""

import re

import keras
import numpy as np
import tensorflow as tf

from .errors import TrainingError
from .pixels import face_part

# By this word a kind is chosen, where numbers are chosen by their names.
KIND = "kind"
# Left, top, right and bottom of where hair and clothes are, as shares of the face crop.
HAIR_BOX, CLOTHES_BOX = (0.36, 0.16, 0.64, 0.25), (0.2, 0.92, 0.8, 1.0)
# Their mean lightness, 0 to 1, that a third and two thirds of CelebA's faces are below.
HAIR_STOPS, CLOTHES_STOPS = (0.17, 0.3), (0.33, 0.47)
LIGHTNESS = (0.3, 0.59, 0.11)  # of red, green and blue


def lightness(images: tf.Tensor, box, headroom: float = 0.0) -> tf.Tensor:
    """Return the mean lightness in a box of the face crop, (batch, 1), from 0 to 1.

    Parameters
    ----------
    images : tf.Tensor
        Crops (batch, size, size, 3) in [-1, 1].
    box : tuple of float
        Left, top, right and bottom, as shares of the face crop.
    headroom : float
        The part of these crops that is above the face crop.
    """
    rows, columns = face_part(images.shape[1], headroom)
    side = rows.stop - rows.start
    left, top, right, bottom = (int(side * share) for share in box)
    y, x = rows.start, columns.start
    part = images[:, y + top : y + bottom, x + left : x + right, :]
    # As a product of matrices, TensorFlow.js' converter ends the whole process over it.
    mean = tf.reduce_sum(tf.reduce_mean(part, axis=[1, 2]) * LIGHTNESS, axis=1, keepdims=True)
    return (mean + 1) / 2


def _one_of_three(light: tf.Tensor, stops) -> tf.Tensor:
    """Return which third a lightness (batch, 1) is in, one-hot (batch, 3)."""
    above = tf.cast(light > tf.constant([stops]), tf.float32)
    return tf.concat([1 - above[:, :1], above[:, :1] - above[:, 1:], above[:, 1:]], axis=1)


def suiting_kinds(images: tf.Tensor, card: dict) -> tf.Tensor:
    """Return for each face the style that asks for the kind that suits it, and nothing else.

    Parameters
    ----------
    images : tf.Tensor
        Face crops (batch, size, size, 3) in [-1, 1].
    card : dict
        With ``suits``, three rows of three kinds: by how light the hair is, and the clothes.

    Returns
    -------
    tf.Tensor
        (batch, numbers), in the order of the card's ``styles``.
    """
    rows = [[float(name == kind) for name in card["styles"]] for kind in sum(card["suits"], [])]
    headroom = card.get("headroom", 0.0)
    hair = _one_of_three(lightness(images, HAIR_BOX, headroom), HAIR_STOPS)
    clothes = _one_of_three(lightness(images, CLOTHES_BOX, headroom), CLOTHES_STOPS)
    cells = tf.concat([hair[:, i : i + 1] * clothes for i in range(3)], axis=1)
    return cells @ tf.constant(rows)


def in_style(generator: keras.Model, style=None, card: dict | None = None) -> keras.Model:
    """Return ``residual = generator(image)`` of a generator in one style, over the same weights.

    Parameters
    ----------
    style : sequence of float or None
        Numbers in [-1, 1]; None for zeros.
    card : dict or None
        With one that tells what ``suits``, a style that asks for no kind gets the one that does.

    A generator without styles comes back as it is. Raises ValueError if the numbers are too few or
    too many.
    """
    count = generator.inputs[1].shape[-1] if len(generator.inputs) > 1 else 0
    style = np.float32([0.0] * count if style is None else list(style))
    if len(style) != count:
        raise ValueError(f"{generator.name} takes {count} numbers for its style, not {len(style)}.")
    if not count:
        return generator
    image = keras.Input(generator.inputs[0].shape[1:], name="image")
    chosen = tf.constant([style])
    if card and card.get("suits") and not _asks_for_kind(style, card):
        chosen = keras.layers.Lambda(
            lambda images: suiting_kinds(images, card) + style[None],
            output_shape=(count,),
            name="suiting_kinds",
            dtype="float32",
        )(image)
    return keras.Model(image, generator([image, chosen]), name=generator.name)


def _asks_for_kind(style, card: dict) -> bool:
    return any(
        number >= 0.5
        for name, number in zip(card["styles"], style, strict=True)
        if name in card["kinds"]
    )


def choose_style(card: dict, chosen: dict[str, float | str]) -> list[float]:
    """Return the numbers of a style, in the order of a generator's card; 0 what isn't chosen.

    Parameters
    ----------
    card : dict
        With ``styles``, the names of all numbers, and ``kinds``, those of which one is chosen.
    chosen : dict
        Numbers by their names; and by the word `KIND` the name of one of the kinds.

    Raises
    ------
    TrainingError
        If the generator does not know what is chosen, or a number is not in [-1, 1].
    """
    names, kinds = card.get("styles", []), card.get("kinds", [])
    numbers = {name: number for name, number in chosen.items() if name != KIND}
    if KIND in chosen:
        numbers[_find_kind(card, chosen[KIND])] = 1.0
    for name, number in numbers.items():
        if name in kinds and name in chosen:
            raise TrainingError(f"{name!r} is a kind, not a number: choose {KIND}={name}.")
        if name not in names:
            raise TrainingError(
                f"There is no style {name!r} to choose: {card['attribute']}-{card['direction']} "
                f"{_knows(card)}."
            )
        if not -1 <= number <= 1:
            raise TrainingError(
                f"A style goes from -1 to 1, with 0 what suits: not {name}={number:g}."
            )
    return [float(numbers.get(name, 0)) for name in names]


def _find_kind(card: dict, wanted: str) -> str:
    """Return the kind that is meant: "top hat" may be written Top-hat or top_hat."""

    def plain(name: str) -> str:
        return " ".join(re.split(r"[-_\s]+", name.strip().lower()))

    for kind in card.get("kinds", []):
        if plain(kind) == plain(wanted):
            return kind
    raise TrainingError(
        f"There is no kind {wanted!r} to choose: {card['attribute']}-{card['direction']} "
        f"{_knows(card)}."
    )


def _knows(card: dict) -> str:
    kinds = card.get("kinds", [])
    numbers = [name for name in card.get("styles", []) if name not in kinds]
    if kinds:
        return f"knows the kinds {', '.join(kinds)}, and the styles {', '.join(numbers)}"
    return f"knows the styles {', '.join(numbers)}, and no kinds" if numbers else "knows no styles"
