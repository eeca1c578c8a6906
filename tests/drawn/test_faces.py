"""The drawn faces: the same seed is the same person, and only the attribute changes."""

import dlib
import numpy as np
import pytest
from PIL import Image

from helpers.drawn import eyewear, faces, headwear, people

SEEDS = range(24)


def _luminance(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])


# ---------------------------------------------------------------- determinism


def test_same_seed_same_bytes_in_any_order():
    first = [faces.draw_face(seed, 64) for seed in range(6)]
    faces.draw_pair(3, "hat", 64)
    again = {seed: faces.draw_face(seed, 64) for seed in reversed(range(6))}
    for seed, image in enumerate(first):
        assert image.dtype == np.uint8 and image.shape == (64, 64, 3)
        np.testing.assert_array_equal(image, again[seed])
    assert not np.array_equal(first[0], first[1])


def test_numpy_seed_is_the_same_person():
    np.testing.assert_array_equal(
        faces.draw_face(7, 48), faces.draw_face(np.int64(7), np.int32(48))
    )


def test_global_random_state_is_neither_read_nor_moved():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    image = faces.draw_face(5, 48)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    np.testing.assert_array_equal(faces.draw_face(5, 48), image)


def test_habit_is_what_none_draws():
    seen = set()
    for seed in range(30):
        habit = faces.attributes(seed)
        forced = faces.draw_face(seed, 32, glasses=habit["glasses"], hat=habit["hat"])
        np.testing.assert_array_equal(faces.draw_face(seed, 32), forced)
        seen.add((habit["glasses"], habit["hat"]))
    assert {(False, False), (True, False), (False, True)} <= seen


@pytest.mark.parametrize("size", [32, 50, 64, 100, 256])
def test_every_size_is_the_same_picture(size):
    for seed in (0, 4, 9):
        small = faces.draw_face(seed, size, glasses=True, hat=seed == 4)
        reference = faces.draw_face(seed, 128, glasses=True, hat=seed == 4)
        side = min(size, 64)
        a, b = (
            np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.BOX), np.float32)
            for i in (small, reference)
        )
        assert abs(a - b).mean() < 5
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


# ---------------------------------------------------------------- pairs


@pytest.mark.parametrize("attribute", faces.ATTRIBUTES)
def test_pair_is_two_draws_and_differs_only_in_its_region(attribute):
    other = next(name for name in faces.ATTRIBUTES if name != attribute)
    for seed in SEEDS:
        pair = faces.draw_pair(seed, attribute, 96)
        habit = {other: faces.attributes(seed)[other]}
        np.testing.assert_array_equal(
            pair.without, faces.draw_face(seed, 96, **habit, **{attribute: False})
        )
        np.testing.assert_array_equal(
            pair.with_, faces.draw_face(seed, 96, **habit, **{attribute: True})
        )
        assert pair.region.dtype == np.float32 and pair.region.shape == (96, 96)
        assert set(np.unique(pair.region)) == {0.0, 1.0}
        outside = pair.region == 0
        np.testing.assert_array_equal(pair.without[outside], pair.with_[outside])
        assert (pair.without != pair.with_).any(axis=2)[~outside].all()


def test_glasses_change_the_eyes_and_nothing_far_from_them():
    for seed in SEEDS:
        region = faces.draw_pair(seed, "glasses").region
        left, right, mouth = faces.landmarks(seed)
        assert 0.02 < region.mean() < 0.25
        rows, columns = np.nonzero(region)
        assert rows.min() > left[1] - 20 and rows.max() < mouth[1] - 4
        assert columns.min() > left[0] - 26 and columns.max() < right[0] + 26
        for x, y in (left, right):  # a frame all around each eye
            for dx, dy in ((-9, 0), (9, 0), (0, -9), (0, 9)):
                x0, y0 = int(x + dx), int(y + dy)
                assert region[y0 - 5 : y0 + 6, x0 - 5 : x0 + 6].any()


def test_hat_changes_the_head_above_the_brows():
    for seed in SEEDS:
        region = faces.draw_pair(seed, "hat").region
        eyes_y = faces.landmarks(seed)[:2, 1].mean()
        assert 0.06 < region.mean() < 0.6
        assert region[: int(eyes_y - 12)].sum() > 0.55 * region.sum()
        crown = region[int(eyes_y - 42) : int(eyes_y - 28), 52:76]
        assert crown.mean() > 0.9
        x, y = faces.landmarks(seed)[2].astype(int)  # no shadow reaches the mouth
        assert not region[y - 8 : y + 8, x - 10 : x + 10].any()


def test_two_lenses_match():
    """Both rims show the same outline: mirrored about their middle they overlap."""
    for seed in SEEDS:
        person = people.roll_person(seed)
        glasses = eyewear.roll_glasses(people.stream(seed, 10), person)
        u = np.linspace(-15, 15, 121, dtype=np.float32)[None, :]
        v = np.linspace(-13, 13, 105, dtype=np.float32)[:, None]
        lens = eyewear._lens(glasses, u, v) < 0
        assert lens.any() and not lens[0].any() and not lens[:, 0].any()
    overlaps = []
    for seed in range(400, 480):
        pose = people.roll_person(seed).pose
        if abs(pose.yaw) > 0.03 or abs(pose.roll) > 0.01:
            continue
        region = faces.draw_pair(seed, "glasses", 128).region > 0
        middle = round(float(faces.landmarks(seed)[:2, 0].mean()))
        right, left = region[:, middle : middle + 30], region[:, middle - 30 : middle][:, ::-1]
        overlaps.append((left & right).sum() / (left | right).sum())
    assert len(overlaps) >= 3 and min(overlaps) > 0.85


# ---------------------------------------------------------------- geometry


def test_landmarks_lie_where_celeba_has_them():
    points = np.stack([faces.landmarks(seed) for seed in range(100)])
    assert points.dtype == np.float32 and points.shape == (100, 3, 2)
    expected = np.array([(50.1, 65.8), (77.6, 65.8), (63.8, 95.3)])
    assert abs(points.mean(0) - expected).max() < 0.6
    assert 0.3 < points.std(0).max() < 2.5
    np.testing.assert_allclose(
        faces.landmarks(3, 256), 2 * faces.landmarks(3, 128) + 0.5, rtol=1e-5
    )


def test_iris_is_darker_than_the_skin_below_it():
    darker = 0
    for seed in range(40):
        grey = _luminance(faces.draw_face(seed, 128, glasses=False, hat=False))
        for x, y in faces.landmarks(seed)[:2]:
            iris = grey[int(y) - 2 : int(y) + 2, int(x) - 2 : int(x) + 3].min()
            cheek = grey[int(y) + 12 : int(y) + 18, int(x) - 3 : int(x) + 4].mean()
            darker += iris < 0.8 * cheek
    assert darker >= 76


def test_mouth_is_redder_than_the_chin():
    redder = 0
    for seed in range(40):
        if faces.attributes(seed)["beard"]:
            redder += 1
            continue
        image = faces.draw_face(seed, 128, glasses=False, hat=False).astype(np.float32) + 1
        ratio = image[..., 0] / image[..., 1]
        x, y = faces.landmarks(seed)[2].astype(int)
        redder += (
            ratio[y - 3 : y + 5, x - 5 : x + 6].max() > ratio[y + 10 : y + 13, x - 5 : x + 6].max()
        )
    assert redder >= 38


# ---------------------------------------------------------------- diversity


def test_people_differ():
    images = np.stack([faces.draw_face(s, 64, glasses=False, hat=False) for s in range(80)])
    cheeks = _luminance(images[:, 40:45, 24:28]).mean((1, 2))
    assert np.percentile(cheeks, 95) - np.percentile(cheeks, 5) > 90
    corners = images[:, 2:10, 2:10].mean((1, 2))
    assert (corners.std(0) > 30).all()
    persons = [faces.attributes(seed) for seed in range(300)]
    for name in persons[0]:
        share = np.mean([person[name] for person in persons])
        assert 0.005 < share < 0.8, name
    assert 0.17 < np.mean([p["glasses"] for p in persons]) < 0.33
    assert 0.09 < np.mean([p["hat"] for p in persons]) < 0.22


def test_many_kinds_of_glasses_hats_and_hair():
    persons = [people.roll_person(seed) for seed in range(150)]
    hats = {headwear.roll_hat(people.stream(p.seed, 11), p).kind for p in persons}
    frames = {eyewear.roll_glasses(people.stream(p.seed, 10), p).kind for p in persons}
    assert hats == set(headwear.HATS) and len(hats) >= 5
    assert frames == set(eyewear.FRAMES)
    assert len({p.hair.style for p in persons}) >= 12


# ---------------------------------------------------------------- bad input


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="glasses and hat.*'moustache'"):
        faces.draw_pair(0, "moustache")
    for size in (31, 257, 0, 64.5, "64"):
        with pytest.raises(ValueError, match="32 to 256"):
            faces.draw_face(0, size)
        with pytest.raises(ValueError, match="32 to 256"):
            faces.landmarks(0, size)
    for seed in (-1, 1.5, None):
        with pytest.raises(ValueError, match="seed"):
            faces.draw_face(seed)
        with pytest.raises(ValueError, match="seed"):
            faces.attributes(seed)


def test_contact_sheet_lays_pictures_in_rows():
    images = [np.full((4, 5, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = faces.contact_sheet(images, 2)
    assert sheet.shape == (8, 10, 3)
    assert sheet[0, 0, 0] == 10 and sheet[0, 5, 0] == 20 and sheet[4, 0, 0] == 30
    assert sheet[4, 5, 0] == 255
    with pytest.raises(ValueError, match="at least one"):
        faces.contact_sheet([])


# ---------------------------------------------------------------- an independent judge


@pytest.mark.slow
@pytest.mark.parametrize("hat", [False, True])
@pytest.mark.parametrize("glasses", [False, True])
def test_a_face_detector_finds_them(glasses, hat):
    detector = dlib.get_frontal_face_detector()
    missed = []
    for seed in range(200):
        image = Image.fromarray(faces.draw_face(seed, 128, glasses=glasses, hat=hat))
        boxes = detector(np.asarray(image.resize((256, 256), Image.Resampling.BICUBIC)), 0)
        x, y = faces.landmarks(seed, 256).mean(0)
        if not any(b.left() < x < b.right() and b.top() < y < b.bottom() for b in boxes):
            missed.append(seed)
    assert len(missed) <= 6, missed
