"""What every notebook calls first, and each command that computes."""

import contextlib
import faulthandler
import os
import platform
from collections.abc import Iterator

from . import profiles


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


def load_tensorflow() -> None:
    """Import TensorFlow and Keras, and look for GPUs, without a word.

    TensorFlow tells of its build, of what is linked twice, and of each library for a GPU that it
    could not find. Most of it comes before its own setting for how much it tells is read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silenced():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()


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


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what TensorFlow's C++ writes to the error stream.

    Python's own errors still show, and where the process dies of C++ (on a processor that is too
    old, say), Python tells on which line.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    told = faulthandler.is_enabled()
    try:
        if not told:
            faulthandler.enable(kept)
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        if not told:
            faulthandler.disable()
        os.close(kept)
        os.close(nowhere)
