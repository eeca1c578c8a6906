"""A page to look at: every held-out edit, the worst first (notebook 07).

Of what was removed, that is where most is left; of what was added, what is most easily told from a
photo.
"""

import html
from pathlib import Path

import numpy as np
from PIL import Image

from . import pixels
from .errors import counted
from .files import write_text, written_whole
from .telling import Kept
from .training import DIRECTIONS

SIDE = 256  # px, of each of the three pictures
QUALITY = 85
STYLE = """
:root { color-scheme: light dark; --page: #fff; --card: #f3f3f1; --ink: #1c1c1a; --soft: #595955;
  --line: #d6d6d1; --link: #005a92; }
@media (prefers-color-scheme: dark) { :root { --page: #161615; --card: #222220; --ink: #ecece8;
  --soft: #b0b0a9; --line: #3b3b38; --link: #7cc0f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(0.75rem, 3vw, 2.5rem); max-width: 110rem;
  background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 0.75rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.25rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
p { max-width: 46rem; margin: 0.5rem 0; }
a { color: var(--link); }
.soft, figcaption { color: var(--soft); }
ol { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
li { content-visibility: auto; contain-intrinsic-size: auto 30rem auto 13rem; }
figure { margin: 0; padding: 0.6rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
img { display: block; width: 100%; max-width: 768px; height: auto; border-radius: 4px; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 1.25rem; padding-top: 0.45rem;
  font-size: 0.9rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
figcaption b { color: var(--ink); }
"""


def strip(before: np.ndarray, after: np.ndarray) -> Image.Image:
    """Return photo, edit and residual at its fixed range, side by side, each of `SIDE` px.

    Parameters
    ----------
    before, after : np.ndarray
        uint8 (size, size, 3).
    """
    residual = pixels.to_bytes((after.astype(np.float32) - before) / 127.5)
    shown = Image.new("RGB", (3 * SIDE, SIDE))
    for place, picture in enumerate((before, after, residual)):
        enlarged = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        shown.paste(enlarged, (place * SIDE, 0))
    return shown


def draw(folder: Path, kept: Kept, first: int, before: np.ndarray, after: np.ndarray) -> None:
    """Write the pictures of `kept` from number `first` on, a file each, below ``folder/sheet``.

    Beside the page, because within it, as data, they would take a third more, all at once.
    """
    for place, pictures in enumerate(zip(before, after, strict=True), first):
        path = folder / _picture(kept.direction, place)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            # Without the usual halving of the colours' resolution, which would smear a residual.
            strip(*pictures).save(temporary, "JPEG", quality=QUALITY, subsampling=0)


def _picture(direction: str, place: int) -> str:
    # Numbered: a photo's name may be anything.
    return f"sheet/{direction}/{place:05d}.jpg"


def page(
    attribute: str,
    albums: dict[str, Kept],
    told: dict[str, np.ndarray | None],
    left: dict[str, np.ndarray | None] | None = None,
) -> str:
    """Return the HTML page of all edits kept.

    Parameters
    ----------
    albums : dict
        From a direction to what was kept of it.
    told : dict
        From a direction to how surely each of those is an edit, (kept,) in [0, 1], by a classifier
        that did not learn from it; None where that was not measured.
    left : dict, optional
        Likewise how much is left on each of what was removed; where it is there, it ranks them.
    """
    left = left or {}
    title = html.escape(f"{attribute}: every edit, worst first")
    links = ", ".join(
        f'<a href="#{d}">{d} ({len(albums[d].names)})</a>' for d in DIRECTIONS if d in albums
    )
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<header>",
        f"<h1>{title}</h1>",
        "<p>From left to right: the photo, its edit, the residual, where gray is no change. "
        "<b>Edit</b> is how surely a classifier that did not learn from the picture takes it for "
        "an edit, <b>judge</b> how surely the first judge sees what the edit was to bring about: "
        "the attribute added, or gone."
        + (
            " <b>Left</b> is how much of it is still there, from 0 to 1, by a network that learned "
            "on drawn ones.</p>"
            if any(v is not None for v in left.values())
            else "</p>"
        ),
        f'<nav aria-label="Directions"><p>Go to: {links}</p></nav>',
        "</header>",
        "<main>",
    ]
    for direction in DIRECTIONS:
        if direction in albums:
            both = told.get(direction), left.get(direction)
            lines += _section(attribute, albums[direction], *both)
    lines += ["</main>", "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def _section(
    attribute: str, kept: Kept, told: np.ndarray | None, left: np.ndarray | None
) -> list[str]:
    judged = np.array(kept.judged)
    # With neither, least flipped first: as in the pictures beside the report.
    worst, order = -judged, "least surely flipped"
    if told is not None:
        worst, order = told, "most surely an edit"
    if left is not None:
        worst, order = left, "one of which most is left"
    of_all = "" if kept.of == len(kept.names) else f", of {kept.of} by chance"
    lines = [
        f'<section aria-labelledby="{kept.direction}">',
        f'<h2 id="{kept.direction}">{kept.direction}: {html.escape(attribute)}</h2>',
        f'<p class="soft">{counted(len(kept.names), "edit")}{of_all}, the {order} first.</p>',
        "<ol>",
    ]
    for rank, place in enumerate(np.argsort(-worst, kind="stable"), 1):
        name = html.escape(kept.names[place], quote=True)
        numbers = [f"judge {judged[place]:.2f}"]
        if told is not None:
            numbers.insert(0, f"edit {told[place]:.2f}")
        if left is not None:
            numbers.insert(0, f"left {left[place]:.2f}")
        alt = f"Photo, edit and residual of {name}; {', '.join(numbers)}"
        spans = "".join(f"<span>{number}</span>" for number in numbers)
        lines.append(
            f'<li><figure><img loading="lazy" decoding="async" width="{3 * SIDE}" height="{SIDE}" '
            f'src="{_picture(kept.direction, place)}" alt="{alt}"><figcaption>'
            f"<b>{rank}. {name}</b>{spans}</figcaption></figure></li>"
        )
    return [*lines, "</ol>", "</section>"]


def write(
    out: Path,
    attribute: str,
    albums: dict[str, Kept],
    told: dict[str, np.ndarray | None],
    left: dict[str, np.ndarray | None] | None = None,
) -> None:
    """Write ``sheet.html``; `draw` wrote its pictures."""
    write_text(out / "sheet.html", page(attribute, albums, told, left))
