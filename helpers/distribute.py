"""Several devices or several machines that train as one, by TensorFlow's own strategies (12).

Each replica holds all networks and sees its own rows of the global batch. All replicas get equally
many rows, so the mean over the batch is the mean of their means; gradients are added up. What is
drawn at random is drawn for the whole batch, and each replica takes its rows of that. So the losses
and the weights are those of one device with the same batch, but for rounding.
"""

import contextlib
import functools
import itertools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from .errors import CourseError, counted, explain

TEXT_BYTES = 4096  # of what workers tell each other at the start


class DistributionError(CourseError):
    """The devices or machines can't train together; the message says why and what to do."""


# --- inside a replica -------------------------------------------------------------------------


def own_rows(draw: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor, groups: int = 1) -> tf.Tensor:
    """Draw for the images of the global batch, and return this replica's part of it.

    Parameters
    ----------
    draw : callable
        From a number of rows to a tensor (rows, ...), always the same.
    rows : tf.Tensor
        How many this replica has, of all groups together.
    groups : int
        How many global batches are drawn for, one after the other.

    Returns
    -------
    tf.Tensor
        (rows, ...).
    """
    context = tf.distribute.get_replica_context()
    count = context.num_replicas_in_sync
    if count == 1:
        return draw(rows)
    whole = draw(rows * count)
    parts = tf.reshape(whole, (groups, count, rows // groups, *whole.shape[1:]))
    return tf.reshape(parts[:, context.replica_id_in_sync_group], (rows, *whole.shape[1:]))


def share(mean: tf.Tensor) -> tf.Tensor:
    """Return a mean over this replica's rows as its share of the mean over the global batch."""
    count = tf.distribute.get_replica_context().num_replicas_in_sync
    return mean if count == 1 else mean / count


# --- the team ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Team:
    """All that train together.

    Attributes
    ----------
    strategy : tf.distribute.Strategy or None
        None for one device, without any distribution.
    index : int
        Which of the workers this process is. Worker 0 is the chief, who alone writes.
    workers : tuple of str
        Their addresses; one if this process is alone.
    """

    strategy: tf.distribute.Strategy | None = None
    index: int = 0
    workers: tuple[str, ...] = ("here",)

    @property
    def chief(self) -> bool:
        return self.index == 0

    @property
    def replicas(self) -> int:
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    def scope(self) -> contextlib.AbstractContextManager:
        """Return the scope in which networks and optimizers get a copy on each replica."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def step(self, replica_step: Callable) -> Callable:
        """Return ``(without, with, seed[, known]) -> losses`` that runs a step on every replica.

        It takes the rows of this worker and gives the losses of the global batch. One device runs
        `replica_step` as it is.
        """
        if self.strategy is None:
            return replica_step
        local = self.replicas // len(self.workers)
        # Replicas meet inside the step, which they can't from a function of its own, be it compiled
        # by XLA or not: "`merge_call` called while defining a new graph". And what XLA compiles
        # around all of them may not use the weights of the second (TensorFlow 2.21).
        replica_step = getattr(replica_step, "python_function", replica_step)

        def own_step(without, with_, seed, *known):
            place = tf.distribute.get_replica_context().replica_id_in_sync_group % local
            with tf.device("CPU:0"):  # so that a GPU is sent its own rows alone
                own = [tf.stack(tf.split(images, local))[place] for images in (without, with_)]
                known = [tf.stack(tf.split(rows, local, axis=1))[place] for rows in known]
            return replica_step(*own, seed, *known)

        @tf.function
        def step(*batch):
            report = self.strategy.run(own_step, batch)
            return {n: self.strategy.reduce("MEAN", v, axis=None) for n, v in report.items()}

        return step

    def check_batch(self, batch: int) -> None:
        """Raise a DistributionError if a batch can't be dealt out evenly."""
        if batch % self.replicas:
            raise DistributionError(
                f"A batch of {batch} can't be dealt out evenly to {self.replicas} replicas: give "
                f"a --batch that {self.replicas} divides."
            )

    def check_alike(self, told: str) -> None:
        """Raise a DistributionError on every worker if one was told something else.

        Parameters
        ----------
        told : str
            Lines ``name: value``; the message shows those that differ.
        """
        if len(self.workers) == 1:
            return
        rows = np.zeros((len(self.workers), TEXT_BYTES))
        data = told.encode()[:TEXT_BYTES]
        rows[self.index, : len(data)] = list(data)
        texts = [bytes(row.astype(np.uint8)).rstrip(b"\0").decode() for row in self._added(rows)]
        lines = texts[0].splitlines()
        for index, text in enumerate(texts):
            other = text.splitlines()
            pairs = itertools.zip_longest(lines, other, fillvalue="nothing")
            if differences := [f"{b} there, {a} at the chief" for a, b in pairs if a != b]:
                raise DistributionError(
                    f"Worker {index} ({self.workers[index]}) was not started as the chief: "
                    f"{'; '.join(differences)}. Give all workers the same command and data."
                )

    def follow_chief(self, variables: Iterable[tf.Variable]) -> None:
        """Give variables the values that the chief has: what it read, nobody else needs to."""
        if len(self.workers) == 1:
            return
        variables = list(variables)
        values = [np.asarray(variable.numpy()) for variable in variables]
        # In one piece, in float64, which holds each float32 and each step exactly.
        flat = np.concatenate([np.ravel(value).astype(np.float64) for value in values])
        flat = self._added(flat if self.chief else np.zeros_like(flat))
        pieces = np.split(flat, np.cumsum([value.size for value in values])[:-1])
        for variable, value, piece in zip(variables, values, pieces, strict=True):
            variable.assign(piece.reshape(value.shape).astype(value.dtype))

    def any(self, flag: bool) -> bool:
        """Return whether any worker says yes, so that all stop after the same step."""
        return flag if len(self.workers) == 1 else bool(self._added(np.array([flag], float))[0])

    def _added(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over all workers of a float64 array."""
        return self._add(tf.constant(values)).numpy()

    @functools.cached_property
    def _add(self) -> Callable:
        local = self.replicas // len(self.workers)

        def of_replica(values):
            place = tf.distribute.get_replica_context().replica_id_in_sync_group % local
            return tf.where(tf.equal(place, 0), values, 0.0)  # not once for each GPU

        @tf.function
        def add(values):
            return self.strategy.reduce("SUM", self.strategy.run(of_replica, (values,)), axis=None)

        return add

    @contextlib.contextmanager
    def watched(self, kept: Callable[[], str]) -> Iterator[None]:
        """Turn what TensorFlow raises when another worker is gone into a DistributionError.

        `kept` says what is not lost.
        """
        try:
            yield
        except tf.errors.OpError as error:
            text = str(error)
            if len(self.workers) == 1 or not (
                isinstance(error, tf.errors.UnavailableError) or "Collective ops" in text
            ):
                raise
            raise DistributionError(
                f"Another of the {len(self.workers)} workers is gone: look what it wrote last. "
                f"{kept()}. Start the same command again on all workers to go on from there."
            ) from error


ALONE = Team()


def mirrored(devices: int | None = None) -> Team:
    """Return the team of this machine's GPUs, or of parts of its processor.

    Parameters
    ----------
    devices : int or None
        So many GPUs; None for all. Without a GPU, the processor is taken for so many logical
        devices (None: 1): nothing gets faster, but it shows that the results stay the same.

    Raises
    ------
    DistributionError
        If there are fewer GPUs, or TensorFlow has begun to use the processor as one device.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        if (devices or 1) > len(gpus):
            raise DistributionError(f"This machine has {counted(len(gpus), 'GPU')}, not {devices}.")
        names = [f"GPU:{i}" for i in range(devices or len(gpus))]
    else:
        names = [f"CPU:{i}" for i in range(devices or 1)]
        logical = [tf.config.LogicalDeviceConfiguration()] * len(names)
        try:
            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(cpu, logical)
        except RuntimeError as error:
            if len(tf.config.list_logical_devices("CPU")) < len(names):
                raise DistributionError(
                    "TensorFlow uses the processor as one device already: ask for more in a new "
                    "process, before anything else."
                ) from error
    return Team(tf.distribute.MirroredStrategy(names))


EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def read_cluster(text: str | None) -> tuple[tuple[str, ...], int]:
    """Return the addresses of all workers, the chief's first, and which of them we are.

    Parameters
    ----------
    text : str or None
        What the environment variable TF_CONFIG holds.

    Raises
    ------
    DistributionError
        If it does not say that.
    """

    def wrong(what: str) -> DistributionError:
        return DistributionError(
            f"TF_CONFIG {what}. It names all workers, and which of them this process is; for the "
            f"first of two machines:\nTF_CONFIG='{EXAMPLE}'\nThe others differ in index alone."
        )

    if not text:
        raise wrong("is not set")
    try:
        config = json.loads(text)
    except ValueError as error:
        raise wrong(f"is not JSON ({error})") from error
    try:
        cluster, task = config["cluster"], config["task"]
        kind, index = task["type"], task["index"]
        jobs = {job: list(cluster.get(job, [])) for job in ("chief", "worker")}
    except (TypeError, KeyError, AttributeError) as error:
        raise wrong("lacks cluster, task, or the task's type or index") from error
    workers = [*jobs["chief"], *jobs["worker"]]
    if odd := set(cluster) - set(jobs):
        raise wrong(f"names {' and '.join(sorted(odd))}: here are only workers, and one chief")
    if len(jobs["chief"]) > 1:
        raise wrong("names more than one chief")
    for address in workers:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdigit():
            raise wrong(f"names {address!r}, which is no address with a port")
    if len(set(workers)) < len(workers):
        raise wrong("names one address twice")
    if kind not in jobs or not isinstance(index, int) or not 0 <= index < len(jobs[kind]):
        raise wrong(f"says that this is {kind} {index!r}, which its cluster does not name")
    return tuple(workers), index + (len(jobs["chief"]) if kind == "worker" else 0)


@contextlib.contextmanager
def _ctrl_c_ends() -> Iterator[None]:
    """End the process on Ctrl-C at once: while TensorFlow waits, Python would not hear of it."""
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and before is not signal.SIG_IGN
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def multiworker(say: Callable[[str], None]) -> Team:
    """Return the team of all workers that TF_CONFIG names; waits until all have come.

    Must be called before anything else of TensorFlow. Each worker brings all its GPUs, or its
    processor; all must bring equally many.

    Raises
    ------
    DistributionError
        If TF_CONFIG does not tell the team, or TensorFlow can't bring it together.
    """
    workers, index = read_cluster(os.environ.get("TF_CONFIG"))
    others = [worker for i, worker in enumerate(workers) if i != index]
    if others:
        say(f"Worker {index} of {len(workers)}: waiting for {', '.join(others)}. Ctrl-C ends.")
    try:
        with _ctrl_c_ends():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise DistributionError(
            f"Worker {index} can't join the others: {explain(error)} Is the port of "
            f"{workers[index]} free, and are all addresses of TF_CONFIG right?"
        ) from error
    return Team(strategy, index, workers)
