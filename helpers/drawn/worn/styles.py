"""What is put on: in a style that was asked for, or any by a seed.

A style is a row of numbers, which a generator can be told: one for each kind, of which one is 1 (or
none, for the first), then some from -1 to 1 that change it, 0 being the middle. What is drawn in a
style is a function of the photo alone. A network is always told a kind: `styling` chooses it, and
the numbers, where nobody does.
"""

from typing import NamedTuple

import numpy as np

from . import glasses, hats, palette
from .frames import Cut
from .hatkinds import EVERY, KINDS
from .hatmesh import Fit
from .lenses import Lens
from .light import LUMINANCE
from .outlines import OUTLINES
from .paint import METALS
from .scene import Scene

# Of glasses the height is that of the lenses, low is how far down the nose they sit, and glare a
# window mirrored in them, on the left or on the right.
NUMBERS = {
    "glasses": ("size", "weight", "colour", "lenses", "height", "low", "glare"),
    "hat": ("size", "colour", "low"),
}
CHOICES = {"glasses": tuple(OUTLINES), "hat": tuple(KINDS)}
SIDED = ("glare",)  # numbers that say left or right
# The names of a style's numbers, in their order.
STYLES = {attribute: CHOICES[attribute] + NUMBERS[attribute] for attribute in NUMBERS}
# How often each kind is drawn where any may be: about as often as one meets them.
OFTEN = {
    "glasses": {
        "rectangle": 16, "square": 10, "round": 6, "oval": 8, "wayfarer": 12, "cat-eye": 5,
        "aviator": 10, "browline": 4, "rimless": 6, "half-rim": 9, "oversized": 7, "thin": 10,
        "sport": 4,
    },
    "hat": {
        "cap": 26, "backward cap": 5, "beanie": 19, "fedora": 17, "straw": 5, "bucket": 3,
        "beret": 6, "cloche": 3, "cowboy": 4, "top hat": 3, "flat cap": 8, "fur hat": 4, "scarf": 7,
    },
}  # fmt: skip
# How many of a kind are sunglasses.
SUNNY = {"sport": 0.9, "aviator": 0.5, "oversized": 0.6, "wayfarer": 0.3}
SUNNY_OTHERS = 0.24
TINTED = 0.06  # lenses between clear and dark, of any kind
OFTEN_OTHERS = {"glasses": {}, "hat": {"peaked cap": 7}}
AS_IT_IS = 6  # one who chooses in so many chooses only the kind
WIDE = ("straw", "cowboy", "fedora")
HAIR, CLOTHES = (0.1, 0.3, 0.5), (0.08, 0.35, 0.7)  # lightness, from 0 to 1, at the circles' stops


class Style(NamedTuple):
    """What is asked for.

    Attributes
    ----------
    kind : str
        One of `CHOICES`; "" for the first.
    numbers : dict
        From `NUMBERS` to [-1, 1]; what is left out is 0.
    """

    kind: str
    numbers: dict[str, float]


def row(attribute: str, kind: str = "", **numbers: float) -> tuple[float, ...]:
    """Return a style as the row of numbers that `STYLES` names."""
    if kind and kind not in CHOICES[attribute]:
        raise ValueError(f"Expected one of {', '.join(CHOICES[attribute])}, not {kind!r}.")
    if unknown := numbers.keys() - set(NUMBERS[attribute]):
        raise ValueError(f"A style of {attribute} has no {', '.join(sorted(unknown))}.")
    chosen = [float(name == kind) for name in CHOICES[attribute]]
    return (*chosen, *(float(numbers.get(name, 0.0)) for name in NUMBERS[attribute]))


def mirrored(attribute: str, style: tuple[float, ...]) -> tuple[float, ...]:
    """Return the style of the mirror image of what was drawn in a style."""
    names = STYLES[attribute]
    return tuple(-n if name in SIDED else n for name, n in zip(names, style, strict=True))


def read_row(attribute: str, style: tuple[float, ...]) -> Style:
    """Return what a row of numbers asks for; () is a row of zeros."""
    kinds, names = CHOICES[attribute], STYLES[attribute]
    style = tuple(style) or (0.0,) * len(names)
    if len(style) != len(names):
        raise ValueError(f"A style of {attribute} is {', '.join(names)}, not {len(style)} numbers.")
    best = int(np.argmax(style[: len(kinds)]))
    kind = kinds[best] if style[best] >= 0.5 else ""
    numbers = np.clip(style[len(kinds) :], -1, 1).tolist()
    return Style(kind, dict(zip(NUMBERS[attribute], numbers, strict=True)))


def any_row(attribute: str, seed: int) -> tuple[float, ...]:
    """Return the style of one who chooses a kind and, but for one in `AS_IT_IS`, the rest too."""
    rng = np.random.default_rng([seed, 1])
    kinds, often = zip(*OFTEN[attribute].items(), strict=True)
    kind = str(rng.choice(kinds, p=np.array(often) / sum(often)))
    # Nearer to the middle more often than far from it.
    chosen = rng.triangular(-1, 0, 1, len(NUMBERS[attribute])).tolist()
    numbers = dict(zip(NUMBERS[attribute], chosen, strict=True))
    if attribute == "glasses":
        # Bold and fine, tall and flat, high on the nose and low are met equally often.
        for name in ("weight", "height", "low"):
            numbers[name] = float(rng.uniform(-1, 1))
        numbers["lenses"] = _any_lenses(rng, kind)
    return row(attribute, kind, **({} if rng.integers(AS_IT_IS) == 0 else numbers))


def _any_lenses(rng, kind: str) -> float:
    """Return how dark lenses are: most people see through theirs, and sunglasses are dark."""
    chance = rng.random() - SUNNY.get(kind, SUNNY_OTHERS)
    shade = rng.uniform(0.8, 1) if chance < 0 else rng.uniform(0.15, 0.8)
    if chance > TINTED:
        shade = abs(rng.normal(0, 0.05))
    return float(rng.choice([-shade, shade], p=[0.3, 0.7]))


class Looks(NamedTuple):
    """What is seen of a person that colours go with, each from 0 to 2.

    Attributes
    ----------
    hair : float
        From black to light.
    clothes : float
        Likewise.
    """

    hair: float
    clothes: float


def looks(scene: Scene) -> Looks:
    """Return the looks of the person on a photo."""
    place, mask = scene.head.place, scene.head.mask
    above = mask & (place[..., 1] < -70) & (place[..., 1] > -105) & (place[..., 2] < 100)
    hair = _lightness(scene, above)
    scale, (x, y) = scene.pose.scale, scene.pose.centre
    rows = slice(*np.clip([y + 112 * scale, y + 145 * scale], 0, scene.shape[0]).astype(int))
    columns = slice(*np.clip([x - 70 * scale, x + 70 * scale], 0, scene.shape[1]).astype(int))
    low = np.zeros(scene.shape, bool)
    low[rows, columns] = True
    stops = range(3)
    return Looks(
        float(np.interp(hair, HAIR, stops)),
        float(np.interp(_lightness(scene, low), CLOTHES, stops)),
    )


def _lightness(scene: Scene, where: np.ndarray) -> float:
    if not where.any():
        return 0.3
    return float(np.sqrt(np.median(scene.bare[where] @ LUMINANCE)))


def styled_glasses(scene: Scene, style: Style) -> glasses.Glasses:
    """Return the glasses for a face in a style: nothing about them is left to chance."""
    seen, change = looks(scene), style.numbers
    kind = style.kind or CHOICES["glasses"][0]
    outline = OUTLINES[kind]
    high = 1 + 0.17 * change["height"]
    outline = outline._replace(half_height=outline.half_height * high)
    down = 1 + 4 * change["low"] + 3 * max(change["low"], 0)
    weight, size = 0.5 + 0.5 * change["weight"], 1 + 0.1 * change["size"]
    cut = Cut(outline, weight, size, down, out=1.0)
    # Dark, as most frames are: they are to be seen on any skin.
    place = 0.6 * seen.hair + 0.2 * seen.clothes + change["colour"] * len(palette.PLASTICS) / 2
    metal = 0.5 * seen.hair + change["colour"] * len(palette.WIRES) / 2
    paint = palette.plastic(place, 0.5, 2.0, metal)
    paint = paint._replace(clear=0.4 * paint.clear)
    shade = change["lenses"]
    tint = palette.LENS["grey" if shade > 0 else "brown"]
    dark = 0.03 + (0.9 if shade > 0 else 0.62) * abs(shade)
    fade = 0.4 - 0.35 * shade**2 if shade > 0 else 0.7
    # A window, to the left or to the right.
    lamp = (0.4 * float(np.sign(change["glare"])), -0.2, 0.2, 0.28)
    light = 8 * change["glare"] ** 2
    lens = Lens(dark, fade, np.array(tint), lamp=lamp, lamp_light=light, busy=1.0)
    return glasses.Glasses(cut, paint, lens)


def styled_hat(scene: Scene, style: Style) -> hats.Worn:
    """Return the hat for a face in a style: nothing about it is left to chance."""
    seen, change = looks(scene), style.numbers
    kind = style.kind or CHOICES["hat"][0]
    made = KINDS[kind]
    fit = made.fit._replace(front=made.fit.front + 9 * change["low"])
    # It goes with the clothes, and stands out against the hair.
    place = 0.4 + 1.1 * seen.clothes - 0.2 * seen.hair + change["colour"] * len(palette.CLOTHS) / 2
    emblem = 7 if kind == "cap" else 0
    cloth = palette.cloth(made.cloths[0], place, emblem=emblem, creases=0.12)
    if emblem:  # a light one, and a bill that is told from the crown
        cloth = cloth._replace(other=palette.linear(226, 222, 212), brim=0.4 * cloth.colour)
    return hats.Worn(kind, fit, change["size"], np.full(9, 0.5), cloth)


# --- any kind -------------------------------------------------------------------------------


def _any_kind(attribute: str, rng) -> str:
    kinds, often = zip(*(OFTEN[attribute] | OFTEN_OTHERS[attribute]).items(), strict=True)
    return str(rng.choice(kinds, p=np.array(often) / sum(often)))


def any_glasses(scene: Scene, rng) -> glasses.Glasses:
    """Return glasses of any kind."""
    kind = _any_kind("glasses", rng)
    outline = OUTLINES[kind]
    cut = Cut(
        outline._replace(
            half_width=outline.half_width * rng.uniform(0.93, 1.07),
            half_height=outline.half_height * rng.uniform(0.8, 1.15),
            hinge=outline.hinge + rng.uniform(-0.15, 0.15),
            bridge=outline.bridge + rng.uniform(-1.5, 2.5),
        ),
        float(rng.uniform(0, 1)),
        float(rng.uniform(0.95, 1.07)),
        float(rng.choice([rng.uniform(-3, 5), rng.uniform(5, 10)], p=[0.85, 0.15])),
        float(rng.uniform(-1, 3)),
    )
    return glasses.Glasses(cut, _any_paint(rng), _any_lens(rng, kind))


def _any_paint(rng):
    gloss, phase = float(rng.uniform(0, 1)), float(rng.uniform(0, 6))
    chance = rng.random()
    place = float(rng.uniform(0, len(palette.PLASTICS)))
    if chance < 0.85:  # black, brown, tortoise
        place = float(rng.uniform(-0.5, 2.6))
    metal = float(len(METALS) * rng.beta(1, 1.2))
    paint = palette.plastic(place, gloss, phase, metal)
    if chance < 0.45:
        dark = palette.linear(*np.clip(rng.uniform(3, 36) + rng.normal(0, 4, 3), 2, 255))
        paint = paint._replace(colour=dark, spotted=0.0, clear=0.0)
    elif chance > 0.88:  # odd
        paint = paint._replace(colour=palette.linear(*rng.uniform(10, 240, 3)))
    return paint._replace(metal=paint.metal * rng.uniform(0.6, 1.15))


def _any_lens(rng, kind: str) -> Lens:
    sunny = SUNNY.get(kind, SUNNY_OTHERS)
    lamp = (*rng.uniform((-0.6, -0.7), (0.6, 0.3)), *rng.uniform((0.05, 0.08), (0.4, 0.5)))
    lens = Lens(
        dark=float(rng.uniform(0, 0.1)),
        power=float(rng.normal(0.025, 0.03)),
        mirror=float(rng.uniform(0.005, 0.06)),
        busy=float(rng.uniform(0, 2.5)),
        sheen=np.array([[1, 1, 1], [0.75, 1, 0.8], [0.8, 0.75, 1.0]])[rng.integers(3)],
        lamp=tuple(map(float, lamp)),
        lamp_light=float(
            rng.choice([0, rng.exponential(1.5), rng.exponential(6)], p=[0.6, 0.3, 0.1])
        ),
    )
    chance = rng.random()
    if chance > sunny + TINTED:
        return lens
    tint = np.array(list(palette.LENS.values()))[rng.choice(3, p=[0.6, 0.3, 0.1])]
    tint = (
        np.clip(tint * rng.uniform(0.85, 1.1, 3), 0.2, 1)
        if rng.random() < 0.85
        else rng.uniform(0.2, 1, 3)
    )
    dark = float(rng.uniform(0.15, 0.7) if chance > sunny else rng.uniform(0.8, 1.0))
    lens = lens._replace(
        dark=dark, fade=float(rng.choice([rng.uniform(0, 0.2), rng.uniform(0.3, 0.8)]))
    )
    lens = lens._replace(tint=tint / tint.max(), mirror=float(rng.uniform(0.02, 0.12)))
    if chance < 0.12 * sunny:
        lens = lens._replace(mirror=float(rng.uniform(0.15, 0.5)), sheen=rng.uniform(0.3, 1, 3))
    return lens


def any_hat(scene: Scene, rng) -> hats.Worn:
    """Return a hat of any kind."""
    kind = _any_kind("hat", rng)
    made = EVERY[kind]
    fit = Fit(
        made.fit.pad + float(rng.uniform(-3, 5)),
        made.fit.front + float(rng.normal(0, 7)),
        made.fit.tilt + float(rng.normal(0, 0.04 if kind in WIDE else 0.06)),
        float(rng.normal(0, 0.05)),
        float(rng.normal(0, 0.12)),
    )
    bold = float(np.clip(rng.normal(0, 0.6), -1, 1))
    weave = str(rng.choice(made.cloths))
    return hats.Worn(
        kind, fit, bold, rng.random(9), _any_cloth(rng, kind, weave), float(rng.random() ** 2)
    )


def _any_colour(rng, dark: float) -> np.ndarray:
    """Return a colour, linear: dark with this chance, most of the others muted."""
    if rng.random() < dark:
        return palette.linear(*np.clip(rng.uniform(5, 66) + rng.normal(0, 5, 3), 2, 255))
    bright = rng.uniform(50, 235)
    deep = rng.beta(1.2, 2.5)  # how far it is from grey
    hue = rng.dirichlet((1, 1, 1))
    return palette.linear(*np.clip(bright * (1 - deep + deep * hue / hue.max()), 4, 250))


def _any_cloth(rng, kind: str, weave: str):
    cloth = palette.cloth(weave, float(rng.uniform(0, len(palette.CLOTHS))))
    if weave != "straw" and rng.random() < 0.75:
        body = _any_colour(rng, 0.65)
        cloth = cloth._replace(colour=body, brim=body)
    chance = rng.random()
    if chance < 0.35:  # tone in tone
        cloth = cloth._replace(other=cloth.colour * rng.uniform(0.5, 1.3))
    elif chance < 0.8:
        cloth = cloth._replace(other=_any_colour(rng, 0.3))
    if kind in ("cap", "bucket", "flat cap") and rng.random() < 0.3:
        cloth = cloth._replace(brim=_any_colour(rng, 0.4))
    if kind == "peaked cap":
        badge = palette.linear(*rng.uniform(120, 250, 3))
        cloth = cloth._replace(brim=_any_colour(rng, 0.8), other=badge)
    often = {"cap": 0.25, "scarf": 0.7, "flat cap": 0.4, "beanie": 0.2, "bucket": 0.2}.get(
        kind, 0.04
    )
    if rng.random() < often:
        kinds = ["panel"] if kind == "cap" else ["stripes", "checks", "blotches"]
        colour = _any_colour(rng, 0.3)
        if rng.random() < 0.6:
            colour = 0.6 * cloth.colour + 0.4 * colour
        cloth = cloth._replace(pattern=str(rng.choice(kinds)), pattern_colour=colour)
    if rng.random() < {"cap": 0.85, "beanie": 0.3, "bucket": 0.2, "backward cap": 0.3}.get(
        kind, 0.0
    ):
        light = cloth.colour.max() < 0.15 and rng.random() < 0.7
        other = palette.linear(*rng.uniform(170, 250, 3)) if light else cloth.other
        cloth = cloth._replace(emblem=int(rng.integers(1, 1 << 30)), other=other)
    soft = {"felt": 0.25, "straw": 0.2, "fur": 0.3}.get(weave, 0.6)
    creases = soft * float(rng.uniform(0.2, 1.2))
    return cloth._replace(
        depth=float(rng.uniform(0.4, 1.5)), creases=creases, seed=int(rng.integers(1 << 20))
    )
