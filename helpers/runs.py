"""A training in a folder: its loop, what it logs and shows, and what it keeps.

Built in notebook 06.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm.auto import tqdm

from . import celeba, checkpoints, datasets, distribute, pairing, training, weight_files
from .errors import TrainingError
from .files import alone_in, clear_unfinished, explained, written_whole
from .previews import in_many_styles, preview_batch, preview_sheet
from .processes import silenced, stop_signals
from .settings import Settings
from .trainer import Trainer, fetch

# Beside generators that are good already, a new discriminator first learns alone: its first
# opinions would spoil them.
WARM_UP = 300
# The losses of every so many steps are logged. All are fetched then, or for the progress bar when
# so many seconds have passed: often enough to read, and too seldom to keep a GPU waiting.
LOG_EVERY, LOOK_EVERY = 10, 0.5


class Run:
    """A training in a folder: builds it or resumes it, advances it, keeps what it made.

    The folder holds ``settings.json``, ``checkpoints/``, ``previews/step-*.png`` (a fixed
    held-out batch), ``logs/`` for TensorBoard, and ``weights/``: the averaged generators that
    `invert`, `evaluate` and `export` read.

    Attributes
    ----------
    trainer : Trainer
        The networks, with what moves them; `models` and `averaged` are its own.

    Parameters
    ----------
    start : Path or None
        Another run's folder, or one of weights: a new run begins with those networks instead of
        random ones. Weights hold no discriminator; give `Settings.warm_up` then.
    team : distribute.Team
        Who trains together. The folder is the chief's: only it reads and writes there, and the
        other workers begin with what it read.
    xla : bool
        Whether XLA compiles the train step, as `pick_xla` advises; not in a team.

    Raises
    ------
    TrainingError
        If the folder is of another run, or its checkpoints can't be read; if nothing in `start`
        fits; or if XLA is asked for in a team of several devices.
    CourseError
        If another process trains there, or nothing can be written; or if the batch can't be dealt
        out to the team.
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
        self.folder, self.settings, self.team, self.xla = folder, settings, team, xla
        self.dtype, self.recipe = dtype or training.pick_dtype(), settings.recipe()
        self.split = pairing.balanced(split, settings.seed) if self.recipe.balanced else split
        if settings.size % 8 or settings.size < 32:
            raise TrainingError(
                f"The networks halve the image again and again: give a --size from 32 on that 8 "
                f"divides, not {settings.size}."
            )
        if self.xla and team.strategy:
            raise TrainingError(
                "XLA compiles the step of one device: replicas meet in the middle of theirs to add "
                "up gradients, and TensorFlow can't do that in what XLA compiled."
            )
        team.check_batch(settings.batch)
        if not team.chief:
            self.trainer = Trainer(settings, self.dtype, team, xla)
            self._writer = tf.summary.create_noop_writer()
            return
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder, "trains"):
            checkpoints.claim(folder, settings)
            self.trainer = Trainer(settings, self.dtype, team, xla)
            self.checkpoints = checkpoints.Checkpoints(folder, self.trainer)
            self.checkpoints.restore()
            if start and not self.checkpoints.latest:
                checkpoints.begin_with(start, self.trainer)
        self._writer = tf.summary.create_file_writer(str(folder / "logs"))

    @property
    def models(self) -> training.Models:
        return self.trainer.models

    @property
    def averaged(self) -> tuple:
        return self.trainer.averaged

    @property
    def step(self) -> int:
        return int(self.trainer.step.numpy())

    @property
    def seconds(self) -> float:
        """Seconds spent in training, over all sessions."""
        return float(self.trainer.seconds.numpy())

    def steps_of(self, epochs: float) -> int:
        """Return after how many steps each training photo with was read so often."""
        return math.ceil(epochs * self.split.count("train", "with") / self.settings.batch)

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
        with _session(self, steps, minutes, progress) as (bar, stopped_by):
            if chief:
                self._catch_up()
                settings = self.settings
                fixed = preview_batch(
                    self.split, settings.size, cache=cache, headroom=settings.headroom
                )
            self.team.follow_chief(self.trainer.variables())
            history: list[dict[str, float]] = []
            left: dict[int, dict[str, tf.Tensor]] = {}  # by step: losses that nobody has fetched
            # Several machines wait in each step, to agree whether it is the last: none lags behind.
            at_once = len(self.team.workers) > 1
            began = saved = looked = time.monotonic()
            # In its first step TensorFlow builds the graph, and complains of its own rewriting.
            quiet = silenced()
            for batch in _batches(self, cache):
                before = time.monotonic()
                if steps is not None and self.step >= steps:
                    break
                step = self.step
                with quiet:
                    left[step] = self.trainer.advance(batch)
                quiet = contextlib.nullcontext()
                self.trainer.step.assign_add(1)
                now = time.monotonic()
                shows = self.step % preview_every == 0
                saves = now - saved > 60 * checkpoint_minutes
                logs = step % LOG_EVERY == 0
                if at_once or logs or shows or saves or now - looked > LOOK_EVERY:
                    history += _look(self, left, bar)
                    looked = now = time.monotonic()
                self.trainer.seconds.assign_add(now - before)
                _advance(bar, now - began, minutes)
                over = minutes is not None and now - began >= 60 * minutes
                if self.team.any(over or bool(stopped_by())):
                    break
                if not chief:
                    continue
                if shows:
                    sheet = self.preview(fixed)
                    if on_preview:
                        on_preview(self.step, sheet)
                if saves:
                    self.save()
                    saved = now
            history += _look(self, left, bar)
            if chief:
                self.save()
                self.preview(fixed)
            if name := stopped_by():
                bar.write(f"{name} at step {self.step}: saved. The same command goes on from here.")
        return history

    def _kept(self) -> str:
        if not self.team.chief:
            return "The chief's last checkpoint is kept"
        return f"The last checkpoint, of step {self.checkpoints.saved_step}, is kept"

    def _catch_up(self) -> None:
        self.checkpoints.catch_up()
        for name in ("previews", "weights"):
            clear_unfinished(self.folder / name)

    def save(self) -> None:
        """Write a checkpoint, and the averaged generators to ``weights/``.

        Raises
        ------
        TrainingError
            If a weight is not finite, or the disk is full; the checkpoint before is kept.
        CourseError
            If the weights can't be written.
        """
        self.trainer.check_finite(self._kept())
        self.checkpoints.save(self.step, self._writer)
        for direction in self.recipe.directions:
            generator = self.averaged[training.DIRECTIONS.index(direction)]
            path = self.weights_path(direction)
            weight_files.save_generator(path, generator, card_of(self, direction))

    def weights_path(self, direction: str) -> Path:
        name = f"{celeba.short_name(self.settings.attribute)}-{direction}.npz"
        return self.folder / "weights" / name

    def preview(self, fixed: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Write ``previews/step-NNNNNN.png`` and return it, uint8 (height, width, 3)."""
        add, remove = self.averaged
        if self.settings.styles():
            add = in_many_styles(add, celeba.short_name(self.settings.attribute))
        learn = self.recipe.directions
        shown = [(add, fixed[0])] * ("add" in learn) + [(remove, fixed[1])] * ("remove" in learn)
        sheet = preview_sheet(*shown)
        path = self.folder / "previews" / f"step-{self.step:06d}.png"
        path.parent.mkdir(exist_ok=True)
        with written_whole(path) as temporary:
            Image.fromarray(sheet).save(temporary, "PNG")
        return sheet


def card_of(run: Run, direction: str) -> dict:
    """Return what a weights file says about its run."""
    styles, kinds = run.settings.styles(), run.settings.kinds()
    drawn_on = f", with drawn {run.split.drawn_on}" if run.split.drawn_on else ""
    return {
        "attribute": celeba.short_name(run.settings.attribute),
        "direction": direction,
        "network": run.settings.network,
        "revision": run.settings.revision,
        "size": run.settings.size,
        "width": run.settings.width,
        **({"headroom": run.settings.headroom} if run.settings.headroom else {}),
        **({"styles": styles, "kinds": kinds} if styles and direction == "add" else {}),
        "parameters": run.averaged[training.DIRECTIONS.index(direction)].count_params(),
        "steps": run.step,
        "batch": run.settings.batch,
        "seed": run.settings.seed,
        **({"start": run.settings.start} if run.settings.start else {}),
        **({"warm_up": run.settings.warm_up} if run.settings.warm_up else {}),
        "minutes": round(run.seconds / 60, 1),
        "data": run.split.origin + drawn_on,
        "recipe": dataclasses.asdict(run.recipe),
        "train_images": [run.split.count("train", side) for side in datasets.SIDES],
        "licence": weight_files.LICENCES.get(run.split.origin, "as the photos allow"),
    }


@contextlib.contextmanager
def _session(run: Run, steps: int | None, minutes: float | None, progress: bool) -> Iterator:
    """Hold the folder, watch the team; give a progress bar, and who tells of a signal to stop."""
    chief = run.team.chief
    with (
        alone_in(run.folder, "trains") if chief else contextlib.nullcontext(),
        stop_signals() as stopped_by,
        run.team.watched(run._kept),
        _progress_bar(run.step, steps, minutes, progress and chief) as bar,
    ):
        run.team.check_alike(_told(run, steps=steps, minutes=minutes))
        yield bar, stopped_by


def _told(run: Run, **more) -> str:
    """Return in lines all that must be the same on every worker."""
    names = [[run.split.name(i) for i in run.split.items["train", s]] for s in datasets.SIDES]
    photos = hashlib.blake2b(json.dumps(names).encode(), digest_size=8).hexdigest()
    told = dataclasses.asdict(run.settings) | {"precision": run.dtype, "photos": photos}
    return "".join(f"{name}: {value}\n" for name, value in (told | more).items())


def _batches(run: Run, cache: Path | None) -> Iterator[tuple[tf.Tensor, ...]]:
    settings = run.settings
    stream = pairing.pair_stream(
        run.split,
        settings.size,
        settings.batch,
        seed=settings.seed,
        start=run.step,
        flip=run.recipe.mirror,
        matched=run.recipe.matched,
        cache=cache,
        share=(run.team.index, len(run.team.workers)),
        tell_truth=bool(settings.dress),
        headroom=settings.headroom,
    )
    try:
        yield from stream
    except tf.errors.OpError:
        pairing.check_readable(run.split)
        raise


def _look(run: Run, left: dict[int, dict[str, tf.Tensor]], bar) -> list[dict[str, float]]:
    """Fetch the losses that are left, check and show them, and return those that are logged."""
    logged = []
    for step, report in zip(left, fetch([*left.values()]), strict=True):
        _check_losses(run, step, report)
        if step % LOG_EVERY == 0:
            logged.append(_log(run, step, report))
        _show(bar, report)
    left.clear()
    return logged


def _check_losses(run: Run, step: int, report: dict[str, float]) -> None:
    name, value = next(((n, v) for n, v in report.items() if not np.isfinite(v)), (None, 0.0))
    if name is None:
        return
    batch = pairing.batch_names(
        run.split,
        run.settings.batch,
        seed=run.settings.seed,
        step=step,
        matched=run.recipe.matched,
    )
    photos = "; ".join(f"{side}: {', '.join(names)}" for side, names in batch.items())
    raise TrainingError(
        f"The loss {name!r} is {value} at step {step}: training went astray. {run._kept()}. "
        f"The batch was {photos}. To go on would repeat it: start anew with another --seed and "
        "--out, or with a lower learning rate in training.RECIPES."
    )


def _log(run: Run, step: int, report: dict[str, float]) -> dict[str, float]:
    with run._writer.as_default(step=step):
        for name, value in report.items():
            tf.summary.scalar(name, value)
    return {"step": step, **report}


def _progress_bar(step: int, steps: int | None, minutes: float | None, progress: bool):
    options = {"desc": "training", "disable": not progress}
    if minutes is not None:
        layout = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
        return tqdm(total=60 * minutes, bar_format=layout, **options)
    return tqdm(total=steps, initial=step, unit="step", **options)


def _advance(bar, elapsed: float, minutes: float | None) -> None:
    if minutes is None:
        bar.update(1)
    else:
        bar.n = min(elapsed, bar.total)
        bar.refresh()


def _show(bar, report: dict[str, float]) -> None:
    if not bar.disable:
        learn = [d for d in training.DIRECTIONS if f"{d}/gan" in report]
        shown = [f"D {report['discriminator']:.2f}"]
        shown += [f"{each} {report[f'{each}/gan']:.2f}" for each in learn]
        bar.set_postfix_str(" ".join(shown), refresh=False)


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
