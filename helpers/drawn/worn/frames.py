"""Glasses as meshes: rims, bridge, pads, temples; where the lenses are."""

from typing import NamedTuple

import numpy as np

from .head import EAR
from .mesh import Mesh, join, smooth_path, sweep
from .outlines import Outline, lens_curve

FRONT = -13.0  # mm; the middle of the bridge is so far before the pupils
TILT = 0.12  # the lower edge is nearer to the cheeks
RIM, TEMPLE, PAD, METAL, CLEAR = range(5)  # materials, as the meshes' `more` has them


class Frame(NamedTuple):
    """A pair of glasses, in head coordinates.

    Attributes
    ----------
    front, back : Mesh
        Before and behind the lenses; `more` is the material.
    edges : (2, n, 3)
        Of the left and the right lens.
    """

    front: Mesh
    back: Mesh
    edges: np.ndarray


class Cut(NamedTuple):
    """How glasses are made, besides their outline.

    Attributes
    ----------
    outline : Outline
    weight : float
        From 0, a rim as thin as this outline has it, to 1, as bold.
    size : float
        Factor on the lenses.
    down, out : float
        mm that they sit lower and further from the face.
    """

    outline: Outline
    weight: float = 0.5
    size: float = 1.0
    down: float = 0.0
    out: float = 0.0


def _on_front(cut: Cut, flat: np.ndarray) -> np.ndarray:
    """Return where points (..., 2) of the front, x and y, are in space (..., 3)."""
    x, y = flat[..., 0], flat[..., 1]
    reach = cut.outline.half_width * 2 + cut.outline.bridge / 2
    z = FRONT - cut.out + cut.outline.wrap * (x / reach) ** 2 + TILT * y
    return np.stack([x, y + cut.down, z], -1)


def build_frame(cut: Cut, count: int = 56) -> Frame:
    """Return the meshes of a pair of glasses."""
    outline = cut.outline
    edge = lens_curve(outline, count) * cut.size
    middle = np.array([outline.half_width * cut.size + outline.bridge / 2, outline.low])
    right = edge + middle
    # Clockwise on both sides.
    sides = [np.roll(right[::-1] * (-1, 1), 1, axis=0), right]
    # Which way is out of the lens, in its plane.
    way = np.roll(right, -1, axis=0) - np.roll(right, 1, axis=0)
    out = np.stack([way[:, 1], -way[:, 0]], -1) / np.hypot(*way.T)[:, None]
    outs = [np.roll(out[::-1] * (-1, 1), 1, axis=0), out]
    wide = float(np.interp(cut.weight, (0, 1), outline.rim))
    front = [
        part
        for points, normals in zip(sides, outs, strict=True)
        for part in _rim(cut, points, normals, wide)
    ]
    back = []
    front += _bridges(cut, right, wide)
    for sign in (-1, 1):
        end, temple = _temple(cut, right, wide, sign)
        front += end
        back += temple
        if outline.kind != "plate":
            back.append(_pad(cut, sign))
    # The lens goes a little under its rim, if it has one.
    under = 0.5 if outline.kind in ("plate", "wire", "brow") else 0.15
    sides = [points + under * normals for points, normals in zip(sides, outs, strict=True)]
    edges = np.stack([_on_front(cut, points) for points in sides])
    return Frame(join(front), join(back), edges)


def _tag(count: int, material: int) -> np.ndarray:
    return np.full((count, 1), material, np.float32)


def _rim(cut: Cut, points: np.ndarray, out: np.ndarray, wide: float) -> list[Mesh]:
    """Return the rim of one lens, if it has any."""
    kind, count = cut.outline.kind, len(points)
    upper = np.clip(0.5 - 1.4 * (points[:, 1] - cut.outline.low) / cut.outline.half_height, 0, 1)
    width = wide * (1 + cut.outline.heavy * (2 * upper - 1))
    deep, power, tag = 1.4 + 0.35 * wide, 3.0, _tag(count, RIM)
    if kind == "wire":
        width, deep, power = np.full(count, wide), wide, 2.0
        tag = _tag(count, METAL)
    elif kind in ("brow", "half"):
        thin = 0.9 if kind == "brow" else 0.35
        width = thin + (wide - thin) * np.clip(2.2 * upper - 0.9, 0, 1)
        deep = 1.0 + 0.3 * wide
        low = METAL if kind == "brow" else CLEAR
        tag = np.where(upper > 0.55, RIM if kind == "brow" else METAL, low)[:, None]
    elif kind == "none":
        width, deep, power, tag = np.full(count, 0.7), 0.9, 2.0, _tag(count, CLEAR)
    middle = _on_front(cut, points + out * (width / 2)[:, None])
    side = np.concatenate([out, np.zeros((count, 1))], axis=1)
    half = np.stack([width / 2, np.broadcast_to(deep / 2, count)], -1)
    return [sweep(middle, side, half, tag, corners=8, power=power, closed=True)]


def _bridges(cut: Cut, right: np.ndarray, wide: float) -> list[Mesh]:
    """Return one bridge or two, between the inner edges of the rims."""
    outline, parts = cut.outline, []
    plastic = outline.kind == "plate"
    heights = [-0.3] if outline.bars == 1 else [-0.05, -0.82]
    for height in heights:
        y = outline.low + height * outline.half_height * cut.size
        left_of = right[right[:, 0] < right[:, 0].mean()]
        inner = float(np.interp(y, *_by_height(left_of))) - 0.3 * wide
        arch = (2.5 if plastic else 4.0) * (0.4 if height < -0.5 else 1.0)
        x = np.linspace(-1, 1, 13)
        flat = np.stack([x * inner, y - arch * (1 - x**2)], -1)
        path = _on_front(cut, flat)
        path[:, 2] -= (1.5 if plastic else 2.5) * (1 - x**2)
        half = 0.75 * wide + 0.6 if plastic else 0.6 * min(wide, 1.8) + 0.45
        ends = 1 + (0.9 if plastic else 0.0) * np.abs(x) ** 3
        halves = np.stack([half * ends, np.full(13, 0.5 * half + 0.5)], -1)
        tag = _tag(13, RIM if plastic else METAL)
        parts.append(sweep(path, np.tile([0.0, -1, 0], (13, 1)), halves, tag, power=2.4))
    return parts


def _by_height(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(points[:, 1])
    return points[order, 1], points[order, 0]


def _temple(cut: Cut, right: np.ndarray, wide: float, sign: int) -> tuple[list, list]:
    """Return the end piece of the front, and the temple that runs back to the ear."""
    outline = cut.outline
    y = outline.low + outline.hinge * outline.half_height * cut.size
    outer = right[right[:, 0] > right[:, 0].mean()]
    edge = float(np.interp(y, *_by_height(outer)))
    plastic = outline.kind in ("plate", "brow")
    reach = 4.5 if plastic else 3.5
    start = _on_front(cut, np.array([edge + 0.3 * wide, y]))
    corner = _on_front(cut, np.array([edge + reach + 0.5 * wide, y])) + (0, 0, 1.5)
    turned = corner + (1.3, 0.3, 9)
    ear = EAR + (0, cut.down * 0.4, 0)
    # Behind the ear, where it bends down, nobody sees it.
    knots = [corner + (0.4, 0, 1.0), turned, 0.5 * turned + 0.5 * ear + (1.0, 0, 0), ear]
    path = smooth_path(np.array(knots) * (sign, 1, 1), 22)
    tall = (0.8 * wide + 1.3) if plastic else 1.35
    thick = 1.6 if plastic else 0.8
    at = np.linspace(0, 1, 22)
    taper = np.interp(at, (0, 0.15, 0.6, 1), (1.0, 1.0, 0.72, 0.8))
    halves = np.stack([tall * taper, thick * np.ones(22)], -1)
    tag = _tag(22, RIM if plastic else METAL)
    up = np.tile([0.0, -1, 0], (22, 1))
    back = [sweep(path, up, halves, tag, corners=8, power=3.0)]
    ends = smooth_path(np.array([start, 0.5 * (start + corner), corner, turned]) * (sign, 1, 1), 8)
    halves = np.stack([np.full(8, tall * 1.05), np.full(8, thick * 1.1)], -1)
    up = np.tile([0.0, -1, 0], (8, 1))
    return [sweep(ends, up, halves, _tag(8, RIM if plastic else METAL), power=3.0)], back


def _pad(cut: Cut, sign: int) -> Mesh:
    """Return a pad on the nose and the wire that holds it."""
    knots = np.array([[14, 0, -12.5], [11, 2, -9.5], [9.6, 5, -9.0], [10.6, 11, -9.5]])
    path = smooth_path((knots + (0, cut.down, -cut.out)) * (sign, 1, 1), 9)
    half = np.interp(np.arange(9), (0, 4, 5, 6, 7, 8), (0.45, 0.45, 1.6, 2.2, 1.8, 0.6))
    tag = np.where(np.arange(9) < 5, METAL, PAD)[:, None]
    side = np.tile([0.3 * sign, 0, -1.0], (9, 1))
    return sweep(path, side, np.stack([half, np.minimum(half, 0.8)], -1), tag)
