"""Of processes: what TensorFlow says in one, how signals stop it, and how it ends with another."""

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def nothing_collected() -> Iterator[None]:
    """Keep Python from looking for garbage: among many new objects, a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def attend() -> None:
    """Leave Ctrl-C to the process that asked for this one, and end when it does, even if killed.

    Of Ctrl-C each would print where it was.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = multiprocessing.parent_process()
    threading.Thread(target=lambda: (asked.join(), os._exit(1)), daemon=True).start()


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], str | None]]:
    """Give a function that names the signal that asked to stop, Ctrl-C (SIGINT) or SIGTERM.

    A signal may come between the update of the weights and that of their average, and what is
    saved there no unbroken run passes through. So the loop asks when a step is complete. A second
    signal stops at once, without saving.
    """
    names: list[str] = []

    def note(number, frame):
        if names:
            raise KeyboardInterrupt
        names.append(signal.Signals(number).name)

    before = {}
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows none
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # What started us may have ordered that we ignore it, as nohup does.
            if number and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, note)
    try:
        yield lambda: names[0] if names else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
