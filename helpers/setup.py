"""What the first cell of every notebook calls."""

import contextlib
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from IPython.display import Markdown, display

    profile = profiles.load_profile()
    with silenced():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices()
        run_graphs_as_written()
        share_cores(profile.size)

    keras.utils.set_random_seed(seed)
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    device = ", ".join(gpus) or f"{os.cpu_count()} CPU cores"
    versions = [f"Python {platform.python_version()}", f"TensorFlow {tf.__version__}"]
    line = "; ".join([*versions, f"Keras {keras.__version__}", device, f"seed {seed}"])
    display(Markdown(f"{line}\n\n{profile.table()}"))
    return profile


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


def share_cores(size: int) -> None:
    """Let each operation on small images run on one core, where there are two, and two at a time.

    To split 64 x 64 pixels among both cores costs more than it gains: a step of the attention
    networks takes a fifth less of the time like this, and one of the paper's, with its wide maps, a
    sixth more. At 128 px it is the same either way. On more cores it was not measured, and is left
    to TensorFlow, as it is once TensorFlow computes.
    """
    import tensorflow as tf

    if os.cpu_count() == 2 and size <= 64 and not tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what TensorFlow's C++ writes to the error stream; Python's own errors still show.

    On a machine without a GPU it reports each library that it could not find, in red, above the
    first cell of every notebook; no setting keeps it from that.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
