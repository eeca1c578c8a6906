"""Things to play with in the notebooks: core ipywidgets, plumbing only.

Each function returns one widget; the last expression of a cell shows it. Pictures are HTML images
that a callback replaces, with an alt text that says what the controls now show: `ipywidgets.Image`
has no place for one.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from . import plots, styling
from .plots import BLUE, described, displayable, png


def _watch(controls: list[ipywidgets.Widget], redraw: Callable[[], None]) -> None:
    """Call `redraw` now, and whenever a control changes."""
    for control in controls:
        control.observe(lambda _: redraw(), names="value")
    redraw()


# --- the style of what is added (notebooks 00, 11) ------------------------------------------


def style_sliders(
    network: Callable[[list], np.ndarray], card: dict, image: np.ndarray
) -> ipywidgets.VBox:
    """Choose what is drawn: its kind, and a slider for each other number of a style.

    Parameters
    ----------
    network : callable
        As `weight_files.load_network` gives it: maps ``[images, styles]`` to residuals.
    card : dict
        Of the same; its ``"styles"`` name the numbers, and its ``"kinds"`` those of them of which
        at most one is 1; and what suits, if it says so (`styling`).
    image : np.ndarray
        A face crop, float32 (size, size, 3) in [-1, 1].
    """
    unit = np.asarray(image, np.float32)[None]
    kinds = card.get("kinds", [])
    options = [("as it suits", ""), *((kind, kind) for kind in kinds)]
    choice = ipywidgets.Dropdown(options=options, description="kind")
    controls = [choice] if kinds else []
    controls += [
        ipywidgets.FloatSlider(value=0.0, min=-1.0, max=1.0, step=0.1, description=name)
        for name in card["styles"]
        if name not in kinds
    ]
    picture = ipywidgets.HTML()

    def redraw() -> None:
        chosen = {c.description: c.value for c in controls} | {choice.value: 1.0}
        style = [chosen.get(name, 0.0) for name in card["styles"]]
        style = styling.complete(unit, style, card).numpy()
        edited = np.clip(unit + np.asarray(network([unit, style])), -1, 1)
        said = [f"{c.description} {c.value:g}" for c in controls if c is not choice and c.value]
        said = ", ".join([choice.label] * bool(kinds or not said) + said)
        both = np.concatenate([displayable(x[0]) for x in (unit, edited)], axis=1)
        picture.value = described(
            png(both, zoom=max(1, 256 // len(both))), f"The face, and edited with {said}"
        )

    _watch(controls, redraw)
    return ipywidgets.VBox([*controls, picture])


# --- the strength of a residual (notebooks 00, 02) ------------------------------------------


def residual_strength(
    generator: Callable[[np.ndarray], np.ndarray], images: np.ndarray
) -> ipywidgets.VBox:
    """Turn a residual up and down: 0 is the image, 1 the edit, and more overdoes it.

    Parameters
    ----------
    generator : callable
        A model, or anything that maps float32 (batch, size, size, 3) in [-1, 1] to residuals.
    images : np.ndarray
        Such a batch. The generator runs once, here.
    """
    images = np.asarray(images, np.float32)
    residuals = np.asarray(generator(images))
    which = ipywidgets.IntSlider(value=1, min=1, max=len(images), description="face")
    strength = ipywidgets.FloatSlider(
        value=1.0, min=0.0, max=2.0, step=0.05, description="strength"
    )
    picture = ipywidgets.HTML()

    def redraw() -> None:
        image = images[which.value - 1]
        residual = strength.value * residuals[which.value - 1]
        edited = np.clip(image + residual, -1, 1)
        row = [displayable(x) for x in (image, edited, residual)]
        alt = f"Face {which.value}, its edit and its residual, at strength {strength.value:g}"
        picture.value = described(png(np.concatenate(row, axis=1), zoom=2), alt)

    _watch([which, strength], redraw)
    legend = ipywidgets.HTML("image, edited, and the residual (gray: no change)")
    return ipywidgets.VBox([ipywidgets.HBox([which, strength]), legend, picture])


# --- the learner against the discriminator (notebook 03) ------------------------------------


def discriminator_game(
    images: np.ndarray, generated: np.ndarray, chances: np.ndarray
) -> ipywidgets.VBox:
    """Let the learner and the discriminator guess, face by face: real or generated?

    Parameters
    ----------
    images : np.ndarray
        (n, size, size, 3), as `plots.displayable` takes each, in the order of the game.
    generated : np.ndarray
        bool (n,), the truth.
    chances : np.ndarray
        (n,), the probability in [0, 1] that the discriminator gives to *generated*. Above 0.5
        counts as that answer.
    """
    picture, verdict, score = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
    answers = [ipywidgets.Button(description=name) for name in ("real", "generated")]
    onwards = ipywidgets.Button(description="next face")
    at, yours, theirs = 0, 0, 0

    def ask() -> None:
        alt = f"Face {at + 1} of {len(images)}, with glasses. Real or generated?"
        picture.value = described(png(images[at], zoom=4), alt)
        verdict.value = f"Face {at + 1} of {len(images)}: real or generated?"
        allow(answering=True)

    def allow(answering: bool) -> None:
        for button in answers:
            button.disabled = not answering
        onwards.disabled = answering

    def answer(button: ipywidgets.Button) -> None:
        nonlocal yours, theirs
        if button.disabled:  # the second half of a double click
            return
        you = (button.description == "generated") == generated[at]
        it = (chances[at] > 0.5) == generated[at]
        yours, theirs = yours + bool(you), theirs + bool(it)
        verdict.value = (
            f"It is <b>{'generated' if generated[at] else 'real'}</b>. You are "
            f"{'right' if you else 'wrong'}. The discriminator gives {chances[at]:.0%} to "
            f"<i>generated</i>, and is {'right' if it else 'wrong'}."
        )
        score.value = f"Right so far: you {yours}, the discriminator {theirs}, of {at + 1}."
        allow(answering=False)
        if at + 1 == len(images):
            onwards.description = "play again"

    def go_on(button: ipywidgets.Button) -> None:
        nonlocal at, yours, theirs
        if button.disabled:
            return
        at += 1
        if at == len(images):
            at = yours = theirs = 0
            onwards.description, score.value = "next face", ""
        ask()

    for button in answers:
        button.on_click(answer)
    onwards.on_click(go_on)
    ask()
    return ipywidgets.VBox([picture, ipywidgets.HBox([*answers, onwards]), verdict, score])


# --- the weights of the losses (notebook 04) ------------------------------------------------


def loss_weights(
    parts: Callable[[float], dict[str, float]],
    weights: dict[str, float],
    step: Callable[[float, dict[str, float]], dict[str, np.ndarray]],
) -> ipywidgets.HBox:
    """Weigh the parts of a loss with sliders: see which pulls most, and the step that results.

    Parameters
    ----------
    parts : callable
        From the residual's strength (1 is the residual as it is) to each part's value, not
        weighted, measured on a batch of the caller's.
    weights : dict
        From the name of a part to its first weight, which must be positive.
    step : callable
        From the residual's strength and the weights to rows of images, as `plots.image_rows`
        takes them.
    """
    measure = lru_cache(maxsize=32)(lambda strength: dict(parts(strength)))
    strength = ipywidgets.FloatSlider(
        value=1.0, min=0.0, max=2.0, step=0.1, description="residual ×", continuous_update=False
    )
    sliders = {
        name: ipywidgets.FloatLogSlider(
            value=weight,
            min=np.log10(weight) - 2,
            max=np.log10(weight) + 2,
            readout_format=".2g",
            description=name,
        )
        for name, weight in weights.items()
    }
    bars, steps = ipywidgets.HTML(), ipywidgets.HTML()

    def redraw() -> None:
        values = measure(strength.value)
        weighted = {name: (s.value, values[name]) for name, s in sliders.items()}
        products = [f"{name} {w * value:.3g}" for name, (w, value) in weighted.items()]
        alt = f"Bars, the weight times the value of each part: {', '.join(products)}"
        bars.value = described(png(weighted_parts(weighted)), alt)
        rows = step(strength.value, {name: s.value for name, s in sliders.items()})
        figure = plots.image_rows(rows)
        steps.value = described(png(figure), f"{' and '.join(rows)}, for {', '.join(products)}")
        plt.close(figure)

    _watch([strength, *sliders.values()], redraw)
    controls = ipywidgets.VBox([strength, *sliders.values()])
    return ipywidgets.HBox([controls, ipywidgets.VBox([bars, steps])])


def weighted_parts(parts: dict[str, tuple[float, float]]) -> Figure:
    """Draw each part's weight times value as a bar, with the sum above.

    Parameters
    ----------
    parts : dict
        From the name of a part to (weight, value).
    """
    products = {name: weight * value for name, (weight, value) in parts.items()}
    figure = Figure(figsize=(6.5, 0.9 + 0.4 * len(parts)), layout="constrained")
    axis = figure.subplots()
    names = list(products)[::-1]
    bars = axis.barh(names, [products[name] for name in names], color=BLUE)
    labels = [
        f" {products[name]:.3g} = {parts[name][0]:.2g} × {parts[name][1]:.3g}" for name in names
    ]
    axis.bar_label(bars, labels, fontsize=9)
    axis.set_xlim(0, 1.6 * max(max(products.values()), 1e-9))
    axis.set_title(f"sum: {sum(products.values()):.3f}", loc="left")
    axis.set_xlabel("part of the loss: weight × value")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


# --- a photo of the learner's (notebook 00) -------------------------------------------------


def uploaded(value: dict | tuple) -> bytes:
    """Return the content of the file that an upload widget holds, given its value.

    That is a tuple of files since ipywidgets 8; in 7, which Colab has, a dict by their names.
    """
    (file,) = value.values() if isinstance(value, dict) else value
    return bytes(file["content"])


# --- exercises ------------------------------------------------------------------------------


def check(question: str, expected, got) -> None:
    """Print what an exercise expects beside what the learner has; never raise.

    Parameters
    ----------
    question : str
        What was asked, in a few words.
    expected, got : object
        Floats and arrays are right within a thousandth of the expected; whole numbers when they are
        equal, be it as floats; all else when it reads the same. A function without arguments, as
        `got`, is called here: an exercise that is not solved yet must not stop the cells below it.
    """
    expected, got = _plain(expected), _plain(got)
    sign = "✓" if _same(expected, got) else "…"
    print(f"{sign} {question}: expected {_brief(expected)}, yours {_brief(got)}")


def _plain(value):
    """Call it if that can be done, and turn a tensor into an array."""
    if callable(value):
        try:
            value = value()
        except Exception as error:  # whatever the learner's code may raise
            return f"raised {type(error).__name__}: {error}"
    return np.asarray(value)[()] if hasattr(value, "numpy") else value


def _same(expected, got) -> bool:
    if isinstance(expected, int):
        # 980 / 5 * 100 is a float and right; a count is exact all the same.
        whole = isinstance(got, float | np.floating) and float(got).is_integer()
        return str(int(got) if whole else got) == str(expected)
    try:
        return np.shape(expected) == np.shape(got) and np.allclose(
            np.asarray(got, float), np.asarray(expected, float), rtol=1e-3, atol=1e-6
        )
    except (TypeError, ValueError):
        return str(got) == str(expected)


def _brief(value) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray) and value.size > 12 and value.dtype.kind in "iuf":
        return f"{value.shape} from {value.min():.4g} to {value.max():.4g}"
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=3, threshold=12)
    return f"{value}"


# --- what a judge says, and where an edit fails (notebook 07) -------------------------------


def threshold_explorer(
    scores: dict[str, np.ndarray],
    confusion: Callable[[float], dict[str, int]],
    quality: Callable[[float], dict[str, float]],
) -> ipywidgets.VBox:
    """Move the judge's threshold, and see whom it then calls "with", and how often rightly.

    Parameters
    ----------
    scores : dict
        From the name of a group to its P(with).
    confusion : callable
        From a threshold to counts of answers, by a name for each kind.
    quality : callable
        From a threshold to measures in [0, 1], by their names.
    """
    threshold = ipywidgets.FloatSlider(
        value=0.5, min=0.02, max=0.98, step=0.02, description="threshold"
    )
    counts, groups, measures = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()

    def redraw() -> None:
        at = threshold.value
        counts.value = "; ".join(f"<b>{n}</b> {kind}" for kind, n in confusion(at).items())
        called = [f"{np.mean(values > at):.0%} of {name}" for name, values in scores.items()]
        alt = f"At a threshold of {at:.2f} the judge calls with: {', '.join(called)}"
        groups.value = described(png(plots.judge_scores(scores, at)), alt)
        values = [f"{name} {value:.0%}" for name, value in quality(at).items()]
        alt = f"Curves over the threshold; at {at:.2f}: {', '.join(values)}"
        measures.value = described(png(plots.threshold_curves(quality, at)), alt)

    _watch([threshold], redraw)
    return ipywidgets.VBox([threshold, counts, groups, measures])


def failure_gallery(folder: Path) -> ipywidgets.VBox:
    """Browse the sheets that `evaluation.measure` wrote: both directions; worst, best, random."""
    direction = ipywidgets.ToggleButtons(options=["add", "remove"], description="direction")
    choice = ipywidgets.ToggleButtons(options=["worst", "best", "random"], description="which")
    picture = ipywidgets.HTML()

    def redraw() -> None:
        sheet = (folder / direction.value / f"{choice.value}.png").read_bytes()
        alt = f"{direction.value}, {choice.value} edits: rows of images, edits and residuals"
        picture.value = described(sheet, alt)

    _watch([direction, choice], redraw)
    return ipywidgets.VBox([direction, choice, picture])


# --- pictures to flip through, a crop to move (notebooks 09, 10) ----------------------------


def flip_through(
    pictures: dict[str, np.ndarray | Figure], alt: str, zoom: int = 1
) -> ipywidgets.VBox:
    """Show one picture of several, chosen by a slider.

    Parameters
    ----------
    pictures : dict
        From a label to an image as `plots.displayable` takes it, or to a figure.
    alt : str
        What each of them shows, for someone who can't see it; the label is added.
    zoom : int
        Times that each pixel is repeated on the page.
    """
    slider = ipywidgets.SelectionSlider(
        options=list(pictures), description="show", layout={"width": "30em"}
    )
    picture = ipywidgets.HTML()

    def redraw() -> None:
        picture.value = described(png(pictures[slider.value], zoom), f"{alt}: {slider.value}")

    _watch([slider], redraw)
    return ipywidgets.VBox([slider, picture])


def crop_explorer(draw: Callable[..., np.ndarray], zoom: int = 2) -> ipywidgets.VBox:
    """Turn, zoom and shift a face crop with sliders, and see what becomes of its edit.

    Parameters
    ----------
    draw : callable
        From ``turn`` (degrees), ``scale``, ``right`` and ``down`` (pixels of the crop) to an
        image as `plots.displayable` takes it.
    zoom : int
        Times that each pixel is repeated on the page.
    """
    options = {"continuous_update": False}
    sliders = {
        "turn": ipywidgets.IntSlider(0, -45, 45, 5, description="turn (°)", **options),
        "scale": ipywidgets.FloatSlider(
            value=1.0, min=0.4, max=2.0, step=0.05, description="scale", **options
        ),
        "right": ipywidgets.IntSlider(0, -40, 40, 2, description="right (px)", **options),
        "down": ipywidgets.IntSlider(0, -40, 40, 2, description="down (px)", **options),
    }
    picture = ipywidgets.HTML()

    def redraw() -> None:
        crop = {name: s.value for name, s in sliders.items()}
        alt = f"A face crop and its edit: {', '.join(f'{k} {v:g}' for k, v in crop.items())}"
        picture.value = described(png(draw(**crop), zoom), alt)

    _watch(list(sliders.values()), redraw)
    return ipywidgets.HBox([ipywidgets.VBox(list(sliders.values())), picture])
