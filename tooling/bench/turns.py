"""What all measurements share: taking turns, summaries of figures, the machine, what is missing."""

import importlib
import os
import platform
import statistics
import sys
import timeit
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from helpers.errors import CourseError

PACKAGES = ("tensorflow", "keras", "torch", "pillow", "numpy")
PYTORCH = (
    f"{__package__}.peer",
    "PyTorch to compare with",
    "torch==2.13.0\nThat brings gigabytes for GPUs; PyTorch's own site names an index with a build "
    "for processors.",
)  # what `optional` takes


class BenchError(CourseError):
    """Something can't be measured; the message says why, and what to do."""


class Missing(BenchError):
    """A package is not here that the course does not depend on; the message says how to add it."""


class Settings(NamedTuple):
    """What the command line says of all measurements.

    Attributes
    ----------
    rounds : int
        How often each that is compared takes its turn.
    batch : int
        Images of each side in a step.
    size : int
        The images' side in pixels.
    source : str
        A folder in CelebA's format, or "drawn".
    """

    rounds: int = 5
    batch: int = 8
    size: int = 128
    source: str = "drawn"


def take_turns(contestants: dict[str, Callable], rounds: int, what: str) -> dict[str, list]:
    """Call all contestants in turn, `rounds` times; return what each of their calls returned."""
    samples: dict[str, list] = {name: [] for name in contestants}
    for name, run in tqdm([*contestants.items()] * rounds, desc=what, unit="run"):
        samples[name].append(run())
    return samples


def seconds(run: Callable[[], object]) -> Callable[[], float]:
    """Return a contestant: it runs `run` and returns how many seconds that took."""
    return lambda: timeit.timeit(run, number=1)


def summary(samples: list[float]) -> dict:
    """Return the median of samples, and the lowest and the highest as their spread."""
    return {
        "median": statistics.median(samples),
        "low": min(samples),
        "high": max(samples),
        "rounds": len(samples),
    }


def ratio(of: list[float], to: list[float]) -> dict:
    """Return the summary of the ratios ``of / to`` of each turn."""
    return summary([a / b for a, b in zip(of, to, strict=True)])


def rate(samples: list[float], count: float) -> dict:
    """Return the summary of `count` a sample of so many seconds, in each second."""
    return summary([count / sample for sample in samples])


def spread(figure: dict, digits: int = 2) -> str:
    """Return a summary as text: the median, and in brackets the lowest and the highest."""
    median, low, high = (f"{figure[name]:.{digits}f}" for name in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    """Return a table as text: the first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    texts = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (columns, *rows)
    ]
    return "\n".join([title, texts[0], "-" * len(texts[0]), *texts[1:]])


def machine() -> dict:
    """Return what the figures are measured on; Windows does not tell its load."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    versions = {(found.name or "").lower(): found.version for found in metadata.distributions()}
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: versions[name] for name in PACKAGES if name in versions},
    }


def optional(module: str, what: str, packages: str):
    """Import a module that needs what the course does not depend on.

    Raises
    ------
    Missing
        If it is not installed or can't be loaded; the message says how pip adds its `packages`.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, AttributeError) as error:  # a part of it is missing, or too new
        command = f"{sys.executable} -m pip install {packages}"
        raise Missing(f"There is no {what} here ({error}). To add it:\n  {command}") from error
