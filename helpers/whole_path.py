"""The edit as the user gets it: through the whole path of `invert`, at several sizes of a photo.

The other measures look at the crop that a network edits. What is seen is that crop pasted back into
a photo, whose face was found first. So here the result is cut out again, where it was pasted, and
laid beside the crop's own edit. Met in notebook 07.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm.auto import tqdm

from . import alignment, inverter, metrics, pixels
from .datasets import DRAWN, Item, Split
from .judges import Judge, judge_images
from .summary import entry

COUNT = 200  # photos a direction: one or two seconds each
SIZES = (1, 2, 4)  # times as large as the photo is
LARGEST = 6000  # px: a photo whose longer side would be more is not enlarged so far
OF_DRAWN = "The whole path of invert was not measured: drawn faces are crops, not photos."
Generator = Callable[[np.ndarray], np.ndarray]


class _Network:
    """A generator as `inverter.invert_photo` asks for it."""

    def __init__(self, generator: Generator, size: int, headroom: float = 0.0):
        self.generator, self.input_shape = generator, (None, size, size, 3)
        self.headroom, self.face = headroom, pixels.face_part(size, headroom)

    def __call__(self, images, training=False):
        return tf.convert_to_tensor(self.generator(np.asarray(images)))


def measure(
    direction: str,
    generator: Generator,
    split: Split,
    items: list[Item],
    size: int,
    judges: list[Judge],
    *,
    headroom: float = 0.0,
    count: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, dict]:
    """Follow photos through the whole path at each of `SIZES`; return the report's entries.

    Parameters
    ----------
    items : list of Item
        Of which up to `count` (else `COUNT`) are followed, by the seed.
    size : int
        Side of the generator's crop.
    headroom : float
        The part of that crop which is above the face crop.
    judges : list of Judge
        Who say whether the attribute flipped.

    Returns
    -------
    dict
        For each size, e.g. "2x": ``found/2x``, on which share of the photos a face was found;
        ``recut/2x``, the mean absolute difference inside the region, as far as it lies in the
        photo, between the result, cut out again, and the crop's own edit, in grey levels of 255;
        ``flip_recut/2x/classifier-a``, of how many of the results the attribute flipped, as that
        judge says, beside the aligned crop's edits of the same photos. Nothing of drawn faces.
    """
    if split.source == DRAWN:
        return {}
    order = np.random.default_rng([seed, 3]).permutation(len(items))[: count or COUNT]
    photos = [items[place] for place in sorted(order)]
    sign = 1 if direction == "add" else -1

    def flipped(image: np.ndarray) -> list[float]:
        said = [judge_images(judge, image[None])[0][0, judge.column] for judge in judges]
        return [float(sign * logit > 0) for logit in said]

    region = metrics.region_mask(split.attribute, size, headroom)
    region = np.ones((size, size), np.float32) if region is None else region
    network = _Network(generator, size, headroom)
    nothing = (np.nan,) * (2 + len(judges))
    rows: dict[int, list] = {times: [] for times in SIZES}
    with tqdm(total=len(photos), desc=f"whole path, {direction}", disable=not progress) as bar:
        for path in photos:
            try:
                photo = pixels.open_photo(path)
            except (OSError, ValueError) as error:
                split.skip(path, error)
                bar.update()
                continue
            crop = pixels.face_crop(photo, size, headroom)
            edited = _edited(crop, network(pixels.to_unit(crop[None]))[0])
            alone = flipped(edited[network.face])
            for times in SIZES:
                if times == 1 or times * max(photo.size) <= LARGEST:
                    followed = _follow(photo, times, network, region, flipped)
                    rows[times].append((*(followed or nothing), *alone))
            bar.update()
    return {
        name: estimate
        for times, found in rows.items()
        if found
        for name, estimate in _entries(f"{times}x", np.array(found, np.float64), judges).items()
    }


def _follow(photo, times, network, region, flipped) -> tuple[float, ...] | None:
    """Return how far one result is from the crop's edit, how far that edit is from the crop, and
    what `flipped` says of the result; None without a face.
    """
    large = photo.resize([times * side for side in photo.size], Image.Resampling.LANCZOS)
    large = np.asarray(photo if times == 1 else large)
    inverted = inverter.invert_photo(large, network, headroom=network.headroom)
    if not inverted.crops:
        return None
    # Of several faces, the one in the middle: the data's labels are its.
    size = len(region)
    middle = np.array([large.shape[1], large.shape[0]]) / 2
    centre = [(size - 1) / 2] * 2 + [1]
    gaps = [np.abs(alignment.invert(t) @ centre - middle).sum() for t in inverted.transforms]
    face = int(np.argmin(gaps))
    # Beyond the photo nothing can be pasted: what is cut out there is the result's mirror image.
    region = region * _within(large.shape, inverted.transforms[face], size)
    crop = inverted.crops[face]
    edit = _edited(crop, inverted.residuals[face])
    recut = alignment.crop_face(inverted.edited, inverted.transforms[face], size)
    apart, change = (
        float((np.abs(a.astype(np.float64) - edit).mean(axis=2) * region).sum() / region.sum())
        for a in (recut, crop)
    )
    return apart, change, *flipped(recut[network.face])


def _within(shape: tuple[int, ...], transform: np.ndarray, size: int) -> np.ndarray:
    """Return (size, size), true where a pixel of the crop lies in a photo of this shape."""
    y, x = np.mgrid[:size, :size]
    to_photo = alignment.invert(transform)
    places = np.stack([x, y], axis=-1) @ to_photo[:, :2].T + to_photo[:, 2]
    return ((places >= 0) & (places <= np.array([shape[1], shape[0]]) - 1)).all(axis=-1)


def _edited(crop: np.ndarray, residual: np.ndarray) -> np.ndarray:
    return pixels.to_bytes(np.clip(pixels.to_unit(crop) + np.asarray(residual), -1, 1))


def _entries(name: str, rows: np.ndarray, judges: list[Judge]) -> dict[str, dict]:
    apart, change = rows.T[:2]
    recut, alone = np.split(rows.T[2:], 2)
    there = np.isfinite(apart)
    entries = {
        f"found/{name}": entry(metrics.share(there)),
        f"recut/{name}": entry(
            metrics.bootstrap(apart),
            **({"the edit itself": float(np.nanmean(change))} if there.any() else {}),
        ),
    }
    for judge, flips, before in zip(judges, recut, alone, strict=True):
        entries[f"flip_recut/{name}/{judge.name}"] = entry(
            metrics.share(flips[there] > 0),
            **({"the crop alone": float(before[there].mean())} if there.any() else {}),
        )
    return entries
