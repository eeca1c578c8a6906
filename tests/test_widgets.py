"""Every control of every widget is moved once, and what it shows must change.

Each picture must say what it shows, and say something else where it shows something else.
"""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from helpers import attributes, datasets, widgets
from helpers.celeba import AttributeTable, find_celeba, read_celeba

SIDE = attributes.SIDE
# From conftest: the fixture `celeba`, a folder of 40 photos in CelebA's format.


def find(widget, description):
    """Return the control with this description, anywhere inside a widget."""
    for child in getattr(widget, "children", ()):
        if getattr(child, "description", "") == description:
            return child
        if found := find(child, description):
            return found
    return None


def texts(widget):
    """Return what the HTML inside a widget says, in order."""
    if isinstance(widget, widgets.ipywidgets.HTML):
        return [widget.value]
    assert not isinstance(widget, widgets.ipywidgets.Image), "has no alt text"
    return [text for child in getattr(widget, "children", ()) for text in texts(child)]


def pictures(widget):
    return [text for text in texts(widget) if "<img" in text]


def alts(widget):
    return [re.search(r'<img alt="([^"]+)"', picture)[1] for picture in pictures(widget)]


def open_png(picture):
    data = re.search(r"base64,([^\"]+)", picture)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def moves(widget, description, value):
    """Set a control, and return whether each picture changed; its words must change with it."""
    before = list(zip(pictures(widget), alts(widget), strict=True))
    find(widget, description).value = value
    after = zip(pictures(widget), alts(widget), strict=True)
    changed = []
    for (picture, alt), (new_picture, new_alt) in zip(before, after, strict=True):
        changed.append(open_png(picture).tobytes() != open_png(new_picture).tobytes())
        assert not changed[-1] or alt != new_alt, "another picture, the same words"
    return changed


@pytest.fixture
def browser(celeba):
    table, photos = read_celeba(find_celeba(celeba))
    return attributes.attribute_browser(table, photos)


def test_the_browser_shows_counts_faces_and_company(browser, celeba):
    assert "<b>20</b> with Eyeglasses, <b>20</b> without" in browser.children[1].value
    sheet = open_png(pictures(browser)[0])
    assert sheet.shape == (2 * SIDE, 8 * SIDE, 3)
    first_with = datasets.read_image(celeba / "img_align_celeba" / "000002.jpg", SIDE)
    np.testing.assert_array_equal(sheet[:SIDE, :SIDE], first_with)


def test_every_control_of_the_browser_does_something(browser):
    assert moves(browser, "page", 2)[0]
    assert moves(browser, "side", "without")[0]
    assert all(moves(browser, "attribute", "Smiling"))


def test_a_shorter_list_of_pages_moves_back_to_one_that_exists(browser):
    find(browser, "page").value = 2
    assert find(browser, "page").max == 2
    assert open_png(pictures(browser)[0]).shape == (SIDE, 8 * SIDE, 3)  # the last 4


def test_the_browser_counts_what_it_cannot_read(celeba):
    (celeba / "img_align_celeba" / "000002.jpg").write_bytes(b"not a photo")
    (celeba / "img_align_celeba" / "000004.jpg").unlink()
    table, photos = read_celeba(find_celeba(celeba))
    browser = attributes.attribute_browser(table, photos)
    assert browser.children[3].value == "2 of these can't be read."


def test_co_occurrence_puts_the_widest_gap_first():
    values = np.array([[1, 1, 1], [1, 1, -1], [-1, -1, 1], [-1, -1, -1]], np.int8)
    table = AttributeTable(list("abcd"), ["Eyeglasses", "Male", "Hat"], values)
    axis = attributes.co_occurrence(table, "glasses").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Hat", "Male"]
    ends = [tuple(line.get_xdata()) for line in axis.lines]
    assert ends == [(0.5, 0.5), (1.0, 0.0)]


def test_the_browser_says_in_words_what_goes_together(browser):
    sheet, company = alts(browser)
    assert sheet == "16 photos with Eyeglasses, page 1"
    assert re.search(r"Eyeglasses and without it; widest apart: \w+, \d+% and \d+%", company)


def test_style_sliders_give_the_network_what_they_say():
    def network(inputs):
        images, style = inputs
        assert images.dtype == style.dtype == np.float32 and style.shape == (1, 4)
        number = 0.5 * style[0, 0] - 0.25 * style[0, 1] - 0.5 * style[0, 2] + 0.125 * style[0, 3]
        return np.full_like(images, number)

    card = {"styles": ["shape", "colour", "round", "square"], "kinds": ["round", "square"]}
    widget = widgets.style_sliders(network, card, np.zeros((128, 128, 3)))

    def edited():
        return open_png(pictures(widget)[0])[0, [0, 256], 0].tolist()

    assert edited() == [128, 128]
    assert moves(widget, "shape", 1.0) == [True]
    assert edited() == [128, 191]
    assert moves(widget, "colour", -1.0) == [True]
    assert edited() == [128, 223]
    assert alts(widget) == ["The face, and edited with as it suits, shape 1, colour -1"]
    assert moves(widget, "kind", "round") == [True]
    assert edited() == [128, 159]
    assert moves(widget, "kind", "square") == [True]  # instead of it, not beside it
    assert edited() == [128, 239]
    # Without a kind, it is asked for the one that suits: hair not dark, clothes dark.
    suits = [["square"] * 3, ["round", "square", "square"], ["square"] * 3]
    gray = np.full((128, 128, 3), -0.5)
    widget = widgets.style_sliders(network, card | {"suits": suits}, gray)
    assert edited() == [64, 0]
    widget = widgets.style_sliders(network, card | {"suits": [["square"] * 3] * 3}, gray)
    assert edited() == [64, 80]
    rule = {"box": [0, 0, 1, 1], "stops": [0, 0.5], "numbers": [0, 1]}
    widget = widgets.style_sliders(network, card | {"by_light": {"shape": rule}}, gray)
    assert edited() == [64, 64 + 32]  # half of the way to 1
    older = widgets.style_sliders(network, {"styles": card["styles"]}, np.zeros((128, 128, 3)))
    assert alts(older) == ["The face, and edited with as it suits"]
    assert len(older.children) == 4 + 1


def test_residual_strength_is_image_edit_residual():
    calls = []

    def generator(images):
        calls.append(images.shape)
        return np.full_like(images, 0.5)

    images = np.stack([np.full((4, 4, 3), v, np.float32) for v in (-1, 1)])
    widget = widgets.residual_strength(generator, images)

    def row():
        return open_png(pictures(widget)[0])[0, [0, 8, 16], 0].tolist()

    assert open_png(pictures(widget)[0]).shape == (8, 24, 3)
    assert row() == [0, 64, 191]
    assert moves(widget, "strength", 0.0) == [True]
    assert row() == [0, 0, 128]
    assert moves(widget, "face", 2) == [True]
    assert moves(widget, "strength", 2.0) == [True]
    assert row() == [255, 255, 255]
    assert calls == [(2, 4, 4, 3)], "the generator runs once"


def test_every_slider_of_the_loss_weights_does_something():
    measured = []

    def parts(strength):
        measured.append(strength)
        return {"GAN": 1.0, "pixel": 0.1 * strength}

    def step(strength, weights):
        asked.append((strength, weights))
        return {"step": [np.full((2, 2, 3), len(asked), np.uint8)]}

    asked = []
    widget = widgets.loss_weights(parts, {"GAN": 1.0, "pixel": 2.0}, step)
    assert moves(widget, "GAN", 3.0) == [True, True]
    assert moves(widget, "pixel", 20.0) == [True, True]
    assert moves(widget, "residual ×", 2.0) == [True, True]
    assert measured == [1.0, 2.0], "a weight alone measures nothing again"
    assert asked[-1] == (2.0, pytest.approx({"GAN": 3.0, "pixel": 20.0}))
    assert alts(widget)[1] == "step, for GAN 3, pixel 4"


def test_weighted_parts_shows_products_and_their_sum():
    axis = widgets.weighted_parts({"GAN": (1.0, 1.5), "pixel": (2.0, 0.25)}).axes[0]
    assert [bar.get_width() for bar in axis.patches] == [0.5, 1.5]
    assert axis.get_title(loc="left") == "sum: 2.000"


@pytest.mark.parametrize(
    ("expected", "got", "right"),
    [
        (524544, 524544, True),
        (524544, 524545, False),  # a count is exact
        (524544, 520000, False),
        (524544, None, False),
        (19600, 980 / 5 * 100, True),  # a division makes a float
        (19600, 19600.4, False),
        (19600, float("nan"), False),
        (1.0986, np.float32(1.09861), True),
        (np.array([1.0, 2.0]), [1.0, 2.0], True),
        (np.array([1.0, 2.0]), [1.0], False),
        ("REAL_WITH", "REAL_WITH", True),
        ("None", None, True),
        ("a word", object(), False),
        ((64, 64, 3), (64, 64, 3), True),
        ((64, 64, 3), ..., False),
    ],
)
def test_check_says_what_it_expected_and_never_raises(capsys, expected, got, right):
    widgets.check("the answer", expected, got)
    line = capsys.readouterr().out
    assert line.startswith("✓ the answer: expected" if right else "… the answer: expected")
    assert "yours" in line


def test_flip_through_shows_the_picture_that_was_chosen():
    black, white = (np.full((4, 4, 3), value, np.float32) for value in (-1, 1))
    widget = widgets.flip_through({"2 bits": black, "8 bits": white}, "A square", zoom=3)
    assert alts(widget) == ["A square: 2 bits"]
    assert open_png(pictures(widget)[0]).shape == (12, 12, 3)
    assert open_png(pictures(widget)[0]).max() == 0
    assert moves(widget, "show", "8 bits") == [True]
    assert open_png(pictures(widget)[0]).min() == 255


def test_every_slider_of_the_crop_explorer_reaches_the_drawing():
    asked = []

    def draw(**crop):
        asked.append(crop)
        return np.full((2, 2, 3), len(asked), np.uint8)

    widget = widgets.crop_explorer(draw)
    assert asked == [{"turn": 0, "scale": 1.0, "right": 0, "down": 0}]
    controls = {"turn": ("turn (°)", 15), "scale": ("scale", 1.5), "right": ("right (px)", 4)}
    for name, (description, value) in {**controls, "down": ("down (px)", -4)}.items():
        assert moves(widget, description, value) == [True]
        assert asked[-1][name] == value


def test_the_threshold_moves_counts_groups_and_curves():
    scores = {"real with": np.array([0.9, 0.6, 0.2]), "real without": np.array([0.1, 0.7])}

    def confusion(threshold):
        found = {name: int((values > threshold).sum()) for name, values in scores.items()}
        return {"found": found["real with"], "false alarms": found["real without"]}

    def quality(threshold):
        return {"recall": confusion(threshold)["found"] / 3, "constant": 0.5}

    widget = widgets.threshold_explorer(scores, confusion, quality)
    assert texts(widget)[0] == "<b>2</b> found; <b>1</b> false alarms"
    assert moves(widget, "threshold", 0.8) == [True, True]
    assert texts(widget)[0] == "<b>1</b> found; <b>0</b> false alarms"
    groups, curves = alts(widget)
    assert groups.endswith("calls with: 33% of real with, 0% of real without")
    assert curves.endswith("at 0.80: recall 33%, constant 50%")


@pytest.fixture
def game():
    """Three faces: the discriminator is right, wrong and right."""
    images = np.stack([np.full((4, 4, 3), v, np.uint8) for v in (10, 20, 30)])
    truth = np.array([True, False, True])
    return widgets.discriminator_game(images, truth, np.array([0.9, 0.8, 0.7]))


def test_the_game_counts_both_players_and_shows_face_after_face(game):
    real, generated, onwards = (find(game, name) for name in ("real", "generated", "next face"))
    assert open_png(pictures(game)[0]).shape == (16, 16, 3)
    assert onwards.disabled and not real.disabled
    assert "generated" not in texts(game)[1].split("real or")[0]

    generated.click()
    assert "It is <b>generated</b>. You are right." in texts(game)[1]
    assert "90%" in texts(game)[1] and texts(game)[1].endswith("and is right.")
    assert texts(game)[2] == "Right so far: you 1, the discriminator 1, of 1."
    assert real.disabled and generated.disabled and not onwards.disabled
    real.click()  # too late
    assert texts(game)[2].endswith("of 1.")

    onwards.click()
    onwards.click()  # no face is skipped by a double click
    assert open_png(pictures(game)[0]).max() == 20
    assert alts(game) == ["Face 2 of 3, with glasses. Real or generated?"]
    real.click()
    assert texts(game)[2] == "Right so far: you 2, the discriminator 1, of 2."


def test_the_game_ends_and_begins_again(game):
    for _ in range(2):
        find(game, "real").click()
        find(game, "next face").click()
    find(game, "real").click()
    assert texts(game)[2] == "Right so far: you 1, the discriminator 2, of 3."
    find(game, "play again").click()
    assert open_png(pictures(game)[0]).max() == 10
    assert texts(game)[1:] == ["Face 1 of 3: real or generated?", ""]
    assert find(game, "next face").disabled


def test_every_button_of_the_gallery_shows_its_own_sheet(tmp_path):
    sheets = [(d, c) for d in ("add", "remove") for c in ("worst", "best", "random")]
    for number, (direction, choice) in enumerate(sheets):
        (tmp_path / direction).mkdir(exist_ok=True)
        sheet = Image.fromarray(np.full((2, 2, 3), number, np.uint8))
        sheet.save(tmp_path / direction / f"{choice}.png")
    widget = widgets.failure_gallery(tmp_path)
    assert moves(widget, "which", "random") == [True]
    assert moves(widget, "direction", "remove") == [True]
    assert open_png(pictures(widget)[0]).max() == sheets.index(("remove", "random"))
