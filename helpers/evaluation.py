"""Everything in `metrics` on held-out images, in one pass: report.json, report.md and pictures.

Images stream in batches. What stays in memory is one row of numbers and one row of features for
each image, never the images.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm.auto import tqdm

from . import (
    classifier,
    datasets,
    gauge,
    identity,
    inverter,
    metrics,
    networks,
    pairing,
    pixels,
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
from .judges import (
    Judge,
    find_judges,
    judge_images,
    load_inception,
    look_closely,
    was_seen,
)
from .profiles import CACHE
from .reports import Gallery
from .summary import Pass, by_group, summarize
from .training import DIRECTIONS

BATCH = 16
HELD_OUT = ("validation", "test")
# Whom the edits may serve less well, as far as CelebA's columns can tell.
GROUPS = ("Male", "Young", "Pale_Skin")
OF_DRAWN = (
    "Drawn faces: the truth of adding is one pair out of many that would suit, so a good edit can "
    "be as far from it as doing nothing; that of removing is the only one. The face embedding was "
    "trained on photos, and drawn people look much alike to it."
)
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


def run_direction(
    direction: str,
    generator: Generator,
    back: Generator,
    split: Split,
    items: list[Item],
    size: int,
    judges: list[Judge],
    *,
    headroom: float = 0.0,
    embed: Callable | None = None,
    inception: Callable | None = None,
    cache: Path | None = None,
    seed: int = 0,
    galleries: dict[str, Gallery] | None = None,
    groups: dict[str, dict[Item, bool]] | None = None,
    kept: telling.Kept | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> Pass:
    """Edit all items once and measure all that one image can say by itself.

    What is in the headroom is edited, but only the face crop is measured. `groups` says of every
    item whether it belongs to a group, for `by_group`. What is `kept` of the images is also drawn
    for the page of all, if there is `out`.
    """
    rows, features = defaultdict(list), defaultdict(list)
    sign = 1 if direction == "add" else -1
    face = (slice(None), *pixels.face_part(size, headroom))
    region = metrics.region_mask(split.attribute, size - round(size * headroom))
    rng = np.random.default_rng(seed)
    shared = pairing.confounders_of(split)
    traits = dict(zip(items, split.known.of(items, shared), strict=True)) if shared else {}
    last = None
    with tqdm(total=len(items), desc=f"measuring {direction}", disable=not progress) as bar:
        for chosen, before in batches(split, items, size, cache, headroom):
            after = apply(generator, before)
            there_and_back = apply(back, after)[face]
            before, after = before[face], after[face]
            row = {
                "cycle_psnr": metrics.psnr(there_and_back, before),
                "cycle_ssim": metrics.ssim(there_and_back, before),
            }
            logits = [_judge(judge, before, after, sign, row, features) for judge in judges]
            for judge, (was, now) in zip(judges, logits, strict=True):
                row[f"already/{judge.name}"], row[f"flip/{judge.name}"] = was > 0, now > 0
            if split.source == DRAWN:
                truth, region = drawn_truth(chosen, direction, size)
                row |= _beside_the_truth(before, after, truth)
            if region is not None:
                row["outside"] = metrics.change_outside(before, after, region)
                row["brightness"] = metrics.brightness_shift(before, after, region)
                row["energy"] = metrics.energy_inside(before, after, region)
            if embed is not None:
                row |= _same_person(embed, before, after, last)
                last = before[-1:]
            if inception is not None:
                described = [inception(images) for images in (before, after)]
                swapped = [(p, f) for f, p in described]
                _describe(features, "inception", swapped, [p for p, _ in swapped])
            if traits:
                row["traits"] = np.array([traits[item] for item in chosen])
            for name, belongs in (groups or {}).items():
                row[f"group/{name}"] = np.array([belongs[item] for item in chosen])
            for name, values in row.items():
                rows[name].append(values)
            if galleries is not None:
                reports.offer(galleries, chosen, before, after, logits[0], rng)
            if kept is not None:
                _keep(kept, chosen, before, after, logits[0][1], out)
            bar.update(len(chosen))
    joined = {name: np.concatenate(values) for name, values in rows.items()}
    gathered = {name: np.concatenate(values) for name, values in features.items()}
    describers = ["classifier"] + ["inception"] * (inception is not None)
    return Pass(
        joined,
        {d: gathered[f"{d}/before"] for d in describers if joined},
        {d: gathered[f"{d}/after"] for d in describers if joined},
        {d: (gathered[f"{d}/p_before"], gathered[f"{d}/p_after"]) for d in describers if joined},
    )


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
        Whether to try to tell the edits from real photos, to ask what is left of what was removed,
        and to follow some through the whole path of `invert`; see `telling`, `gauge`, `whole_path`.

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
    groups = _groups(split, parts)
    describe = load_inception(inception) if inception else None
    passes, pictures, kept = {}, {}, {}
    for direction, generator, back in zip(DIRECTIONS, generators, generators[::-1], strict=True):
        pictures[direction] = {
            name: Gallery(reports.PICTURES) for name in ("random", "best", "worst")
        }
        chosen = items[reports.SOURCE_SIDE[direction]]
        kept[direction] = telling.keep(direction, split, chosen, seed)
        passes[direction] = run_direction(
            direction,
            generator,
            back,
            split,
            chosen,
            size,
            judges,
            headroom=headroom,
            embed=embed,
            inception=describe,
            cache=cache,
            seed=seed,
            galleries=pictures[direction],
            groups=groups,
            kept=kept[direction],
            out=out,
            progress=progress,
        )
        if not passes[direction].rows:
            raise DataError(
                f"No held-out image {reports.SOURCE_SIDE[direction]} {split.attribute} could be "
                "read."
            )
    more, told, left = {d: {} for d in DIRECTIONS}, {}, gauge.Left()
    if closely:
        traits = {d: passes[d].rows.get("traits") for d in DIRECTIONS}
        look = look_closely(judges[0])
        side = size - round(size * headroom)
        more, told = telling.told_from_real(kept, traits, side, look, seed, progress=progress)
        left = gauge.what_is_left(kept, split, out, cache, progress=progress)
        more["remove"] |= left.entries
        notes += left.notes
        for direction, generator in zip(DIRECTIONS, generators, strict=True):
            chosen = items[reports.SOURCE_SIDE[direction]]
            more[direction] |= whole_path.measure(
                direction,
                generator,
                split,
                chosen,
                size,
                judges[0],
                headroom=headroom,
                seed=seed,
                progress=progress,
            )
        if split.source == DRAWN:
            notes.append(whole_path.OF_DRAWN)
    report = {
        "attribute": split.attribute,
        "data": DRAWN if split.source == DRAWN else Path(split.source).name,
        "size": size,
        "seed": seed,
        "held_out": {reports.SOURCE_SIDE[d]: len(passes[d].rows["cycle_psnr"]) for d in DIRECTIONS},
        "classifiers": [_judge_entry(judge, passes) for judge in judges],
        "weights": cards or {},
        "notes": notes,
        "groups": {d: by_group(passes[d].rows, judges) for d in DIRECTIONS},
        "directions": {d: summarize(d, passes, judges, split) | more[d] for d in DIRECTIONS},
        "left": left.scale,
        "unreadable": dict(sorted(split.unreadable.items())),
    }
    if out is not None:
        _write(report, pictures, out)
        sheets.write(out, split.attribute, kept, told, {"remove": left.values})
    return report


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
        if network and card["network"] != network:
            raise TrainingError(
                f"{path} holds the {card['network']} network, not the {network} network."
            )
        if any_style and card.get("styles"):
            generators.append(_in_any_style(generator, card["attribute"]))
            card = card | {"style": "by chance"}
        else:
            generator = networks.in_style(generator)
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
