"""Hats for the drawn faces (`faces.py`)."""

from types import SimpleNamespace

import numpy as np

from .drawing import (
    bell,
    darken,
    ellipse,
    inside,
    linear,
    mix,
    paint,
    ramp,
    shade,
)

HATS = ("beanie", "cap", "fedora", "straw", "cowboy", "beret", "headscarf", "bucket")


def roll_hat(rng, person, kind: str | None = None) -> SimpleNamespace:
    """Choose a person's hat, of one of the `HATS` if a kind is given."""
    rolled = str(rng.choice(HATS, p=[0.18, 0.18, 0.15, 0.12, 0.09, 0.1, 0.09, 0.09]))
    kind = kind or rolled
    colours = {
        "fedora": [(60, 54, 50), (110, 84, 60), (36, 36, 42), (130, 126, 120), (88, 40, 40)],
        "straw": [(222, 196, 140), (206, 172, 110), (236, 222, 190)],
        "cowboy": [(110, 72, 44), (170, 130, 88), (48, 40, 36), (224, 210, 184)],
    }
    bright = [(40, 44, 56), (150, 40, 44), (46, 80, 130), (60, 100, 76), (190, 150, 60)]
    bright += [(120, 120, 124), (228, 222, 210), (110, 60, 110), (28, 28, 30), (214, 120, 130)]
    choice = colours.get(kind, bright)
    colour = np.array(choice[rng.integers(len(choice))], np.float32) * rng.normal(1, 0.06)
    other = np.array(bright[rng.integers(len(bright))], np.float32)
    head, pose = person.head, person.pose
    low = {"beanie": -21, "cap": -20, "beret": -26, "headscarf": -26, "bucket": -21}.get(kind, -23)
    sides = {"beanie": 12, "beret": 8, "headscarf": 16, "cap": 5, "bucket": 4}.get(kind, 4)
    room = {"beanie": 2.2, "beret": 2.0, "headscarf": 1.6, "cap": 2.0}.get(kind, 2.0)
    return SimpleNamespace(
        kind=kind,
        colour=linear(*np.clip(colour, 12, 246)),
        other=linear(*other),
        y=float(min(low + rng.normal(0, 1.0) - pose.pitch * 9, -20.5)),
        sides=float(sides),
        half=float(head.width + room),
        x=float(-pose.yaw * 10),
        tall=float(rng.uniform(0.92, 1.1)),
        brim=float(rng.uniform(0.9, 1.15)),
        tilt=float(rng.normal(0, 0.03)),
        pattern=int(rng.integers(4)),
        lean=1 if rng.random() < 0.5 else -1,
        phase=float(rng.uniform(0, 6)),
        pompom=bool(rng.random() < 0.4),
        brim_half=float({"fedora": 39, "straw": 50, "cowboy": 50, "bucket": 37}.get(kind, 0)),
        curl={"cowboy": -13.0, "fedora": 3.5, "straw": 5.0}.get(kind, 0.0),
    )


def _local(hat, canvas, window):
    """Coordinates of the hat: x from its middle, y up-down with its tilt taken out."""
    x = canvas.x[window] - np.float32(hat.x)
    return x, canvas.y[window] - np.float32(hat.y) - np.float32(hat.tilt) * x


def rim(hat, x):
    """The line where the hat meets the head, relative to its height at the forehead."""
    return hat.sides * (x * (1 / hat.half)) ** 2


def below_hat(hat, canvas, window):
    """1 where hair may show: below the hat, and pressed flat just below it."""
    x, y = _local(hat, canvas, window)
    down = y - rim(hat, np.clip(x, -hat.half, hat.half))
    pressed = abs(x) - (hat.half - 0.8 + 0.55 * np.maximum(down, 0))
    return inside(-down, 1.5) * inside(pressed, 3.0)


def draw_hat_behind(canvas, person, hat) -> None:
    """The far part of a brim, which the head hides."""
    if not hat.brim_half or hat.kind == "bucket":
        return
    half = hat.brim_half * hat.brim
    window = canvas.window(hat.x - half - 2, hat.y - 14, hat.x + half + 2, hat.y + 16)
    x, y = _local(hat, canvas, window)
    curl = _curl(hat, x, half)
    d = ellipse(x, y - 2 - curl, half, 6.5)
    paint(canvas.image, window, inside(d, 1.2), hat.colour * np.float32(0.4))


def _curl(hat, x, half):
    """How far a brim bends up (negative) or down at its sides."""
    t2 = (x * (1 / half)) ** 2
    return hat.curl * t2


def draw_hat(canvas, person, hat) -> None:
    """A hat on the head: shadow on the forehead, crown, band, brim."""
    {
        "beanie": _beanie,
        "cap": _cap,
        "fedora": _brimmed,
        "straw": _brimmed,
        "cowboy": _brimmed,
        "beret": _beret,
        "headscarf": _headscarf,
        "bucket": _bucket,
    }[hat.kind](canvas, person, hat)


def _shadow(canvas, hat, distance_below, window, reach, strength, light):
    """Darken the head below an edge, over `reach`, further on the side away from the light."""
    x, _ = _local(hat, canvas, window)
    amount = ramp(distance_below, reach, 0) * (distance_below > -2)
    amount = amount * inside(abs(x + light.x * 2) - hat.half + 2.5, 5)
    darken(canvas.image, window, strength * amount, (0.88, 1, 1))


def _dome(hat, x, y, tall):
    """Signed distance to the crown above the edge, and its normals."""
    edge = rim(hat, x)
    d = np.where(y < 0, ellipse(x, y, hat.half, tall), abs(x) - hat.half)
    d = np.maximum(d, y - edge)
    nx = np.clip(x / hat.half, -0.97, 0.97)
    ny = np.clip((y - 2) / tall, -0.97, 0.1)
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.03))
    return d, edge, nx, ny, nz


def _lit(light, hat, nx, ny, nz, colour=None):
    colour = hat.colour if colour is None else colour
    return colour[:, None, None] * shade(light, nx, ny, nz, (0.15, 0.15, 0.15))


def _beanie(canvas, person, hat) -> None:
    window = canvas.window(hat.x - 40, -66, hat.x + 40, hat.y + 24)
    x, y = _local(hat, canvas, window)
    tall = (person.head.top + hat.y + 6) * hat.tall
    d, edge, nx, ny, nz = _dome(hat, x, y, tall)
    _shadow(canvas, hat, y - edge, window, 6, 0.3, person.light)
    if hat.pompom:
        ball = ellipse(x - 2 * hat.lean, y + tall + 4, 8, 7.5)
        fuzz = 0.8 * np.sin(x * 2.3 + hat.phase) * np.sin(y * 2.1)
        paint(
            canvas.image,
            window,
            inside(ball + fuzz, 1.4),
            _lit(person.light, hat, x * 0.05, (y + tall + 4) * 0.08, np.float32(0.8), hat.other)
            * (1 + 0.25 * fuzz),
        )
    longitude = np.arcsin(np.clip(nx / np.sqrt(np.maximum(1 - ny * ny, 0.06)), -1, 1))
    ribs = 1 + 0.16 * np.sin(longitude * 26 + hat.phase)
    colour = _lit(person.light, hat, nx, ny, nz) * ribs
    if hat.pattern == 1:
        stripe = ramp(abs(y + tall * 0.45 - 0.3 * edge) - 2.5, 0.6, -0.6)
        colour = mix(colour, _lit(person.light, hat, nx, ny, nz, hat.other) * ribs, stripe)
    paint(canvas.image, window, inside(d, 1.2), colour)
    # The turned-up cuff.
    cuff = np.maximum(edge - y - 9.0, y - edge)
    cuff = np.maximum(cuff, abs(x) - hat.half - 1.0)
    darken(canvas.image, window, 0.35 * ramp(cuff, 2, 0) * inside(d, 1.2))
    ribs = 1 + 0.2 * np.sin(np.arcsin(np.clip(x / (hat.half + 1.2), -1, 1)) * 30)
    around = np.clip((y - edge + 4.5) / 7, -0.6, 0.6)
    nx = np.clip(x / (hat.half + 1.5), -0.95, 0.95)
    tone = hat.other if hat.pattern == 2 else hat.colour
    cuff_colour = _lit(
        person.light, hat, nx, around, np.sqrt(np.maximum(1 - nx * nx - around**2, 0.05)), tone
    )
    paint(canvas.image, window, inside(cuff, 1.2), cuff_colour * ribs)


def _cap(canvas, person, hat) -> None:
    light = person.light
    window = canvas.window(hat.x - 42, -66, hat.x + 42, hat.y + 24)
    x, y = _local(hat, canvas, window)
    tall = (person.head.top + hat.y + 5) * hat.tall
    d, edge, nx, ny, nz = _dome(hat, x, y, tall)
    # The visor points at the viewer: a sickle below the crown's edge, moved by the turn.
    vx = x - np.float32(person.pose.yaw * 16)
    half = (hat.half + 1.5) * min(hat.brim, 1.0)
    t2 = np.clip((vx / half) ** 2, 0, 1.4)
    low = 6.5 - 6 * person.pose.pitch - 7 * t2 + 6 * t2**2
    top = -6.0 + 9.0 * t2
    visor = np.maximum(np.maximum(y - low, top - y), abs(vx) - half)
    _shadow(canvas, hat, y - np.maximum(low, edge), window, 8, 0.28, light)
    panel = hat.half * 0.62 * np.sqrt(np.clip(1 - (y / tall) ** 2, 0.02, 1))
    seams = 1 - 0.22 * np.exp(-((x / 0.7) ** 2))
    for s in (-1, 1):
        seams = seams * (1 - 0.18 * np.exp(-(((x - s * panel) / 0.7) ** 2)))
    colour = _lit(light, hat, nx, ny, nz)
    if hat.pattern in (1, 3):
        front = ramp(abs(x) - panel, 0.6, -0.6)
        colour = mix(colour, _lit(light, hat, nx, ny, nz, hat.other), front)
    paint(canvas.image, window, inside(d, 1.2), colour * seams)
    button = ellipse(x, y + tall - 0.3, 2.4, 1.4)
    paint(canvas.image, window, inside(button, 1), hat.colour * np.float32(0.7))
    if hat.pattern != 2:
        _badge(canvas, hat, window, x, y, tall)
    darken(
        canvas.image,
        window,
        0.45 * ramp(abs(y - top), 2.2, 0) * inside(abs(vx) - half, 2) * inside(d, 1.2),
    )
    vnx = np.clip(vx / half, -1, 1) * 0.5
    tone = hat.other if hat.pattern == 1 else hat.colour
    bright = _lit(light, hat, vnx, np.float32(-0.5), np.sqrt(0.75 - vnx * vnx), tone)
    stitch = 1 - 0.1 * np.sin((y - low) * 2.2) ** 2
    lip = 1 - 0.45 * ramp(low - y, 1.8, 0)
    paint(canvas.image, window, inside(visor, 1.2), bright * (stitch * lip))


def _badge(canvas, hat, window, x, y, tall) -> None:
    """A sewn-on mark that is no letter of any club: bars, a disc or a diamond."""
    cy = y + tall * 0.42
    if hat.pattern == 0:
        d = np.maximum(abs(abs(abs(x) - 1.8) - 1.8) - 0.7, abs(cy) - 4)
    elif hat.pattern == 1:
        d = ellipse(x, cy, 4.2, 4.0)
    else:
        d = (abs(x) + abs(cy)) * 0.7 - 3.2
    contrast = (
        np.float32([0.85, 0.83, 0.78])
        if hat.colour.mean() < 0.25
        else np.float32([0.06, 0.06, 0.09])
    )
    paint(canvas.image, window, 0.9 * inside(d, 1.0), contrast * np.float32(0.8))


def _brimmed(canvas, person, hat) -> None:
    light = person.light
    half = hat.brim_half * hat.brim
    window = canvas.window(hat.x - half - 3, -66, hat.x + half + 3, hat.y + 26)
    x, y = _local(hat, canvas, window)
    tall = (person.head.top + hat.y + 13) * hat.tall
    curl = _curl(hat, x, half)
    # The front of the brim hangs below the edge of the crown, the lower the more it faces us.
    dip = 5.0 - 9 * person.pose.pitch
    t2 = np.clip((x / half) ** 2, 0, 1)
    low = curl + np.sqrt(1 - t2) * dip
    top = curl - np.sqrt(1 - t2) * 4.5
    _shadow(canvas, hat, y - low, window, 9, 0.28, light)
    # Crown: straight sides that lean in, a dent in the middle of the top.
    narrow = hat.half * (1 - 0.2 * np.clip(-y / tall, 0, 1) ** 1.3)
    dent = {"straw": -1.0, "fedora": 3.0, "cowboy": 4.5}[hat.kind] * np.exp(-((x / 8) ** 2))
    round_ = 9.0 * np.clip(abs(x) / narrow, 0, 1) ** 4
    d = np.maximum(abs(x) - narrow, -tall + dent + round_ - y)
    d = np.maximum(d, y - 2)
    nx = np.clip(x / narrow, -0.95, 0.95)
    ny = np.clip(-0.9 + (y + tall) / 14, -0.8, 0.0)
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.05))
    weave = 1.0
    if hat.kind == "straw":
        weave = 1 + 0.12 * np.sin(x * 2.0) * np.sin(y * 2.0) + 0.06 * np.sin(y * 1.1)
    fold = 1 - 0.3 * np.exp(-(((abs(x) - 9) / 3) ** 2)) * ramp(y, -tall * 0.45, -tall) * (
        hat.kind != "straw"
    )
    paint(canvas.image, window, inside(d, 1.2), _lit(light, hat, nx, ny, nz) * (weave * fold))
    band = np.maximum(np.maximum(abs(x) - narrow - 0.2, -9.5 - y), y - 2)
    ribbon = mix(hat.other, hat.colour * np.float32(0.25), 0.5 if hat.kind != "straw" else 0.1)
    paint(
        canvas.image,
        window,
        inside(band, 1.0),
        _lit(light, hat, nx, np.float32(0), np.sqrt(1 - nx * nx), ribbon),
    )
    if hat.kind != "straw":
        knot = np.maximum(abs(x - hat.lean * narrow * 0.8) - 1.8, abs(y + 4) - 4.4)
        paint(canvas.image, window, inside(knot, 1.4), ribbon * np.float32(0.5))
    brim = np.maximum(np.maximum(y - low, top - y), abs(x) - half)
    darken(canvas.image, window, 0.4 * ramp(abs(y - top), 2.5, 0) * inside(d, 1.2))
    bnx = np.clip(x / half, -1, 1) * (0.35 if hat.kind != "cowboy" else -0.35)
    bright = _lit(light, hat, bnx, np.float32(-0.55), np.sqrt(0.7 - bnx * bnx))
    lip = 1 - 0.4 * ramp(low - y, 1.8, 0)
    contact = 1 - 0.35 * inside(abs(x) - hat.half, 6) * ramp(y - top, 4, 0)
    paint(canvas.image, window, inside(brim, 1.2), bright * (lip * contact * weave))


def _beret(canvas, person, hat) -> None:
    light = person.light
    window = canvas.window(hat.x - 50, -66, hat.x + 50, hat.y + 22)
    x, y = _local(hat, canvas, window)
    edge = rim(hat, x)
    _shadow(canvas, hat, y - edge, window, 6, 0.3, light)
    cx = hat.lean * 7.0
    tall = 17.0 * hat.tall
    puff = ellipse(x - cx, y + tall * 0.72 + hat.lean * 0.13 * x, hat.half + 7, tall)
    base = np.where(y < 0, ellipse(x, y, hat.half, 15.0), abs(x) - hat.half)
    d = np.minimum(puff, base)
    d = np.maximum(d, y - edge)
    nx = np.clip((x - cx) / (hat.half + 7), -0.95, 0.95)
    ny = np.clip((y + tall * 0.6) / tall, -0.95, 0.9) * 0.8
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.05))
    wool = 1 + 0.1 * np.sin(np.arctan2(y + tall * 0.9, x - cx) * 9 + hat.phase) * ramp(
        abs(x - cx), 4, 22
    )
    paint(canvas.image, window, inside(d, 1.3), _lit(light, hat, nx, ny, nz) * wool)
    band = np.maximum(np.maximum(abs(x) - hat.half, y - edge), edge - 3.2 - y)
    darken(canvas.image, window, 0.4 * inside(band, 1.2))
    stalk = np.maximum(abs(x - cx * 0.8) - 0.8, abs(y + tall * 1.72) - 2.2)
    paint(canvas.image, window, inside(stalk, 1.2), hat.colour * np.float32(0.6))


def _headscarf(canvas, person, hat) -> None:
    light = person.light
    window = canvas.window(hat.x - 46, -66, hat.x + 46, hat.y + 34)
    x, y = _local(hat, canvas, window)
    tall = (person.head.top + hat.y + 4) * hat.tall
    d, edge, nx, ny, nz = _dome(hat, x, y, tall)
    _shadow(canvas, hat, y - edge, window, 5, 0.3, light)
    kx = hat.lean * (hat.half - 1)
    ky = y - rim(hat, np.float32(kx)) + 1
    for sign in (-1, 1):
        tail = ellipse((x - kx) * 0.8 - sign * 1.5 - hat.lean * 3, ky - 8, 3.0, 8.5)
        paint(
            canvas.image,
            window,
            inside(tail, 1.3),
            _lit(light, hat, np.float32(0.4 * sign), np.float32(0), np.float32(0.9)) * 0.75,
        )
    swirl = 1 + 0.14 * np.sin((y - edge) * 0.75 + x * 0.06 * hat.lean + 1.5 * np.sin(x * 0.08))
    colour = _lit(light, hat, nx, ny, nz)
    if hat.pattern < 2:
        dots = np.cos(x * 0.9) + np.cos((y - 0.7 * edge) * 0.9)
        colour = mix(
            colour,
            _lit(light, hat, nx, ny, nz, np.float32([0.85, 0.83, 0.8])),
            ramp(dots, 1.1, 1.5),
        )
    paint(canvas.image, window, inside(d, 1.2), colour * swirl)
    darken(canvas.image, window, 0.3 * ramp(abs(edge - 5.5 - y), 2, 0) * inside(d, 1))
    knot = ellipse(x - kx, ky, 4, 4.2)
    paint(
        canvas.image,
        window,
        inside(knot, 1.3),
        _lit(light, hat, (x - kx) * 0.15, ky * 0.15, np.float32(0.8)),
    )


def _bucket(canvas, person, hat) -> None:
    light = person.light
    window = canvas.window(hat.x - 48, -66, hat.x + 48, hat.y + 30)
    x, y = _local(hat, canvas, window)
    tall = (person.head.top + hat.y + 8) * hat.tall
    half = hat.brim_half * hat.brim
    t2 = np.clip((x / half) ** 2, 0, 1)
    low = 7 - 6 * person.pose.pitch + 2.5 * t2
    _shadow(canvas, hat, y - low, window, 8, 0.28, light)
    narrow = hat.half * (1 - 0.22 * np.clip(-y / tall, 0, 1))
    round_ = 5.0 * np.clip(abs(x) / narrow, 0, 1) ** 4
    crown = np.maximum(np.maximum(abs(x) - narrow, round_ - tall - y), y - 2)
    nx = np.clip(x / narrow, -0.95, 0.95)
    ny = np.clip(-0.8 + (y + tall) / 10, -0.8, 0.0)
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.05))
    check = 1.0
    if hat.pattern == 1:
        check = 1 + 0.18 * np.sin(x * 0.8) + 0.18 * np.sin(y * 0.8)
    paint(canvas.image, window, inside(crown, 1.2), _lit(light, hat, nx, ny, nz) * check)
    wide = hat.half + (half - hat.half) * np.clip((y + 3) / 10, 0, 1)
    brim = np.maximum(np.maximum(abs(x) - wide, y - low), -3 - y + 1.5 * (1 - t2))
    darken(canvas.image, window, 0.3 * bell(x, y + 3, half, 3))
    bnx = np.clip(x / wide, -0.9, 0.9)
    bright = _lit(light, hat, bnx, np.float32(-0.3), np.sqrt(np.maximum(0.91 - bnx * bnx, 0.05)))
    stitch = 1 - 0.12 * np.sin((low - y) * 1.9) ** 2
    lip = 1 - 0.35 * ramp(low - y, 1.5, 0)
    paint(canvas.image, window, inside(brim, 1.2), bright * (stitch * lip) * check)
