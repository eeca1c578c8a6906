"""The same faces again and again while a network learns, as one picture (notebook 06)."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from . import datasets, pixels
from .drawn.worn import any_row


def preview_batch(
    split: datasets.Split,
    size: int,
    count: int = 8,
    cache: Path | None = None,
    headroom: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fixed held-out images ``(without, with)``, float32 in [-1, 1]."""
    part = "validation" if all(split.items["validation", s] for s in datasets.SIDES) else "train"
    sides = [
        pixels.to_unit(datasets.read_images(split, part, side, size, count, cache, headroom))
        for side in datasets.SIDES
    ]
    count = min(map(len, sides))
    return sides[0][:count], sides[1][:count]


def preview_sheet(*directions: tuple[keras.Model, np.ndarray]) -> np.ndarray:
    """Return a picture of generators and their images, uint8: rows of image, edited, residual.

    The residual is shown at a fixed range, gray for 0, so that pictures of different steps can be
    compared (scaling each by its own range is what made the original's residuals brighten).
    """
    rows = []
    for generator, images in directions:
        residual = generator(images, training=False).numpy()
        for row in (images, np.clip(images + residual, -1, 1), np.clip(residual, -1, 1)):
            rows.append(np.concatenate(list(pixels.to_bytes(row)), axis=1))
    return np.concatenate(rows)


def in_many_styles(generator: keras.Model, attribute: str):
    """Return a generator that draws on each face of a batch in another style, by chance."""

    def residual(images, training):
        chosen = tf.constant([any_row(attribute, i) for i in range(len(images))])
        return generator([tf.constant(images), chosen], training=training)

    return residual
