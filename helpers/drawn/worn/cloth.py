"""What hats are made of: textures, from two coordinates in mm, without any picture."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .hatmesh import BAND, BRIM, CROWN, EXTRA, LINING, UNDER
from .light import LUMINANCE


class Cloth(NamedTuple):
    """What a hat is made of.

    Attributes
    ----------
    weave : str
        One of `WEAVES`.
    colour : (3,)
        Albedo of the crown, linear.
    brim : (3,)
        Of brim or bill.
    other : (3,)
        Of ribbon or cuff, button, emblem.
    pattern : str
        "", "stripes", "checks", "blotches", "panel".
    pattern_colour : (3,)
    emblem : int
        0 for none, else which.
    depth : float
        How strong the weave is to be seen; 1 is usual.
    creases : float
        How crumpled it is.
    seed : int
        Which creases.
    """

    weave: str
    colour: np.ndarray
    brim: np.ndarray
    other: np.ndarray
    pattern: str = ""
    pattern_colour: np.ndarray = np.zeros(3)
    emblem: int = 0
    depth: float = 1.0
    creases: float = 0.5
    seed: int = 0


@lru_cache(maxsize=4)
def _table(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (128, 128)).astype(np.float32)


def noise(u: np.ndarray, v: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return smooth noise in [-1, 1] with a feature for each unit of u and v."""
    table = _table(seed)
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    x, y = u - column, v - row
    x, y = x * x * (3 - 2 * x), y * y * (3 - 2 * y)
    at = [table[(row + j) & 127, (column + i) & 127] for j in (0, 1) for i in (0, 1)]
    upper, lower = at[0] + x * (at[1] - at[0]), at[2] + x * (at[3] - at[2])
    return upper + y * (lower - upper)


def _knit(u, v, rib: float, stitch: float):
    ribs = np.abs(np.sin(np.pi * u / rib))
    rows = np.abs(np.sin(np.pi * (v / stitch + 0.35 * np.abs(((u / rib) % 1) - 0.5))))
    return 0.5 + 0.5 * ribs**0.8 + 0.09 * (rows - 0.6) + 0.08 * noise(u / 2, v / 3)


def _cable(u, v):
    rope = np.sin(2 * np.pi * u / 26 + 0.9 * np.sin(2 * np.pi * v / 24))
    return 0.75 + 0.25 * np.abs(rope) ** 0.7 + 0.1 * np.sin(2 * np.pi * v / 4.5 + u)


def _straw(u, v):
    ring = np.abs(np.sin(np.pi * v / 4.4)) ** 0.5
    strands = noise(u / 2.6, np.floor(v / 4.4) * 7.3, 1)
    plait = np.sin(2 * np.pi * (u / 5.2 + 0.5 * np.floor(v / 4.4)))
    return 0.68 + 0.26 * ring + 0.16 * strands + 0.07 * plait + 0.08 * noise(u / 14, v / 14, 2)


def _denim(u, v):
    return 0.95 + 0.12 * np.sin(2 * np.pi * (u + v) / 2.2) + 0.14 * noise(u / 1.6, v / 5, 3)


def _creases(u, v) -> np.ndarray:
    """Return how bright crumpled cloth is, about 1: it slopes to the light here, away there."""
    out = np.ones(u.shape, np.float32)
    for size, much in ((36.0, 0.65), (17.0, 0.75), (9.0, 0.55)):
        x, y = u / size, v / (0.8 * size)
        out += much * (noise(x + 0.22, y - 0.3, 1) - noise(x, y, 1))
    return out


WEAVES = {
    "plain": lambda u, v: 1 + 0.05 * noise(u / 2.5, v / 2.5) + 0.05 * noise(u / 22, v / 22, 1),
    "twill": lambda u, v: 1 + 0.06 * noise(u / 1.5, v / 1.5) + 0.05 * noise(u / 18, v / 18, 1),
    "felt": lambda u, v: 1 + 0.05 * noise(u / 2, v / 2) + 0.07 * noise(u / 11, v / 11, 1),
    "denim": _denim,
    "knit": lambda u, v: _knit(u, v, 9.2, 5.0),
    "fine knit": lambda u, v: 0.12 + 0.9 * _knit(u, v, 5.0, 3.6),
    "cable": _cable,
    "straw": _straw,
    "tweed": lambda u, v: 1 + 0.28 * noise(u / 1.8, v / 1.8) + 0.12 * noise(u / 5, v / 5, 1),
    "corduroy": lambda u, v: 0.85 + 0.18 * np.sin(2 * np.pi * u / 4.2) + 0.05 * noise(u, v),
    "fur": lambda u, v: 1 + 0.4 * noise(u / 2.2, v / 7, 1) + 0.25 * noise(u / 7, v / 16, 2),
    "print": lambda u, v: 1 + 0.05 * noise(u / 2.5, v / 2.5),
}


TEXEL, TEXELS = 0.5, 640  # mm; textures are drawn once, and read from a picture


@lru_cache(maxsize=16)
def _texture(weave: str) -> np.ndarray:
    """Return a picture (TEXELS, TEXELS) of a weave, or of "creases"."""
    v, u = TEXEL * np.mgrid[:TEXELS, :TEXELS].astype(np.float32)
    draw = _creases if weave == "creases" else WEAVES[weave]
    return (draw(u, v) + 0 * u).astype(np.float32)


def _look_up(weave: str, u: np.ndarray, v: np.ndarray, shift: int = 0) -> np.ndarray:
    """Return how bright a weave is at places, in mm; beyond the picture is its mirror image."""
    column = np.abs((u * (1 / TEXEL)).astype(np.int32) + shift) % (2 * TEXELS)
    row = np.abs((v * (1 / TEXEL)).astype(np.int32) + 3 * shift) % (2 * TEXELS)
    column = np.minimum(column, 2 * TEXELS - 1 - column)
    row = np.minimum(row, 2 * TEXELS - 1 - row)
    return _texture(weave).ravel()[row * TEXELS + column]


def _pattern(cloth: Cloth, u, v) -> np.ndarray | None:
    """Return how much of the pattern's colour is where, from 0 to 1."""
    if cloth.pattern == "stripes":
        return (np.sin(2 * np.pi * v / 26) > 0.1).astype(np.float32)
    if cloth.pattern == "checks":
        across, down = (np.sin(2 * np.pi * w / 17) > 0.3 for w in (u, v))
        return 0.5 * (across.astype(np.float32) + down)
    if cloth.pattern == "blotches":
        return (noise(u / 15, v / 15, 2) + 0.5 * noise(u / 7, v / 7, 3) > 0.12).astype(np.float32)
    if cloth.pattern == "panel":  # the front of a cap, and its sides
        around = (u / 88 + np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
        return (np.abs(around) < 1.02).astype(np.float32)
    return None


# Letters as strokes: each runs through points of a grid, 0 to 2 across and 0 to 4 down.
LETTERS = (
    ((0, 4, 1, 0, 2, 4), (0.5, 2.4, 1.5, 2.4)),
    ((0, 0, 0, 4, 1.6, 4, 2, 3, 1.6, 2, 0, 2, 1.6, 2, 2, 1, 1.6, 0, 0, 0),),
    ((2, 0.6, 1.4, 0, 0.6, 0, 0, 0.8, 0, 3.2, 0.6, 4, 1.4, 4, 2, 3.4),),
    ((2, 0, 0, 0, 0, 4, 2, 4), (0, 2, 1.5, 2)),
    ((0, 0, 0, 4), (2, 0, 2, 4), (0, 2, 2, 2)),
    ((0, 0, 0, 4, 2, 4),),
    ((0, 4, 0, 0, 1, 2, 2, 0, 2, 4),),
    ((0, 4, 0, 0, 2, 4, 2, 0),),
    ((2, 0.5, 1, 0, 0, 0.8, 0.4, 1.8, 1.6, 2.2, 2, 3.2, 1, 4, 0, 3.5),),
    ((0, 0, 2, 0), (1, 0, 1, 4)),
    ((0, 0, 1, 2, 2, 0), (1, 2, 1, 4)),
    ((0, 0, 0.8, 4, 1, 2, 1.2, 4, 2, 0),),
)


def _strokes(letter, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how far points are from the strokes of a letter of height 4."""
    away = np.full(x.shape, 9.0, np.float32)
    for stroke in letter:
        points = np.reshape(stroke, (-1, 2))
        for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
            dx, dy = bx - ax, by - ay
            along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
            np.minimum(away, np.hypot(x - ax - along * dx, y - ay - along * dy), out=away)
    return away


def _emblem(number: int, u, v) -> np.ndarray:
    """Return how much of an emblem is where, from 0 to 1: a patch, or letters."""
    rng = np.random.default_rng(number)
    x = ((u / 88 + np.pi / 2 + np.pi) % (2 * np.pi) - np.pi) * 88
    y = rng.uniform(34, 46) - v
    kind, bold = rng.integers(0, 4), rng.uniform(0.28, 0.45)
    cover = np.zeros(x.shape, np.float32)
    near = np.flatnonzero((np.abs(x) < 48) & (np.abs(y) < 30))
    x, y = x[near], y[near]
    if kind == 0:
        wide, tall = rng.uniform(14, 34), rng.uniform(8, 20)
        cover[near] = np.hypot(x / wide, y / tall) < 1
        x, y = x * 1.5, y * 1.5
    count = (rng.integers(2, 6), 1, 2, rng.integers(3, 7))[kind]
    high = (5.0, 11.0, 10.0, rng.uniform(4, 6))[kind]  # half the height of a letter, in mm
    wide = 0.0 if kind == 2 else high * 1.35
    for place in range(count):
        letter = LETTERS[rng.integers(len(LETTERS))]
        middle = (place - (count - 1) / 2) * wide
        away = _strokes(letter, (x - middle) / high * 2 + 1, y / high * 2 + 2)
        ink = np.clip((bold - away) * 4 + 0.5, 0, 1)
        cover[near] = np.abs(cover[near] - ink) if kind == 0 else np.maximum(cover[near], ink)
    return cover


def paint_cloth(cloth: Cloth, u: np.ndarray, v: np.ndarray, part: np.ndarray, kind: str):
    """Return the albedo (n, 3) of points of a hat with these coordinates, in mm, and parts (n,)."""
    body = np.asarray(cloth.colour, np.float32)
    out = np.empty((len(u), 3), np.float32)
    out[:] = body
    share = _pattern(cloth, u, v)
    if share is not None:
        out += share[:, None] * (np.asarray(cloth.pattern_colour, np.float32) - out)
    if cloth.emblem:
        where = _emblem(cloth.emblem, u, v) * (part == CROWN)
        out += where[:, None] * (np.asarray(cloth.other, np.float32) - out)
    band = cloth.brim if kind == "peaked cap" else cloth.other
    for piece, colour in ((BRIM, cloth.brim), (UNDER, cloth.brim), (BAND, band)):
        out[part == piece] = colour
    out[part == LINING] = np.minimum(body, 0.15) * 0.5
    out[part == EXTRA] = cloth.other if kind in ("beanie", "peaked cap") else cloth.brim
    weave = _look_up(cloth.weave, u, v)
    if kind in ("cap", "backward cap"):  # six panels with seams
        seam = np.abs(((u / 88 / (np.pi / 3)) + 0.5) % 1 - 0.5) * 92
        weave = weave - 0.16 * (part == CROWN) * np.clip(1.4 - seam * 0.7, 0, 1)
    if kind in ("cap", "flat cap"):  # rows of stitches along the bill
        row = np.abs((v / 7.5) % 1 - 0.5) * 7.5
        weave = weave - 0.2 * (part == BRIM) * np.clip(1.3 - row, 0, 1)
    plain = part == BAND
    if cloth.weave not in ("knit", "fine knit", "cable"):
        weave = np.where(plain, 1 + 0.04 * np.sin(2 * np.pi * v / 2.5), weave)
    bright = 1 + cloth.depth * (weave - 1)
    if cloth.creases > 0:
        crumpled = _look_up("creases", u, v, cloth.seed % TEXELS) - 1
        bright += np.where(part == CROWN, cloth.creases, 0.4 * cloth.creases) * crumpled
    return out * np.maximum(bright, 0.08)[:, None]


__all__ = ["Cloth", "LUMINANCE", "WEAVES", "noise", "paint_cloth"]
