"""The house: what imports what, in Python, and how large a room may get."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from helpers.profiles import ROOT

WINGS = ("helpers", "tooling")
MOST_LINES = 500
LONG = {"tooling/cli.py"}  # options and their help, which Typer reads where the command is


def modules(root=ROOT):
    """Return by dotted name the files of all wings."""
    paths = [path for wing in WINGS for path in sorted((root / wing).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in paths}


def imported(name, path, known):
    """Return which of the known modules one imports, wherever in it."""
    found = set()
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found & known.keys()


def circle(root=ROOT):
    """Return modules of which each imports the next, the last being the first; or nothing."""
    known = modules(root)
    try:
        TopologicalSorter({n: imported(n, p, known) for n, p in known.items()}).prepare()
    except CycleError as error:
        return " > ".join(error.args[1][::-1])
    return ""


def test_the_lesson_imports_nothing_of_what_runs_it():
    known = modules()
    for name, path in known.items():
        if name.startswith("helpers."):
            others = [o for o in imported(name, path, known) if o.startswith("tooling")]
            assert not others, f"{name} imports {others}"
    assert "helpers.drawn.faces" in imported("helpers.datasets", known["helpers.datasets"], known)


def test_no_module_imports_itself_by_way_of_others():
    assert circle() == ""


@pytest.mark.parametrize(
    "line",
    [
        "from . import b",
        "from .b import x",
        "import helpers.b",
        "def f():\n from helpers.b import x",
    ],
)
def test_a_circle_is_found(tmp_path, line):
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "a.py").write_text(line)
    (tmp_path / "helpers" / "b.py").write_text("from .a import y\n")
    assert circle(tmp_path) in (
        "helpers.a > helpers.b > helpers.a",
        "helpers.b > helpers.a > helpers.b",
    )


def test_each_file_can_be_read_in_one_sitting():
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in modules().values()
    }
    assert {name for name, count in lines.items() if count > MOST_LINES} <= LONG
