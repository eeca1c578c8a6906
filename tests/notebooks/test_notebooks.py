"""The notebooks: each has the form that learners rely on, and each runs from a fresh kernel."""

import ast
import contextlib
import inspect
import io
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers import pixels, plots, widgets
from helpers.profiles import ROOT
from tooling import notebooks

NAMES = [
    "00_meet_the_inverter",
    "01_split_the_dataset",
    "02_build_the_generators",
    "03_build_the_discriminator",
    "04_write_the_losses",
    "05_wire_dual_learning",
    "06_train_on_a_gpu",
    "07_measure_the_results",
    "08_fix_the_residual",
    "09_export_to_tensorflowjs",
    "10_run_in_the_browser",
    "11_invert_another_attribute",
    "12_scale_beyond_one_machine",
]
MEDIAN_LINES, NINE_IN_TEN_LINES, MOST_LINES = 8, 25, 40
TRAIN_STEP = re.compile(r"def \w*(train_step|step|update)\w*\(")
BADGE = re.compile(
    r"^\[!\[Open in Colab\]\(https://colab\.research\.google\.com/assets/colab-badge\.svg\)\]"
    r"\(https://colab\.research\.google\.com/github/([^/]+/[^/]+)/blob/main/(.+\.ipynb)\)$"
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r"<img\b[^>]*>")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)

every = pytest.mark.parametrize("name", NAMES)


def path_of(name):
    return ROOT / "notebooks" / f"{name}.ipynb"


def solutions_of(name):
    return ROOT / "notebooks" / "solutions" / f"{name}.ipynb"


def read(name):
    return nbformat.read(path_of(name), as_version=4)


def sources(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def words(texts):
    return sum(len(re.findall(r"\w+", text)) for text in texts)


def test_the_course_is_these_notebooks():
    assert [path.stem for path in notebooks.find_notebooks([])] == NAMES


@every
def test_is_valid_and_has_a_python_kernel(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    # From the file itself: reading with nbformat gives a second cell of one id another id.
    ids = [cell["id"] for cell in json.loads(path_of(name).read_text(encoding="utf-8"))["cells"]]
    assert len(set(ids)) == len(ids)


@every
def test_opening_cell(name):
    opening = read(name).cells[0]
    assert opening.cell_type == "markdown"
    title, badge, *rest = opening.source.splitlines()
    number, words_of_name = name.split("_", 1)
    assert title.startswith(f"# {number} · ")
    # The file's name is its title: "Export to TensorFlow.js" is export_to_tensorflowjs.
    plain = re.sub(r"[^a-z0-9 ]", "", title.split(" · ")[1].lower())
    assert plain.replace(" ", "_") == words_of_name
    assert (match := BADGE.match(badge)), badge
    assert match[2] == f"notebooks/{name}.ipynb"
    rest = "\n".join(rest)
    for heading in ("You will", "Needs", "Time"):
        assert f"**{heading}**" in rest, f"no {heading}"
    promised = rest.split("**You will**")[1].split("**Needs**")[0]
    assert len(re.findall(r"^- ", promised, re.MULTILINE)) == 3
    assert re.search(r"\*\*Time\*\*.*\d+", rest), "Time gives no number"


def test_setup_cells_and_repository_are_the_same_everywhere():
    setups = {name: [cell.source for cell in read(name).cells[1:3]] for name in NAMES}
    first = setups[NAMES[0]]
    assert [name for name, setup in setups.items() if setup != first] == []
    assert "profile = start(seed=0)" in first[1]
    repository = re.search(r'^REPOSITORY = "(.+)"$', first[0], re.MULTILINE)[1]
    badges = {BADGE.match(read(name).cells[0].source.splitlines()[1])[1] for name in NAMES}
    assert badges == {repository}


@every
def test_cells_are_short(name):
    lines = {text: len(text.splitlines()) for text in sources(read(name), "code")}
    assert statistics.median(lines.values()) <= MEDIAN_LINES
    assert statistics.quantiles(lines.values(), n=10)[-1] <= NINE_IN_TEN_LINES
    long = [text for text, count in lines.items() if count > MOST_LINES]
    others = [text for text in long if not TRAIN_STEP.search(text)]
    assert others == [], "only a train step may be longer"
    assert len(long) <= 1, "one train step at most"


@every
def test_holds_no_results(name):
    notebook = read(name)
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id


@every
def test_more_prose_than_code(name):
    notebook = read(name)
    # Code shown inside prose counts as neither.
    prose = [FENCE.sub("", text) for text in sources(notebook, "markdown")]
    assert words(prose) >= words(sources(notebook, "code"))


@every
def test_ends_with_a_recap_and_a_link_onwards(name):
    last = read(name).cells[-1]
    assert last.cell_type == "markdown"
    assert "## Recap" in last.source
    following = NAMES[NAMES.index(name) + 1 :]
    onwards = re.search(r"^.*\bNext\b.*$", last.source, re.MULTILINE)
    assert onwards, "no line with Next"
    if following:
        assert f"({following[0]}.ipynb)" in onwards[0]


@every
def test_relative_links_resolve(name):
    texts = [FENCE.sub("", text) for text in sources(read(name), "markdown")]
    targets = {target for text in texts for target in LINK.findall(text)}
    files = {target.split("#")[0] for target in targets if "://" not in target}
    missing = [target for target in files if target and not (ROOT / "notebooks" / target).exists()]
    assert missing == []


@every
def test_the_readmes_map_is_right(name):
    row = re.search(rf"^\| {name[:2]} \|.*$", (ROOT / "README.md").read_text("utf-8"), re.M)[0]
    opening = read(name).cells[0].source
    title, badge = opening.splitlines()[:2]
    seconds = re.search(r"\*\*Time\*\* about (\d+) (s|minutes)", opening)
    assert f"[{title.split(' · ')[1]}](notebooks/{name}.ipynb)" in row
    assert f"]({badge.rsplit('](', 1)[1]}" in row, "another badge than the notebook's"
    assert f"| {seconds[1]} {seconds[2].removesuffix('utes')} |" in row, "another time"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "weights/README.md"])
def test_links_of_the_pages_resolve(page):
    path = ROOT / page
    text = re.sub(r"^(    .*|```[\s\S]*?^```)$", "", path.read_text(encoding="utf-8"), flags=re.M)
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if "://" not in target:
            assert (path.parent / file).exists(), target
            assert file or anchor in headings, target


@pytest.mark.parametrize("name", NAMES[1:])
def test_has_exercises_with_checks(name):
    """What they are like is held by test_exercises.py."""
    notebook = read(name)
    exercises = len(re.findall(r"^## Exercise", "\n".join(sources(notebook, "markdown")), re.M))
    assert exercises >= (3 if solutions_of(name).is_file() else 2)
    checks = [text for text in sources(notebook, "code") if "widgets.check(" in text]
    assert len(checks) >= exercises


@pytest.mark.parametrize("name", NAMES[1:])
def test_takes_15_to_40_minutes_to_read(name):
    """At 200 words a minute, and half a minute for each cell of code; 00 is a demonstration."""
    notebook = read(name)
    code = sources(notebook, "code")
    minutes = words(sources(notebook, "markdown")) / 200 + len(code) / 2
    assert 15 <= minutes <= 40, f"{minutes:.0f} minutes"


@every
def test_pictures_in_prose_are_described(name):
    for text in sources(read(name), "markdown"):
        assert not re.search(r"!\[\s*\]\(", text)
        assert all(map(has_words, IMAGE.findall(text)))


def has_words(tag):
    return bool(re.search(r'\balt="\s*\w[^"]*"', tag))


# Functions that make a figure, and those that show one, with the place of their alt text.
FIGURES = {
    f"{module.__name__.split('.')[-1]}.{name}"
    for module in (plots, widgets)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if inspect.signature(function).return_annotation is plots.Figure
}
SHOWS = {"plots.show", "plots.show_grid", "plots.show_edit", "plots.show_curves"}


def alt_texts(source):
    """Return the alt texts of a cell's figures; fail where a figure is shown without one."""
    tree = ast.parse(re.sub(r"^(\s*)[!%].*$", r"\1pass", source, flags=re.M))
    strings = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    alts, made = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func)
            assert called not in FIGURES and called != "plt.show", source
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        made += [called] if called in FIGURES or re.match(r"plt\.(subplots|figure)", called) else []
        if called in SHOWS:
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            alt = node.args[1] if called == "plots.show" and len(node.args) > 1 else given["alt"]
            alts.append(strings.get(alt.id, alt) if isinstance(alt, ast.Name) else alt)
    assert alts or not made or "widgets.flip_through(" in source, source
    return [ast.unparse(alt) for alt in alts]


@every
def test_every_figure_says_what_it_shows(name):
    alts = [alt for text in sources(read(name), "code") for alt in alt_texts(text)]
    literal = [alt for alt in alts if not alt.isidentifier()]  # else the parameter of a function
    short = [alt for alt in literal if len(alt.split()) < 4 or not alt.endswith((".'", '."'))]
    assert short == [], "a sentence of four words or more"
    assert len(set(literal)) == len(literal), "two figures, the same words"
    assert len(literal) >= 3


def test_a_figure_without_words_would_be_seen():
    for source in (
        "plots.image_rows(rows)",
        "figure, axis = plt.subplots()\naxis.plot(x)",
        "plots.show_grid(images, columns=2)",
    ):
        with pytest.raises((AssertionError, KeyError)):
            alt_texts(source)
    assert alt_texts('plots.show(plots.image_rows(rows), "Words.")') == ["'Words.'"]


@pytest.mark.parametrize(
    "given",
    [
        lambda content: ({"name": "me.jpg", "content": memoryview(content)},),  # ipywidgets 8
        lambda content: {"me.jpg": {"metadata": {}, "content": content}},  # 7, which Colab has
    ],
)
def test_an_upload_to_00_is_edited_or_refused_in_words(capsys, given):
    def invert_photo(photo, generator):
        assert generator == "the one that removes"
        return SimpleNamespace(crops=[photo] if photo.mean() > 9 else [], edited=255 - photo)

    class Result(contextlib.nullcontext):
        def clear_output(self):
            print("cleared")

    shown = []
    names = {
        "result": Result(),
        "choice": SimpleNamespace(value="remove"),
        "generators": {"remove": "the one that removes"},
        "inverter": SimpleNamespace(invert_photo=invert_photo),
        "pixels": pixels,
        "np": np,
        "Path": Path,
        "TemporaryDirectory": tempfile.TemporaryDirectory,
        "plots": SimpleNamespace(show=lambda picture, alt: shown.append((picture, alt))),
        "widgets": widgets,
    }
    (source,) = (text for text in sources(read(NAMES[0]), "code") if "def invert_upload" in text)
    exec(source, names)

    def upload(content):
        names["invert_upload"]({"new": given(content)})
        return capsys.readouterr().out

    def photo(value):
        buffer = io.BytesIO()
        image = Image.fromarray(np.full((4, 8, 3), value, np.uint8))
        exif = image.getexif()
        exif[0x0112] = 6  # lies on its side
        image.save(buffer, "JPEG", exif=exif)
        return buffer.getvalue()

    assert upload(photo(200)) == "cleared\n"
    assert shown[0][0].shape == (8, 4, 3) and shown[0][1] == "Your photo after: remove glasses."
    assert "No face found" in upload(photo(0))
    assert "This file can't be used: no image of a known format" in upload(b"nothing")
    assert len(shown) == 1


def pictures_without_words(executed):
    """Return the cells and widgets of an executed notebook that hold such pictures."""
    found = []
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            plain = [kind for kind in data if kind.startswith("image/")]
            if plain or not all(map(has_words, IMAGE.findall(data.get("text/html", "")))):
                found.append(cell.id)
    saved = executed.metadata.get("widgets", {})
    for state in (
        saved.get("application/vnd.jupyter.widget-state+json", {}).get("state", {}).values()
    ):
        value = state["state"].get("value")
        tags = IMAGE.findall(value) if isinstance(value, str) else []
        if state["model_name"] == "ImageModel" or not all(map(has_words, tags)):
            found.append(state["model_name"])
    return found


WAIT = """import time, pathlib
def wait(name, began=time.monotonic()):
    while not pathlib.Path(name).exists():
        assert time.monotonic() - began < 60, name
        time.sleep(0.05)
"""


def small_course(tmp_path, monkeypatch, **sources):
    (tmp_path / "notebooks").mkdir()
    for name, source in sources.items():
        cells = [nbformat.v4.new_code_cell(WAIT + source)]
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / f"{name[1:]}.ipynb"
        )
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setenv("COURSE_PROFILE", "")


def test_run_executes_two_at_a_time_and_08_when_06_has_ended(tmp_path, monkeypatch, capsys):
    touch = "pathlib.Path('{0}').touch(); wait('{1}'); pathlib.Path('ended-{0}').touch()"
    small_course(
        tmp_path,
        monkeypatch,
        _00_a=touch.format("00", "06"),
        _01_b="wait('ended-00')",
        _06_c=touch.format("06", "00"),
        _08_d="assert pathlib.Path('ended-06').exists()",
    )
    assert notebooks.run_notebooks("quick", [], tmp_path / "out")
    printed = capsys.readouterr()
    for name in ("00_a", "01_b", "06_c", "08_d"):
        assert re.search(rf"{name}.ipynb: \d+ s", printed.out + printed.err)
        assert (tmp_path / "out" / f"{name}.html").is_file()


def test_run_ends_all_where_one_fails(tmp_path, monkeypatch, capsys):
    small_course(
        tmp_path,
        monkeypatch,
        _00_waits="import os; pathlib.Path('kernel').write_text(str(os.getpid()))\nwait('never')",
        _01_fails="wait('kernel'); 1 / 0",
        _02_never="pathlib.Path('02').touch()",
    )
    assert not notebooks.run_notebooks("quick", [], tmp_path / "out")
    printed = capsys.readouterr()
    said = printed.out + printed.err
    assert "01_fails.ipynb failed:" in said and "ZeroDivisionError" in said
    assert "00_waits.ipynb failed" not in said
    assert not (tmp_path / "notebooks" / "02").exists()
    waited = nbformat.read(tmp_path / "out" / "00_waits.ipynb", as_version=4)
    assert waited.cells[0].outputs == []  # it was ended, and did not end
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "notebooks" / "kernel").read_text()), 0)


RUN = """import signal, sys
from pathlib import Path
from tooling import notebooks
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever it was for our parent
notebooks.ROOT = Path(sys.argv[1])
notebooks.run_notebooks("quick", [], notebooks.ROOT / "out")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_every_kernel_and_none_complains(tmp_path, monkeypatch):
    hold = "import os; pathlib.Path('{0}').write_text(str(os.getpid()))\nwait('never')"
    small_course(tmp_path, monkeypatch, _00_a=hold.format("a"), _01_b=hold.format("b"))
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    pids = [tmp_path / "notebooks" / name for name in "ab"]
    began = time.monotonic()
    while not all(path.is_file() and path.read_text() for path in pids):
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    # asyncio's own two tracebacks, of which the command line makes one word.
    assert said.rstrip().endswith("KeyboardInterrupt") and said.count("Traceback") == 2, said
    for path in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", [NAMES[number] for number in (3, 7, 8, 9)])
def test_runs_at_the_sizes_of_full(name, tmp_path, monkeypatch):
    """Those that read weights of the course. In a folder of its own: a run of full takes hours."""
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.delenv("CELEBA_DIR", raising=False)
    small = {"name": "small-full", "images": 24, "steps": 3, "paper_steps": 3}
    course = read(name)
    setup = next(cell for cell in course.cells if cell.id.endswith("-start"))
    setup.source += f"\n\nimport dataclasses\n\nprofile = dataclasses.replace(profile, **{small})"
    try:
        error = notebooks.run_notebook(path_of(name), tmp_path, notebook=course)
    finally:
        shutil.rmtree(ROOT / "runs" / "course" / small["name"], ignore_errors=True)
    assert error is None, error


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if not solutions_of(name).is_file()])
def test_runs_from_a_fresh_kernel(name, tmp_path, monkeypatch):
    """Those with solutions are run by test_exercises.py, unsolved and solved."""
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    error = notebooks.run_notebook(path_of(name), tmp_path)
    assert error is None, error
    executed = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    assert pictures_without_words(executed) == []
