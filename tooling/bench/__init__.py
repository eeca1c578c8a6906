"""How fast the course is on this machine: what `course.py bench` measures.

A figure by itself says more about the machine than about the course. So whatever is compared runs
side by side, in turns (A B A B ...), and what counts is the ratio of each turn.
"""

import json
from collections.abc import Callable
from pathlib import Path

from helpers.files import write_text

from . import data, scale, train, web
from .turns import BenchError, Settings, machine

BENCHES = {"train": train, "data": data, "web": web, "scale": scale}


def run(
    names: list[str], settings: Settings, report: Callable[[str], None], out: Path | None = None
) -> None:
    """Run some of the `BENCHES`, report a table of each, and write all as JSON to `out`.

    What has been measured is written after each of them, so that a break loses one at most.

    Raises
    ------
    CourseError
        If something can't be measured, or `out` not be written (which is tried first).
    """
    if settings.size % 8:
        raise BenchError(
            f"The networks halve the image: give a --size that 8 divides, not {settings.size}."
        )
    results: dict = {"machine": machine()}

    def write():
        if out:
            write_text(out, json.dumps(results, indent=2) + "\n")

    write()
    load, cores = results["machine"]["load_before"], results["machine"]["cores"]
    if load is not None and load > cores / 4:
        report(f"This machine is busy (load {load:.2f} on {cores} cores): expect rough figures.")
    for name in names:
        results[name] = BENCHES[name].measure(settings)
        report(f"\n{BENCHES[name].show(results[name])}")
        write()
