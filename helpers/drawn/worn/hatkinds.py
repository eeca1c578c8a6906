"""The kinds of hats: what each is built of, how it sits, what it may be made of.

Each function takes how the hat sits, `bold` in [-1, 1] (how tall, wide or loose it is), and random
numbers in [0, 1) for what differs from one to the next, and returns a `Hat`.
"""

from typing import NamedTuple

import numpy as np

from .hatmesh import (
    ANGLES,
    BAND,
    CROWN,
    EXTRA,
    SKULL,
    Fit,
    Hat,
    ball,
    band,
    bill,
    lathe,
    round_brim,
    superdome,
)
from .mesh import join


class Kind(NamedTuple):
    """A kind of hat.

    Attributes
    ----------
    build : callable
    fit : Fit
        How it sits where nothing else is said.
    cloths : tuple of str
        What it is made of, as `helpers/drawn/cloth.py` names it; the likeliest first.
    """

    build: object
    fit: Fit
    cloths: tuple[str, ...]


def _front(angle: np.ndarray, power: float = 2.0) -> np.ndarray:
    """Return how far angles are to the front, from 0 to 1."""
    return np.maximum(-np.sin(angle), 0) ** power


def _folds(angle, t, r: np.ndarray, size: float):
    """Return soft folds of cloth, in mm, larger to the middle of the height."""
    wave = np.sin(2 * angle + 7 * r[0] + 3 * t) + 0.8 * np.sin(3 * angle + 9 * r[1] - 5 * t)
    wave = wave + 0.6 * np.sin(5 * angle + 20 * r[2] + 9 * t)
    return size * wave * np.sin(np.pi * np.clip(t, 0, 1)) ** 1.4


def cap(fit: Fit, bold: float, r: np.ndarray, back: bool = False) -> Hat:
    height = 94 + 10 * bold + 10 * r[0]
    stiff = 6 + 16 * r[1]

    def bend(x, h, z, angle, t):
        front = _front(angle)
        up = np.sin(np.pi * np.clip(t, 0, 1)) ** 1.2
        z = z - stiff * front * up * 0.6
        h = h + stiff * 0.4 * front * up
        wide = 1 + 0.012 * _folds(angle, t, r[3:], 1.0)
        return x * wide, h, z * wide

    crown = lathe(fit, superdome(height, 2.3 + 0.7 * r[1]), bend)
    top = ball((0, height + 0.5, -1), 6.5, EXTRA, 0.5)
    if back:
        return Hat(join([crown, top]), np.full(ANGLES, 2.0), 0.0)
    length, curl = 68 + 6 * bold + 8 * r[2], 2 + 30 * r[6]
    visor, reach = bill(fit, length, 0.26 + 0.3 * r[7], curl)
    return Hat(join([crown, visor, top]), reach, 0.3 * length)


def backward_cap(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    return cap(fit, bold, r, back=True)


def beanie(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    loose = max(bold, 0) * 40 + 12 * r[0]
    height = 98 + loose * 0.9
    lean = (r[1] - 0.5) * loose * 1.2

    def bend(x, h, z, angle, t):
        wide = (
            1 + 0.022 * _folds(angle, t, r[3:], 0.9 + loose / 20) + 0.002 * loose * t * (1 - t) * 4
        )
        far = np.maximum(t - 0.35, 0)
        return x * wide + lean * far, h - 0.25 * loose * far**2, z * wide + loose * 1.3 * far

    parts = [lathe(fit, superdome(height, 2.35), bend, rows=26)]
    if r[2] < 0.72:
        tall = 34 + 22 * r[7]
        parts.append(band(fit, -2, tall, 6.5 + 2 * r[6], 0.05 * tall / 45))
    if r[8] < 0.22:
        parts.append(ball((lean * 0.6, height + 12, loose * 0.8), 21, EXTRA))
    return Hat(join(parts), np.full(ANGLES, 5.0), 0.0)


def _creased(height: float, top: float, pinch: float, dent: float):
    """Return what bends a crown into that of a fedora: pinched in front, dented along the top."""

    def bend(x, h, z, angle, t):
        up = np.clip((t - 0.25) / 0.5, 0, 1)
        spot = np.exp(-np.square(np.abs(np.abs(angle - 1.5 * np.pi) - 0.75) / 0.4))
        x = x * (1 - pinch * spot * up)
        side = np.square(x / (SKULL[0] * top * 0.62))
        back = np.clip((z + 60) / 120, 0, 1)
        on_top = np.clip((t - 0.6) / 0.25, 0, 1)
        h = h - dent * on_top * np.exp(-2.2 * side) * (0.55 + 0.45 * back)
        h = (
            h
            + 0.06 * height * _front(angle) * up
            - 0.06 * height * np.maximum(np.sin(angle), 0) * up
        )
        return x, h, z

    return bend


def _straight_crown(height: float, top: float, round_: float = 0.08) -> np.ndarray:
    """Return the profile of a crown with a flat top; `round_` is how round its edge is."""
    edge = np.linspace(0, np.pi / 2, 7)
    share = top * (1 - round_) + top * round_ * np.cos(edge)
    high = height * (1 - 1.3 * round_) + height * 1.3 * round_ * np.sin(edge)
    side = np.array([[1, 0], [0.5 + 0.5 * top, height * 0.5]])
    return np.concatenate([side, np.stack([share, high], -1), [[0.3 * top, height], [0, height]]])


def fedora(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    height = 112 + 8 * bold + 8 * (r[0] - 0.5)
    width = np.interp(bold, (-1, 0, 1), (34, 50, 66)) + 6 * r[1]
    crown = lathe(
        fit,
        _straight_crown(height, 0.8, 0.14),
        _creased(height, 0.8, 0.2 + 0.14 * r[2], 18 + 8 * r[3]),
    )
    up, snap = 6 + 14 * r[4], 8 + 14 * r[5]

    def bend(angle, q):
        side, front = np.cos(angle) ** 2, _front(angle, 1.0)
        rear = np.maximum(np.sin(angle), 0)
        return q**1.5 * (up * side + 0.8 * up * rear - snap * front * (0.5 + q))

    brim, reach = round_brim(fit, width, bend)
    ribbon = band(fit, 0, 24 + 16 * r[6], 1.2, 0.05)
    bow = ball((SKULL[0] + fit.pad, 16, -8), 9, BAND, 1.5)
    return Hat(join([crown, brim, ribbon, bow]), reach, snap)


def straw(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    height = 92 + 10 * r[0]
    width = np.interp(bold, (-1, 0, 1), (55, 85, 120)) + 8 * r[1]
    profile = superdome(height, 3.2 + 1.5 * r[2])
    crown = lathe(fit, profile)
    droop, wave = 6 + 26 * r[3], 12 * r[4]

    def bend(angle, q):
        waves = wave * np.sin(2 * angle + 6 * r[5]) + 0.6 * wave * np.sin(3 * angle + 6 * r[6])
        return 4 * q - droop * q**2 + waves * q**2

    brim, reach = round_brim(fit, width, bend, 2.0)
    ribbon = band(fit, 0, 20 + 18 * r[7], 1.2, 0.03)
    return Hat(join([crown, brim, ribbon]), reach, droop)


def bucket(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    height = 84 + 8 * bold + 8 * r[0]
    width = np.interp(bold, (-1, 0, 1), (38, 50, 64))
    crown = lathe(
        fit,
        _straight_crown(height, 0.84 + 0.08 * r[1], 0.1),
        lambda x, h, z, angle, t: (
            x * (1 + 0.012 * _folds(angle, t, r[2:], 1)),
            h,
            z * (1 + 0.012 * _folds(angle, t, r[5:], 1)),
        ),
    )
    slope = 0.55 + 0.4 * r[8]

    def bend(angle, q):
        waves = 0.05 * np.sin(3 * angle + 6 * r[4]) + 0.05 * np.sin(2 * angle + 6 * r[7])
        return -width * q * (slope + waves * q)

    brim, reach = round_brim(fit, width * 0.85, bend)
    return Hat(join([crown, brim]), reach, slope * width)


def beret(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    wide = 1.2 + 0.12 * bold + 0.08 * r[0]
    profile = [[1, 0], [1.0, 9], [1.08, 16], [wide, 27], [wide + 0.03, 36], [wide - 0.05, 46]]
    profile += [[0.9, 58], [0.5, 66], [0, 68]]
    side = (9 + 7 * r[2]) * (1 if r[1] < 0.5 else -1)

    def bend(x, h, z, angle, t):
        free = np.clip(t / 0.25, 0, 1)
        folds = _folds(angle, t, r[3:], 3.5)
        shrink = 1 - 0.1 * free * _front(angle)
        x = x * shrink * (1 + 0.006 * folds) + side * free
        h = h - free * 0.012 * side * x + 0.5 * folds * free
        h = h + 26 * free * np.clip(t / 0.6, 0, 1) * 0.6
        return x, h, z * shrink * (1 + 0.006 * folds) + 8 * free

    crown = lathe(fit, np.array(profile), bend, rows=26)
    hem = band(fit, -1, 9, 1.5, 0.0)
    return Hat(join([crown, hem]), np.full(ANGLES, 3.0), 0.0)


def cloche(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    height = 98 + 8 * r[0]
    crown = lathe(fit, superdome(height, 2.5))
    width = np.interp(bold, (-1, 0, 1), (18, 28, 42)) + 6 * r[1]

    def bend(angle, q):
        lift = 10 * r[2] * np.cos(angle - 6 * r[3])
        return -width * (0.9 * q - 0.25 * q**2) + lift * q**2

    brim, reach = round_brim(fit, width * 0.75, bend)
    ribbon = band(fit, 2, 26 + 14 * r[4], 1.4, 0.05)
    parts = [crown, brim, ribbon]
    if r[5] < 0.5:
        parts.append(ball((SKULL[0] + fit.pad - 4, 22, -30), 13, BAND, 1.0))
    return Hat(join(parts), reach, width * 0.65)


def cowboy(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    height = 122 + 8 * bold
    width = np.interp(bold, (-1, 0, 1), (70, 84, 100))
    crown = lathe(
        fit, _straight_crown(height, 0.82, 0.14), _creased(height, 0.82, 0.26, 24 + 6 * r[0])
    )
    curl = 44 + 26 * r[1]

    def bend(angle, q):
        side = np.cos(angle) ** 4
        return q**1.6 * (curl * side - (14 + 10 * r[2]) * np.sin(angle) ** 2)

    edge = width * (1 - 0.14 * np.sin(2 * np.pi * np.arange(ANGLES) / ANGLES) ** 2)
    brim, reach = round_brim(fit, edge, bend)
    ribbon = band(fit, 0, 14 + 10 * r[3], 1.2, 0.03)
    return Hat(join([crown, brim, ribbon]), reach, 16.0)


def top_hat(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    height = np.interp(bold, (-1, 0, 1), (90, 120, 150))
    crown = lathe(fit, _straight_crown(height, 0.98 + 0.08 * r[0], 0.03))
    curl = 8 + 14 * r[1]

    def bend(angle, q):
        return q**2 * curl * np.cos(angle) ** 2 - 4 * q

    brim, reach = round_brim(fit, 44 + 8 * r[2], bend)
    return Hat(join([crown, brim, band(fit, 0, 30, 1.2)]), reach, 4.0)


def flat_cap(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    wide = 1.12 + 0.08 * bold + 0.05 * r[0]
    profile = [[1, 0], [1.02, 10], [wide, 26], [wide, 36], [0.95, 58], [0.5, 70], [0, 73]]

    def bend(x, h, z, angle, t):
        free = np.clip(t / 0.3, 0, 1)
        folds = 1 + 0.006 * free * _folds(angle, t, r[3:], 3.0)
        # It leans over the visor.
        z = z * folds - 24 * free * _front(angle, 0.7) * np.clip(1.6 - 1.3 * t, 0, 1)
        h = h - 13 * free * _front(angle, 0.7) + 10 * free * np.maximum(np.sin(angle), 0)
        return x * folds, h, z

    crown = lathe(fit, np.array(profile), bend, rows=26)
    visor, reach = bill(fit, 46, 0.34, 8, 1.0)
    return Hat(join([crown, visor]), reach, 16.0)


def fur_hat(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    height = 92 + 20 * r[0] + 10 * bold
    profile = [[1.0, -6], [1.14, 0], [1.2, 25], [1.2, height - 25], [1.05, height - 4], [0, height]]

    def bend(x, h, z, angle, t):
        fuzz = 1 + 0.012 * np.sin(31 * angle + 40 * t) * np.sin(17 * angle - 60 * t)
        return x * fuzz, h, z * fuzz

    return Hat(lathe(fit, np.array(profile), bend), np.full(ANGLES, 18.0), 6.0)


def peaked_cap(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    wide = 1.2 + 0.1 * bold + 0.08 * r[0]
    profile = [
        [1, 0],
        [1, 34],
        [wide, 60],
        [wide + 0.02, 66],
        [wide - 0.05, 74],
        [0.6, 82],
        [0, 84],
    ]
    rise = 14 + 30 * r[1]

    def bend(x, h, z, angle, t):
        free = np.clip((t - 0.2) / 0.3, 0, 1)
        folds = 1 + 0.004 * free * _folds(angle, t, r[3:], 2.0)
        return x * folds, h + rise * free * (_front(angle) - 0.3 * np.maximum(np.sin(angle), 0)), z

    crown = lathe(fit, np.array(profile), bend, rows=26)
    visor, reach = bill(fit, 44 + 10 * r[2], 0.5 + 0.3 * r[6], 14)
    badge = ball((0, 18 + 26 * r[7], -(SKULL[1] + fit.pad + 4)), 9 + 9 * r[8], EXTRA)
    return Hat(join([crown, visor, band(fit, 0, 34, 1.4), badge]), reach, 24.0)


def scarf(fit: Fit, bold: float, r: np.ndarray) -> Hat:
    def bend(x, h, z, angle, t):
        wide = 1 + 0.012 * _folds(angle, t, r[2:], 1.0)
        return x * wide, h, z * wide

    crown = lathe(fit, superdome(92 + 6 * r[0], 2.2), bend)
    return Hat(join([crown, band(fit, -2, 16 + 14 * r[1], 1.6)]), np.full(ANGLES, 3.0), 0.0)


KINDS = {
    "cap": Kind(cap, Fit(3, -42, 0.1), ("twill", "denim", "plain", "felt")),
    "backward cap": Kind(backward_cap, Fit(3, -52, 0.22), ("twill", "denim", "plain")),
    "beanie": Kind(beanie, Fit(4, -47, 0.28), ("knit", "fine knit", "cable")),
    "fedora": Kind(fedora, Fit(4, -49, 0.1), ("felt", "tweed", "straw")),
    "straw": Kind(straw, Fit(5, -49, 0.1), ("straw", "straw", "felt")),
    "bucket": Kind(bucket, Fit(4, -48, 0.13), ("twill", "denim", "plain")),
    "beret": Kind(beret, Fit(3, -54, 0.3), ("felt", "knit")),
    "cloche": Kind(cloche, Fit(5, -44, 0.17), ("felt", "knit", "straw")),
    "cowboy": Kind(cowboy, Fit(4, -48, 0.08), ("felt", "straw")),
    "top hat": Kind(top_hat, Fit(4, -49, 0.1), ("felt", "plain")),
    "flat cap": Kind(flat_cap, Fit(4, -50, 0.18), ("tweed", "plain", "corduroy")),
    "fur hat": Kind(fur_hat, Fit(4, -49, 0.2), ("fur",)),
    "scarf": Kind(scarf, Fit(2, -55, 0.32), ("print", "plain")),
}
# What is only ever taken off: no generator that puts hats on has a style for these.
OTHERS = {"peaked cap": Kind(peaked_cap, Fit(4, -50, 0.12), ("twill", "plain", "felt"))}
EVERY = KINDS | OTHERS
__all__ = ["CROWN", "EVERY", "KINDS", "OTHERS", "Kind"]
