"""What one pass leaves, a second takes off. Of the page: web/test/secondPass.test.ts."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from helpers import (
    evaluation,
    export,
    inverter,
    networks,
    pixels,
    second_pass,
    styling,
    weight_files,
)
from helpers.errors import TrainingError
from helpers.files import read_weights
from helpers.profiles import ROOT
from helpers.training import REMOVE_DRAWN

SIZE = 64
TAUGHT = {"recipe": {"directions": ["remove"]}, "direction": "remove", "attribute": "glasses"}


def halves():
    """A network that takes half of everything off: its second pass a quarter of what was there."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    return keras.Model(image, -0.5 * image)


def test_second_pass_counts_as_far_as_it_changes_more_than_a_little():
    whole = np.float32([0, 8, 16, 24, 32, 64]) * np.float32(1 / 127.5)
    images = np.ones((6, SIZE, SIZE, 3), np.float32) * whole[:, None, None, None]
    both = second_pass.with_second_pass(halves(), 4, 8)(images).numpy() * 127.5
    # A half, and of a quarter: all of 8 and 16, none of 4 and less, half of 6.
    expected = [0, -4, -8, -12 - 6 / 2, -16 - 8, -32 - 16]
    for edit, levels in zip(both, expected, strict=True):
        np.testing.assert_allclose(edit, levels, atol=1e-4)


def test_what_is_around_a_pixel_decides_by_the_channel_that_changes_most():
    image = np.zeros((1, SIZE, SIZE, 3), np.float32)
    image[0, 30, 30, 1] = 0.8  # the mean of 3 x 3 second residuals is 0.2 * 127.5 / 9 = 2.83
    both = second_pass.with_second_pass(halves(), 2, 4)(image).numpy()[0]
    assert both[30, 30, 1] == pytest.approx(-0.4 - (2.8333 - 2) / 2 * 0.2, abs=1e-4)
    both[30, 30, 1] = 0
    assert (both == 0).all()  # exactly: what no pass changes keeps its value
    corner = np.zeros((1, SIZE, SIZE, 3), np.float32)
    corner[0, 0, 0] = 0.8  # of 2 x 2 pixels that lie in the image: 6.375
    both = second_pass.with_second_pass(halves(), 6, 7)(corner).numpy()[0]
    np.testing.assert_allclose(both[0, 0], -0.4 - 0.375 * 0.2, atol=1e-4)


def test_edits_stay_in_range():
    image = keras.Input((SIZE, SIZE, 3), name="image")
    brighter = keras.Model(image, ops.ones_like(image) * 1.5)
    crop = np.full((1, SIZE, SIZE, 3), -0.2, np.float32)
    both = second_pass.with_second_pass(brighter, 4, 8)(crop).numpy()
    np.testing.assert_allclose(crop + both, 1, atol=1e-6)


def test_only_networks_that_learned_to_take_off_from_drawn_pairs_look_twice():
    assert second_pass.levels_of(TAUGHT) == {"second_pass": second_pass.LEVELS["glasses"]}
    assert REMOVE_DRAWN["directions"] == ("remove",)  # as cards have it
    for other in (
        {"direction": "add"},
        {"recipe": {"directions": ["add", "remove"]}},
        {"recipe": {}},
        {"attribute": "Smiling"},
    ):
        assert second_pass.levels_of(TAUGHT | other) == {}
    without = {name: told for name, told in TAUGHT.items() if name != "recipe"}
    assert second_pass.levels_of(without) == {}


@pytest.fixture
def taught(tmp_path):
    """A folder of weights of both directions, never trained; the cards say that one was taught."""
    generator = networks.attention_generator(SIZE, 4)
    rng = np.random.default_rng(0)
    generator.set_weights([w + rng.normal(0, 0.1, w.shape) for w in generator.get_weights()])
    card = {"network": "attention", "revision": networks.REVISIONS["attention"], "size": SIZE}
    card |= {"width": 4, "second_pass": [0, 1], "parameters": 1, "steps": 1}  # a file has no say
    card |= {"data": "noise", "licence": "none"}
    for direction in ("add", "remove"):
        told = card | TAUGHT | {"direction": direction}
        weight_files.save_generator(tmp_path / f"glasses-{direction}.npz", generator, told)
    return tmp_path


def crops(count=2):
    rng = np.random.default_rng(1)
    return rng.uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def test_generators_make_both_passes_and_the_network_that_is_trained_on_makes_one(taught):
    path = taught / "glasses-remove.npz"
    network, card = weight_files.load_network(path)
    assert card["second_pass"] == second_pass.LEVELS["glasses"]
    once, twice = passes_of(taught)
    assert np.abs(twice - once).max() > 0.01
    loaded = weight_files.load_generator(path)[0](crops()).numpy()
    np.testing.assert_allclose(loaded, twice, atol=1e-4)
    weight_files.save_generator(path, network, card | {"recipe": {}})
    assert "second_pass" not in weight_files.load_network(path)[1]


def passes_of(folder, images=None):
    """Return what one pass and both change on `crops`."""
    network, _ = weight_files.load_network(folder / "glasses-remove.npz")
    both = second_pass.with_second_pass(network, *second_pass.LEVELS["glasses"])
    images = crops() if images is None else images
    return tuple(each(images).numpy() for each in (styling.in_style(network), both))


def test_photos_are_edited_twice(taught):
    photo = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(photo).save(taught / "p.png")
    options = {"weights": taught, "aligned": True}
    assert inverter.invert_files([taught / "p.png"], "glasses", "remove", taught, **options) == 0
    edited = np.asarray(Image.open(taught / "p-glasses-remove.png"))
    generator, _ = weight_files.load_generator(taught / "glasses-remove.npz")
    expected = inverter.invert_photo(photo, generator, aligned=True)
    np.testing.assert_allclose(edited.astype(int), expected.edited, atol=1)
    unit = pixels.to_unit(expected.crops[0][None])
    np.testing.assert_allclose(expected.residuals[0], passes_of(taught, unit)[1][0], atol=1e-4)


@pytest.mark.parametrize("one_pass", [False, True])
def test_both_passes_are_measured_unless_one_is_asked_for(taught, monkeypatch, one_pass):
    monkeypatch.setattr(evaluation, "measure", lambda generators, *_, **__: generators)
    monkeypatch.setattr(evaluation, "find_judges", lambda *_: [])
    (taught / "with").mkdir()
    (taught / "without").mkdir()
    for number in range(12):
        for side in ("with", "without"):
            image = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
            Image.fromarray(image + (side == "with")).save(taught / side / f"{number}.png")
    _, remove = evaluation.evaluate(
        "glasses", taught, taught / "out", weights=taught, one_pass=one_pass
    )
    np.testing.assert_allclose(remove(crops()), passes_of(taught)[not one_pass], atol=1e-4)


@pytest.mark.slow
def test_page_is_told_of_the_second_pass_unless_the_graph_makes_it(taught):
    path, folder = taught / "glasses-remove.npz", taught / "models" / "glasses-remove"
    for load, levels, expected in (
        (weight_files.load_network, second_pass.LEVELS["glasses"], 0),
        (weight_files.load_generator, None, 1),
    ):
        export.export_generator(*load(path)[:1], folder, load(path)[1])
        (entry,) = export.write_manifest(folder.parent)["models"]
        assert entry.get("second_pass") == levels
        residual = export.graph_output(folder, crops(1))
        np.testing.assert_allclose(residual, passes_of(taught, crops(1))[expected], atol=0.01)


def test_figures_of_one_pass_are_not_those_of_two(taught):
    card = weight_files.load_network(taught / "glasses-remove.npz")[1]
    value = {"value": 1.0, "n": 4}
    measures = dict.fromkeys(("flip/a", "same_person", "outside", "brightness"), value)
    report = {"weights": {"remove": card}, "directions": {"remove": measures}}
    (taught / "report.json").write_text(json.dumps(report))
    assert export.read_measured(taught / "report.json", card)["count"] == 4
    del card["second_pass"]
    with pytest.raises(TrainingError, match="second_pass"):
        export.read_measured(taught / "report.json", card)


def test_page_edits_twice_with_the_models_that_python_does():
    manifest = json.loads((ROOT / "web/public/models/manifest.json").read_text("utf-8"))
    found = {}
    for entry in manifest["models"]:
        folder = "" if entry["network"] == "attention" else entry["network"]
        name = f"{entry['attribute']}-{entry['direction']}"
        card, _ = read_weights(ROOT / "weights" / folder / f"{name}.npz")
        found[folder, name] = {"second_pass": entry.get("second_pass")}
        assert found[folder, name] == {"second_pass": None} | second_pass.levels_of(card)
    twice = {key for key, told in found.items() if told["second_pass"]}
    assert twice == {("", "glasses-remove"), ("", "hat-remove")}
