"""Meshes of triangles, made of grids of points: tubes along a path, surfaces around an axis.

A mesh is closed or seen from outside alone, so that what faces away need not be drawn.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Mesh(NamedTuple):
    """Triangles in head coordinates.

    Attributes
    ----------
    points : float32 (n, 3)
        In mm.
    faces : int32 (m, 3)
        Places of the corners in `points`.
    normals : float32 (n, 3)
        Unit vectors that point outwards.
    more : float32 (n, k)
        What else is known of each point: texture coordinates, a material.
    """

    points: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    more: np.ndarray


def join(meshes: list[Mesh]) -> Mesh:
    """Return several meshes as one."""
    starts = np.cumsum([0] + [len(mesh.points) for mesh in meshes[:-1]])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts.tolist(), strict=True)]
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate(faces),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.more for mesh in meshes]),
    )


@lru_cache(maxsize=64)
def _grid_faces(rows: int, columns: int, around_rows: bool, around: bool) -> np.ndarray:
    """Return the triangles (m, 3) between the points of a grid, counted row by row."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if around_rows:
        index = np.concatenate([index, index[:1]])
    if around:
        index = np.concatenate([index, index[:, :1]], axis=1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    ).astype(np.int32)


def _slope(points: np.ndarray, axis: int, around: bool) -> np.ndarray:
    """Return the differences along one axis of a grid."""
    if around:
        return np.roll(points, -1, axis) - np.roll(points, 1, axis)
    slope = np.empty_like(points)
    inner, last = [slice(None)] * 3, [slice(None)] * 3

    def part(where):
        inner[axis] = where
        return tuple(inner)

    slope[part(slice(1, -1))] = points[part(slice(2, None))] - points[part(slice(None, -2))]
    slope[part(0)] = points[part(1)] - points[part(0)]
    last[axis] = -1
    slope[tuple(last)] = points[part(-1)] - points[part(-2)]
    return slope


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3) of length 1; zero stays zero."""
    length = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))
    return vectors / np.maximum(length, 1e-9)


def grid_mesh(
    points: np.ndarray,
    more: np.ndarray,
    *,
    around: bool = True,
    around_rows: bool = False,
    flip: bool = False,
) -> Mesh:
    """Return the mesh of a grid.

    Parameters
    ----------
    points : (rows, columns, 3)
        Outside is where (along a row) x (along a column) points, or the other side if `flip`.
    more : (rows, columns, k)
        See `Mesh`.
    around, around_rows : bool
        Whether the last column meets the first, and the last row the first.
    """
    points = points.astype(np.float32)
    rows, columns = points.shape[:2]
    normals = unit(np.cross(_slope(points, 1, around), _slope(points, 0, around_rows)))
    faces = _grid_faces(rows, columns, around_rows, around)
    if flip:
        normals, faces = -normals, faces[:, ::-1]
    more = np.broadcast_to(more, (rows, columns, np.shape(more)[-1]))
    return Mesh(
        points.reshape(-1, 3),
        faces,
        normals.reshape(-1, 3),
        more.reshape(rows * columns, -1).astype(np.float32),
    )


@lru_cache(maxsize=16)
def section(corners: int, power: float) -> np.ndarray:
    """Return a cross-section (corners, 2) of half width 1: round at power 2, else more square."""
    angle = 2 * np.pi * (np.arange(corners) + 0.5) / corners
    both = np.stack([np.cos(angle), np.sin(angle)], -1)
    return np.sign(both) * np.abs(both) ** (2 / power)


def sweep(
    path: np.ndarray,
    side: np.ndarray,
    half: np.ndarray,
    more: np.ndarray,
    *,
    corners: int = 8,
    power: float = 2.0,
    closed: bool = False,
) -> Mesh:
    """Return a tube along a path.

    Parameters
    ----------
    path : (n, 3)
        Its centre line, in mm.
    side : (n, 3)
        In which direction its first half width is measured; the second is across that and the path.
    half : (n, 2)
        Both half widths, in mm.
    more : (n, k)
        See `Mesh`.
    """
    along = unit(_slope(path[:, None], 0, closed)[:, 0])
    side = unit(side - (side * along).sum(axis=-1, keepdims=True) * along)
    other = np.cross(along, side)
    shape = section(corners, power)
    points = (
        path[:, None]
        + side[:, None] * (half[:, None, :1] * shape[:, :1])
        + other[:, None] * (half[:, None, 1:] * shape[:, 1:])
    )
    more = np.broadcast_to(np.asarray(more)[:, None], (*points.shape[:2], more.shape[-1]))
    return grid_mesh(points, more, around_rows=closed)


def smooth_path(knots: np.ndarray, count: int) -> np.ndarray:
    """Return `count` points (count, k) on a smooth curve through knots (n, k).

    Source: Catmull and Rom, "A Class of Local Interpolating Splines", 1974.
    """
    knots = np.asarray(knots, np.float64)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    at = np.linspace(0, len(knots) - 1, count)
    start = np.minimum(at.astype(int), len(knots) - 2)
    t = (at - start)[:, None]
    a, b, c, d = (padded[start + k] for k in range(4))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
