"""A plain head, to hide what is behind it, to catch shadows, and to ask the light about.

Skull, face and nose of nobody in particular, in the head coordinates of `helpers/drawn/pose.py`.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .mesh import Mesh, grid_mesh
from .pose import Pose
from .raster import Window, rasterise

# Ellipsoids that make the head: centre and half axes, in mm.
SKULL = ((0.0, -18.0, 88.0), (75.0, 93.0, 98.0))
FACE = ((0.0, 28.0, 62.0), (64.0, 88.0, 66.0))
JAW = ((0.0, 66.0, 48.0), (50.0, 54.0, 54.0))
INSIDE = np.array([0.0, 30.0, 70.0])  # a point inside all of them
EAR = np.array([77.0, -3.0, 92.0])  # where a temple rests on the right one
NOSE_TIP = (40.0, -28.0)  # y, z
FINEST = 160  # px; the plain head needs no more than a picture of this side


class Head(NamedTuple):
    """What is known of the head at each pixel of a picture.

    Attributes
    ----------
    depth : float32 (h, w)
        In mm, as `Pose.project` gives it; infinite beside the head.
    normals : float32 (h, w, 3)
        In the camera's axes; zero beside the head.
    place : float32 (h, w, 3)
        In head coordinates, mm.
    """

    depth: np.ndarray
    normals: np.ndarray
    place: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        return np.isfinite(self.depth)


def _far(directions: np.ndarray, ellipsoid) -> np.ndarray:
    """Return how far from `INSIDE` rays leave an ellipsoid, in mm; 0 if they miss it."""
    centre, half = (np.array(part) for part in ellipsoid)
    start, step = (INSIDE - centre) / half, directions / half
    a, b = np.square(step).sum(axis=-1), (step * start).sum(axis=-1)
    c = np.square(start).sum() - 1
    root = b * b - a * c
    return np.where(root > 0, (-b + np.sqrt(np.maximum(root, 0))) / a, 0)


@lru_cache(maxsize=1)
def head_mesh() -> Mesh:
    """Return the plain head, `more` being its points again."""
    # Rays are densest to the front, where the face is.
    polar = np.linspace(0, 1, 30)[:, None] ** 1.15 * np.pi * 0.72
    angle = np.linspace(0, 2 * np.pi, 56, endpoint=False)[None]
    directions = np.stack(
        [
            np.sin(polar) * np.cos(angle),
            np.sin(polar) * np.sin(angle),
            -np.cos(polar) * np.ones_like(angle),
        ],
        -1,
    )
    reach = np.stack([_far(directions, part) for part in (SKULL, FACE, JAW)])
    reach = np.log(np.exp(reach / 4).sum(axis=0)) * 4  # a soft maximum
    points = INSIDE + directions * reach[..., None]
    points[..., 2] -= _nose(points[..., 0], points[..., 1], points[..., 2])
    mesh = grid_mesh(points, np.zeros((1, 1, 1)))
    # The first row is one point, whose neighbours tell its normal.
    mesh.normals[:56] = (0, 0, -1)
    return mesh._replace(more=mesh.points)


def _nose(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return how far the nose stands out of the face, in mm, at the front of it."""
    tip, out = NOSE_TIP
    down = np.clip((y + 8) / (tip + 8), 0, 1)
    height = down * (-out - 2) * np.clip((tip + 14 - y) / 14, 0, 1)
    half = 7 + 9 * down
    wedge = np.clip(1 - np.abs(x) / (half * 1.5), 0, 1)
    return np.where(z < 40, height * wedge**1.2, 0)


def see_head(pose: Pose, shape: tuple[int, int]) -> Head:
    """Return the plain head as it is seen in a picture of some height and width."""
    mesh = head_mesh()
    points = mesh.points.copy()
    below = np.maximum(points[:, 1], 0)
    points[:, 1] += below * np.float32(pose.chin - 1)
    seen = pose.project(points)
    step = max(1, -(-max(shape) // FINEST))
    rows, columns = -(-shape[0] // step), -(-shape[1] // step)
    window = Window(0, 0, columns, rows, 1)
    seen[:, :2] = (seen[:, :2] + 0.5) / step - 0.5
    found = rasterise(window.to_samples(seen), mesh.faces, window.shape)
    normals = pose.to_camera(mesh.normals)
    values = found.blend(np.concatenate([normals, mesh.points], axis=1).astype(np.float32))

    def spread(columns_of, empty):
        plane = np.full((rows * columns, *columns_of.shape[1:]), empty, np.float32)
        plane[found.sample] = columns_of
        plane = plane.reshape(rows, columns, *columns_of.shape[1:])
        return plane.repeat(step, 0).repeat(step, 1)[: shape[0], : shape[1]]

    length = np.sqrt(np.square(values[:, :3]).sum(axis=1, keepdims=True)) + 1e-6
    return Head(
        spread(found.depth, np.inf), spread(values[:, :3] / length, 0), spread(values[:, 3:], 0)
    )
