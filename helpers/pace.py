"""How fast this machine computes, beside the one that the notebooks' times were measured on.

The quick profile does less where that is slow (notebook 00 shows it).
"""

import json
import os
import platform
import time
from pathlib import Path

from .errors import CourseError
from .files import write_text
from .processes import load_tensorflow

# Seconds of `_work` on two cores with AVX-512 BF16 (AMD EPYC, 2025), on which the notebooks take
# the times that they tell.
REFERENCE = 0.021
SLOWEST = 20.0  # a machine busy with something else may seem slower still


def pace(cache: Path) -> float:
    """Return how many times as long as there a step takes here: 2 where it is half as fast.

    Measured once, in about a second, and kept in `cache`; COURSE_PACE says it instead.
    """
    if given := os.environ.get("COURSE_PACE"):
        return float(given)
    path = cache / "pace.json"
    machine = f"{platform.node()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["machine"] == machine:
            return float(kept["pace"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none yet, or damaged: measured anew
    found = min(max(_measure() / REFERENCE, 0.1), SLOWEST)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"machine": machine, "pace": round(found, 2)}) + "\n")
    except (CourseError, OSError):
        pass  # a folder that can't be written to costs a second each time
    return found


def fitted(steps: int, least: int, pace: float) -> int:
    """Return how many of `steps` fit into their time at a pace; in hundreds, at least `least`."""
    return min(steps, max(least, int(steps / pace) // 100 * 100))


def _measure() -> float:
    """Return the seconds of the quickest of many short rounds of work.

    Whatever else the machine does then, in one of them it hardly does.
    """
    work = _work()
    times = []
    for _ in range(41):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times[1:])  # the first builds the graph


def _work():
    """Return what is measured: convolutions forwards and backwards, as a train step has them."""
    load_tensorflow()
    import tensorflow as tf

    images = tf.random.stateless_uniform((8, 64, 64, 32), (0, 0))
    kernel = tf.Variable(tf.random.stateless_uniform((3, 3, 32, 32), (0, 1)) / 288)

    @tf.function
    def rounds():
        for _ in tf.range(3):
            with tf.GradientTape() as tape:
                seen = images
                for _ in range(2):
                    seen = tf.nn.relu(tf.nn.conv2d(seen, kernel, 1, "SAME"))
                loss = tf.reduce_mean(seen)
            kernel.assign_sub(1e-3 * tape.gradient(loss, kernel))

    return lambda: (rounds(), kernel.numpy())
