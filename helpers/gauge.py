"""How much is left of what was removed, by a network that learned on drawn remains (notebook 07).

A judge says yes or no, and nearly all removals flip it. This one is asked how much, from 0 to 1: of
drawn glasses and hats that is known (`remains.share_left`). It learns from the training part alone,
from real photos with besides drawn ones, and never sees an edit. Its first layers begin as those of
a judge. The course's own are ``weights/left-*.npz``.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image
from tqdm.auto import tqdm

from . import classifier, datasets, dressing, inverter, metrics, pixels, remains, training
from .celeba import short_name
from .datasets import DRAWN, Split
from .dressing import WORN
from .errors import CourseError, DataError, TrainingError
from .files import read_weights
from .metrics import bootstrap, share
from .summary import entry
from .telling import Kept, window
from .weight_files import LICENCES, save_generator

SIZE, WIDTH = 128, 32  # px of the face crop, of which it sees the region; and channels, as judge A
LAST = "conv4_act"  # of a judge's layers
PEOPLE = {"train": 1600, "validation": 240}  # photos that are drawn on
FEWEST = 100  # photos without, else it is left out
STEPS, BATCH, RATE = 1200, 32, 1e-3
STRENGTHS = (0.0, 0.1, 0.25, 0.5, 1.0)
TENTH = 0.1


class GaugeError(TrainingError):
    """The network can't be loaded or trained; the message says why and what to do."""


class Left(NamedTuple):
    """How much is left of what was removed.

    Attributes
    ----------
    entries : dict
        ``left``, the mean, and ``left_tenth``, the share above a tenth, of the edits, each beside
        the same of real photos with and without; nothing where it was not measured.
    scale : dict
        The network's calibration, and both numbers of the real photos with their intervals.
    values : np.ndarray or None
        (n,), of each edit.
    notes : list of str
        Why it was not measured.
    """

    entries: dict[str, dict] = {}
    scale: dict = {}
    values: np.ndarray | None = None
    notes: list[str] = []


class Gauge(NamedTuple):
    """A network that says how much is left, and its card."""

    model: keras.Model
    card: dict


def build(attribute: str, width: int = WIDTH, dtype="float32") -> keras.Model:
    """Build the network: a judge's convolutions on the attribute's region, and one number.

    Returns
    -------
    keras.Model
        (batch, rows, columns, 3) in [-1, 1], cut by `telling.window` of `SIZE`, to logits
        (batch, 1).
    """
    rows, columns = window(attribute, SIZE)
    judge = classifier.plain_classifier(SIZE, 1, width, dtype)
    names = [layer.name for layer in judge.layers]
    x = image = keras.Input((rows.stop - rows.start, columns.stop - columns.start, 3))
    for layer in judge.layers[1 : names.index(LAST) + 1]:
        x = layer(x)
    x = layers.Conv2D(width, 1, activation="relu", name="squeeze", dtype=dtype)(x)
    x = layers.Flatten(name="flatten", dtype=dtype)(x)
    x = layers.Dropout(0.3, name="dropout", dtype=dtype)(x)
    return keras.Model(image, layers.Dense(1, dtype="float32", name="left")(x), name="gauge")


def load(path: Path, attribute: str) -> Gauge:
    """Load a network and its card.

    Raises
    ------
    GaugeError
        If the file is damaged, or of something else.
    """
    try:
        card, arrays = read_weights(path)
        if (card["kind"], card["attribute"]) != ("gauge", short_name(attribute)):
            raise ValueError(f"it is a {card['kind']} for {card['attribute']}")
        model = build(attribute, card["width"])
        model.set_weights(arrays)
    except Exception as error:
        raise GaugeError(
            f"{path} does not say how much is left of {short_name(attribute)}: {error}"
        ) from error
    return Gauge(model, card)


def ask(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return how much is left on each image, (n,) from 0 to 1, the mean over it and its mirror.

    Parameters
    ----------
    images : np.ndarray
        uint8 (n, rows, columns, 3), cut by `telling.window` from crops of any size.
    """
    rows, columns = model.input_shape[1:3]
    if images.shape[1:3] != (rows, columns):
        resized = [Image.fromarray(i).resize((columns, rows), Image.BICUBIC) for i in images]
        images = np.stack([np.asarray(i) for i in resized])
    logits = []
    for first in range(0, len(images), 64):
        unit = pixels.to_unit(images[first : first + 64])
        both = [model(seen, training=False) for seen in (unit, unit[:, :, ::-1])]
        logits.append((np.asarray(both[0]) + np.asarray(both[1]))[:, 0] / 2)
    return 1 / (1 + np.exp(-np.concatenate(logits).astype(np.float64)))


# --- training -------------------------------------------------------------------------------


def draw_on(
    split: Split, part: str, cache: Path | None, count: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return photos of a part without, and the same with something drawn on: any kind, all of it.

    Returns
    -------
    bare, drawn : np.ndarray
        uint8 (n, SIZE, SIZE, 3), of at most `count` photos, by the seed.
    """
    items = {place: [] for place in split.items}
    dressed = dressing.dress(
        replace(split, items=items | {(part, "without"): split.items[part, "without"]}),
        "remove",
        cache,
    ).items[part, "with"]
    dressed = [item._replace(strength=1.0) for item in dressed]  # nobody is left alone here
    order = np.random.default_rng([seed, 11]).permutation(len(dressed))[:count]
    chosen = [dressed[place] for place in order]
    if cache is not None:
        ahead = replace(split, items=items | {(part, "with"): chosen})
        datasets.draw_ahead(ahead, SIZE, cache)
    pairs = []
    for item in chosen:
        try:
            pairs.append([datasets.read_image(i, SIZE, cache) for i in (item.photo, item)])
        except (OSError, ValueError) as error:
            split.skip(item, error)
    if len(pairs) < min(count, 2):
        raise DataError(f"No photo without {split.attribute} in {split.source} can be drawn on.")
    bare, drawn = (np.stack(side) for side in zip(*pairs, strict=True))
    return bare, drawn


def train(
    split: Split,
    *,
    cache: Path | None = None,
    people: dict[str, int] | None = None,
    steps: int = STEPS,
    width: int = WIDTH,
    seed: int = 0,
    progress: bool = True,
) -> Gauge:
    """Train on the training part of a split, and calibrate on its validation part.

    AdamW with a cosine schedule, and an average of the weights over the steps, as the judges'.

    Raises
    ------
    DataError or IdentityError
        If nothing can be drawn on these photos; see `dressing.dress`.
    """
    keras.utils.set_random_seed(seed)
    people = people or PEOPLE
    bare, drawn = draw_on(split, "train", cache, people["train"], seed)
    held_out = draw_on(split, "validation", cache, people["validation"], seed)
    real = bare[:0]
    if split.count("train", "with"):
        real = datasets.read_images(split, "train", "with", SIZE)
    model = _learn(short_name(split.attribute), (bare, drawn, real), steps, width, seed, progress)
    card = {
        "kind": "gauge",
        "attribute": short_name(split.attribute),
        "size": SIZE,
        "width": width,
        "steps": steps,
        "batch": BATCH,
        "seed": seed,
        "drawn_on": len(bare),
        "real_with": len(real),
        "parameters": model.count_params(),
        "data": split.origin,
        "licence": LICENCES.get(split.origin, "as the photos allow"),
        "calibration": calibrate(model, split.attribute, *held_out, seed=seed),
    }
    return Gauge(model, card)


def _learn(attribute, photos, steps, width, seed, progress) -> keras.Model:
    model, average = build(attribute, width, training.pick_dtype()), build(attribute, width)
    _begin_as_a_judge(model)
    training.copy_weights(model, average)
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            RATE / 20, steps, warmup_target=RATE, warmup_steps=steps // 20 or 1
        ),
        weight_decay=0.02,
    )
    step, move = _make_step(model, optimizer, attribute), training.make_average([average], [model])
    rng = np.random.default_rng([seed, 12])
    stream = tf.data.Dataset.from_generator(
        lambda: remains.examples(*photos, rng),
        output_signature=(
            tf.TensorSpec((SIZE, SIZE, 3), tf.uint8),
            tf.TensorSpec((), tf.float32),
        ),
    )
    with tqdm(total=steps, desc="learning what is left", disable=not progress) as bar:
        for done, (images, left) in enumerate(stream.batch(BATCH).prefetch(2).take(steps)):
            loss = step(tf.cast(images, tf.float32) / 127.5 - 1, left)
            move(tf.constant(min(0.995, (1 + done) / (10 + done)), tf.float32))
            bar.update()
            if done % 100 == 0:
                bar.set_postfix_str(f"loss {float(loss):.3f}")
    return average


def _begin_as_a_judge(model: keras.Model) -> None:
    """Copy what a judge of the course knows of faces, where it has as many channels."""
    path = inverter.WEIGHTS / "classifier-a.npz"
    if not path.is_file():
        return
    judge, _ = classifier.load(path)
    for layer in model.layers[1:]:
        if layer.name == "squeeze":
            break
        if layer.weights and judge.get_layer(layer.name).weights[0].shape == layer.weights[0].shape:
            layer.set_weights(judge.get_layer(layer.name).get_weights())


def _make_step(model, optimizer, attribute):
    half = training.in_float16(model)
    rows, columns = window(attribute, SIZE)

    @tf.function(reduce_retracing=True)
    def step(images, left):
        with tf.GradientTape() as tape:
            seen = classifier.augment(images)[:, rows, columns]
            logits = model(seen, training=True)[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(left, logits))
        found = training.gradients(tape, loss, model.trainable_variables, half)
        optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
        return loss

    return step


def train_gauges(data: str | Path, out: Path, cache: Path | None = None) -> None:
    """Train the course's two networks, for glasses and for hats, and write them to `out`."""
    for attribute in WORN:
        gauge = train(datasets.open_split(data, attribute), cache=cache)
        save_generator(out / f"left-{attribute}.npz", *gauge)


# --- calibration ----------------------------------------------------------------------------


def calibrate(
    model: keras.Model, attribute: str, bare: np.ndarray, drawn: np.ndarray, seed: int = 0
) -> dict:
    """Return what the network says of drawn ones on held-out photos, where the truth is known.

    Returns
    -------
    dict
        ``photos``; for each of `STRENGTHS` the mean answer and the share of answers above a tenth,
        ``answers`` and ``above``; ``error``, the mean absolute error over all of these; and
        ``error_in_parts``, of what is left in parts and blurred, as in training.
    """
    rows, columns = window(attribute, SIZE)
    answers, above, errors = [], [], []
    for strength in STRENGTHS:
        images = [remains.faded(b, d, strength) for b, d in zip(bare, drawn, strict=True)]
        said = ask(model, np.stack(images)[:, rows, columns])
        answers.append(round(float(said.mean()), 4))
        above.append(round(float((said > TENTH).mean()), 4))
        errors.append(float(np.abs(said - strength).mean()))
    rng = np.random.default_rng([seed, 13])
    parts = np.stack([remains.partly(b, d, rng) for b, d in zip(bare, drawn, strict=True)])
    missed = ask(model, parts[:, rows, columns]) - remains.share_left(bare, drawn, parts)
    return {
        "photos": len(bare),
        "strengths": list(STRENGTHS),
        "answers": answers,
        "above": above,
        "error": round(float(np.mean(errors)), 4),
        "error_in_parts": round(float(np.abs(missed).mean()), 4),
    }


# --- the measure ----------------------------------------------------------------------------


def find(split: Split, out: Path | None, cache: Path | None, progress: bool = True) -> Gauge:
    """Return the course's network, or that kept in `out`, or one trained now and kept there.

    Raises
    ------
    CourseError
        If there is none and none can be trained: the message says why.
    """
    attribute = short_name(split.attribute)
    if split.source == DRAWN:
        raise GaugeError("drawn faces have their truth, which says it (error to the truth).")
    if attribute not in WORN:
        raise GaugeError(f"it learns on drawn ones, and {split.attribute} can't be drawn.")
    name = f"left-{attribute}.npz"
    for folder in (inverter.WEIGHTS, out):
        if folder and (folder / name).is_file():
            return load(folder / name, attribute)
    for part, fewest in (("train", FEWEST), ("validation", FEWEST // 10)):
        if split.count(part, "without") < fewest:
            raise GaugeError(
                f"there is no {inverter.WEIGHTS / name}, and to train one, {fewest} photos without "
                f"are needed in the {part} part."
            )
    gauge = train(split, cache=cache, progress=progress)
    if out is not None:
        save_generator(out / name, *gauge)
    return gauge


def what_is_left(
    kept: dict[str, Kept],
    split: Split,
    out: Path | None,
    cache: Path | None,
    *,
    progress: bool = True,
) -> Left:
    """Ask how much is left on the edits of remove, and on the photos before the edit.

    Parameters
    ----------
    kept : dict
        From "add" and "remove" to what was kept of each.
    out, cache
        As for `find`.
    """
    try:
        gauge = find(split, out, cache, progress)
    except CourseError as error:
        return Left(notes=[f"What is left was not measured: {error}"])
    images = {
        "edits": kept["remove"].after,
        "real with": kept["remove"].before,
        "real without": kept["add"].before,
    }
    said = {name: ask(gauge.model, np.stack(batch)) for name, batch in images.items()}
    found = {name: summarized(left) for name, left in said.items()}
    entries = {}
    for place, key in enumerate(("left", "left_tenth")):
        compare = {name: found[name][place].value for name in images if name != "edits"}
        entries[key] = entry(found["edits"][place], **compare)
    scale = {
        "calibration": gauge.card["calibration"],
        "drawn_on": gauge.card["drawn_on"],
        "real": {
            name: {"left": entry(found[name][0]), "left_tenth": entry(found[name][1])}
            for name in ("real with", "real without")
        },
    }
    return Left(entries, scale, said["edits"])


def summarized(left: np.ndarray) -> tuple[metrics.Estimate, metrics.Estimate]:
    """Return the mean of (n,) answers, and the share of them above a tenth."""
    return bootstrap(left), share(np.asarray(left) > TENTH)
