"""Lenses: what they hide, tint, shift and mirror."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates

from .cloth import noise
from .light import LUMINANCE, Light
from .mesh import unit
from .pose import Pose
from .raster import Window, cover


class Lens(NamedTuple):
    """What lenses are like.

    Attributes
    ----------
    dark : float
        0 lets all light through, 1 none, at the upper edge.
    fade : float
        By what share they are lighter at the lower edge.
    tint : (3,)
        Colour of the light that comes through, its largest part 1.
    mirror : float
        Share of the light that is mirrored, seen straight.
    sheen : (3,)
        Colour of what is mirrored.
    power : float
        By what share the eyes look smaller; negative: larger.
    lamp : tuple of float
        Where a window is mirrored, x and y, and its half width and height, as shares of the lens.
    lamp_light : float
        How bright that is; 1 is a white surface.
    busy : float
        How uneven the rest is that is mirrored.
    """

    dark: float = 0.03
    fade: float = 0.3
    tint: np.ndarray = np.array([0.95, 1.0, 0.98])
    mirror: float = 0.03
    sheen: np.ndarray = np.ones(3)
    power: float = 0.03
    lamp: tuple[float, float, float, float] = (0.3, -0.35, 0.22, 0.3)
    lamp_light: float = 3.0
    busy: float = 0.0


def _flat_coordinates(pose: Pose, edge: np.ndarray, window: Window):
    """Return each pixel's x and y on a lens (height, width, 2), about -1 to 1, and its middle."""
    middle = edge.mean(axis=0)
    half = np.abs(edge - middle).max(axis=0)
    axes = np.array([[half[0], 0, 0], [0, half[1], 0.12 * half[1]]])
    seen = pose.project(np.concatenate([middle[None], middle + axes, middle - axes]))[:, :2]
    jacobian = np.stack([(seen[1] - seen[3]) / 2, (seen[2] - seen[4]) / 2], -1)
    y, x = np.mgrid[window.rows, window.columns]
    away = np.stack([x, y], -1) - seen[0]
    return (away @ np.linalg.inv(jacobian).T).astype(np.float32), seen[0]


def look_through(
    image: np.ndarray, window: Window, edge: np.ndarray, pose: Pose, light: Light, lens: Lens
) -> np.ndarray:
    """Put a lens before a picture (h, w, 3), linear light, in place; return its cover.

    Parameters
    ----------
    edge : (n, 3)
        Of the lens, in head coordinates.
    """
    share = cover(pose.project(edge), window)
    flat, middle = _flat_coordinates(pose, edge, window)
    part = image[window.rows, window.columns]
    rows, columns = np.nonzero(share > 0)
    if not len(rows):
        return share
    at = flat[rows, columns]
    # What is behind looks smaller: it is seen where it is further from the middle.
    place = np.stack([rows + window.top, columns + window.left]).astype(np.float32)
    shift = place + lens.power * (place - middle[::-1, None])
    seen = np.stack(
        [map_coordinates(image[..., k], shift, order=1, mode="nearest") for k in range(3)], -1
    )
    dark = lens.dark * (1 - lens.fade * np.clip(0.5 + 0.6 * at[:, 1:], 0, 1))
    # A little of a tint is pale, much of it deep.
    grey = np.asarray(lens.tint) @ LUMINANCE
    tint = np.float32(grey + light.colours * (np.asarray(lens.tint) - grey))
    through = seen * tint ** (2.5 * dark) * (1 - dark) ** 1.5
    through = through + _mirrored(at, pose, light, lens)
    weight = share[rows, columns, None]
    part[rows, columns] += weight * (through - part[rows, columns])
    return share


def _mirrored(at: np.ndarray, pose: Pose, light: Light, lens: Lens) -> np.ndarray:
    """Return what a lens mirrors (n, 3), at places (n, 2) on it."""
    normals = unit(np.column_stack([0.22 * at[:, 0], 0.2 * at[:, 1] - 0.1, -np.ones(len(at))]))
    normals = pose.to_camera(normals)
    rays = -2 * normals[:, 2:] * normals
    rays[:, 2] += 1
    # What is before a face is darker than the sky above it.
    sky = 0.7 * light.mirrored(rays)
    x, y, wide, tall = lens.lamp
    beside = np.hypot((at[:, 0] - x - 0.15 * (at[:, 1] - y)) / wide, (at[:, 1] - y) / tall)
    sky = sky + lens.lamp_light * np.clip(1.6 - beside, 0, 1) ** 1.5
    if lens.busy > 0:
        u, v = 1.7 * at[:, 0] + 31 * x, 2.1 * at[:, 1] + 47 * y
        around = 0.7 * noise(u, v, 1) + 0.5 * noise(2.3 * u, 2.3 * v, 2)
        sky = sky * np.maximum(1 + lens.busy * around, 0.1)
    slant = (1 - np.clip(-normals[:, 2], 0, 1)) ** 4
    share = lens.mirror + (1 - lens.mirror) * 0.2 * slant
    return (sky * share)[:, None] * light.seen(np.asarray(lens.sheen, np.float32))
