"""Executes the notebooks of the course, and renders each as a page to read."""

import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm.auto import tqdm

from .datasets import DataError
from .files import written_whole
from .profiles import ROOT

CELL_SECONDS = 1800


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


def run_notebooks(profile: str, only: list[str], out: Path) -> bool:
    """Execute notebooks one after another, each from a fresh kernel, in a profile.

    Writes each, executed, as ``OUT/NN_name.ipynb`` and as a page, ``OUT/NN_name.html``; the
    sources stay as they are. Stops at the first that fails.

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
    with tqdm(total=cells, unit="cell", desc="course") as bar:
        for path in paths:
            began = time.monotonic()
            error = run_notebook(path, out, bar)
            if error:
                bar.write(f"{path.name} failed:\n{error}\nAs far as it came: {out / path.name}")
                return False
            bar.write(f"{path.name}: {time.monotonic() - began:.0f} s")
    print(f"The executed course: {out}")
    return True


def run_notebook(
    path: Path, out: Path, bar: tqdm | None = None, notebook: nbformat.NotebookNode | None = None
) -> str | None:
    """Execute one notebook, or another version of it; return what went wrong, or None."""
    notebook = notebook or nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(path.parent)}}
    )
    if bar is not None:
        bar.set_description(path.stem[:24])
        client.on_cell_executed = lambda cell, **_: bar.update(cell.cell_type == "code")
    error = None
    try:
        client.execute()
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
