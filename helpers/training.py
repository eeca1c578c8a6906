"""The train step, the loop, checkpoints and previews (built in notebooks 05 and 06).

Bare TensorFlow: one `tf.GradientTape` for each update, so that it is plain to read which loss
reaches which network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from . import distribute, losses, networks, setup
from .networks import REAL_WITH, REAL_WITHOUT

DIRECTIONS = ("add", "remove")


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
    where: float = 0.0  # there, of the mask's distance to what truly differs
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
    directions: tuple[str, ...] = DIRECTIONS  # that learn; with one, the other is left out


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
# On drawn pairs the truth says all, so that a direction learns alone: nothing has to come back.
_ALONE = {"where": 50.0, "dual": 0.0, "cycle": 0.0, "cycle_with": 0.0, "spare_known": True}
# At 64 px, after 800 steps, a truth of 200 left 15.4 gray levels where glasses are, and 50 18.9. At
# 256 px, after 14,000, cloth was sharp with 100, and with a discriminator that sees every pixel; it
# had been smooth with 400 and one that did not. Frames came out alike with 400, 100 and 30.
ADD_DRAWN = {**_ALONE, "truth": 100.0, "directions": ("add",)}
# What is taken off is of any kind: it may be large and reach out of its region, and the truth keeps
# the edits from what it isn't. With losses that want edits small, crowns of real hats stayed.
REMOVE_DRAWN = {**_ALONE, "truth": 200.0, "pixel": 0.0, "mask": 0.0, "directions": ("remove",)}


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
    if recipe.where and known is not None:
        terms["where"] = recipe.where * losses.where_loss(mask, image, truth, known)
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

    It is long because its parts share the networks, and stand in the order of notebook 05.
    """
    setup.run_graphs_as_written()
    generator_add, generator_remove, discriminator = models
    half = in_float16(discriminator)
    masked = recipe.mask > 0 or recipe.where > 0
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

    def update_discriminator(without, with_, ways, found, seed):
        edits = [edit(w.image, f[0], recipe.clip) for w, f in zip(ways, found, strict=True)]
        everything = tf.concat([with_, without, *edits], axis=0)
        groups = 2 + len(edits)
        with tf.GradientTape() as tape:
            logits, _ = discriminator(see(everything, seed, groups=groups), training=True)
            loss = losses.discriminator_loss(*tf.split(logits, groups))
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

    chosen = [DIRECTIONS.index(direction) for direction in recipe.directions]

    def separate_step(without, with_, ways, seeds):
        tapes, edits = [], []
        for way in ways:
            with tf.GradientTape() as tape:
                edits.append(way.run(way.image, training=True))
            tapes.append(tape)
        loss = update_discriminator(without, with_, ways, edits, seeds[0])
        terms = []
        for number, way, tape, of_image in zip(chosen, ways, tapes, edits, strict=True):
            # Nothing has changed this generator since it made its edits, so they serve here too.
            with tape:
                terms.append(terms_of(way, of_image, seeds[1 + number]))
                total = distribute.share(sum(terms[-1].values()))
            if not frozen:
                update(optimizers[number], tape, total, models[number].trainable_variables)
        return loss, terms

    def joint_step(without, with_, ways, seeds):
        with tf.GradientTape() as tape:
            edits = [way.run(way.image, training=True) for way in ways]
            # This update leaves the generators alone, so that their edits serve both updates.
            with tape.stop_recording():
                loss = update_discriminator(without, with_, ways, edits, seeds[0])
            terms = [
                terms_of(way, of_image, seeds[1 + number])
                for number, way, of_image in zip(chosen, ways, edits, strict=True)
            ]
            total = distribute.share(sum(sum(t.values()) for t in terms))
        if frozen:
            return loss, terms
        variables = [models[number].trainable_variables for number in chosen]
        found = gradients(tape, total, variables, half)
        for number, gradient, part in zip(chosen, found, variables, strict=True):
            optimizers[number].apply_gradients(zip(gradient, part, strict=True))
        return loss, terms

    @tf.function(jit_compile=xla)
    def train_step(without, with_, seed, known=(None, None), style=None):
        def run_in_style(image, training):
            return run_add(image if style is None else [image, style], training=training)

        both = [
            _Way(run_in_style, run_remove, without, with_, REAL_WITH, REAL_WITHOUT, known[0]),
            _Way(run_remove, run_in_style, with_, without, REAL_WITHOUT, REAL_WITH, known[1]),
        ]
        step = joint_step if recipe.joint else separate_step
        ways = [both[number] for number in chosen]
        loss, losses_of = step(without, with_, ways, tf.random.split(seed, 3))
        report = {"discriminator": loss}
        for direction, terms in zip(recipe.directions, losses_of, strict=True):
            report |= {f"{direction}/{name}": value for name, value in terms.items()}
        return report

    return train_step


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
