"""What is left: the share that is there, what the network says of it, and what the report says."""

import numpy as np
import pytest
from made_up import write_celeba
from PIL import Image

from helpers import datasets, gauge, identity, inverter, remains, reports, sheets, telling
from helpers.drawn import worn

USUAL = tuple(worn.dress.USUAL.ravel().tolist())
GREY = np.full((8, 8, 3), 100, np.uint8)


def beam():
    """Return a grey picture, and the same with a dark row of 40 levels and one of 20."""
    drawn = GREY.copy()
    drawn[2], drawn[5] = 60, 80
    return GREY, drawn


def faces(count, size=gauge.SIZE, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 220, (count, 6, 6, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((size, size), 3)) for c in coarse])


# --- the label --------------------------------------------------------------------------------


def test_the_share_left_by_hand():
    bare, drawn = beam()
    assert remains.share_left(bare, drawn, bare) == 0
    assert remains.share_left(bare, drawn, drawn) == 1
    # The row of 40 levels alone, of 40 + 20.
    part = bare.copy()
    part[2] = 60
    assert remains.share_left(bare, drawn, part) == pytest.approx(2 / 3)
    # Half of that row's pixels, each with half of its change: 10 of 60.
    part[2] = 100
    part[2, :4] = 80
    assert remains.share_left(bare, drawn, part) == pytest.approx(1 / 6)
    # Too much to the same side is all of it, to the other side none, and elsewhere it's no part.
    odd = bare.copy()
    odd[2], odd[5], odd[7] = 10, 130, 0
    assert remains.share_left(bare, drawn, odd) == pytest.approx(2 / 3)
    assert remains.share_left(bare, bare, drawn) == 0


def test_kept_in_a_part_counts_by_how_much_each_pixel_was_changed():
    bare, drawn = beam()
    upper = np.zeros((8, 8), np.float32)
    upper[:4] = 1
    assert (remains.faded(bare, drawn, upper)[2] == 60).all()
    assert (remains.faded(bare, drawn, upper)[5] == 100).all()
    left = remains.share_left(bare, drawn, remains.faded(bare, drawn, upper))
    assert left == pytest.approx(2 / 3)
    left = remains.share_left(bare, drawn, remains.faded(bare, drawn, 0.5 * upper))
    assert left == pytest.approx(1 / 3)


@pytest.mark.parametrize("attribute", ["glasses", "hat"])
def test_strength_0_is_the_bare_photo_and_fading_is_what_drawing_does(attribute):
    photo = faces(1)[0]
    whole = worn.draw(photo, None, attribute, seed=4).image
    assert (whole != photo).any()
    np.testing.assert_array_equal(remains.faded(photo, whole, 0), photo)
    np.testing.assert_array_equal(remains.faded(photo, whole, 1), whole)
    half = worn.draw(photo, None, attribute, seed=4, strength=0.5).image
    same = remains.faded(photo, whole, 0.5)
    assert np.abs(half.astype(int) - same).max() <= 1  # what went beyond white was cut off before
    assert remains.share_left(photo, whole, half) == pytest.approx(0.5, abs=0.02)


def test_parts_are_of_all_sizes_and_touch_nothing_else():
    bare = faces(1)[0]
    drawn = bare.copy()
    drawn[40:60, 20:100] = 30
    rng, left = np.random.default_rng(0), []
    for _ in range(200):
        shown = remains.partly(bare, drawn, rng)
        left.append(float(remains.share_left(bare, drawn, shown)))
        assert (shown[:16] == bare[:16]).all() and (shown[84:] == bare[84:]).all()
    counts, _ = np.histogram(left, 5, (0, 1.0001))
    assert (counts >= 8).all(), counts


def test_examples_say_how_much_is_left():
    bare = faces(4)
    drawn = bare.copy()
    drawn[:, 40:60, 20:100] = 0
    real = np.full((2, *bare.shape[1:]), 7, np.uint8)
    stream = remains.examples(bare, drawn, real, np.random.default_rng(0))
    images, left = zip(*(next(stream) for _ in range(600)), strict=True)
    left = np.array(left)
    dark = np.array([i[44:56, 30:90].mean() for i in images])
    is_real = np.array([abs(i[:30].mean() - 7) < 3 for i in images])
    assert (left[is_real] == 1).all() and 0.1 < is_real.mean() < 0.22
    nothing = left == 0
    assert 0.25 < nothing.mean() < 0.45
    # The more is left, the darker; what is disturbed and not drawn on is not.
    assert np.corrcoef(dark[~is_real], left[~is_real])[0, 1] < -0.8


# --- the measure ------------------------------------------------------------------------------


class Given:
    """A network that answers what the first pixel says: its red level, of 250."""

    input_shape = (None, 50, 100, 3)

    def __call__(self, unit, training=False):
        red = np.asarray((unit[:, 0, [0, -1], 0].max(axis=1) + 1) * 127.5)
        p = np.clip(np.rint(red) / 250, 1e-6, 1 - 1e-6)
        return np.log(p / (1 - p))[:, None]


def images_that_say(shares):
    images = np.zeros((len(shares), 50, 100, 3), np.uint8)
    images[:, 0, 0, 0] = np.rint(250 * np.array(shares))
    return list(images)


def kept(split, direction, before, after):
    album = telling.Kept(direction, split, set(), len(before))
    album.before, album.after = images_that_say(before), images_that_say(after)
    album.names = [f"{i}.jpg" for i in range(len(before))]
    album.judged = [0.5] * len(before)
    return album


CALIBRATION = {
    "photos": 9,
    "strengths": [0, 1],
    "answers": [0.02, 0.97],
    "above": [0.03, 1.0],
    "error": 0.025,
    "error_in_parts": 0.05,
}


def test_mean_share_and_interval_by_hand(tmp_path, monkeypatch):
    split = datasets.open_split(write_celeba(tmp_path / "celeba"), "Eyeglasses")
    given = gauge.Gauge(Given(), {"calibration": CALIBRATION, "drawn_on": 5})
    monkeypatch.setattr(gauge, "find", lambda *_: given)
    edits = [0.0, 0.04, 0.2, 0.4, 0.06]
    albums = {
        "remove": kept(split, "remove", [0.9, 1.0, 0.8, 0.9, 0.9], edits),
        "add": kept(split, "add", [0.0, 0.0, 0.0, 0.2], [1.0] * 4),
    }
    left = gauge.what_is_left(albums, split, None, None)
    assert left.values == pytest.approx(edits, abs=1e-5) and left.notes == []
    mean, tenth = left.entries["left"], left.entries["left_tenth"]
    assert mean["value"] == pytest.approx(0.14, abs=1e-5) and mean["n"] == 5
    # Of five answers as here, 95% of the means drawn with repeats lie between these.
    assert mean["low"] == pytest.approx(0.03, abs=0.015)
    assert mean["high"] == pytest.approx(0.26, abs=0.03)
    assert tenth["value"] == pytest.approx(2 / 5) and (tenth["low"], tenth["high"]) == (0, 0.8)
    assert mean["compare"] == {
        "real with": pytest.approx(0.9, abs=1e-5),
        "real without": pytest.approx(0.05, abs=1e-5),
    }
    assert tenth["compare"] == {"real with": 1.0, "real without": 0.25}
    # And so it stands in the report, and first on the page of all.
    table = reports.table(left.entries)
    assert "| How much of it is left? | mean, by what learned on drawn ones | 14.0%" in table
    assert "| more than a tenth | 40.0% | 0.0% to 80.0% | 5 | real with 100.0%" in table
    scale = reports.left_table(left.scale)
    assert "| drawn at 100% | 97.0% | 100.0% |" in scale and "0.025" in scale
    assert "| real without, N = 4 | 5.0% (" in scale
    page = sheets.page("glasses", albums, {"remove": np.arange(5) / 5}, {"remove": left.values})
    order = [page.index(f"<b>{rank}. {name}.jpg") for rank, name in enumerate((3, 2, 4, 1, 0), 1)]
    assert order == sorted(order) and "left 0.40</span><span>edit 0.60" in page


def test_crops_of_another_size_are_asked_as_well():
    model = gauge.build("glasses", width=4)
    images = faces(3, 256)[:, 84:184, 28:228]
    said = gauge.ask(model, images)
    assert said.shape == (3,) and ((said > 0) & (said < 1)).all()
    np.testing.assert_allclose(gauge.ask(model, images[:, :, ::-1]), said, atol=0.02)


@pytest.mark.parametrize("attribute", ["glasses", "hat"])
def test_the_courses_own_say_how_much_is_left_of_what_is_drawn(attribute):
    path = inverter.WEIGHTS / f"left-{attribute}.npz"
    assert path.stat().st_size < 1_500_000
    model, card = gauge.load(path, attribute)
    told = card["calibration"]
    assert told["answers"] == sorted(told["answers"])
    assert told["answers"][0] < 0.15 and told["answers"][-1] > 0.75 and told["error"] < 0.2
    with pytest.raises(gauge.GaugeError, match="how much is left of young"):
        gauge.load(path, "Young")


def test_where_it_can_not_be_measured_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(inverter, "WEIGHTS", tmp_path)
    celeba = write_celeba(tmp_path / "celeba")
    for data, attribute, why in (
        ("drawn", "glasses", "drawn faces have their truth"),
        (celeba, "Young", "Young can't be drawn"),
        (celeba, "glasses", "100 photos without are needed in the train part"),
    ):
        split = datasets.open_split(data, attribute, images=10)
        left = gauge.what_is_left({}, split, None, None)
        assert left.entries == left.scale == {} and left.values is None
        assert why in left.notes[0]
    (tmp_path / "left-glasses.npz").write_bytes(b"PK\x03\x04 cut off")
    notes = gauge.what_is_left({}, split, None, None).notes
    assert "left-glasses.npz does not say how much is left" in notes[0]


def test_without_dlib_none_is_trained(tmp_path, monkeypatch):
    def missing(*_):
        raise identity.IdentityError("dlib has to find eyes")

    monkeypatch.setattr(inverter, "WEIGHTS", tmp_path)
    monkeypatch.setattr(gauge, "FEWEST", 10)
    monkeypatch.setattr(worn.landmarks, "of_photos", missing)
    split = datasets.open_split(write_celeba(tmp_path / "celeba"), "glasses", need="train")
    if not split.count("validation", "without"):
        split.items["validation", "without"] = split.items["train", "without"][:2]
    assert "dlib has to find eyes" in gauge.what_is_left({}, split, None, None).notes[0]


@pytest.mark.slow
def test_a_small_one_learns_that_more_is_more(tmp_path, monkeypatch):
    def usual(photos, cache):
        return dict.fromkeys(photos, USUAL)

    monkeypatch.setattr(worn.landmarks, "of_photos", usual)
    split = datasets.open_split(write_celeba(tmp_path / "celeba", 80), "glasses")
    bare, drawn = gauge.draw_on(split, "train", None, 24)
    assert (bare != drawn).any(axis=(1, 2, 3)).all()
    people = {"train": 24, "validation": 8}
    trained = gauge.train(split, people=people, steps=80, progress=False)
    told = trained.card["calibration"]
    assert told["answers"] == sorted(told["answers"])
    assert told["answers"][-1] - told["answers"][0] > 0.1
    assert trained.card["drawn_on"] == 24 and told["photos"] == min(
        8, split.count("validation", "without")
    )
