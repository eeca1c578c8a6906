import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from helpers import (
    classifier,
    datasets,
    dressing,
    judges,
    losses,
    pairing,
    pixels,
    runs,
    training,
    weight_files,
)
from helpers.datasets import open_split
from helpers.drawn import faces, worn
from helpers.errors import DataError
from helpers.profiles import ROOT


@pytest.fixture(scope="module")
def bare():
    return np.stack([faces.draw_face(seed, 128, glasses=False, hat=False) for seed in range(24)])


@pytest.fixture(scope="module")
def dressed(bare):
    return np.stack([put_on(image, "hat") for image in bare])


@pytest.fixture(scope="module")
def with_glasses(bare):
    return np.stack([put_on(image, "glasses") for image in bare])


def put_on(crop, attribute, seed=None, style=()):
    points = worn.landmarks.at_size(worn.landmarks.find_five(crop), len(crop))
    return worn.draw(crop, points, attribute, seed=seed, style=style).image


def same_photos(without, with_):
    """Say of each pair whether it shows one photo: a hat and its shadow leave much as it is."""
    return (without.numpy() == with_.numpy()).all(axis=3).mean(axis=(1, 2)) > 0.2


def put_on_photo(split, item):
    """Return what a `Dressed` item shows at 64 px, from the photo's own landmarks."""
    crop = datasets.read_image(item.photo, 64)
    points = worn.landmarks.of_photos([item.photo])[item.photo]
    points = worn.landmarks.at_size(points, 64)
    options = {"seed": item.seed, "style": item.style, "strength": item.strength}
    return worn.draw(crop, points, item.attribute, **options).image


@pytest.mark.parametrize(
    ("fixture", "column"), [("dressed", "Wearing_Hat"), ("with_glasses", "Eyeglasses")]
)
def test_both_judges_take_it_for_real(bare, fixture, column, request):
    assert (_said_yes(bare, column).mean(axis=1) < 0.5).all()  # they know photos, not drawn faces
    assert (_said_yes(request.getfixturevalue(fixture), column).mean(axis=1) > 0.8).all()


def _said_yes(images, column):
    """Return what both judges say, (2, n)."""
    said = []
    for name in ("a", "b"):
        model, card = classifier.load(ROOT / "weights" / f"classifier-{name}.npz")
        judge = judges.Judge(name, model, card, card["columns"].index(column))
        said.append(judges.judge_images(judge, images)[0][:, judge.column] > 0)
    return np.array(said)


@pytest.mark.parametrize("attribute", ["hat", "glasses"])
@pytest.mark.parametrize("broken", [False, True])
def test_the_stream_tells_the_style_of_what_it_shows(celeba, attribute, broken):
    split = dressing.dress(open_split(celeba, attribute), "add")
    if broken:  # the photo that stands in for it wears its own
        split.items["train", "without"][1].write_bytes(b"no photo")
    seen = set()
    items = [item for item in split.items["train", "with"] if item.photo.stat().st_size > 100]
    shows = {}
    for item in items:
        image = put_on_photo(split, item)
        shows[image.tobytes()] = item.style
        shows[image[:, ::-1].tobytes()] = worn.mirrored(attribute, item.style)
    for _, with_, _, styles in pairing.pair_stream(split, 64, 4, tell_truth=True).take(8):
        for shown, style in zip(pixels.to_bytes(with_.numpy()), styles.numpy(), strict=True):
            np.testing.assert_allclose(style, shows[shown.tobytes()], rtol=1e-6)
            seen.add(shown.tobytes())
    assert len(seen) > 4


def test_each_style_draws_what_the_truth_of_its_own_pair_says(bare, eagerly):
    """The style reaches the generator image by image, and its gradient comes from its own pair."""
    models = training.build_models("attention", 32, width=8, styles=2)
    recipe = dataclasses.replace(training.RECIPES["attention"], **training.ADD_DRAWN)
    removes = [weight.numpy() for weight in models[1].weights]
    without = tf.constant(pixels.to_unit(bare[:2, ::4, ::4]))
    style, known = tf.constant([[1.0, 0.5], [-1.0, 0.0]]), tf.ones((2, 2))
    # The truth is what the network draws, in the order of the images; or the other way round.
    edits = np.clip(without + models[0]([without, style]), -1, 1)
    optimizers = training.make_optimizers(models, recipe)
    step = training.make_train_step(models, optimizers, recipe)
    report = step(without, tf.constant(edits), tf.constant([0, 0]), known, style)
    assert float(report["add/truth"]) == pytest.approx(0, abs=1e-3)
    assert set(report) >= {"add/gan", "add/truth"}
    assert not set(report) & {"add/dual", "add/cycle"}
    assert not any(name.startswith("remove") for name in report)  # it learns alone
    other = step(without, tf.constant(edits[::-1]), tf.constant([0, 0]), known, style)
    assert float(other["add/truth"]) > 0.1
    for before, weight in zip(removes, models[1].weights, strict=True):
        np.testing.assert_array_equal(before, weight.numpy())


@pytest.mark.parametrize("direction", ["add", "remove"])
@pytest.mark.parametrize("attribute", ["hat", "glasses"])
def test_a_dressed_item_wears_what_its_split_is_about(celeba, attribute, direction):
    split = dressing.dress(open_split(celeba, attribute), direction)
    bare, dressed = (datasets.read_images(split, "train", side, 64, 4) for side in datasets.SIDES)
    for seed, (image, shown) in enumerate(zip(bare, dressed, strict=True)):
        item = split.items["train", "with"][seed]
        assert item.photo == split.items["train", "without"][seed]
        if direction == "add":
            assert (item.seed, item.style) == (None, worn.any_row(attribute, seed))
        else:
            assert (item.seed, item.style) == (seed, ())
        wears = direction == "add" or seed % dressing.LEFT_ALONE > 0
        assert (image != shown).any() == wears
        np.testing.assert_array_equal(shown, put_on_photo(split, item))


def test_a_photo_may_be_dressed_several_times_each_otherwise(celeba):
    split = open_split(celeba, "hat")
    once = dressing.dress(split, "remove").items["train", "with"]
    twice = dressing.dress(split, "remove", times=2).items["train", "with"]
    dressed = [item for item in twice if isinstance(item, datasets.Dressed)]
    photos = split.items["train", "without"]
    assert [item.photo for item in dressed] == photos * 2
    assert len({item.seed for item in dressed}) == len(dressed)
    assert len(twice) - len(once) == len(photos)  # the real ones stand beside them once
    alone = [item.photo for item in dressed if not item.strength]
    assert len(alone) == len({*alone}) >= 2  # nobody is left alone twice


def test_to_add_each_photo_is_on_both_sides_and_the_truth_of_both_directions(celeba):
    split = dressing.dress(open_split(celeba, "hat"), "add")
    for without, with_, known, _ in pairing.pair_stream(split, 64, 4, tell_truth=True).take(4):
        assert same_photos(without, with_).all()
        assert (without[:, :25].numpy() != with_[:, :25].numpy()).any(axis=(1, 2, 3)).all()
        assert not same_photos(without, with_[::-1]).any()
        assert (known.numpy() == 1).all() and known.shape == (2, 4)


def test_to_remove_drawn_and_real_take_turns_and_the_drawn_alone_are_known(celeba):
    split = dressing.dress(open_split(celeba, "hat"), "remove")
    real = datasets.read_images(open_split(celeba, "hat"), "train", "with", 64)
    real = {image.tobytes() for image in (*real, *real[:, :, ::-1])}
    wears = set()
    for without, with_, known in pairing.pair_stream(split, 64, 4, tell_truth=True).take(6):
        assert known.numpy().tolist() == [[0, 0, 0, 0], [1, 0, 1, 0]]
        assert same_photos(without, with_)[::2].all()
        wears.update((without[::2].numpy() != with_[::2].numpy()).any(axis=(1, 2, 3)).tolist())
        assert all(image.tobytes() in real for image in pixels.to_bytes(with_[1::2]))
    assert wears == {True, False}  # somebody without is to be left alone


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize(("direction", "pairs"), [("add", slice(None)), ("remove", slice(0, 4, 2))])
def test_a_photo_that_can_not_be_read_is_passed_over_on_both_sides(celeba, direction, pairs, place):
    split = dressing.dress(open_split(celeba, "hat"), direction)
    split.items["train", "without"][place].write_bytes(b"no photo")
    for without, with_ in pairing.pair_stream(split, 64, 4).take(12):
        assert same_photos(without, with_)[pairs].all()
    assert len(split.unreadable) == 1


@pytest.mark.parametrize(("data", "attribute"), [("drawn", "hat"), ("celeba", "Smiling")])
def test_only_hats_and_glasses_on_photos_can_be_drawn(celeba, data, attribute):
    with pytest.raises(DataError, match="Only hats and glasses"):
        dressing.dress(open_split(celeba if data == "celeba" else data, attribute, images=8), "add")


def test_truth_loss_by_hand():
    edited, truth = tf.constant([[[[0.5, -0.5, 0.0]]]] * 2), tf.constant([[[[0.0, 0.5, 0.25]]]])
    loss = losses.truth_loss(edited, truth, tf.constant([1.0, 0.0]))
    assert float(loss) == pytest.approx((0.5 + 1.0 + 0.25) / 3 / 2)


def test_where_loss_by_hand():
    image = tf.zeros((2, 1, 3, 3))
    truth = tf.constant([[[[0.0] * 3, [0.1, 0, 0], [0, -0.9, 0.3]]]] * 2)  # not, by half, wholly
    mask = tf.constant([[[[0.25], [0.5], [0.5]]]] * 2)
    loss = losses.where_loss(mask, image, truth, tf.constant([1.0, 0.0]))
    assert float(loss) == pytest.approx((0.25 + 0.0 + 0.5) / 3 / 2)


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
    split = dressing.dress(split, dress) if dress else split
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
    made = [path.name for path in (tmp_path / "run" / "weights").iterdir()]
    assert made == [f"{attribute}-{direction}.npz"]  # the other direction learned nothing
    generator, card = weight_files.load_generator(tmp_path / "run" / "weights" / made[0])
    assert generator.input_shape == (None, 32, 32, 3)
    # To add, it learns styles.
    assert card.get("styles", []) == (list(worn.STYLES[attribute]) if direction == "add" else [])
    assert card["data"] == f"CelebA, with drawn {drawn_on}"
    assert "non-commercial" in card["licence"]
    code, error = course(*arguments[:-1], tmp_path / "other", "--attribute", "Smiling")
    assert code == 1 and "Only hats and glasses" in error
