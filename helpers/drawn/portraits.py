"""A person without hair and accessories: background, clothes, neck, ears and the face itself.

A face is a relief. An ellipsoidal head plus soft bumps (nose, brows, cheeks, lips, chin) gives a
height at each pixel; its slope gives a normal, and a light gives each normal its brightness. A
second map, the albedo, says how much of each colour the surface returns: skin, lips, brows, iris,
stubble. Their product is the face.
"""

from types import SimpleNamespace

import numpy as np

from .drawing import (
    Canvas,
    bell,
    cloud,
    curve,
    darken,
    ellipse,
    gloss,
    inside,
    linear,
    look_up,
    mix,
    normals,
    paint,
    ramp,
    shade,
    stroke,
)
from .people import EYE, MOUTH, stream

# ---------------------------------------------------------------- behind the head


def draw_background(canvas: Canvas, person) -> None:
    rng = stream(person.seed, 20)
    size = canvas.size
    calm = rng.random() < 0.65
    base = rng.uniform(0.03, 0.95) * np.clip(rng.normal(0.75, 0.07 if calm else 0.2, 3), 0.06, 1)
    kind = rng.integers(4)
    spread = rng.uniform(0.06, 0.22) if kind == 0 else rng.uniform(0.2, 0.5)
    hue = rng.normal(0, 0.12 if calm else 0.35, 3)
    waves = cloud(rng, size, 2, 2)
    detail = cloud(rng, size, 6, 6)
    ramp_x, ramp_y = rng.normal(0, 0.25, 2)
    value = 1 + ramp_x * (canvas.frame_x / 64 - 1) + ramp_y * (canvas.frame_y / 64 - 1)
    value = value + spread * waves
    if kind >= 2:
        value = value + 0.4 * spread * detail
    for channel in range(3):
        canvas.image[channel] = base[channel] * np.maximum(
            value + hue[channel] * spread * waves, 0.03
        )
    whole = (slice(None), slice(None))
    if kind == 2:  # out-of-focus lamps or leaves
        for _ in range(int(rng.integers(4, 12))):
            x, y, r = rng.uniform(0, 128), rng.uniform(0, 110), rng.uniform(3, 12)
            tint = np.clip(base * rng.uniform(0.8, 2.2) + rng.normal(0, 0.12, 3), 0.02, 1)
            d = np.sqrt((canvas.frame_x - x) ** 2 + (canvas.frame_y - y) ** 2) - r
            paint(canvas.image, whole, inside(d, 2.5) * rng.uniform(0.25, 0.6), np.float32(tint))
    elif kind == 3:  # a wall with posts, frames, shelves
        for _ in range(int(rng.integers(1, 4))):
            x, w, soft = rng.uniform(0, 128), rng.uniform(6, 30), rng.uniform(2, 9)
            tint = np.clip(base * rng.uniform(0.3, 1.8) + rng.normal(0, 0.05, 3), 0.01, 1)
            axis = canvas.frame_x if rng.random() < 0.7 else canvas.frame_y
            strip = inside(abs(axis - x) - w / 2, soft) * rng.uniform(0.4, 0.8)
            paint(canvas.image, whole, np.broadcast_to(strip, (size, size)), np.float32(tint))


def draw_neck_and_clothes(canvas: Canvas, person, skin_light) -> None:
    head, rng = person.head, stream(person.seed, 21)
    lean = -person.pose.yaw * 13
    window = canvas.window(-80, head.chin - 22, 80, 75)
    x, y = canvas.x[window] - np.float32(lean), canvas.y[window]
    across = abs(x)
    flare = np.maximum(y - (head.chin + 3), 0)
    neck = head.neck + flare * flare * 0.05
    nx = np.clip(x / neck, -1, 1) * 0.85
    nz = np.sqrt(1 - nx * nx)
    lit = shade(person.light, nx, np.float32(0.15), nz, skin_light)
    # The chin's cast shadow, and the dark under the jaw that no light reaches.
    under = ellipse(x + person.light.x * 6, y - (head.chin - 14), head.width * 0.92, 24)
    lit *= 1 - 0.66 * ramp(under, 8, -3)
    paint(canvas.image, window, inside(across - neck, 1.5), person.skin.colour[:, None, None] * lit)
    # Shoulders and what they wear.
    width = rng.normal(46 + 10 * person.masculine, 3)
    drop = rng.uniform(0, 3)
    base = head.chin + rng.normal(8, 2)
    shoulder = base + drop + 18 * np.clip((across - head.neck) / width, 0, 2) ** 1.7
    colours = [(36, 40, 52), (240, 238, 232), (120, 30, 40), (48, 74, 120), (70, 90, 70)]
    colours += [(150, 150, 150), (30, 30, 32), (190, 150, 110), (100, 70, 110), (210, 90, 60)]
    cloth = linear(*np.clip(np.array(colours[rng.integers(10)]) + rng.normal(0, 12, 3), 8, 248))
    neckline = str(
        rng.choice(["crew", "v", "collar", "wide", "turtle"], p=[0.3, 0.2, 0.26, 0.14, 0.1])
    )
    if neckline == "v":
        opening = across * 1.6 + (y - (base + 24))
    elif neckline == "wide":
        opening = ellipse(x, y - base, head.neck * 1.75, 10)
    elif neckline == "turtle":
        opening = y - (base - 7 + 0.006 * across**2)
        shoulder = np.where(across < head.neck + 2, base - 8, shoulder)
    else:
        opening = ellipse(x, y - base, head.neck + 1.5, 5.5)
    folds = 1 + 0.12 * np.sin(x * 0.13 + y * 0.21 + rng.uniform(0, 6)) * ramp(across, 5, 30)
    pattern = rng.random()
    if pattern < 0.15:
        folds = folds * (1 + 0.3 * np.sign(np.sin(y * rng.uniform(0.7, 1.2) - across * 0.12)))
    elif pattern < 0.25:
        folds = folds * (1 + 0.18 * np.sin(x * 0.9) + 0.18 * np.sin(y * 0.9))
    snx = np.clip(x / 75, -0.8, 0.8)
    cloth_light = shade(person.light, snx, np.float32(-0.35), np.sqrt(0.88 - snx * snx))
    covered = inside(shoulder - y, 1.2) * inside(-opening, 1.2)
    darken(canvas.image, window, 0.4 * ramp(-opening, 5, 0) * inside(shoulder - y, 2))
    paint(canvas.image, window, covered, cloth[:, None, None] * (cloth_light * folds))
    rim = np.exp(-((opening - 1.3) ** 2) / 0.8) * covered
    darken(canvas.image, window, 0.28 * rim)
    if neckline == "collar":
        shirt = linear(*np.clip(rng.choice([245, 225, 170]) + rng.normal(0, 10, 3), 20, 250))
        for side in (-1, 1):
            # A flap from the nape to a point beside the throat.
            u = side * x
            outer = y - (base + 12 - 0.85 * np.maximum(u - 7, 0) - 1.1 * np.maximum(7 - u, 0))
            inner = (base + 9 - 0.72 * u) - y
            flap = np.maximum(np.maximum(outer, inner), u - head.neck - 3)
            darken(canvas.image, window, 0.3 * ramp(flap, 2.5, 0))
            paint(canvas.image, window, inside(flap, 1.2), shirt[:, None, None] * cloth_light)


# ---------------------------------------------------------------- the head


def _head_shape(canvas: Canvas, person, window) -> np.ndarray:
    """0 at the middle of the head, 1 at its outline, more outside."""
    head, pose = person.head, person.pose
    x = canvas.x[window] + np.float32(pose.yaw * 9)
    y = canvas.y[window] - np.float32(3 - pose.pitch * 4)
    chin, top = head.chin - 3 + pose.pitch * 3, head.top + 3
    down = np.clip(y / chin, 0, 1.25)
    width = head.width * (1 - head.taper * down * down)
    u = abs(x) / width
    lower = down**2.6
    upper = np.maximum(-y / top, 0) ** 2.5
    return u**head.square + lower + upper


def _relief(canvas: Canvas, person, window, shape) -> np.ndarray:
    """The height field of the face, in reference pixels."""
    head, pose, mouth = person.head, person.pose, person.mouth
    height = np.zeros((canvas.size, canvas.size), np.float32)
    height[window] = 0.78 * head.width * np.sqrt(np.maximum(1 - shape, 0) + 0.01)
    tip = pose.yaw * 8
    smile = max(mouth.smile, 0)
    n, w = head.nose_length + pose.pitch * 4, head.nose_width
    nose = head.nose_height
    # x, y, radius x, radius y, height; a bell's radius is about 2.4 of a Gaussian's sigma
    bumps = [
        (tip * 0.35, 3, 7.5, 19, 2.5 * nose),
        (tip * 0.7, n - 4, 7.5, 13, 1.8 * nose),
        (tip, n, 7.6, 7.5, 3.6 * nose),
        (tip * 0.3, MOUTH + 0.5, 22, 17, 2.3),
        (tip * 0.3, MOUTH - 2.2, 14, 4.2, 0.9),
        (tip * 0.3, MOUTH + 2.8, 13, 5.5, 1.5),
        (tip * 0.3, MOUTH + 8.0, 13, 5, -1.5),
        (tip * 0.3, head.chin - 5, 14, 11, 2.6 * head.chin_bump),
        (0, -24, 34, 22, 1.2),
    ]
    for side in (-1, 1):
        far = 1 - 0.5 * side * pose.yaw
        bumps += [
            (side * w + tip * 0.8, n + 1.6, 5.2, 5.2, 1.8 * nose),
            (side * EYE, -0.5, 16, 10.5, -2.4),
            (side * 7.0, -1.5, 7.5, 9, -1.4),
            (side * EYE, 0.2, 9.5, 6.0, 1.6),
            (side * (EYE - 1), -9, 17, 7, 1.5 * head.brow_ridge),
            (side * 17.5 * far, 13 - smile, 15, 13, (1.3 + 1.2 * smile) * head.cheekbones),
            (side * 25, -14, 11, 20, -1.4),
            (side * 19 * far, 27, 13, 17, 0.9 * head.fullness - 0.4),
        ]
    for x, y, rx, ry, amount in bumps:
        place, dx, dy = canvas.around(x, y, rx, ry)
        height[place] += amount * bell(dx, dy, rx, ry)
    return height[window] + np.float32(pose.yaw * 0.9) * canvas.x[window]


def _line(layer, canvas, points, width, amount, tint=(0.8, 1.0, 1.0)) -> None:
    """A soft dark line that thins out at both ends: wrinkles, folds and creases."""
    (x0, y0), (x1, y1), reach = points.min(0), points.max(0), width * 2.2
    place = canvas.window(x0 - reach, y0 - reach, x1 + reach, y1 + reach)
    distance, along = stroke(canvas, place, points)
    taper = np.minimum(along, 1 - along) * 4
    amount = amount * np.clip(taper, 0, 1) * np.maximum(1 - (distance / (width * 2)) ** 2, 0) ** 2
    darken(layer, place, amount, tint)


def _draw_skin_detail(albedo, canvas, person) -> None:
    """Draw one thing after another into the skin's own colour: cheeks, lips, folds, brows."""
    head, skin, mouth, pose = person.head, person.skin, person.mouth, person.pose
    tip, n = pose.yaw * 8, head.nose_length + pose.pitch * 4
    smile = max(mouth.smile, 0)
    for side in (-1, 1):
        place, dx, dy = canvas.around(side * 17, 16, 15, 12)
        darken(albedo, place, skin.blush * bell(dx, dy, 15, 12), (0.05, 0.5, 0.45))
        # The dark of the eye's inner corner, the nostril, the wing of the nose.
        place, dx, dy = canvas.around(side * 7.2, -1.5, 5.5, 7)
        darken(albedo, place, 0.24 * bell(dx, dy, 5.5, 7), (0.8, 1, 0.95))
        nostril = side * head.nose_width * 0.58 + tip
        place, dx, dy = canvas.around(nostril, n + 3.0, 3.4, 2.4)
        darken(albedo, place, 0.85 * bell(dx, dy, 3.2, 1.9), (0.85, 1, 1))
        wing = side * (head.nose_width + 2.3) + tip * 0.8
        points = curve(
            (wing - side * 0.9, n - 2.5), (wing + side * 0.7, n + 1.2), (wing - side * 1.3, n + 3.4)
        )
        _line(albedo, canvas, points, 0.8, 0.34)
        fold = 0.1 + 0.26 * smile + 0.35 * skin.wrinkles
        end = mouth.width + 3.2
        points = curve(
            (wing + side * 0.6, n - 0.5), (side * (end + 0.5), n + 5), (side * end, MOUTH + 1)
        )
        _line(albedo, canvas, points, 1.3, fold)
        bag = curve((side * 8.2, 2.8), (side * 13, 7.0), (side * 19, 3.6))
        _line(albedo, canvas, bag, 1.4, 0.1 + 0.25 * skin.bags, (0.7, 0.9, 0.8))
        if skin.wrinkles > 0.15:
            for k in range(3):
                points = curve(
                    (side * 21.3, k - 1.5),
                    (side * 23.5, 2 * k - 2.2),
                    (side * 25.5, 3.2 * k - 3.4),
                    3,
                )
                _line(albedo, canvas, points, 0.45, 0.3 * skin.wrinkles)
            points = curve(
                (side * (mouth.width + 1.5), MOUTH + 2),
                (side * 14, MOUTH + 8),
                (side * 15, MOUTH + 13),
            )
            _line(albedo, canvas, points, 1.1, 0.26 * skin.wrinkles)
    if skin.wrinkles > 0.1:
        rng = stream(person.seed, 22)
        for k in range(3):
            y = -17 - 4.2 * k + rng.normal(0, 0.4)
            reach = rng.uniform(12, 17)
            points = curve(
                (-reach, y + rng.normal(0, 0.6)), (0, y - 1.5), (reach, y + rng.normal(0, 0.6))
            )
            _line(albedo, canvas, points, 0.6, 0.26 * skin.wrinkles)
    # Shadow under the tip of the nose, and the groove below it.
    place, dx, dy = canvas.around(tip - person.light.x * 2, n + 4.8, head.nose_width + 4, 3.6)
    darken(albedo, place, 0.34 * bell(dx, dy, head.nose_width + 4, 3.6), (0.8, 1, 1))
    place, dx, dy = canvas.around(tip * 0.5, n + 6.5, 1.8, 4)
    darken(albedo, place, 0.1 * bell(dx, dy, 1.8, 4))
    if skin.freckles:
        rng = stream(person.seed, 23)
        spots = rng.normal(0, 1, (40, 2)) * (12, 5) + (0, 12)
        for (x, y), r, strength in zip(
            spots, rng.uniform(0.5, 0.9, 40), rng.uniform(0.3, 1, 40), strict=True
        ):
            place, dx, dy = canvas.around(x, y, 2 * r, 2 * r)
            darken(
                albedo, place, skin.freckles * strength * bell(dx, dy, 2 * r, 2 * r), (0.6, 0.9, 1)
            )
    if skin.has_mole:
        place, dx, dy = canvas.around(*skin.mole, 1.5, 1.5)
        darken(albedo, place, 0.6 * bell(dx, dy, 1.5, 1.5))


def _draw_beard(albedo, canvas, person) -> None:
    beard, head = person.beard, person.head
    if not person.man:
        return
    window = canvas.window(-32, 4, 32, 60)
    x, y = canvas.x[window], canvas.y[window]
    across = abs(x)
    cheek = 22 + 0.5 * MOUTH - 0.055 * across**2 + 0.0012 * across**3
    low = ramp(y, cheek - 4, cheek + 4)
    lip = ramp(y, head.nose_length + 3, head.nose_length + 7)
    goatee = ramp(across, 13.5, 9.5)
    area = {"goatee": goatee, "moustache": goatee * ramp(y, MOUTH + 2, MOUTH - 1)}.get(
        beard.kind, np.float32(1)
    )
    area = area * np.maximum(low, lip * ramp(across, 16, 10))
    below_lip = np.sqrt(bell(x, y - MOUTH, person.mouth.width + 3.5, 7.5)) * ramp(
        y, MOUTH - 4, MOUTH - 1
    )
    area = area * (1 - below_lip)
    hair = mix(person.hair.natural, linear(36, 30, 28), 0.35)
    darken(albedo, window, beard.shadow * low, (1, 0.9, 0.8))
    if beard.dense:
        # Two sets of slanted hairs, crossing, so that neither shows as a pattern.
        noise = look_up(beard.table, 10 * x + 2.6 * y) + look_up(beard.table, 9 * x - 3.1 * y)
        grain = 0.35 if beard.kind == "stubble" else 0.28
        strength = np.clip(area * beard.dense * (1 + grain * noise), 0, 1)
        paint(albedo, window, strength, hair[:, None, None] * (1 + 0.4 * noise))


def _draw_eye(albedo, canvas, person, side) -> SimpleNamespace:
    """One eye into the albedo. Returns where its highlights go, for after the lighting."""
    eyes, pose, mouth = person.eyes, person.pose, person.mouth
    width = eyes.width * (1 - 0.35 * side * pose.yaw)
    squint = 1 - 0.2 * max(mouth.smile, 0)
    window, dx, dy = canvas.around(side * EYE, 0, 12, 9)
    u = dx * side  # from the nose outward
    dy = dy - eyes.tilt * u
    t = u / width
    curve_ = np.maximum(1 - t * t, 0)
    # The upper lid peaks towards the nose, the lower one away from it.
    upper = -eyes.upper * (0.85 + 0.15 * squint) * curve_**0.8 * (1 - 0.14 * t)
    lower = eyes.lower * squint * curve_ * (1 + 0.2 * t)
    soft = max(canvas.unit, 0.8)
    opening = np.minimum(dy - upper, lower - dy)
    open_ = np.clip(opening / soft + 0.5, 0, 1) * (curve_ > 0)
    # Lid: eye shadow, crease.
    if eyes.shadow:
        lid = bell(u - 1, dy - (upper - 1.5), 10, 3.2)
        paint(albedo, window, eyes.shadow * lid, eyes.shadow_tint)
    crease = -eyes.crease - eyes.upper * np.maximum(1 - (u / (width + 1.5)) ** 2, 0) ** 0.7
    line = np.maximum(1 - ((dy - crease) / 0.9) ** 2, 0) * ramp(abs(u), width + 1.5, width - 2)
    darken(albedo, window, eyes.crease_depth * line, (0.8, 1, 1))
    # The ball: whites darken towards the corners and under the lid.
    white = mix(linear(232, 227, 223), person.skin.colour, 0.16) / person.light.exposure
    shadow = np.clip((dy - upper) / 2.8, 0.4, 1) * (1 - 0.35 * t * t)
    paint(albedo, window, open_, white[:, None, None] * shadow)
    corner = bell(u + width - 0.6, dy - 0.1, 1.9, 1.4) * open_
    paint(albedo, window, 0.7 * corner, person.skin.colour * np.float32([0.95, 0.62, 0.6]))
    ix, iy = eyes.look[0] + pose.yaw * 2.2, eyes.look[1] - 0.35 + pose.pitch
    rx, ry = dx - np.float32(ix), dy - np.float32(iy)
    radius = np.sqrt(rx * rx + ry * ry)
    disc = np.clip((2.95 - radius) / soft + 0.5, 0, 1) * open_
    ring = np.clip(1.15 - 0.26 * radius, 0.3, 0.85) + 0.14 * np.maximum(ry, 0)
    paint(albedo, window, disc, eyes.iris[:, None, None] * (ring * np.clip(shadow + 0.2, 0, 1)))
    paint(albedo, window, np.clip((1.3 - radius) / soft + 0.5, 0, 1) * open_, linear(12, 9, 8))
    # Lashes: thicker outward; the lower ones are a hint.
    thick = (0.55 + 0.55 * eyes.lashes) * (0.75 + 0.35 * t)
    inside_x = ramp(abs(t), 1.12, 0.9)
    lash = np.clip(1 - abs(dy - upper + 0.25) / np.maximum(thick, 0.3), 0, 1) * inside_x
    wing = np.maximum(1 - ((dy + 0.45 * (u - width) + 0.2) / 0.7) ** 2, 0) * bell(
        u - width - 0.4, dy, 1.8, 2.5
    )
    dark = linear(26, 18, 16)
    paint(albedo, window, np.clip(1.25 * lash, 0, 1) * (0.6 + 0.4 * eyes.lashes), dark)
    paint(albedo, window, 0.8 * wing * eyes.lashes, dark)
    rim = np.maximum(1 - ((dy - lower - 0.1) / 0.65) ** 2, 0) * inside_x
    darken(albedo, window, rim * (0.2 + 0.25 * eyes.lashes), (0.7, 1, 1))
    return SimpleNamespace(window=window, rx=rx, ry=ry, open=open_)


def _draw_brow(albedo, canvas, person, side) -> None:
    eyes = person.eyes
    far = 1 - 0.3 * side * person.pose.yaw
    window, dx, dy = canvas.around(side * EYE, eyes.brow_y - person.pose.pitch * 3, 13, 7)
    u = dx * side / far
    t = u / 10.2
    middle = -eyes.brow_arch * (1 - 0.8 * (t - 0.2) ** 2) + 1.0 - eyes.brow_tilt * t
    thick = eyes.brow_thick * np.clip(1.12 - 0.5 * np.maximum(t + 0.2, 0) ** 1.5, 0.2, 2)
    ends = ramp(t, -1.08, -0.72) * ramp(t, 1.12, 0.85)
    hairs = look_up(eyes.table, u * 13 + dy * 10 * (0.4 + t))
    body = np.clip((thick - abs(dy - middle)) / 1.3 + 0.5, 0, 1)
    strength = np.clip(body * ends * eyes.brow_dense * (1 + 0.25 * hairs), 0, 1)
    paint(albedo, window, strength, eyes.brow)


def _draw_mouth(albedo, shine, canvas, person) -> None:
    mouth, pose = person.mouth, person.pose
    window, dx, dy = canvas.around(pose.yaw * 2.5, MOUTH, 18, 13)
    t = dx / mouth.width
    t2 = np.minimum(t * t, 1)
    arch = 1 - t2
    bend = -mouth.smile * 1.5 * (t2 - 0.45)  # corners up
    gap = mouth.opening * 4.2 * arch**0.9
    seam_top = bend + 0.35 * arch - 0.25 * gap
    seam_low = seam_top + gap
    bow = mouth.upper * (1 - 0.28 * mouth.bow * np.exp(-((dx / 1.9) ** 2)))
    top = seam_top - bow * arch**0.75 * (1 - 0.28 * t2)
    bottom = seam_low + mouth.lower * arch**0.62
    soft = max(canvas.unit, 1.0)
    on = ramp(abs(t), 1.02, 0.95)
    upper = np.clip(np.minimum(dy - top, seam_top - dy) / soft + 0.5, 0, 1) * on
    lower = np.clip(np.minimum(dy - seam_low, bottom - dy) / soft + 0.5, 0, 1) * on
    colour = mouth.colour[:, None, None]
    paint(albedo, window, upper * mouth.strength, colour * 0.8)
    rows = 1.08 - 0.16 * np.clip((dy - seam_low) / mouth.lower, 0, 1)
    paint(albedo, window, lower * mouth.strength, colour * rows)
    shine[window] += (
        mouth.shine * lower * bell(dx, dy - seam_low - mouth.lower * 0.45, mouth.width * 0.7, 1.8)
    )
    # Soft shadow below the lower lip, dark corners, the seam.
    below = bell(dx, dy - (mouth.lower + gap.max() + 2.6), 8, 2.6)
    darken(albedo, window, 0.2 * below, (0.8, 1, 1))
    if mouth.opening:
        inner = np.clip(np.minimum(dy - seam_top, seam_low - dy) / soft + 0.5, 0, 1) * on
        paint(albedo, window, inner, linear(62, 22, 22))
        teeth_low = seam_top + gap * 0.86
        row = np.clip(np.minimum(dy - seam_top - 0.1, teeth_low - dy) / soft + 0.5, 0, 1)
        tooth = 1 - 0.1 * np.clip(1.2 * abs(np.sin(dx * 0.95)) ** 0.5 < 0.5, 0, 1)
        fade = np.clip(1.1 - 0.75 * t2**1.5, 0, 1) * np.clip((dy - seam_top) / 1.6, 0.5, 1) * tooth
        paint(
            albedo, window, row * inner * ramp(abs(t), 0.95, 0.7), mouth.teeth[:, None, None] * fade
        )
        lines = (seam_top, 0.45), (seam_low, 0.2)
    else:
        lines = ((seam_top, 0.75),)
    for where, amount in lines:
        crack = np.maximum(1 - ((dy - where) / 0.85) ** 2, 0) * on
        darken(albedo, window, amount * crack, (0.8, 1, 1))
    for side in (-1, 1):
        corner = bell(dx - side * mouth.width, dy + mouth.smile * 0.8, 2.6, 2.4)
        darken(albedo, window, 0.34 * corner, (0.8, 1, 1))


def draw_ears(canvas, person, wrap) -> None:
    head, pose = person.head, person.pose
    for side in (-1, 1):
        x = side * (head.width + 1.2 - 1.5 * side * pose.yaw) - pose.yaw * 15
        window, dx, dy = canvas.around(x, 8 - pose.pitch * 5, 7, 13)
        u = dx * side - dy * -0.16
        shape = ellipse(u, dy, 3.6 * head.ears, 8.4 * head.ears)
        nx = np.clip(u / 5, -0.8, 0.8) * side
        lit = shade(person.light, nx, np.clip(dy / 14, -0.5, 0.5), np.sqrt(1 - nx * nx), wrap)
        inner = bell(u + 0.3, dy + 0.5, 2.9, 6.2)
        lit *= 0.9 - 0.45 * inner
        tint = np.float32([1.0, 0.86, 0.84])[:, None, None]
        paint(
            canvas.image, window, inside(shape, 1.2), person.skin.colour[:, None, None] * tint * lit
        )


def draw_head(canvas: Canvas, person, wrap) -> None:
    head, skin = person.head, person.skin
    window = canvas.window(-36, -52, 36, head.chin + 8)
    shape = _head_shape(canvas, person, window)
    height = _relief(canvas, person, window, shape)
    size = canvas.size
    albedo = np.empty((3, size, size), np.float32)
    albedo[:] = skin.colour[:, None, None]
    blotches = cloud(stream(person.seed, 24), size, 18, 18)[window] * 0.03
    albedo[(slice(None), *window)] *= 1 + blotches
    albedo[1:][(slice(None), *window)] *= 1 + blotches * 0.7
    shine = np.zeros((size, size), np.float32)
    shine[window] = skin.shine
    _draw_skin_detail(albedo, canvas, person)
    _draw_beard(albedo, canvas, person)
    _draw_mouth(albedo, shine, canvas, person)
    eyes = [_draw_eye(albedo, canvas, person, side) for side in (-1, 1)]
    for side in (-1, 1):
        _draw_brow(albedo, canvas, person, side)
    for eye in eyes:  # their own highlight comes below
        shine[eye.window] *= 1 - eye.open
    nx, ny, nz = normals(height, canvas.unit)
    lit = shade(person.light, nx, ny, nz, wrap)
    face = albedo[(slice(None), *window)] * lit
    face += gloss(person.light, nx, ny, nz) * shine[window] * person.light.key[1]
    outline = (np.sqrt(shape) - 1) * (0.8 * head.width)
    paint(canvas.image, window, inside(outline + 0.7, max(canvas.unit, 1.4)), face)
    # Catch lights: wet, so above all shading.
    lx, ly = person.light.x * 1.4, person.light.y * 0.8 - 0.7
    for eye in eyes:
        spot = np.clip((0.55 - np.sqrt((eye.rx - lx) ** 2 + (eye.ry - ly) ** 2)) / 0.8 + 0.5, 0, 1)
        paint(canvas.image, eye.window, 0.85 * spot * eye.open, np.float32([1, 1, 1]))
