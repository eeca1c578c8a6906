"""What a generator that knows styles is asked for: by names, or as it suits a face (notebook 11).

Left to find the kind that suits by itself, a network that is not sure which it is draws half of one
and half of another: a felt hat with a cap's emblem. So the kind is chosen here, by how light hair
and clothes are, and the network is always told one. So are the other numbers, or all would wear
glasses of one height, and clear ones. The page does the same (`web/src/style.ts`).
"""

import re

import keras
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

# What suits, by how light the hair is (rows) and how light the clothes are (columns).
SUITS = {
    "glasses": (
        ("wayfarer", "rectangle", "thin"),
        ("square", "aviator", "browline"),
        ("rectangle", "round", "oval"),
    ),
    "hat": (
        ("cap", "fedora", "beanie"),
        ("beanie", "cap", "fedora"),
        ("fedora", "beanie", "cap"),
    ),
}
# Nobody knows what suits. But where all wear the same, a classifier tells it from real glasses. So
# each number follows how light one part of the photo is: what is behind, the forehead, a cheek, the
# neck. Up to the first of `stops` it is the first of `numbers`, from the second on the second, and
# between them on the line. Most stops are where CelebA's darkest and lightest twelfth end. Lenses
# are dark where it is brightest behind, as the sky is: in one photo of five. Frames are dark on any
# hair, since a colour of 0 goes with it.
BY_LIGHT = {
    "glasses": {
        "size": {"box": [0.86, 0.6, 1.0, 0.85], "stops": [0.07, 0.87], "numbers": [-0.7, 0.7]},
        "weight": {"box": [0.38, 0.3, 0.62, 0.38], "stops": [0.27, 0.81], "numbers": [0, 1]},
        "colour": {"box": [*HAIR_BOX], "stops": [0.06, 0.6], "numbers": [0.1, -0.2]},
        "lenses": {"box": [0.0, 0.02, 0.14, 0.3], "stops": [0.79, 0.8], "numbers": [0, 0.9]},
        "height": {"box": [0.28, 0.6, 0.38, 0.7], "stops": [0.32, 0.75], "numbers": [-1, 1]},
        "low": {"box": [0.62, 0.6, 0.72, 0.7], "stops": [0.34, 0.76], "numbers": [-1, 1]},
        "glare": {"box": [0.86, 0.02, 1.0, 0.3], "stops": [0.06, 0.94], "numbers": [-0.5, 0.5]},
    },
    "hat": {
        "size": {"box": [0.28, 0.6, 0.38, 0.7], "stops": [0.32, 0.75], "numbers": [-0.3, 0.2]},
        "low": {"box": [0.62, 0.6, 0.72, 0.7], "stops": [0.34, 0.76], "numbers": [0, 0.4]},
        "colour": {"box": [0.42, 0.84, 0.58, 0.9], "stops": [0.36, 0.74], "numbers": [-0.4, 0.4]},
    },
}


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


def what_suits(card: dict) -> dict:
    """Return ``suits`` and ``by_light`` for a card, as far as its network knows kinds and numbers.

    It is the course that says so, and never a file.
    """
    attribute, told = card.get("attribute"), {}
    suits = [list(row) for row in SUITS.get(attribute, ())]
    if suits and set(sum(suits, [])) <= set(card.get("kinds", ())):
        told["suits"] = suits
    rules = BY_LIGHT.get(attribute, {})
    if known := {name: dict(rules[name]) for name in card.get("styles", ()) if name in rules}:
        told["by_light"] = known
    return told


def suiting_style(images: tf.Tensor, card: dict) -> tf.Tensor:
    """Return for each face the style that suits it.

    Parameters
    ----------
    images : tf.Tensor
        Face crops (batch, size, size, 3) in [-1, 1].
    card : dict
        With ``styles``, the names of all numbers; it may have ``suits``, three rows of three kinds:
        by how light the hair is, and the clothes; and ``by_light``, from names of numbers to what
        they follow (`BY_LIGHT`). All else is 0.

    Returns
    -------
    tf.Tensor
        (batch, numbers), in the order of the card's ``styles``.
    """
    headroom, by_light = card.get("headroom", 0.0), card.get("by_light", {})
    nothing = tf.zeros_like(images[:, 0, 0, :1])
    style = tf.concat(
        [
            _by_light(images, headroom, **by_light[name]) if name in by_light else nothing
            for name in card["styles"]
        ],
        axis=1,
    )
    if not card.get("suits"):
        return style
    rows = [[float(name == kind) for name in card["styles"]] for kind in sum(card["suits"], [])]
    hair = _one_of_three(lightness(images, HAIR_BOX, headroom), HAIR_STOPS)
    clothes = _one_of_three(lightness(images, CLOTHES_BOX, headroom), CLOTHES_STOPS)
    cells = tf.concat([hair[:, i : i + 1] * clothes for i in range(3)], axis=1)
    return style + cells @ tf.constant(rows)


def _by_light(images: tf.Tensor, headroom: float, box, stops, numbers) -> tf.Tensor:
    (dark, light), (first, last) = stops, numbers
    share = (lightness(images, box, headroom) - dark) / (light - dark)
    return first + (last - first) * tf.clip_by_value(share, 0.0, 1.0)


def complete(images: tf.Tensor, style, card: dict) -> tf.Tensor:
    """Return a style for each face, (batch, numbers): as it suits as far as that is left open.

    The kind is left open where none is asked for. A number of 0 is what suits, -1 and 1 are the
    ends, and one between is so far on the way there.
    """
    names, kinds = card["styles"], card.get("kinds", [])
    asks = any(n >= 0.5 for name, n in zip(names, style, strict=True) if name in kinds)
    left_open = [
        float(not asks) if name in kinds else 1 - abs(number)
        for name, number in zip(names, style, strict=True)
    ]
    return tf.constant([style], tf.float32) + suiting_style(images, card) * left_open


def in_style(generator: keras.Model, style=None, card: dict | None = None) -> keras.Model:
    """Return ``residual = generator(image)`` of a generator in one style, over the same weights.

    Parameters
    ----------
    style : sequence of float or None
        Numbers in [-1, 1]; None leaves all open.
    card : dict or None
        What the style leaves open is as it suits (`complete`), if the card knows that. Without one
        it is 0.

    A generator without styles comes back as it is. Raises ValueError if the numbers are too few or
    too many.
    """
    count = generator.inputs[1].shape[-1] if len(generator.inputs) > 1 else 0
    style = [0.0] * count if style is None else [float(number) for number in style]
    if len(style) != count:
        raise ValueError(f"{generator.name} takes {count} numbers for its style, not {len(style)}.")
    if not count:
        return generator
    image = keras.Input(generator.inputs[0].shape[1:], name="image")
    chosen = tf.constant([style])
    if card and (card.get("suits") or card.get("by_light")):
        chosen = keras.layers.Lambda(
            lambda images: complete(images, style, card),
            output_shape=(count,),
            name="suiting_style",
            dtype="float32",
        )(image)
    return keras.Model(image, generator([image, chosen]), name=generator.name)


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
