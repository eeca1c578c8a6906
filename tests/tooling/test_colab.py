"""Colab: only what is missing is installed, and the notebooks agree on where the course is."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tooling import colab

NOTEBOOKS = sorted((colab.ROOT / "notebooks").glob("*.ipynb"))

PYPROJECT = """
[project]
dependencies = [
  "tensorflow>=2.19,<3",     # there
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
    site, _ = machine
    assert colab.untested() == ["tensorflow is 2.20.0; the course was run with 2.19 to 2.19.0"]
    shutil.rmtree(site / "tensorflow-2.20.0.dist-info")
    for version, said in {"2.19.0": 0, "2.19.9": 0, "2.18.1": 1, "3.0.0rc1": 1}.items():
        write_distribution(site, "tensorflow", version)
        assert len(colab.untested()) == said
        shutil.rmtree(site / f"tensorflow-{version}.dist-info")


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
    code = f"import sys; sys.path.insert(0, {str(colab.ROOT / 'tooling')!r}); import colab"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_versions_of_colab_are_among_those_that_the_course_asks_for():
    lines = (
        (colab.ROOT / "tests" / "tooling" / "colab-requirements.txt")
        .read_text("utf-8")
        .splitlines()
    )
    there = {colab.name_of(line): line.split("==")[1] for line in lines if line[0] != "#"}
    asked = [Requirement(line) for line in colab.requirements() if colab.name_of(line) in there]
    assert len(asked) >= 10
    for requirement in asked:
        assert requirement.specifier.contains(there[colab.name_of(requirement.name)]), requirement


# Runs the first cell of a notebook as Colab would, and says whether it raised, and where it led.
FIRST_CELL = """
import os, sys, types
from IPython.core.interactiveshell import InteractiveShell
sys.modules["google.colab"] = types.ModuleType("google.colab")
done = InteractiveShell.instance().run_cell(os.environ["CELL"])
print("raised", type(done.error_in_exec).__name__, "in", os.getcwd(), sys.path[0])
"""


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
@pytest.mark.parametrize("published", [False, True])
def test_the_first_cell_fetches_the_course_or_says_that_it_is_not_published(tmp_path, published):
    source = tmp_path / "github" / "some" / "faces.git"
    for file, content in {"notebooks/00.ipynb": "", "tooling/colab.py": "print('it ran')"}.items():
        (source / file).parent.mkdir(parents=True)
        (source / file).write_text(content)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(source)]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    cell = "".join(json.loads(NOTEBOOKS[0].read_text("utf-8"))["cells"][1]["source"])
    name = "some/faces" if published else "OWNER/facial-attribute-inverter"
    environment = {
        **os.environ,
        "CELL": re.sub('REPOSITORY = ".+"', f'REPOSITORY = "{name}"', cell),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "IPYTHONDIR": str(tmp_path / "ipython"),
        # git reads from here what it would fetch from GitHub.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(tmp_path / 'github').as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }
    work = tmp_path / "content"
    work.mkdir()
    command = [sys.executable, "-c", FIRST_CELL]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    last = done.stdout.splitlines()[-1]
    if published:
        assert "it ran" in done.stdout, done.stdout + done.stderr
        assert last == f"raised NoneType in {work / 'faces' / 'notebooks'} .."
    else:
        assert "Not published yet: put your copy's name on GitHub" in done.stdout
        assert last.startswith(f"raised SystemExit in {work} ") and not list(work.iterdir())
        assert "Traceback" not in done.stdout + done.stderr and "fatal" not in done.stderr
