"""The exercises: written once, with their solutions, in ``notebooks/solutions/``.

A solutions notebook holds nothing but its exercises, four cells each: the question, the solved
code, the check, and the words about the solution. `regenerate` writes the first three into the
notebook itself, the code without what stands between two marks::

    # BEGIN SOLUTION
    # STUB answer = None
    answer = 6 * 7
    # END SOLUTION

A learner sees ``answer = None`` there, or ``...  # your code`` where no line says STUB. So an
exercise is changed in one place, and no student copy can drift from its solution.
"""

import re
from pathlib import Path

import nbformat

from helpers.errors import CourseError
from helpers.files import write_text
from helpers.profiles import ROOT

NOTEBOOKS = ROOT / "notebooks"
BEGIN, STUB, END = "# BEGIN SOLUTION", "# STUB ", "# END SOLUTION"
BLOCK = re.compile(rf"^([ \t]*){BEGIN}\n(.*?)^[ \t]*{END}$", re.DOTALL | re.MULTILINE)
CELL = re.compile(r"^\d\d-exercise-(\d+)(?:-(code|check|solution))?$")
PARTS = ("question", "code", "check", "solution")

Notebook = nbformat.NotebookNode
Exercise = dict[str, nbformat.NotebookNode]  # from the PARTS to the cells


class ExerciseError(CourseError):
    """A solutions notebook that no student copy can be made from."""


def stub(source: str) -> str:
    """Return a solved cell as the learner gets it.

    Raises
    ------
    ExerciseError
        If it marks no solution, or leaves a mark open.
    """

    def replace(block: re.Match) -> str:
        indent, lines = block[1], block[2].splitlines()
        stubs = [line.strip().removeprefix(STUB) for line in lines if line.strip().startswith(STUB)]
        return "\n".join(indent + line for line in stubs or ["...  # your code"])

    stubbed, count = BLOCK.subn(replace, source)
    if count == 0 or BEGIN in stubbed or END in stubbed:
        raise ExerciseError(f"This cell needs {BEGIN} and {END} around its solution:\n{source}")
    return stubbed


def read_exercises(solutions: Notebook) -> dict[int, Exercise]:
    """Return the exercises of a solutions notebook, by number.

    Raises
    ------
    ExerciseError
        If a cell after the first has an unknown id, or an exercise lacks one of its four cells.
    """
    exercises: dict[int, Exercise] = {}
    for cell in solutions.cells[1:]:
        if not (match := CELL.match(cell.id)):
            raise ExerciseError(f'"{cell.id}" is no id of an exercise, such as 04-exercise-1-code.')
        exercises.setdefault(int(match[1]), {})[match[2] or "question"] = cell
    for number, exercise in exercises.items():
        if tuple(exercise) != PARTS:
            raise ExerciseError(f"Exercise {number} has {', '.join(exercise)}; not {PARTS}.")
    return exercises


def students_cells(exercise: Exercise, solutions: Path) -> list[Notebook]:
    """Return the three cells that a learner gets: question, stub and check."""
    question, code, check = (nbformat.from_dict(exercise[part]) for part in PARTS[:3])
    question.source += f"\n\nDone, or stuck? [A solution](solutions/{solutions.name}) is at hand."
    code.source = stub(code.source)
    return [question, code, check]


def _without_exercises(cells: list[Notebook]) -> tuple[list[Notebook], dict[int, int]]:
    """Return the other cells, and before which of them each exercise stood."""
    others, places = [], {}
    for cell in cells:
        if match := CELL.match(cell.id):
            places.setdefault(int(match[1]), len(others))
        else:
            others.append(cell)
    return others, places


def insert(cells: list[Notebook], groups: dict[int, list[Notebook]]) -> list[Notebook]:
    """Return a notebook's cells with its exercises replaced by these.

    Each stays where its question was. A new one follows the one before it, or comes before the
    recap, which is the last cell; one that is not among `groups` goes.
    """
    others, places = _without_exercises(cells)
    before_recap = len(others) - 1
    for number in sorted(groups, reverse=True):  # from the end, so that earlier places hold
        earlier = [places[n] for n in sorted(places) if n < number]
        place = places.get(number, earlier[-1] if earlier else before_recap)
        others[place:place] = groups[number]
    return others


def student_copy(notebook: Notebook, solutions: Notebook, path: Path) -> Notebook:
    """Return a notebook with its exercises as the solutions notebook at `path` has them."""
    groups = {n: students_cells(e, path) for n, e in read_exercises(solutions).items()}
    copy = nbformat.from_dict(notebook)
    copy.cells = insert(copy.cells, groups)
    return copy


def both_ways(notebook: Notebook, solutions: Notebook, path: Path) -> Notebook:
    """Return a notebook that runs each exercise unsolved, as learners get it, and then solved."""
    groups = {}
    for number, exercise in read_exercises(solutions).items():
        again = [nbformat.from_dict(exercise[part]) for part in ("code", "check")]
        for cell in again:
            cell.id += "-solved"
        groups[number] = students_cells(exercise, path) + again
    copy = nbformat.from_dict(notebook)
    copy.cells = insert(copy.cells, groups)
    return copy


def regenerate(folder: Path = NOTEBOOKS) -> list[Path]:
    """Write the exercises of ``FOLDER/solutions/`` into the notebooks; return those that changed.

    Raises
    ------
    ExerciseError
        If a solutions notebook is not well formed, or there is no notebook of its name.
    """
    changed = []
    for solutions in sorted((folder / "solutions").glob("*.ipynb")):
        path = folder / solutions.name
        if not path.is_file():
            raise ExerciseError(f"{solutions.name} has solutions, and there is no {path}.")
        try:
            copy = student_copy(read(path), read(solutions), solutions)
        except ExerciseError as error:
            raise ExerciseError(f"{solutions.relative_to(folder)}: {error}") from None
        text = nbformat.writes(copy) + "\n"
        if text != path.read_text(encoding="utf-8"):
            write_text(path, text)
            changed.append(path)
    return changed


def read(path: Path) -> Notebook:
    """Return a notebook of the course."""
    return nbformat.read(path, as_version=4)
