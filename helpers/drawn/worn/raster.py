"""From triangles to pixels: which triangle is seen at each sample, and what it carries there.

NumPy has no loop over triangles that is fast, so all candidates, each a triangle and a sample in
its bounding box, stand in one long array; those inside stay, and the nearest of each sample wins.
That is fast as long as triangles are small, and those of hats and glasses are.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

STEP = 0.01  # mm; how finely depth is told apart


class Window(NamedTuple):
    """A part of a picture, drawn with several samples a pixel.

    Attributes
    ----------
    left, top, width, height : int
        In pixels.
    fine : int
        Samples along a pixel's side.
    """

    left: int
    top: int
    width: int
    height: int
    fine: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.left + self.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the samples: how many rows, how many columns."""
        return self.height * self.fine, self.width * self.fine

    def to_samples(self, points: np.ndarray) -> np.ndarray:
        """Turn pixel coordinates (n, 2+) into those of samples; their centres are whole numbers."""
        out = points.astype(np.float32)
        out[:, 0] = (points[:, 0] + 0.5 - self.left) * self.fine - 0.5
        out[:, 1] = (points[:, 1] + 0.5 - self.top) * self.fine - 0.5
        return out

    def to_pixels(self, samples: np.ndarray) -> np.ndarray:
        """Return the means (height, width, k) of samples (rows, columns, k) in each pixel."""
        fine, count = self.fine, samples.shape[-1]
        # Sums of slices: several times faster than a mean over two axes.
        rows = samples.reshape(self.height, fine, -1)
        rows = sum(rows[:, k] for k in range(fine)).reshape(self.height, self.width, fine, count)
        return sum(rows[:, :, k] for k in range(fine)) * np.float32(1 / fine**2)


def window_around(points: np.ndarray, shape: tuple[int, int], margin: float, fine: int):
    """Return the `Window` that holds points (n, 2+) of a picture, or None if there is nothing.

    Parameters
    ----------
    points : (n, 2+)
        In pixels.
    shape : tuple of int
        The picture's height and width.
    margin : float
        Pixels around them.
    """
    low = np.floor(points[:, :2].min(axis=0) - margin).astype(int)
    high = np.ceil(points[:, :2].max(axis=0) + margin).astype(int) + 1
    left, top = np.maximum(low, 0).tolist()
    right, bottom = np.minimum(high, shape[::-1]).tolist()
    if right <= left or bottom <= top:
        return None
    return Window(left, top, right - left, bottom - top, fine)


def cover(edge: np.ndarray, window: Window, fine: int = 8) -> np.ndarray:
    """Return the share (height, width) of each pixel inside a closed line (n, 2+), in pixels."""
    places = ((edge[:, :2] + 0.5 - (window.left, window.top)) * fine - 0.5).ravel().tolist()
    plane = Image.new("L", (window.width * fine, window.height * fine))
    ImageDraw.Draw(plane).polygon(places, fill=255)
    small = plane.resize((window.width, window.height), Image.Resampling.BOX)
    return np.asarray(small, np.float32) * np.float32(1 / 255)


class Seen(NamedTuple):
    """What is seen at the samples where anything is.

    Attributes
    ----------
    sample : int32 (n,)
        Which sample, counted row by row.
    corners : int32 (n, 3)
        The points of the triangle seen there.
    weights : float32 (n, 3)
        Their shares; they sum to 1.
    depth : float32 (n,)
        In mm.
    """

    sample: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    depth: np.ndarray

    def blend(self, values: np.ndarray) -> np.ndarray:
        """Return values of the points, (points, k), at the samples (n, k)."""
        parts = [values[self.corners[:, i]] * self.weights[:, i : i + 1] for i in range(3)]
        return parts[0] + parts[1] + parts[2]

    def keep(self, which: np.ndarray) -> "Seen":
        return Seen(*(column[which] for column in self))


def _candidates(corners: np.ndarray, shape: tuple[int, int]):
    """Return the triangle, x and y of each sample in the bounding box of each triangle."""
    low = np.maximum(np.ceil(corners[..., :2].min(axis=1)), 0).astype(np.int32)
    limit = np.array([shape[1] - 1, shape[0] - 1])
    size = np.minimum(np.floor(corners[..., :2].max(axis=1)), limit).astype(np.int32) - low + 1
    size = np.maximum(size, 0)
    counts = size[:, 0] * size[:, 1]
    triangle = np.repeat(np.arange(len(corners), dtype=np.int32), counts)
    starts = np.cumsum(counts) - counts
    # One gather of rows is faster than one for each column.
    table = np.column_stack([starts, np.maximum(size[:, 0], 1), low]).astype(np.int32)[triangle]
    place = np.arange(len(triangle), dtype=np.int32) - table[:, 0]
    row = place // table[:, 1]
    return triangle, table[:, 2] + place - row * table[:, 1], table[:, 3] + row


def rasterise(points: np.ndarray, faces: np.ndarray, shape: tuple[int, int]) -> Seen:
    """Return what is seen of triangles from the front.

    Parameters
    ----------
    points : float32 (n, 3)
        x and y in samples, depth in mm (further is more).
    faces : int32 (m, 3)
        Triangles that face away are left out.
    shape : tuple of int
        Rows and columns of samples.
    """
    corners = points[faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    front = np.flatnonzero(area < -1e-6)  # y goes down, so what faces us runs the other way
    faces, corners, first, second = faces[front], corners[front], first[front], second[front]
    triangle, x, y = _candidates(corners, shape)
    # Shares of the second and third corner: linear in x and y.
    scale = 1 / area[front]
    table = np.column_stack(
        [
            *(second[:, 1] * scale, -second[:, 0] * scale),
            *(-first[:, 1] * scale, first[:, 0] * scale),
            corners[:, 0],
            *(first[:, 2], second[:, 2]),
        ]
    ).astype(np.float32)
    at = table[triangle]
    dx, dy = x - at[:, 4], y - at[:, 5]
    b, c = at[:, 0] * dx + at[:, 1] * dy, at[:, 2] * dx + at[:, 3] * dy
    inside = np.flatnonzero((b >= 0) & (c >= 0) & (b + c <= 1))
    triangle, b, c, at = triangle[inside], b[inside], c[inside], at[inside, 6:]
    sample = y[inside] * np.int32(shape[1]) + x[inside]
    depth = at[:, 0] + b * at[:, 1] + c * at[:, 2]
    winner = _nearest(sample, depth, shape[0] * shape[1])
    triangle, b, c = triangle[winner], b[winner], c[winner]
    weights = np.stack([1 - b - c, b, c], -1)
    return Seen(sample[winner], faces[triangle], weights, depth[winner])


def _nearest(sample: np.ndarray, depth: np.ndarray, samples: int) -> np.ndarray:
    """Return which candidates are the nearest of their sample."""
    if not len(sample):
        return np.zeros(0, np.int64)
    steps = ((depth - depth.min()) / STEP).astype(np.int64)
    key = (steps << 32) | np.arange(len(sample))
    none = np.iinfo(np.int64).max
    best = np.full(samples, none)
    np.minimum.at(best, sample, key)
    return best[best != none] & 0xFFFFFFFF
