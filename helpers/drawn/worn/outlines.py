"""The outlines of lenses: what makes glasses round, square, aviators or cat's eyes."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Outline(NamedTuple):
    """One kind of glasses; lengths in mm.

    Attributes
    ----------
    half_width, half_height : float
        Of a lens.
    top, bottom : float
        How square the corners are above and below: 2 is round, 4 nearly square.
    taper : float
        By what share it is narrower at the bottom, and wider at the top.
    lift : float
        How far the outer upper corner goes up, as a share of the half height.
    drop : float
        How far the lower part goes outwards, and leaves room for the nose: a drop of water.
    bridge : float
        Between the lenses.
    hinge : float
        How high the temples begin: -1 at the top of the lens, 1 at its bottom.
    low : float
        How far the middle of the lens is below that of the pupil.
    rim : tuple of float
        How wide the rim is at its thinnest and thickest: a wire, or a bold frame.
    heavy : float
        By what share the rim is thicker above than below.
    wrap : float
        How far the outer edge is behind the bridge, in mm.
    kind : str
        "plate" of plastic, "wire" of metal, "brow" of both, "half" with a rim above alone, "none".
    bars : int
        Bridges: 2 for an aviator's.
    """

    half_width: float
    half_height: float
    top: float
    bottom: float
    taper: float = 0.0
    lift: float = 0.0
    drop: float = 0.0
    bridge: float = 18.0
    hinge: float = -0.45
    low: float = 3.0
    rim: tuple[float, float] = (1.9, 4.8)
    heavy: float = 0.35
    wrap: float = 6.0
    kind: str = "plate"
    bars: int = 1


OUTLINES = {
    "rectangle": Outline(26.5, 14.5, 4.2, 3.8, 0.03, 0.03, bridge=17, low=3.5),
    "square": Outline(26, 17.5, 4.0, 3.2, 0.06, 0.05, bridge=18),
    "round": Outline(22.5, 20.5, 2.15, 2.1, 0.0, 0.0, bridge=20, hinge=-0.3, low=4),
    "oval": Outline(
        25, 16.5, 2.3, 2.3, 0.02, 0.03, bridge=18, hinge=-0.25, kind="wire", rim=(1.3, 3.0)
    ),
    "wayfarer": Outline(
        26, 18.5, 3.8, 2.7, 0.11, 0.13, bridge=18, hinge=-0.65, rim=(3.2, 6), heavy=0.45
    ),
    "cat-eye": Outline(27, 17.5, 3.0, 2.4, 0.07, 0.36, bridge=17, hinge=-0.8, rim=(2.1, 5)),
    "aviator": Outline(
        28.5, 22.5, 3.0, 2.25, 0.06, 0.02, 0.16, 15, -0.55, 6, (1.1, 2.4), 0.0, 9, "wire", 2
    ),
    "browline": Outline(
        25, 18, 3.6, 2.4, 0.06, 0.08, bridge=19, hinge=-0.65, rim=(2.6, 5.5), kind="brow"
    ),
    "rimless": Outline(25.5, 16.5, 3.4, 3.0, 0.03, 0.02, bridge=18, hinge=-0.35, kind="none"),
    "half-rim": Outline(
        26.5, 15.5, 3.8, 2.9, 0.05, 0.04, bridge=17, low=3.5, kind="half", rim=(1.3, 3.2)
    ),
    "oversized": Outline(
        29.5, 23, 2.9, 2.5, 0.03, 0.05, bridge=16, hinge=-0.5, low=6, rim=(2, 4.5), wrap=9
    ),
    "thin": Outline(
        25.5, 17.5, 3.2, 2.8, 0.04, 0.03, bridge=18, hinge=-0.35, kind="wire", rim=(1.0, 2.2)
    ),
    "sport": Outline(
        32, 16.5, 2.9, 2.3, 0.02, 0.12, 0.05, 13, -0.2, 3, (1.2, 3.2), 0.2, 22, "plate"
    ),
}


@lru_cache(maxsize=256)
def lens_curve(outline: Outline, count: int = 56) -> np.ndarray:
    """Return the edge of the right lens (count, 2) around its middle, clockwise as seen, in mm."""
    angle = 2 * np.pi * np.arange(8 * count) / (8 * count)
    cos, sin = np.cos(angle), np.sin(angle)
    power = np.where(sin < 0, outline.top, outline.bottom)
    u, v = (np.sign(way) * np.abs(way) ** (2 / power) for way in (cos, sin))
    x = u * (1 - outline.taper * v) + outline.drop * np.maximum(v, -0.3) * (u < 0.6)
    x += outline.drop * 0.6 * np.maximum(v, 0) * np.maximum(-u, 0)
    y = v - outline.lift * np.maximum(u, 0) ** 2 * np.maximum(0.35 - v, 0) / 1.35
    edge = np.stack([x * outline.half_width, y * outline.half_height], -1)
    edge[:, 1] += outline.lift * outline.half_height * 0.3
    closed = np.concatenate([edge, edge[:1]])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.linspace(0, length[-1], count, endpoint=False)
    return np.stack([np.interp(at, length, closed[:, k]) for k in (0, 1)], -1)
