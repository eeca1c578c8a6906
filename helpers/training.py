"""The train step, the loop, checkpoints and previews (built in notebooks 05 and 06).

Bare TensorFlow: one `tf.GradientTape` for each update, so that it is plain to read which loss
reaches which network.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm.auto import tqdm

from . import datasets, distribute, losses, metrics, networks, setup
from .drawn import dressing
from .errors import CourseError, explain, first_line
from .files import alone_in, clear_unfinished, explained, read_weights, write_text, written_whole
from .networks import REAL_WITH, REAL_WITHOUT

DIRECTIONS = ("add", "remove")
# Beside generators that are good already, a new discriminator first learns alone: its first
# opinions would spoil them.
WARM_UP = 300
# Of the weights, by what they were trained on.
LICENCES = {
    "drawn faces": "Apache-2.0",
    "CelebA": "non-commercial research (CelebA's terms)",
}


@dataclass(frozen=True)
class Recipe:
    """Loss weights and optimizer settings of one way to train.

    ``joint`` says how the generators learn. False: as in the paper, one update each, and a
    generator's loss reaches that generator alone. True: one update of both from the sum of both
    directions' losses, as the cycle loss asks.
    """

    gan: float = 1.0
    dual: float = 1.0
    pixel: float = 0.0
    perceptual: float = 0.0
    cycle: float = 0.0  # of add and back: without, with, without
    cycle_with: float = 0.0  # of remove and back: with, without, with
    mask: float = 0.0
    outside: float = 0.0  # of what changes outside the attribute's region
    truth: float = 0.0  # of the distance to the true edit, where the data has it
    spare_known: bool = False  # there, the outside loss is left out
    reduction: str = "mean"  # of the pixel and perceptual losses
    joint: bool = False
    augment: bool = False  # of everything the discriminator sees
    cycle_noise: float = 0.0  # standard deviation; drowns what an edit might hide for the way back
    learning_rate: float = 2e-4
    discriminator_rate: float = 2e-4
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    batch: int = 4  # images a side
    average: float = 0.999  # decay of the averaged generators; 0 to keep the last ones
    clip: bool = True  # the edits that the networks see, to [-1, 1]
    mirror: bool = True  # every second photo
    matched: bool = True  # people on both sides are alike in what else the data knows
    balanced: bool = False  # as many photos without as with


RECIPES = {
    # As the original trained. Its alpha of 5e-5 was for gray levels: 127.5 times less than ours.
    "paper": Recipe(
        pixel=6.375e-3,
        perceptual=5e-6,
        reduction="sum",
        epsilon=1e-8,
        batch=5,
        average=0.0,
        clip=False,
        mirror=False,
        matched=False,
        balanced=True,
    ),
    "attention": Recipe(
        dual=0.5,
        pixel=6.0,
        cycle=10.0,
        cycle_with=2.0,
        mask=2.0,
        outside=100.0,
        truth=50.0,
        joint=True,
        augment=True,
        cycle_noise=0.02,
        learning_rate=4e-4,
        discriminator_rate=4e-4,
        beta_1=0.5,
        beta_2=0.99,
    ),
}
# To put on what is drawn: the truth says all, and with it there is no need to come back again. At
# 64 px, after 800 steps, a weight of 200 left 15.4 gray levels where glasses are, and 50 left 18.9.
ADD_DRAWN = {"truth": 400.0, "dual": 0.0, "cycle": 0.0, "cycle_with": 0.0}
# To take off what is drawn, of any kind: it may be large and reach out of its region, and the truth
# keeps the edits from what it isn't. With losses that want edits small, crowns of real hats stayed.
REMOVE_DRAWN = {"pixel": 0.0, "mask": 0.0, "spare_known": True}


class Models(NamedTuple):
    """The three networks of a training."""

    generator_add: keras.Model
    generator_remove: keras.Model
    discriminator: keras.Model


def build_models(
    network: str,
    size: int,
    *,
    width: int | None = None,
    dtype: str = "float32",
    seed: int = 0,
    styles: int = 0,
) -> Models:
    """Build both generators and the discriminator of a network, "paper" or "attention".

    `width` narrows the attention network: it is the generator's, and the discriminator gets
    twice that. `styles` is how many numbers choose what the attention network's generator_add
    draws.
    """
    keras.utils.set_random_seed(seed)
    options = {"size": size, "dtype": dtype}
    generator_options, discriminator_options = dict(options), dict(options)
    if width is not None and network == "attention":
        generator_options["width"] = width
        discriminator_options["width"] = 2 * width
    generator = networks.GENERATORS[network]
    chosen = {"styles": styles} if styles else {}
    return Models(
        generator(name="generator_add", **generator_options, **chosen),
        generator(name="generator_remove", **generator_options),
        networks.DISCRIMINATORS[network](**discriminator_options),
    )


def edit(image: tf.Tensor, residual: tf.Tensor, clip: bool = True) -> tf.Tensor:
    """Return the edited image: the sum, kept in [-1, 1] if `clip`."""
    edited = image + residual
    return tf.clip_by_value(edited, -1.0, 1.0) if clip else edited


def augment(images: tf.Tensor, seed: tf.Tensor, groups: int = 1) -> tf.Tensor:
    """Change brightness, contrast and position of each image a little, and let gradients pass.

    Applied to all that the discriminator sees, real and generated, in both updates, so that it
    can't learn the few photos by heart and the generators can't answer with such changes.

    Parameters
    ----------
    images : tf.Tensor
        (batch, size, size, 3) in [-1, 1].
    seed : tf.Tensor
        Two integers: the same seed gives the same changes.
    groups : int
        How many batches the images are, one after the other; it counts where replicas share them.

    The shift stays within 1/32 of the side: aligned faces hardly move, and with a shift of 1/10
    the discriminator took five times as many steps to tell glasses from no glasses.

    Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
    """
    size = images.shape[1]
    seeds = tf.random.split(seed, 3)

    def drawn(shape, *arguments):
        def draw(rows):
            return tf.random.stateless_uniform((rows, *shape), *arguments)

        return distribute.own_rows(draw, tf.shape(images)[0], groups)

    shift = drawn((1, 1, 1), seeds[0], -0.2, 0.2)
    gain = drawn((1, 1, 1), seeds[1], 0.75, 1.25)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = (images - mean) * gain + mean + shift
    reach = size // 32
    start = drawn((2,), seeds[2], 0, 2 * reach + 1, tf.int32)
    images = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    steps = tf.range(size)[None]
    images = tf.gather(images, start[:, :1] + steps, axis=1, batch_dims=1)
    return tf.gather(images, start[:, 1:] + steps, axis=2, batch_dims=1)


class Optimizers(NamedTuple):
    """One optimizer for each network."""

    generator_add: keras.optimizers.Optimizer
    generator_remove: keras.optimizers.Optimizer
    discriminator: keras.optimizers.Optimizer


def make_optimizers(models: Models, recipe: Recipe) -> Optimizers:
    """Return three Adams that already hold their slots, so that a checkpoint can fill them."""
    rates = (recipe.learning_rate, recipe.learning_rate, recipe.discriminator_rate)
    optimizers = Optimizers(
        *(
            keras.optimizers.Adam(rate, recipe.beta_1, recipe.beta_2, recipe.epsilon)
            for rate in rates
        )
    )
    for optimizer, model in zip(optimizers, models, strict=True):
        optimizer.build(model.trainable_variables)
    return optimizers


# What float16's gradients are multiplied by on their way. Those of pixels get as small as 1e-8, and
# float16 ends there: at 128 px, half of the attention generator's kernels got theirs wrong by more
# than 37% (bfloat16: 14%), and with 64, or 1,024, by more than 6%. The largest of a weight was 59.
LOSS_SCALE = 64.0


def in_float16(model: keras.Model) -> bool:
    return any(layer.compute_dtype == "float16" for layer in model.layers)


def gradients(tape: tf.GradientTape, loss: tf.Tensor, variables, half: bool):
    """Return ``tape.gradient(loss, variables)``, in float16 (`half`) by way of larger ones.

    Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018.
    """
    if not half:
        return tape.gradient(loss, variables)
    found = tape.gradient(loss, variables, output_gradients=tf.constant(LOSS_SCALE))
    return tf.nest.map_structure(lambda gradient: gradient / LOSS_SCALE, found)


def direction_losses(
    recipe: Recipe,
    discriminator: keras.Model,
    image: tf.Tensor,
    residual: tf.Tensor,
    back: tf.Tensor | None,
    mask: tf.Tensor | None,
    *,
    target: int,
    source: int,
    seed: tf.Tensor,
    region: np.ndarray | None = None,
    truth: tf.Tensor | None = None,
    known: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Return the weighted loss terms of one direction, e.g. add: without to with, and back.

    Parameters
    ----------
    image, residual, back : tf.Tensor
        The photo, what the generator gave for it, and the edit edited back by the other one, if
        the recipe weighs that.
    mask : tf.Tensor or None
        The generator's attention mask, if the recipe weighs it.
    target, source : int
        The discriminator's classes of the edit and of the photo.
    region : np.ndarray or None
        Where the attribute may show, (size, size), as `metrics.region_mask` gives it.
    truth, known : tf.Tensor or None
        What the edits should be, and for each image 1 where that is known and 0 elsewhere.
    """
    see = (lambda x, k: augment(x, seed + k)) if recipe.augment else (lambda x, k: x)
    edited = edit(image, residual, recipe.clip)
    # One pass over the edit and the way back: half the calls, the same values.
    seen = [see(edited, 0)] + ([] if back is None else [see(back, 1)])
    logits, phi = discriminator(tf.concat(seen, axis=0), training=False)
    logits = tf.split(logits, len(seen))
    terms = {"gan": recipe.gan * losses.gan_loss(logits[0], target)}
    if back is not None:
        terms["dual"] = recipe.dual * losses.dual_loss(logits[1], source)
    if recipe.pixel:
        terms["pixel"] = recipe.pixel * losses.pixel_loss(residual, recipe.reduction)
    if recipe.perceptual:
        phi_image = discriminator(image, training=False)[1]
        phi_edited = tf.split(phi, len(seen))[0]
        terms["perceptual"] = recipe.perceptual * losses.perceptual_loss(
            phi_edited, phi_image, recipe.reduction
        )
    # A face without has many right answers "with": to be scored on the one that was there, a
    # generator leaves a ghost of it in the edit. So that way weighs less.
    cycle = recipe.cycle if source == REAL_WITHOUT else recipe.cycle_with
    if cycle and back is not None:
        terms["cycle"] = cycle * losses.cycle_loss(back, image)
    if recipe.mask:
        terms["mask"] = recipe.mask * losses.mask_loss(mask)
    if recipe.outside and region is not None:
        spared = recipe.spare_known and known is not None
        counted = residual * (1.0 - known)[:, None, None, None] if spared else residual
        terms["outside"] = recipe.outside * losses.outside_loss(counted, region)
    if recipe.truth and known is not None:
        terms["truth"] = recipe.truth * losses.truth_loss(edited, truth, known)
    return terms


class _Way(NamedTuple):
    """One direction of a step: who edits and who edits back, what, and what it should become."""

    run: Callable
    run_back: Callable
    image: tf.Tensor
    truth: tf.Tensor
    target: int
    source: int
    known: tf.Tensor | None


def make_train_step(
    models: Models,
    optimizers: Optimizers,
    recipe: Recipe,
    region: np.ndarray | None = None,
    *,
    frozen: bool = False,
    xla: bool = False,
) -> Callable[..., dict[str, tf.Tensor]]:
    """Return the compiled step ``(without, with, seed) -> losses`` with its three updates.

    The order is the original's: the discriminator, generator_add, generator_remove (the two
    generators together if ``recipe.joint``). `seed` is two integers; the step's randomness
    depends on them alone. `region` is where the attribute may show, (size, size), if anybody knows.
    On a replica it takes the replica's rows of the global batch, and gives the means over those.
    A fourth argument, (2, batch), says of both directions where the other image is the true edit,
    and a fifth the style of each image with, for a generator_add that knows styles: what
    `pair_stream` tells. If `frozen`, only the discriminator learns. With `xla`, XLA compiles the
    whole step: it draws other random numbers from the same seeds, and rounds otherwise.
    """
    setup.run_graphs_as_written()
    generator_add, generator_remove, discriminator = models
    half = in_float16(discriminator)
    masked = recipe.mask > 0
    comes_back = any((recipe.dual, recipe.cycle, recipe.cycle_with))
    run_add, run_remove = (
        networks.with_mask(g) if masked else (lambda image, training, g=g: (g(image), None))
        for g in (generator_add, generator_remove)
    )

    def update(optimizer, tape, loss, variables):
        found = gradients(tape, loss, variables, half)
        optimizer.apply_gradients(zip(found, variables, strict=True))

    def see(images, seed, groups):
        return augment(images, seed, groups) if recipe.augment else images

    def update_discriminator(without, with_, of_without, of_with, seed):
        added = edit(without, of_without[0], recipe.clip)
        removed = edit(with_, of_with[0], recipe.clip)
        everything = tf.concat([with_, without, added, removed], axis=0)
        with tf.GradientTape() as tape:
            logits, _ = discriminator(see(everything, seed, groups=4), training=True)
            loss = losses.discriminator_loss(*tf.split(logits, 4))
            own = distribute.share(loss)
        update(optimizers.discriminator, tape, own, discriminator.trainable_variables)
        return loss

    def edited_back(way, residual, seed):
        edited = edit(way.image, residual, recipe.clip)
        if recipe.cycle_noise:
            noise = distribute.own_rows(
                lambda rows: tf.random.stateless_normal((rows, *way.image.shape[1:]), seed),
                tf.shape(way.image)[0],
            )
            edited += recipe.cycle_noise * noise
        return edit(edited, way.run_back(edited, training=True)[0], recipe.clip)

    def terms_of(way, of_image, seed):
        residual, mask = of_image
        back = edited_back(way, residual, seed) if comes_back else None
        return direction_losses(
            recipe,
            discriminator,
            way.image,
            residual,
            back,
            mask,
            target=way.target,
            source=way.source,
            seed=seed + 2,
            region=region,
            truth=way.truth,
            known=way.known,
        )

    def separate_step(add, remove, seeds):
        tapes, edits = [], []
        for way in (add, remove):
            with tf.GradientTape() as tape:
                edits.append(way.run(way.image, training=True))
            tapes.append(tape)
        loss = update_discriminator(add.image, remove.image, *edits, seeds[0])
        both = {}
        for direction, way, tape, of_image, key in zip(
            DIRECTIONS, (add, remove), tapes, edits, (seeds[1], seeds[2]), strict=True
        ):
            variables = getattr(models, f"generator_{direction}").trainable_variables
            # Nothing has changed this generator since it made its edits, so they serve here too.
            with tape:
                both[direction] = terms_of(way, of_image, key)
                total = distribute.share(sum(both[direction].values()))
            if not frozen:
                update(getattr(optimizers, f"generator_{direction}"), tape, total, variables)
        return loss, both

    def joint_step(add, remove, seeds):
        with tf.GradientTape() as tape:
            of_without, of_with = (way.run(way.image, training=True) for way in (add, remove))
            # This update leaves the generators alone, so that their edits serve both updates.
            with tape.stop_recording():
                loss = update_discriminator(add.image, remove.image, of_without, of_with, seeds[0])
            both = {
                "add": terms_of(add, of_without, seeds[1]),
                "remove": terms_of(remove, of_with, seeds[2]),
            }
            total = distribute.share(sum(sum(terms.values()) for terms in both.values()))
        if frozen:
            return loss, both
        variables = [generator_add.trainable_variables, generator_remove.trainable_variables]
        found = gradients(tape, total, variables, half)
        for optimizer, gradient, part in zip(optimizers[:2], found, variables, strict=True):
            optimizer.apply_gradients(zip(gradient, part, strict=True))
        return loss, both

    @tf.function(jit_compile=xla)
    def train_step(without, with_, seed, known=(None, None), style=None):
        def run_in_style(image, training):
            return run_add(image if style is None else [image, style], training=training)

        add = _Way(run_in_style, run_remove, without, with_, REAL_WITH, REAL_WITHOUT, known[0])
        remove = _Way(run_remove, run_in_style, with_, without, REAL_WITHOUT, REAL_WITH, known[1])
        step = joint_step if recipe.joint else separate_step
        loss, both = step(add, remove, tf.random.split(seed, 3))
        report = {"discriminator": loss}
        for direction, terms in both.items():
            report |= {f"{direction}/{name}": value for name, value in terms.items()}
        return report

    return train_step


# --- averaged weights -----------------------------------------------------------------------


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    for a, b in zip(source.weights, target.weights, strict=True):
        b.assign(a)


def make_average(
    averaged: list[keras.Model], models: list[keras.Model], *, xla: bool = False
) -> Callable:
    """Return the compiled step ``(decay) -> None`` that moves the averages to the models."""
    pairs = [
        (average, current)
        for a, m in zip(averaged, models, strict=True)
        for average, current in zip(a.weights, m.weights, strict=True)
    ]

    @tf.function(jit_compile=xla)
    def move(decay: tf.Tensor) -> None:
        for average, current in pairs:
            average.assign(decay * average + (1.0 - decay) * current)

    return move


# --- the loop -------------------------------------------------------------------------------


class TrainingError(CourseError):
    """Training can't start or go on; the message says what was wrong and what to do."""


@dataclass(frozen=True)
class Settings:
    """What defines a run; kept as ``settings.json`` in its folder and checked on resume."""

    attribute: str
    data: str
    network: str = "attention"
    size: int = 128
    width: int | None = None
    batch: int | None = None  # None, here and in `average`: as the recipe says
    seed: int = 0
    images: int = 1000  # drawn faces a side
    average: float | None = None  # decay of the averaged generators
    start: str | None = None  # the run, or the weights, whose networks this one began with
    warm_up: int = 0  # steps in which only the discriminator learns
    dress: str | None = None  # drawn hats or glasses on photos, to learn to "add" or to "remove"
    revision: int | None = None  # of the network; None: today's

    def __post_init__(self):
        recipe = RECIPES[self.network]
        for name, value in (
            ("batch", recipe.batch),
            ("average", recipe.average),
            ("revision", networks.REVISIONS[self.network]),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def styles(self) -> tuple[str, ...]:
        """Return what one may choose of what generator_add draws: it learns that from pairs."""
        chosen = self.dress == "add" and self.network == "attention"
        return dressing.STYLES[datasets.short_name(self.attribute)] if chosen else ()

    @classmethod
    def from_json(cls, text: str | bytes, where: Path) -> "Settings":
        """Return the settings that `to_json` wrote; `where` is for the message if it is damaged."""
        try:
            return cls(**({"revision": 1} | json.loads(text)))
        except (ValueError, TypeError, KeyError) as error:
            raise TrainingError(
                f"{where} does not hold the settings of a run: {error}. "
                "Put it back as it was, or choose another --out."
            ) from error

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def differences(self, other: "Settings") -> list[str]:
        return [
            f"{f.name}: {getattr(other, f.name)!r} there, {getattr(self, f.name)!r} now"
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]


def pick_dtype() -> str:
    """Return the precision that this machine is fast in.

    float16 on a GPU; bfloat16 where the processor multiplies it in hardware (AMX or AVX-512
    BF16); float32 elsewhere.
    """
    if tf.config.list_physical_devices("GPU"):
        return "mixed_float16"
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split("flags", 2)[1].split())
    except (OSError, IndexError):
        return "float32"
    return "mixed_bfloat16" if flags & {"amx_bf16", "avx512_bf16"} else "float32"


def pick_xla(steps: int | None = None) -> bool:
    """Return whether XLA should compile the step of a training of so many steps (None: many).

    On a GPU a step then takes a ninth of the time, but the first one half a minute more, which some
    500 steps make good for. On a processor steps take nearly twice as long, the first a minute.
    """
    gpus = tf.config.list_physical_devices("GPU")
    return bool(gpus) and (steps is None or steps >= 500)


class Run:
    """A training in a folder: builds it or resumes it, advances it, keeps what it made.

    The folder holds ``settings.json``, ``checkpoints/``, ``previews/step-*.png`` (a fixed
    held-out batch), ``logs/`` for TensorBoard, and ``weights/``: the averaged generators that
    `invert`, `evaluate` and `export` read.

    Attributes
    ----------
    models, averaged : Models, tuple of two keras.Model
        The networks in training, and the moving averages of both generators.
    step : int
        Steps done, over all sessions.

    Parameters
    ----------
    start : Path or None
        The folder of another run, or of weights (``NAME-add.npz`` and ``NAME-remove.npz``), of
        the same networks: a new run begins with them instead of random ones. Weights hold no
        discriminator; give `Settings.warm_up` then.
    team : distribute.Team
        Who trains together. The folder is the chief's: only it reads and writes there, and the
        other workers begin with what it read.
    xla : bool
        Whether XLA compiles the train step, as `pick_xla` advises. It can't in a team, whose
        replicas meet inside the step.

    Raises
    ------
    TrainingError
        If the folder holds a run with other settings (the message names the differences), or
        checkpoints that can't be told or read; if there is none in `start` that fits; or if XLA is
        asked for in a team of several devices.
    CourseError
        If another process trains in the folder, or it can't be written to; or if the batch can't be
        dealt out to the team.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        split: datasets.Split,
        dtype: str | None = None,
        start: Path | None = None,
        team: distribute.Team = distribute.ALONE,
        xla: bool = False,
    ):
        self.folder, self.settings, self.split, self.team = folder, settings, split, team
        self.xla = xla
        if settings.size % 8 or settings.size < 32:
            raise TrainingError(
                f"The networks halve the image again and again: give a --size from 32 on that 8 "
                f"divides, not {settings.size}."
            )
        if self.xla and team.strategy:
            raise TrainingError("XLA compiles the step of one device, not of several.")
        team.check_batch(settings.batch)
        if not team.chief:
            self._build(dtype or pick_dtype())
            return
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder, "trains"):
            self._claim_settings()
            self._build(dtype or pick_dtype())
            self._take_up()
            if start and not self._manager.latest_checkpoint:
                self._begin_with(start)

    def _begin_with(self, folder: Path) -> None:
        """Take over the networks of another run, but not its optimizers, which were moving."""
        path = tf.train.latest_checkpoint(folder / "checkpoints")
        if path is None:
            return self._begin_with_weights(folder)
        networks_alone = tf.train.Checkpoint(
            **{f"model_{i}": model for i, model in enumerate(self.models)}
        )
        try:
            networks_alone.restore(path).expect_partial().assert_existing_objects_matched()
        except (ValueError, AssertionError) as error:
            raise TrainingError(
                f"The networks in {path} are others than those asked for here "
                f"({self.settings.network}, {self.settings.size} px): {first_line(error)}."
            ) from error
        self._begin_averages()

    def _begin_averages(self) -> None:
        for averaged, model in zip(self.averaged, self.models, strict=False):
            copy_weights(model, averaged)

    def _begin_with_weights(self, folder: Path) -> None:
        """Take over two generators without a discriminator."""
        for direction, model in zip(DIRECTIONS, self.models, strict=False):
            path = find_start(folder, direction, self.settings.attribute)
            source, card = load_network(path)
            try:
                copy_weights(source, model)
            except ValueError as error:
                raise TrainingError(
                    f"{path} holds another network than the one asked for here: "
                    f"{card['network']}, {card['size']} px, width {card.get('width') or 'full'}."
                ) from error
        self._begin_averages()

    def _build(self, dtype: str) -> None:
        settings = self.settings
        self.recipe, self.dtype = RECIPES[settings.network], dtype
        if settings.dress:
            drawn = ADD_DRAWN if settings.dress == "add" else REMOVE_DRAWN
            self.recipe = dataclasses.replace(self.recipe, balanced=False, **drawn)
        if self.recipe.balanced:
            self.split = datasets.balanced(self.split, settings.seed)
        self.styles = settings.styles()
        options = {"width": settings.width, "seed": settings.seed, "styles": len(self.styles)}
        with self.team.scope():
            self.models = build_models(settings.network, settings.size, dtype=dtype, **options)
            self.optimizers = make_optimizers(self.models, self.recipe)
        # Averages are kept and used in float32, whatever training multiplies in.
        self.averaged = build_models(settings.network, settings.size, **options)[:2]
        self._begin_averages()
        self._step = tf.Variable(0, dtype=tf.int64, name="step")
        self._seconds = tf.Variable(0.0, dtype=tf.float64, name="seconds")
        state = {
            "step": self._step,
            "seconds": self._seconds,
            **{f"model_{i}": model for i, model in enumerate(self.models)},
            **{f"averaged_{i}": model for i, model in enumerate(self.averaged)},
            **{f"optimizer_{i}": optimizer for i, optimizer in enumerate(self.optimizers)},
        }
        self._state = tf.train.Checkpoint(**state)
        # A checkpoint says what it is of; those of earlier versions do not.
        told = tf.Variable(settings.to_json(), name="settings")
        self._checkpoint = tf.train.Checkpoint(settings=told, **state)
        self._manager = self._manage()
        region = metrics.region_mask(settings.attribute, settings.size)
        self._train_step, self._warm_up_step = (
            self.team.step(
                make_train_step(
                    self.models,
                    self.optimizers,
                    self.recipe,
                    region,
                    frozen=frozen,
                    xla=self.xla,
                )
            )
            for frozen in (False, True)
        )
        self._move_average = make_average(self.averaged, self.models[:2], xla=self.xla)
        if self.team.chief:
            self._writer = tf.summary.create_file_writer(str(self.folder / "logs"))
        else:
            self._writer = tf.summary.create_noop_writer()

    def _manage(self) -> tf.train.CheckpointManager:
        """Return a manager of the checkpoints that are in the folder now."""
        folder = self.folder / "checkpoints"
        return tf.train.CheckpointManager(self._checkpoint, folder, max_to_keep=2)

    @property
    def step(self) -> int:
        return int(self._step.numpy())

    def steps_of(self, epochs: float) -> int:
        """Return after how many steps each training photo with was read so often."""
        return math.ceil(epochs * self.split.count("train", "with") / self.settings.batch)

    @property
    def seconds(self) -> float:
        """Seconds spent in training, over all sessions."""
        return float(self._seconds.numpy())

    def _claim_settings(self) -> None:
        path = self.folder / "settings.json"
        if path.is_file():
            with explained(path):
                before = Settings.from_json(path.read_bytes(), path)
            check_revision(dataclasses.asdict(before), path)
            if differences := self.settings.differences(before):
                raise TrainingError(
                    f"{self.folder} holds a run with other settings: {'; '.join(differences)}. "
                    "Give the same settings to go on with it, or another --out."
                )
        elif any(self.folder.glob("checkpoints/ckpt-*")):
            raise TrainingError(
                f"{self.folder} holds checkpoints but no settings.json, which says what they are "
                "of. Put it back, or choose another --out."
            )
        else:
            write_text(path, self.settings.to_json())

    def _take_up(self) -> None:
        """Restore the newest checkpoint that can be read, if there is one."""
        checkpoints = self._manager.checkpoints
        for path in reversed(checkpoints):
            try:
                self._check_origin(path)
                # Partial, since `_state` leaves out the settings, which were just looked at.
                status = self._state.restore(path).expect_partial()
                status.assert_existing_objects_matched()
                return
            except CourseError:
                raise
            except (ValueError, AssertionError) as error:
                raise TrainingError(
                    f"{path} does not fit the networks that settings.json names "
                    f"({self.settings.network}, {self.settings.size} px): {first_line(error)}. "
                    "Was it copied from another run?"
                ) from error
            except Exception as error:  # a damaged file can bring TensorFlow to any
                tqdm.write(f"The checkpoint {path} can't be read: {first_line(error)}")
        if checkpoints:
            raise TrainingError(
                f"No checkpoint in {self.folder} can be read. Put them back, or choose another "
                "--out to start anew."
            )

    def _check_origin(self, path: str) -> None:
        reader = tf.train.load_checkpoint(path)
        name = "settings/.ATTRIBUTES/VARIABLE_VALUE"
        if reader.has_tensor(name):
            before = Settings.from_json(reader.get_tensor(name), Path(path))
            if differences := self.settings.differences(before):
                raise TrainingError(
                    f"{path} is a checkpoint of another run: {'; '.join(differences)}. "
                    "Put the right one there, or choose another --out."
                )

    def train(
        self,
        *,
        steps: int | None = None,
        minutes: float | None = None,
        preview_every: int = 100,
        checkpoint_minutes: float = 5.0,
        cache: Path | None = None,
        on_preview: Callable[[int, np.ndarray], None] | None = None,
        progress: bool = True,
    ) -> list[dict[str, float]]:
        """Train until `steps` are done in all, or for `minutes` from now.

        Ctrl-C and SIGTERM save and stop, on all workers after the same step. Returns the losses,
        one dict each 10 steps.

        Raises
        ------
        TrainingError
            If a loss is not finite, or nothing can be saved; the last checkpoint stays.
        CourseError
            If another process trains in the folder, or no photo of one side can be read; or if
            another worker is gone, or was told something else.
        """
        if steps is None and minutes is None:
            raise ValueError("Give steps or minutes.")
        chief = self.team.chief
        with (
            alone_in(self.folder, "trains") if chief else contextlib.nullcontext(),
            stop_signals() as stopped_by,
            self.team.watched(self._kept),
            _progress_bar(self.step, steps, minutes, progress and chief) as bar,
        ):
            self.team.check_alike(self._told(steps=steps, minutes=minutes))
            if chief:
                self._catch_up()
                fixed = preview_batch(self.split, self.settings.size, cache=cache)
            self.team.follow_chief(self._variables())
            history: list[dict[str, float]] = []
            began = saved = time.monotonic()
            # In its first step TensorFlow builds the graph, and complains of its own rewriting.
            quiet = setup.silenced()
            for batch in self._batches(cache):
                before = time.monotonic()
                if steps is not None and self.step >= steps:
                    break
                step = self.step
                seed = tf.constant([self.settings.seed, step])
                warming = step < self.settings.warm_up
                train_step = self._warm_up_step if warming else self._train_step
                with quiet:
                    losses_now = train_step(*batch[:2], seed, *batch[2:])
                quiet = contextlib.nullcontext()
                # Early weights are noise: the average forgets them faster than later ones.
                decay = min(self.settings.average, (1 + step) / (10 + step))
                self._move_average(tf.constant(decay))
                # Last, since this waits for a GPU; and all at once, since each fetch does.
                numbers = tf.stack(list(losses_now.values())).numpy().tolist()
                report = dict(zip(losses_now, numbers, strict=True))
                self._check_losses(step, report)
                self._step.assign_add(1)
                if step % 10 == 0:
                    history.append(self._log(step, report))
                now = time.monotonic()
                self._seconds.assign_add(now - before)
                _advance(bar, now - began, minutes, report)
                over = minutes is not None and now - began >= 60 * minutes
                if self.team.any(over or bool(stopped_by())):
                    break
                if not chief:
                    continue
                if self.step % preview_every == 0:
                    sheet = self.preview(fixed)
                    if on_preview:
                        on_preview(self.step, sheet)
                if now - saved > 60 * checkpoint_minutes:
                    self.save()
                    saved = now
            if chief:
                self.save()
                self.preview(fixed)
            if name := stopped_by():
                bar.write(f"{name} at step {self.step}: saved. The same command goes on from here.")
        return history

    def _told(self, **more) -> str:
        """Return in lines all that must be the same on every worker."""
        names = [[self.split.name(i) for i in self.split.items["train", s]] for s in datasets.SIDES]
        photos = hashlib.blake2b(json.dumps(names).encode(), digest_size=8).hexdigest()
        told = dataclasses.asdict(self.settings) | {"precision": self.dtype, "photos": photos}
        return "".join(f"{name}: {value}\n" for name, value in (told | more).items())

    def _variables(self) -> list:
        """Return all that the next steps depend on."""
        models = [v for model in (*self.models, *self.averaged) for v in model.weights]
        slots = [v for optimizer in self.optimizers for v in optimizer.variables]
        return [self._step, self._seconds, *models, *slots]

    def _kept(self) -> str:
        if not self.team.chief:
            return "The chief's last checkpoint is kept"
        return f"The last checkpoint, of step {self._saved_step()}, is kept"

    def _batches(self, cache: Path | None) -> Iterator[tuple[tf.Tensor, ...]]:
        settings = self.settings
        stream = datasets.pair_stream(
            self.split,
            settings.size,
            settings.batch,
            seed=settings.seed,
            start=self.step,
            flip=self.recipe.mirror,
            matched=self.recipe.matched,
            cache=cache,
            share=(self.team.index, len(self.team.workers)),
            tell_truth=bool(settings.dress),
        )
        try:
            yield from stream
        except tf.errors.OpError:
            datasets.check_readable(self.split)
            raise

    def _catch_up(self) -> None:
        """Take up what another process saved here meanwhile; clear up what a killed one left."""
        there = self._manage()
        if there.latest_checkpoint != self._manager.latest_checkpoint:
            self._manager = there
            self._take_up()
        self._clear_checkpoints()
        for name in ("previews", "weights"):
            clear_unfinished(self.folder / name)

    def _check_losses(self, step: int, report: dict[str, float]) -> None:
        name, value = next(((n, v) for n, v in report.items() if not np.isfinite(v)), (None, 0.0))
        if name is None:
            return
        batch = datasets.batch_names(
            self.split,
            self.settings.batch,
            seed=self.settings.seed,
            step=step,
            matched=self.recipe.matched,
        )
        photos = "; ".join(f"{side}: {', '.join(names)}" for side, names in batch.items())
        raise TrainingError(
            f"The loss {name!r} is {value} at step {step}: training went astray. {self._kept()}. "
            f"The batch was {photos}. To go on would repeat it: start anew with another --seed and "
            "--out, or with a lower learning rate in training.RECIPES."
        )

    def _log(self, step: int, report: dict[str, float]) -> dict[str, float]:
        with self._writer.as_default(step=step):
            for name, value in report.items():
                tf.summary.scalar(name, value)
        return {"step": step, **report}

    def _saved_step(self) -> str:
        latest = self._manager.latest_checkpoint
        return latest.rsplit("-", 1)[1] if latest else "none"

    def save(self) -> None:
        """Write a checkpoint, and the averaged generators to ``weights/``.

        Raises
        ------
        TrainingError
            If a weight is not finite, or the disk is full; the checkpoint before is kept.
        CourseError
            If the weights can't be written.
        """
        for model in (*self.models, *self.averaged):
            for weight in model.weights:
                if not np.isfinite(weight.numpy()).all():
                    raise TrainingError(
                        f"{weight.path} is not finite after step {self.step}, so this is not "
                        f"saved. The last checkpoint, of step {self._saved_step()}, is kept."
                    )
        # Writing the same one again would, for a moment, leave none.
        if self._saved_step() != str(self.step):
            self._write_checkpoint()
        for direction, generator in zip(DIRECTIONS, self.averaged, strict=True):
            save_generator(self.weights_path(direction), generator, self.card(direction))

    def _write_checkpoint(self) -> None:
        kept = self._saved_step()
        try:
            self._manager.save(checkpoint_number=self.step)
            self._writer.flush()
        except (tf.errors.OpError, OSError) as error:
            raise TrainingError(
                f"The checkpoint of step {self.step} can't be written in {self.folder}; the one of "
                f"step {kept} is kept. {explain(error)}"
            ) from error
        finally:
            self._clear_checkpoints()

    def _clear_checkpoints(self) -> None:
        """Delete what was written in part, or was no longer needed when the process was killed."""
        kept = {Path(path).name for path in self._manager.checkpoints}
        for path in (self.folder / "checkpoints").glob("c*"):
            if path.name.split(".")[0] in kept or path.name == "checkpoint":
                continue
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def weights_path(self, direction: str) -> Path:
        name = f"{datasets.short_name(self.settings.attribute)}-{direction}.npz"
        return self.folder / "weights" / name

    def card(self, direction: str) -> dict:
        """Return what a weights file says about itself."""
        drawn_on = f", with drawn {self.split.drawn_on}" if self.split.drawn_on else ""
        return {
            "attribute": datasets.short_name(self.settings.attribute),
            "direction": direction,
            "network": self.settings.network,
            "revision": self.settings.revision,
            "size": self.settings.size,
            "width": self.settings.width,
            **({"styles": self.styles} if self.styles and direction == "add" else {}),
            "parameters": self.averaged[DIRECTIONS.index(direction)].count_params(),
            "steps": self.step,
            "batch": self.settings.batch,
            "seed": self.settings.seed,
            **({"start": self.settings.start} if self.settings.start else {}),
            **({"warm_up": self.settings.warm_up} if self.settings.warm_up else {}),
            "minutes": round(self.seconds / 60, 1),
            "data": self.split.origin + drawn_on,
            "recipe": dataclasses.asdict(self.recipe),
            "train_images": [self.split.count("train", side) for side in datasets.SIDES],
            "licence": LICENCES.get(self.split.origin, "as the photos allow"),
        }

    def preview(self, fixed: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Write ``previews/step-NNNNNN.png`` and return it, uint8 (height, width, 3)."""
        add, remove = self.averaged
        if self.styles:  # each face in another, the first ones as it suits
            attribute = datasets.short_name(self.settings.attribute)
            chosen = tf.constant([dressing.any_style(attribute, i) for i in range(len(fixed[0]))])
            styled = self.averaged[0]

            def add(images, training):
                return styled([tf.constant(images), chosen], training=training)

        sheet = preview_sheet(add, remove, *fixed)
        path = self.folder / "previews" / f"step-{self.step:06d}.png"
        path.parent.mkdir(exist_ok=True)
        with written_whole(path) as temporary:
            Image.fromarray(sheet).save(temporary, "PNG")
        return sheet


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], str | None]]:
    """Give a function that names the signal that asked to stop, Ctrl-C (SIGINT) or SIGTERM.

    A signal may come between the update of the weights and that of their average, and what is
    saved there no unbroken run passes through. So the loop asks when a step is complete. A second
    signal stops at once, without saving.
    """
    names: list[str] = []

    def note(number, frame):
        if names:
            raise KeyboardInterrupt
        names.append(signal.Signals(number).name)

    before = {}
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows none
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # What started us may have ordered that we ignore it, as nohup does.
            if number and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, note)
    try:
        yield lambda: names[0] if names else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def preview_batch(
    split: datasets.Split, size: int, count: int = 8, cache: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fixed held-out images ``(without, with)``, float32 in [-1, 1]."""
    part = "validation" if all(split.items["validation", s] for s in datasets.SIDES) else "train"
    sides = [
        datasets.to_unit(datasets.read_images(split, part, side, size, count, cache))
        for side in datasets.SIDES
    ]
    count = min(map(len, sides))
    return sides[0][:count], sides[1][:count]


def preview_sheet(
    generator_add: keras.Model,
    generator_remove: keras.Model,
    without: np.ndarray,
    with_: np.ndarray,
) -> np.ndarray:
    """Return a picture of both directions, uint8: rows of image, edited, residual.

    The residual is shown at a fixed range, gray for 0, so that pictures of different steps can be
    compared (scaling each by its own range is what made the original's residuals brighten).
    """
    rows = []
    for generator, images in ((generator_add, without), (generator_remove, with_)):
        residual = generator(images, training=False).numpy()
        for row in (images, np.clip(images + residual, -1, 1), np.clip(residual, -1, 1)):
            rows.append(np.concatenate(list(datasets.to_bytes(row)), axis=1))
    return np.concatenate(rows)


def _progress_bar(step: int, steps: int | None, minutes: float | None, progress: bool):
    options = {"desc": "training", "disable": not progress}
    if minutes is not None:
        layout = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
        return tqdm(total=60 * minutes, bar_format=layout, **options)
    return tqdm(total=steps, initial=step, unit="step", **options)


def _advance(bar, elapsed: float, minutes: float | None, report: dict[str, float]) -> None:
    if minutes is None:
        bar.update(1)
    else:
        bar.n = min(elapsed, bar.total)
        bar.refresh()
    if not bar.disable:
        bar.set_postfix_str(
            f"D {report['discriminator']:.2f} add {report['add/gan']:.2f} "
            f"remove {report['remove/gan']:.2f}",
            refresh=False,
        )


# --- weights on disk ------------------------------------------------------------------------


def check_revision(told: dict, path: Path) -> None:
    """Raise a TrainingError if a file tells of a network that has changed since it was made."""
    network, revision = told["network"], told.get("revision", 1)
    if revision != networks.REVISIONS[network]:
        raise TrainingError(
            f"{path} was made with revision {revision} of the {network} networks, and this course "
            f"has {networks.REVISIONS[network]}: the same numbers mean something else now. Train "
            "anew, in another --out."
        )


def save_generator(path: Path, generator: keras.Model, card: dict) -> None:
    """Write a generator's weights as float16, with its card, to one .npz file, whole or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{i:03d}": np.asarray(w, np.float16) for i, w in enumerate(generator.weights)}
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, card=np.array(json.dumps(card)), **arrays)


def remove_run(folder: Path) -> None:
    """Delete a run, to begin anew in its folder; it is fine if there is none.

    Raises
    ------
    CourseError
        If another process trains there.
    """
    if folder.is_dir():
        with alone_in(folder, "trains"):
            shutil.rmtree(folder, ignore_errors=True)  # Windows keeps the lock that is held


def holds_weights_alone(folder: Path) -> bool:
    """Say whether a folder to start from has generators but no checkpoint of a run."""
    return tf.train.latest_checkpoint(folder / "checkpoints") is None and any(
        folder.glob("*-add.npz")
    )


def find_start(folder: Path, direction: str, attribute: str) -> Path:
    """Return the weights of one direction to start from: of the attribute, or the only ones.

    Raises
    ------
    TrainingError
        If there are none, or several and none is of the attribute.
    """
    path = folder / f"{datasets.short_name(attribute)}-{direction}.npz"
    found = sorted(folder.glob(f"*-{direction}.npz"))
    if path in found:
        return path
    if len(found) == 1:
        return found[0]
    several = f" Which of {', '.join(p.name for p in found)}? Copy one pair to a folder."
    raise TrainingError(
        f"{folder} holds no checkpoint of a run, and no {path.name}, to start from."
        + (several if found else "")
    )


def load_generator(path: Path, style=None) -> tuple[keras.Model, dict]:
    """Load a generator and its card from a file that `save_generator` wrote.

    Nothing is unpickled: a weights file holds numbers and one JSON text.

    Parameters
    ----------
    style : sequence of float or None
        What to draw, for one that knows styles: ``card["styles"]`` names its numbers, each in
        [-1, 1]. None for what suits the face.

    Raises
    ------
    TrainingError
        If the file is missing, damaged or does not fit the network that its card names.
    """
    network, card = load_network(path)
    return networks.in_style(network, style), card


def choose_style(card: dict, chosen: dict[str, float]) -> list[float]:
    """Return the numbers of a style, in the order of a generator's card; 0 what isn't chosen.

    Raises
    ------
    TrainingError
        If the generator does not know what is chosen, or a number is not in [-1, 1].
    """
    names = card.get("styles", [])
    for name, number in chosen.items():
        if name not in names:
            knows = f"knows the styles {', '.join(names)}" if names else "knows no styles"
            raise TrainingError(
                f"There is no style {name!r} to choose: {card['attribute']}-{card['direction']} "
                f"{knows}."
            )
        if not -1 <= number <= 1:
            raise TrainingError(
                f"A style goes from -1 to 1, with 0 what suits: not {name}={number:g}."
            )
    return [float(chosen.get(name, 0)) for name in names]


def load_network(path: Path) -> tuple[keras.Model, dict]:
    """Load a generator as `load_generator` does, but with its style as a second input.

    To train it further or to export it; one without styles is the same from both.
    """
    try:
        card, arrays = read_weights(path)
        check_revision(card, path)
        options = {"size": card["size"], "name": f"generator_{card['direction']}"}
        if card.get("width"):
            options["width"] = card["width"]
        if card.get("styles"):
            options["styles"] = len(card["styles"])
        generator = networks.GENERATORS[card["network"]](**options)
        generator.set_weights(arrays)
    except TrainingError:
        raise
    except FileNotFoundError as error:
        raise TrainingError(
            f"There are no weights at {path}. Train them (python3 course.py train --help) or "
            "give --weights the folder of a run."
        ) from error
    except Exception as error:
        raise TrainingError(f"{path} is not a weights file of this course: {error}") from error
    return generator, card
