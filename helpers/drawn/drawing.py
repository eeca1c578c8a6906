"""Brushes for the drawn faces: coordinates, soft shapes, noise, height fields and light.

`portraits.py`, `hair.py`, `eyewear.py` and `headwear.py` draw with these.

Everything works on planes of float32, (height, width) or (3, height, width), because NumPy is
several times faster on whole planes than on interleaved colours. Colours are linear light (the
square of a display value), so that shading and blending behave as they do in a camera; the
square root at the very end brings them back.
"""

from functools import lru_cache
from types import SimpleNamespace

import numpy as np

# Side of the reference frame: all lengths are in pixels of a 128 px picture.
FRAME = 128.0


class Canvas:
    """One picture in the making, with the coordinates of the face on it.

    Attributes
    ----------
    image : float32 (3, size, size)
        Linear light, 0 black, 1 white.
    x, y : float32 (size, size)
        Face coordinates of each pixel centre: the origin between the eyes, x to the right, y
        down, in reference pixels (`FRAME`), turned with the head.
    frame_x, frame_y : float32 (1, size) and (size, 1)
        The same in the frame itself, 0 to 128.
    unit : float
        Width of one pixel in reference pixels.
    """

    def __init__(self, size: int, centre: tuple[float, float], scale: float, roll: float):
        self.size = size
        self.unit = FRAME / size
        centres = ((np.arange(size, dtype=np.float32) + 0.5) * self.unit).astype(np.float32)
        self.frame_x, self.frame_y = centres[None, :], centres[:, None]
        self.centre, self.scale = centre, scale
        self.cos, self.sin = float(np.cos(roll)), float(np.sin(roll))
        dx = (self.frame_x - centre[0]) / scale
        dy = (self.frame_y - centre[1]) / scale
        self.x = dx * self.cos + dy * self.sin
        self.y = dy * self.cos - dx * self.sin
        self.image = np.empty((3, size, size), np.float32)

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """Turn face coordinates into frame coordinates."""
        return (
            self.centre[0] + self.scale * (x * self.cos - y * self.sin),
            self.centre[1] + self.scale * (x * self.sin + y * self.cos),
        )

    def window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        """Rows and columns that hold the box from (x0, y0) to (x1, y1) of face coordinates."""
        fx, fy = self.to_frame((x0 + x1) / 2, (y0 + y1) / 2)
        half_w, half_h = (x1 - x0) / 2 * self.scale, (y1 - y0) / 2 * self.scale
        rx = half_w * self.cos + half_h * abs(self.sin) + 1
        ry = half_h * self.cos + half_w * abs(self.sin) + 1

        def clamp(value: float) -> int:
            return min(max(int(value / self.unit), 0), self.size)

        return slice(clamp(fy - ry), clamp(fy + ry) + 1), slice(clamp(fx - rx), clamp(fx + rx) + 1)

    def around(self, x: float, y: float, rx: float, ry: float):
        """The window of a box around (x, y), and the coordinates in it relative to (x, y)."""
        window = self.window(x - rx, y - ry, x + rx, y + ry)
        return window, self.x[window] - np.float32(x), self.y[window] - np.float32(y)


# ---------------------------------------------------------------- colours and coverage


def linear(red: float, green: float, blue: float) -> np.ndarray:
    """A display colour, 0 to 255 each, as linear light: float32 (3,)."""
    return (np.array([red, green, blue], np.float32) / 255) ** 2


def mix(a, b, share: float):
    """The blend of two values, `share` of it from b."""
    return a + (b - a) * share


def inside(distance: np.ndarray, softness: float) -> np.ndarray:
    """Coverage, 0 to 1, of a shape from signed distances (negative inside)."""
    return np.clip(0.5 - distance / softness, 0, 1)


def ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high` (or down, where `high` is the smaller)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bell(dx: np.ndarray, dy: np.ndarray, rx: float, ry: float) -> np.ndarray:
    """A bump of height 1, like a Gaussian but zero outside the ellipse (rx, ry)."""
    t = np.maximum(1 - (dx * (1 / rx)) ** 2 - (dy * (1 / ry)) ** 2, 0)
    return t * t


def ellipse(dx: np.ndarray, dy: np.ndarray, rx: float, ry: float) -> np.ndarray:
    """Nearly the signed distance to an ellipse, in reference pixels."""
    u, v = dx * (1 / rx), dy * (1 / ry)
    radius = np.sqrt(u * u + v * v) + 1e-6
    return (radius - 1) * radius / (np.sqrt((u / rx) ** 2 + (v / ry) ** 2) + 1e-6)


def paint(layer: np.ndarray, window, coverage: np.ndarray, colour: np.ndarray) -> None:
    """Blend a colour, (3,) or (3, height, width), over a window of a layer, in place."""
    part = layer[(slice(None), *window)]
    if colour.ndim == 1:
        colour = colour[:, None, None]
    part += coverage * (colour - part)


def darken(layer: np.ndarray, window, amount: np.ndarray, tint=(1.0, 1.0, 1.0)) -> None:
    """Multiply a window by 1 - amount * tint: shadows, creases, stains."""
    part = layer[(slice(None), *window)]
    part *= 1 - amount * np.asarray(tint, np.float32)[:, None, None]


def curve(start, bend, end, pieces: int = 6) -> np.ndarray:
    """Points on a quadratic Bezier curve: (pieces + 1, 2)."""
    t = np.linspace(0, 1, pieces + 1, dtype=np.float32)[:, None]
    start, bend, end = (np.asarray(p, np.float32) for p in (start, bend, end))
    return start * (1 - t) ** 2 + bend * (2 * t * (1 - t)) + end * t**2


def stroke(canvas: Canvas, window, points: np.ndarray):
    """Distance to a polyline in a window, and the share of its length passed there."""
    x, y = canvas.x[window], canvas.y[window]
    best = np.full(x.shape, 1e6, np.float32)
    along = np.zeros(x.shape, np.float32)
    count = len(points) - 1
    for i in range(count):
        (ax, ay), (bx, by) = points[i].tolist(), points[i + 1].tolist()
        ux, uy = bx - ax, by - ay
        px, py = x - ax, y - ay
        t = np.clip((px * ux + py * uy) * (1 / (ux * ux + uy * uy + 1e-9)), 0, 1)
        squared = (px - t * ux) ** 2 + (py - t * uy) ** 2
        nearer = squared < best
        np.copyto(best, squared, where=nearer)
        np.copyto(along, (t + i) * (1 / count), where=nearer)
    return np.sqrt(best), along


def moved(distance: np.ndarray, dx: float, dy: float, unit: float) -> np.ndarray:
    """A field moved by (dx, dy) reference pixels, in fractions of a pixel too."""
    for axis, shift in ((1, dx / unit), (0, dy / unit)):
        whole = int(np.floor(shift))
        share = np.float32(shift - whole)
        near, far = np.roll(distance, whole, axis), np.roll(distance, whole + 1, axis)
        distance = near + share * (far - near)
    return distance


# ---------------------------------------------------------------- noise


@lru_cache(maxsize=64)
def _spline(size: int, cells: int) -> np.ndarray:
    """Cubic B-spline weights that spread `cells` + 3 knots over `size` pixels."""
    position = (np.arange(size) + 0.5) / size * cells
    t = np.abs(position[:, None] + 1 - np.arange(cells + 3)[None, :])
    near = 2 / 3 - t**2 + t**3 / 2
    far = np.clip(2 - t, 0, None) ** 3 / 6
    return np.where(t < 1, near, far).astype(np.float32)


def cloud(rng: np.random.Generator, size: int, rows: int, columns: int) -> np.ndarray:
    """Smooth noise over the frame, about -1 to 1: (size, size), the same at every size."""
    knots = rng.uniform(-1.5, 1.5, (rows + 3, columns + 3)).astype(np.float32)
    return _spline(size, rows) @ knots @ _spline(size, columns).T


TABLE = 2048


def strand_table(rng: np.random.Generator) -> np.ndarray:
    """One line of noise for hair, period 2048, zero mean: locks, strands and single hairs."""
    line = np.zeros(TABLE, np.float32)
    for knots, strength in ((128, 0.5), (512, 0.55), (2048, 0.45)):
        values = rng.uniform(-1, 1, knots)
        line += strength * np.interp(np.arange(TABLE), np.arange(knots) * (TABLE // knots), values)
    return line


def look_up(table: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Read a periodic table at fractional positions."""
    floor = np.floor(position)
    index = floor.astype(np.int32) & (TABLE - 1)
    low = table.take(index)
    return low + (position - floor) * (table.take((index + 1) & (TABLE - 1)) - low)


# ---------------------------------------------------------------- light


def normals(height: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit normals (x right, y down, z to the viewer) of a height field."""
    gx, gy = np.empty_like(height), np.empty_like(height)
    gx[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * (-0.5 / unit)
    gx[:, 0], gx[:, -1] = gx[:, 1], gx[:, -2]
    gy[1:-1] = (height[2:] - height[:-2]) * (-0.5 / unit)
    gy[0], gy[-1] = gy[1], gy[-2]
    nz = 1 / np.sqrt(1 + gx * gx + gy * gy)
    return gx * nz, gy * nz, nz


def shade(light: SimpleNamespace, nx, ny, nz, wrap=(0.3, 0.3, 0.3)) -> np.ndarray:
    """Light that reaches a surface: (3, height, width).

    `wrap` lets light creep past the edge of the shadow, per colour: skin scatters red furthest.
    """
    facing = np.atleast_2d(nx * light.x + ny * light.y + nz * light.z)
    sky = np.atleast_2d(0.72 - 0.28 * ny)
    planes = []
    for channel in range(3):
        w = wrap[channel]
        key = np.maximum(facing + w, 0) * (light.key[channel] / (1 + w))
        planes.append(key + sky * light.fill[channel])
    return np.stack(planes)


def gloss(light: SimpleNamespace, nx, ny, nz) -> np.ndarray:
    """Mirror-like highlight, 0 to 1: the half vector's cosine to the power 16."""
    shine = np.maximum(nx * light.half[0] + ny * light.half[1] + nz * light.half[2], 0)
    for _ in range(4):
        shine = shine * shine
    return shine
