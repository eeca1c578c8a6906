"""Notebooks under hard conditions, each in a copy of the course in which nothing was run before.

Two of them stand for all: 01 writes photos and splits them, 11 draws, trains, judges and writes.
SURVIVAL_NOTEBOOKS sets how many run alone, without what others leave (none; with --report all).
"""

import json
import os
import re
import shutil
import sys
import threading

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers import datasets
from helpers.profiles import ROOT

SPLIT, TRAIN = "01_split_the_dataset", "11_invert_another_attribute"
ALONE = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
ALONE = ALONE[: int(os.environ.get("SURVIVAL_NOTEBOOKS", "0"))]
MEMORY = 4 << 30  # bytes: 4 GiB
SCREENS = {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "XDG_SESSION_TYPE"}


@pytest.fixture
def place(tmp_path):
    """A copy of the course, without the results of any notebook."""
    for name in ("helpers", "notebooks", "weights", "web/src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    yield tmp_path
    for folder in (tmp_path / "data", tmp_path / "notebooks"):
        if folder.exists():
            folder.chmod(0o755)


@pytest.fixture
def open_notebook(place, monkeypatch):
    """Open a notebook for a kernel that a command, such as prlimit, may start."""
    jupyter = place / "jupyter"
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter))
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    monkeypatch.delenv("CELEBA_DIR", raising=False)

    def open_notebook(name, *command):
        kernel = jupyter / "kernels" / f"course-{len(command)}"
        kernel.mkdir(parents=True, exist_ok=True)
        python = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": [*command, *python], "display_name": "course", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(spec))
        path = place / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": str(path.parent)}}
        return NotebookClient(notebook, kernel_name=kernel.name, timeout=1800, resources=resources)

    return open_notebook


def run_all(client, cells=slice(None)):
    for index, cell in list(enumerate(client.nb.cells))[cells]:
        client.execute_cell(cell, index)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_run_all_twice_and_after_a_restart_in_the_middle(place, open_notebook, tried):
    """What a notebook leaves is the same after each."""
    client = open_notebook(SPLIT)
    results = []
    with client.setup_kernel():
        for _ in range(2):
            run_all(client)
            results.append(contents(place / "runs"))
            tried("notebooks run by Run All twice in one kernel")
    client = open_notebook(SPLIT)
    half = len(client.nb.cells) * 2 // 3  # in the middle of what it writes
    with client.setup_kernel():
        run_all(client, slice(half))
    assert contents(place / "runs") != results[0], "the middle is before the end"
    client = open_notebook(SPLIT)
    with client.setup_kernel():
        run_all(client)
    results.append(contents(place / "runs"))
    tried("notebooks restarted in the middle")
    assert results[0] and results[0] == results[1] == results[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_runs_alone(name, open_notebook, tried):
    open_notebook(name).execute()
    tried("notebooks run alone, without what others leave")


def without_rights():
    """A command that starts another which permissions apply to, even if root calls it."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv to start without that")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]


ASK = f"""
import os, resource, pathlib
refused = []
for place in (CACHE, pathlib.Path.cwd()):
    try:
        (place / "file").write_text("")
    except OSError as error:
        refused.append(type(error).__name__)
print(refused, resource.getrlimit(resource.RLIMIT_AS)[1] == {MEMORY})
print(sorted({SCREENS} & set(os.environ)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("prlimit"), reason="there is no prlimit to limit memory with")
def test_a_small_headless_machine_on_which_nothing_but_results_may_be_written(
    place, open_notebook, monkeypatch, tried
):
    """4 GiB for each process, no display, no front end for widgets; data/ and notebooks/ closed."""
    for name in SCREENS:
        monkeypatch.delenv(name, raising=False)
    (place / "data").mkdir()
    before = contents(place / "notebooks")
    for folder in (place / "data", place / "notebooks"):
        folder.chmod(0o555)
    client = open_notebook(TRAIN, "prlimit", f"--as={MEMORY}", *without_rights())
    client.nb.cells.append(nbformat.v4.new_code_cell(ASK))
    client.execute()
    said = "".join(o.get("text", "") for c in client.nb.cells for o in c.get("outputs", []))
    assert "['PermissionError', 'PermissionError'] True\n[]" in said
    assert re.search("drawn anew whenever they are needed: Permission denied", said)
    widgets = [o for c in client.nb.cells for o in c.get("outputs", []) if "data" in o]
    assert any("application/vnd.jupyter.widget-view+json" in o["data"] for o in widgets)
    assert list((place / "runs").rglob("*.npz")), "it trained"
    assert list((place / "data").iterdir()) == []
    (place / "notebooks").chmod(0o755)
    assert contents(place / "notebooks") == before
    tried("notebooks in 4 GiB, headless, data and notebooks closed to writing")


@pytest.mark.slow
def test_of_two_kernels_that_train_in_one_folder_the_second_is_refused(place, open_notebook, tried):
    """And it takes nothing from the first, which ends as if it were alone."""

    first, second = open_notebook(TRAIN), open_notebook(TRAIN)
    ids = [cell.id for cell in first.nb.cells]
    begin, end = ids.index("11-16-run"), ids.index("11-18-train") + 1
    for client in (first, second):
        del client.nb.cells[end:]
    problems = []

    def train():
        try:
            first.execute()
        except Exception as error:  # in a thread, where pytest sees none
            problems.append(error)

    thread = threading.Thread(target=train)
    with second.setup_kernel():
        run_all(second, slice(begin))
        thread.start()
        previews = place / "runs" / "course" / "quick" / "hat" / "previews"
        while thread.is_alive() and not list(previews.glob("step-*.png")):
            thread.join(0.05)
        with pytest.raises(CellExecutionError, match="Another process trains in .*hat"):
            run_all(second, slice(begin, end))
        assert thread.is_alive(), "the first was still training"
    thread.join()
    assert not problems, problems
    steps = [path.name for path in sorted(previews.glob("step-*.png"))]
    assert steps == ["step-000020.png", "step-000040.png", "step-000060.png"]
    tried("notebooks that train in one folder at once")


def test_without_a_place_for_them_faces_are_drawn_when_they_are_read(tmp_path, capsys):
    split = datasets.open_split("drawn", "hat", images=8)
    (tmp_path / "file").touch()
    datasets.draw_ahead(split, 32, tmp_path / "file")  # no folder can be made there
    assert "drawn anew whenever they are needed: Not a directory" in capsys.readouterr().out
    item = split.items["train", "with"][0]
    assert datasets.read_image(item, 32, tmp_path / "file").shape == (32, 32, 3)
