"""Drawn hats and glasses on real photos: pairs of one face without and with, to train on.

Photos with hats are few, and the top of nearly every CelebA photo is its own reflection (the photo
ended there), so a network that learns from them draws half a hat and its mirror image. Photos with
glasses are more, but no two show the same ones, and an unpaired loss settles for a rim that wavers
and a lens that is half tinted. The drawn hats and glasses of `helpers/accessories.py` are whole.
Here one is put on the photo of somebody without, lit as the face is, and what it looks like goes
with the hair; hair that a hat would cover or press flat gives way to the background. All of that
can be seen in the photo, so that a generator can learn to choose as we do. Notebook 11 tells more.
"""

from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageFilter

from . import accessories
from .drawing import FRAME, Canvas, linear, ramp
from .people import EYE_Y

HAT = "fedora"  # both judges take it for a hat on every photo that we tried, and caps on 19 of 20
# Lightness of the hair, and the hat and the ribbon that stand out against it.
COLOURS = (
    (0.14, (176, 138, 94), (52, 34, 30)),
    (0.34, (124, 48, 50), (34, 30, 34)),
    (0.60, (46, 54, 76), (150, 132, 104)),
)
EDGE = -23.0  # where the hat meets the forehead, above the eyes
HEAD = SimpleNamespace(width=30.0, top=46.0)
HALVES = (32.0, 40.0)  # of the hat, for flat hair and for much of it
# Lightness of the hair, and the frame's colour, half width, half height, squareness and thickness:
# black and square under black hair, red and round under fair.
FRAMES = (
    (0.12, (20, 18, 20), (10.9, 8.0, 3.6, 2.3)),
    (0.30, (64, 34, 22), (10.7, 8.5, 3.1, 2.1)),
    (0.45, (120, 62, 30), (10.5, 9.0, 2.6, 2.0)),
    (0.62, (112, 34, 44), (10.4, 9.3, 2.3, 1.9)),
)
TEMPLES = SimpleNamespace(width=27.6)  # so far the arms can be seen: from in front, hardly at all
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def dress(photo: np.ndarray, attribute: str) -> np.ndarray:
    """Return an aligned face crop with a hat or glasses on, uint8 (size, size, 3) as it was.

    The same photo gets the same ones.

    Parameters
    ----------
    attribute : {"hat", "glasses"}

    Raises
    ------
    ValueError
        If it is not a square uint8 crop, or the attribute is another.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape != (len(photo), len(photo), 3):
        raise ValueError(f"Expected a uint8 crop (size, size, 3), not {photo.dtype} {photo.shape}.")
    if attribute not in PUT_ON:
        raise ValueError(f"Expected one of {', '.join(PUT_ON)}, not {attribute!r}.")
    bare = np.square(photo.transpose(2, 0, 1).astype(np.float32) / 255)
    canvas = Canvas(len(photo), (FRAME / 2 - 0.15, EYE_Y), 1.0, 0.0)
    canvas.image[:] = bare
    hair = _mean(bare, (44, 22, 84, 34))
    PUT_ON[attribute](canvas, _light(bare), hair)
    # Only what was painted changes, to the bit; the rest never goes through a square and a root.
    change = (np.sqrt(np.maximum(canvas.image, 0)) - np.sqrt(bare)).transpose(1, 2, 0)
    dressed = photo + np.rint(change * 255)
    return np.clip(dressed, 0, 255).astype(np.uint8)


def _person(light: SimpleNamespace, head: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(pose=SimpleNamespace(yaw=0.0, pitch=0.0), light=light, head=head)


def _put_on_hat(canvas: Canvas, light: SimpleNamespace, hair: np.ndarray) -> None:
    person = _person(light, HEAD)
    matte, behind = _hair_matte(canvas, hair)
    hat = _hat(person, hair, _head_half(canvas, matte))
    _press_hair(canvas, hat, matte, behind)
    accessories.draw_hat(canvas, person, hat)


def _put_on_glasses(canvas: Canvas, light: SimpleNamespace, hair: np.ndarray) -> None:
    person = _person(light, TEMPLES)
    accessories.draw_glasses(canvas, person, _glasses(person, hair))


PUT_ON = {"hat": _put_on_hat, "glasses": _put_on_glasses}


def _suiting(hair: np.ndarray, table: tuple, column: int) -> list[float]:
    """Return what stands in a column of `COLOURS` or `FRAMES`, between the two nearest rows."""
    lightness = float(np.sqrt(LUMINANCE @ hair))
    stops = [row[0] for row in table]
    values = zip(*(row[column] for row in table), strict=True)
    return [float(np.interp(lightness, stops, each)) for each in values]


def _glasses(person, hair: np.ndarray) -> SimpleNamespace:
    """Return the glasses for this hair: nothing about them is left to chance."""
    rx, ry, power, rim = _suiting(hair, FRAMES, 2)
    rolled = accessories.roll_glasses(np.random.default_rng(0), person)
    shape = {"kind": "thick plastic", "outline": "soft square", "power": power, "rim": rim}
    place = {"rx": rx, "ry": ry, "x": 14.1, "y": 1.8}  # around the eyes, as far apart on all crops
    paint = {"colour": linear(*_suiting(hair, FRAMES, 1)), "tortoise": False, "shine": 0.05}
    # One looks through the lenses: the eyes are the person.
    lenses = {"dark": 0.03, "fade": 0.3, "mirror": 0.1, "streak": -4.0}
    lenses |= {"coating": linear(200, 215, 225)}
    return SimpleNamespace(**{**vars(rolled), **shape, **place, **paint, **lenses})


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


def _hat(person, hair: np.ndarray, half: float) -> SimpleNamespace:
    """Return the hat for this hair and head: nothing about it is left to chance."""
    colour, ribbon = (linear(*_suiting(hair, COLOURS, column)) for column in (1, 2))
    hat = accessories.roll_hat(np.random.default_rng(0), person, HAT)
    wider = half / HALVES[0]
    fixed = {"y": EDGE, "half": half, "tall": wider**0.5, "brim": wider, "tilt": 0.0, "lean": 1}
    return SimpleNamespace(**{**vars(hat), **fixed, "colour": colour, "other": ribbon})


def _press_hair(canvas: Canvas, hat, matte: np.ndarray, behind: np.ndarray) -> None:
    """Let the background show where hair stands out beside and above the hat."""
    x, y, image = canvas.x, canvas.y, canvas.image
    above = hat.y + accessories.rim(hat, np.clip(x, -hat.half, hat.half)) - 1
    around = (x / (hat.half + 12)) ** 2 + ((y - hat.y - 8) / 58) ** 2 < 1
    soft = Image.fromarray((255 * matte * (around & (y < above))).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(1.5 / canvas.unit))
    image += (np.asarray(soft, np.float32) / 255) * (behind - image)


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
