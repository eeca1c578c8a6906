"""Of processes: how one ends with the one that asked for it, and how a signal stops a loop."""

import contextlib
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
