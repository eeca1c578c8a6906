"""Executes the notebooks of the course, and renders each as a page to read."""

import asyncio
import os
import re
import subprocess
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm.auto import tqdm

from helpers.errors import DataError, counted
from helpers.files import written_whole
from helpers.pace import fitted, pace
from helpers.profiles import CACHE, ROOT

CELL_SECONDS = 1800
TIME = re.compile(r"\*\*Time\*\* about (\d+) s")
SIDE_BY_SIDE = 1.9  # times as much is done in the same time by two notebooks at once
FIRST = ("06", "08")  # these take longest, and the second goes on with what the first has trained


def find_notebooks(only: list[str]) -> list[Path]:
    """Return the notebooks in order, or those whose numbers are given.

    Raises
    ------
    DataError
        If a number fits none.
    """
    every = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not only:
        return every
    numbers = {number.zfill(2) for number in only}
    chosen = [path for path in every if path.name[:2] in numbers]
    if missing := numbers - {path.name[:2] for path in chosen}:
        known = ", ".join(path.name[:2] for path in every)
        raise DataError(f"There is no notebook {', '.join(sorted(missing))}; there are {known}.")
    return chosen


def run_notebooks(profile: str, only: list[str], out: Path, jobs: int = 2) -> bool:
    """Execute notebooks in a profile, `jobs` of them at a time, each from a fresh kernel.

    Writes each, executed, as ``OUT/NN_name.ipynb`` and as a page, ``OUT/NN_name.html``; the
    sources stay as they are. Stops at the first that fails, and ends the others.

    Returns
    -------
    bool
        Whether all went well.
    """
    paths = find_notebooks(only)
    os.environ["COURSE_PROFILE"] = profile
    out.mkdir(parents=True, exist_ok=True)
    cells = sum(
        sum(c.cell_type == "code" for c in nbformat.read(p, as_version=4).cells) for p in paths
    )
    told = {path.name[:2]: found for path in paths if (found := told_seconds(path))}
    if profile == "quick" and told:
        minutes = max(1, round(expected_seconds(told, jobs, pace(CACHE)) / 60))
        print(f"About {counted(minutes, 'minute')} on this machine.")
    with tqdm(total=cells, unit="cell", desc="course") as bar:
        if not asyncio.run(_run_all(paths, out, bar, jobs)):
            return False
    print(f"The executed course: {out}")
    return True


def told_seconds(path: Path) -> float | None:
    """Return the *Time* that a notebook's first cell tells, in seconds, if it does."""
    found = TIME.search(nbformat.read(path, as_version=4).cells[0].source)
    return found and float(found[1])


def expected_seconds(told: dict[str, float], jobs: int, pace: float) -> float:
    """Return about how long notebooks take in quick.

    Parameters
    ----------
    told : dict
        By their numbers, the seconds that each tells.
    pace : float
        How many times as long a step takes here as where those times were measured.
    """
    seconds = {number: pace * time for number, time in told.items()}
    if "08" in seconds:
        seconds["08"] *= fitted(1200, 400, pace) / 1200
    # Side by side they share the cores; the longest, and what it waits for, may be what is left.
    last = seconds.get(FIRST[0], 0) + seconds.get(FIRST[1], 0)
    return max(sum(seconds.values()) / (1 if jobs == 1 else SIDE_BY_SIDE), last)


async def _run_all(paths: list[Path], out: Path, bar: tqdm, jobs: int) -> bool:
    loop = asyncio.get_running_loop()
    # At Ctrl-C nbclient would end one kernel of several; asyncio ends all tasks, and they theirs.
    loop.add_signal_handler = lambda *_: None
    numbers = {path.name[:2]: path for path in paths}
    waiting = [n for n in FIRST if n in numbers] + [n for n in numbers if n not in FIRST]
    running: dict[asyncio.Task, str] = {}
    began: dict[str, float] = {}
    try:
        while waiting or running:
            held = FIRST[1] if FIRST[0] in (*waiting, *running.values()) else None
            ready = [number for number in waiting if number != held][: jobs - len(running)]
            for number in ready:
                waiting.remove(number)
                running[asyncio.create_task(_execute(numbers[number], out, bar))] = number
                began[number] = time.monotonic()
            bar.set_description(", ".join(sorted(running.values())))
            for task in (await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED))[0]:
                number = running.pop(task)
                name = numbers[number].name
                if error := task.result():
                    bar.write(f"{name} failed:\n{error}\nAs far as it came: {out / name}")
                    return False
                bar.write(f"{name}: {time.monotonic() - began[number]:.0f} s")
        return True
    finally:
        for task in running:
            task.cancel()  # which ends its kernel
            loop.set_exception_handler(lambda *_: None)  # nbclient goes on to ask after it
        await asyncio.gather(*running, return_exceptions=True)


def run_notebook(
    path: Path, out: Path, notebook: nbformat.NotebookNode | None = None
) -> str | None:
    """Execute one notebook, or another version of it; return what went wrong, or None."""
    return asyncio.run(_execute(path, out, notebook=notebook))


async def _execute(
    path: Path, out: Path, bar: tqdm | None = None, notebook: nbformat.NotebookNode | None = None
) -> str | None:
    notebook = notebook or nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(path.parent)}}
    )
    if bar is not None:
        client.on_cell_executed = lambda cell, **_: bar.update(cell.cell_type == "code")
    error = None
    try:
        await client.async_execute(stderr=subprocess.DEVNULL)  # what cells say is in the notebook
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
        error = str(problem)
    _write(notebook, out / path.name)
    return error


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    from nbconvert import HTMLExporter

    with written_whole(path) as temporary:
        nbformat.write(notebook, temporary)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    with written_whole(path.with_suffix(".html")) as temporary:
        temporary.write_text(page, encoding="utf-8")
