"""Everything in `metrics` on held-out images: report.json, report.md and pictures (notebook 07)."""

import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from . import (
    classifier,
    datasets,
    gauge,
    identity,
    inverter,
    reports,
    sheets,
    telling,
    weight_files,
    whole_path,
)
from .datasets import DRAWN, Item, Split
from .drawn.worn import any_row
from .errors import DataError, TrainingError, counted
from .files import write_text, written_whole
from .judges import Judge, find_judges, load_inception, look_closely, was_seen
from .passes import Generator, Ways, run_direction, unasked
from .profiles import CACHE
from .reports import Gallery
from .summary import Pass, by_group, summarize
from .training import DIRECTIONS

HELD_OUT = ("validation", "test")
# Whom the edits may serve less well, as far as CelebA's columns can tell.
GROUPS = ("Male", "Young", "Pale_Skin")
OF_DRAWN = (
    "Drawn faces: the truth of adding is one pair out of many that would suit, so a good edit can "
    "be as far from it as doing nothing; that of removing is the only one. The face embedding was "
    "trained on photos, and drawn people look much alike to it."
)


def measure(
    generators: tuple[Generator, Generator],
    split: Split,
    size: int,
    judges: list[Judge],
    out: Path | None = None,
    *,
    headroom: float = 0.0,
    parts: tuple[str, ...] = HELD_OUT,
    count: int | None = None,
    inception: str | None = None,
    faces: bool = True,
    closely: bool = True,
    cards: dict[str, dict] | None = None,
    seed: int = 0,
    cache: Path | None = CACHE,
    progress: bool = True,
) -> dict:
    """Measure a pair of generators on the held-out parts of a split; return the report.

    Parameters
    ----------
    generators : two callables
        generator_add and generator_remove: float32 (n, size, size, 3) in [-1, 1] to residuals.
    split : Split
        What `datasets.open_split` returned.
    judges : list of Judge
        From `find_judges`; the first one's features also serve FID and KID.
    out : Path, optional
        Where report.json, report.md, the pictures and the page of all edits go.
    headroom : float
        The part of the generators' crop that is above the face crop.
    parts : tuple of str
        Which parts of the split.
    count : int, optional
        At most so many images a side.
    inception : str, optional
        InceptionV3's weights for FID, KID and Inception Score; see `load_inception`.
    faces : bool
        Whether to measure identity with dlib, if it is installed.
    closely : bool
        Whether to try to tell the edits from real photos, to ask what is left of what was removed
        and what is done to those without, and to follow some through the whole path of `invert`;
        see `telling`, `gauge`, `passes.unasked`, `whole_path`.

    Raises
    ------
    DataError
        If a side has no held-out image.
    """
    items, notes = _choose(split, parts, count, seed)
    embed = None
    if faces:
        try:
            embed = identity.load_embedder()
        except identity.IdentityError as error:
            notes.append(f"Identity not measured. {error}")
    if inception is None:
        notes.append("FID, KID and score on InceptionV3 not measured (--inception imagenet).")
    if split.source == DRAWN:
        notes.append(OF_DRAWN)
    describe = load_inception(inception) if inception else None
    groups = _groups(split, parts)
    ways = Ways(split, size, headroom, judges, embed, describe, groups, cache)
    passes, pictures, kept = {}, {}, {}
    for direction, pair in zip(DIRECTIONS, (generators, generators[::-1]), strict=True):
        pictures[direction] = {
            name: Gallery(reports.PICTURES) for name in ("random", "best", "worst")
        }
        chosen = items[reports.SOURCE_SIDE[direction]]
        kept[direction] = telling.keep(direction, split, chosen, seed)
        options = {"galleries": pictures[direction], "kept": kept[direction], "out": out}
        passes[direction] = run_direction(
            ways, direction, pair, chosen, **options, seed=seed, progress=progress
        )
        if not passes[direction].rows:
            raise DataError(
                f"No held-out image {reports.SOURCE_SIDE[direction]} {split.attribute} could be "
                "read."
            )
    closer = Closer({d: {} for d in DIRECTIONS}, {}, gauge.Left(), [])
    if closely:
        closer = _look_closely(ways, generators, items, passes, kept, out, seed, progress)
    report = {
        "attribute": split.attribute,
        "data": DRAWN if split.source == DRAWN else Path(split.source).name,
        "size": size,
        "seed": seed,
        "held_out": {reports.SOURCE_SIDE[d]: len(passes[d].rows["cycle_psnr"]) for d in DIRECTIONS},
        "classifiers": [_judge_entry(judge, passes) for judge in judges],
        "weights": cards or {},
        "notes": notes + closer.notes,
        "groups": {d: by_group(passes[d].rows, judges) for d in DIRECTIONS},
        "directions": {
            d: summarize(d, passes, judges, split) | closer.entries[d] for d in DIRECTIONS
        },
        "left": closer.left.scale,
        "unreadable": dict(sorted(split.unreadable.items())),
    }
    if out is not None:
        _write(report, pictures, out)
        sheets.write(out, split.attribute, kept, closer.told, {"remove": closer.left.values})
    return report


class Closer(NamedTuple):
    """What a closer look found: entries of each direction, and what the page of all sorts by."""

    entries: dict[str, dict]
    told: dict
    left: gauge.Left
    notes: list[str]


def _look_closely(ways, generators, items, passes, kept, out, seed, progress) -> Closer:
    """Tell edits from real photos, ask what is left and what was not asked for, go all the way."""
    traits = {d: passes[d].rows.get("traits") for d in DIRECTIONS}
    judge, side = ways.judges[0], ways.size - round(ways.size * ways.headroom)
    entries, told = telling.told_from_real(
        kept, traits, side, look_closely(judge), seed, progress=progress
    )
    left = gauge.what_is_left(kept, ways.split, out, ways.cache, progress=progress)
    entries["remove"] |= left.entries
    entries["remove"] |= unasked(ways, generators[1], items["without"], progress)
    options = {"headroom": ways.headroom, "seed": seed, "progress": progress}
    for direction, generator in zip(DIRECTIONS, generators, strict=True):
        chosen = items[reports.SOURCE_SIDE[direction]]
        entries[direction] |= whole_path.measure(
            direction, generator, ways.split, chosen, ways.size, ways.judges, **options
        )
    notes = [whole_path.OF_DRAWN] if ways.split.source == DRAWN else []
    return Closer(entries, told, left, left.notes + notes)


def _choose(split, parts, count, seed) -> tuple[dict[str, list[Item]], list[str]]:
    """Return up to `count` held-out items of each side, and a note of those left out."""
    items, dropped = {}, 0
    for side in datasets.SIDES:
        every = [item for part in parts for item in split.items[part, side]]
        fresh = [item for item in every if not was_seen(item)]
        dropped += len(every) - len(fresh)
        # Spread over both parts; a seeded choice rather than the first.
        order = np.random.default_rng(seed).permutation(len(fresh))[:count]
        items[side] = [fresh[i] for i in sorted(order)]
        if not items[side]:
            raise DataError(
                f"{split.source} has no held-out image {side} {split.attribute} in "
                f"{' and '.join(parts)}. Add photos, or give other --data."
            )
    left_out = f"{counted(dropped, 'photo')} left out: the course's weights were trained on them."
    return items, [left_out] if dropped else []


def _groups(split: Split, parts: tuple[str, ...]) -> dict[str, dict[Item, bool]]:
    """Return by group which held-out items belong to it, as far as the data knows."""
    labelled = classifier.label(split, parts)
    belongs = labelled.values > 0.5
    return {
        name: dict(zip(labelled.items, belongs[:, labelled.columns.index(name)], strict=True))
        for name in GROUPS
        if name in labelled.columns
    }


def _judge_entry(judge: Judge, passes: dict[str, Pass]) -> dict:
    """Say how well a judge tells the unedited held-out images apart."""
    wrong = [passes[d].rows[f"already/{judge.name}"] for d in DIRECTIONS]
    accuracy = 1 - np.mean([np.mean(side) for side in wrong])
    keep = ("network", "size", "epochs", "seed", "train_images", "data")
    card = {key: judge.card[key] for key in keep if key in judge.card}
    return {"name": judge.name, "balanced_accuracy": float(accuracy), **card}


def _write(report: dict, pictures: dict[str, dict[str, Gallery]], out: Path) -> None:
    for direction, galleries in pictures.items():
        folder = out / direction
        folder.mkdir(parents=True, exist_ok=True)
        for name, gallery in galleries.items():
            with written_whole(folder / f"{name}.png") as temporary:
                Image.fromarray(gallery.sheet()).save(temporary, "PNG")
    write_text(out / "report.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "report.md", reports.markdown(report))


def _in_any_style(generator, attribute: str) -> Generator:
    """Return the generator in a style that is by chance, but the same for the same image."""

    def residual(images):
        styles = [any_row(attribute, zlib.crc32(image.tobytes())) for image in images]
        return generator([tf.constant(images), tf.constant(styles)], training=False)

    return residual


def evaluate(
    attribute: str,
    data: str | Path,
    out: Path,
    *,
    weights: Path | None = None,
    network: str | None = None,
    classifiers: list[Path] | None = None,
    any_style: bool = False,
    one_pass: bool = False,
    count: int | None = None,
    images: int = 1000,
    inception: str | None = None,
    seed: int = 0,
    cache: Path | None = CACHE,
    progress: bool = True,
) -> dict:
    """Load weights, measure them on held-out images, and write the report to `out`.

    Parameters
    ----------
    attribute, data, seed, images
        As for `datasets.open_split`; give the ones of the training, or held-out images may have
        been trained on.
    weights : Path, optional
        Folder of a run or of weights; the course's own by default.
    network : str, optional
        "paper" or "attention": refuse weights of another.
    any_style : bool
        Let what is added differ from photo to photo, where the weights know styles.
    one_pass : bool
        Edit once where `second_pass` would edit twice: as the page does in a film.
    classifiers, count, inception
        See `find_judges` and `measure`.

    Returns
    -------
    dict
        What report.json holds.

    Raises
    ------
    CourseError
        If the data, the weights or a classifier can't be used.
    """
    split = datasets.open_split(data, attribute, seed=seed, images=images, need="test")
    generators, cards = [], {}
    for direction in DIRECTIONS:
        path = inverter.find_weights(attribute, direction, weights)
        generator, card = weight_files.load_network(path)
        if one_pass:
            card.pop("second_pass", None)
        if network and card["network"] != network:
            raise TrainingError(
                f"{path} holds the {card['network']} network, not the {network} network."
            )
        if any_style and card.get("styles"):
            generators.append(_in_any_style(generator, card["attribute"]))
            card = card | {"style": "by chance"}
        else:
            generator = weight_files.as_used(generator, card)
            generators.append(lambda images, g=generator: g(images, training=False))
        cards[direction] = card
    size, headroom = cards["add"]["size"], cards["add"].get("headroom", 0.0)
    if cards["remove"]["size"] != size or cards["remove"].get("headroom", 0.0) != headroom:
        raise TrainingError(
            f"The two directions differ in their crops: {size} and {cards['remove']['size']} px, "
            f"headroom {headroom:g} and {cards['remove'].get('headroom', 0.0):g}."
        )
    if split.source == DRAWN and cache is not None:
        datasets.draw_ahead(split, size, cache)
    out.mkdir(parents=True, exist_ok=True)
    judges = find_judges(split, size, out, classifiers, cache)
    return measure(
        tuple(generators),
        split,
        size,
        judges,
        out,
        headroom=headroom,
        count=count,
        inception=inception,
        cards=cards,
        seed=seed,
        cache=cache,
        progress=progress,
    )
