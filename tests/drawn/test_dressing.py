import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from helpers import (
    classifier,
    datasets,
    judges,
    losses,
    pairing,
    pixels,
    runs,
    training,
    weight_files,
)
from helpers.datasets import open_split
from helpers.drawn import dressing, faces, headwear, worn
from helpers.errors import DataError
from helpers.profiles import ROOT


@pytest.fixture(scope="module")
def bare():
    return np.stack([faces.draw_face(seed, 128, glasses=False, hat=False) for seed in range(24)])


@pytest.fixture(scope="module")
def dressed(bare):
    return np.stack([dressing.dress(image, "hat") for image in bare])


@pytest.fixture(scope="module")
def with_glasses(bare):
    return np.stack([dressing.dress(image, "glasses") for image in bare])


def test_a_hat_covers_the_head_and_nothing_else(bare, dressed):
    change = np.abs(dressed.astype(int) - bare).mean(axis=3)
    assert (change[:, 57:] == 0).all()  # not the face, to the bit
    assert (change[:, 20:44, 40:88].mean(axis=(1, 2)) > 15).all()  # but the head
    assert (change[:, :60, :10] == 0).all() and (change[:, :60, -10:] == 0).all()


def test_the_same_photo_gets_the_same_hat_and_others_get_others(bare, dressed):
    np.testing.assert_array_equal(dressing.dress(bare[0], "hat"), dressed[0])
    colours = dressed[:, 28, 64].astype(int)  # the middle of the crown
    assert np.ptp(colours, axis=0).max() > 60


def test_glasses_sit_around_the_eyes_and_hide_neither_them_nor_anything_else(bare, with_glasses):
    change = np.abs(with_glasses.astype(int) - bare).mean(axis=3)
    assert (change[:, :44] == 0).all() and (change[:, 90:] == 0).all()
    beside_the_eyes = change[:, 64:70]
    for rim in (39, 60, 67, 88):  # two rims, each to the left and to the right of an eye
        strongest = beside_the_eyes[:, :, rim - 2 : rim + 3].max(axis=(1, 2))
        assert np.median(strongest) > 50  # on dark skin there is little to see
    for eye in (50, 77):  # seen through clear lenses
        assert (beside_the_eyes[:, :, eye - 4 : eye + 5].mean(axis=(1, 2)) < 15).all()


def test_glasses_go_with_the_hair():
    photo = np.full((128, 128, 3), 150, np.uint8)
    rims = []
    for hair in (20, 90, 170):
        photo[:40] = hair
        worn = dressing.dress(photo, "glasses").astype(int)
        rims.append(worn[64:70, 36:42].reshape(-1, 3))
    darkest = [rim[rim.sum(axis=1).argmin()] for rim in rims]
    assert [bool(np.ptp(colour) > 30) for colour in darkest] == [False, True, True]
    assert darkest[0].sum() < darkest[1].sum() < darkest[2].sum()


@pytest.mark.parametrize(
    ("worn", "column"), [("dressed", "Wearing_Hat"), ("with_glasses", "Eyeglasses")]
)
def test_both_judges_take_it_for_real(bare, worn, column, request):
    assert (_said_yes(bare, column).mean(axis=1) < 0.5).all()  # they know photos, not drawn faces
    assert (_said_yes(request.getfixturevalue(worn), column).mean(axis=1) > 0.9).all()


def _said_yes(images, column):
    """Return what both judges say, (2, n)."""
    said = []
    for name in ("a", "b"):
        model, card = classifier.load(ROOT / "weights" / f"classifier-{name}.npz")
        judge = judges.Judge(name, model, card, card["columns"].index(column))
        said.append(judges.judge_images(judge, images)[0][:, judge.column] > 0)
    return np.array(said)


def test_hair_beside_and_above_the_hat_gives_way_to_what_is_behind(monkeypatch):
    monkeypatch.setattr(headwear, "draw_hat", lambda *_: None)
    photo = np.full((128, 128, 3), 200, np.uint8)  # a pale wall
    y, x = np.mgrid[:128, :128]
    photo[(x - 64) ** 2 / 39**2 + (y - 60) ** 2 / 58**2 < 1] = 30  # a mane
    photo[(x - 64) ** 2 / 25**2 + (y - 70) ** 2 / 35**2 < 1] = 170  # a face
    after = dressing.dress(photo, "hat")
    beside, below = (slice(27, 34), slice(34, 37)), (slice(60, 70), slice(28, 34))
    assert photo[beside].max() == 30
    assert (np.abs(after[beside].astype(int) - 200) < 25).all()
    np.testing.assert_array_equal(after[below], photo[below])


def test_the_fill_is_exact_for_what_is_flat_and_keeps_what_is_known():
    image = np.full((3, 33, 40), 0.25, np.float32)
    known = np.ones((33, 40), np.float32)
    known[8:20, 5:30] = 0
    image[:, 8:20, 5:30] = 0.9
    np.testing.assert_allclose(dressing._fill(image, known), 0.25, atol=1e-6)


@pytest.mark.parametrize("size", [32, 40, 64, 96])
@pytest.mark.parametrize(("worn", "attribute"), [("dressed", "hat"), ("with_glasses", "glasses")])
def test_a_small_crop_gets_the_same(bare, worn, attribute, size, request):
    dressed = request.getfixturevalue(worn)

    def shrunk(image):
        return np.asarray(Image.fromarray(image).resize((size, size), Image.BOX))

    with np.errstate(all="raise", under="ignore"):
        small = dressing.dress(shrunk(bare[3]), attribute)
    assert np.abs(small.astype(int) - shrunk(dressed[3])).mean() < 4


# --- styles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", dressing.STYLES)
def test_the_middle_of_every_style_is_what_suits(bare, attribute):
    middle = (0.0,) * len(dressing.STYLES[attribute])
    for image in bare[:4]:
        suits = dressing.dress(image, attribute)
        np.testing.assert_array_equal(dressing.dress(image, attribute, style=middle), suits)


def at(attribute, name, number):
    """Return the style that differs by one number from what suits."""
    return tuple(number if each == name else 0.0 for each in dressing.STYLES[attribute])


@pytest.mark.parametrize("attribute", dressing.STYLES)
def test_a_small_step_of_a_style_is_a_small_change_and_a_large_one_is_large(bare, attribute):
    image = bare[0]
    for name in dressing.STYLES[attribute]:
        worn = np.array(
            [
                dressing.dress(image, attribute, style=at(attribute, name, number))
                for number in np.linspace(-1, 1, 41)
            ]
        ).astype(int)
        touched = (worn != image).any(axis=(0, 3))
        steps = np.abs(np.diff(worn, axis=0))[:, touched].mean(axis=(1, 2))
        assert steps.min() > 0 and steps.max() < 10, name
        apart = np.abs(worn[20] - worn[:: 40 if name != "colour" else 10])[:, touched]
        assert apart.mean(axis=(1, 2)).max() > 6, name


@pytest.mark.parametrize("attribute", dressing.STYLES)
def test_the_colours_are_a_circle(bare, attribute):
    ends = [dressing.dress(bare[1], attribute, style=at(attribute, "colour", e)) for e in (-1, 1)]
    assert np.abs(ends[0].astype(int) - ends[1]).max() <= 1


def test_lenses_go_from_amber_over_clear_to_dark(bare):
    eyes = (slice(62, 70), slice(46, 56))
    amber, clear, dark = (
        np.mean([dressing.dress(i, "glasses", style=(0, 0, lenses))[eyes] for i in bare], (0, 1, 2))
        for lenses in (-1, 0, 1)
    )
    plain = bare[:, 62:70, 46:56].mean(axis=(0, 1, 2))
    assert np.abs(clear - plain).max() < 15
    assert (dark < 0.6 * plain).all()
    assert amber[0] - amber[2] > plain[0] - plain[2] + 30


def test_shapes_go_from_a_wire_to_a_bold_frame_and_from_a_trilby_to_a_wide_brim(bare):
    def touched(attribute, rows):
        return [
            np.mean([_changed(i, attribute, shape)[rows].sum() for i in bare])
            for shape in (-1, 0, 1)
        ]

    wire, suits, bold = touched("glasses", slice(None))
    assert wire < 0.85 * suits and bold > 1.2 * suits
    narrow, suits, wide = (
        np.mean([np.ptp(np.flatnonzero(_changed(i, "hat", s)[38:44].any(axis=0))) for i in bare])
        for s in (-1, 0, 1)
    )
    assert narrow < suits - 4 and wide > suits + 10


def _changed(image, attribute, shape):
    worn = dressing.dress(image, attribute, style=at(attribute, "shape", shape)).astype(int)
    return np.abs(worn - image).max(axis=2) > 12


def test_a_style_of_the_wrong_length_is_refused(bare):
    with pytest.raises(ValueError, match="style of hat is shape, colour, not 3 numbers"):
        dressing.dress(bare[0], "hat", style=(0, 0, 0))


@pytest.mark.parametrize("attribute", dressing.STYLES)
def test_any_style_is_the_same_for_a_seed_and_reaches_all(attribute):
    styles = np.array([dressing.any_style(attribute, seed) for seed in range(400)])
    np.testing.assert_array_equal(styles[7], dressing.any_style(attribute, 7))
    suits = (styles == 0).all(axis=1)
    assert 0.15 < suits.mean() < 0.35 and (styles[~suits] != 0).all()
    assert (styles.min(axis=0) < -0.9).all() and (styles.max(axis=0) > 0.9).all()
    assert np.abs(np.corrcoef(styles[~suits].T) - np.eye(styles.shape[1])).max() < 0.2


@pytest.mark.parametrize("attribute", ["hat", "glasses"])
@pytest.mark.parametrize("broken", [False, True])
def test_the_stream_tells_the_style_of_what_it_shows(celeba, attribute, broken):
    split = datasets.dress(open_split(celeba, attribute), "add")
    if broken:  # the photo that stands in for it wears its own
        split.items["train", "without"][1].write_bytes(b"no photo")
    seen = set()
    for without, with_, _, styles in pairing.pair_stream(
        split, 64, 4, tell_truth=True, flip=False
    ).take(5):
        photos, worn = (pixels.to_bytes(images.numpy()) for images in (without, with_))
        for photo, shown, style in zip(photos, worn, styles.numpy(), strict=True):
            expected = dressing.dress(photo, attribute, style=tuple(style.tolist()))
            assert np.abs(expected.astype(int) - shown).max() <= 1
            seen.add(tuple(style.tolist()))
    assert len(seen) > 4


def test_each_style_draws_what_the_truth_of_its_own_pair_says(bare, eagerly):
    """The style reaches the generator image by image, and its gradient comes from its own pair."""
    models = training.build_models("attention", 32, width=8, styles=2)
    recipe = dataclasses.replace(training.RECIPES["attention"], **training.ADD_DRAWN)
    without = tf.constant(pixels.to_unit(bare[:2, ::4, ::4]))
    style, known = tf.constant([[1.0, 0.5], [-1.0, 0.0]]), tf.ones((2, 2))
    # The truth is what the network draws, in the order of the images; or the other way round.
    edits = np.clip(without + models[0]([without, style]), -1, 1)
    optimizers = training.make_optimizers(models, recipe)
    step = training.make_train_step(models, optimizers, recipe)
    report = step(without, tf.constant(edits), tf.constant([0, 0]), known, style)
    assert float(report["add/truth"]) == pytest.approx(0, abs=1e-3)
    assert set(report) >= {"add/gan", "add/truth", "remove/gan"}
    assert not set(report) & {"add/dual", "add/cycle", "remove/dual", "remove/cycle"}
    other = step(without, tf.constant(edits[::-1]), tf.constant([0, 0]), known, style)
    assert float(other["add/truth"]) > 0.1


def test_what_is_no_crop_is_refused():
    with pytest.raises(ValueError, match="crop"):
        dressing.dress(np.zeros((128, 100, 3), np.uint8), "hat")
    with pytest.raises(ValueError, match="crop"):
        dressing.dress(np.zeros((128, 128, 3), np.float32), "hat")
    with pytest.raises(ValueError, match="one of hat, glasses, not 'beard'"):
        dressing.dress(np.zeros((128, 128, 3), np.uint8), "beard")


@pytest.mark.parametrize("direction", ["add", "remove"])
@pytest.mark.parametrize("attribute", ["hat", "glasses"])
def test_a_dressed_item_wears_what_its_split_is_about(celeba, attribute, direction):
    split = datasets.dress(open_split(celeba, attribute), direction)
    bare, worn = (datasets.read_images(split, "train", side, 64, 4) for side in datasets.SIDES)
    for seed, (image, shown) in enumerate(zip(bare, worn, strict=True)):
        chosen = (None, dressing.any_style(attribute, seed)) if direction == "add" else (seed, ())
        np.testing.assert_array_equal(shown, dressing.dress(image, attribute, *chosen))


def test_to_add_each_photo_is_on_both_sides_and_the_truth_of_both_directions(celeba):
    split = datasets.dress(open_split(celeba, "hat"), "add")
    for without, with_, known, _ in pairing.pair_stream(split, 64, 4, tell_truth=True).take(4):
        assert (without[:, 40:].numpy() == with_[:, 40:].numpy()).all()
        assert (without[:, :25].numpy() != with_[:, :25].numpy()).any(axis=(1, 2, 3)).all()
        assert (known.numpy() == 1).all() and known.shape == (2, 4)


def test_to_remove_drawn_and_real_take_turns_and_the_drawn_alone_are_known(celeba):
    split = datasets.dress(open_split(celeba, "hat"), "remove")
    real = datasets.read_images(open_split(celeba, "hat"), "train", "with", 64)
    real = {image.tobytes() for image in (*real, *real[:, :, ::-1])}
    for without, with_, known in pairing.pair_stream(split, 64, 4, tell_truth=True).take(6):
        assert known.numpy().tolist() == [[0, 0, 0, 0], [1, 0, 1, 0]]
        assert (without[::2, 45:].numpy() == with_[::2, 45:].numpy()).all()
        assert (without[::2].numpy() != with_[::2].numpy()).any(axis=(1, 2, 3)).all()
        assert all(image.tobytes() in real for image in pixels.to_bytes(with_[1::2]))


@pytest.mark.parametrize("attribute", ["hat", "glasses"])
def test_any_kind_is_another_for_each_seed_and_the_same_for_the_same(bare, attribute):
    worn = np.stack([dressing.dress(bare[0], attribute, seed) for seed in range(40)])
    np.testing.assert_array_equal(worn[7], dressing.dress(bare[0], attribute, 7))
    change = np.abs(worn.astype(int) - bare[0]).mean(axis=3)
    assert (change.mean(axis=(1, 2)) > 0.3).all()  # the thinnest wire
    apart = np.abs(worn[:, None].astype(int) - worn[None]).mean(axis=(2, 3, 4))
    assert (apart + np.eye(40) > 0.15).all()
    below = 75 if attribute == "hat" else 96
    assert (change[:, below:, 40:88] == 0).all()  # a scarf's knot hangs beside the face


def test_any_kind_of_hat_may_end_in_its_mirror_image(monkeypatch):
    """As hats do at the top of CelebA's photos; what is behind them does not."""
    monkeypatch.setattr(dressing, "_cloth", lambda rng, canvas: 1.0)
    photo = np.full((128, 128, 3), 128, np.uint8)
    photo[:, 64:] = 90
    mirrored = 0
    for seed in range(30):
        worn = dressing.dress(photo, "hat", seed).astype(int)
        crown = np.abs(worn - photo).mean(axis=2) > 12
        for end in range(4, 30):
            above, below = crown[:end][::-1], crown[end : 2 * end]
            if below.any(axis=1).all() and (above == below).mean() > 0.97:
                mirrored += 1
                break
    assert 12 <= mirrored <= 28  # two in three are; a straight crown looks so without


def test_both_judges_take_any_kind_of_hat_for_one(bare):
    worn = np.stack([dressing.dress(image, "hat", seed) for seed, image in enumerate(bare)])
    assert _said_yes(worn, "Wearing_Hat").mean() > 0.75


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize(("direction", "pairs"), [("add", slice(None)), ("remove", slice(0, 4, 2))])
def test_a_photo_that_can_not_be_read_is_passed_over_on_both_sides(celeba, direction, pairs, place):
    split = datasets.dress(open_split(celeba, "hat"), direction)
    split.items["train", "without"][place].write_bytes(b"no photo")
    for without, with_ in pairing.pair_stream(split, 64, 4).take(12):
        assert (without[pairs, 50:].numpy() == with_[pairs, 50:].numpy()).all()
    assert len(split.unreadable) == 1


@pytest.mark.parametrize(("data", "attribute"), [("drawn", "hat"), ("celeba", "Smiling")])
def test_only_hats_and_glasses_on_photos_can_be_drawn(celeba, data, attribute):
    with pytest.raises(DataError, match="Only hats and glasses"):
        datasets.dress(open_split(celeba if data == "celeba" else data, attribute, images=8), "add")


def test_truth_loss_by_hand():
    edited, truth = tf.constant([[[[0.5, -0.5, 0.0]]]] * 2), tf.constant([[[[0.0, 0.5, 0.25]]]])
    loss = losses.truth_loss(edited, truth, tf.constant([1.0, 0.0]))
    assert float(loss) == pytest.approx((0.5 + 1.0 + 0.25) / 3 / 2)


@pytest.mark.parametrize("joint", [True, False])
def test_only_what_is_known_is_compared_with_the_truth(bare, dressed, joint, eagerly):
    models = training.build_models("attention", 32, width=4)
    recipe = dataclasses.replace(training.RECIPES["attention"], truth=2.0, joint=joint)
    without, with_ = (tf.constant(pixels.to_unit(i[:2, ::4, ::4])) for i in (bare, dressed))
    for known in (None, np.float32([[0, 0], [1, 0]])):
        optimizers = training.make_optimizers(models, recipe)
        # What the generators do before the step, which moves them.
        edits = [
            np.clip(image + model(image), -1, 1)
            for image, model in ((without, models[0]), (with_, models[1]))
        ]
        step = training.make_train_step(models, optimizers, recipe)
        told = [] if known is None else [tf.constant(known)]
        report = step(without, with_, tf.constant([0, 0]), *told)
        for row, (direction, edited, truth) in enumerate(
            (("add", edits[0], with_), ("remove", edits[1], without))
        ):
            assert (f"{direction}/truth" in report) == (known is not None)
            if known is not None:
                off = np.abs(edited - truth).mean(axis=(1, 2, 3))
                expected = 2.0 * (off * known[row]).mean()
                assert float(report[f"{direction}/truth"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("spare", [False, True])
def test_the_outside_loss_may_spare_what_is_known(bare, dressed, spare, eagerly):
    models = training.build_models("attention", 32, width=4)
    recipe = dataclasses.replace(training.RECIPES["attention"], spare_known=spare)
    without, with_ = (tf.constant(pixels.to_unit(i[:2, ::4, ::4])) for i in (bare, dressed))
    region = np.ones((32, 32), np.float32)
    region[:8] = 0  # may not be touched
    touched = np.abs(models[1](with_))[:, :8].mean(axis=(1, 2, 3))
    step = training.make_train_step(
        models, training.make_optimizers(models, recipe), recipe, region
    )
    report = step(without, with_, tf.constant([0, 0]), tf.constant([[0.0, 0], [1, 0]]))
    expected = recipe.outside * (touched * ([0, 1] if spare else 1)).mean()
    assert float(report["remove/outside"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dress", ["add", "remove", None])
def test_each_direction_that_is_drawn_has_a_recipe_of_its_own(celeba, tmp_path, dress):
    split = open_split(celeba, "hat")
    settings = runs.Settings("Wearing_Hat", "celeba", size=32, width=4, dress=dress)
    split = datasets.dress(split, dress) if dress else split
    recipe = runs.Run(tmp_path, settings, split, "float32").recipe
    changes = {"add": training.ADD_DRAWN, "remove": training.REMOVE_DRAWN}.get(dress, {})
    assert recipe == dataclasses.replace(training.RECIPES["attention"], **changes)


@pytest.mark.parametrize(
    ("attribute", "direction", "drawn_on"),
    [("hat", "add", "hats that suit"), ("glasses", "remove", "glasses of any kind")],
)
def test_train_dress_says_what_the_weights_were_trained_on(
    course, celeba, tmp_path, attribute, direction, drawn_on, eagerly
):
    arguments = ["train", "--attribute", attribute, "--data", celeba, "--dress", direction]
    arguments += ["--steps", 1, "--size", 32, "--width", 4, "--out", tmp_path / "run"]
    code, printed = course(*arguments)
    assert code == 0, printed
    generator, card = weight_files.load_generator(
        tmp_path / "run" / "weights" / f"{attribute}-add.npz"
    )
    assert generator.input_shape == (None, 32, 32, 3)
    # To add, it learns styles.
    adds = direction == "add"
    assert card.get("styles", []) == (list(worn.STYLES[attribute]) if adds else [])
    assert card.get("kinds", []) == (list(worn.CHOICES[attribute]) if adds else [])
    assert card["data"] == f"CelebA, with drawn {drawn_on}"
    assert "non-commercial" in card["licence"]
    code, error = course(*arguments[:-1], tmp_path / "other", "--attribute", "Smiling")
    assert code == 1 and "Only hats and glasses" in error
