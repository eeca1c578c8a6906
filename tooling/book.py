"""The executed course as a website to read: one page a notebook, an index, nothing from outside.

`course.py run` leaves the executed notebooks; this renders them with nbconvert's plain template
inside a page of our own. Formulas become pictures and links to notebooks become links to pages,
so that the folder can be opened from disk, or published as it is.
"""

import base64
import html
import io
import re
from pathlib import Path

import nbformat

from helpers.errors import CourseError
from helpers.files import write_text

from .exercises import NOTEBOOKS, read

FENCE = re.compile(r"(^```.*?^```[^\n]*$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
BADGE = re.compile(r"^\[!\[Open in Colab\].*$\n?", re.MULTILINE)
NOTEBOOK_LINK = re.compile(r"\]\((?!\w+://)([^)\s]+)\.ipynb(#[^)\s]*)?\)")
OTHER_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+://|#)(?![^)\s]+\.html)[^)\s]+\)")
WIDGET = "application/vnd.jupyter.widget-view+json"

STYLE = Path(__file__).with_name("book.css")
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{up}style.css">
</head>
<body>
<nav><a href="{up}index.html">Facial Attribute Inverter</a>{links}</nav>
<main>
{body}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


def build(executed: Path, out: Path) -> list[Path]:
    """Write the book of the executed notebooks in a folder; return its pages, the index first.

    Raises
    ------
    CourseError
        If the folder lacks notebooks of the course: it has to be executed first.
    """
    names = [path.name for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]
    missing = [name for name in names if not (executed / name).is_file()]
    if missing:
        raise CourseError(
            f"{executed} lacks {', '.join(missing)}. Execute the course first: "
            "python3 course.py run"
        )
    chapters = [(Path(name).stem, read(executed / name)) for name in names]
    (out / "solutions").mkdir(parents=True, exist_ok=True)
    write(out / "style.css", STYLE.read_text(encoding="utf-8"))
    pages = [write(out / "index.html", index_page(chapters))]
    for place, (stem, notebook) in enumerate(chapters):
        around = {
            "Previous": chapters[place - 1] if place else None,
            "Next": chapters[place + 1] if place + 1 < len(chapters) else None,
        }
        footer = "".join(
            f'<a href="{at[0]}.html">{word}: {title_of(at[1])}</a>' if at else "<span></span>"
            for word, at in around.items()
        )
        solutions = NOTEBOOKS / "solutions" / f"{stem}.ipynb"
        link = f'<a href="solutions/{stem}.html">Solutions</a>' if solutions.is_file() else ""
        pages.append(write(out / f"{stem}.html", page(notebook, footer=footer, links=link)))
        if link:
            back = f'<a href="../{stem}.html">Back to {title_of(notebook)}</a>'
            text = page(read(solutions), footer=back, up="../")
            pages.append(write(out / "solutions" / f"{stem}.html", text))
    return pages


def write(path: Path, text: str) -> Path:
    write_text(path, text)
    return path


def title_of(notebook: nbformat.NotebookNode) -> str:
    return html.escape(notebook.cells[0].source.splitlines()[0].removeprefix("# "))


def index_page(chapters: list[tuple[str, nbformat.NotebookNode]]) -> str:
    """Return the map of the course: each notebook, how long it takes, and what you will do."""
    rows = []
    for stem, notebook in chapters:
        opening = notebook.cells[0].source
        promised = opening.split("**You will**")[1].split("**Needs**")[0].strip()
        goals = "".join(f"<li>{inline(line[2:])}</li>" for line in re.split(r"\n(?=- )", promised))
        minutes = re.search(r"\*\*Time\*\* (.+)", opening)[1]
        rows.append(
            f'<tr><td><a href="{stem}.html">{title_of(notebook)}</a><br><small>{inline(minutes)}'
            f"</small></td><td><ul>{goals}</ul></td></tr>"
        )
    body = (
        "<h1>Facial Attribute Inverter</h1>\n<p>A hands-on course: put glasses or a hat on a face, "
        "and take them off again, with residual GANs. This is the executed course, to read. To "
        "run it and change it, take the notebooks.</p>\n<table class='map'><tr><th>Notebook</th>"
        f"<th>You will</th></tr>{''.join(rows)}</table>"
    )
    return PAGE.format(title="Facial Attribute Inverter", body=body, up="", links="", footer="")


def inline(text: str) -> str:
    """Return a line of Markdown with code and emphasis, links as their words."""
    text = html.escape(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text.replace("\n", " ")))
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)


def page(
    notebook: nbformat.NotebookNode, *, footer: str = "", links: str = "", up: str = ""
) -> str:
    """Return a notebook as a page of the book."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", embed_images=False)
    body, _ = exporter.from_notebook_node(readable(notebook))
    return PAGE.format(title=title_of(notebook), body=body, up=up, links=links, footer=footer)


def readable(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy for readers: links to pages, formulas as pictures, a note for each widget."""
    copy = nbformat.from_dict(notebook)
    copy.metadata.pop("widgets", None)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            parts = FENCE.split(BADGE.sub("", cell.source))
            cell.source = "".join(
                part if place % 2 else prose(part) for place, part in enumerate(parts)
            )
        else:
            without_widgets(cell)
    return copy


def prose(text: str) -> str:
    text = NOTEBOOK_LINK.sub(lambda m: f"]({m[1]}.html{m[2] or ''})", text)
    text = OTHER_LINK.sub(r"\1", text)  # a file of the repository, which the book lacks
    return FORMULA.sub(lambda m: formula(m[1] or m[2], alone=bool(m[1])), text)


def formula(latex: str, alone: bool) -> str:
    """Return a formula as an HTML image, drawn by matplotlib; the LaTeX is what is read aloud."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    buffer = io.BytesIO()
    latex = " ".join(latex.split())
    math_to_image(f"${latex}$", buffer, prop=FontProperties(size=13), format="svg")
    data = base64.b64encode(buffer.getvalue()).decode()
    kind = "formula line" if alone else "formula"
    alt = html.escape(latex, quote=True)
    return f'<img class="{kind}" alt="{alt}" src="data:image/svg+xml;base64,{data}">'


def without_widgets(cell: nbformat.NotebookNode) -> None:
    """Put a note where a cell shows a widget, which needs a kernel."""
    for output in cell.outputs:
        if WIDGET in output.get("data", {}):
            note = "Something to play with stands here when the notebook runs."
            output.data = {"text/html": f'<p class="widget">{note}</p>'}
