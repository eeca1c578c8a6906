"""Drawn hats and glasses on real photos: pairs of one face without and with, to train on.

Photos with hats are few, and in the subset of CelebA that the course's weights learned from, which
was aligned again from close crops, the top of nearly every photo is its own reflection: a network
that learns from them draws half a hat and its mirror image. Photos with
glasses are more, but no two show the same ones, and an unpaired loss settles for a rim that wavers
and a lens that is half tinted. The drawn hats and glasses of `headwear.py` and
`eyewear.py` are whole.
Here one is put on the photo of somebody without, lit as the face is, and what it looks like goes
with the hair; hair that a hat would cover or press flat gives way to the background. All of that
can be seen in the photo, so that a generator can learn to choose as we do. Notebook 11 tells more.

What suits can be had otherwise: a style, a few numbers, changes the shape, the colour, the lenses.
As the generator is told the style of each pair, it learns to draw what it is asked for.

To take hats or glasses off is another matter: those of this world are of every kind. So `dress`
also draws any, by a seed, as unlike each other as they go; and what is under them is known.
"""

from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageFilter

from . import eyewear, headwear
from .drawing import FRAME, Canvas, ellipse, linear, ramp
from .people import EYE_Y

HAT = "fedora"  # both judges take it for a hat on every photo that we tried, and caps on 19 of 20
# Colours of hats and of their ribbons, and of frames, on a circle: the first of each suit black
# hair, the next lighter hair, and a style goes on from there, half way round in either direction.
HATS = (
    ((176, 138, 94), (52, 34, 30)),
    ((124, 48, 50), (34, 30, 34)),
    ((46, 54, 76), (150, 132, 104)),
    ((58, 92, 70), (30, 34, 30)),
    ((44, 42, 44), (128, 34, 40)),
    ((150, 148, 146), (40, 44, 60)),
    ((222, 208, 182), (96, 62, 40)),
)
FRAMES = (
    (20, 18, 20),
    (64, 34, 22),
    (120, 62, 30),
    (112, 34, 44),
    (104, 44, 104),
    (36, 70, 140),
    (28, 104, 92),
    (124, 124, 130),
)
# The lightness of hair, for which colours of the circle suit: 0, 1, 2 and so on.
HAIR = {"hat": (0.14, 0.34, 0.60), "glasses": (0.12, 0.30, 0.45, 0.62)}
EDGE = -23.0  # where the hat meets the forehead, above the eyes
HEAD = SimpleNamespace(width=30.0, top=46.0)
HALVES = (32.0, 40.0)  # of the hat, for flat hair and for much of it
# Half the brim's width, how far it bends down at the sides, and the height of the crown: of a
# trilby, of what suits, of a cowboy's hat.
BRIMS = ((34.0, 4.5, 0.8), (39.0, 3.5, 1.0), (51.0, -11.0, 1.12))
# Half the width of a lens, half its height, squareness, and the frame's thickness, by what suits:
# the blacker the hair, the more square. A style goes to one like a wire, or to a bold one.
SUITING = (
    (10.9, 8.0, 3.6, 2.3),
    (10.7, 8.5, 3.1, 2.1),
    (10.5, 9.0, 2.6, 2.0),
    (10.4, 9.3, 2.3, 1.9),
)
WIRE, BOLD = (9.7, 9.4, 2.05, 1.3), (12.2, 9.8, 4.2, 3.1)
# How dark the lenses are, and their colour: amber, none, nearly black.
LENSES = ((0.5, (196, 112, 40)), (0.03, (200, 215, 225)), (0.88, (26, 25, 26)))
# What a style's numbers change, each from -1 to 1; at 0 it is as it suits the face.
STYLES = {"glasses": ("shape", "colour", "lenses"), "hat": ("shape", "colour")}
TEMPLES = SimpleNamespace(width=27.6)  # so far the arms can be seen: from in front, hardly at all
CENTRE = (FRAME / 2 - 0.15, EYE_Y)  # between the eyes of every crop
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# How often a hat of each kind is drawn where any may be: as often as one meets them, nearly.
KINDS = {"cap": 0.2, "fedora": 0.2, "beanie": 0.2, "cowboy": 0.1, "beret": 0.08}
KINDS |= {"headscarf": 0.08, "bucket": 0.08, "straw": 0.06}


def dress(
    photo: np.ndarray,
    attribute: str,
    seed: int | None = None,
    style: tuple[float, ...] = (),
) -> np.ndarray:
    """Return an aligned face crop with a hat or glasses on, uint8 (size, size, 3) as it was.

    Parameters
    ----------
    attribute : {"hat", "glasses"}
    seed : int or None
        None puts on what suits the face: the same photo gets the same. A number chooses among all
        kinds, colours, patterns and ways to wear them.
    style : tuple of float
        Without a seed, what to have otherwise, as `STYLES` names it, each in [-1, 1]; () for what
        suits.

    Raises
    ------
    ValueError
        If it is not a square uint8 crop, the attribute is another, or the style has too few or too
        many numbers.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape != (len(photo), len(photo), 3):
        raise ValueError(f"Expected a uint8 crop (size, size, 3), not {photo.dtype} {photo.shape}.")
    if attribute not in PUT_ON:
        raise ValueError(f"Expected one of {', '.join(PUT_ON)}, not {attribute!r}.")
    names = STYLES[attribute]
    style = style or (0.0,) * len(names)
    if len(style) != len(names):
        raise ValueError(f"A style of {attribute} is {', '.join(names)}, not {len(style)} numbers.")
    bare = np.square(photo.transpose(2, 0, 1).astype(np.float32) / 255)
    hair = _mean(bare, (44, 22, 84, 34))
    if seed is None:
        worn = PUT_ON[attribute](bare, hair, *style)
    else:
        worn = PUT_ON_ANY[attribute](bare, hair, np.random.default_rng(seed))
    # Only what was painted changes, to the bit; the rest never goes through a square and a root.
    change = (np.sqrt(np.maximum(worn, 0)) - np.sqrt(bare)).transpose(1, 2, 0)
    dressed = photo + np.rint(change * 255)
    return np.clip(dressed, 0, 255).astype(np.uint8)


def any_style(attribute: str, seed: int) -> tuple[float, ...]:
    """Return the style of one who chooses: what suits as it is, one time in four."""
    rng = np.random.default_rng([seed, 1])
    drawn = rng.uniform(-1, 1, len(STYLES[attribute]))
    return tuple(drawn.tolist() if rng.random() < 0.75 else [0.0] * len(drawn))


def _canvas(bare: np.ndarray) -> Canvas:
    """Return a copy of the photo to paint on, with the coordinates of a face from in front."""
    canvas = Canvas(bare.shape[-1], CENTRE, 1.0, 0.0)
    canvas.image[:] = bare
    return canvas


def _person(
    light: SimpleNamespace, head: SimpleNamespace, yaw: float = 0.0, pitch: float = 0.0
) -> SimpleNamespace:
    return SimpleNamespace(pose=SimpleNamespace(yaw=yaw, pitch=pitch), light=light, head=head)


def _put_on_hat(bare: np.ndarray, hair: np.ndarray, shape: float, colour: float) -> np.ndarray:
    canvas, person = _canvas(bare), _person(_light(bare), HEAD)
    matte, behind = _hair_matte(canvas, hair)
    hat = _hat(person, hair, _head_half(canvas, matte), shape, colour)
    _press_hair(canvas, hat, matte, behind)
    headwear.draw_hat(canvas, person, hat)
    return canvas.image


def _put_on_glasses(bare: np.ndarray, hair: np.ndarray, *style: float) -> np.ndarray:
    canvas, person = _canvas(bare), _person(_light(bare), TEMPLES)
    eyewear.draw_glasses(canvas, person, _glasses(person, hair, *style))
    return canvas.image


PUT_ON = {"hat": _put_on_hat, "glasses": _put_on_glasses}


def _place(attribute: str, hair: np.ndarray) -> float:
    """Return which colour suits this hair, as a place in `HATS` or `FRAMES`."""
    lightness = float(np.sqrt(LUMINANCE @ hair))
    stops = HAIR[attribute]
    return float(np.interp(lightness, stops, range(len(stops))))


def _row(table: tuple, place: float) -> list[float]:
    """Return the row of a table at a place between two of them; after the last comes the first."""
    below, share = divmod(place, 1)
    a, b = (np.array(table[(int(below) + i) % len(table)], np.float32) for i in (0, 1))
    return ((1 - share) * a + share * b).tolist()


def _towards(least: tuple, middle: tuple, most: tuple, style: float) -> np.ndarray:
    """Return numbers on the way from one row over a second to a third, for a style in [-1, 1]."""
    end = np.array(most if style > 0 else least, np.float32)
    return (1 - abs(style)) * np.array(middle, np.float32) + abs(style) * end


def _glasses(
    person, hair: np.ndarray, shape: float, colour: float, lenses: float
) -> SimpleNamespace:
    """Return the glasses for this hair in this style: nothing about them is left to chance."""
    place = _place("glasses", hair)
    rx, ry, power, rim = _towards(WIRE, _row(SUITING, place), BOLD, shape).tolist()
    paint = linear(*_row(FRAMES, place + colour * len(FRAMES) / 2))
    dark = _towards(*([row[0]] for row in LENSES), lenses)[0]
    # Half as much of the tint is enough for its colour.
    glass = linear(*_towards(*(row[1] for row in LENSES), np.sign(lenses) * abs(lenses) ** 0.5))
    rolled = eyewear.roll_glasses(np.random.default_rng(0), person)
    fixed = {"kind": "thick plastic", "outline": "soft square", "power": power, "rim": rim}
    around = {"rx": rx, "ry": ry, "x": 14.1, "y": 1.8}  # the eyes, as far apart on all crops
    frame = {"colour": paint, "tortoise": False, "shine": 0.05}
    # One looks through the lenses, if they are not dark: the eyes are the person.
    lens = {"dark": float(dark), "fade": 0.3, "streak": -4.0, "coating": glass, "tint": glass}
    lens["mirror"] = 0.1 if dark <= 0.5 else 0.05  # dark ones reflect twice as much
    return SimpleNamespace(**{**vars(rolled), **fixed, **around, **frame, **lens})


def _mean(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return the mean colour (3,) of a box, in reference pixels: left, top, right, bottom."""
    left, top, right, bottom = (round(edge * image.shape[-1] / FRAME) for edge in box)
    return image[:, top:bottom, left:right].mean(axis=(1, 2))


def _light(bare: np.ndarray) -> SimpleNamespace:
    """Guess the light from both cheeks: how much, and from which side."""
    left, right = (LUMINANCE @ _mean(bare, box) for box in ((40, 60, 56, 92), (72, 60, 88, 92)))
    across = np.clip(1.2 * np.log((right + 0.02) / (left + 0.02)), -0.75, 0.75)
    direction = np.array([across, -0.5, 0.8])
    x, y, z = (direction / np.linalg.norm(direction)).tolist()
    level = float(np.clip((left + right) / 0.56, 0.3, 1.5))
    return SimpleNamespace(x=x, y=y, z=z, key=[0.8 * level] * 3, fill=[0.42 * level] * 3)


def _hair_matte(canvas: Canvas, hair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of each pixel is hair (size, size), and what is behind it (3, size, size)."""
    x, y, image = canvas.x, canvas.y, canvas.image
    around = (x / (HALVES[1] + 12)) ** 2 + ((y - EDGE - 8) / 58) ** 2 < 1
    outside = ((y < EDGE + 6) & ~around).astype(np.float32)
    # What is around tells what is behind, where it is not hair.
    unlike = np.square(image - hair[:, None, None]).sum(axis=0)
    unlike /= unlike + 0.02
    behind = _fill(image, outside * (unlike + 0.05))
    # How far each pixel is on the way from the background's colour to that of the hair.
    way = hair[:, None, None] - behind
    share = ((image - behind) * way).sum(axis=0) / (np.square(way).sum(axis=0) + 2e-3)
    # Hair that goes on outside would frame a gap: there the hat just sits on it.
    ends = ramp(_fill(unlike[None], outside)[0], 0.3, 0.7)
    return ramp(share, 0.1, 0.6) * ends, behind


def _head_half(canvas: Canvas, matte: np.ndarray) -> float:
    """Return half the width of head and hair where the hat's edge will be, within `HALVES`."""
    band = (canvas.y > EDGE - 10) & (canvas.y < EDGE + 6)
    step = max(2.0, canvas.unit)  # so that each column holds pixels
    halves = []
    for side in (-1, 1):
        columns = [
            matte[band & (side * canvas.x >= at) & (side * canvas.x < at + step)].mean()
            for at in np.arange(*HALVES, step)
        ]
        # As far out as no column before it is bare.
        hairy = np.cumprod(ramp(np.array(columns), 0.2, 0.7)).sum()
        halves.append(HALVES[0] + step * float(hairy))
    return min(halves)  # the wider side may be a wall of that colour


def _hat(person, hair: np.ndarray, half: float, shape: float, colour: float) -> SimpleNamespace:
    """Return the hat for this hair, head and style: nothing about it is left to chance."""
    place = _place("hat", hair) + colour * len(HATS) / 2
    paint, ribbon = (linear(*_row([row[i] for row in HATS], place)) for i in (0, 1))
    brim, curl, tall = _towards(*BRIMS, shape).tolist()
    hat = headwear.roll_hat(np.random.default_rng(0), person, HAT)
    wider = half / HALVES[0]
    fixed = {"y": EDGE, "half": half, "tall": tall * wider**0.5, "tilt": 0.0, "lean": 1}
    fixed |= {"brim": wider, "brim_half": brim, "curl": curl}
    return SimpleNamespace(**{**vars(hat), **fixed, "colour": paint, "other": ribbon})


def _press_hair(canvas: Canvas, hat, matte: np.ndarray, behind: np.ndarray) -> None:
    """Let the background show where hair stands out beside and above the hat."""
    x, y, image = canvas.x, canvas.y, canvas.image
    above = hat.y + headwear.rim(hat, np.clip(x, -hat.half, hat.half)) - 1
    around = (x / (hat.half + 12)) ** 2 + ((y - hat.y - 8) / 58) ** 2 < 1
    soft = Image.fromarray((255 * matte * (around & (y < above))).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(1.5 / canvas.unit))
    image += (np.asarray(soft, np.float32) / 255) * (behind - image)


# --- any kind -------------------------------------------------------------------------------


def _put_on_any_hat(bare: np.ndarray, hair: np.ndarray, rng) -> np.ndarray:
    """Return the photo (3, size, size), linear light, with a hat of any kind on."""
    canvas = _worn_canvas(bare, rng, sideways=2.2, turn=0.06)
    person = _person(_light(bare), HEAD, *_pose(rng))
    plain = _canvas(bare)
    matte, behind = _hair_matte(plain, hair)
    hat = _any_hat(rng, person, _head_half(plain, matte) / canvas.scale)
    if rng.random() < 0.8:  # some hats just sit on the hair
        _press_hair(plain, _seen_from_in_front(hat, canvas), matte, behind)
    own, through = _layer(canvas, lambda: headwear.draw_hat(canvas, person, hat))
    own = own * _cloth(rng, canvas)
    if rng.random() < 0.65:  # close crops end there, and go on with their mirror image
        size = bare.shape[-1]
        end = int(rng.integers(3, 30) * size / FRAME)
        rows = np.arange(size)
        rows[:end] = 2 * end - 1 - rows[:end]
        own, through = own[:, rows], through[:, rows]
    return _photographed(bare, plain.image, own, through, rng)


def _put_on_any_glasses(bare: np.ndarray, hair: np.ndarray, rng) -> np.ndarray:
    """Return the photo (3, size, size), linear light, with glasses of any kind on."""
    canvas = _worn_canvas(bare, rng, sideways=0.8, turn=0.02)
    person = _person(_light(bare), TEMPLES, *_pose(rng))
    glasses = _any_glasses(rng, person)
    own, through = _layer(canvas, lambda: eyewear.draw_glasses(canvas, person, glasses))
    return _photographed(bare, bare, own, through, rng)


PUT_ON_ANY = {"hat": _put_on_any_hat, "glasses": _put_on_any_glasses}


def _worn_canvas(bare: np.ndarray, rng, sideways: float, turn: float) -> Canvas:
    """Return a canvas a little off the face's own: so exactly, nobody wears anything."""
    x, y = CENTRE
    centre = (x + float(rng.normal(0, sideways)), y + float(rng.normal(0, 0.7 * sideways)))
    roll = float(np.clip(rng.normal(0, turn), -3 * turn, 3 * turn))
    return Canvas(bare.shape[-1], centre, float(rng.uniform(0.95, 1.1)), roll)


def _pose(rng) -> tuple[float, float]:
    """Return a yaw and a pitch: faces that look a little away wear these things as well."""
    return float(np.clip(rng.normal(0, 0.22), -0.6, 0.6)), float(rng.normal(0, 0.08))


def _any_hat(rng, person, half: float) -> SimpleNamespace:
    hat = headwear.roll_hat(rng, person, str(rng.choice(list(KINDS), p=list(KINDS.values()))))
    half *= float(rng.uniform(0.98, 1.14))
    if hat.brim_half:
        hat.brim_half *= half / hat.half * float(rng.uniform(0.85, 1.1))
    hat.half = half
    hat.y += float(rng.uniform(-3, 9))  # to the brows
    hat.tall *= float(rng.uniform(0.85, 1.35))
    hat.tilt += float(rng.normal(0, 0.05))
    chance = rng.random()
    if chance < 0.45:  # most hats are dark
        hat.colour = linear(*np.clip(rng.uniform(8, 62) + rng.normal(0, 6, 3), 3, 255))
    elif chance < 0.65:
        hat.colour = linear(*rng.integers(20, 246, 3))
    chance = rng.random()
    if chance < 0.3:  # tone in tone
        hat.other = hat.colour * np.float32(rng.uniform(0.5, 1.3))
    elif chance < 0.65:
        hat.other = linear(*rng.integers(8, 246, 3))
    return hat


def _any_glasses(rng, person) -> SimpleNamespace:
    glasses = eyewear.roll_glasses(rng, person)
    glasses.rx *= float(rng.uniform(0.95, 1.15))
    glasses.ry *= float(rng.uniform(0.9, 1.15))
    glasses.rim *= float(rng.uniform(0.8, 1.5))
    chance = rng.random()
    if chance < 0.45:  # most frames are dark
        glasses.colour = linear(*np.clip(rng.uniform(4, 44) + rng.normal(0, 6, 3), 2, 255))
    elif chance < 0.6:
        glasses.colour = linear(*rng.integers(10, 220, 3))
    if rng.random() < 0.2:  # nothing of the eyes can be seen
        glasses.dark, glasses.fade = float(rng.uniform(0.93, 1.0)), float(rng.uniform(0, 0.15))
        glasses.tint = linear(*np.clip(rng.uniform(4, 60) + rng.normal(0, 8, 3), 2, 255))
        glasses.mirror *= float(rng.uniform(0, 1))
    return glasses


def _seen_from_in_front(hat: SimpleNamespace, canvas: Canvas) -> SimpleNamespace:
    """Return the hat's place in the coordinates of the face, for `_press_hair`."""
    place = {"half": hat.half * canvas.scale, "x": 0.0, "tilt": hat.tilt + canvas.sin}
    place["y"] = hat.y * canvas.scale + canvas.centre[1] - EYE_Y
    return SimpleNamespace(**{**vars(hat), **place})


def _layer(canvas: Canvas, draw) -> tuple[np.ndarray, np.ndarray]:
    """Return what is drawn as a layer: its own light, and what share of that behind it passes.

    Everything is drawn with blends, so black and white behind it tell both.
    """
    canvas.image[:] = 0
    draw()
    own = canvas.image.copy()
    canvas.image[:] = 1
    draw()
    return own, np.clip(canvas.image - own, 0, 1)


def _photographed(bare, behind, own, through, rng) -> np.ndarray:
    """Return the photo with a layer over what is behind it, as sharp and as grainy as photos are.

    Where the layer lets everything pass and nothing changed behind it, it is `bare` to the bit.
    """
    worn = behind * through + own
    size = bare.shape[-1]
    blur = ImageFilter.GaussianBlur(float(rng.uniform(0, 0.8)) * size / FRAME)
    shown = Image.fromarray(
        np.rint(255 * np.sqrt(np.clip(worn, 0, 1))).astype(np.uint8).transpose(1, 2, 0)
    )
    grain = rng.normal(0, rng.uniform(0, 4), (size, size)).astype(np.float32)
    soft = np.asarray(shown.filter(blur), np.float32).transpose(2, 0, 1) + grain
    touched = (through < 0.999).any(axis=0) | (behind != bare).any(axis=0)
    return np.where(touched, np.square(np.clip(soft / 255, 0, 1)), bare)


def _cloth(rng, canvas: Canvas) -> np.ndarray:
    """Return what a hat's light is multiplied by, (3, size, size): folds, knit, checks, a badge."""
    size = canvas.size

    def noise(cells):
        small = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        return np.asarray(Image.fromarray(small).resize((size, size), Image.BICUBIC))

    cloth = np.ones((3, size, size), np.float32)
    for cells, most in ((6, 0.35), (14, 0.3), (40, 0.25), (90, 0.25)):
        if rng.random() < 0.6:
            cloth *= np.exp(noise(cells) * np.float32(rng.uniform(0, most)))
    if rng.random() < 0.25:  # stripes, or checks
        period, angle = rng.uniform(4, 14), rng.uniform(0, np.pi)
        amount = rng.uniform(0.2, 0.9, 3).astype(np.float32)[:, None, None]
        for turned in (angle, angle + np.pi / 2)[: rng.integers(1, 3)]:
            across = canvas.x * np.float32(np.cos(turned)) + canvas.y * np.float32(np.sin(turned))
            cloth *= 1 - amount * (np.sin(2 * np.pi * across / period) > rng.uniform(-0.3, 0.8))
    if rng.random() < 0.4:  # a badge, letters, a flower
        dx, dy = canvas.x - rng.normal(0, 6), canvas.y + rng.uniform(28, 48)
        spot = ellipse(dx, dy, rng.uniform(4, 14), rng.uniform(3, 9)) < 0
        spot = spot & (noise(int(rng.integers(14, 40))) > rng.uniform(-1, 0.3))
        tint = rng.uniform(0.1, 4, 3).astype(np.float32)[:, None, None]
        cloth *= np.where(spot, tint, 1)
    return cloth


# --- filling ----------------------------------------------------------------------------------


def _fill(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Spread the known pixels of an image (3, h, w) smoothly over the others.

    `known` (h, w) says from 0 to 1 how well each is known. Each level of a pyramid holds the means
    of the known pixels below it, and what a level does not know it asks the next.

    Source: Gortler et al., "The Lumigraph", SIGGRAPH 1996 (pull and push).
    """
    if min(known.shape) < 2:
        weight = known.sum()
        return np.broadcast_to(
            (image * known).sum(axis=(1, 2), keepdims=True) / max(weight, 1e-6), image.shape
        )
    height, width = (2 * (side // 2) for side in known.shape)

    def halve(a):
        a = a[..., :height, :width]
        return a.reshape(*a.shape[:-2], height // 2, 2, width // 2, 2).mean(axis=(-3, -1))

    weight = halve(known)
    coarse = _fill(halve(image * known) / np.maximum(weight, 1e-6), weight)
    size = (known.shape[1], known.shape[0])
    fine = np.stack([np.asarray(Image.fromarray(c).resize(size, Image.BILINEAR)) for c in coarse])
    return known * image + (1 - known) * fine.astype(np.float32)
