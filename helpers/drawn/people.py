"""Who the people of the drawn faces are: every choice about a person, rolled from the seed.

`faces.py` draws what is rolled here. Each part of a person (pose, light, hair, ...) has a
random generator of its own, so that a change to one part, or putting a hat on, moves no other.
"""

from types import SimpleNamespace

import numpy as np

from .drawing import (
    linear,
    mix,
    strand_table,
)

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


def stream(seed: int, part: int) -> np.random.Generator:
    """The random generator of one part of one person."""
    return np.random.default_rng([int(seed), part])


def roll_person(seed: int) -> SimpleNamespace:
    """Roll everything about a person except the accessories, one generator for each part."""
    rng = stream(seed, 0)
    age = float(rng.beta(1.2, 2.3))
    man = bool(rng.random() < 0.5)
    tone = float(rng.uniform(0, 1) ** 1.15) * (len(SKINS) - 1)
    masculine = float(np.clip(rng.normal(0.8 if man else 0.18, 0.14), 0, 1))
    habit = {"glasses": bool(rng.random() < 0.25), "hat": bool(rng.random() < 0.15)}
    person = SimpleNamespace(
        seed=seed, age=age, man=man, masculine=masculine, tone=tone, habit=habit
    )
    person.pose = _roll_pose(stream(seed, 1))
    person.light = _roll_light(stream(seed, 2), tone)
    person.head = _roll_head(stream(seed, 3), person)
    person.skin = _roll_skin(stream(seed, 4), person)
    person.hair = _roll_hair(stream(seed, 5), person)
    person.eyes = _roll_eyes(stream(seed, 6), person)
    person.mouth = _roll_mouth(stream(seed, 7), person)
    person.beard = _roll_beard(stream(seed, 8), person)
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
    """Roll the hair in one go, as each number depends on those before: style, colour, fringe."""
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
    natural = np.array(HAIRS[name], np.float32) * rng.normal(1, 0.07) + rng.normal(0, 3, 3)
    colour = natural
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
        natural=linear(*np.clip(natural, 14, 240)),  # of brows and beard
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
    hair = person.hair.natural
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
