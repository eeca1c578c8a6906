"""Photos on which a known part of drawn glasses, or of a drawn hat, is left. Met in notebook 07.

What a network removes, it removes in part: a lens goes and the bridge stays, a rim fades, or a soft
shadow is left. So `partly` fades what was drawn as a whole, keeps it in a half or in blots alone,
and blurs it; and `share_left` says how much of it that is.

Nor must anything else tell. What was drawn went through JPEG, and so do photos on which nothing was
drawn. An edit is soft in places, or shows eyes that are not its person's; `disturbed` does the like
to photos on which nothing is left.
"""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

# Of 32 images: real photos with, of which all is left, and photos without, of which nothing is.
# The others are drawn on, and a part is left.
REAL_WITH, WITHOUT = 5, 10
REACH = 6  # px around what was drawn, as far as it is blurred


def share_left(bare: np.ndarray, drawn: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return the share of the drawn change that remains, from 0 to 1.

    Drawing changed each channel of each pixel by some grey levels. Of those, this counts the ones
    by which `shown` still differs from the bare photo to the same side: none where it is bare, at
    most all. So a pixel counts by how much it was changed. If the change is faded to 0.3
    everywhere, or kept where 0.3 of it was and gone elsewhere, the answer is 0.3; where it was
    blurred, what lies beside its old place does not count.

    Parameters
    ----------
    bare, drawn, shown : np.ndarray
        (..., h, w, 3), without, with all of it, and with what is left.

    Returns
    -------
    np.ndarray
        (...); 0 where drawing changed nothing.
    """
    whole = drawn.astype(np.float32) - bare
    there = (shown.astype(np.float32) - bare) * np.sign(whole)
    kept = np.clip(there, 0, np.abs(whole)).sum(axis=(-3, -2, -1))
    return kept / np.maximum(np.abs(whole).sum(axis=(-3, -2, -1)), 1e-6)


# --- what is left of it ---------------------------------------------------------------------


def faded(bare: np.ndarray, drawn: np.ndarray, keep: np.ndarray | float) -> np.ndarray:
    """Return a photo with so much of what was drawn, uint8.

    Parameters
    ----------
    bare, drawn : np.ndarray
        uint8 (h, w, 3).
    keep : float or np.ndarray
        From 0, the bare photo, to 1; one number or (h, w).
    """
    keep = np.asarray(keep, np.float32)
    return _shown(bare, keep[..., None] * (drawn.astype(np.float32) - bare))


def _shown(bare: np.ndarray, change: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(bare + change), 0, 255).astype(np.uint8)


def partly(bare: np.ndarray, drawn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a photo with a part of what was drawn, by chance, uint8; see `share_left`."""
    strength = 1.0 if rng.random() < 0.25 else rng.random() ** 1.5
    weight = np.abs(drawn.astype(np.float32) - bare).sum(axis=2)
    keep = np.full(bare.shape[:2], strength, np.float32)
    if weight.any() and rng.random() < 0.5:
        rest = strength * rng.random() * 0.5 if rng.random() < 0.3 else 0.0
        keep = rest + (strength - rest) * _somewhere(weight, rng)
    if rng.random() > 0.3:
        return faded(bare, drawn, keep)
    change = keep[..., None] * (drawn.astype(np.float32) - bare)
    sigma = rng.uniform(0.7, 4)
    return _shown(bare, _blurred(change, weight > 0, sigma))


def _somewhere(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return 1 on one side of a line, or in blots, and 0 elsewhere, with soft borders (h, w).

    Which share of the weight that leaves is by chance, all being alike.
    """
    y, x = np.indices(weight.shape, np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        height = x * np.cos(angle) + y * np.sin(angle)
        soft = rng.uniform(0.3, 3)
    else:
        height = gaussian_filter(rng.normal(size=weight.shape).astype(np.float32), _blot(weight))
        height /= np.abs(height).max()
        soft = rng.uniform(0.01, 0.1)
    order = np.argsort(height, axis=None)
    below = np.cumsum(weight.ravel()[order])
    edge = order[min(np.searchsorted(below, rng.random() * below[-1]), len(order) - 1)]
    return 1 / (1 + np.exp(np.clip((height.ravel()[edge] - height) / soft, -30, 30)))


def _blot(image: np.ndarray) -> float:
    return image.shape[0] / 16  # px, the deviation that makes blots of noise


def _blurred(change: np.ndarray, where: np.ndarray, sigma: float) -> np.ndarray:
    """Return a change (h, w, 3), blurred; it is there where `where` says, (h, w)."""
    rows, columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return change
    reach = REACH + int(2 * sigma)
    part = (
        slice(max(0, rows[0] - reach), rows[-1] + 1 + reach),
        slice(max(0, columns[0] - reach), columns[-1] + 1 + reach),
    )
    change = change.copy()
    change[part] = gaussian_filter(change[part], (sigma, sigma, 0), truncate=3)
    return change


# --- what must not tell ---------------------------------------------------------------------


def disturbed(bare: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a photo without, uint8, on which something else was done in blots, or nothing.

    There it is blurred; or shows somebody else without, in this photo's colours; or went through
    JPEG once more.
    """
    kind = rng.random()
    if kind < 0.4:
        return bare
    where = _somewhere(np.ones(bare.shape[:2], np.float32), rng)[..., None]
    if kind < 0.6:
        sigma = rng.uniform(0.7, 2.5)
        instead = gaussian_filter(bare.astype(np.float32), (sigma, sigma, 0), truncate=3)
    elif kind < 0.85:
        instead = other.astype(np.float32)
        share = where / where.sum()
        instead = instead + ((bare - instead) * share).sum(axis=(0, 1))
    else:
        instead = through_jpeg(bare, rng).astype(np.float32)
    return _shown(bare, where * (instead - bare))


def through_jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image as it is after JPEG of some quality."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(rng.integers(60, 96)))
    return np.asarray(Image.open(buffer))


def examples(
    bare: np.ndarray, drawn: np.ndarray, real: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.float32]]:
    """Yield for ever an image, uint8 (size, size, 3), and the share left, to learn from.

    Parameters
    ----------
    bare, drawn : np.ndarray
        uint8 (n, size, size, 3): photos without, and the same with all that was drawn.
    real : np.ndarray
        uint8 (m, size, size, 3): photos with, of which all is left.
    """
    while True:
        kind = rng.integers(32)
        if kind < REAL_WITH and len(real):
            image, left = real[rng.integers(len(real))], np.float32(1)
        else:
            one, other = rng.integers(len(bare), size=2)
            under = disturbed(bare[one], bare[other], rng)
            image, left = under, np.float32(0)
            if kind >= REAL_WITH + WITHOUT:
                over = _shown(under, drawn[one].astype(np.float32) - bare[one])
                image = partly(under, over, rng)
                left = np.float32(share_left(under, over, image))
        if rng.random() < 0.4:
            image = through_jpeg(image, rng)
        yield image, left


__all__ = ["disturbed", "examples", "faded", "partly", "share_left", "through_jpeg"]
