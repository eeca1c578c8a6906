"""Who comes beside whom in a batch, and the stream of such pairs that training reads.

Used in notebooks 05, 06 and 12.
"""

import atexit
import contextlib
import functools
import itertools
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from . import datasets
from .datasets import SIDES, Dressed, Item, Split
from .drawn import worn
from .errors import DataError, counted
from .processes import attend, nothing_collected

# At most. Decoding and scaling let other threads run; the rest of Python does not. On two cores
# that does not matter: threads took 0.98 of the time that processes did. But on 16 they gave a GPU
# less than half of the photos that it could train on, so there processes read.
READING_THREADS, READING_PROCESSES = 8, 16


class _Order:
    """An endless shuffle of one side: position i is a pure function of the seed.

    So a run that resumes at step k reads exactly what it would have read without the break.
    """

    def __init__(self, count: int, seed: int, side: int):
        self.count, self.seed, self.side = count, seed, side
        self.epoch, self.permutation = -1, np.empty(0, int)

    def __call__(self, position: int) -> tuple[int, bool]:
        epoch, place = divmod(position, self.count)
        if epoch != self.epoch:
            generator = np.random.default_rng([self.seed, self.side, epoch])
            self.permutation = generator.permutation(self.count)
            self.flips = generator.random(self.count) < 0.5
            self.epoch = epoch
        return int(self.permutation[place]), bool(self.flips[place])


# A discriminator learns whatever tells the sides apart. More men than women wear glasses in
# CelebA, so without care generators learn to change chins and mouths too. The first weigh most.
CONFOUNDERS = ("Male", "Young", "Smiling", "Wearing_Hat", "Eyeglasses", "Bangs", "No_Beard")
# What an attribute covers can't be told apart from what it is.
COVERED = {"Wearing_Hat": ("Bangs",)}


def confounders_of(split: Split) -> list[str]:
    """Return the `CONFOUNDERS` that the data knows, but for the attribute and what it covers."""
    columns = split.known.columns if split.known else []
    apart = (split.attribute, *COVERED.get(split.attribute, ()))
    return [name for name in CONFOUNDERS if name in columns and name not in apart]


def balanced(split: Split, seed: int = 0) -> Split:
    """Return the split with as many training photos on one side as on the other, by chance."""
    items = dict(split.items)
    count = min(split.count("train", side) for side in SIDES)
    for number, side in enumerate(SIDES):
        kept = np.random.default_rng([seed, number]).permutation(split.count("train", side))[:count]
        items["train", side] = [items["train", side][place] for place in sorted(kept)]
    return replace(split, items=items)


class _Pairs:
    """What is read at each position: ``(place, mirrored)`` in "without" and in "with".

    "with" is shuffled; beside each goes, if they are `matched`, somebody without who shares the
    `CONFOUNDERS`, or as many of them, from the first on, as anybody does. Else, and where the data
    knows none, it is whoever comes next in a shuffle of their own. Beside a `Dressed` photo goes
    that photo, mirrored or not; where there are such and others, they take turns.
    """

    def __init__(self, split: Split, part: str, seed: int, matched: bool = True):
        without, with_ = (split.items[part, side] for side in SIDES)
        self.seed, self.without = seed, _Order(len(without), seed, 0)
        dressed = {place: item for place, item in enumerate(with_) if isinstance(item, Dressed)}
        # To file 200,000 paths takes a quarter of a second, for nothing where there are none.
        photos = {item: place for place, item in enumerate(without)} if dressed else {}
        self.twins = {place: photos[item.photo] for place, item in dressed.items()}
        others = [place for place in range(len(with_)) if place not in self.twins]
        self.kinds = [places for places in (list(self.twins), others) if places]
        self.orders = [_Order(len(places), seed, 1) for places in self.kinds]
        self.partners: dict[int, list[int] | None] = {}
        shared = confounders_of(split)
        if matched and shared and others:
            of_without, of_others = (
                list(map(tuple, split.known.of(items, shared).tolist()))
                for items in (without, [with_[place] for place in others])
            )
            places: dict[tuple, list[int]] = {}
            for place, traits in enumerate(of_without):
                for count in range(1, len(shared) + 1):
                    places.setdefault(traits[:count], []).append(place)
            for place, traits in zip(others, of_others, strict=True):
                prefixes = (traits[:count] for count in range(len(shared), 0, -1))
                self.partners[place] = next((places[p] for p in prefixes if p in places), None)

    def __call__(self, position: int) -> list[tuple[int, bool]]:
        turn, kind = divmod(position, len(self.kinds))
        place, mirrored = self.orders[kind](turn)
        place = self.kinds[kind][place]
        if place in self.twins:
            return [(self.twins[place], mirrored), (place, mirrored)]
        partners = self.partners.get(place)
        if not partners:
            return [self.without(position), (place, mirrored)]
        generator = np.random.default_rng([self.seed, len(SIDES), position])
        chosen = partners[generator.integers(len(partners))]
        return [(chosen, bool(generator.random() < 0.5)), (place, mirrored)]


def pair_stream(
    split: Split,
    size: int,
    batch: int,
    *,
    seed: int = 0,
    start: int = 0,
    part: str = "train",
    flip: bool = True,
    matched: bool = True,
    cache: Path | None = None,
    share: tuple[int, int] = (0, 1),
    tell_truth: bool = False,
    headroom: float = 0.0,
    processes: int | None = None,
):
    """Stream batches of images from disk: ``(without, with)``, shuffled without end.

    Where the data knows the `CONFOUNDERS`, each image without is of somebody who shares them with
    the one with beside it.

    Parameters
    ----------
    split : Split
        What `open_split` returned. Items that can't be read are replaced by the next that can,
        and noted in ``split.unreadable``.
    size, batch : int
        Side of the images, and images a side in each batch.
    seed : int
        Of the order and the flips.
    start : int
        How many batches to pass over, to go on after a break.
    flip : bool
        Mirror every second image.
    matched : bool
        Whether people who share the `CONFOUNDERS` go together.
    share : tuple of two int
        Which of how many equal shares of each batch to read, for one of several machines.
    tell_truth : bool
        Also say where the image beside is what an edit should be.
    headroom : float
        The part of the crop that is above the face crop.
    processes : int or None
        How many processes read and draw; 0 for threads of this one. None for threads, or, beside a
        GPU, which would wait for them, for as many processes as there are cores to spare.

    Returns
    -------
    tf.data.Dataset
        Of two float32 tensors (batch, size, size, 3) in [-1, 1]; of a share, that share of them. If
        `tell_truth`, also of one of shape (2, batch): in its first row 1 where the image with is
        the true edit of the one without, in its second 1 where it is the other way round, else 0.
        And a fourth, (batch, numbers), if what was drawn on has a style: that.
    """
    import tensorflow as tf

    _end_streams_at_exit()
    index, shares = share
    rows = batch // shares
    if processes is None:
        processes = _spare_processes(split)
    reader = _Reader(split, part, size, rows, flip, cache, processes, headroom)

    def positions() -> Iterator[list]:
        with nothing_collected():
            pairs = _Pairs(split, part, seed, matched)
        for first in itertools.count(start * batch + index * rows, batch):
            if _ending.is_set():
                return
            yield [pairs(position) for position in range(first, first + rows)]

    def load(chosen):
        types = [tf.uint8, tf.uint8, tf.float32]
        *both, styles = tf.numpy_function(reader, [chosen], types, stateful=False)
        both = [tf.ensure_shape(images, (rows, size, size, 3)) for images in both]
        # As `to_unit` does, but without Python's lock, so that all threads can.
        both = [tf.cast(images, tf.float32) / 127.5 - 1.0 for images in both]
        styles.set_shape((rows, reader.numbers))
        if not tell_truth:
            return tuple(both)
        told = tf.gather(reader.known, chosen[:, 1, 0], axis=1)
        return (*both, told, styles) if reader.numbers else (*both, told)

    stream = tf.data.Dataset.from_generator(
        positions, output_signature=tf.TensorSpec((rows, len(SIDES), 2), tf.int64)
    )
    # Of processes, so many wait for one.
    readers = processes + 2 if processes else max(2, min(READING_THREADS, os.cpu_count() or 2))
    options = tf.data.Options()
    # In TensorFlow's own pool, reading waits behind the train step's operations, and the next step
    # for the reading: at 64 px a third of the time.
    options.threading.private_threadpool_size = readers
    stream = stream.map(load, num_parallel_calls=readers, deterministic=True)
    return stream.prefetch(2).with_options(options)


def _spare_processes(split: Split) -> int:
    """Return how many processes read best on this machine; 0 for threads of this one."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    spare = min(READING_PROCESSES, (os.cpu_count() or 1) - 1)
    # Of crops that are kept, one process counts how much they take, and threads are fast to read.
    return spare if gpus and spare > 2 and not split.crops else 0


class _Reader:
    """Reads the photos of a batch: from `_Pairs`' answers, (rows, 2, 2), to uint8 images.

    A batch at a time: to go to and fro between TensorFlow and Python for each pair took a tenth of
    the time.

    Attributes
    ----------
    known : float32 (2, photos with)
        1 where a photo with is the true edit of the one without, and the other way round.
    numbers : int
        How many numbers the style of each photo with has; 0 if what is drawn knows no styles.
    """

    def __init__(self, split, part, size, rows, flip, cache, processes, headroom):
        self.split, self.size, self.rows, self.flip = split, size, rows, flip
        self.cache, self.processes, self.headroom = cache, processes, headroom
        self.sides = [split.items[part, side] for side in SIDES]
        with_ = self.sides[1]
        # Of any kind is one answer out of many to "add", but to take it off there is one.
        pairs = [isinstance(item, Dressed) for item in with_]
        suiting = [pair and item.seed is None for pair, item in zip(pairs, with_, strict=True)]
        self.known = np.float32([suiting, pairs])
        self.numbers = len(with_[0].style) if all(suiting) else 0

    def __call__(self, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the images without, those with, and the styles of those."""
        batches = np.empty((len(SIDES), self.rows, self.size, self.size, 3), np.uint8)
        styles = np.empty((self.rows, self.numbers), np.float32)
        _reading.add(threading.get_ident())
        try:
            by_side = list(zip(self.sides, chosen.swapaxes(0, 1), strict=True))
            wanted = [items[index] for items, places in by_side for index, _ in places]
            there = iter(self._read(wanted))
            for images, (items, places) in zip(batches, by_side, strict=True):
                for image, style, (index, mirrored) in zip(images, styles, places, strict=True):
                    item, read = items[index], next(there)
                    if read is None:
                        item, read = _read_or_next(
                            self.split, items, int(index), self.size, self.cache, self.headroom
                        )
                    turned = mirrored and self.flip
                    image[:] = read[:, ::-1] if turned else read
                    if self.numbers and items is self.sides[1]:
                        worn_so = item.style
                        style[:] = worn.mirrored(item.attribute, worn_so) if turned else worn_so
        finally:
            _reading.discard(threading.get_ident())
        return *batches, styles

    def _read(self, items: list[Item]) -> list[np.ndarray | None]:
        return _read_elsewhere(self.processes, items, self.size, self.cache, self.headroom)


# A process that ends in the middle of reading would hang: TensorFlow waits for its threads, and one
# that has to call Python then waits for ever. So before that, all streams come to their ends.
_ending = threading.Event()
_reading: set[int] = set()  # threads


@functools.cache
def _end_streams_at_exit() -> None:
    def end() -> None:
        _ending.set()
        calm, patience = 0, 100
        while calm < 2 and patience:
            time.sleep(0.05)
            calm, patience = (0 if _reading else calm + 1), patience - 1

    atexit.register(end)


def _read_elsewhere(
    processes: int, items: list[Item], size: int, cache: Path | None, headroom: float
) -> list[np.ndarray | None]:
    """Read items in another process; None for those that were not read, or can't be."""
    if processes:
        # At the end of this process there are no others any more, nor where the system ended one.
        with contextlib.suppress(RuntimeError):
            return _pool(processes).submit(_read_all, items, size, cache, headroom).result()
    return [None] * len(items)


@functools.cache
def _pool(processes: int) -> ProcessPoolExecutor:
    # Or they look for modules in the folder that one is in (Python 3.11 and later ask this).
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    # TensorFlow's threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=attend)


def _read_all(
    items: list[Item], size: int, cache: Path | None, headroom: float
) -> list[np.ndarray | None]:
    images: list[np.ndarray | None] = []
    for item in items:
        try:
            images.append(datasets.read_image(item, size, cache, headroom))
        except (OSError, ValueError):
            images.append(None)  # who asked finds out why
    return images


def _from(items: list[Item], index: int) -> Iterator[Item]:
    """Yield the items from an index on, round to the one before it; of its own kind alone.

    So beside a photo, that photo dressed stays: both sides go on to the same one.
    """
    kind = type(items[index])
    turned = (items[(index + offset) % len(items)] for offset in range(len(items)))
    return (item for item in turned if type(item) is kind)


def _read_or_next(split, items, index, size, cache, headroom) -> tuple[Item, np.ndarray]:
    for item in _from(items, index):
        if split.name(item) in split.unreadable:
            continue
        try:
            if split.crops and isinstance(item, Path):
                return item, split.crops.read(item, size, headroom)
            return item, datasets.read_image(item, size, cache, headroom)
        except (OSError, ValueError) as error:
            split.skip(item, error)
    raise DataError(f"None of {counted(len(items), 'photo')} could be read.")


def check_readable(split: Split, part: str = "train") -> None:
    """Raise a DataError if no photo of a side is left that could be read."""
    for side in SIDES:
        names = [split.name(item) for item in split.items[part, side]]
        if all(name in split.unreadable for name in names):
            raise DataError(
                f"None of {counted(len(names), 'photo')} {side} {split.attribute} in "
                f"{split.source} could be read; {names[0]}: {split.unreadable[names[0]]}."
            )


def batch_names(
    split: Split,
    batch: int,
    *,
    seed: int = 0,
    step: int = 0,
    part: str = "train",
    matched: bool = True,
) -> dict[str, list[str]]:
    """Return the names of both sides' photos in the batch that `pair_stream` gives at a step."""
    pairs = _Pairs(split, part, seed, matched)
    chosen = [pairs(position) for position in range(step * batch, (step + 1) * batch)]
    names = {}
    for side, places in zip(SIDES, zip(*chosen, strict=True), strict=True):
        items = split.items[part, side]
        names[side] = [
            next(n for n in map(split.name, _from(items, place)) if n not in split.unreadable)
            for place, _ in places
        ]
    return names
