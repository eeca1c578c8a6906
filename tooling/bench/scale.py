"""`course.py bench scale`: one step on one device against the same step on two."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import keras
import numpy as np
import tensorflow as tf

from helpers import networks, setup

from . import turns


def measure(settings: turns.Settings) -> dict:
    """Measure one step on one logical processor against the same step on two.

    Both share the same cores, so that the ratio shows what TensorFlow's distribution costs, not
    what a second machine gains; notebook 12 works that out.

    Returns
    -------
    dict
        ``seconds`` of both, ``ratio`` of their speeds, and ``losses_apart``: by how much, as a
        share, the losses of their first and last steps differ at most.
    """
    if settings.batch < 2:
        raise turns.BenchError("Two devices share a batch: give a --batch of 2 or more.")
    # In a process of its own, since TensorFlow's devices can't change once it has computed.
    new = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, new, setup.load_tensorflow) as pool:
            return pool.submit(_measure, settings).result()
    except BrokenProcessPool as error:
        raise turns.BenchError(
            "The system ended a process that measured, perhaps for want of memory. Try a smaller "
            "--batch or --size."
        ) from error


def _measure(settings: turns.Settings) -> dict:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    batch, size = settings.batch - settings.batch % 2, settings.size
    images = np.random.default_rng(0).uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    devices = {"one device": ["CPU:0"], "two devices": ["CPU:0", "CPU:1"]}
    steps = {name: _distributed_step(which, images) for name, which in devices.items()}

    first = [float(step()) for step in steps.values()]
    contestants = {n: turns.seconds(lambda step=step: float(step())) for n, step in steps.items()}
    samples = turns.take_turns(contestants, settings.rounds, "one device and two")
    last = [float(step()) for step in steps.values()]
    return {
        "batch": batch,
        "size": size,
        "seconds": {name: turns.summary(taken) for name, taken in samples.items()},
        "ratio": turns.ratio(*samples.values()),
        "losses_apart": max(abs(one / two - 1) for one, two in (first, last)),
    }


def _distributed_step(devices: list[str], images: np.ndarray) -> Callable:
    """Return a step of the paper's generator on some devices: it learns to return its image."""
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = networks.paper_generator(images.shape[1])
        optimizer = keras.optimizers.Adam(1e-4)
        optimizer.build(model.trainable_variables)
    parts = np.split(images, len(devices))
    share = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )

    def replica_step(part):
        with tf.GradientTape() as tape:
            off = tf.reduce_sum(tf.square(model(part, training=True) - part))
            loss = off / images.size  # of the whole batch, since the gradients are added up
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @tf.function
    def step(part):
        return strategy.reduce("SUM", strategy.run(replica_step, (part,)), axis=None)

    return lambda: step(share)


def show(result: dict) -> str:
    """Return the figures as text."""
    rows = [[name, turns.spread(figure, 3)] for name, figure in result["seconds"].items()]
    title = f"A step of {result['batch']} images at {result['size']} px on the same cores"
    return (
        f"{turns.table(title, ['', 'seconds'], rows)}\n"
        f"Two devices: {turns.spread(result['ratio'])} times the speed of one.\n"
        f"Their losses differ by at most {result['losses_apart']:.1e}."
    )
