"""An attribute classifier of our own: the independent judge of an edit. Built in notebook 07.

It learns from real (or drawn) images of the training part only, and never sees a generated one:
a judge that had met the generators could have learned their tricks. One network answers for all
columns at once, because what tells Male or Young helps to tell glasses from a shadow.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tqdm.auto import tqdm

from . import celeba, datasets, pixels, training, weight_files
from .datasets import DRAWN, PARTS, Item, Split
from .errors import TrainingError
from .files import read_weights

FOCUS = ("Eyeglasses", "Wearing_Hat")  # what the course edits
GAIN = 5.0  # of the columns that matter most
# How the two judges in weights/ were trained, by `train_judges`.
JUDGES = {
    "classifier-a": {"network": "plain", "size": 128, "epochs": 32, "seed": 1},
    "classifier-b": {"network": "residual", "size": 128, "epochs": 28, "seed": 2},
}
# What a drawn person is like, under CelebA's names.
DRAWN_COLUMNS = {
    "glasses": "Eyeglasses",
    "hat": "Wearing_Hat",
    "male": "Male",
    "young": "Young",
    "smiling": "Smiling",
    "mouth_open": "Mouth_Slightly_Open",
}


class ClassifierError(TrainingError):
    """The classifier can't be loaded or trained; the message says why and what to do."""


# --- labels ---------------------------------------------------------------------------------


class Labelled(NamedTuple):
    """Items with their attributes.

    Attributes
    ----------
    columns : list of str
        Names of the attributes.
    items : list of Item
        What `datasets.read_image` reads.
    values : np.ndarray
        float32 (items, columns), 1 with and 0 without.
    """

    columns: list[str]
    items: list[Item]
    values: np.ndarray


def label(split: Split, parts: tuple[str, ...] = ("train",)) -> Labelled:
    """Return the items of some parts with all attributes that the data knows.

    CelebA knows its forty columns, a drawn person those of `DRAWN_COLUMNS`, and your own folders
    the one attribute that they are split by.
    """
    pairs = [
        (item, side == "with")
        for part in parts
        for side in datasets.SIDES
        for item in split.items[part, side]
    ]
    items = [item for item, _ in pairs]
    if split.source == DRAWN:
        from .drawn import faces

        columns = list(DRAWN_COLUMNS.values())
        rows = [{**faces.attributes(item.seed), item.attribute: present} for item, present in pairs]
        values = [[row[name] for name in DRAWN_COLUMNS] for row in rows]
    elif split.known:
        columns = split.known.columns
        values = split.known.of(items, columns)
    else:
        columns = [celeba.column_name(split.attribute)]
        values = [[present] for _, present in pairs]
    return Labelled(columns, items, np.array(values, np.float32).reshape(-1, len(columns)))


# --- networks -------------------------------------------------------------------------------


def plain_classifier(
    size: int = 96, columns: int = 40, width: int = 32, dtype="float32"
) -> keras.Model:
    """Build the first judge: convolutions and pooling, ReLU.

    Parameters
    ----------
    size : int
        Side of the images, a multiple of 32.
    columns : int
        How many attributes it answers for.
    width : int
        Channels of the first convolutions; the last have four times as many.
    dtype : str or keras.DTypePolicy
        As in `networks.paper_generator`.

    Returns
    -------
    keras.Model
        (batch, size, size, 3) in [-1, 1] to ``(logits, features)``: (batch, columns), and
        (batch, 4 * width), on which FID and KID are measured.
    """
    image = keras.Input((size, size, 3), name="image")
    x = _own_contrast(image)
    x = _block(x, 3 * width // 4, 5, 2, "relu", "stem", dtype)
    for stage, factor in enumerate([1, 2, 4, 4], 1):
        x = _block(x, factor * width, 3, 1, "relu", f"conv{stage}", dtype)
        if stage < 4:
            x = layers.MaxPooling2D(2, name=f"pool{stage}", dtype=dtype)(x)
    return _heads(image, x, columns, "plain_classifier", dtype)


def residual_classifier(
    size: int = 96, columns: int = 40, width: int = 32, dtype="float32"
) -> keras.Model:
    """Build the second judge, unlike the first: strides, shortcuts, SiLU.

    Parameters and result as in `plain_classifier`. Two judges of different build make different
    mistakes, so an edit that fools one seldom fools both.
    """
    image = keras.Input((size, size, 3), name="image")
    x = _own_contrast(image)
    x = _block(x, 3 * width // 4, 5, 2, "silu", "stem", dtype)
    for stage, channels in enumerate([3 * width // 2, 3 * width], 1):
        x = _block(x, channels, 3, 2, "silu", f"down{stage}", dtype)
        inside = _block(x, channels, 3, 1, "silu", f"inner{stage}a", dtype)
        inside = _block(inside, channels, 3, 1, None, f"inner{stage}b", dtype)
        x = layers.Add(name=f"join{stage}", dtype=dtype)([x, inside])
    x = _block(x, 4 * width, 3, 2, "silu", "down3", dtype)
    return _heads(image, x, columns, "residual_classifier", dtype)


def _own_contrast(image):
    """Give each image zero mean and unit variance: how bright a photo is must not decide."""
    return layers.LayerNormalization(
        axis=(1, 2, 3), center=False, scale=False, epsilon=1e-4, name="own_contrast"
    )(image)


def _block(x, filters: int, kernel: int, stride: int, activation: str | None, name: str, dtype):
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name, dtype=dtype)(x)
    x = layers.BatchNormalization(momentum=0.95, name=f"{name}_norm", dtype=dtype)(x)
    if activation is None:
        return x
    return layers.Activation(activation, name=f"{name}_act", dtype=dtype)(x)


def _heads(image, x, columns: int, name: str, dtype) -> keras.Model:
    average = layers.GlobalAveragePooling2D(name="average", dtype=dtype)(x)
    features = layers.Activation("linear", dtype="float32", name="features")(average)
    # Faces are aligned, so where something is says what it is: flatten, do not average.
    x = layers.Conv2D(32, 1, activation="relu", name="squeeze", dtype=dtype)(x)
    x = layers.Flatten(name="flatten", dtype=dtype)(x)
    x = layers.Dropout(0.3, name="dropout", dtype=dtype)(x)
    logits = layers.Dense(columns, dtype="float32", name="logits")(x)
    return keras.Model(image, [logits, features], name=name)


CLASSIFIERS: dict[str, Callable[..., keras.Model]] = {
    "plain": plain_classifier,
    "residual": residual_classifier,
}


# --- training -------------------------------------------------------------------------------


def augment(images: tf.Tensor) -> tf.Tensor:
    """Change each image as photographs differ, so that the judge looks at the face.

    Mirrors, turns, scales and shifts; changes light, contrast and colour; loses detail (as small
    networks and JPEG do) and adds noise. What an edit must not be judged by, the judge must have
    seen on real photos of both sides.

    Parameters
    ----------
    images : tf.Tensor
        (batch, size, size, 3) in [-1, 1].
    """
    batch, size = tf.shape(images)[0], images.shape[1]

    def uniform(low, high, shape=(1, 1, 1)):
        return tf.random.uniform((batch, *shape), low, high)

    angle, scale = uniform(-0.06, 0.06, ()), uniform(0.95, 1.05, ())
    mirror = tf.sign(uniform(-1.0, 1.0, ()) + 1e-9)
    shift = uniform(-0.03 * size, 0.03 * size, (2,))
    cos, sin, centre = scale * tf.cos(angle), scale * tf.sin(angle), (size - 1) / 2
    a, b, c, d = cos * mirror, -sin, sin * mirror, cos
    zero = tf.zeros_like(a)
    x = centre + shift[:, 0] - a * centre - b * centre
    y = centre + shift[:, 1] - c * centre - d * centre
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, zero, zero], axis=1),
        output_shape=[size, size],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
    gray = tf.reduce_mean(images, axis=3, keepdims=True)
    images = gray + (images - gray) * uniform(0.6, 1.2)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = (images - mean) * uniform(0.8, 1.2) + mean + uniform(-0.15, 0.15)
    small = tf.cast(size * tf.random.uniform((), 0.6, 1.0), tf.int32)
    coarse = tf.image.resize(images, (small, small), antialias=True)
    coarse = tf.image.resize(coarse, (size, size))
    images = tf.where(uniform(0.0, 1.0) < 0.3, coarse, images)
    noise = tf.random.normal(tf.shape(images)) * tf.maximum(uniform(-0.06, 0.06), 0.0)
    return tf.clip_by_value(images + noise, -1.0, 1.0)


def label_stream(
    split: Split,
    labelled: Labelled,
    size: int,
    batch: int,
    *,
    shuffle: int | None = None,
    cache: Path | None = None,
) -> tf.data.Dataset:
    """Stream batches ``(images, labels)`` once from disk: float32 in [-1, 1], and 0 or 1.

    `shuffle` is a seed, or None for the given order. What can't be read is left out and noted in
    ``split.unreadable``.
    """

    def load(index: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        item = labelled.items[index]
        try:
            image = pixels.to_unit(datasets.read_image(item, size, cache))
            return image, labelled.values[index], np.True_
        except (OSError, ValueError) as error:
            split.skip(item, error)
            return np.zeros((size, size, 3), np.float32), labelled.values[index], np.False_

    def load_both(index):
        image, row, readable = tf.numpy_function(load, [index], (tf.float32, tf.float32, tf.bool))
        image.set_shape((size, size, 3))
        row.set_shape((len(labelled.columns),))
        readable.set_shape(())
        return image, row, readable

    stream = tf.data.Dataset.range(len(labelled.items))
    if shuffle is not None:
        stream = stream.shuffle(len(labelled.items), seed=shuffle)
    stream = stream.map(load_both, num_parallel_calls=2)
    stream = stream.filter(lambda image, row, readable: readable)
    return stream.map(lambda image, row, readable: (image, row)).batch(batch).prefetch(2)


def balance(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (without, with) of each column that give both sides equal say.

    A column with 10% "with" weighs each of them nine times as much as each of the others.
    """
    share = np.clip(values.mean(axis=0), 1e-3, 1 - 1e-3)
    return 0.5 / (1 - share), 0.5 / share


def loss_weights(labelled: Labelled, focus: tuple[str, ...]):
    """Return the weights (without, with) of the loss, float32 (columns,) each, of mean 1.

    The columns in focus are balanced and count `GAIN` times. The others only help the features
    along: balancing them too would let a handful of bald men outvote all glasses.
    """
    weights = np.ones((2, len(labelled.columns)))
    chosen = [name in focus for name in labelled.columns]
    weights[:, chosen] = GAIN * np.stack(balance(labelled.values))[:, chosen]
    return tuple((weights / weights.mean()).astype(np.float32))


def train(
    split: Split,
    *,
    network: str = "plain",
    size: int = 96,
    width: int = 32,
    epochs: int = 24,
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
    cache: Path | None = None,
) -> tuple[keras.Model, dict]:
    """Train a classifier on the training part of a split; return it with its card.

    AdamW with a cosine schedule, and an average of the weights over the steps, which is what is
    returned. The number of epochs is fixed beforehand: nothing is chosen by looking at held-out
    images. What matters most (`loss_weights`) are `FOCUS` and the split's own column.

    Parameters
    ----------
    split : Split
        Any attribute's: in CelebA the training part is the same photos for all.
    network : str
        "plain" or "residual".
    size, width
        Of the network; see `plain_classifier`.
    epochs, batch, rate
        Times through the training part, images in a step, highest learning rate.

    Raises
    ------
    ClassifierError
        If there is nothing to train on.
    """
    keras.utils.set_random_seed(seed)
    labelled = label(split)
    if not labelled.items:
        raise ClassifierError(f"There is nothing to train on in {split.source}.")
    columns = labelled.columns
    build = CLASSIFIERS[network]
    model = build(size, len(columns), width, dtype=training.pick_dtype())
    average = build(size, len(columns), width)
    training.copy_weights(model, average)
    steps = epochs * -(-len(labelled.items) // batch)
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            rate / 20, steps, warmup_target=rate, warmup_steps=steps // 20 or 1
        ),
        weight_decay=0.02,
    )
    without, with_ = loss_weights(labelled, (*FOCUS, celeba.column_name(split.attribute)))
    move = training.make_average([average], [model])

    step = _make_step(model, optimizer, without, with_)
    with tqdm(total=steps, desc="training the classifier") as bar:
        done = 0
        for epoch in range(epochs):
            order = seed * 1000 + epoch
            for images, labels in label_stream(
                split, labelled, size, batch, shuffle=order, cache=cache
            ):
                loss = step(images, labels)
                move(tf.constant(min(0.995, (1 + done) / (10 + done)), tf.float32))
                done += 1
                bar.update()
            bar.set_postfix_str(f"epoch {epoch + 1}/{epochs}, loss {float(loss):.3f}")
    card = {
        "kind": "classifier",
        "network": network,
        "size": size,
        "width": width,
        "columns": columns,
        "parameters": average.count_params(),
        "epochs": epochs,
        "batch": batch,
        "seed": seed,
        "train_images": len(labelled.items),
        "data": split.origin,
        "licence": weight_files.LICENCES.get(split.origin, "as the photos allow"),
    }
    return average, card


def _make_step(model, optimizer, without: np.ndarray, with_: np.ndarray):
    """Return the compiled step ``(images, labels) -> loss``, each side weighted by column."""
    half = training.in_float16(model)

    @tf.function(reduce_retracing=True)
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits, _ = model(augment(images), training=True)
            loss = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(loss * tf.where(labels > 0.5, with_, without))
        found = training.gradients(tape, loss, model.trainable_variables, half)
        optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
        return loss

    return step


# --- judging --------------------------------------------------------------------------------


def balanced_accuracy(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of the two sides' accuracies, which half-and-half guessing leaves at 0.5.

    Parameters
    ----------
    logits, truth : np.ndarray
        (n,): positive for "with"; and 1 or 0. NaN if a side has no example.
    """
    sides = [truth > 0.5, truth <= 0.5]
    if not all(side.any() for side in sides):
        return float("nan")
    return float(np.mean([np.mean((logits[side] > 0) == (truth[side] > 0.5)) for side in sides]))


def answer(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and features, each the mean over the image and its mirror image.

    A face in a mirror wears the same glasses, and two looks err less than one.

    Parameters
    ----------
    images : np.ndarray
        float32 (n, size, size, 3) in [-1, 1], of the model's size.
    """
    both = [model(seen, training=False) for seen in (images, images[:, :, ::-1])]
    return tuple((np.asarray(one) + np.asarray(two)) / 2 for one, two in zip(*both, strict=True))


def accuracies(model: keras.Model, split: Split, labelled: Labelled) -> dict[str, float]:
    """Return the balanced accuracy of each column."""
    batches = [
        (answer(model, images.numpy())[0], truth.numpy())
        for images, truth in label_stream(split, labelled, model.input_shape[1], 32)
    ]
    logits, truth = (np.concatenate(column) for column in zip(*batches, strict=True))
    return {
        name: round(balanced_accuracy(logits[:, i], truth[:, i]), 4)
        for i, name in enumerate(labelled.columns)
    }


def load(path: Path) -> tuple[keras.Model, dict]:
    """Load a classifier and its card.

    Raises
    ------
    ClassifierError
        If the file is missing, damaged, or not a classifier's.
    """
    try:
        card, arrays = read_weights(path)
        model = CLASSIFIERS[card["network"]](card["size"], len(card["columns"]), card["width"])
        model.set_weights(arrays)
    except FileNotFoundError as error:
        raise ClassifierError(f"There is no classifier at {path}.") from error
    except Exception as error:
        raise ClassifierError(f"{path} is not a classifier of this course: {error}") from error
    return model, card


def held_out(split: Split) -> Labelled:
    """Return the validation and test parts together, labelled."""
    return label(split, PARTS[1:])


def train_judges(data: str | Path, out: Path) -> None:
    """Train the course's two judges on CelebA as `JUDGES` says, and write them to `out`.

    Their cards say how well they do on the held-out parts. Those chose nothing but one size:
    judge B first read 96 px, and scored 96.5% on glasses there.
    """
    split = datasets.open_split(data, FOCUS[0])
    for name, options in JUDGES.items():
        model, card = train(split, **options)
        labelled = held_out(split)
        scores = accuracies(model, split, labelled)
        card["held_out"] = {"images": len(labelled.items), "balanced_accuracy": scores}
        weight_files.save_generator(out / f"{name}.npz", model, card)
