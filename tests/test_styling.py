"""What suits a face: one kind, whole, and numbers. Of the page: web/test/style.test.ts."""

import numpy as np
import pytest

from helpers import networks, styling, weight_files
from helpers.drawn import worn
from helpers.files import read_weights

SIZE = 64
CARD = {
    "attribute": "hat", "direction": "add", "network": "attention", "size": SIZE, "width": 4,
    "headroom": 0.1875, "styles": worn.STYLES["hat"], "kinds": worn.CHOICES["hat"],
}  # fmt: skip


@pytest.fixture
def styled():
    """A generator that was never trained, but draws each kind otherwise."""
    generator = networks.attention_generator(SIZE, 4, styles=len(worn.STYLES["hat"]))
    rng = np.random.default_rng(0)
    generator.set_weights([w + rng.normal(0, 0.1, w.shape) for w in generator.get_weights()])
    return generator


def people():
    """Return nine crops: hair dark, middle, light; under each clothes dark, middle, light."""
    crops = np.zeros((9, SIZE, SIZE, 3), np.float32)
    for number in range(9):
        crops[number, :40] = (-0.9, -0.5, 0.7)[number // 3]
        crops[number, 40:] = (-0.9, -0.2, 0.5)[number % 3]
    return crops


def test_each_of_nine_looks_gets_the_kind_that_suits_and_nothing_of_another(styled, tmp_path):
    path = tmp_path / "hat-add.npz"
    weight_files.save_generator(path, styled, CARD)
    network, card = weight_files.load_network(path)
    assert card["suits"] == [list(row) for row in styling.SUITS["hat"]]
    suits = weight_files.load_generator(path)[0](people()).numpy()
    kinds = [kind for row in styling.SUITS["hat"] for kind in row]
    assert len(set(kinds)) > 2
    rows = styling.suiting_style(people(), card).numpy()
    for number, (crop, kind) in enumerate(zip(people(), kinds, strict=True)):
        assert rows[number, : len(CARD["kinds"])].tolist() == list(
            worn.row("hat", kind)[: len(CARD["kinds"])]
        )
        asked = network([crop[None], rows[number][None]]).numpy()
        np.testing.assert_allclose(suits[number], asked[0], atol=1e-4)


def test_numbers_follow_how_light_a_part_is():
    rule = {"box": [0.0, 0.0, 0.5, 1.0], "stops": [0.2, 0.6], "numbers": [1.0, -0.5]}
    card = {"styles": ["a", "size", "b"], "kinds": ["a", "b"], "by_light": {"size": rule}}
    crops = np.ones((5, SIZE, SIZE, 3), np.float32)
    crops[:, :, : SIZE // 2] = 2 * np.float32([0.1, 0.2, 0.4, 0.6, 0.9])[:, None, None, None] - 1
    found = styling.suiting_style(crops, card).numpy()
    np.testing.assert_allclose(found[:, 1], [1, 1, 0.25, -0.5, -0.5], atol=1e-4)
    assert not found[:, [0, 2]].any()
    # From what suits to both ends.
    for asked, size in ((1, 1), (-1, -1), (0.5, 0.5 + 0.5 * 0.25), (-0.5, -0.5 + 0.5 * 0.25)):
        whole = styling.complete(crops[2:3], [0, asked, 1], card)[0].numpy()
        np.testing.assert_allclose(whole, [0, size, 1], atol=1e-4)


@pytest.mark.parametrize("attribute", ["glasses", "hat"])
def test_people_get_others_and_each_one_kind(attribute):
    names, kinds = worn.STYLES[attribute], worn.CHOICES[attribute]
    card = {"attribute": attribute, "styles": names, "kinds": kinds}
    card |= styling.what_suits(card)
    assert set(card["by_light"]) == set(worn.NUMBERS[attribute])
    rows = styling.suiting_style(people(), card).numpy()
    assert (np.abs(rows) <= 1).all()
    kinds = len(kinds)
    assert (rows[:, :kinds].sum(axis=1) == 1).all()
    assert (np.ptp(rows[:, kinds:], axis=0) > 0.15).all()


def test_a_kind_that_was_asked_for_is_kept_and_numbers_go_with_what_suits(styled):
    card = CARD | {"suits": [["beret"] * 3] * 3}
    crops = people()[:1]
    for asked, drawn in (
        (worn.row("hat", "fedora", size=0.5), worn.row("hat", "fedora", size=0.5)),
        (worn.row("hat", low=-1), worn.row("hat", "beret", low=-1)),
        (None, worn.row("hat", "beret")),
    ):
        found = styling.in_style(styled, asked, card)(crops).numpy()
        expected = styled([crops, np.float32([drawn])]).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # Numbers are as it suits, too, and from there on to where they were asked to be.
    rule = {"box": [0, 0, 1, 1], "stops": [0.0, 0.01], "numbers": [0, 0.6]}
    for chosen, size in ((0, 0.6), (0.5, 0.8), (-1, -1)):
        asked = worn.row("hat", size=chosen)
        found = styling.in_style(styled, asked, card | {"by_light": {"size": rule}})(crops).numpy()
        expected = styled([crops, np.float32([worn.row("hat", "beret", size=size)])]).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # Where nothing is known of what suits, a row of zeros is asked for.
    plain = styled([crops, np.zeros((1, len(worn.STYLES["hat"])), np.float32)]).numpy()
    np.testing.assert_allclose(styling.in_style(styled)(crops).numpy(), plain, atol=1e-5)


def test_kinds_that_the_weights_do_not_know_are_not_what_suits(styled, tmp_path):
    path = tmp_path / "hat-add.npz"
    weight_files.save_generator(path, styled, CARD | {"kinds": ["cap", "fedora"]})
    assert "suits" not in weight_files.load_network(path)[1]


def test_numbers_that_the_weights_do_not_know_are_not_what_suits(tmp_path):
    path = tmp_path / "glasses-add.npz"
    generator = networks.attention_generator(SIZE, 4, styles=2)
    card = CARD | {"attribute": "glasses", "styles": ["size", "shape"], "kinds": [], "headroom": 0}
    card["by_light"] = {"shape": {}}  # a file has no say
    weight_files.save_generator(path, generator, card)
    card = weight_files.load_network(path)[1]
    assert card["by_light"] == {"size": styling.BY_LIGHT["glasses"]["size"]}
    assert "suits" not in card
    weight_files.save_generator(path, generator, card | {"styles": ["form", "shape"]})
    assert "by_light" not in weight_files.load_network(path)[1]


def test_packed_weights_are_smaller_and_off_by_half_a_step_at_most(styled, tmp_path):
    path = tmp_path / "hat-add.npz"
    weight_files.save_generator(path, styled, CARD)
    size, (_, before) = path.stat().st_size, read_weights(path)
    weight_files.pack(path)
    card, after = read_weights(path)
    assert card["bits"] == 8 and path.stat().st_size < 0.75 * size
    for old, new in zip(before, after, strict=True):
        assert old.shape == new.shape and new.dtype == np.float32
        largest = np.abs(old).max(axis=tuple(range(old.ndim - 1))) if old.ndim > 1 else 0
        # Steps are powers of two: at most twice as long as 128 to the largest number.
        assert (np.abs(old - new) <= largest / 128 + 1e-9).all()
    network, _ = weight_files.load_network(path)
    crops = people()
    style = np.float32([worn.row("hat", "cap")])
    moved = network([crops, style]).numpy() - styled([crops, style]).numpy()
    assert 0 < np.abs(moved).max() < 0.2
    weight_files.pack(path)
    for once, twice in zip(after, read_weights(path)[1], strict=True):
        np.testing.assert_allclose(once, twice, atol=1e-7)
