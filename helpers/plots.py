"""Figures of the notebooks: plumbing only. What a figure means stands in its notebook."""

import base64
import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from . import pixels

# From the Okabe-Ito palette: told apart with any kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
GRAY = "#999999"
# And never by colour alone: a colour, a line and a mark for each of up to four things.
LOOKS = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "D"), (PURPLE, "-.", "^"))
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)


def displayable(image: np.ndarray) -> np.ndarray:
    """Return one image as `imshow` takes it, always at the same fixed range.

    Parameters
    ----------
    image : np.ndarray
        uint8 (height, width, 3); float (height, width, 3) in [-1, 1], an image or a residual, for
        which gray is then no change; or float (height, width) or (height, width, 1) in [0, 1], a
        mask.
    """
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    if image.ndim == 2 or image.shape[-1] == 1:
        gray = np.clip(image.reshape(image.shape[:2]), 0, 1)
        return np.repeat(np.rint(255 * gray).astype(np.uint8)[..., None], 3, axis=2)
    return pixels.to_bytes(np.clip(image, -1, 1))


# --- pictures with words for those who can't see them ---------------------------------------


def png(picture: np.ndarray | Figure, zoom: int = 1) -> bytes:
    """Return a figure, or an image as `displayable` takes it, as the bytes of a PNG.

    Parameters
    ----------
    zoom : int
        Times that each pixel of an image is repeated in both directions.
    """
    buffer = io.BytesIO()
    if isinstance(picture, Figure):
        # White, not transparent: its black words must be readable on a dark page too.
        picture.savefig(buffer, format="png", dpi=90, bbox_inches="tight", facecolor="white")
    else:
        enlarged = displayable(picture).repeat(zoom, axis=0).repeat(zoom, axis=1)
        Image.fromarray(enlarged).save(buffer, format="PNG")
    return buffer.getvalue()


def described(data: bytes, alt: str) -> str:
    """Return the bytes of a PNG as an HTML image, with the words that a screen reader says.

    Raises
    ------
    ValueError
        If there are no words.
    """
    if not alt.strip():
        raise ValueError("A picture needs an alt text: say in a sentence what it shows.")
    # The size, so that what stands below does not jump while a slider replaces the picture.
    width, height = Image.open(io.BytesIO(data)).size
    encoded = base64.b64encode(data).decode()
    return (
        f'<img alt="{html.escape(" ".join(alt.split()))}" width="{width}" height="{height}" '
        f'style="max-width: 100%; height: auto" src="data:image/png;base64,{encoded}">'
    )


def show(picture: np.ndarray | Figure, alt: str, zoom: int = 1) -> None:
    """Show a figure, or an image as `displayable` takes it, with an alt text.

    As HTML, because JupyterLab drops the alt text of a plain PNG.

    Parameters
    ----------
    alt : str
        What the picture shows, in one sentence, for someone who can't see it.
    zoom : int
        Times that each pixel of an image is repeated in both directions.

    Raises
    ------
    ValueError
        If `alt` says nothing.
    """
    from IPython.display import display

    page = described(png(picture, zoom), alt)
    if isinstance(picture, Figure):
        plt.close(picture)  # else it is shown again, without words, at the end of the cell
    display({"text/html": page, "text/plain": alt}, raw=True)


def image_rows(
    rows: dict[str, Sequence[np.ndarray]], columns: Sequence[str] = (), side: float = 1.2
) -> Figure:
    """Show rows of images, each with its name at the left; images as `displayable` takes them.

    Parameters
    ----------
    columns : sequence of str
        What stands above the columns.
    side : float
        Of an image on the page, in inches.
    """
    count = max(len(images) for images in rows.values())
    width, height = side * count + 1, side * len(rows) + 0.3
    figure, axes = plt.subplots(len(rows), count, figsize=(width, height), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        row[0].text(-0.06, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
        for axis, image in zip(row, images, strict=False):
            axis.imshow(displayable(image), interpolation="nearest")
    for axis, title in zip(axes[0], columns, strict=False):
        axis.set_title(title, fontsize=9)
    figure.subplots_adjust(1 / width, 0, 1, 1 - 0.3 / height, wspace=0.03, hspace=0.03)
    return figure


def curves(
    history: Sequence[dict[str, float]],
    names: Sequence[str],
    *,
    guess: float | None = None,
    title: str = "",
) -> Figure:
    """Draw losses over the steps, each with a line of its own kind.

    Parameters
    ----------
    history : sequence of dict
        One dict a logged step, with "step" and the losses.
    guess : float
        Where a discriminator that guesses stands: a thin gray line.
    """
    figure, axis = plt.subplots(figsize=(7.5, 3))
    steps = [entry["step"] for entry in history]
    for name, (colour, line, _) in zip(names, LOOKS, strict=False):
        axis.plot(steps, [entry[name] for entry in history], line, color=colour, label=name)
    if guess is not None:
        axis.axhline(guess, color=GRAY, linewidth=1, label=f"guessing: {guess:.2f}")
    axis.set(xlabel="step", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


# --- shown at once, wherever they are called ------------------------------------------------

LN_3 = float(np.log(3.0))  # the cross entropy of a guess among three classes


def show_grid(
    images: Sequence[np.ndarray],
    columns: int = 8,
    titles: Sequence[str] | None = None,
    side: float = 1.2,
    *,
    alt: str,
) -> None:
    """Show images in a grid, row by row; images as `displayable` takes them.

    Parameters
    ----------
    columns : int
        Images in a row; fewer if there are fewer.
    titles : sequence of str
        What stands above each image.
    side : float
        Of an image on the page, in inches.
    alt : str
        What they show, as `show` takes it.

    Raises
    ------
    ValueError
        If there is no image, or `alt` says nothing.
    """
    if not len(images):
        raise ValueError("There is no image to show.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tall = side + (0.22 if titles is not None else 0)
    figure, axes = plt.subplots(
        rows, columns, figsize=(side * columns, tall * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, image in zip(axes.flat, images, strict=False):
        axis.imshow(displayable(image), interpolation="nearest")
    for axis, title in zip(axes.flat, titles if titles is not None else (), strict=False):
        axis.set_title(title, fontsize=9, pad=3)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    show(figure, alt)


def show_edit(image: np.ndarray, edited: np.ndarray, residual: np.ndarray, *, alt: str) -> None:
    """Show three rows: the images, their edits, and the residuals at the fixed range [-1, 1].

    All are float (batch, size, size, 3); gray in the last row is no change. `alt` is as `show`
    takes it.
    """
    show(image_rows({"image": image, "edited": edited, "residual": residual}, side=1.3), alt)


def show_curves(history: Sequence[dict[str, float]], title: str = "", *, alt: str) -> None:
    """Show how the discriminator and both generators fare, beside what guessing scores, ln 3.

    `history` is what `runs.Run.train` returns. The discriminator's loss is the sum of four
    cross entropies, so a quarter of it is drawn: then ln 3 means guessing for all three curves.
    `alt` is as `show` takes it.
    """
    shown = [
        {
            "step": entry["step"],
            "discriminator / 4": entry["discriminator"] / 4,
            "add: GAN": entry["add/gan"],
            "remove: GAN": entry["remove/gan"],
        }
        for entry in history
    ]
    show(curves(shown, [name for name in shown[0] if name != "step"], guess=LN_3, title=title), alt)


# --- what a judge says (notebook 07) --------------------------------------------------------


def judge_scores(scores: dict[str, np.ndarray], threshold: float = 0.5) -> Figure:
    """Draw a judge's P(with) for groups of images, one above the other, and a threshold.

    Parameters
    ----------
    scores : dict
        From the name of a group to its probabilities.
    threshold : float
        From where on the judge says "with"; each row's label gives that share.
    """
    figure = Figure(figsize=(6.5, 0.7 + 0.62 * len(scores)), layout="constrained")
    axis = figure.subplots()
    colours = (BLUE, ORANGE, GREEN, PURPLE)
    labels = []
    for place, (name, values) in enumerate(scores.items()):
        heights, edges = np.histogram(values, bins=25, range=(0, 1))
        # A root, so that a handful of failures still shows beside a tall heap.
        tall = 0.8 * np.sqrt(heights / max(heights.max(), 1))
        colour = colours[place % len(colours)]
        axis.bar(edges[:-1], tall, 0.037, -place, align="edge", color=colour)
        labels.append(f"{name}\n{np.mean(np.asarray(values) > threshold):.0%} called with")
    axis.axvline(threshold, color="black", linestyle="--", linewidth=1)
    axis.set_yticks([0.35 - place for place in range(len(scores))], labels)
    axis.set(xlim=(-0.01, 1.01), xlabel="P(with), says the judge (heights: root of the count)")
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


def threshold_curves(
    quality: Callable[[float], dict[str, float]], threshold: float = 0.5
) -> Figure:
    """Draw measures of a judge, in [0, 1], over its threshold, and mark one threshold.

    Parameters
    ----------
    quality : callable
        From a threshold to each measure's value.
    """
    figure = Figure(figsize=(6.5, 2.6), layout="constrained")
    axis = figure.subplots()
    places = np.linspace(0.01, 0.99, 99)
    measured = [quality(place) for place in places]
    here = quality(threshold)
    for (name, value), (colour, line, mark) in zip(here.items(), LOOKS, strict=False):
        axis.plot(places, [each[name] for each in measured], line, color=colour)
        axis.plot(threshold, value, mark + line, color=colour, label=f"{name}: {value:.0%}")
    axis.axvline(threshold, color="black", linestyle="--", linewidth=1)
    lowest = min(0.5, *(value for each in measured for value in each.values()))
    axis.set(xlim=(0, 1), ylim=(lowest - 0.02, 1.02), xlabel="threshold")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def shrinking_distances(distances: dict[str, dict[int, float]]) -> Figure:
    """Draw distances over the number of images, with one line for each name."""
    figure = Figure(figsize=(6.5, 2.8), layout="constrained")
    axis = figure.subplots()
    for (name, values), (colour, line, mark) in zip(distances.items(), LOOKS, strict=False):
        axis.plot(list(values), list(values.values()), mark + line, color=colour, label=name)
    axis.axhline(0, color=GRAY, linewidth=1)
    axis.set_xscale("log", base=2)
    ticks = list(next(iter(distances.values())))
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.set(xlabel="images on each side", ylabel="distance, real against real")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


# --- from Keras to the browser, from a photo to the face crop (notebooks 09, 10) ------------


def operation_counts(graphs: dict[str, dict[str, int]]) -> Figure:
    """Draw how often each operation stands in some graphs, the graphs side by side.

    Parameters
    ----------
    graphs : dict
        From a graph's name to its count of each operation.
    """
    operations = sorted({op for counts in graphs.values() for op in counts}, reverse=True)
    figure = Figure(figsize=(3.5 * len(graphs) + 1.5, 0.6 + 0.2 * len(operations)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, len(graphs), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (name, counts), colour in zip(axes, graphs.items(), (BLUE, ORANGE), strict=False):
        values = [counts.get(op, 0) for op in operations]
        bars = axis.barh(operations, values, color=colour)
        axis.bar_label(bars, [f" {value}" if value else "" for value in values], fontsize=8)
        axis.set_title(f"{name}: {sum(values)} operations", fontsize=10)
        axis.tick_params(axis="y", labelsize=8, length=0)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def outline(axis, landmarks: np.ndarray, corners: np.ndarray | None = None) -> None:
    """Mark a face's landmarks in a picture that `axis` shows, and the outline of its crop.

    Parameters
    ----------
    landmarks : np.ndarray
        (points, 2), x and y in pixels.
    corners : np.ndarray
        (4, 2), the crop's corners in order around it, the first two being its upper edge, which
        is drawn thick.
    """
    axis.scatter(*np.asarray(landmarks).T, s=28, color=ORANGE, edgecolor="white", zorder=3)
    if corners is not None:
        around = np.vstack([corners, corners[:1]])
        axis.plot(*around.T, color="white", linewidth=3)
        axis.plot(*around.T, color=BLUE, linewidth=1.6)
        axis.plot(*around[:2].T, color=BLUE, linewidth=4)


def training_strip(previews: Path, face: int = 0, shares: Sequence[float] = SHARES) -> Figure:
    """Show how a training came along, from the previews of its run: both directions of one face.

    The original's first figure, at a fixed range: the photo, then the edit and the residual after
    a fifth of the training, two fifths, and so on.

    Parameters
    ----------
    previews : Path
        The folder ``previews`` of a run, with the sheets of `runs.preview_sheet`.
    face : int
        Which of the preview's faces.
    shares : sequence of float
        Of the whole training, in (0, 1].

    Raises
    ------
    FileNotFoundError
        If the folder holds no preview.
    """
    sheets = {int(p.stem.split("-")[1]): p for p in previews.glob("step-*.png")}
    if not sheets:
        raise FileNotFoundError(f"No previews in {previews}: train first.")
    last = max(sheets)
    steps = [min(sheets, key=lambda step: abs(step - share * last)) for share in shares]
    pictures = [np.asarray(Image.open(sheets[step])) for step in steps]
    size = len(pictures[0]) // 6  # photo, edit and residual, of add and then of remove
    column = slice(face * size, (face + 1) * size)

    def row(picture, index):
        return picture[index * size : (index + 1) * size, column]

    gray = np.full((size, size, 3), 127, np.uint8)
    rows = {}
    for name, first in (("add", 0), ("remove", 3)):
        rows[name] = [row(pictures[0], first), *(row(p, first + 1) for p in pictures)]
        rows[f"{name}, residual"] = [gray, *(row(p, first + 2) for p in pictures)]
    titles = [
        "photo",
        *(f"{share:.0%}\nstep {s:,}" for share, s in zip(shares, steps, strict=True)),
    ]
    return image_rows(rows, titles)
