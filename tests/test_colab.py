"""Colab: only what is missing is installed, and the notebooks agree on where the course is."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import packaging.requirements  # noqa: F401  (imported here, as a test hides its folder)
import pytest

from helpers import colab

NOTEBOOKS = sorted((colab.ROOT / "notebooks").glob("*.ipynb"))

PYPROJECT = """
[project]
dependencies = [
  "tensorflow>=2.19,<2.20",  # there
  "mtcnn>=1.0,<2",           # missing, and so is one of its own
  "TensorFlowJS>=4.22",
  "jupyterlab>=4",
  "typer>=0.15",
]
[project.optional-dependencies]
test = [
  "pytest>=8",
]
"""
LOCK = """# a comment
jupyterlab==4.5.0 \\
    --hash=sha256:00
lz4==4.4.5 \\
    --hash=sha256:01 \\
    --hash=sha256:02
mtcnn==1.0.0 \\
    --hash=sha256:03
pytest==9.0.0 \\
    --hash=sha256:04
six==1.17.0 \\
    --hash=sha256:05
tensorflow==2.19.0 \\
    --hash=sha256:06
tensorflowjs==4.22.0 \\
    --hash=sha256:07
tf-keras==2.19.0 ; python_version < '3' \\
    --hash=sha256:08
tf-keras==2.19.1 ; python_version >= '3' \\
    --hash=sha256:09
typer==0.20.0 \\
    --hash=sha256:0a
"""
NEEDS = {
    "mtcnn": ["tensorflow>=2.12 ; extra == 'tensorflow'", "joblib>=1", "lz4>=4"],
    "tensorflowjs": ["six<2", "tf_keras>=2.13", "tensorflow-decision-forests>=1", "jax>=0.4"],
    "tf-keras": ["tensorflow<2.20"],
}


def write_distribution(site, name, version):
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {line}" for line in NEEDS.get(name, [])]
    (folder / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine that has some packages, a course that wants some, and a pip that is a stand-in."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "requirements.lock").write_text(LOCK)
    site = tmp_path / "site"
    for name, version in {"tensorflow": "2.20.0", "joblib": "1.5", "Typer": "0.1"}.items():
        write_distribution(site, name, version)
    calls = []

    def pip(command, check):
        listed = Path(command[-1]).read_text()
        calls.append(command)
        for name, version in re.findall(
            r"^([\w-]+)==([\d.]+)(?! ; python_version < )", listed, re.M
        ):
            assert name not in colab.missing([]), name
            write_distribution(site, name, version)
        assert re.findall(r"--hash", listed)

    monkeypatch.setattr(colab, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.setattr(sys, "path", [str(site)])
    return site, calls


def test_only_what_is_missing_is_installed_and_what_that_needs(machine):
    site, calls = machine
    before = {path.name for path in site.iterdir()}
    done = colab.install()
    # Not tensorflow and typer (there, at other versions), nor what the lock leaves out.
    assert done == ["mtcnn", "tensorflowjs", "lz4", "six", "tf-keras"]
    assert before < {path.name for path in site.iterdir()}
    assert metadata.version("tensorflow") == "2.20.0" and metadata.version("typer") == "0.1"
    assert all({"--no-deps", "--require-hashes"} <= set(call) for call in calls)
    assert colab.install() == []


def test_a_version_that_was_not_tested_is_named(machine):
    assert colab.untested() == ["tensorflow is 2.20.0; the course asks for tensorflow<2.20,>=2.19"]


def test_pins_keep_every_marker_and_hash(machine):
    assert colab.pins()["tf-keras"].count("==2.19.") == 2
    assert colab.pins()["lz4"].count("--hash") == 2


def test_a_failing_pip_says_so_and_does_not_go_on(machine, monkeypatch):
    def fail(command, check):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(subprocess.CalledProcessError):
        colab.install()


def test_the_real_lists_are_understood():
    names = {colab.name_of(line) for line in colab.requirements()}
    assert {"tensorflow", "tensorflowjs", "typer"} <= names and "pytest" not in names
    assert names <= set(colab.pins())
    assert colab.missing(["numpy>=1", "no-such-package"]) == ["no-such-package"]


def test_colab_py_needs_the_standard_library_only():
    # The path leads nowhere: no pyproject.toml is read before the arguments are.
    script = colab.ROOT / "helpers" / "colab.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, "a", "b"], capture_output=True, text=True
    )
    assert done.stderr.startswith("usage")


def test_publish_writes_the_new_place_everywhere(tmp_path, monkeypatch):
    notebook = tmp_path / "notebooks" / "00_x.ipynb"
    notebook.parent.mkdir()
    notebook.write_text(f'["{colab.REPOSITORY}/blob", "{colab.REPOSITORY}"]')
    (tmp_path / "README.md").write_text("nothing of it")
    module = tmp_path / "colab.py"
    module.write_text(f'REPOSITORY = "{colab.REPOSITORY}"\n')
    monkeypatch.setattr(colab, "ROOT", tmp_path)
    monkeypatch.setattr(colab, "__file__", str(module))
    assert colab.publish("me/faces") == 2
    assert json.loads(notebook.read_text()) == ["me/faces/blob", "me/faces"]
    assert module.read_text() == 'REPOSITORY = "me/faces"\n'


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_badge_opens_its_own_notebook(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    badge = re.search(r"/github/([\w.-]+/[\w.-]+)/blob/main/(.+?)\)", "".join(cells[0]["source"]))
    assert badge and badge.group(1) == colab.REPOSITORY
    assert (colab.ROOT / badge.group(2)).is_file() and badge.group(2).endswith(path.name)


def test_all_notebooks_set_up_colab_with_the_same_cell():
    cells = set()
    for path in NOTEBOOKS:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        cells.add("".join(code[0]["source"]))
    assert len(cells) == 1
    assert f'REPOSITORY = "{colab.REPOSITORY}"' in cells.pop()
