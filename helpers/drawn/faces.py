"""The drawn faces: portraits of people who do not exist, with and without glasses or a hat.

A person is rolled from the seed (`people.py`) and drawn from back to front: background,
clothes, neck and face (`portraits.py`), hair (`hair.py`), glasses (`eyewear.py`) and hat
(`headwear.py`); then a camera with a soft lens and a noisy sensor takes the picture.

Because each person can be drawn twice, this data set knows what no photo set can: the same face
with and without the attribute, and the region in which the two differ.

Nothing is downloaded and nothing is stored: the seed is the person. Every part of a person draws
from a random generator of its own, so putting glasses on moves no other choice. Built in
notebook 01.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import eyewear, headwear
from .drawing import (
    FRAME,
    Canvas,
    mix,
)
from .hair import draw_back_hair, draw_front_hair
from .people import EYE, EYE_Y, MOUTH, roll_person, stream
from .portraits import draw_background, draw_ears, draw_head, draw_neck_and_clothes

ATTRIBUTES = ("glasses", "hat")
SMALLEST, LARGEST = 32, 256


class Pair(NamedTuple):
    """One person twice, and where the two pictures differ."""

    without: np.ndarray
    with_: np.ndarray
    region: np.ndarray


def _finish(canvas: Canvas, seed: int) -> np.ndarray:
    """The camera: a slightly soft lens, a film curve, sensor noise, 8 bits."""
    rng = stream(seed, 30)
    image = canvas.image
    blur = np.float32(rng.uniform(0.1, 0.2) / canvas.unit)
    blur = min(blur, np.float32(0.25))
    for axis in (1, 2):
        lower = [slice(None)] * 3
        upper = [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        step = (image[tuple(upper)] - image[tuple(lower)]) * blur
        image[tuple(lower)] += step
        image[tuple(upper)] -= step
    np.maximum(image, 0, out=image)
    image = np.sqrt(image / (1 + 0.16 * image * image))  # highlights roll off, as on film
    grain = rng.standard_normal((canvas.size, canvas.size), np.float32)
    grain *= rng.uniform(0.003, 0.009)
    image += grain
    np.clip(image, 0, 1, out=image)
    return (image.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)


@lru_cache
def drawing_version() -> str:
    """A short name of the code that draws: it changes when any of it does (for caches)."""
    sources = (path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return hashlib.blake2b(b"".join(sources), digest_size=4).hexdigest()


def _check(seed, size) -> None:
    if not isinstance(size, int | np.integer) or not SMALLEST <= size <= LARGEST:
        raise ValueError(
            f"A face can be drawn at {SMALLEST} to {LARGEST} px, whole pixels; got size {size!r}."
        )
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"A seed is a whole number of 0 or more; got {seed!r}.")


def _render(person, size: int, glasses: bool, hat: bool) -> np.ndarray:
    pose = person.pose
    centre = (FRAME / 2 - 0.15 + pose.x, EYE_Y + pose.y)
    canvas = Canvas(size, centre, pose.scale, pose.roll)
    worn = headwear.roll_hat(stream(person.seed, 11), person) if hat else None
    wrap = tuple(mix(0.3, w, person.skin.lightness) for w in (0.48, 0.34, 0.3))
    draw_background(canvas, person)
    if worn is not None:
        headwear.draw_hat_behind(canvas, person, worn)
    draw_back_hair(canvas, person, worn)
    draw_neck_and_clothes(canvas, person, wrap)
    draw_ears(canvas, person, wrap)
    draw_head(canvas, person, wrap)
    if glasses:
        frames = eyewear.roll_glasses(stream(person.seed, 10), person)
        eyewear.draw_glasses(canvas, person, frames)
    draw_front_hair(canvas, person, worn)
    if worn is not None:
        headwear.draw_hat(canvas, person, worn)
    return _finish(canvas, person.seed)


def draw_face(
    seed: int, size: int = 128, *, glasses: bool | None = None, hat: bool | None = None
) -> np.ndarray:
    """Draw one person.

    Parameters
    ----------
    seed : int
        The person, 0 or more: the same seed is the same person at every size.
    size : int
        Side of the picture in pixels, 32 to 256.
    glasses, hat : bool, optional
        Whether they wear them; None leaves it to the person's habit (see `attributes`).

    Returns
    -------
    uint8 (size, size, 3)
        Red, green, blue; aligned as CelebA's face crop is.

    Raises
    ------
    ValueError
        If the size is out of range or the seed is negative.
    """
    _check(seed, size)
    person = roll_person(seed)
    glasses = person.habit["glasses"] if glasses is None else glasses
    hat = person.habit["hat"] if hat is None else hat
    return _render(person, int(size), bool(glasses), bool(hat))


def draw_pair(seed: int, attribute: str, size: int = 128) -> Pair:
    """Draw one person without and with an attribute, all else equal.

    Parameters
    ----------
    seed, size
        As for `draw_face`.
    attribute : str
        One of `ATTRIBUTES`. The other one follows the person's habit in both pictures.

    Returns
    -------
    Pair
        ``without`` and ``with_``: uint8 (size, size, 3). ``region``: float32 (size, size), 1 where
        they differ in any colour (shadows and reflections included), else 0.

    Raises
    ------
    ValueError
        If the attribute is unknown, the size out of range or the seed negative.
    """
    if attribute not in ATTRIBUTES:
        raise ValueError(f"Drawn faces have {' and '.join(ATTRIBUTES)}; got {attribute!r}.")
    _check(seed, size)
    person = roll_person(seed)
    without, with_ = (
        _render(person, int(size), **{**person.habit, attribute: worn}) for worn in (False, True)
    )
    region = (without != with_).any(axis=2).astype(np.float32)
    return Pair(without, with_, region)


def landmarks(seed: int, size: int = 128) -> np.ndarray:
    """Where the eyes and the mouth are.

    Returns
    -------
    float32 (3, 2)
        x and y, in pixels, of the eye at the left of the picture, the eye at the right, and the
        middle of the mouth. The centre of the top left pixel is (0, 0), as in `alignment`.

    Raises
    ------
    ValueError
        As for `draw_face`.
    """
    _check(seed, size)
    person = roll_person(seed)
    pose = person.pose
    canvas = Canvas(1, (FRAME / 2 - 0.15 + pose.x, EYE_Y + pose.y), pose.scale, pose.roll)
    points = [(-EYE, 0), (EYE, 0), (pose.yaw * 2.5, MOUTH)]
    frame = np.array([canvas.to_frame(*p) for p in points], np.float32)
    return frame * np.float32(size / FRAME) - np.float32(0.5)


def attributes(seed: int) -> dict[str, bool]:
    """What a person is like when left to their habit, as CelebA's columns would say it.

    Returns
    -------
    dict
        "glasses" and "hat" (which `draw_face` can overrule), and what comes with the person:
        "male", "young", "smiling", "mouth_open", "beard", "bald", "long_hair", "fringe",
        "grey_hair".
    """
    _check(seed, SMALLEST)
    person = roll_person(seed)
    return {
        **person.habit,
        "male": person.man,
        "young": person.age < 0.45,
        "smiling": person.mouth.smile > 0.5,
        "mouth_open": person.mouth.opening > 0,
        "beard": person.beard.kind in ("full", "goatee", "moustache"),
        "bald": person.hair.style == "bald",
        "long_hair": person.hair.end > 40,
        "fringe": person.hair.fringe is not None,
        "grey_hair": person.hair.grey and person.hair.style != "bald",
    }


def contact_sheet(images, columns: int = 8) -> np.ndarray:
    """Lay pictures of one size side by side: uint8 (rows * size, columns * size, 3)."""
    images = np.asarray(images)
    if images.ndim != 4 or not len(images):
        raise ValueError("A contact sheet needs at least one picture, all of one size.")
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * columns, height, width, channels), 255, np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, channels)
