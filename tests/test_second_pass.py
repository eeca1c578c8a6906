"""What one pass leaves, a second takes off. Of the page: web/test/secondPass.test.ts."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from helpers import inverter, networks, second_pass, styling, weight_files
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


def test_photos_are_edited_twice_and_the_network_that_is_trained_on_is_one_pass(tmp_path):
    path = tmp_path / "glasses-remove.npz"
    generator = networks.attention_generator(SIZE, 4)
    rng = np.random.default_rng(0)
    generator.set_weights([w + rng.normal(0, 0.1, w.shape) for w in generator.get_weights()])
    card = {"network": "attention", "revision": networks.REVISIONS["attention"], "size": SIZE}
    told = card | TAUGHT | {"width": 4, "second_pass": [0, 1]}  # a file has no say
    weight_files.save_generator(path, generator, told)
    network, card = weight_files.load_network(path)
    assert card["second_pass"] == second_pass.LEVELS["glasses"]
    crops = rng.uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    once = styling.in_style(network)(crops).numpy()
    twice = second_pass.with_second_pass(network, *card["second_pass"])(crops).numpy()
    assert np.abs(twice - once).max() > 0.01
    np.testing.assert_array_equal(weight_files.load_generator(path)[0](crops).numpy(), twice)
    photo = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    edited = inverter.invert_photo(photo, weight_files.as_used(network, card), aligned=True)
    crop = edited.crops[0][None] / np.float32(127.5) - 1
    expected = second_pass.with_second_pass(network, *card["second_pass"])(crop).numpy()[0]
    np.testing.assert_allclose(edited.residuals[0], expected, atol=1e-5)
    weight_files.save_generator(path, generator, told | {"recipe": {}})
    assert "second_pass" not in weight_files.load_network(path)[1]


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
