"""The book: whole, readable without the network, and nothing in it that only a kernel can show."""

import base64
import re

import nbformat
import pytest

from helpers.errors import CourseError
from tooling import book, cli, exercises

PNG = base64.b64encode(b"stands for a picture").decode()


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The course as if it had been executed: in each notebook one picture and one widget."""
    folder = tmp_path_factory.mktemp("executed")
    for path in exercises.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"):
        notebook = exercises.read(path)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        image = f'<img alt="What it shows." src="data:image/png;base64,{PNG}">'
        pictures = {"text/html": image, "text/plain": "What it shows."}
        widget = {book.WIDGET: {"model_id": "0"}, "text/plain": "VBox(...)"}
        for cell, data in ((cells[2], pictures), (cells[3], widget)):
            cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
        nbformat.write(notebook, folder / path.name)
    return folder


@pytest.fixture(scope="module")
def pages(executed, tmp_path_factory):
    """From their paths in the book to the texts of its pages."""
    out = tmp_path_factory.mktemp("book")
    written = book.build(executed, out)
    assert written[0] == out / "index.html"
    return {path.relative_to(out).as_posix(): path.read_text(encoding="utf-8") for path in written}


def test_holds_each_notebook_and_its_solutions(pages):
    stems = [path.stem for path in sorted(exercises.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]
    solved = [path.stem for path in (exercises.NOTEBOOKS / "solutions").glob("*.ipynb")]
    expected = ["index", *stems, *(f"solutions/{stem}" for stem in solved)]
    assert sorted(pages) == sorted(f"{name}.html" for name in expected)


def test_links_resolve_and_nothing_is_fetched(pages):
    for name, text in pages.items():
        assert not re.search(r"<script|@import|src=\"(?!data:)|url\(", text), name
        for target in re.findall(r'href="([^"#]+)', text):
            if "://" in target or target.startswith("data:"):
                continue
            folder = "solutions/" if name.startswith("solutions/") else ""
            path = target.removeprefix("../") if target.startswith("../") else folder + target
            assert path in pages or path == "style.css", (name, target)


def test_each_page_leads_on(pages):
    names = sorted(name for name in pages if re.match(r"\d\d_", name))
    for place, name in enumerate(names):
        for word, other in (("Previous", place - 1), ("Next", place + 1)):
            expected = 0 <= other < len(names)
            assert bool(re.search(rf'<a href="[^"]+">{word}: ', pages[name])) == expected
            if expected:
                assert f'<a href="{names[other]}">{word}: ' in pages[name]


def test_every_picture_has_words(pages):
    for name, text in pages.items():
        images = re.findall(r"<img[^>]*>", text)
        alts = [re.search(r'alt="([^"]*)"', image) for image in images]
        assert all(alt and "No description" not in alt[1] and alt[1] for alt in alts), name
    assert 'alt="What it shows."' in pages["02_build_the_generators.html"]


def test_a_widget_leaves_a_note(pages):
    assert all("Something to play with" in text for name, text in pages.items() if name[0] == "0")
    assert "VBox(" not in pages["02_build_the_generators.html"]


def test_formulas_become_pictures_and_code_keeps_its_dollars():
    text = book.prose(r"A formula, $\mu_a^2$, and $$\frac{1}{2}$$")
    assert text.count('<img class="formula') == 2 and r'alt="\mu_a^2"' in text
    cell = nbformat.v4.new_markdown_cell("# T\n\n`$HOME` and $x$\n\n```\n$ ls $\n```")
    source = book.readable(nbformat.v4.new_notebook(cells=[cell])).cells[0].source
    assert "`$HOME`" in source and "$ ls $" in source and 'alt="x"' in source


def test_a_course_that_was_not_executed_is_named(tmp_path, capsys):
    with pytest.raises(CourseError, match=r"lacks 00_meet.*Execute the course first"):
        book.build(tmp_path, tmp_path / "book")
    assert not (tmp_path / "book").exists()


def test_the_command_says_where_the_book_is(executed, tmp_path, capsys):
    cli.book(executed, tmp_path / "book")
    assert str(tmp_path / "book" / "index.html") in capsys.readouterr().out
