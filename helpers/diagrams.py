"""Diagrams: who feeds whom (notebook 05), and the stations of a model on its way (09)."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .plots import GRAY, ORANGE, displayable

_ROWS = {
    "add": ("x0", "add", "added", "remove", "back0"),
    "remove": ("x1", "remove", "removed", "add", "back1"),
}
_CLASSES = {
    "x0": "real without",
    "x1": "real with",
    "added": ("generated", "GAN: real with?"),
    "removed": ("generated", "GAN: real without?"),
    "back0": "dual: real without?",
    "back1": "dual: real with?",
}
_NAMES = {
    "x0": "x0 (without)",
    "x1": "x1 (with)",
    "added": "add(x0)",
    "removed": "remove(x1)",
    "back0": "remove(add(x0))",
    "back1": "add(remove(x1))",
}


def wiring(pictures: dict[str, np.ndarray], learns: str | None = None) -> Figure:
    """Draw which image passes which network, and the way of the gradients in one update.

    Parameters
    ----------
    pictures : dict
        Images, as `displayable` takes them, under "x0", "added", "back0", "x1", "removed", "back1".
    learns : {None, "discriminator", "generator_add", "generator_remove"}
        The network that this update changes; None draws the forward way only.
    """
    figure, axis = plt.subplots(figsize=(9, 4.5))
    for top, (direction, nodes) in zip((2.6, 0), _ROWS.items(), strict=True):
        used = learns in (None, "discriminator", f"generator_{direction}")
        _wire_row(axis, top, nodes, pictures, learns, used)
    axis.set(xlim=(-1.2, 9.2), ylim=(-1.5, 3.6), aspect="equal")
    axis.axis("off")
    axis.set_title(f"The update of {learns}" if learns else "The forward way")
    figure.tight_layout()
    return figure


def _wire_row(axis, y, nodes, pictures, learns, used) -> None:
    whole = learns != "discriminator"  # the discriminator's update never makes the way back
    for x, node in zip((0, 2, 4, 6, 8), nodes, strict=True):
        shown = used and (whole or x <= 4)
        if node in ("add", "remove"):
            _box(axis, x, y, f"generator\n{node}", learns == f"generator_{node}" and used, shown)
        else:
            axis.imshow(
                displayable(pictures[node]),
                extent=(x - 0.5, x + 0.5, y - 0.5, y + 0.5),
                alpha=1 if shown else 0.15,
            )
            axis.text(x, y + 0.56, _NAMES[node], ha="center", fontsize=9, alpha=1 if shown else 0.3)
        if x:
            _arrow(axis, (x - 1.45, y), (x - 0.55, y), "black" if shown else "#dddddd")
    if not used:
        return
    for x in (4, 8) if whole else (0, 4):
        asked = _CLASSES[nodes[x // 2]]
        asked = asked[int(whole)] if isinstance(asked, tuple) else asked
        _arrow(axis, (x - 0.12, y - 0.5), (x - 0.12, y - 0.85), "black")
        _box(axis, x, y - 1.1, f"D → {asked}", learns == "discriminator", True, 2.0, 0.42)
        if learns in ("generator_add", "generator_remove"):
            _arrow(axis, (x + 0.12, y - 0.85), (x + 0.12, y - 0.5), ORANGE)
    if learns in ("generator_add", "generator_remove"):
        for x in (4, 6, 8):  # from each edit back to the generator that learns
            _arrow(axis, (x - 0.55, y - 0.22), (x - 1.45, y - 0.22), ORANGE)


def _box(axis, x, y, text, learns, shown, width=1.0, height=0.8) -> None:
    face = ORANGE if learns else "#e8eef4" if shown else "#f8f8f8"
    corner = (x - width / 2, y - height / 2)
    axis.add_patch(
        FancyBboxPatch(
            corner,
            width,
            height,
            boxstyle="round,pad=0.05",
            facecolor=face,
            edgecolor="black" if learns else GRAY,
            linewidth=2.5 if learns else 1,
        )
    )
    colour = "white" if learns else "black" if shown else "#cccccc"
    axis.text(x, y, text, ha="center", va="center", fontsize=8.5, color=colour)


def _arrow(axis, start, end, colour) -> None:
    axis.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.4
        )
    )


def stations(steps: dict[str, str]) -> Figure:
    """Draw the stations of a way as boxes in a row, with arrows between them.

    Parameters
    ----------
    steps : dict
        From what stands in a box to the note below it.
    """
    figure, axis = plt.subplots(figsize=(2.3 * len(steps), 1.6), layout="constrained")
    for place, (name, note) in enumerate(steps.items()):
        _box(axis, 3 * place, 0, name, place == len(steps) - 1, True, 1.9, 0.7)
        axis.text(3 * place, -0.65, note, ha="center", va="top", fontsize=8.5, color="#444444")
        if place:
            _arrow(axis, (3 * place - 1.95, 0), (3 * place - 1.05, 0), "black")
    axis.set(xlim=(-1.3, 3 * len(steps) - 1.7), ylim=(-1.6, 0.55), aspect="equal")
    axis.axis("off")
    return figure
