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
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm.auto import tqdm

from . import (
    celeba,
    datasets,
    distribute,
    metrics,
    networks,
    pairing,
    pixels,
    setup,
    training,
    weight_files,
)
from .drawn import dressing
from .errors import CourseError, TrainingError, explain, first_line
from .files import alone_in, clear_unfinished, explained, write_text, written_whole
from .processes import stop_signals

# Beside generators that are good already, a new discriminator first learns alone: its first
# opinions would spoil them.
WARM_UP = 300
# Of the weights, by what they were trained on.
LICENCES = {
    "drawn faces": "Apache-2.0",
    "CelebA": "non-commercial research (CelebA's terms)",
}


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
        recipe = training.RECIPES[self.network]
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
        return dressing.STYLES[celeba.short_name(self.attribute)] if chosen else ()

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
            training.copy_weights(model, averaged)

    def _begin_with_weights(self, folder: Path) -> None:
        """Take over two generators without a discriminator."""
        for direction, model in zip(training.DIRECTIONS, self.models, strict=False):
            path = weight_files.find_start(folder, direction, self.settings.attribute)
            source, card = weight_files.load_network(path)
            try:
                training.copy_weights(source, model)
            except ValueError as error:
                raise TrainingError(
                    f"{path} holds another network than the one asked for here: "
                    f"{card['network']}, {card['size']} px, width {card.get('width') or 'full'}."
                ) from error
        self._begin_averages()

    def _build(self, dtype: str) -> None:
        settings = self.settings
        self.recipe, self.dtype = training.RECIPES[settings.network], dtype
        if settings.dress:
            drawn = training.ADD_DRAWN if settings.dress == "add" else training.REMOVE_DRAWN
            self.recipe = dataclasses.replace(self.recipe, balanced=False, **drawn)
        if self.recipe.balanced:
            self.split = pairing.balanced(self.split, settings.seed)
        self.styles = settings.styles()
        options = {"width": settings.width, "seed": settings.seed, "styles": len(self.styles)}
        with self.team.scope():
            self.models = training.build_models(
                settings.network, settings.size, dtype=dtype, **options
            )
            self.optimizers = training.make_optimizers(self.models, self.recipe)
        # Averages are kept and used in float32, whatever training multiplies in.
        self.averaged = training.build_models(settings.network, settings.size, **options)[:2]
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
                training.make_train_step(
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
        self._move_average = training.make_average(self.averaged, self.models[:2], xla=self.xla)
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
            weight_files.check_revision(dataclasses.asdict(before), path)
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
        stream = pairing.pair_stream(
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
            pairing.check_readable(self.split)
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
        batch = pairing.batch_names(
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
        for direction, generator in zip(training.DIRECTIONS, self.averaged, strict=True):
            weight_files.save_generator(
                self.weights_path(direction), generator, self.card(direction)
            )

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
        name = f"{celeba.short_name(self.settings.attribute)}-{direction}.npz"
        return self.folder / "weights" / name

    def card(self, direction: str) -> dict:
        """Return what a weights file says about itself."""
        drawn_on = f", with drawn {self.split.drawn_on}" if self.split.drawn_on else ""
        return {
            "attribute": celeba.short_name(self.settings.attribute),
            "direction": direction,
            "network": self.settings.network,
            "revision": self.settings.revision,
            "size": self.settings.size,
            "width": self.settings.width,
            **({"styles": self.styles} if self.styles and direction == "add" else {}),
            "parameters": self.averaged[training.DIRECTIONS.index(direction)].count_params(),
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
            attribute = celeba.short_name(self.settings.attribute)
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


def preview_batch(
    split: datasets.Split, size: int, count: int = 8, cache: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fixed held-out images ``(without, with)``, float32 in [-1, 1]."""
    part = "validation" if all(split.items["validation", s] for s in datasets.SIDES) else "train"
    sides = [
        pixels.to_unit(datasets.read_images(split, part, side, size, count, cache))
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
            rows.append(np.concatenate(list(pixels.to_bytes(row)), axis=1))
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
