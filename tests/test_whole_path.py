"""What the user gets, cut out again, is the crop's edit; a fault on the way shows."""

import numpy as np
import pytest
from made_up import write_celeba
from PIL import Image

from helpers import (
    alignment,
    datasets,
    detection,
    inverter,
    judges,
    passes,
    pixels,
    reports,
    whole_path,
)

SIZE = 32


class Rule:
    """A judge by rule: dark over the eyes is "with"; to one who is wrong, light is."""

    input_shape = (None, SIZE, SIZE, 3)

    def __init__(self, sign=1):
        self.sign = sign

    def __call__(self, unit, training=False):
        dark = -unit[:, 12:21, 5:27].mean(axis=(1, 2, 3)) * 20 * self.sign
        return dark[:, None], dark[:, None]


CARD = {"columns": ["Eyeglasses"], "network": "rule"}
JUDGES = [judges.Judge("right", Rule(), CARD, 0), judges.Judge("wrong", Rule(-1), CARD, 0)]


def darken(unit):
    residual = np.zeros_like(unit)
    residual[:, 12:21, 5:27] = -0.9 - unit[:, 12:21, 5:27]
    return residual


@pytest.fixture
def split(tmp_path, monkeypatch):
    """Soft photos, and a network that finds the face where CelebA has it."""
    split = datasets.open_split(write_celeba(tmp_path / "celeba", 20), "Eyeglasses")
    for items in split.items.values():
        for item in items:
            Image.new("RGB", (178, 218), (190, 160, 150)).save(item)

    def found(image):
        height, width = image.shape[:2]
        template = (alignment.TEMPLATE + 0.5) / 128 * width - 0.5 + [0, (height - width) / 2]
        centre = np.array([width / 2, height / 2])
        return [detection.Face(template, centre, width / 2, 0.9)]

    monkeypatch.setattr(detection, "find_faces", found)
    return split


def measure(split, edit=darken, **options):
    items = split.items["train", "without"]
    return whole_path.measure("add", edit, split, items, SIZE, JUDGES, progress=False, **options)


def test_the_result_cut_out_again_is_the_edit(split):
    report = measure(split, count=4)
    for times in whole_path.SIZES:
        found, recut = report[f"found/{times}x"], report[f"recut/{times}x"]
        assert found["value"] == 1 and found["n"] == 4
        assert recut["value"] < 0.1 * recut["compare"]["the edit itself"]
        assert recut["compare"]["the edit itself"] > 50
        for name, share in (("right", 1), ("wrong", 0)):
            flip = report[f"flip_recut/{times}x/{name}"]
            assert flip["value"] == flip["compare"]["the crop alone"] == share
    row = "| at 2x: called flipped by wrong | 0.0% | 0.0% to 75.0% | 4 | the crop alone 0.0% |"
    assert row in reports.table(report)


def test_a_fault_on_the_way_shows(split, monkeypatch):
    good = measure(split, count=2)
    monkeypatch.setattr(alignment, "paste_residual", lambda photo, *_: photo)
    bad = measure(split, count=2)
    for times in whole_path.SIZES:
        assert bad[f"recut/{times}x"]["value"] > 10 * good[f"recut/{times}x"]["value"]
        for name, share in (("right", 0), ("wrong", 1)):
            flip = bad[f"flip_recut/{times}x/{name}"]
            assert flip["value"] == share and flip["compare"]["the crop alone"] == 1 - share


def test_what_lies_beyond_the_photo_does_not_count(split, monkeypatch):
    def at_the_top(image):  # its eyes on the photo's upper edge
        width = image.shape[1]
        template = (alignment.TEMPLATE + 0.5) / 128 * width - 0.5 - [0, width / 2]
        return [detection.Face(template, np.array([width / 2, 0]), width / 2, 0.9)]

    def slope(unit):  # which is another in the mirror
        residual = np.zeros_like(unit)
        residual[:, 12:21, 5:27] = np.linspace(-0.9, 0.9, 9)[:, None, None] - unit[:, 12:21, 5:27]
        return residual

    monkeypatch.setattr(detection, "find_faces", at_the_top)
    report = measure(split, slope, count=2)
    for times in whole_path.SIZES:
        recut = report[f"recut/{times}x"]
        assert recut["value"] < 0.1 * recut["compare"]["the edit itself"]


def test_where_no_face_is_found_it_says_so(split, monkeypatch):
    monkeypatch.setattr(detection, "find_faces", lambda image: [])
    report = measure(split, count=2)
    assert report["found/1x"]["value"] == 0 and report["recut/1x"]["value"] is None
    assert report["flip_recut/4x/wrong"]["n"] == 0


def test_what_can_not_be_read_is_passed_over_and_nothing_gets_too_large(split, monkeypatch):
    first = split.items["train", "without"][0]
    first.write_bytes(b"not a photo")
    monkeypatch.setattr(whole_path, "LARGEST", 500)
    report = measure(split, count=99)
    assert report["found/1x"]["n"] == len(split.items["train", "without"]) - 1
    assert split.name(first) in split.unreadable and not any("4x" in name for name in report)


def test_drawn_faces_have_no_whole_path():
    split = datasets.open_split("drawn", "glasses", images=8)
    items = split.items["test", "without"]
    assert whole_path.measure("add", darken, split, items, SIZE, JUDGES) == {}


def test_each_face_says_where_it_was(split):
    photo = np.asarray(Image.open(split.items["train", "without"][0]))
    inverted = inverter.invert_photo(photo, whole_path._Network(darken, SIZE))
    assert len(inverted.transforms) == len(inverted.crops) == 1
    again = alignment.crop_face(photo, inverted.transforms[0], SIZE)
    np.testing.assert_array_equal(again, inverted.crops[0])


def test_what_is_in_the_headroom_is_edited_and_not_measured(tmp_path):
    """An edit above the face crop reaches the photo; one in the face crop is what is measured."""
    rng = np.random.default_rng(0)
    for side in ("with", "without"):
        (tmp_path / "test" / side).mkdir(parents=True)
        for i in range(2):
            noise = rng.integers(90, 160, (40, 40, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "test" / side / f"{side}{i}.png")
    split = datasets.open_split(tmp_path, "Wearing_Hat", need="test")
    judge = judges.Judge("by rule", Rule(), {"network": "plain"}, 0)
    ways = passes.Ways(split, 32, pixels.HEADROOM, [judge])
    rows, columns = pixels.face_part(32, pixels.HEADROOM)

    def above(images):
        residual = np.zeros_like(images)
        residual[:, : rows.start - 2] = 0.5
        return residual

    def inside(images):
        residual = np.zeros_like(images)
        residual[:, rows, columns] = 0.5
        return residual

    items = split.items["test", "without"]
    for edit, changed in ((above, False), (inside, True)):
        done = passes.run_direction(ways, "add", (edit, np.zeros_like), items, progress=False)
        assert (done.rows["outside"] > 0).all() == changed
    photo = np.full((200, 200, 3), 100, np.uint8)
    network = whole_path._Network(above, 32, pixels.HEADROOM)
    for headroom in (pixels.HEADROOM, 0.0):
        edited = inverter.invert_photo(photo, network, headroom=headroom, aligned=True)
        assert edited.crops[0].shape == (32, 32, 3)
        # With it, what is painted is above the photo's own square, so that nothing of it shows.
        assert (edited.edited != photo).any() == (headroom == 0)
