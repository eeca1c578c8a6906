"""Small pictures of the kinds that a generator can draw, for the page to choose from (notebook 09).

They are drawn, not photos, and nobody draws them by hand: what is new among the kinds shows itself.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from . import pixels, styling
from .drawn import faces, worn
from .files import written_whole

SIDE = 120  # pixels of one picture: the page shows it at half of that
SIZE = 256  # pixels of the faces that the pictures are cut from
WEARER = 15
# Each looks well in something else; together they stand for what suits.
DIFFERENT = (12, 4, 2, 0)
# The square around what is worn holds all that some kinds cover; a wide brim may leave it.
SHARE, MARGIN = 0.25, 1.12
QUALITY = 80


def drawable(card: dict) -> list[str]:
    """Return the kinds on a generator's card if all can be drawn here, else none."""
    kinds = card.get("kinds", [])
    known = worn.CHOICES.get(card.get("attribute"), ())
    return list(kinds) if set(kinds) <= set(known) else []


def draw(attribute: str, kinds: list[str]) -> np.ndarray:
    """Draw a picture for what suits, and one for each kind, side by side.

    Parameters
    ----------
    attribute : {"glasses", "hat"}
    kinds : list of str
        From `worn.CHOICES`.

    Returns
    -------
    uint8 (SIDE, (1 + len(kinds)) * SIDE, 3)
        First four people in what suits each, then one person in each kind.
    """
    shown = [_wearing(WEARER, attribute, kind) for kind in kinds]
    box = _square(np.mean([dressed.mask > 0.5 for dressed in shown], axis=0) >= SHARE)
    suited = [_cut(_suited(seed, attribute, kinds), box, SIDE // 2) for seed in DIFFERENT]
    four = np.block([[[suited[0]], [suited[1]]], [[suited[2]], [suited[3]]]])
    return np.concatenate([four, *(_cut(dressed.image, box, SIDE) for dressed in shown)], axis=1)


def write(attribute: str, kinds: list[str], path: Path) -> None:
    """Write what `draw` draws as one picture."""
    with written_whole(path) as temporary:
        picture = Image.fromarray(draw(attribute, kinds))
        picture.save(temporary, "WEBP", quality=QUALITY, method=6)


def _suited(seed: int, attribute: str, kinds: list[str]) -> np.ndarray:
    face = _face(seed)
    card = {"attribute": attribute, "styles": worn.STYLES[attribute], "kinds": kinds}
    card |= styling.what_suits(card)
    style = styling.suiting_style(pixels.to_unit(face[None]), card)[0].numpy()
    return worn.draw(face, None, attribute, style=tuple(style)).image


def _face(seed: int) -> np.ndarray:
    return faces.draw_face(seed, SIZE, glasses=False, hat=False)


def _wearing(seed: int, attribute: str, kind: str) -> worn.Dressed:
    bold = {"weight": 1.0} if "weight" in worn.NUMBERS[attribute] else {}  # thin wires don't show
    return worn.draw(_face(seed), None, attribute, style=worn.row(attribute, kind, **bold))


def _square(where: np.ndarray) -> tuple[int, int, int, int]:
    """Return the square around all that is true, inside of the picture."""
    ys, xs = np.nonzero(where)
    side = min(round(MARGIN * max(np.ptp(xs), np.ptp(ys))), SIZE)
    left, top = (
        int(np.clip((each.min() + each.max() - side) // 2, 0, SIZE - side)) for each in (xs, ys)
    )
    return left, top, left + side, top + side


def _cut(image: np.ndarray, box: tuple[int, int, int, int], side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS, box))
