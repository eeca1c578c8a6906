"""The commands as a user types them, on tiny data; errors are text, never a traceback."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from helpers import (
    classifier,
    datasets,
    export,
    inverter,
    networks,
    pixels,
    styling,
    thumbnails,
    training,
    weight_files,
)
from helpers.drawn import faces, worn
from helpers.errors import TrainingError
from helpers.profiles import ROOT
from tooling import notebooks, page

SIZE = 32


@pytest.fixture
def weights(tmp_path):
    """Weights of both directions whose residual is plain to see: the mask is open everywhere."""
    folder = tmp_path / "weights"
    for direction in training.DIRECTIONS:
        generator = networks.attention_generator(SIZE, 4)
        generator.get_layer("heads").bias.assign([2.0, -2.0, 0.0, 4.0])
        card = {
            "attribute": "glasses",
            "direction": direction,
            "network": "attention",
            "size": SIZE,
            "width": 4,
            "parameters": generator.count_params(),
            "data": "drawn faces",
            "licence": "Apache-2.0",
        }
        weight_files.save_generator(folder / f"glasses-{direction}.npz", generator, card)
    return folder


@pytest.fixture
def styled(weights):
    """Weights that know two styles, and show the first: it makes what is painted brighter."""
    path = weights / "glasses-add.npz"
    generator = networks.attention_generator(SIZE, 4, styles=2)
    generator.get_layer("heads").bias.assign([0.0, 0.0, 0.0, 4.0])
    card = weight_files.load_generator(path)[1] | {"styles": ["shape", "lenses"]}
    weight_files.save_generator(path, generator, card)
    return weights


def test_every_command_explains_itself(course):
    code, text = course("--help")
    assert code == 0
    for command in ("lab", "run", "split", "train", "invert", "evaluate", "export", "web"):
        assert command in text
        code, help_text = course(command, "--help")
        assert code == 0 and "--help" in help_text
    assert "[default: 24]" in course("train", "--help")[1]  # no markup, though in brackets


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["train", "--attribute", "hat", "--data", "nowhere", "--out", "out"],
        ["invert", "nowhere.jpg", "--attribute", "hat", "--direction", "add", "--out", "out"],
        ["evaluate", "--attribute", "hat", "--data", "nowhere", "--out", "out"],
        ["export", "--attribute", "hat", "--weights", "nowhere", "--out", "out"],
        ["bench", "data", "--data", "nowhere"],
    ],
    ids=lambda words: words[0],
)
def test_nothing_but_the_course_speaks(words, tmp_path):
    """TensorFlow's own remarks go past Python, so a process of its own it must be."""
    command = [sys.executable, "-m", "tooling.cli", *words]
    environment = {"PYTHONPATH": str(ROOT), "COLUMNS": "200", **os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # of the tests
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "nowhere" in done.stdout + done.stderr
    # As TensorFlow writes: "WARNING: All log messages before ...", "E0000 00:00:17000000.7 ...".
    assert not re.search(r"^(WARNING|[IWEF]\d{4} |\d{4}-)", done.stderr, re.MULTILINE), done.stderr


def test_a_crash_in_what_is_silenced_is_told():
    code = "import os; from helpers.processes import silenced\nwith silenced(): os.abort()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "Fatal Python error: Aborted" in done.stderr and "line 2" in done.stderr


def test_split_writes_both_sides(course, celeba, tmp_path):
    code, text = course(
        "split", "--attribute", "glasses", "--data", celeba, "--out", tmp_path / "s", "--size", SIZE
    )
    assert code == 0, text
    pictures = list((tmp_path / "s").glob("*/*/*.png"))
    assert len(pictures) == 40
    assert {Image.open(p).size for p in pictures} == {(SIZE, SIZE)}


def test_what_split_says_to_run_next_can_be_run(course, celeba, tmp_path, monkeypatch):
    folder = tmp_path / "a folder"
    code, text = course(
        "split", "--attribute", "Smiling", "--data", celeba, "--out", folder, "--size", SIZE
    )
    assert code == 0, text
    words = shlex.split(re.search(r"python3 course\.py (.+)", text)[1])
    assert words[:5] == ["train", "--attribute", "Smiling", "--data", str(folder)]
    assert words[5:7] == ["--size", str(SIZE)]
    monkeypatch.chdir(tmp_path)
    code, text = course(*words, "--steps", 1, "--width", 4)
    assert code == 0 and (tmp_path / "runs" / "smiling" / "weights").is_dir(), text


@pytest.mark.parametrize(
    ("chosen", "said", "profile"),
    [(None, None, "quick"), (None, "full", "full"), ("quick", "full", "quick")],
)
def test_run_takes_the_profile_that_the_environment_says(
    course, monkeypatch, chosen, said, profile
):
    asked = []
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    if said:
        monkeypatch.setenv("COURSE_PROFILE", said)
    monkeypatch.setattr(notebooks, "run_notebooks", lambda *words: asked.append(words[0]) or True)
    assert course("run", *(["--profile", chosen] if chosen else []))[0] == 0
    assert asked == [profile]


def test_a_profile_that_there_is_not_is_refused_at_once(course, monkeypatch):
    code, text = course("run", "--profile", "fulll")
    assert code == 2 and "'fulll'" in text and "quick" in text
    monkeypatch.setenv("COURSE_PROFILE", "fulll")
    code, text = course("run", "--only", "00")
    assert code == 1 and "COURSE_PROFILE is" in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("train", "--seed", -1),
        ("split", "--seed", 2**32),
        ("evaluate", "--seed", -1),
        ("train", "--epochs", "inf"),
        ("train", "--cache", "inf"),
        ("train", "--minutes", "nan"),
    ],
)
def test_numbers_out_of_range_are_refused(course, tmp_path, command, option, value):
    code, text = course(command, "--attribute", "glasses", "--out", tmp_path / "out", option, value)
    assert code == 2 and option in text and "equal to" in text and "Traceback" not in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("split", "--attribute", "glases"), "Did you mean glasses"),
        (("train", "--attribute", "Eyeglases", "--steps", 1), "Did you mean Eyeglasses"),
    ],
)
def test_a_wrong_attribute_is_text_and_leaves_nothing(course, celeba, tmp_path, arguments, message):
    code, text = course(*arguments, "--data", celeba, "--out", tmp_path / "out")
    assert code == 1 and message in text and "Traceback" not in text
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("eagerly")
def test_train_twice_goes_on(course, celeba, tmp_path):
    options = ["--attribute", "glasses", "--data", celeba, "--out", tmp_path / "run"]
    options += ["--size", SIZE, "--width", 4, "--batch", 2]
    code, text = course("train", *options, "--steps", 2)
    assert code == 0, text
    code, text = course("train", *options, "--steps", 3)
    assert code == 0 and "going on from step 2" in text and "Step 3" in text
    card = weight_files.load_generator(tmp_path / "run" / "weights" / "glasses-add.npz")[1]
    assert card["steps"] == 3 and card["parameters"] > 0
    code, text = course("train", *options[:-1], 4, "--steps", 4)
    assert code == 1 and "batch: 2 there, 4 now" in text


def test_invert_edits_a_folder_and_names_what_it_can_not(course, weights, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (50, 60, 3), np.uint8)).save(photos / "good.png")
    (photos / "bad.jpg").write_text("no photo")
    long = "a-long-name-" * 20
    Image.open(photos / "good.png").save(photos / f"{long}.png")
    if os.name == "posix" and sys.platform != "darwin":  # a name that is no UTF-8
        shutil.copy(photos / "good.png", os.fsencode(photos) + b"/caf\xe9.png")
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    code, text = course(
        "invert", photos, tmp_path / "empty", "--attribute", "glasses", "--direction", "add",
        "--weights", weights, "--out", out, "--aligned", "--residual",
    )  # fmt: skip
    assert code == 1 and "bad.jpg: can't be read" in text and "1 not edited" in text
    edited = np.asarray(Image.open(out / "good-glasses-add.png"))
    photo = np.asarray(Image.open(photos / "good.png"))
    assert edited.shape == photo.shape
    assert (edited != photo).mean() > 0.3
    assert Image.open(out / "good-glasses-add-residual.png").size == (SIZE, SIZE)
    assert "good-glasses-add.png: 1 face edited" in text
    assert "empty: no photo is in this folder" in text
    assert [path.name[:9] for path in out.glob("a-*")] == ["a-long-na"] * 2  # and its residual
    assert len(list(out.glob("caf*"))) in (0, 2)


@pytest.mark.slow
def test_invert_says_where_it_found_no_face(course, weights, tmp_path):
    Image.new("RGB", (80, 80), "gray").save(tmp_path / "wall.png")
    code, text = course(
        "invert", tmp_path / "wall.png", "--attribute", "glasses", "--direction", "add",
        "--weights", weights, "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 1 and "wall.png: no face found" in text
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_invert_says_which_faces_are_not_upright(course, weights, tmp_path):
    from skimage import data

    portrait = Image.fromarray(data.astronaut()).crop((100, 0, 340, 240))
    for name, turns in {"one": [0], "side": [90], "two": [0, 180]}.items():
        photo = Image.new("RGB", (240 * len(turns), 240))
        for i, turned in enumerate(turns):
            photo.paste(portrait.rotate(-turned), (240 * i, 0))
        photo.save(tmp_path / f"{name}.png")
    code, text = course(
        "invert", *(tmp_path / f"{name}.png" for name in ("one", "side", "two")),
        "--attribute", "glasses", "--direction", "add",
        "--weights", weights, "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, text
    assert re.search(r"one-glasses-add.png: 1 face edited$", text, re.M)
    assert re.search(r"side-.*: 1 face edited, found turned by 90 degrees clockwise$", text, re.M)
    assert re.search(
        r"two-.*: 2 faces edited, found turned by 0 and 180 degrees clockwise$", text, re.M
    )


def test_invert_without_weights_says_where_it_looked(course, tmp_path):
    Image.new("RGB", (80, 80)).save(tmp_path / "p.png")
    code, text = course(
        "invert", tmp_path / "p.png", "--attribute", "Smiling", "--direction", "add",
        "--weights", tmp_path / "none", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 1 and "smiling-add.npz" in text and "train" in text


def test_a_strength_of_zero_changes_nothing(weights):
    generator, _ = weight_files.load_generator(weights / "glasses-add.npz")
    photo = np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8)
    inverted = inverter.invert_photo(photo, generator, strength=0, aligned=True)
    np.testing.assert_array_equal(inverted.edited, photo)
    assert abs(inverted.residuals[0]).max() > 0.1


def test_an_aligned_crop_of_the_networks_size_is_edited_as_it_is(weights):
    generator, _ = weight_files.load_generator(weights / "glasses-add.npz")
    photo = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    inverted = inverter.invert_photo(photo, generator, aligned=True)
    np.testing.assert_array_equal(inverted.crops[0], photo)
    expected = pixels.to_bytes(pixels.to_unit(photo) + inverted.residuals[0])
    inside = slice(4, -4)  # the paste-back feathers the border
    difference = np.abs(inverted.edited[inside, inside].astype(int) - expected[inside, inside])
    assert difference.max() <= 2


@pytest.mark.parametrize(
    ("height", "width", "top", "left"),
    [
        (218, 178, 20, 0),  # CelebA's: the networks learned rows 20 to 198
        (120, 161, 0, 20),
        (161, 120, 20, 0),
        (9, 4, 2, 0),
        (1, 3, 0, 1),
        (1, 1, 0, 0),
    ],
)
def test_an_aligned_photo_is_edited_in_the_square_that_was_learned(
    weights, tmp_path, height, width, top, left
):
    generator, _ = weight_files.load_generator(weights / "glasses-add.npz")
    photo = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "p.png")
    side = min(height, width)
    place = slice(top, top + side), slice(left, left + side)
    inverted = inverter.invert_photo(photo, generator, aligned=True)
    np.testing.assert_array_equal(inverted.crops[0], datasets.read_image(tmp_path / "p.png", SIZE))
    # As the square alone, pixel by pixel; and around it nothing changes.
    alone = inverter.invert_photo(photo[place], generator, aligned=True)
    np.testing.assert_array_equal(inverted.crops, alone.crops)
    np.testing.assert_array_equal(inverted.residuals, alone.residuals)
    np.testing.assert_array_equal(inverted.edited[place], alone.edited)
    assert (alone.edited != photo[place]).mean() > 0.5
    inverted.edited[place] = photo[place]
    np.testing.assert_array_equal(inverted.edited, photo)


def test_invert_draws_in_the_style_that_is_chosen(course, styled, tmp_path):
    photo = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "p.png")
    network, card = weight_files.load_network(styled / "glasses-add.npz")
    for chosen, style in (((), (0, 0)), (("lenses=-1", "shape=0.5"), (0.5, -1))):
        options = [each for name in chosen for each in ("--style", name)]
        code, text = course(
            "invert", tmp_path / "p.png", "--attribute", "glasses", "--direction", "add",
            "--weights", styled, "--out", tmp_path / "out", "--aligned", *options,
        )  # fmt: skip
        assert code == 0, text
        edited = np.asarray(Image.open(tmp_path / "out" / "p-glasses-add.png"))
        generator = styling.in_style(network, style)
        expected = inverter.invert_photo(photo, generator, aligned=True).edited
        np.testing.assert_array_equal(edited, expected)
    suits = weight_files.load_generator(styled / "glasses-add.npz")[0]
    other = weight_files.load_generator(styled / "glasses-add.npz", (0.5, -1))[0]
    unit = pixels.to_unit(photo[None])
    assert np.abs(suits(unit) - other(unit)).max() > 1e-3
    np.testing.assert_array_equal(other(unit), styling.in_style(network, (0.5, -1))(unit))


@pytest.mark.parametrize(
    ("style", "direction", "code", "words"),
    [
        ("colour=1", "add", 1, "no style 'colour' to choose: glasses-add knows the styles shape, "),
        ("shape=1", "remove", 1, "glasses-remove knows no styles"),
        ("shape=2", "add", 1, "from -1 to 1, with 0 what suits: not shape=2"),
        ("shape=nan", "add", 1, "not shape=nan"),
        ("shape", "add", 2, "a name and a number, such as size=0.5, or a kind"),
        ("shape=wide", "add", 2, "not 'shape=wide'"),
        ("kind=round", "add", 1, "no kind 'round' to choose: glasses-add knows the styles shape, "),
        ("kind=round", "remove", 1, "glasses-remove knows no styles"),
    ],
)
def test_a_style_that_there_is_not_is_explained(
    course, styled, tmp_path, style, direction, code, words
):
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "p.png")
    told, text = course(
        "invert", tmp_path / "p.png", "--attribute", "glasses", "--direction", direction,
        "--weights", styled, "--out", tmp_path / "out", "--aligned", "--style", style,
    )  # fmt: skip
    assert told == code and words in text and "Traceback" not in text
    assert not (tmp_path / "out").exists()


KINDS = {
    "attribute": "hat",
    "direction": "add",
    "styles": ["cap", "top hat", "size", "low"],
    "kinds": ["cap", "top hat"],
}


@pytest.mark.parametrize(
    ("chosen", "style"),
    [
        ({}, [0, 0, 0, 0]),
        ({"kind": "cap"}, [1, 0, 0, 0]),
        ({"low": -0.5, "kind": "Top-Hat "}, [0, 1, 0, -0.5]),
        ({"kind": "top_hat", "size": 1}, [0, 1, 1, 0]),
    ],
)
def test_a_kind_is_chosen_by_its_name(chosen, style):
    assert styling.choose_style(KINDS, chosen) == style


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"kind": "crown"}, "no kind 'crown' to choose: hat-add knows the kinds cap, top hat, and"),
        ({"kind": ""}, "the styles size, low"),
        ({"cap": 1.0}, "'cap' is a kind, not a number: choose kind=cap"),
        ({"kind": "cap", "top hat": 1.0}, "choose kind=top hat"),
        ({"kind": "cap", "lenses": 1.0}, "no style 'lenses'"),
        ({"kind": "cap", "size": 2.0}, "not size=2"),
    ],
)
def test_a_kind_that_there_is_not_names_those_that_there_are(chosen, words):
    with pytest.raises(TrainingError, match=words):
        styling.choose_style(KINDS, chosen)


@pytest.fixture
def kinds(weights):
    """Weights that know the kinds of glasses of this course, at 256 px, and draw each otherwise."""
    path = weights / "glasses-add.npz"
    names, choices = worn.STYLES["glasses"], worn.CHOICES["glasses"]
    generator = networks.attention_generator(256, 4, styles=len(names))
    rng = np.random.default_rng(0)
    generator.set_weights([w + rng.normal(0, 0.1, w.shape) for w in generator.get_weights()])
    card = weight_files.load_generator(path)[1]
    card |= {"size": 256, "styles": names, "kinds": choices}
    weight_files.save_generator(path, generator, card)
    return path


def test_a_kind_is_chosen_in_the_command_and_two_at_once_are_refused(course, kinds, tmp_path):
    photo = faces.draw_face(3, 256)
    Image.fromarray(photo).save(tmp_path / "p.png")
    words = ["invert", tmp_path / "p.png", "--attribute", "glasses", "--direction", "add"]
    words += ["--weights", kinds.parent, "--out", tmp_path / "out", "--aligned"]
    words += ["--style", "kind=cat eye"]
    code, text = course(*words, "--style", "lenses=0.5", "--style", "kind=cat eye")
    assert code == 0, text
    edited = np.asarray(Image.open(tmp_path / "out" / "p-glasses-add.png"))
    style = worn.row("glasses", "cat-eye", lenses=0.5)
    generator = weight_files.load_generator(kinds, style)[0]
    expected = inverter.invert_photo(photo, generator, aligned=True).edited
    np.testing.assert_array_equal(edited, expected)
    # Without a kind, it is the one that suits.
    code, text = course(*words[:-2])
    assert code == 0, text
    edited = np.asarray(Image.open(tmp_path / "out" / "p-glasses-add.png"))
    network, card = weight_files.load_network(kinds)
    asked = styling.suiting_style(pixels.to_unit(photo[None]), card)[0].numpy()
    assert asked[: len(card["kinds"])].sum() == 1 and asked[len(card["kinds"]) :].any()
    generator = styling.in_style(network, asked)
    expected = inverter.invert_photo(photo, generator, aligned=True).edited
    zeros = inverter.invert_photo(photo, styling.in_style(network), aligned=True).edited
    assert np.abs(edited.astype(int) - expected).max() <= 1
    assert np.abs(edited.astype(int) - zeros).max() > 5
    code, text = course(*words, "--style", "kind=round")
    assert code == 2 and "kind=cat eye or kind=round, not both" in text
    code, text = course(*words[:-1], "kind=heart")
    assert code == 1 and "knows the kinds rectangle, square, round, " in text


@pytest.mark.slow
def test_kinds_are_exported_with_their_pictures_at_256_px(kinds, tmp_path):
    network, card = weight_files.load_network(kinds)
    folder = tmp_path / "models" / "glasses-add"
    export.export_generator(network, folder, card)
    assert export.check_export(folder) < 1e-3
    check = json.loads((folder / "check.json").read_text())
    style = check["style"]
    assert len(set(style)) == len(card["styles"]) and 0 not in style and max(map(abs, style)) <= 1
    graph = json.loads((folder / "model.json").read_text())
    operations = {node["op"] for node in graph["modelTopology"]["node"]}
    assert "DepthToSpace" in operations and not operations & {"Shape", "Tile", "ExpandDims"}
    (entry,) = export.write_manifest(folder.parent)["models"]
    assert entry["size"] == 256 and entry["kinds"] == card["kinds"]
    assert entry["suits"] == [list(row) for row in styling.SUITS["glasses"]]
    assert entry["by_light"] == styling.BY_LIGHT["glasses"]
    assert json.loads((folder / "card.json").read_text())["kinds"] == card["kinds"]
    pictures = folder.parent / entry["pictures"]
    assert pictures.stat().st_size < 40_000
    assert Image.open(pictures).size == (
        thumbnails.SIDE * (1 + len(card["kinds"])),
        thumbnails.SIDE,
    )
    # Kinds that can't be drawn here go without pictures, and a fixed style without a choice.
    other = card | {"kinds": [*card["kinds"][:-1], "heart"]}
    export.export_generator(network, folder, other)
    (entry,) = export.write_manifest(folder.parent)["models"]
    assert "pictures" not in entry and "heart" in entry["kinds"]
    export.export_generator(styling.in_style(network), folder, card)
    (entry,) = export.write_manifest(folder.parent)["models"]
    assert not entry.keys() & {"styles", "kinds", "suits", "by_light", "pictures"}
    # What is loaded for one image in, one residual out, chooses what suits in the page, too.
    generator, card = weight_files.load_generator(kinds)
    export.export_generator(generator, folder, card)
    image = pixels.to_unit(faces.draw_face(3, 256)[None])
    assert np.abs(export.graph_output(folder, image) - generator(image).numpy()).max() < 0.01


@pytest.mark.slow
def test_numbers_that_git_keeps_once_are_filled_in_when_the_page_is_built(weights, tmp_path):
    source = weights / "glasses-add.npz"
    folder = tmp_path / "models" / "glasses-add"
    generator, card = weight_files.load_network(source)
    export.export_generator(generator, folder, card)
    before = export.check_export(folder)
    export.share_weights(folder, source)
    assert export.check_export(folder) == before
    assert {path.name for path in folder.glob("*.bin")} == {"weights.bin", "constants.bin"}
    assert (folder / "constants.bin").stat().st_size < 1000
    numbers = (folder / "weights.bin").read_bytes()
    (folder / "weights.bin").unlink()
    page.fill_in(folder.parent, weights)
    assert (folder / "weights.bin").read_bytes() == numbers
    # What older weights left there is replaced, and of other weights none is made.
    (folder / "weights.bin").write_bytes(bytes(len(numbers)))
    page.fill_in(folder.parent, weights)
    assert (folder / "weights.bin").read_bytes() == numbers
    (folder / "weights.bin").unlink()
    weight_files.save_generator(source, generator, card | {"steps": 123_456})
    with pytest.raises(page.PageError, match="exported from other weights than .*glasses-add.npz"):
        page.fill_in(folder.parent, weights)
    assert not (folder / "weights.bin").exists()


@pytest.mark.parametrize("attribute", worn.CHOICES)
def test_each_kind_has_a_picture_of_its_own(attribute):
    names = worn.CHOICES[attribute]
    sprite = thumbnails.draw(attribute, names).astype(int)
    tiles = np.split(sprite, 1 + len(names), axis=1)
    for i, one in enumerate(tiles):
        assert one.shape == (thumbnails.SIDE, thumbnails.SIDE, 3)
        for other in tiles[:i]:
            assert (np.abs(one - other).max(axis=2) > 16).mean() > 0.005


@pytest.mark.slow
def test_a_style_is_exported_and_agrees_with_keras(styled, tmp_path):
    network, card = weight_files.load_network(styled / "glasses-add.npz")
    folder = tmp_path / "models" / "glasses-add"
    export.export_generator(network, folder, card)
    assert export.check_export(folder) < 1e-3
    image = pixels.to_unit(faces.draw_face(3, SIZE)[None])
    for style in ((0, 0), (-0.5, 1)):
        expected = styling.in_style(network, style)(image).numpy()
        assert np.abs(export.graph_output(folder, image, style) - expected).max() < 0.005
    (entry,) = export.write_manifest(folder.parent)["models"]
    assert entry["styles"] == card["styles"]
    graph = json.loads((folder / "model.json").read_text())
    assert sorted(graph["signature"]["inputs"]) == ["image", "style"]
    # In one style, it is a generator like any other, with nothing left to choose.
    export.export_generator(styling.in_style(network, (-0.5, 1)), folder, card)
    assert np.abs(export.graph_output(folder, image) - expected).max() < 0.005
    assert "styles" not in export.write_manifest(folder.parent)["models"][0]
    operations = {node["op"] for node in graph["modelTopology"]["node"]}
    assert not operations & {"Shape", "Tile", "ExpandDims"}


@pytest.mark.slow
def test_export_writes_models_that_agree_with_keras(course, weights, tmp_path):
    out = tmp_path / "models"
    code, text = course("export", "--attribute", "glasses", "--weights", weights, "--out", out)
    assert code == 0, text
    manifest = json.loads((out / "manifest.json").read_text())
    assert [(m["attribute"], m["direction"]) for m in manifest["models"]] == [
        ("glasses", "add"),
        ("glasses", "remove"),
    ]
    for model in manifest["models"]:
        graph = json.loads((out / model["path"]).read_text())
        assert list(graph["signature"]["inputs"]) == ["image"]
        assert len(graph["signature"]["outputs"]) == 1
        operations = {node["op"] for node in graph["modelTopology"]["node"]}
        assert not operations & {"Shape", "Tile", "ExpandDims", "Reshape"}
    (judge,) = manifest["classifiers"]
    assert judge["attributes"] == ["glasses"]
    image = pixels.to_unit(faces.draw_face(3, judge["size"], glasses=True)[None])
    (told,) = export.graph_output((out / judge["path"]).parent, image)
    model, card = classifier.load(ROOT / "weights" / "classifier-a.npz")
    logits = model(image, training=False)[0].numpy()[0]
    expected = 1 / (1 + np.exp(-logits[card["columns"].index("Eyeglasses")]))
    assert told[0] == pytest.approx(expected, abs=0.01)
    assert judge["data"] == "CelebA" and judge["licence"] == weight_files.LICENCES["CelebA"]


@pytest.fixture
def report(tmp_path):
    """What evaluate wrote of `weights`, as far as the page is interested."""
    measures = {
        "flip/classifier-a": {"value": 0.96412, "n": 620},
        "flip/classifier-b": {"value": 0.1, "n": 620},
        "same_person": {"value": 0.99},
        "outside": {"value": 2.51},
        "brightness": {"value": -1.1},
    }
    of = {"attribute": "glasses", "network": "attention"}
    path = tmp_path / "report.json"
    ways = training.DIRECTIONS
    told = {"weights": dict.fromkeys(ways, of), "directions": dict.fromkeys(ways, measures)}
    path.write_text(json.dumps(told))
    return path


@pytest.mark.slow
def test_the_papers_generator_is_exported_beside_ours_with_its_figures(weights, report, tmp_path):
    generator = networks.paper_generator(SIZE)
    _, card = weight_files.load_generator(weights / "glasses-add.npz")
    card |= {"network": "paper", "measured": export.read_measured(report, card)}
    folder = tmp_path / "models" / export.folder_name(card)
    export.export_generator(generator, folder, card)
    assert export.check_export(folder) < 1e-3
    ours = tmp_path / "models" / export.folder_name({**card, "network": "attention"})
    assert (folder.name, ours.name) == ("glasses-add-paper", "glasses-add")
    (entry,) = export.write_manifest(tmp_path / "models")["models"]
    assert entry["network"] == "paper"
    expected = {"count": 620, "flips": 0.9641, "same_person": 0.99, "outside": 2.51}
    assert entry["measured"] == {**expected, "brightness": -1.1}


@pytest.mark.parametrize(
    "card, change, words",
    [
        ({}, {"directions": {}}, "not a report.json"),
        ({}, {"directions": {"add": {"same_person": {}}}}, "not a report.json"),
        ({"network": "paper"}, {}, "network attention there, network paper here"),
        ({"steps": 5}, {}, "steps None there, steps 5 here"),
    ],
)
def test_a_report_of_something_else_gives_no_figures(report, card, change, words):
    report.write_text(json.dumps(json.loads(report.read_text()) | change))
    card = {"attribute": "glasses", "direction": "add", "network": "attention", **card}
    with pytest.raises(TrainingError, match=words):
        export.read_measured(report, card)


def test_a_classifier_that_does_not_know_the_attribute_is_not_exported(tmp_path):
    model, card = classifier.load(ROOT / "weights" / "classifier-a.npz")
    with pytest.raises(TrainingError, match="does not know Scarf"):
        export.export_classifier(model, tmp_path / "classifier", card, ["Scarf"])
    assert not list(tmp_path.iterdir())


def float_weights(folder):
    """Where in the shard the float16 weights lie: (offset, bytes) of each."""
    (group,) = json.loads((folder / "model.json").read_text())["weightsManifest"]
    offset = 0
    for entry in group["weights"]:
        stored = np.dtype(entry.get("quantization", entry)["dtype"])
        length = int(np.prod(entry["shape"], dtype=int)) * stored.itemsize
        if stored == np.float16:
            yield offset, length
        offset += length


@pytest.mark.slow
@pytest.mark.parametrize("network", ["attention", "paper"])
def test_the_parity_check_sees_a_wrong_weight(course, weights, tmp_path, network):
    """Also of the paper's generator before it has learned, which moves no pixel by a gray level."""
    generator, card = weight_files.load_generator(weights / "glasses-add.npz")
    if network == "paper":
        generator = networks.paper_generator(card["size"])
    folder = tmp_path / "glasses-add"
    export.export_generator(generator, folder, card)
    assert export.check_export(folder) < 0.005
    (shard,) = folder.glob("*.bin")
    data = bytearray(shard.read_bytes())
    for start, length in float_weights(folder):
        data[start : start + length] = bytes(length)
    shard.write_bytes(data)
    with pytest.raises(TrainingError, match="differs from Keras"):
        export.check_export(folder)
    shard.write_bytes(data[:-100])
    with pytest.raises(TrainingError, match="cut short"):
        export.check_export(folder)
