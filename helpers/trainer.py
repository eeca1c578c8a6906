"""The networks of a run with all that moves them: optimizers, averages and compiled steps.

Built in notebook 06 from the train step of notebook 05.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from . import distribute, metrics, training
from .errors import TrainingError
from .settings import Settings


class Trainer:
    """Networks in training.

    Attributes
    ----------
    models, averaged : Models, tuple of two keras.Model
        The networks in training, and the moving averages of both generators.
    optimizers : Optimizers
    step, seconds : tf.Variable
        Steps done and seconds spent, over all sessions.
    train_step, warm_up_step, move_average : callable
        The compiled steps: of all networks, of the discriminator alone, of the averages.

    Parameters
    ----------
    dtype : str
        The precision that the networks multiply in, such as "float32".
    team : distribute.Team
        Who trains together.
    xla : bool
        Whether XLA compiles the steps.
    """

    def __init__(self, settings: Settings, dtype: str, team: distribute.Team, xla: bool):
        self.settings, self.recipe = settings, settings.recipe()
        network, size = settings.network, settings.size
        styles = len(settings.styles())
        options = {"width": settings.width, "seed": settings.seed, "styles": styles}
        with team.scope():
            self.models = training.build_models(network, size, dtype=dtype, **options)
            self.optimizers = training.make_optimizers(self.models, self.recipe)
        # Averages are kept and used in float32, whatever training multiplies in.
        self.averaged = training.build_models(network, size, **options)[:2]
        self.average_anew()
        with tf.device("CPU:0"):  # to read them on a GPU would wait until it is done
            self.step = tf.Variable(0, dtype=tf.int64, name="step")
            self.seconds = tf.Variable(0.0, dtype=tf.float64, name="seconds")
        region = metrics.region_mask(settings.attribute, size, settings.headroom)
        self.train_step, self.warm_up_step = (
            team.step(
                training.make_train_step(
                    self.models, self.optimizers, self.recipe, region, frozen=frozen, xla=xla
                )
            )
            for frozen in (False, True)
        )
        self.move_average = training.make_average(self.averaged, self.models[:2], xla=xla)

    def average_anew(self) -> None:
        """Let the averages be what the generators are now."""
        for averaged, model in zip(self.averaged, self.models, strict=False):
            training.copy_weights(model, averaged)

    def advance(self, batch: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        """Train on one batch of `pairing.pair_stream`, and return the losses, for `fetch`.

        A GPU computes while Python goes on: this returns when all has been ordered, not done.
        """
        step = int(self.step.numpy())
        seed = tf.constant([self.settings.seed, step])
        train_step = self.warm_up_step if step < self.settings.warm_up else self.train_step
        losses = train_step(*batch[:2], seed, *batch[2:])
        # Early weights are noise: the average forgets them faster than later ones.
        decay = min(self.settings.average, (1 + step) / (10 + step))
        self.move_average(tf.constant(decay))
        return losses

    def state(self) -> dict:
        """Return by name all that a checkpoint keeps."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            **{f"model_{i}": model for i, model in enumerate(self.models)},
            **{f"averaged_{i}": model for i, model in enumerate(self.averaged)},
            **{f"optimizer_{i}": optimizer for i, optimizer in enumerate(self.optimizers)},
        }

    def variables(self) -> list:
        """Return all that the next steps depend on."""
        models = [v for model in (*self.models, *self.averaged) for v in model.weights]
        slots = [v for optimizer in self.optimizers for v in optimizer.variables]
        return [self.step, self.seconds, *models, *slots]

    def check_finite(self, kept: str) -> None:
        """Raise a TrainingError if a weight is not a number; `kept` says what there still is."""
        for model in (*self.models, *self.averaged):
            for weight in model.weights:
                if not np.isfinite(weight.numpy()).all():
                    raise TrainingError(
                        f"{weight.path} is not finite after step {int(self.step.numpy())}, so this "
                        f"is not saved. {kept}."
                    )


def fetch(reports: Sequence[dict[str, tf.Tensor]]) -> list[dict[str, float]]:
    """Return the losses of some steps as numbers.

    This waits until a GPU has done all that it was told, not these steps alone, and meanwhile
    nobody tells it more. So it is one fetch of all, and nothing for each step.
    """
    if not reports:
        return []
    rows = tf.stack([tf.stack(list(report.values())) for report in reports]).numpy().tolist()
    return [dict(zip(report, row, strict=True)) for report, row in zip(reports, rows, strict=True)]
