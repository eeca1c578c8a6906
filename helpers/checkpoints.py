"""A run's checkpoints: written whole, told apart, and taken up again after any break.

Used in notebook 06.
"""

import contextlib
import dataclasses
import shutil
from pathlib import Path

import tensorflow as tf
from tqdm.auto import tqdm

from . import networks, weight_files
from .errors import CourseError, TrainingError, explain, first_line
from .files import explained, write_text
from .settings import Settings
from .trainer import Trainer


def claim(folder: Path, settings: Settings) -> None:
    """Write a run's settings into its folder, or compare them with those that are there.

    Raises
    ------
    TrainingError
        If the folder is of a run with other settings, or does not say of which.
    """
    path = folder / "settings.json"
    if path.is_file():
        with explained(path):
            before = Settings.from_json(path.read_bytes(), path)
        weight_files.check_revision(dataclasses.asdict(before), path)
        if differences := settings.differences(before):
            raise TrainingError(
                f"{folder} holds a run with other settings: {'; '.join(differences)}. "
                "Give the same settings to go on with it, or another --out."
            )
    elif any(folder.glob("checkpoints/ckpt-*")):
        raise TrainingError(
            f"{folder} holds checkpoints but no settings.json, which says what they are "
            "of. Put it back, or choose another --out."
        )
    else:
        write_text(path, settings.to_json())


class Checkpoints:
    """The last two checkpoints of a run, in ``checkpoints/`` of its folder.

    Each says which settings it is of.
    """

    def __init__(self, folder: Path, trainer: Trainer):
        self.folder, self.settings = folder, trainer.settings
        told = tf.Variable(self.settings.to_json(), name="settings")
        self.checkpoint = tf.train.Checkpoint(settings=told, **trainer.state())
        self.manager = self.look()

    def look(self) -> tf.train.CheckpointManager:
        """Return a manager of what is in the folder now."""
        folder = self.folder / "checkpoints"
        return tf.train.CheckpointManager(self.checkpoint, folder, max_to_keep=2)

    @property
    def latest(self) -> str | None:
        """The newest checkpoint's path, but for its endings."""
        return self.manager.latest_checkpoint

    @property
    def saved_step(self) -> str:
        return self.latest.rsplit("-", 1)[1] if self.latest else "none"

    def restore(self) -> None:
        """Restore the newest checkpoint that can be read, if there is one."""
        checkpoints = self.manager.checkpoints
        for path in reversed(checkpoints):
            try:
                self._check_origin(path)
                self.checkpoint.restore(path).expect_partial().assert_existing_objects_matched()
                return
            except CourseError:
                raise
            except Exception as error:  # a damaged file can bring TensorFlow to any
                tqdm.write(f"The checkpoint {path} can't be read: {first_line(error)}")
        if checkpoints:
            raise TrainingError(
                f"No checkpoint in {self.folder} can be read. Put them back, or choose another "
                "--out to start anew; the weights of an older version of the course go further "
                f"with --start {self.folder / 'weights'}."
            )

    def _check_origin(self, path: str) -> None:
        text = tf.train.load_variable(path, "settings/.ATTRIBUTES/VARIABLE_VALUE")
        if differences := self.settings.differences(Settings.from_json(text, Path(path))):
            raise TrainingError(
                f"{path} is a checkpoint of another run: {'; '.join(differences)}. "
                "Put the right one there, or choose another --out."
            )

    def catch_up(self) -> None:
        """Take up what another process saved here meanwhile; clear up what a killed one left."""
        there = self.look()
        if there.latest_checkpoint != self.latest:
            self.manager = there
            self.restore()
        self.clear()

    def save(self, step: int, log: tf.summary.SummaryWriter) -> None:
        """Write the checkpoint of a step, and the log up to there.

        Raises
        ------
        TrainingError
            If it can't be written; the checkpoint before is kept.
        """
        kept = self.saved_step
        if kept == str(step):  # writing the same one again would, for a moment, leave none
            return
        try:
            self.manager.save(checkpoint_number=step)
            log.flush()
        except (tf.errors.OpError, OSError) as error:
            raise TrainingError(
                f"The checkpoint of step {step} can't be written in {self.folder}; the one of "
                f"step {kept} is kept. {explain(error)}"
            ) from error
        finally:
            self.clear()

    def clear(self) -> None:
        """Delete what was written in part, or was no longer needed when the process was killed."""
        kept = {Path(path).name for path in self.manager.checkpoints}
        for path in (self.folder / "checkpoints").glob("c*"):
            if path.name.split(".")[0] in kept or path.name == "checkpoint":
                continue
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def begin_with(folder: Path, trainer: Trainer) -> None:
    """Take over the networks of another run, but not its optimizers, which were moving.

    Raises
    ------
    TrainingError
        If there are none that fit.
    """
    path = tf.train.latest_checkpoint(folder / "checkpoints")
    if path is None:
        _begin_with_weights(folder, trainer)
    else:
        models = {f"model_{i}": model for i, model in enumerate(trainer.models)}
        try:
            status = tf.train.Checkpoint(**models).restore(path).expect_partial()
            status.assert_existing_objects_matched()
        except (ValueError, AssertionError) as error:
            raise TrainingError(
                f"The networks in {path} are others than those asked for here "
                f"({trainer.settings.network}, {trainer.settings.size} px), or of an older version "
                f"of the course, whose weights alone fit: --start {folder / 'weights'}. "
                f"{first_line(error)}."
            ) from error
    trainer.average_anew()


def _begin_with_weights(folder: Path, trainer: Trainer) -> None:
    """Take over the generators that learn, without a discriminator."""
    for direction in trainer.recipe.directions:
        model = getattr(trainer.models, f"generator_{direction}")
        path = weight_files.find_start(folder, direction, trainer.settings.attribute)
        source, card = weight_files.load_network(path)
        weights = source.get_weights()
        if card["network"] == "attention" and trainer.settings.size == 2 * card["size"] == 256:
            weights = networks.doubled(weights)
        try:
            model.set_weights(weights)
        except ValueError as error:
            raise TrainingError(
                f"{path} holds another network than the one asked for here: "
                f"{card['network']}, {card['size']} px, width {card.get('width') or 'full'}, "
                f"{len(card.get('styles', ()))} numbers for a style."
            ) from error
