"""Generators in files: their weights as float16, and a card that says what they are.

Written in notebook 06, read from 07 on.
"""

import json
import re
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from . import celeba, networks, second_pass, styling
from .errors import TrainingError
from .files import read_weights, written_whole

# Of the weights, by what they were trained on.
LICENCES = {
    "drawn faces": "Apache-2.0",
    "CelebA": "non-commercial research (CelebA's terms)",
}


def check_revision(told: dict, path: Path) -> None:
    """Raise a TrainingError if a file tells of a network that has changed since it was made."""
    network, revision = told["network"], told.get("revision", 1)
    if revision != networks.REVISIONS[network]:
        raise TrainingError(
            f"{path} was made with revision {revision} of the {network} networks, and this course "
            f"has {networks.REVISIONS[network]}: the same numbers mean something else now. Train "
            "anew, in another --out."
        )


def _check_told(card: dict) -> None:
    """Raise a ValueError if a card's attribute can't name a file, or its headroom no crop."""
    attribute, headroom = card.get("attribute"), card.get("headroom", 0.0)
    if not isinstance(attribute, str) or not attribute or re.search(r"[/\\\0]", attribute):
        raise ValueError(f"its attribute is {attribute!r}")
    if not isinstance(headroom, float | int) or not 0 <= headroom <= 0.5:
        raise ValueError(f"its headroom is {headroom!r}, not a number from 0 to 0.5")


def save_generator(path: Path, generator: keras.Model, card: dict) -> None:
    """Write a generator's weights as float16, with its card, to one .npz file, whole or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, generator.weights, card, np.savez)


def _write(path: Path, weights, card: dict, save) -> None:
    arrays = {f"{i:03d}": np.asarray(w, np.float16) for i, w in enumerate(weights)}
    with written_whole(path) as temporary, temporary.open("wb") as file:
        save(file, card=np.array(json.dumps(card)), **arrays)


def pack(path: Path, bits: int = 8) -> None:
    """Round a file's kernels to so many bits a channel, which is 40% less to keep in git.

    They stay float16: all numbers of a channel are multiples of one power of two. With 8 bits what
    `hat-add.npz` puts on moved by 0.14 grey levels in the mean, and by 10 in one value of 1,000.
    """
    card, arrays = read_weights(path)
    for number, array in enumerate(arrays):
        if array.ndim > 1:
            largest = np.abs(array).max(axis=tuple(range(array.ndim - 1)), keepdims=True)
            step = 2.0 ** (np.ceil(np.log2(np.maximum(largest, 1e-6))) - (bits - 1))
            arrays[number] = np.round(array / step) * step
    _write(path, arrays, card | {"bits": bits}, np.savez_compressed)


def holds_weights_alone(folder: Path) -> bool:
    """Say whether a folder to start from has generators but no checkpoint of a run."""
    return tf.train.latest_checkpoint(folder / "checkpoints") is None and any(
        path.stem.endswith(("-add", "-remove")) for path in folder.glob("*.npz")
    )


def find_start(folder: Path, direction: str, attribute: str) -> Path:
    """Return the weights of one direction to start from: of the attribute, or the only ones.

    Raises
    ------
    TrainingError
        If there are none, or several and none is of the attribute.
    """
    path = folder / f"{celeba.short_name(attribute)}-{direction}.npz"
    found = sorted(folder.glob(f"*-{direction}.npz"))
    if path in found:
        return path
    if len(found) == 1:
        return found[0]
    several = f" Which of {', '.join(p.name for p in found)}? Copy one pair to a folder."
    raise TrainingError(
        f"{folder} holds no checkpoint of a run, and no {path.name}, to start from."
        + (several if found else "")
    )


def load_generator(path: Path, style=None) -> tuple[keras.Model, dict]:
    """Load a generator and its card from a file that `save_generator` wrote.

    Nothing is unpickled: a weights file holds numbers and one JSON text.

    Parameters
    ----------
    style : sequence of float or None
        What to draw, for one that knows styles: ``card["styles"]`` names its numbers, each in
        [-1, 1]. Of those in ``card["kinds"]``, if it has some, at most one is 1 and the others
        are 0. None for what suits the face.

    Raises
    ------
    TrainingError
        If the file is missing, damaged or does not fit the network that its card names.
    """
    network, card = load_network(path)
    return as_used(network, card, style), card


def as_used(network: keras.Model, card: dict, style=None) -> keras.Model:
    """Return a network as photos are edited with it: in one style, and twice if its card says so.

    Parameters
    ----------
    network, card
        As `load_network` gives them.
    style : sequence of float or None
        As for `load_generator`.
    """
    generator = styling.in_style(network, style, card)
    levels = card.get("second_pass")
    return second_pass.with_second_pass(generator, *levels) if levels else generator


def load_network(path: Path) -> tuple[keras.Model, dict]:
    """Load a generator as `load_generator` does, but alone: one pass, its style a second input.

    To train it further or to export it. Its card says what `as_used` makes of it.
    """
    try:
        card, arrays = read_weights(path)
        check_revision(card, path)
        _check_told(card)
        options = {"size": card["size"], "name": f"generator_{card['direction']}"}
        if card.get("width"):
            options["width"] = card["width"]
        if card.get("styles"):
            options["styles"] = len(card["styles"])
        generator = networks.GENERATORS[card["network"]](**options)
        generator.set_weights(arrays)
        told = ("suits", "by_light", "second_pass")
        card = {name: said for name, said in card.items() if name not in told}
        card |= styling.what_suits(card) | second_pass.levels_of(card)
    except TrainingError:
        raise
    except FileNotFoundError as error:
        raise TrainingError(
            f"There are no weights at {path}. Train them (python3 course.py train --help) or "
            "give --weights the folder of a run."
        ) from error
    except Exception as error:
        raise TrainingError(f"{path} is not a weights file of this course: {error}") from error
    return generator, card
