"""What every notebook calls first, and each command that computes."""

import os
import platform

from . import profiles
from .processes import load_tensorflow


def start(seed: int = 0) -> profiles.Profile:
    """Seed everything, show versions, device and profile, and return the profile.

    Parameters
    ----------
    seed : int
        For Python, NumPy and TensorFlow.
    """
    from IPython.display import Markdown, display

    load_tensorflow()
    import keras
    import tensorflow as tf

    run_graphs_as_written()

    keras.utils.set_random_seed(seed)
    profile = profiles.load_profile()
    versions = [f"Python {platform.python_version()}", f"TensorFlow {tf.__version__}"]
    line = "; ".join([*versions, f"Keras {keras.__version__}", device_names(), f"seed {seed}"])
    display(Markdown(f"{line}\n\n{profile.table()}"))
    return profile


def device_names() -> str:
    """Return what TensorFlow computes on: the names of all GPUs, or the processor's cores."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return ", ".join(gpus) or f"{os.cpu_count()} CPU cores"


def run_graphs_as_written() -> None:
    """Keep TensorFlow, on a processor, from rewriting the graphs of all compiled functions.

    A function that needs more memory than TensorFlow takes a processor to have (0.2 GB) gets its
    sums of three or more large gradients replaced by additions in whichever order they are ready,
    and equal trainings end with weights that differ. The other rewriting gains the steps of this
    course nothing, and takes a third of the time of their first call.
    """
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
