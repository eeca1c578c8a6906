"""One pass over held-out images: each edited once, and all that one image can say by itself.

Images stream in batches. What stays in memory is one row of numbers and one row of features for
each image, never the images. Used in notebook 07.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from . import datasets, identity, metrics, pairing, pixels, reports, sheets, telling
from .datasets import DRAWN, Item, Split
from .judges import Judge, judge_images
from .reports import Gallery
from .summary import Pass, entry

BATCH = 16
ASKED, SEEN = 200, 3  # photos that nothing should be done to; mean grey levels, to be seen
Generator = Callable[[np.ndarray], np.ndarray]


def batches(
    split: Split, items: list[Item], size: int, cache: Path | None, headroom: float = 0.0
) -> Iterator[tuple[list[Item], np.ndarray]]:
    """Yield ``(items, images)`` of up to `BATCH`; what can't be read is noted and passed over."""
    kept, images = [], []
    for item in items:
        try:
            images.append(datasets.read_image(item, size, cache, headroom))
            kept.append(item)
        except (OSError, ValueError) as error:
            split.skip(item, error)
        if len(kept) == BATCH:
            yield kept, np.stack(images)
            kept, images = [], []
    if kept:
        yield kept, np.stack(images)


def apply(generator: Generator, images: np.ndarray) -> np.ndarray:
    """Return edited images, uint8: what a viewer would save."""
    unit = pixels.to_unit(images)
    return pixels.to_bytes(np.clip(unit + np.asarray(generator(unit)), -1, 1))


def drawn_truth(items: list[Item], direction: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the true edits, uint8, and the truly changed regions, of drawn faces."""
    from .drawn import faces

    pairs = [faces.draw_pair(item.seed, item.attribute, size) for item in items]
    truth = np.stack([p.with_ if direction == "add" else p.without for p in pairs])
    return truth, np.stack([p.region for p in pairs])


def _binary(logits: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return np.stack([1 - p, p], axis=-1)


class Ways(NamedTuple):
    """How both directions of a pass edit, and by what each image is measured.

    Attributes
    ----------
    size, headroom : int, float
        Side of the generators' crop, and the part of it that is above the face crop. What is in the
        headroom is edited, but only the face crop is measured.
    judges : list of Judge
    embed, inception : callable or None
        Face crops to embeddings, and to InceptionV3's features and probabilities.
    groups : dict
        From the name of a group to who belongs to it, for `by_group`.
    """

    split: Split
    size: int
    headroom: float
    judges: list[Judge]
    embed: Callable | None = None
    inception: Callable | None = None
    groups: dict[str, dict[Item, bool]] = {}
    cache: Path | None = None


def run_direction(
    ways: Ways,
    direction: str,
    generators: tuple[Generator, Generator],
    items: list[Item],
    *,
    galleries: dict[str, Gallery] | None = None,
    kept: telling.Kept | None = None,
    out: Path | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Pass:
    """Edit all items once and measure all that one image can say by itself.

    Of both `generators` the first edits, and the second edits back. What is `kept` of the images is
    also drawn for the page of all, if there is `out`.
    """
    generator, back = generators
    rows, features = defaultdict(list), defaultdict(list)
    face = (slice(None), *pixels.face_part(ways.size, ways.headroom))
    rng = np.random.default_rng(seed)
    shared = pairing.confounders_of(ways.split)
    traits = dict(zip(items, ways.split.known.of(items, shared), strict=True)) if shared else {}
    last = None
    with tqdm(total=len(items), desc=f"measuring {direction}", disable=not progress) as bar:
        for chosen, before in batches(ways.split, items, ways.size, ways.cache, ways.headroom):
            after = apply(generator, before)
            there_and_back = apply(back, after)[face]
            before, after = before[face], after[face]
            row = {
                "cycle_psnr": metrics.psnr(there_and_back, before),
                "cycle_ssim": metrics.ssim(there_and_back, before),
            }
            certain = _measure_batch(ways, direction, chosen, before, after, row, features)
            if ways.embed is not None:
                row |= _same_person(ways.embed, before, after, last)
                last = before[-1:]
            if traits:
                row["traits"] = np.array([traits[item] for item in chosen])
            for name, values in row.items():
                rows[name].append(values)
            if galleries is not None:
                reports.offer(galleries, chosen, before, after, certain, rng)
            if kept is not None:
                _keep(kept, chosen, before, after, certain[1], out)
            bar.update(len(chosen))
    joined = {name: np.concatenate(values) for name, values in rows.items()}
    gathered = {name: np.concatenate(values) for name, values in features.items()}
    describers = ["classifier"] + ["inception"] * (ways.inception is not None)
    return Pass(
        joined,
        {d: gathered[f"{d}/before"] for d in describers if joined},
        {d: gathered[f"{d}/after"] for d in describers if joined},
        {d: (gathered[f"{d}/p_before"], gathered[f"{d}/p_after"]) for d in describers if joined},
    )


def unasked(ways: Ways, generator: Generator, items: list[Item], progress: bool = True) -> dict:
    """Return what is done to photos that already are as the edit would make them.

    Returns
    -------
    dict
        ``unasked``, the mean change of a face crop's region, of 255, and ``unasked_seen``, the
        share of up to `ASKED` photos that change there by more than `SEEN`; nothing if none of
        these can be read.
    """
    places = np.linspace(0, len(items) - 1, min(len(items), ASKED)).astype(int)
    chosen, changes = [items[place] for place in places], []
    face = (slice(None), *pixels.face_part(ways.size, ways.headroom))
    side = ways.size - round(ways.size * ways.headroom)
    region = metrics.region_mask(ways.split.attribute, side)
    region = np.ones((side, side)) if region is None else region
    with tqdm(total=len(chosen), desc="leaving alone", disable=not progress) as bar:
        for some, before in batches(ways.split, chosen, ways.size, ways.cache, ways.headroom):
            apart = apply(generator, before)[face].astype(np.int16) - before[face]
            changes.append((np.abs(apart).mean(axis=3) * region).sum(axis=(1, 2)) / region.sum())
            bar.update(len(some))
    if not changes:
        return {}
    change = np.concatenate(changes)
    return {
        "unasked": entry(metrics.bootstrap(change)),
        "unasked_seen": entry(metrics.share(change > SEEN)),
    }


def _measure_batch(ways, direction, items, before, after, row, features) -> list[np.ndarray]:
    """Add to `row` what a batch says; return how sure the first judge is, before and after."""
    sign = 1 if direction == "add" else -1
    logits = [_judge(judge, before, after, sign, row, features) for judge in ways.judges]
    for judge, (was, now) in zip(ways.judges, logits, strict=True):
        row[f"already/{judge.name}"], row[f"flip/{judge.name}"] = was > 0, now > 0
    region = metrics.region_mask(ways.split.attribute, before.shape[1])
    if ways.split.source == DRAWN:
        truth, region = drawn_truth(items, direction, before.shape[1])
        row |= _beside_the_truth(before, after, truth)
    if region is not None:
        row["outside"] = metrics.change_outside(before, after, region)
        row["brightness"] = metrics.brightness_shift(before, after, region)
        row["energy"] = metrics.energy_inside(before, after, region)
    if ways.inception is not None:
        described = [ways.inception(images) for images in (before, after)]
        swapped = [(p, f) for f, p in described]
        _describe(features, "inception", swapped, [p for p, _ in swapped])
    for name, belongs in ways.groups.items():
        row[f"group/{name}"] = np.array([belongs[item] for item in items])
    return logits[0]


def _judge(judge, before, after, sign, row, features) -> list[np.ndarray]:
    """Return how sure a judge is of the target, before and after; note what the first one sees."""
    described = [judge_images(judge, images) for images in (before, after)]
    if "columns" not in row:
        p_before, p_after = (_binary(logits) for logits, _ in described)
        row["columns"] = p_after[..., 1] - p_before[..., 1]
        _describe(features, "classifier", described, (p_before, p_after))
    return [sign * logits[:, judge.column] for logits, _ in described]


def _beside_the_truth(before, after, truth) -> dict[str, np.ndarray]:
    row = {}
    row["error"], row["error_of_nothing"] = metrics.truth_errors(before, after, truth)
    for name, images in (("", after), ("_of_nothing", before)):
        row[f"truth_psnr{name}"] = metrics.psnr(images, truth)
        row[f"truth_ssim{name}"] = metrics.ssim(images, truth)
    row["iou"] = metrics.overlap(metrics.touched(before, after), metrics.touched(before, truth))
    return row


def _same_person(embed, before, after, last) -> dict[str, np.ndarray]:
    """Compare each face with its edit, its own JPEG, and the one before it (first: `last`)."""
    embedded = embed(before)
    jpeg = embed(np.stack([identity.through_jpeg(image) for image in before]))
    previous = embedded[:1] * np.nan if last is None else embed(last)
    others = np.concatenate([previous, embedded[:-1]])
    pairs = {"identity": embed(after), "jpeg": jpeg, "others": others}
    return {name: identity.distances(embedded, other) for name, other in pairs.items()}


def _describe(features, name, described, probabilities) -> None:
    for when, (_, values), p in zip(("before", "after"), described, probabilities, strict=True):
        features[f"{name}/{when}"].append(np.asarray(values, np.float32))
        features[f"{name}/p_{when}"].append(np.asarray(p, np.float32))


def _keep(kept, items, before, after, certainty, out) -> None:
    first = len(kept.names)
    taken = kept.offer(items, before, after, certainty)
    if out is not None:
        sheets.draw(out, kept, first, before[taken], after[taken])
