"""Hair for the drawn faces: strands that fall from the parting, in front of and behind the head."""

import numpy as np

from . import headwear
from .drawing import (
    darken,
    ellipse,
    inside,
    look_up,
    paint,
    ramp,
    shade,
)


def _strands(canvas, hair, window, head):
    """Noise along the strands, zero mean, and the field that numbers them."""
    x, y = canvas.x[window], canvas.y[window]
    drop = np.sqrt(np.maximum(y + head.top + hair.top + 6, 1))
    s = (x - np.float32(hair.parting)) / (drop * 0.16 + 0.2)
    if hair.wave:
        s = s + hair.wave * 1.1 * np.sin(y * 0.16 + hair.phase + 0.05 * x)
    if hair.curl:
        s = s + hair.curl * (1.6 * np.sin(y * 0.55 + x * 0.2) + 1.3 * np.sin(x * 0.6 - y * 0.33))
    fine = look_up(hair.table, s * 12)
    broad = look_up(hair.table, s * 2.3 + 700)
    return 0.55 * fine + 0.65 * broad, s


def _tuck(hair, y):
    """How far the ends of hair that stops at the jaw curl in."""
    return 0.09 * np.maximum(y - (hair.end - 13), 0) ** 1.6


def _paint_hair(canvas, person, window, coverage, noise, dark=1.0) -> None:
    hair, head = person.hair, person.head
    x, y = canvas.x[window], canvas.y[window]
    wide = head.width + hair.sides
    nx = np.clip((x + person.pose.yaw * 12) / wide, -1, 1) * 0.8
    ny = np.clip((y + 16) / (head.top + hair.top - 14), -0.9, 0.25) * 0.85
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.04))
    lit = shade(person.light, nx, ny, nz, (0.2, 0.2, 0.2)) * dark
    # Hair shines in a band across the strands, where the head turns away from the light.
    band = np.exp(-(((ny + 0.52 - 0.25 * person.light.y) / 0.2) ** 2)) * ramp(abs(nx), 0.8, 0.3)
    body = 1 + hair.strands * noise
    body = body + hair.shine * band * (0.8 + 1.1 * noise) * dark
    sheen = 0.05 * hair.shine * np.maximum(band * (0.6 + noise), 0) * dark
    colour = hair.colour[:, None, None] * (lit * np.maximum(body, 0.15)) + sheen
    paint(canvas.image, window, coverage, colour)


def draw_back_hair(canvas, person, hat) -> None:
    """What falls behind the neck and stands out at the sides, drawn before the head."""
    hair, head = person.hair, person.head
    if hair.style in ("bald", "receding", "buzz"):
        return
    window = canvas.window(-60, -64, 60, min(hair.end + 8, 66))
    noise, _ = _strands(canvas, hair, window, head)
    x, y = canvas.x[window] + np.float32(person.pose.yaw * 14), canvas.y[window]
    wide = head.width + hair.sides
    centre = -14.0 if hair.curl < 1.1 else -12.0
    tall = head.top + hair.top + centre
    upper = ellipse(x, y - centre, wide, tall)
    flare = 0.05 * np.maximum(y, 0) if hair.end > 50 else -0.12 * np.maximum(y - 15, 0)
    sides = abs(x) - wide - flare + _tuck(hair, y)
    d = np.where(y < centre, upper, sides)
    if hair.style == "curls":
        d = ellipse(x, y - 8, wide + 2, head.top + hair.top + 6)
    elif hair.style == "afro":
        d = ellipse(x, y + 12, wide, tall)
    d = np.maximum(d, y - hair.end) + (0.8 + 1.2 * hair.curl) * noise
    coverage = inside(d, 2.0)
    if hair.bun:
        bun = ellipse(x + person.pose.yaw * 6, y + head.top + 6, 9, 8) + 0.8 * noise
        coverage = np.maximum(coverage, inside(bun, 1.5))
    if hat is not None:
        coverage = coverage * headwear.below_hat(hat, canvas, window)
    _paint_hair(canvas, person, window, coverage, noise, dark=0.62)


def draw_front_hair(canvas, person, hat) -> None:
    """The cap of hair, its line on the forehead, and what hangs beside the face."""
    hair, head, pose = person.hair, person.head, person.pose
    if hair.style == "bald":
        return
    window = canvas.window(-50, -64, 50, min(hair.end + 4, 66))
    noise, s = _strands(canvas, hair, window, head)
    x, y = canvas.x[window] + np.float32(pose.yaw * 11), canvas.y[window]
    wide, centre = head.width + hair.sides, -14.0
    tall = head.top + hair.top + centre
    outer = ellipse(x, y - centre, wide, tall)
    if hair.style == "afro":
        outer = ellipse(x, y + 12, wide, tall)
    elif hair.end > 20:
        outer = np.where(
            y < centre, outer, abs(x) - wide - 0.04 * np.maximum(y, 0) + _tuck(hair, y)
        )
        if hair.style == "curls":
            outer = ellipse(x, y - 8, wide + 2, head.top + hair.top + 6)
    else:
        outer = np.where(y < centre, outer, abs(x) - wide + 0.10 * np.maximum(y - centre, 0))
    if hair.style == "quiff":
        outer = np.minimum(outer, ellipse(x - hair.parting * 0.4, y + 38, 21, 15 + hair.top * 0.5))
    outer = outer + (0.5 + 1.3 * hair.curl) * noise
    # The opening for the face: the hairline above, the temples beside.
    fx = canvas.x[window] + np.float32(pose.yaw * 5)
    half = head.width - hair.overlap - (0.2 if hair.end < 20 else 0.8)
    line = hair.line
    if hair.fringe is not None:
        line = hair.fringe + 0.004 * fx * fx + 3.2 * look_up(hair.table, s * 1.7 + 300)
    elif hair.style in ("side", "long", "wavy", "bob", "updo", "quiff", "curls"):
        # Strands leave the parting and fall to both sides.
        off = fx - hair.parting
        line = line + hair.sweep * 0.013 * off * off * (0.8 if hair.end > 20 else 0.35)
    elif hair.style == "receding":
        line = line - 3 + 7 * np.exp(-((fx / 7) ** 2)) * 0.5
    side = abs(fx) - half + 0.016 * np.maximum(-y - 6, 0) ** 1.75
    if hair.end > 20:
        side = side - 0.02 * np.maximum(y - 10, 0) ** 1.5
    # The two meet in a rounded corner, the temple.
    r = hair.corner
    above, beside = line - y + r, side + r
    opening = np.sqrt(np.maximum(above, 0) ** 2 + np.maximum(beside, 0) ** 2)
    opening = opening + np.minimum(np.maximum(above, beside), 0) - r
    opening = opening + (1.5 if hair.fringe is not None else 0.9) * noise * (1 + hair.curl)
    soft = 4.5 if hair.style in ("buzz", "receding") else 2.2
    coverage = inside(outer, 1.6) * np.clip(0.5 + opening / soft, 0, 1)
    coverage = coverage * inside(y - hair.end + 3 * noise, 3.5)
    if hair.style in ("buzz", "receding"):
        coverage = coverage * (0.72 + 0.25 * noise)
    if hat is not None:
        coverage = coverage * headwear.below_hat(hat, canvas, window)
    # Hair shades the skin that it hangs over.
    shadow = np.clip(0.5 + (opening + 2.2) / 5, 0, 1) * inside(outer, 2) * inside(y - hair.end, 5)
    if hat is not None:
        shadow = shadow * headwear.below_hat(hat, canvas, window)
    if hair.style not in ("buzz", "receding"):
        darken(canvas.image, window, 0.32 * shadow, (0.85, 1, 1))
    near = 1 - 0.38 * np.exp(-np.maximum(opening, 0) / 3.5)
    _paint_hair(canvas, person, window, np.clip(coverage, 0, 1), noise, dark=near)
