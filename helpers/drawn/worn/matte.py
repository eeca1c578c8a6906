"""How far head and hair reach in a photo.

Seen from the middle of the head, hair ends once in each direction, at least above the shoulders.
So the photo is read along rays from there, as an image of directions by distances, and on each ray
the end of the hair is where the photo looks more like what is far outside than like hair.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates, median_filter

RAYS = 96
MIDDLE = np.array([0.0, -25.0, 70.0])  # where the rays begin, in head coordinates, mm
REACH, STEPS = 190.0, 76  # mm; how far rays go, in how many steps


class Matte(NamedTuple):
    """Head and hair of a photo.

    Attributes
    ----------
    middle : (2,)
        From where it is measured, in pixels.
    scale : float
        Pixels a mm.
    ends : float32 (RAYS,)
        How far head and hair reach, in mm, by direction: 0 is the right, a quarter is down.
    thick : float
        How far hair stands out of the skull at the sides, in mm.
    back : float32 (RAYS, 3)
        What is behind, as displayed from 0 to 1, at the end of each direction.
    """

    middle: np.ndarray
    scale: float
    ends: np.ndarray
    thick: float
    back: np.ndarray


def _rays(middle: np.ndarray, scale: float) -> np.ndarray:
    """Return the pixels on each ray, (2, RAYS, STEPS): rows and columns."""
    angle = 2 * np.pi * np.arange(RAYS)[:, None] / RAYS
    radius = REACH * scale * (np.arange(STEPS) + 0.5)[None] / STEPS
    return np.stack([middle[1] + radius * np.sin(angle), middle[0] + radius * np.cos(angle)])


def read(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the colours (..., k) of an image at places (2, ...), rows and columns."""
    return np.stack(
        [
            map_coordinates(image[..., k], places, order=1, mode="nearest")
            for k in range(image.shape[2])
        ],
        -1,
    )


def find_matte(scene) -> Matte:
    """Return how far head and hair of a `Scene` reach."""
    seen = scene.pose.project(MIDDLE[None])[0]
    middle, scale = seen[:2].astype(np.float64), scene.pose.scale
    places = _rays(middle, scale)
    shape = scene.shape
    inside = (
        (places[0] > 0) & (places[0] < shape[0] - 1) & (places[1] > 0) & (places[1] < shape[1] - 1)
    )
    colour = np.sqrt(read(scene.bare, places))
    head = read(scene.head.mask[..., None].astype(np.float32), places)[..., 0] > 0.5
    skull = np.where(head, np.arange(STEPS), 0).max(axis=1)
    hair = hair_colour(scene)
    # What is at the end of each ray, as far as there is photo.
    last = np.maximum(np.where(inside, np.arange(STEPS), 0).max(axis=1), 8)
    back = np.stack([colour[np.arange(RAYS), np.maximum(last - k, 0)] for k in (0, 2, 4, 6)]).mean(
        axis=0
    )
    back = gaussian_filter1d(back, 2.0, axis=0, mode="wrap")
    spread = 0.05
    to_hair = np.square((colour - np.sqrt(hair)) / 0.13).sum(axis=-1)
    to_back = np.square((colour - back[:, None]) / (0.6 * spread + 0.06)).sum(axis=-1)
    # A priori hair is near the head.
    away = (np.arange(STEPS)[None] - skull[:, None]) * REACH / STEPS
    prior = 2.5 - 0.11 * np.maximum(away, 0)
    likely = np.clip(0.5 * (np.minimum(to_back, 30) - np.minimum(to_hair, 12)) + prior, -8, 8)
    likely = gaussian_filter(likely, (1.2, 1.0), mode=("wrap", "nearest"))
    likely = np.where(away < -2, 3, likely)
    likely = np.where(np.arange(STEPS)[None] > last[:, None], -1e-3, np.clip(likely, -3, 3))
    # Where hair within and what is behind beyond are likeliest together: not where it first shines.
    first = np.cumsum(likely, axis=1).argmax(axis=1) + 1
    ends = median_filter(first.astype(np.float32), 5, mode="wrap")
    ends = gaussian_filter1d(ends, 1.0, mode="wrap")
    ends = ends * REACH / STEPS
    # The sides of the head, a little above its middle.
    sides = np.r_[2 * RAYS // 4 + 1 : 2 * RAYS // 4 + 9, -8:0]
    thick = float(np.clip(np.median(ends[sides] - skull[sides] * REACH / STEPS), -6, 30))
    return Matte(middle, scale, ends.astype(np.float32), thick, back)


def hair_colour(scene) -> np.ndarray:
    """Return the colour of what is on the skull above the forehead, linear light."""
    place = scene.head.place
    above = scene.head.mask & (place[..., 1] < -72) & (place[..., 1] > -108) & (place[..., 2] < 95)
    if above.sum() < 8:
        return np.array([0.03, 0.02, 0.015], np.float32)
    return np.median(scene.bare[above], axis=0)


def polar(matte: Matte, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's direction, in rays, and distance in mm, from the middle of the matte."""
    y = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(matte.middle[1])
    x = np.arange(shape[1], dtype=np.float32)[None] - np.float32(matte.middle[0])
    turn = np.arctan2(y, x) * np.float32(RAYS / (2 * np.pi)) % RAYS
    return turn, np.hypot(x, y) / np.float32(matte.scale)


def by_ray(values: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return values (RAYS,) at directions, in between as well."""
    low = np.floor(turn).astype(np.int32) % RAYS
    share = turn - np.floor(turn)
    return values[low] * (1 - share) + values[(low + 1) % RAYS] * share


def person(scene, matte: Matte) -> np.ndarray:
    """Return how far each pixel (h, w) belongs to head and hair, from 0 to 1."""
    turn, radius = polar(matte, scene.shape)
    near = np.clip((by_ray(matte.ends, turn) + 3 - radius) / 3, 0, 1)
    skin = gaussian_filter(scene.head.mask.astype(np.float32), 5 * matte.scale)
    rows, columns = np.nonzero((near > 0) & (skin < 0.25))
    # Between locks and ears one sees what is behind.
    back = matte.back[np.rint(turn[rows, columns]).astype(int) % RAYS]
    unlike = np.square(np.sqrt(scene.bare[rows, columns]) - back).sum(axis=1)
    near[rows, columns] *= np.clip(unlike / 0.012 - 0.3, 0, 1)
    return near


__all__ = ["Matte", "find_matte", "hair_colour", "person"]
