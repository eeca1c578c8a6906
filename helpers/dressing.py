"""Splits in which drawn hats and glasses are on photos, so that the true edits are known.

Used in notebook 11.
"""

from dataclasses import replace
from pathlib import Path

from .celeba import short_name
from .datasets import DRAWN, PARTS, Dressed, Split
from .drawn import worn
from .errors import DataError

WORN = {"hat": "hats", "glasses": "glasses"}  # what `dress` can draw
LEFT_ALONE = 6  # to remove: one in so many wears nothing, and nothing is to be done


def dress(split: Split, direction: str, cache: Path | None = None, times: int = 1) -> Split:
    """Return a split in which drawn hats or glasses are on the photos without: true pairs.

    Parameters
    ----------
    direction : {"add", "remove"}
        What is to be learned. To add, one of a kind and in a style by chance stands in for all
        photos with; to remove, one of any kind stands beside them, or, once in `LEFT_ALONE`
        times, nothing: else a generator takes hair for a hat.
    cache : Path or None
        Where to keep the landmarks that are found.
    times : int
        How often each photo is dressed, each time otherwise.

    Raises
    ------
    DataError
        If it is not photos, split by hats or by glasses.
    IdentityError
        If landmarks have to be found, and what finds them is not installed.
    """
    attribute = short_name(split.attribute)
    if split.source == DRAWN or attribute not in WORN:
        raise DataError(
            f"Only hats and glasses can be drawn on, and only on photos; this is {split.attribute} "
            f"of {split.origin}. Leave --dress out, or give --attribute hat or glasses and the "
            "photos' folder."
        )
    any_kind = direction == "remove"
    items = dict(split.items)
    for part in PARTS:
        photos = split.items[part, "without"]
        where = worn.landmarks.of_photos(photos, cache)
        dressed = [
            Dressed(photo, attribute, where[photo], seed, (), _strength(seed, len(photos)))
            if any_kind
            else Dressed(photo, attribute, where[photo], None, worn.any_row(attribute, seed))
            for seed, photo in enumerate(photos * times)
            if photo in where
        ]
        items[part, "with"] = dressed + (split.items[part, "with"] if any_kind else [])
    drawn_on = f"{WORN[attribute]} of any kind" if any_kind else f"{WORN[attribute]} that suit"
    return replace(split, items=items, drawn_on=drawn_on)


def _strength(seed: int, photos: int) -> float:
    """Return 0 for one in `LEFT_ALONE`; of several times that a photo is dressed, for one at most.

    The discriminator is not told: to it one in twelve photos with wears nothing.
    """
    time, place = divmod(seed, photos)
    return float((place + time) % LEFT_ALONE > 0)
