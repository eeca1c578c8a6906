"""Hats as meshes: crowns and brims around a head.

A hat has coordinates of its own, in mm: x to the right, h up from the plane of its opening, z to
the back, the origin in the middle of the opening. `angle` goes round: 0 is the right, then the
back, the left, and the front at -90 degrees. So a crown is a grid of heights by angles, a brim one
of widths by angles, and every kind is a few lines that bend these.
"""

from typing import NamedTuple

import numpy as np

from .mesh import Mesh, grid_mesh, join

CROWN, BRIM, UNDER, BAND, EXTRA, LINING = range(6)  # parts, as the meshes' `more` has them
SKULL = (75.0, 98.0)  # mm; half width and half length of a head where hats sit
MIDDLE = 88.0  # mm; z of the middle of a hat
ANGLES = 64


class Fit(NamedTuple):
    """How a hat sits on a head.

    Attributes
    ----------
    pad : float
        mm of hair and cloth between skull and opening.
    front : float
        y of its edge on the forehead, in head coordinates; the eyes are at 0.
    tilt : float
        Radians that the opening falls to the back.
    lean : float
        Radians that it leans to the right of the picture.
    turn : float
        Radians that it is turned on the head.
    """

    pad: float = 8.0
    front: float = -50.0
    tilt: float = 0.2
    lean: float = 0.0
    turn: float = 0.0


class Hat(NamedTuple):
    """A hat, in its own coordinates.

    Attributes
    ----------
    mesh : Mesh
        `more` has: texture coordinates u and v in mm, part, how open it lies to the light.
    brim : float (ANGLES,)
        How far its edge is out, in mm, by angle.
    droop : float
        How far the front of the brim is below the opening, in mm.
    """

    mesh: Mesh
    brim: np.ndarray
    droop: float


def _angles(count: int = ANGLES) -> np.ndarray:
    # From the back, where texture coordinates meet and nobody looks.
    return np.pi / 2 + 2 * np.pi * np.arange(count) / count


def _ring(fit: Fit, angle: np.ndarray, share, out=0.0):
    """Return x and z of points round the opening, `share` of the way out, and `out` mm further."""
    half_x, half_z = SKULL[0] + fit.pad, SKULL[1] + fit.pad
    cos, sin = np.cos(angle), np.sin(angle)
    # A little squarer than an ellipse, as heads are.
    bulge = (np.abs(cos) ** 2.3 + np.abs(sin) ** 2.3) ** (-1 / 2.3)
    return (half_x * share + out) * cos * bulge, (half_z * share + out) * sin * bulge


def _grid(x, h, z, u, v, part: int, open_: np.ndarray | float, **kwargs) -> Mesh:
    """Return the mesh of a grid in a hat's coordinates."""
    x, h, z, u, v, open_ = np.broadcast_arrays(x, h, z, u, v, open_)
    more = np.stack([u, v, np.full(x.shape, float(part)), open_], -1)
    return grid_mesh(np.stack([x, -h, z], -1), more, **kwargs)


def lathe(fit: Fit, profile: np.ndarray, bend=None, part: int = CROWN, rows: int = 22) -> Mesh:
    """Return a crown.

    Parameters
    ----------
    profile : (n, 2)
        From the opening to the top: what share of the opening it is wide, how high in mm.
    bend : callable or None
        From x, h, z, angle, t (0 at the opening, 1 at the top) to x, h, z.
    """
    profile = np.asarray(profile, np.float64)
    length = np.concatenate(
        [[0], np.cumsum(np.hypot(85 * np.diff(profile[:, 0]), np.diff(profile[:, 1])))]
    )
    t = np.linspace(0, 1, rows)[:, None]
    share, height = (np.interp(t * length[-1], length, profile[:, k]) for k in (0, 1))
    angle = _angles()[None]
    x, z = _ring(fit, angle, share)
    h = height * np.ones_like(angle)
    if bend:
        x, h, z = bend(x, h, z, angle, t)
    u, v = 88 * angle * np.ones_like(t), t * length[-1] * np.ones_like(angle)
    mesh = _grid(x, h, z, u, v, part, np.clip(0.55 + 0.03 * v, 0, 1))
    mesh.normals[-ANGLES:] = (0, -1, 0)  # the top is one point
    # Where it stands off the head one sees its inside, at the back.
    low = [np.broadcast_to(row, x.shape)[: rows // 2] for row in (x, h, z, u, v)]
    return join([mesh, _grid(*low, LINING, 0.3, flip=True)])


def superdome(height: float, power: float = 2.4, base: float = 0.0, count: int = 24) -> np.ndarray:
    """Return the profile of a dome: the higher the power, the steeper its sides."""
    t = np.linspace(0, np.pi / 2, count)
    share, up = np.cos(t) ** (2 / power), np.sin(t) ** (2 / power)
    return np.stack([share, base + (height - base) * up], -1)


def round_brim(fit: Fit, width, bend, thick: float = 1.6, rows: int = 9) -> tuple[Mesh, np.ndarray]:
    """Return a brim, its upper and under side, and how far out its edge is (ANGLES,).

    Parameters
    ----------
    width : (ANGLES,) or float
        In mm.
    bend : callable
        From angle and q (0 at the crown, 1 at the edge) to the height, in mm.
    """
    angle = _angles()[None]
    width = np.broadcast_to(width, ANGLES)[None]
    q = np.linspace(0, 1, rows)[:, None]
    x, z = _ring(fit, angle, 1.0, q * width - 1.5)
    h = bend(angle, q) * np.ones_like(x)
    u, v = 88 * angle * np.ones_like(q), q * width
    top = _grid(x, h + thick, z, u, v, BRIM, 0.62 + 0.38 * q, flip=True)
    under = _grid(x, h, z, u, v, UNDER, 0.4 + 0.4 * q)
    edge_x, edge_z = x[-1:], z[-1:]
    edge = _grid(
        np.concatenate([edge_x, edge_x]),
        np.concatenate([h[-1:] + thick, h[-1:]]),
        np.concatenate([edge_z, edge_z]),
        np.concatenate([u[-1:], u[-1:]]),
        np.concatenate([v[-1:], v[-1:] + 2]),
        BRIM,
        0.85,
        flip=True,
    )
    return join([top, under, edge]), width[0].copy()


def band(fit: Fit, low: float, high: float, out: float, taper: float = 0.0, part=BAND) -> Mesh:
    """Return a ribbon or a cuff round the crown, from one height to another, `out` mm off it."""
    t = np.linspace(0, 1, 7)[:, None]
    angle = _angles()[None]
    # Rounded at both edges.
    off = out * np.minimum(1, 1.6 * np.sqrt(np.maximum(np.sin(np.pi * t), 0))) + 0.0 * t
    x, z = _ring(fit, angle, 1 - taper * t, off)
    h = low + (high - low) * t
    u, v = 88 * angle * np.ones_like(t), h * np.ones_like(angle)
    return _grid(x, h, z, u, v, part, np.clip(0.75 + 0.25 * t, 0, 1))


def bill(
    fit: Fit, length: float, slope: float, curl: float, half: float = 1.15, thick: float = 2.2
):
    """Return the bill of a cap, and how far out its edge is (ANGLES,).

    Parameters
    ----------
    length : float
        mm at the middle.
    slope, curl : float
        How it falls to the front, as a share of the way; how far its sides are lower, in mm.
    half : float
        Radians to each side of the front.
    """
    s = np.linspace(-1, 1, 25)[None]
    q = np.linspace(0, 1, 9)[:, None]
    angle = -np.pi / 2 + s * half
    x, z = _ring(fit, angle, 1.0, -1.0)
    out = length * np.maximum(1 - np.abs(s) ** 2.6, 0) ** 0.62
    # Straight to the front, a little to the sides.
    x, z = x * (1 + 0.06 * q * np.ones_like(s)), z - q * out
    side = (np.abs(x) / (SKULL[0] + fit.pad)) ** 2
    h = 3 - slope * q * out - curl * side * (0.35 + 0.65 * q) + 0.25 * curl * (1 - side) * q
    u, v = x, q * out
    top = _grid(x, h + thick, z, u, v, BRIM, 0.6 + 0.4 * q**0.6, around=False, flip=True)
    under = _grid(x, h, z, u, v, UNDER, 0.4 + 0.35 * q, around=False)
    last = [np.concatenate([row[-1:], row[-1:]]) for row in (x, z, u, v)]
    rim = np.concatenate([h[-1:] + thick, h[-1:]])
    edge = _grid(last[0], rim, last[1], last[2], last[3], BRIM, 0.9, around=False, flip=True)
    reach = np.interp(_signed(_angles() + np.pi / 2), angle[0] + np.pi / 2, out[0], 4, 4)
    return join([top, under, edge]), reach


def _signed(angle: np.ndarray) -> np.ndarray:
    """Return angles within half a turn of 0."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def ball(place, radius: float, part: int = EXTRA, squash: float = 1.0) -> Mesh:
    """Return a ball at x, h, z: a button, a bobble."""
    polar = np.linspace(0.02, np.pi, 9)[:, None]
    angle = _angles(16)[None]
    x, z = np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle)
    h = np.cos(polar) * squash * np.ones_like(angle)
    u, v = 2 * radius * angle * np.ones_like(polar), radius * polar * np.ones_like(angle)
    x, h, z = place[0] + radius * x, place[1] + radius * h, place[2] + radius * z
    return _grid(x, h, z, u, v, part, 0.75 + 0.25 * np.cos(polar), flip=True)


def placement(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotation (3, 3) and the origin (3,) that take a hat to head coordinates."""
    cos, sin = np.cos(fit.tilt), np.sin(fit.tilt)
    tilt = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    cos, sin = np.cos(fit.lean), np.sin(fit.lean)
    lean = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    cos, sin = np.cos(fit.turn), np.sin(fit.turn)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    rotation = lean @ tilt @ turn
    reach = SKULL[1] + fit.pad
    # The front edge stays where it should, however much the opening falls to the back.
    origin = np.array([0.0, fit.front + reach * np.sin(fit.tilt), MIDDLE])
    return rotation, origin
