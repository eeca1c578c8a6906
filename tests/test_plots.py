import base64
import io
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers import diagrams, plots


@pytest.fixture(autouse=True)
def figures(monkeypatch):
    """Let what is shown stay open, so that a test can look at it."""
    monkeypatch.setattr(plt, "close", lambda _: None)
    yield
    monkeypatch.undo()
    plt.close("all")


def pixels(axis):
    return axis.images[0].get_array()


def batch(value, count=3):
    return np.full((count, 8, 8, 3), value, np.float32)


def test_images_and_residuals_are_shown_at_the_fixed_range():
    assert plots.displayable(np.zeros((2, 2, 3), np.float32))[0, 0].tolist() == [128] * 3
    assert plots.displayable(np.full((2, 2, 3), 1.7))[0, 0].tolist() == [255] * 3
    assert plots.displayable(np.full((2, 2, 1), 0.5))[0, 0].tolist() == [128] * 3
    bytes_ = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert plots.displayable(bytes_) is bytes_


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, as bundles of MIME types."""
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: bundles.append(data))
    return bundles


def test_show_says_what_it_shows(shown, monkeypatch):
    plots.show(np.zeros((4, 6, 3), np.float32), 'Gray,\n "<b>" & no change.', zoom=2)
    (bundle,) = shown
    tag = bundle["text/html"]
    assert tag.count("<") == 1, "words must not become markup"
    assert 'alt="Gray, &quot;&lt;b&gt;&quot; &amp; no change."' in tag
    assert 'width="12" height="8"' in tag
    assert bundle["text/plain"].startswith("Gray")


def test_a_figure_is_shown_once_on_white(shown, monkeypatch):
    monkeypatch.undo()  # with the real close()
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    with plt.style.context("dark_background"):
        figure = plt.figure()
        plots.show(figure, "An empty figure.")
    assert not plt.fignum_exists(figure.number), "else the notebook shows it a second time"
    data = base64.b64decode(re.search(r"base64,([^\"]+)", shown[0]["text/html"])[1])
    assert set(np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).ravel()) == {255}


@pytest.mark.parametrize("alt", ["", " \n"])
def test_a_picture_without_words_is_refused(shown, alt):
    with pytest.raises(ValueError, match="needs an alt text"):
        plots.show(np.zeros((2, 2, 3), np.uint8), alt)
    assert shown == []


def test_show_grid_lays_out_row_by_row_with_titles():
    plots.show_grid(
        np.stack([np.full((8, 8, 3), v, np.uint8) for v in range(5)]), 3, list("abcde"), alt="Five."
    )
    axes = plt.gcf().axes
    assert len(axes) == 6
    assert [int(pixels(axis)[0, 0, 0]) for axis in axes[:5]] == [0, 1, 2, 3, 4]
    assert [axis.get_title() for axis in axes] == ["a", "b", "c", "d", "e", ""]
    assert not axes[5].images


def test_show_grid_says_so_when_there_is_nothing():
    with pytest.raises(ValueError, match="no image"):
        plots.show_grid([], alt="Nothing.")


def test_show_edit_never_stretches_a_faint_residual():
    plots.show_edit(batch(-1.0), batch(-0.98), batch(0.02), alt="Faint.")
    shown = [int(pixels(axis)[0, 0, 0]) for axis in plt.gcf().axes]
    assert shown == [0] * 3 + [3] * 3 + [130] * 3


def test_show_curves_draws_a_quarter_of_the_discriminator_and_the_guess():
    history = [
        {"step": step, "discriminator": 4.0, "add/gan": 1.0, "remove/gan": 2.0} for step in (0, 10)
    ]
    plots.show_curves(history, alt="Two.")
    heights = {line.get_label(): line.get_ydata()[0] for line in plt.gcf().axes[0].lines}
    assert heights["discriminator / 4"] == 1.0
    assert heights["remove: GAN"] == 2.0
    assert heights["guessing: 1.10"] == pytest.approx(np.log(3))
    looks = {(line.get_linestyle(), line.get_linewidth()) for line in plt.gcf().axes[0].lines}
    assert len(looks) == 4, "told apart without colour"


def test_stations_are_boxes_with_their_notes():
    figure = diagrams.stations({"Keras": "layers", "SavedModel": "operations", "page": "bytes"})
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["Keras", "layers", "SavedModel", "operations", "page", "bytes"]
    arrows = [p for p in figure.axes[0].patches if isinstance(p, diagrams.FancyArrowPatch)]
    assert len(arrows) == 2


def test_operation_counts_puts_graphs_side_by_side_on_one_scale():
    figure = plots.operation_counts({"ours": {"Mul": 2}, "theirs": {"Mul": 1, "Shape": 3}})
    ours, theirs = figure.axes
    assert [bar.get_width() for bar in ours.patches] == [0, 2]  # Shape, Mul
    assert [bar.get_width() for bar in theirs.patches] == [3, 1]
    assert ours.get_title() == "ours: 2 operations"
    assert ours.get_xlim() == theirs.get_xlim()


def test_outline_closes_the_crop_and_marks_its_upper_edge():
    corners = np.array([[0, 0], [8, 0], [8, 8], [0, 8]])
    axis = plt.figure().subplots()
    plots.outline(axis, np.array([[2, 3], [5, 3]]), corners)
    around, upper = axis.lines[1], axis.lines[2]
    assert around.get_xydata()[0].tolist() == around.get_xydata()[-1].tolist()
    assert upper.get_xydata().tolist() == [[0, 0], [8, 0]]
    assert upper.get_linewidth() > around.get_linewidth()


def test_training_strip_shows_the_right_steps_of_one_face(tmp_path):
    with pytest.raises(FileNotFoundError, match="train first"):
        plots.training_strip(tmp_path)
    for step in range(100, 1100, 100):
        sheet = np.full((6 * 8, 3 * 8, 3), step // 10, np.uint8)
        sheet[:, 8:16] += np.arange(6, dtype=np.uint8).repeat(8)[:, None, None]  # the second face
        Image.fromarray(sheet).save(tmp_path / f"step-{step:06d}.png")
    figure = plots.training_strip(tmp_path, face=1)
    shown = [axis.images[0].get_array()[0, 0, 0] for axis in figure.axes]
    assert shown[:6] == [20, 21, 41, 61, 81, 101]
    assert shown[6:12] == [127, 22, 42, 62, 82, 102]
    assert shown[12:18] == [23, 24, 44, 64, 84, 104]
    assert "step 400" in figure.axes[2].get_title()


def test_threshold_curves_mark_the_threshold_and_say_its_values():
    figure = plots.threshold_curves(lambda t: {"recall": 1 - t, "precision": t}, 0.25)
    axis = figure.axes[0]
    _, labels = axis.get_legend_handles_labels()
    assert labels == ["recall: 75%", "precision: 25%"]
    assert [list(line.get_xdata()) for line in axis.lines][1] == [0.25]
    assert len({line.get_linestyle() for line in axis.lines[::2]}) > 1, "not by colour alone"
