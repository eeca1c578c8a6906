"""To look at what a dataset says of its faces: widgets of notebook 01."""

from pathlib import Path

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from . import celeba, datasets
from .drawn.faces import contact_sheet
from .errors import counted
from .plots import BLUE, GRAY, ORANGE, described, png
from .widgets import _watch

SHOWN, SIDE = 16, 80  # faces at once, and their side in pixels
MOST = 8  # attributes that are drawn


def attribute_browser(table: celeba.AttributeTable, photos: dict[str, Path]) -> ipywidgets.VBox:
    """Browse a dataset in CelebA's format: choose an attribute and a side, see faces and counts.

    Parameters
    ----------
    table : AttributeTable
    photos : dict
        What `celeba.read_celeba` returned: the attribute file, and where its photos lie.
    """
    first = "Eyeglasses" if "Eyeglasses" in table.columns else table.columns[0]
    attribute = ipywidgets.Dropdown(options=table.columns, value=first, description="attribute")
    side = ipywidgets.ToggleButtons(options=datasets.SIDES[::-1], description="side")
    page = ipywidgets.BoundedIntText(value=1, min=1, max=1, description="page")
    counts, note = ipywidgets.HTML(), ipywidgets.HTML()
    sheet, company = ipywidgets.HTML(), ipywidgets.HTML()

    def redraw() -> None:
        has = table.column(attribute.value) == 1
        chosen = np.flatnonzero(has if side.value == "with" else ~has)
        page.max = max(1, -(-len(chosen) // SHOWN))
        start = (page.value - 1) * SHOWN
        names = [table.photos[i] for i in chosen[start : start + SHOWN]]
        counts.value = (
            f"<b>{has.sum():,}</b> with {attribute.value}, <b>{(~has).sum():,}</b> without "
            f"({has.mean():.1%} with); {counted(page.max, 'page')}"
        )
        faces, lost = _read_faces(photos, names)
        note.value = f"{lost} of these can't be read." if lost else ""
        alt = f"{counted(len(faces), 'photo')} {side.value} {attribute.value}"
        alt += f", page {page.value}"
        sheet.value = described(png(contact_sheet(faces, 8)), alt) if faces else ""
        company.value = described(
            png(co_occurrence(table, attribute.value)), _company(table, attribute.value)
        )

    _watch([attribute, side, page], redraw)
    controls = ipywidgets.HBox([attribute, side, page])
    return ipywidgets.VBox([controls, counts, sheet, note, company])


def _read_faces(photos: dict[str, Path], names: list[str]) -> tuple[list[np.ndarray], int]:
    faces, lost = [], 0
    for name in names:
        try:
            faces.append(datasets.read_image(photos[name], SIDE))
        except (KeyError, OSError, ValueError):
            lost += 1
    return faces, lost


def _shares(table: celeba.AttributeTable, attribute: str) -> dict[str, tuple[float, float]]:
    """Return each other attribute's share among those with one, and among those without it.

    Those with the widest gap come first.
    """
    has = table.column(attribute) == 1
    name = celeba.column_name(attribute)
    shares = {
        other: tuple(float(values[group].mean()) if group.any() else 0.0 for group in (has, ~has))
        for other, values in zip(table.columns, (table.values == 1).T, strict=True)
        if other != name
    }
    widest = sorted(shares, key=lambda other: -abs(shares[other][0] - shares[other][1]))
    return {other: shares[other] for other in widest}


def _company(table: celeba.AttributeTable, attribute: str) -> str:
    """Say in words what `co_occurrence` draws, as far as its three widest gaps."""
    gaps = [f"{o}, {w:.0%} and {wo:.0%}" for o, (w, wo) in _shares(table, attribute).items()][:3]
    widest = f"; widest apart: {'; '.join(gaps)}" if gaps else ""
    return f"Shares of other attributes with {attribute} and without it{widest}"


def co_occurrence(table: celeba.AttributeTable, attribute: str) -> Figure:
    """Draw how often each other attribute comes with one, and without it: what goes together.

    Those with the widest gap come first.
    """
    name = celeba.column_name(attribute)
    rates = _shares(table, attribute)
    widest = list(rates)[:MOST][::-1]
    figure = Figure(figsize=(6.5, 0.8 + 0.32 * max(1, len(widest))), layout="constrained")
    axis = figure.subplots()
    for place, other in enumerate(widest):
        with_, without = rates[other]
        axis.plot([with_, without], [place, place], color=GRAY, linewidth=1, zorder=1)
        axis.scatter(with_, place, color=ORANGE, zorder=2, label=f"with {name}")
        axis.scatter(without, place, color=BLUE, marker="D", zorder=2, label=f"without {name}")
    axis.set_yticks(range(len(widest)), widest)
    axis.set(xlim=(-0.02, 1.02), xlabel="share of the photos that have the other attribute")
    axis.spines[["top", "right"]].set_visible(False)
    if widest:
        handles, labels = axis.get_legend_handles_labels()
        figure.legend(handles[:2], labels[:2], loc="outside upper right", ncols=2, frameon=False)
    return figure
