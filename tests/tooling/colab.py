"""The course on a machine with exactly Colab's versions (colab-requirements.txt).

It makes an environment of 3 GB in .venv-colab and executes every notebook, which takes minutes. So
it is no part of the other tests: python3 course.py test --colab
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

import course

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-colab"
LIST = ROOT / "tests" / "tooling" / "colab-requirements.txt"
MINOR = 13  # of Colab's Python
COMPLAINT = re.compile(r"Traceback|Warning\b|WARNING|Exception ignored|^[EFW]\d{4} .*", re.M)


@pytest.fixture(scope="module")
def python():
    """Make the environment anew; give its Python."""
    base = course.find_python(minors=(MINOR,)) or course.find_python()
    shutil.rmtree(FOLDER, ignore_errors=True)
    course.quiet([base, "-m", "venv", str(FOLDER)], "There is no environment to test in.")
    made = course.in_venv(FOLDER, "python")
    uv, steps = course.find_uv(), [["-r", str(LIST)]]
    if not uv or not course.install_with_uv(uv, steps, made):
        course.install_with_pip(steps, made)
    return made


def start(python, *words, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([python, *words], cwd=ROOT, env=environment, text=True, **options)


def versions(python):
    listed = start(python, "-m", "pip", "list", "--format=json", capture_output=True, check=True)
    return {entry["name"]: entry["version"] for entry in json.loads(listed.stdout)}


def test_only_what_is_missing_is_installed(python):
    before = versions(python)
    done = start(python, "tooling/colab.py", capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    assert done.stdout.endswith("Everything that the course needs is there.\n"), "untested versions"
    after = versions(python)
    assert len(after) > len(before)
    assert {name: after.get(name) for name in before} == before
    done = start(python, "tooling/colab.py", capture_output=True)
    assert "Installing" not in done.stdout and versions(python) == after


def test_widgets_work_with_the_ipywidgets_of_colab(python):
    start(python, "-m", "pip", "install", "--quiet", "pytest", check=True)
    assert start(python, "-m", "pytest", "--quiet", "tests/test_widgets.py").returncode == 0


def test_every_notebook_runs_without_a_complaint(python):
    out = ROOT / "build" / "colab"
    shutil.rmtree(out, ignore_errors=True)
    assert start(python, "-m", "tooling.cli", "run", "--out", str(out)).returncode == 0
    executed = {path.stem: complaints(path) for path in sorted(out.glob("*.ipynb"))}
    assert len(executed) == 13
    assert {name: found for name, found in executed.items() if found} == {}


def complaints(path):
    """Return what an executed notebook holds of errors and warnings, with its cells' ids."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            text = output.get("text") or shown.get("text/plain") or output.get("evalue", "")
            if output.output_type == "error" or COMPLAINT.search(text):
                found.append((cell.id, text))
    return found
