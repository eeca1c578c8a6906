"""The drawn faces: portraits of people who do not exist, with and without glasses or a hat.

A face is a relief. An ellipsoidal head plus soft bumps (nose, brows, cheeks, lips, chin) gives a
height at each pixel; its slope gives a normal, and a light gives each normal its brightness. A
second map, the albedo, says how much of each colour the surface returns: skin, lips, brows, iris,
stubble. Their product, with hair, clothes and a background around it, is the picture.

Because each person can be drawn twice, this data set knows what no photo set can: the same face
with and without the attribute, and the region in which the two differ.

Nothing is downloaded and nothing is stored: the seed is the person. Every part of a person draws
from a random generator of its own, so putting glasses on moves no other choice. Built in
notebook 01.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from helpers import accessories
from helpers.drawing import (
    FRAME,
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
    strand_table,
    stroke,
)

ATTRIBUTES = ("glasses", "hat")
SMALLEST, LARGEST = 32, 256

# Where CelebA's face crop has its landmarks, at 128 px.
EYE_Y, EYES_X, MOUTH_Y = 65.8, (50.1, 77.6), 95.3
EYE = (EYES_X[1] - EYES_X[0]) / 2  # half the distance between the eyes
MOUTH = MOUTH_Y - EYE_Y

SKINS = np.array(
    [(244, 214, 196), (234, 196, 172), (222, 178, 148), (202, 154, 118)]
    + [(176, 124, 88), (146, 98, 68), (112, 74, 52), (84, 56, 42)],
    np.float32,
)
HAIRS = {
    "black": (30, 25, 24),
    "dark brown": (56, 38, 28),
    "brown": (92, 62, 40),
    "chestnut": (118, 66, 40),
    "dark blond": (150, 112, 68),
    "blond": (206, 170, 112),
    "red": (160, 78, 38),
    "grey": (140, 138, 136),
    "white": (210, 208, 204),
}
IRISES = [(70, 44, 28), (92, 60, 34), (110, 92, 52), (84, 110, 82), (88, 122, 152), (112, 128, 138)]


class Pair(NamedTuple):
    """One person twice, and where the two pictures differ."""

    without: np.ndarray
    with_: np.ndarray
    region: np.ndarray


# ---------------------------------------------------------------- the person


def _stream(seed: int, part: int) -> np.random.Generator:
    return np.random.default_rng([int(seed), part])


def _person(seed: int) -> SimpleNamespace:
    """Roll everything about a person except the accessories, one generator for each part."""
    rng = _stream(seed, 0)
    age = float(rng.beta(1.2, 2.3))
    man = bool(rng.random() < 0.5)
    tone = float(rng.uniform(0, 1) ** 1.15) * (len(SKINS) - 1)
    masculine = float(np.clip(rng.normal(0.8 if man else 0.18, 0.14), 0, 1))
    habit = {"glasses": bool(rng.random() < 0.25), "hat": bool(rng.random() < 0.15)}
    person = SimpleNamespace(
        seed=seed, age=age, man=man, masculine=masculine, tone=tone, habit=habit
    )
    person.pose = _roll_pose(_stream(seed, 1))
    person.light = _roll_light(_stream(seed, 2), tone)
    person.head = _roll_head(_stream(seed, 3), person)
    person.skin = _roll_skin(_stream(seed, 4), person)
    person.hair = _roll_hair(_stream(seed, 5), person)
    person.eyes = _roll_eyes(_stream(seed, 6), person)
    person.mouth = _roll_mouth(_stream(seed, 7), person)
    person.beard = _roll_beard(_stream(seed, 8), person)
    return person


def _roll_pose(rng) -> SimpleNamespace:
    yaw, pitch = rng.normal(0, 0.13), rng.normal(0, 0.1)
    return SimpleNamespace(
        yaw=float(np.clip(yaw, -0.3, 0.3)),
        pitch=float(np.clip(pitch, -0.2, 0.2)),
        roll=float(np.clip(rng.normal(0, 0.022), -0.05, 0.05)),
        scale=float(rng.normal(1, 0.02)),
        x=float(rng.normal(0, 0.7)),
        y=float(rng.normal(0, 0.7)),
    )


def _roll_light(rng, tone: float) -> SimpleNamespace:
    x = float(rng.uniform(-0.75, 0.75))
    y = float(rng.uniform(-0.75, -0.15))
    z = float(rng.uniform(0.6, 1.0))
    length = (x * x + y * y + z * z) ** 0.5
    x, y, z = x / length, y / length, z / length
    half = np.array([x, y, z + 1])
    warmth = float(rng.normal(0.02, 0.05))
    key = np.array([1 + warmth, 1.0, 1 - 1.3 * warmth]) * rng.uniform(0.62, 0.9)
    fill = np.array([1 - warmth / 2, 1.0, 1 + warmth]) * rng.uniform(0.3, 0.52)
    # A photographer opens the lens a little for a darker face.
    exposure = rng.uniform(0.9, 1.06) * (1 + 0.1 * tone)
    return SimpleNamespace(
        exposure=float(exposure),
        x=x,
        y=y,
        z=z,
        half=(half / np.linalg.norm(half)).tolist(),
        key=[float(v) for v in key * exposure],
        fill=[float(v) for v in fill * exposure],
    )


def _roll_head(rng, person) -> SimpleNamespace:
    m = person.masculine
    return SimpleNamespace(
        width=float(rng.normal(26.8 + 0.9 * m, 1.0)),
        top=float(rng.normal(46, 1.5)),
        chin=float(rng.normal(45.5 + 2.8 * m, 1.5)),
        taper=float(np.clip(rng.normal(0.3 - 0.13 * m, 0.06), 0.06, 0.42)),
        square=float(np.clip(rng.normal(2.25 + 0.35 * m, 0.2), 1.9, 3.0)),
        fullness=float(rng.normal(0, 1)),
        nose_length=float(rng.normal(15.3 + 0.8 * m, 0.9)),
        nose_width=float(np.clip(rng.normal(5.0 + 0.5 * m + 0.14 * person.tone, 0.5), 4, 7)),
        nose_height=float(rng.normal(1, 0.12)),
        brow_ridge=float(rng.uniform(0.2, 0.6) + 0.9 * m),
        cheekbones=float(rng.uniform(0.6, 1.4)),
        chin_bump=float(rng.uniform(0.6, 1.3)),
        neck=float(rng.normal(13.8 + 4.2 * m, 0.9)),
        ears=float(rng.normal(1, 0.12)),
    )


def _roll_skin(rng, person) -> SimpleNamespace:
    low = int(person.tone)
    high = min(low + 1, len(SKINS) - 1)
    colour = mix(SKINS[low], SKINS[high], person.tone - low)
    colour = colour * (1 + rng.normal(0, 0.02)) + rng.normal(0, (3, 2, 4))
    lightness = 1 - person.tone / 7
    return SimpleNamespace(
        colour=linear(*np.clip(colour, 20, 250)),
        lightness=lightness,
        blush=float(rng.uniform(0.05, 0.35)),
        freckles=float(rng.uniform(0.2, 0.5)) * (rng.random() < 0.25 * lightness),
        shine=float(rng.uniform(0.04, 0.16)),
        mole=(float(rng.uniform(-20, 20)), float(rng.uniform(12, 38))),
        has_mole=bool(rng.random() < 0.2),
        wrinkles=float(np.clip(person.age * 1.5 - 0.5 + rng.normal(0, 0.1), 0, 1)),
        bags=float(np.clip(rng.normal(0.05 + 0.6 * person.age, 0.15), 0, 1)),
    )


STYLES_MAN = [
    "bald",
    "receding",
    "buzz",
    "short",
    "side",
    "quiff",
    "curly",
    "afro",
    "fringe",
    "long",
]
ODDS_MAN = [0.08, 0.1, 0.12, 0.2, 0.18, 0.12, 0.08, 0.03, 0.05, 0.04]
STYLES_WOMAN = [
    "long",
    "wavy",
    "bob",
    "fringe bob",
    "fringe long",
    "updo",
    "pixie",
    "afro",
    "curls",
]
ODDS_WOMAN = [0.2, 0.2, 0.12, 0.09, 0.09, 0.12, 0.07, 0.05, 0.06]


def _roll_hair(rng, person) -> SimpleNamespace:
    styles, odds = (STYLES_MAN, ODDS_MAN) if person.man else (STYLES_WOMAN, ODDS_WOMAN)
    style = str(rng.choice(styles, p=odds))
    if person.tone > 5:
        odds = [0.8, 0.15, 0.05, 0, 0, 0, 0, 0, 0]
    elif person.tone > 3:
        odds = [0.5, 0.28, 0.12, 0.05, 0.03, 0.02, 0, 0, 0]
    else:
        odds = [0.2, 0.18, 0.17, 0.1, 0.12, 0.15, 0.08, 0, 0]
    name = str(rng.choice(list(HAIRS), p=odds))
    if rng.random() < person.age**2 * 1.1:
        name = "grey" if rng.random() < 0.6 else "white"
    dyed = rng.random() < 0.025
    colour = np.array(HAIRS[name], np.float32) * rng.normal(1, 0.07) + rng.normal(0, 3, 3)
    if dyed:
        colour = np.array([(186, 70, 120), (70, 90, 160), (60, 140, 130)])[rng.integers(3)]
    side = 1 if rng.random() < 0.5 else -1
    # top and sides: how far the hair stands off the skull; opening: half the width it leaves
    # for the face; end: where it stops, in y; fringe: how low it hangs over the forehead.
    shapes = {
        "bald": (0, 0, 0, 0, None),
        "receding": (1.0, 1.2, 0, 6, None),
        "buzz": (0.8, 0.6, 0, 5, None),
        "short": (3.0, 1.8, 0, 6, None),
        "side": (4.5, 2.0, 0, 7, None),
        "quiff": (7.5, 1.4, 0, 5, None),
        "curly": (6.5, 4.0, 0, 8, None),
        "pixie": (4.0, 2.5, 1.0, 10, -17),
        "afro": (11.0, 11.0, 0, 16, None),
        "fringe": (4.0, 2.6, 0.5, 9, -15),
        "long": (3.6, 5.0, 2.0, 90, None),
        "wavy": (5.0, 8.5, 1.5, 90, None),
        "curls": (8.0, 12.0, 1.0, 62, None),
        "bob": (4.2, 6.0, 2.0, 44, None),
        "fringe bob": (4.2, 5.5, 2.5, 42, -13),
        "fringe long": (4.0, 5.5, 2.5, 90, -13),
        "updo": (2.4, 1.6, 0, 3, None),
    }
    top, sides, overlap, end, fringe = shapes[style]
    return SimpleNamespace(
        style=style,
        grey=name in ("grey", "white"),
        colour=linear(*np.clip(colour, 14, 240)),
        top=top * rng.uniform(0.8, 1.25),
        sides=sides * rng.uniform(0.8, 1.25),
        overlap=overlap + rng.uniform(-0.5, 0.8),
        end=end + rng.uniform(-3, 3),
        fringe=fringe,
        line=rng.uniform(-32.5, -28.5) - (6 if style == "receding" else 0),
        parting=side * (rng.uniform(6, 13) if style not in ("bob", "long") else rng.uniform(0, 9)),
        sweep=rng.uniform(0.4, 1.0),
        corner=float(rng.uniform(9, 18)) if fringe is None else 4.0,
        wave=rng.uniform(0, 1) if style != "wavy" else rng.uniform(1.5, 2.6),
        curl={"curly": 1.0, "afro": 1.3, "curls": 1.2}.get(style, 0.0),
        table=strand_table(rng),
        phase=float(rng.uniform(0, 6)),
        shine=float(rng.uniform(0.25, 0.7)),
        strands=float(rng.uniform(0.4, 0.62)),
        bun=bool(style == "updo" and rng.random() < 0.5),
    )


def _roll_eyes(rng, person) -> SimpleNamespace:
    m = person.masculine
    light_eyes = rng.random() < 0.75 - 0.16 * person.tone
    iris = IRISES[rng.integers(2, len(IRISES)) if light_eyes else rng.integers(0, 2)]
    hair = person.hair.colour
    brow = mix(hair, linear(38, 28, 24), 0.45 if not person.hair.grey else 0.2)
    return SimpleNamespace(
        width=float(rng.normal(7.1, 0.35)),
        upper=float(rng.normal(3.4 - 0.65 * m, 0.3)),
        lower=float(rng.normal(1.95, 0.2)),
        tilt=float(rng.normal(-0.06, 0.04)),
        iris=linear(*iris),
        look=(float(rng.normal(0, 0.5)), float(rng.normal(0, 0.25))),
        lashes=float(np.clip(rng.normal(0.85 - 0.45 * m, 0.12), 0.3, 1)),
        crease=float(rng.uniform(1.3, 2.6)),
        crease_depth=float(rng.uniform(0.15, 0.4)),
        shadow=float(rng.uniform(0.15, 0.5)) * (not person.man and rng.random() < 0.4),
        shadow_tint=linear(*[(120, 80, 90), (90, 90, 110), (110, 84, 60)][rng.integers(3)]),
        brow=brow,
        brow_y=float(rng.normal(-9.3 + 0.9 * m, 0.6)),
        brow_thick=float(np.clip(rng.normal(1.15 + 0.6 * m, 0.2), 0.75, 2.3)),
        brow_arch=float(rng.normal(1.9 - 0.8 * m, 0.35)),
        brow_tilt=float(rng.normal(-0.15, 0.35)),
        brow_dense=float(rng.uniform(0.6, 0.9)),
        table=strand_table(rng),
    )


def _roll_mouth(rng, person) -> SimpleNamespace:
    m = person.masculine
    smile = float(np.clip(rng.normal(0.6, 0.4), -0.1, 1.1))
    opening = float(rng.uniform(0.5, 1.0)) if smile > 0.5 and rng.random() < 0.65 else 0.0
    if opening == 0 and rng.random() < 0.08:
        opening = float(rng.uniform(0.3, 0.6))
    makeup = bool(not person.man and rng.random() < 0.55)
    natural = person.skin.colour * np.array([0.80, 0.52, 0.52], np.float32)
    stick = [(176, 40, 52), (196, 84, 92), (150, 50, 70), (206, 110, 104), (130, 44, 50)]
    colour = mix(natural, linear(*stick[rng.integers(5)]), rng.uniform(0.35, 0.8) * makeup)
    full = float(np.clip(rng.normal(1.05 - 0.25 * m + 0.05 * person.tone, 0.14), 0.6, 1.6))
    return SimpleNamespace(
        smile=smile,
        opening=opening,
        width=float(rng.normal(9.8, 0.6)) + 1.5 * max(smile, 0) + 0.5 * opening,
        upper=2.3 * full * (1 - 0.25 * opening),
        lower=3.0 * full * (1 - 0.15 * opening),
        bow=float(rng.uniform(0.3, 1.0)),
        colour=colour.astype(np.float32),
        strength=float(rng.uniform(0.65, 0.85) + 0.12 * makeup),
        shine=0.14 + 0.2 * makeup * float(rng.random()),
        teeth=linear(*np.clip(np.array([232, 224, 210]) + rng.normal(0, 6, 3), 0, 250)),
    )


def _roll_beard(rng, person) -> SimpleNamespace:
    kinds = ["none", "stubble", "full", "goatee", "moustache"]
    kind = str(rng.choice(kinds, p=[0.42, 0.3, 0.16, 0.07, 0.05])) if person.man else "none"
    return SimpleNamespace(
        kind=kind,
        dense={"none": 0.0, "stubble": rng.uniform(0.15, 0.45)}.get(kind, rng.uniform(0.75, 0.95)),
        length=float(rng.uniform(1.0, 5.0)) if kind == "full" else 0.5,
        shadow=float(rng.uniform(0.04, 0.14)) if person.man else 0.0,
        table=strand_table(rng),
    )


# ---------------------------------------------------------------- behind the head


def _draw_background(canvas: Canvas, person) -> None:
    rng = _stream(person.seed, 20)
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


def _draw_neck_and_clothes(canvas: Canvas, person, skin_light) -> None:
    head, rng = person.head, _stream(person.seed, 21)
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
    place, distance, along = stroke(canvas, points, width * 2.2)
    taper = np.minimum(along, 1 - along) * 4
    amount = amount * np.clip(taper, 0, 1) * np.maximum(1 - (distance / (width * 2)) ** 2, 0) ** 2
    darken(layer, place, amount, tint)


def _draw_skin_detail(albedo, canvas, person) -> None:
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
        rng = _stream(person.seed, 22)
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
        rng = _stream(person.seed, 23)
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
    hair = mix(person.hair.colour, linear(36, 30, 28), 0.35)
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


def _draw_ears(canvas, person, wrap) -> None:
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


def _draw_head(canvas: Canvas, person, wrap) -> SimpleNamespace:
    head, skin = person.head, person.skin
    window = canvas.window(-36, -52, 36, head.chin + 8)
    shape = _head_shape(canvas, person, window)
    height = _relief(canvas, person, window, shape)
    size = canvas.size
    albedo = np.empty((3, size, size), np.float32)
    albedo[:] = skin.colour[:, None, None]
    blotches = cloud(_stream(person.seed, 24), size, 18, 18)[window] * 0.03
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
    return SimpleNamespace(window=window, outline=outline)


# ---------------------------------------------------------------- hair


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


def _draw_back_hair(canvas, person, hat) -> None:
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
        coverage = coverage * accessories.below_hat(hat, canvas, window)
    _paint_hair(canvas, person, window, coverage, noise, dark=0.62)


def _draw_front_hair(canvas, person, hat) -> None:
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
        coverage = coverage * accessories.below_hat(hat, canvas, window)
    # Hair shades the skin that it hangs over.
    shadow = np.clip(0.5 + (opening + 2.2) / 5, 0, 1) * inside(outer, 2) * inside(y - hair.end, 5)
    if hat is not None:
        shadow = shadow * accessories.below_hat(hat, canvas, window)
    if hair.style not in ("buzz", "receding"):
        darken(canvas.image, window, 0.32 * shadow, (0.85, 1, 1))
    near = 1 - 0.38 * np.exp(-np.maximum(opening, 0) / 3.5)
    _paint_hair(canvas, person, window, np.clip(coverage, 0, 1), noise, dark=near)


# ---------------------------------------------------------------- the picture


def _finish(canvas: Canvas, seed: int) -> np.ndarray:
    """The camera: a slightly soft lens, a film curve, sensor noise, 8 bits."""
    rng = _stream(seed, 30)
    image = canvas.image
    blur = np.float32(rng.uniform(0.1, 0.2) / canvas.unit)
    blur = min(blur, np.float32(0.25))
    for axis in (1, 2):
        lower = [slice(None)] * 3
        upper = [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        step = (image[tuple(upper)] - image[tuple(lower)]) * blur
        image[tuple(lower)] += step
        image[tuple(upper)] -= step
    np.maximum(image, 0, out=image)
    image = np.sqrt(image / (1 + 0.16 * image * image))  # highlights roll off, as on film
    grain = rng.standard_normal((canvas.size, canvas.size), np.float32)
    grain *= rng.uniform(0.003, 0.009)
    image += grain
    np.clip(image, 0, 1, out=image)
    return (image.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)


def _check(seed, size) -> None:
    if not isinstance(size, int | np.integer) or not SMALLEST <= size <= LARGEST:
        raise ValueError(
            f"A face can be drawn at {SMALLEST} to {LARGEST} px, whole pixels; got size {size!r}."
        )
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"A seed is a whole number of 0 or more; got {seed!r}.")


def _render(person, size: int, glasses: bool, hat: bool) -> np.ndarray:
    pose = person.pose
    centre = (FRAME / 2 - 0.15 + pose.x, EYE_Y + pose.y)
    canvas = Canvas(size, centre, pose.scale, pose.roll)
    worn = accessories.roll_hat(_stream(person.seed, 11), person) if hat else None
    wrap = tuple(mix(0.3, w, person.skin.lightness) for w in (0.48, 0.34, 0.3))
    _draw_background(canvas, person)
    if worn is not None:
        accessories.draw_hat_behind(canvas, person, worn)
    _draw_back_hair(canvas, person, worn)
    _draw_neck_and_clothes(canvas, person, wrap)
    _draw_ears(canvas, person, wrap)
    _draw_head(canvas, person, wrap)
    if glasses:
        frames = accessories.roll_glasses(_stream(person.seed, 10), person)
        accessories.draw_glasses(canvas, person, frames)
    _draw_front_hair(canvas, person, worn)
    if worn is not None:
        accessories.draw_hat(canvas, person, worn)
    return _finish(canvas, person.seed)


def draw_face(
    seed: int, size: int = 128, *, glasses: bool | None = None, hat: bool | None = None
) -> np.ndarray:
    """Draw one person.

    Parameters
    ----------
    seed : int
        The person, 0 or more: the same seed is the same person at every size.
    size : int
        Side of the picture in pixels, 32 to 256.
    glasses, hat : bool, optional
        Whether they wear them; None leaves it to the person's habit (see `attributes`).

    Returns
    -------
    uint8 (size, size, 3)
        Red, green, blue; aligned as CelebA's face crop is.

    Raises
    ------
    ValueError
        If the size is out of range or the seed is negative.
    """
    _check(seed, size)
    person = _person(seed)
    glasses = person.habit["glasses"] if glasses is None else glasses
    hat = person.habit["hat"] if hat is None else hat
    return _render(person, int(size), bool(glasses), bool(hat))


def draw_pair(seed: int, attribute: str, size: int = 128) -> Pair:
    """Draw one person without and with an attribute, all else equal.

    Parameters
    ----------
    seed, size
        As for `draw_face`.
    attribute : str
        One of `ATTRIBUTES`. The other one follows the person's habit in both pictures.

    Returns
    -------
    Pair
        ``without`` and ``with_``: uint8 (size, size, 3). ``region``: float32 (size, size), 1 where
        they differ in any colour (shadows and reflections included), else 0.

    Raises
    ------
    ValueError
        If the attribute is unknown, the size out of range or the seed negative.
    """
    if attribute not in ATTRIBUTES:
        raise ValueError(f"Drawn faces have {' and '.join(ATTRIBUTES)}; got {attribute!r}.")
    _check(seed, size)
    person = _person(seed)
    without, with_ = (
        _render(person, int(size), **{**person.habit, attribute: worn}) for worn in (False, True)
    )
    region = (without != with_).any(axis=2).astype(np.float32)
    return Pair(without, with_, region)


def landmarks(seed: int, size: int = 128) -> np.ndarray:
    """Where the eyes and the mouth are.

    Returns
    -------
    float32 (3, 2)
        x and y, in pixels, of the eye at the left of the picture, the eye at the right, and the
        middle of the mouth. The centre of the top left pixel is (0.5, 0.5).

    Raises
    ------
    ValueError
        As for `draw_face`.
    """
    _check(seed, size)
    person = _person(seed)
    pose = person.pose
    canvas = Canvas(1, (FRAME / 2 - 0.15 + pose.x, EYE_Y + pose.y), pose.scale, pose.roll)
    points = [(-EYE, 0), (EYE, 0), (pose.yaw * 2.5, MOUTH)]
    return np.array([canvas.to_frame(*p) for p in points], np.float32) * (size / FRAME)


def attributes(seed: int) -> dict[str, bool]:
    """What a person is like when left to their habit, as CelebA's columns would say it.

    Returns
    -------
    dict
        "glasses" and "hat" (which `draw_face` can overrule), and what comes with the person:
        "male", "young", "smiling", "mouth_open", "beard", "bald", "long_hair", "fringe",
        "grey_hair", "lipstick".
    """
    _check(seed, SMALLEST)
    person = _person(seed)
    return {
        **person.habit,
        "male": person.man,
        "young": person.age < 0.45,
        "smiling": person.mouth.smile > 0.5,
        "mouth_open": person.mouth.opening > 0,
        "beard": person.beard.kind in ("full", "goatee", "moustache"),
        "bald": person.hair.style == "bald",
        "long_hair": person.hair.end > 40,
        "fringe": person.hair.fringe is not None,
        "grey_hair": person.hair.grey and person.hair.style != "bald",
    }


def contact_sheet(images, columns: int = 8) -> np.ndarray:
    """Lay pictures of one size side by side: uint8 (rows * size, columns * size, 3)."""
    images = np.asarray(images)
    if images.ndim != 4 or not len(images):
        raise ValueError("A contact sheet needs at least one picture, all of one size.")
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * columns, height, width, channels), 255, np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, channels)
