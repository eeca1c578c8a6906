"""What the first cell of every notebook calls."""

import os
import platform

from . import profiles


def start(seed: int = 0) -> profiles.Profile:
    """Seed everything, show versions, device and profile, and return the profile.

    Parameters
    ----------
    seed : int
        For Python, NumPy and TensorFlow.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow as tf
    from IPython.display import Markdown, display

    keras.utils.set_random_seed(seed)
    profile = profiles.load_profile()
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    device = ", ".join(gpus) or f"{os.cpu_count()} CPU cores"
    versions = [f"Python {platform.python_version()}", f"TensorFlow {tf.__version__}"]
    line = "; ".join([*versions, f"Keras {keras.__version__}", device, f"seed {seed}"])
    display(Markdown(f"{line}\n\n{profile.table()}"))
    return profile
