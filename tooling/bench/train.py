"""`course.py bench train`: a train step of both networks, and the paper's in PyTorch."""

import contextlib
import functools
import itertools
import statistics

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from helpers import metrics, networks, setup, trainer, training

from . import turns

# What Keras calls them. A GPU trains in float16, a processor in bfloat16 if it has that.
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
IN_A_ROW = 10  # steps on a GPU until somebody waits for the losses
SAME = 1e-3  # how far two stacks' losses may differ, as a share


def measure(settings: turns.Settings) -> dict:
    """Measure a train step of both networks, and the paper's in PyTorch if that is installed.

    On a GPU each step is also measured as XLA compiles it, PyTorch's eager and compiled, and steps
    follow one another as in a training, without a wait for the losses of each.

    Returns
    -------
    dict
        ``seconds`` of a step, ``images_per_second`` of both sides together, ``share_of_peak``: of
        what a large matrix product reaches in the same precision in the same run, that peak itself
        in TFLOP/s, and for each precision ``ratio_to_pytorch``: how many times as fast the paper's
        fastest step is as PyTorch's fastest.

    Raises
    ------
    BenchError
        If both stacks' losses differ: what they compute must be the same.
    """
    batch, size = settings.batch, settings.size
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # of a GPU that is in use already
            tf.config.experimental.set_memory_growth(gpu, True)  # so that PyTorch finds some
    precisions = fast_precisions()
    images = np.random.default_rng(0).uniform(-1, 1, (2, batch, size, size, 3)).astype(np.float32)
    steps, operations, missing = {}, {}, None
    for precision in precisions:
        for network, xla in itertools.product(training.RECIPES, (False, True)[: 1 + bool(gpus)]):
            name = f"{network} {precision}{', XLA' if xla else ''}"
            models, steps[name] = _our_step(network, precision, xla, images)
            operations[name] = step_operations(models, training.RECIPES[network], batch)
            if network == "paper" and not xla:
                try:
                    steps |= _their_steps(models, precision, images, bool(gpus))
                except turns.Missing as error:
                    missing = str(error)
    losses = {name: step() for name, step in tqdm(steps.items(), "first steps", unit="run")}
    in_a_row = IN_A_ROW if gpus else 1
    contestants = {name: _seconds_of_one(step, in_a_row) for name, step in steps.items()}
    side = 1024 if size < 128 else 8192 if gpus else 4096
    contestants |= {f"matrix product {p}": turns.seconds(_product(p, side)) for p in precisions}
    apart = _apart(losses)
    for run in contestants.values():
        run()  # the first step of all compiled, or chose its kernels
    samples = turns.take_turns(contestants, settings.rounds, "training steps")
    peaks = {p: 2.0 * side**3 / min(samples.pop(f"matrix product {p}")) for p in precisions}
    result = {"batch": batch, "size": size, "device": setup.device_names()}
    result |= _figures(samples, operations, peaks, batch)
    if missing:
        return result | {"ratio_to_pytorch": None, "pytorch": missing}
    ratios = {precision: _ratio_to_pytorch(samples, precision) for precision in precisions}
    return result | {"losses_apart": apart, "ratio_to_pytorch": ratios}


def fast_precisions() -> list[str]:
    """Return float32, and what this machine is faster in, if there is such.

    A processor that does not multiply bfloat16 takes minutes for a step in it.
    """
    return [p for p, name in PRECISIONS.items() if name in ("float32", training.pick_dtype())]


def step_operations(models: training.Models, recipe: training.Recipe, batch: int) -> float:
    """Return the floating point operations of a train step, a multiply-accumulate being two.

    Counted are the convolutions and dense layers that the recipe asks for, however a machine does
    them. A gradient costs as much as a forward pass for the weights, and once more for what came
    in. Not counted are norms, activations, losses, augmentation and Adam, and nothing that a stack
    computes twice or could have left out, so that the same count is fair to all of them.
    """
    # Both ways alike: one generator forward and back to its weights for what it gives, and the
    # other for the way back, which learns too if both learn together. The discriminator's own
    # update sees four images a pair.
    through_generators = 2 * (3 + (3 if recipe.joint else 2))
    through_discriminator = 4 * 3 + 2 * (2 * 2 + bool(recipe.perceptual))
    each = through_generators * networks.multiply_accumulates(models.generator_add)
    each += through_discriminator * networks.multiply_accumulates(models.discriminator)
    return 2.0 * batch * each


def _our_step(network, precision, xla, images):
    """Return the three models, and a function that takes a step and returns its losses."""
    models = training.build_models(network, images.shape[2], dtype=PRECISIONS[precision])
    recipe = training.RECIPES[network]
    region = metrics.region_mask("Eyeglasses", images.shape[2])
    optimizers = training.make_optimizers(models, recipe)
    step = training.make_train_step(models, optimizers, recipe, region, xla=xla)

    def run(count=1):
        for _ in range(count):
            report = step(*map(tf.constant, images), tf.constant([0, 0]))
        return trainer.fetch([report])[0]  # which waits for all

    return models, run


def _seconds_of_one(step, count):
    """Return a contestant that takes so many steps in a row, and tells the seconds of one."""
    measured = turns.seconds(lambda: step(count=count))
    return lambda: measured() / count


def _their_steps(models, precision, images, gpu):
    peer = turns.optional(*turns.PYTORCH)
    steps = {}
    # Compiled, both norms are the same; on a processor that takes minutes.
    for norm, compiled in [("group", False), ("instance", False), ("group", True)][: 2 + gpu]:
        step = peer.PaperStep(models, training.RECIPES["paper"], precision, norm, compiled)
        name = f"PyTorch paper {precision}, {norm} norm{', compiled' if compiled else ''}"
        steps[name] = functools.partial(step, *images)
    return steps


def _product(precision, side):
    matrix = tf.cast(tf.random.normal((side, side)), precision)
    multiply = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
    return lambda: float(multiply())


def _apart(losses: dict[str, dict[str, float]]) -> float | None:
    """Return how far PyTorch's float32 losses are from ours in the first step, as a share."""
    theirs = [of for name, of in losses.items() if name.startswith("PyTorch paper float32")]
    ours = losses["paper float32"]
    apart = [abs(each[name] / ours[name] - 1) for each in theirs for name in ours]
    if apart and not max(apart) <= SAME:
        raise turns.BenchError(
            f"PyTorch's losses are {max(apart):.2g} of their size away from ours in the first step "
            f"on the same weights, where {SAME} is allowed: the two do not compute the same. "
            f"Ours: {ours}. Theirs: {theirs}."
        )
    return max(apart, default=None)


def _figures(samples, operations, peaks, batch) -> dict:
    shares = {}
    for name, taken in samples.items():
        precision = next(p for p in peaks if p in name)
        count = operations.get(name) or operations[f"paper {precision}"]
        shares[name] = count / statistics.median(taken) / peaks[precision]
    return {
        "peak_teraflops": {precision: peak / 1e12 for precision, peak in peaks.items()},
        "seconds": {name: turns.summary(taken) for name, taken in samples.items()},
        "images_per_second": {n: turns.rate(taken, 2 * batch) for n, taken in samples.items()},
        "share_of_peak": shares,
    }


def _ratio_to_pytorch(samples, precision) -> dict:
    theirs, ours = (
        min((s for n, s in samples.items() if n.startswith(start)), key=statistics.median)
        for start in (f"PyTorch paper {precision}", f"paper {precision}")
    )
    return turns.ratio(theirs, ours)


def show(result: dict) -> str:
    """Return the figures as text."""
    rows = []
    for name, figure in result["seconds"].items():
        images = f"{result['images_per_second'][name]['median']:.1f}"
        rows.append([name, turns.spread(figure, 4), images, f"{result['share_of_peak'][name]:.0%}"])
    title = f"A train step of {result['batch']} pairs at {result['size']} px ({result['device']})"
    peaks = ", ".join(f"{p} {peak:.2f}" for p, peak in result["peak_teraflops"].items())
    lines = [
        turns.table(title, ["", "seconds", "images/s", "of peak"], rows),
        f"Peak of a matrix product, in TFLOP/s: {peaks}.",
    ]
    if result["ratio_to_pytorch"] is None:
        return "\n".join([*lines, result["pytorch"]])
    for precision, figure in result["ratio_to_pytorch"].items():
        lines.append(f"Paper's step in {precision}: {turns.spread(figure)} times PyTorch's speed.")
    lines.append(f"Losses of the first step differ by at most {result['losses_apart']:.1e}.")
    return "\n".join(lines)
