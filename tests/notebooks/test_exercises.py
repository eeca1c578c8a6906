"""The exercises: the notebooks hold what their solutions say, unsolved, and solving them works."""

import builtins
import re
import shutil
import symtable

import nbformat
import pytest
from test_notebooks import pictures_without_words

from helpers import widgets
from tooling import exercises, notebooks
from tooling.exercises import NOTEBOOKS, PARTS, ExerciseError

SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
each = pytest.mark.parametrize("solutions", SOLUTIONS, ids=lambda path: path.stem[:2])

SOLVED = """a = 1
# BEGIN SOLUTION
# STUB b = None
b = a + 1
# END SOLUTION
def double(x):
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION"""
UNSOLVED = """a = 1
b = None
def double(x):
    ...  # your code"""


def notebook(*cells):
    """Build a notebook of cells, each (id, source); those of code have an id that says so."""
    made = []
    for cell_id, source in cells:
        code = cell_id.endswith(("-code", "-check", "-run"))
        make = nbformat.v4.new_code_cell if code else nbformat.v4.new_markdown_cell
        made.append(make(source, id=cell_id))
    return nbformat.v4.new_notebook(cells=made)


def exercise(number, answer="2"):
    """The four cells of an exercise."""
    code = f"# BEGIN SOLUTION\n# STUB x = None\nx = {answer}\n# END SOLUTION"
    sources = (f"## Exercise {number}", code, "print(x)", "Why")
    names = ("", "-code", "-check", "-solution")
    return [(f"01-exercise-{number}{n}", source) for n, source in zip(names, sources, strict=True)]


def solved(*numbers):
    cells = [cell for number in numbers for cell in exercise(number)]
    return notebook(("01-solutions", "# Solutions"), *cells)


def ids(made):
    return [cell.id.removeprefix("01-") for cell in made.cells]


# --- from a solution to what learners get ---------------------------------------------------


def test_a_stub_keeps_all_but_the_solution():
    assert exercises.stub(SOLVED) == UNSOLVED
    compile(UNSOLVED, "stub", "exec")


@pytest.mark.parametrize(
    "source",
    ["x = 1", "# BEGIN SOLUTION\nx = 1", SOLVED + "\n# END SOLUTION", SOLVED.replace("END", "AND")],
)
def test_a_cell_without_a_marked_solution_is_refused(source):
    with pytest.raises(ExerciseError, match="BEGIN SOLUTION"):
        exercises.stub(source)


def test_exercises_stay_where_they_are_and_new_ones_follow():
    course = notebook(
        ("01-title", "#"),
        ("01-exercise-1", "old"),
        ("01-exercise-1-code", "old"),
        ("01-middle", "words"),
        ("01-exercise-3", "old"),
        ("01-exercise-9", "no longer there"),
        ("01-recap", "## Recap"),
    )
    copy = exercises.student_copy(course, solved(1, 2, 3), NOTEBOOKS / "solutions" / "01.ipynb")
    group = ["", "-code", "-check"]
    assert ids(copy) == [
        "title",
        *(f"exercise-1{part}" for part in group),
        *(f"exercise-2{part}" for part in group),
        "middle",
        *(f"exercise-3{part}" for part in group),
        "recap",
    ]
    assert "(solutions/01.ipynb)" in copy.cells[1].source
    assert copy.cells[2].source == "x = None"
    assert exercises.student_copy(copy, solved(1, 2, 3), NOTEBOOKS / "01.ipynb") == copy


def test_the_first_exercises_of_a_notebook_come_before_its_recap():
    course = notebook(("01-title", "#"), ("01-recap", "## Recap"))
    copy = exercises.student_copy(course, solved(1, 2), NOTEBOOKS / "01.ipynb")
    assert ids(copy)[1] == "exercise-1" and ids(copy)[-2:] == ["exercise-2-check", "recap"]


def test_both_ways_runs_the_stub_before_the_solution():
    course = notebook(("01-title", "#"), ("01-recap", "## Recap"))
    made = exercises.both_ways(course, solved(1), NOTEBOOKS / "01.ipynb")
    expected = ["exercise-1-code", "exercise-1-check"]
    assert ids(made)[2:-1] == expected + [f"{name}-solved" for name in expected]


def test_an_incomplete_exercise_is_named(tmp_path):
    (tmp_path / "solutions").mkdir()
    nbformat.write(notebook(("01-recap", "")), tmp_path / "01_x.ipynb")
    cells = [("01-solutions", ""), *exercise(2)[:3]]
    nbformat.write(notebook(*cells), tmp_path / "solutions" / "01_x.ipynb")
    with pytest.raises(ExerciseError, match=r"01_x\.ipynb: Exercise 2 has question, code, check"):
        exercises.regenerate(tmp_path)
    nbformat.write(notebook(("01-solutions", ""), ("a", "")), tmp_path / "solutions" / "01_x.ipynb")
    with pytest.raises(ExerciseError, match='"a" is no id of an exercise'):
        exercises.regenerate(tmp_path)


# --- the course's own -----------------------------------------------------------------------


def test_exercises_regenerate_to_the_same_bytes(tmp_path):
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    before = {path: path.read_bytes() for path in (tmp_path / "notebooks").rglob("*.ipynb")}
    assert exercises.regenerate(tmp_path / "notebooks") == []
    assert {path: path.read_bytes() for path in before} == before
    changed = tmp_path / "notebooks" / SOLUTIONS[0].name
    changed.write_text(changed.read_text(encoding="utf-8").replace(" = None", " = 1"))
    assert exercises.regenerate(tmp_path / "notebooks") == [changed]
    assert changed.read_bytes() == before[changed]


@each
def test_each_notebook_has_three_exercises_with_hints_and_checks(solutions):
    found = exercises.read_exercises(exercises.read(solutions))
    assert list(found) == list(range(1, len(found) + 1))
    assert len(found) >= 3
    for number, cells in found.items():
        assert cells["question"].source.startswith(f"## Exercise {number}: ")
        assert "<details><summary>Hint</summary>" in cells["question"].source
        assert "widgets.check(" in cells["check"].source
        assert len(cells["solution"].source.split()) >= 4, "say why"
        assert [cells[part].cell_type for part in PARTS] == ["markdown", "code", "code", "markdown"]


def test_a_hint_stays_closed_on_the_page(tmp_path):
    question = exercises.read_exercises(exercises.read(SOLUTIONS[0]))[1]["question"].source
    hint = question.split("</summary>")[1].split("</details>")[0].split()[-1]
    notebooks._write(notebook(("01-question", question)), tmp_path / "01.ipynb")
    page = (tmp_path / "01.html").read_text(encoding="utf-8")
    assert hint in re.search(r"<details>.*?</details>", page, re.DOTALL)[0]


@each
def test_solutions_hold_no_results(solutions):
    made = exercises.read(solutions)
    nbformat.validate(made)
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def global_names(source):
    """Return the global names that code binds, and those that it reads, in functions too."""
    table = symtable.symtable(re.sub(r"^\s*[!%].*$", "", source, flags=re.M), "cell", "exec")
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}

    def read(scope):
        names = {
            symbol.get_name()
            for symbol in scope.get_symbols()
            if symbol.is_referenced() and (scope is table or symbol.is_global())
        }
        return names.union(*(read(child) for child in scope.get_children()))

    return bound, read(table) - set(dir(builtins))


@each
def test_nothing_else_leans_on_what_an_exercise_binds(solutions):
    """So that Run All says the same whether exercises are solved or not."""
    course = exercises.read(NOTEBOOKS / solutions.name)
    inside = set()
    for cells in exercises.read_exercises(exercises.read(solutions)).values():
        for part in ("code", "check"):
            inside |= global_names(cells[part].source)[0]
    rebound = set()
    for cell in course.cells:
        if cell.cell_type != "code" or cell.source.startswith("%%writefile"):
            continue
        bound, read = global_names(cell.source)
        if exercises.CELL.match(cell.id):
            rebound |= bound & inside
        else:
            assert not read & rebound - bound, (cell.id, read & rebound)


@pytest.mark.slow
@each
def test_runs_from_a_fresh_kernel_unsolved_and_solved(solutions, tmp_path, monkeypatch):
    """One execution shows both: the stub with its check, then the solution with the same check."""
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    path = NOTEBOOKS / solutions.name
    made = exercises.both_ways(exercises.read(path), exercises.read(solutions), solutions)
    error = notebooks.run_notebook(path, tmp_path, notebook=made)
    assert error is None, error
    executed = exercises.read(tmp_path / path.name)
    assert pictures_without_words(executed) == []
    said = {
        cell.id: "".join(output.get("text", "") for output in cell.outputs)
        for cell in executed.cells
        if re.search(r"-exercise-\d+-check", cell.id)
    }
    for name, text in said.items():
        lines = [line for line in text.splitlines() if ": expected" in line]
        right = [line.startswith("✓") for line in lines]
        assert lines, name
        assert all(right) if name.endswith("-solved") else not all(right), (name, text)


def test_a_check_calls_what_can_be_called_and_never_raises(capsys):
    widgets.check("called", 2.0, lambda: 2.0)
    widgets.check("not solved", 2.0, lambda: None)
    widgets.check("broken", 2.0, lambda: 1 / 0)
    right, unsolved, broken = capsys.readouterr().out.splitlines()
    assert right == "✓ called: expected 2, yours 2"
    assert unsolved == "… not solved: expected 2, yours None"
    assert broken == "… broken: expected 2, yours raised ZeroDivisionError: division by zero"
