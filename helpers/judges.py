"""Who judges the edits: classifiers that learned from real photos, and InceptionV3.

Met in notebook 07.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from PIL import Image

from . import celeba, classifier, datasets, inverter, pixels, weight_files
from .datasets import DRAWN, Item, Split
from .errors import CourseError

# The last of a judge's first layers, one after another: a quarter as fine as the image.
CLOSE = {"plain": "conv2_act", "residual": "down1_act"}
LOOKED = 64  # images at a time


class Judge(NamedTuple):
    """A classifier that says whether the attribute is there."""

    name: str
    model: keras.Model
    card: dict
    column: int  # of the attribute under test


def find_judges(
    split: Split, size: int, out: Path, given: list[Path] | None = None, cache: Path | None = None
) -> list[Judge]:
    """Return the classifiers that judge: those given, the course's own, or one trained now.

    The course's own (``weights/classifier-*.npz``) know CelebA's columns. For other data one is
    trained on the training part and kept as ``OUT/classifier.npz``.

    Raises
    ------
    classifier.ClassifierError
        If a classifier does not know the attribute.
    """
    kept = out / "classifier.npz"
    if given:
        paths = given
    elif split.known:
        paths = sorted(inverter.WEIGHTS.glob("classifier-*.npz"))
    else:
        paths = [kept] if kept.is_file() else []
    if not paths:
        # Drawn faces are alike: a small one learns them in half a minute.
        small = {"width": 16, "epochs": 8} if split.source == DRAWN else {}
        model, card = classifier.train(split, size=size, cache=cache, **small)
        weight_files.save_generator(kept, model, card)
        paths = [kept]
    judges = []
    for path in paths:
        model, card = classifier.load(path)
        column = celeba.column_name(split.attribute)
        if column not in card["columns"]:
            raise classifier.ClassifierError(
                f"The classifier {path} was not trained on {column}; it knows "
                f"{', '.join(card['columns'])}. Leave --classifier out to train one."
            )
        judges.append(Judge(path.stem, model, card, card["columns"].index(column)))
    return judges


def judge_images(judge: Judge, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (n, columns) and features (n, channels) of uint8 images of any size."""
    size = judge.model.input_shape[1]
    if images.shape[1] != size:
        resized = [Image.fromarray(i).resize((size, size), Image.BICUBIC) for i in images]
        images = np.stack([np.asarray(i) for i in resized])
    return classifier.answer(judge.model, pixels.to_unit(images))


def was_seen(item: Item) -> bool:
    """Say whether the course's own networks, trained on a part of CelebA, may know this photo.

    They were split by the hash of the photo's name. Where CelebA's official partition rules, or
    in folders written from it, a photo can be held out now that was trained on then.
    """
    if not isinstance(item, Path) or not (len(item.stem) == 6 and item.stem.isdigit()):
        return False
    return datasets.part_of(f"{item.stem}.jpg") == "train"


def load_inception(weights: str | None) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the function from uint8 images to InceptionV3's features and class probabilities.

    These are Keras' ImageNet weights, not the older file that papers quote FID on: compare such
    numbers with each other, not with a paper's.

    Parameters
    ----------
    weights : str or None
        "imagenet", which Keras downloads; a file; or None for random weights, in tests.

    Raises
    ------
    CourseError
        If the weights can't be had.
    """
    try:
        model = keras.applications.InceptionV3(weights=weights)
    except Exception as error:
        raise CourseError(
            f"InceptionV3's weights {weights!r} can't be had: {error}\n"
            "Give --inception a file of Keras' weights, or leave it out: FID and KID on the "
            "classifier's features are always measured."
        ) from error
    both = keras.Model(model.input, [model.get_layer("avg_pool").output, model.output])

    def describe(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        resized = [Image.fromarray(i).resize((299, 299), Image.BICUBIC) for i in images]
        batch = pixels.to_unit(np.stack([np.asarray(i) for i in resized]))
        return tuple(output.numpy() for output in both(batch, training=False))

    return describe


def look_closely(judge: Judge) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from uint8 images of any size to what the judge's first layers see.

    These are a quarter as fine as the image, and know where something is. Whole images need not
    be given: what is not in the picture is not looked at. Of a judge that is no network of
    `classifier`, it is the pixels themselves.

    Returns
    -------
    callable
        (n, height, width, 3) to float32 (n, features).
    """
    kind, chain = judge.card.get("network"), []
    if kind in CLOSE:
        # By its place: a judge that was built elsewhere, as in notebook 07, has other names.
        names = [layer.name for layer in classifier.CLASSIFIERS[kind](32, 1, 4).layers]
        chain = judge.model.layers[1 : names.index(CLOSE[kind]) + 1]

    def look(images: np.ndarray) -> np.ndarray:
        seen = []
        for first in range(0, len(images), LOOKED):
            x = pixels.to_unit(images[first : first + LOOKED])
            for layer in chain:
                x = layer(x)
            seen.append(np.asarray(x, np.float32).reshape(len(x), -1))
        return np.concatenate(seen)

    return look
