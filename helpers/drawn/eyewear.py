"""Glasses for the drawn faces (`faces.py`)."""

from types import SimpleNamespace

import numpy as np

from .drawing import (
    curve,
    darken,
    ellipse,
    inside,
    linear,
    mix,
    moved,
    paint,
    ramp,
    stroke,
)

FRAMES = ("thin metal", "thick plastic", "rimless", "half rim", "sunglasses", "aviator")


def roll_glasses(rng, person) -> SimpleNamespace:
    """Choose a person's glasses."""
    kind = str(rng.choice(FRAMES, p=[0.2, 0.38, 0.07, 0.08, 0.18, 0.09]))
    outline = str(rng.choice(["round", "rectangle", "cat eye", "soft square"]))
    metal = [(150, 120, 66), (140, 142, 150), (48, 48, 52), (112, 72, 56)]
    plastic = [(22, 20, 20), (30, 26, 28), (86, 48, 26), (120, 30, 36), (36, 54, 96), (70, 72, 76)]
    dark = kind == "sunglasses" or (kind == "aviator" and rng.random() < 0.7)
    is_metal = kind in ("thin metal", "rimless", "aviator")
    palette = metal if is_metal else plastic
    size = {
        "round": (10.0, 9.4, 2.0),
        "rectangle": (11.4, 7.2, 4.5),
        "cat eye": (11.4, 8.0, 2.8),
        "soft square": (11.0, 8.6, 3.2),
    }
    if kind == "aviator":
        outline = "aviator"
        size["aviator"] = (11.4, 9.8, 2.4)
    rx, ry, power = size[outline]
    scale = rng.uniform(0.93, 1.07) * (1.06 if kind == "sunglasses" else 1)
    return SimpleNamespace(
        kind=kind,
        outline=outline,
        rx=float(rx * scale),
        ry=float(ry * scale),
        power=power,
        x=float(rng.uniform(13.9, 14.6)),
        y=float(rng.uniform(0.8, 2.4)),
        rim={"thin metal": 1.0, "rimless": 0.5, "half rim": 1.6, "aviator": 1.0}.get(
            kind, float(rng.uniform(1.3, 2.5))
        ),
        colour=linear(*palette[rng.integers(len(palette))]),
        tortoise=bool(kind in ("thick plastic", "sunglasses") and rng.random() < 0.25),
        tint=linear(*[(24, 24, 28), (48, 34, 24), (30, 40, 36), (26, 30, 52)][rng.integers(4)]),
        dark=float(rng.uniform(0.68, 0.92)) if dark else float(rng.uniform(0.03, 0.1)),
        fade=float(rng.uniform(0.1, 0.5)),
        mirror=float(rng.uniform(0.1, 0.5)),
        streak=float(rng.uniform(-6, 6)),
        coating=linear(*[(150, 210, 190), (170, 180, 230), (220, 225, 230)][rng.integers(3)]),
        shine=0.5 if kind in ("thin metal", "aviator") else 0.22,
    )


def draw_glasses(canvas, person, g) -> None:
    """Glasses on the nose, from back to front: shadow, arms, lenses, rims, bridge."""
    pose, light = person.pose, person.light
    window = canvas.window(-37, -16, 37, 20)
    x, y = canvas.x[window], canvas.y[window]
    # They sit a little in front of the eyes, so a turn of the head shifts them.
    shift, drop = pose.yaw * 3.0, pose.pitch * 2.0
    soft = max(canvas.unit, 0.9)
    lens = np.full(x.shape, 1e3, np.float32)
    lenses = []
    v = y - np.float32(g.y + drop)
    for side in (-1, 1):
        far = 1 - 0.3 * side * pose.yaw
        u = (side * (x - np.float32(shift)) - np.float32(g.x)) / far  # outward
        d = _lens(g, u, v)
        lenses.append((side, d))
        lens = np.minimum(lens, d)
    frame = abs(lens) - g.rim / 2
    if g.kind == "half rim":
        frame = frame + np.maximum(v + 1, 0) * 1.2
    bridge_y = g.y + drop - g.ry * (0.36 if g.outline != "aviator" else 0.5)
    gap = g.x - g.rx * 0.92
    bow = curve((shift - gap, bridge_y), (shift, bridge_y - 2.2), (shift + gap, bridge_y))

    def tube(points, radius):
        return stroke(canvas, window, points)[0] - radius

    parts = [frame, tube(bow, max(g.rim * 0.8, 0.9) / 2)]
    if g.outline == "aviator":
        bar = curve(
            (shift - gap - 2, bridge_y - 3.4),
            (shift, bridge_y - 4),
            (shift + gap + 2, bridge_y - 3.4),
        )
        parts.append(tube(bar, 0.4))
    for side in (-1, 1):
        far = 1 - 0.3 * side * pose.yaw
        start = (shift + side * (g.x + g.rx * 0.95 * far), g.y + drop - g.ry * 0.42)
        end = (side * (person.head.width + 1.0) - pose.yaw * 12, g.y - 2.5 - pose.pitch * 3)
        if side * (end[0] - start[0]) > 0.5:
            middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.3)
            arm = curve(start, middle, end, 2)
            parts.append(tube(arm, max(g.rim * 0.42, 0.45)))
    solid = np.minimum.reduce(parts)
    # Shadow on the skin: the same shape, moved away from the light.
    sx, sy = -light.x * 2.6, 1.0 - light.y * 2.2
    caster = np.minimum(solid, lens + 1.5) if g.dark > 0.5 else solid
    shadow = moved(caster, sx, sy, canvas.unit)
    darken(canvas.image, window, 0.3 * ramp(shadow, 1.8, -1.4), (0.85, 1, 1))
    # Lenses.
    for side, d in lenses:
        glass = inside(d, soft)
        t = np.clip(0.5 - v / (2 * g.ry), 0, 1)  # 1 at the top
        strength = g.dark * (1 - g.fade * (1 - t))
        paint(canvas.image, window, glass * strength, g.tint if g.dark > 0.5 else g.coating)
        across = (x - np.float32(shift + side * g.x)) * 0.8 + v * 0.6 - np.float32(g.streak)
        beam = ramp(abs(across), 3.4, 2.0) + 0.6 * ramp(abs(across - 5.2), 1.3, 0.6)
        sky = ramp(v, 0, -g.ry) * 0.35
        amount = (beam + sky) * g.mirror * (0.55 if g.dark > 0.5 else 0.28)
        paint(
            canvas.image,
            window,
            glass * np.clip(amount, 0, 1),
            mix(g.coating, np.float32([1, 1, 1]), 0.4),
        )
    # Frame: lit from above, with a bright edge.
    colour = g.colour[:, None, None] * np.ones((1, *x.shape), np.float32)
    if g.tortoise:
        spots = np.sin(x * 0.9 + 1.3 * np.sin(y * 0.7)) + np.sin(y * 1.1 - x * 0.35)
        colour = mix(
            linear(48, 26, 16)[:, None, None],
            linear(168, 100, 44)[:, None, None],
            ramp(spots, 0, 1.6),
        )
    lit = 0.55 + 0.5 * light.key[1]
    coverage = inside(solid, soft)
    if g.kind == "rimless":
        coverage = coverage * 0.65
    paint(canvas.image, window, coverage, colour * lit)
    edge = inside(abs(moved(solid, 0, 0.8, canvas.unit) + 0.35) - 0.25, soft) * inside(solid, soft)
    paint(canvas.image, window, edge * g.shine, np.float32([1, 1, 1]) * lit * 0.9)


def _lens(g, u, v):
    """Nearly the signed distance to a lens; u outward from its middle, v down."""
    if g.outline == "cat eye":
        v = v + 0.16 * u * ramp(u, -4, 9) * ramp(v, 5, -5)
        u = u * (1 - 0.012 * v)
    elif g.outline == "aviator":
        u = u * (1 + 0.022 * v) - 0.06 * v
        v = v - 1.0
    else:
        u = u * (1 + 0.006 * v)
    if g.power == 2.0:
        return ellipse(u, v, g.rx, g.ry)
    a, b = abs(u) * (1 / g.rx), abs(v) * (1 / g.ry)
    radius = (a**g.power + b**g.power + 1e-6) ** (1 / g.power)
    slope_u = (a / radius) ** (g.power - 1) / g.rx
    slope_v = (b / radius) ** (g.power - 1) / g.ry
    return (radius - 1) / np.sqrt(slope_u**2 + slope_v**2 + 1e-6)
