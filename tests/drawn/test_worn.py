"""Hats and glasses in three dimensions, on faces of which all is known."""

import numpy as np
import pytest
from PIL import Image

from helpers import pixels
from helpers.drawn import faces
from helpers.drawn.worn import (
    CHOICES,
    NUMBERS,
    STYLES,
    any_row,
    draw,
    dress,
    hatkinds,
    hatmesh,
    hats,
    landmarks,
    mirrored,
    row,
    styles,
)
from helpers.drawn.worn.frames import Cut, build_frame
from helpers.drawn.worn.glasses import Glasses, put_on
from helpers.drawn.worn.head import EAR
from helpers.drawn.worn.lenses import Lens
from helpers.drawn.worn.matte import find_matte
from helpers.drawn.worn.outlines import OUTLINES
from helpers.drawn.worn.paint import Paint, shade, surface
from helpers.drawn.worn.pose import MEAN_FACE, Pose, fit_pose, rotations
from helpers.drawn.worn.scene import draw_mesh, see

SIZE = 128
ATTRIBUTES = ("glasses", "hat")
STRAIGHT = dress.USUAL * SIZE - 0.5


@pytest.fixture(scope="module")
def photo():
    return faces.draw_face(3, SIZE, glasses=False, hat=False)


def turned(yaw, pitch=0.0, roll=0.0, scale=0.44, centre=(64.0, 66.0)) -> Pose:
    """Return the pose of the mean face, turned by some degrees."""
    angles = np.radians([yaw, pitch, roll])
    return Pose(rotations(*angles), scale, np.array(centre), *angles)


def landmarks_of(pose: Pose) -> np.ndarray:
    return pose.project(MEAN_FACE)[:, :2]


def plain_face(level: int, pose: Pose) -> np.ndarray:
    """Return a photo of plain skin, before a wall, with the head where the pose says."""
    from helpers.drawn.worn.head import see_head

    image = np.full((SIZE, SIZE, 3), 0.9 * level, np.uint8)
    image[see_head(pose, (SIZE, SIZE)).mask] = np.array([1.0, 0.76, 0.64]) * level
    return image


# --- pose -------------------------------------------------------------------------------------


@pytest.mark.parametrize("yaw", [-40, -15, 0, 25, 40])
@pytest.mark.parametrize("pitch", [-15, 0, 15])
def test_the_pose_of_a_known_head_is_found(yaw, pitch):
    pose = fit_pose(landmarks_of(turned(yaw, pitch, roll=8)))
    found = np.degrees([pose.yaw, pose.pitch, pose.roll])
    np.testing.assert_allclose(found, [yaw, pitch, 8], atol=5)
    assert pose.scale == pytest.approx(0.44, rel=0.1)
    eyes = pose.project(MEAN_FACE)[:2, :2]
    assert np.abs(eyes - landmarks_of(turned(yaw, pitch, roll=8))[:2]).max() < 1.5


def test_the_mirror_image_has_the_mirrored_pose():
    points = landmarks_of(turned(20, 5, 3))
    mirrored = (points * [-1, 1] + [SIZE - 1, 0])[[1, 0, 2, 4, 3]]
    one, other = fit_pose(points), fit_pose(mirrored)
    assert one.yaw == pytest.approx(-other.yaw, abs=1e-4)
    assert one.pitch == pytest.approx(other.pitch, abs=1e-4)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((3, 2))])
def test_what_shows_no_face_is_refused(points):
    with pytest.raises(ValueError, match=r"five points|one place"):
        fit_pose(points)


# --- what is drawn ----------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_the_same_seed_draws_the_same_and_others_draw_others(photo, attribute):
    first = draw(photo, STRAIGHT, attribute, seed=5)
    again = draw(photo, STRAIGHT, attribute, seed=5)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    others = [draw(photo, STRAIGHT, attribute, seed=seed).image for seed in range(6, 10)]
    assert all((other != first.image).any() for other in others)
    suits = [draw(photo, STRAIGHT, attribute).image for _ in range(2)]
    np.testing.assert_array_equal(*suits)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_the_mask_covers_all_that_changed_and_little_else(photo, attribute):
    for seed in range(12):
        image, mask = draw(photo, STRAIGHT, attribute, seed=seed)
        changed = (image != photo).any(axis=2)
        assert image.dtype == np.uint8 and mask.dtype == np.float32
        assert changed.mean() > 0.01
        assert (mask[changed] > 0).all()
        assert mask.min() >= 0 and mask.max() <= 1
        assert (mask > 0).sum() < 2.2 * changed.sum()


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_strength_0_changes_nothing_and_more_of_it_changes_more(photo, attribute):
    steps = [draw(photo, STRAIGHT, attribute, seed=2, strength=s) for s in (0, 0.25, 0.5, 1)]
    np.testing.assert_array_equal(steps[0].image, photo)
    assert (steps[0].mask == 0).all()
    changes = [np.abs(step.image.astype(int) - photo) for step in steps]
    for less, more in zip(changes, changes[1:], strict=False):
        assert (less <= more).all()
        assert less.sum() < more.sum()


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_black_and_white_stays_black_and_white(photo, attribute):
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    for seed in range(8):
        image = draw(grey, STRAIGHT, attribute, seed=seed).image.astype(int)
        assert np.ptp(image, axis=2).max() <= 1


def test_a_dark_photo_gets_a_dark_frame():
    pose = turned(0)
    pale = Paint(np.full(3, 0.7), np.full(3, 0.7), gloss=0.2)
    glasses = Glasses(Cut(OUTLINES["square"], 1.0), pale, Lens())
    brightness = []
    for level in (230, 120, 40):
        scene = see(plain_face(level, pose), landmarks_of(pose))
        image, _ = put_on(scene, glasses)
        edge = scene.pose.project(build_frame(glasses.cut).edges[1])[:, :2]
        x, y = np.rint(edge).astype(int).T
        brightness.append(float(np.median(image[y, x])))
    assert brightness[0] > 1.4 * brightness[1] > 1.4**2 * brightness[2]
    assert brightness[2] < 75


def test_coloured_light_falls_on_the_frame_as_well():
    pose = turned(0)
    pale = Paint(np.full(3, 0.7), np.full(3, 0.7), gloss=0.2)
    glasses = Glasses(Cut(OUTLINES["square"], 1.0), pale, Lens())
    image = plain_face(200, pose)
    blue = (image * np.array([0.45, 0.7, 1.0])).astype(np.uint8)
    blue[:20, :20] = (200, 40, 40)  # it is light, and not a photo of one colour
    ratios = []
    for shown in (image, blue):
        scene = see(shown, landmarks_of(pose))
        worn, _ = put_on(scene, glasses)
        x, y = np.rint(scene.pose.project(build_frame(glasses.cut).edges[1])[:, :2]).astype(int).T
        ratios.append(float(worn[y, x, 2].mean() / worn[y, x, 0].mean()))
    assert ratios[1] > 1.25 * ratios[0]


# --- turned heads -----------------------------------------------------------------------------


def test_on_a_turned_head_the_far_lens_is_narrower_as_projection_says():
    frame = build_frame(Cut(OUTLINES["square"]))
    widths = {}
    for yaw in (0, 35):
        seen = turned(yaw).project(frame.edges)
        widths[yaw] = np.ptp(seen[..., 0], axis=1)
    assert widths[0][0] == pytest.approx(widths[0][1], rel=1e-3)
    near, far = widths[35]  # the nose points to the right, so the right lens is the far one
    assert far < 0.85 * near
    assert 0.6 < near / widths[0][0] < 1.0


def _temples(pose: Pose) -> np.ndarray:
    """Return how far thick temples hide each pixel of a plain face, (h, w)."""
    black = Paint(np.full(3, 0.004), np.full(3, 0.004))
    back = build_frame(Cut(OUTLINES["wayfarer"], 1.0)).back
    scene = see(plain_face(210, pose), landmarks_of(pose))
    values = surface(back, scene.pose, black)
    layer = draw_mesh(scene, back, values, lambda points: shade(points, scene.light), 3.0)
    return layer.spread(scene.shape)


def test_the_near_temple_is_seen_and_the_far_one_is_hidden_behind_the_cheek():
    pose = turned(35)
    temples = _temples(pose)
    seen = []
    for sign in (-1, 1):  # half way to the ear, on either side
        x, y = pose.project(np.array([75.0 * sign, -6.0, 55.0]))[:2].round().astype(int)
        seen.append(float(temples[y - 2 : y + 3, x - 1 : x + 2].max()))
    assert seen[0] > 0.8 and seen[1] < 0.05
    # From in front both are seen, short, and neither reaches beyond the ears.
    straight = turned(0)
    columns = np.flatnonzero(_temples(straight).any(axis=0))
    ears = [straight.project(EAR * (sign, 1, 1) + (5 * sign, 0, 0))[0] for sign in (-1, 1)]
    assert ears[0] < columns.min() < 50 and 78 < columns.max() < ears[1]


def test_a_hat_turns_with_the_head():
    masks = {}
    for yaw in (-30, 0, 30):
        pose = turned(yaw)
        face, landmarks = plain_face(200, pose), landmarks_of(pose)
        masks[yaw] = draw(face, landmarks, "hat", style=row("hat", "top hat")).mask > 0.8
    # The crown is further back than the eyes, which stay where they are.
    middle = {yaw: np.nonzero(mask[10:40])[1].mean() for yaw, mask in masks.items()}
    assert middle[30] < middle[0] - 5 < middle[0] + 5 < middle[-30]
    assert (masks[30] != masks[-30][:, ::-1]).mean() < 0.06


# --- styles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_row_says_what_it_was_made_of(attribute):
    names = STYLES[attribute]
    assert names == CHOICES[attribute] + NUMBERS[attribute]
    for kind in CHOICES[attribute]:
        numbers = {name: -0.5 for name in NUMBERS[attribute]}
        style = row(attribute, kind, **numbers)
        assert len(style) == len(names)
        assert styles.read_row(attribute, style) == (kind, numbers)
    assert styles.read_row(attribute, ()).kind == ""
    with pytest.raises(ValueError, match="Expected one of"):
        row(attribute, "monocle")
    with pytest.raises(ValueError, match="has no"):
        row(attribute, loudness=1)
    with pytest.raises(ValueError, match="numbers"):
        styles.read_row(attribute, (0.0,) * 3)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_all_kinds_are_drawn_and_differ(photo, attribute):
    drawn = [
        draw(photo, STRAIGHT, attribute, style=row(attribute, kind)).image
        for kind in CHOICES[attribute]
    ]
    for place, one in enumerate(drawn):
        assert (one != photo).any(axis=2).mean() > 0.005
        assert all((one != other).any() for other in drawn[:place])


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_each_number_of_a_style_changes_the_picture(photo, attribute):
    kind = CHOICES[attribute][0]
    middle = draw(photo, STRAIGHT, attribute, style=row(attribute, kind)).image.astype(int)
    for name in NUMBERS[attribute]:
        for end in (-1, 1):
            style = row(attribute, kind, **{name: end})
            other = draw(photo, STRAIGHT, attribute, style=style).image
            assert np.abs(other - middle).max() > 15, (name, end)


def test_darker_lenses_are_darker(photo):
    eye = (slice(62, 70), slice(46, 54))
    levels = [
        draw(photo, STRAIGHT, "glasses", style=row("glasses", "round", lenses=dark))
        .image[eye]
        .mean()
        for dark in (0, 0.5, 1)
    ]
    assert levels[0] > 1.3 * levels[1] > 1.3**2 * levels[2]


def test_one_style_goes_with_the_person():
    middle = styles.Style("round", dict.fromkeys(NUMBERS["glasses"], 0.0))
    scenes = [
        see(faces.draw_face(seed, SIZE, glasses=False, hat=False), STRAIGHT) for seed in range(24)
    ]
    worn = [styles.styled_glasses(scene, middle) for scene in scenes]
    assert {glasses.cut.outline for glasses in worn} == {OUTLINES["round"]}
    assert np.ptp([glasses.paint.colour[0] for glasses in worn]) > 0.02


def covered(photo, **numbers):
    """Return where dark round glasses are drawn, bool (h, w)."""
    style = row("glasses", "round", lenses=1, **numbers)
    return draw(photo, STRAIGHT, "glasses", style=style).mask > 0.5


def test_height_is_that_of_the_lenses_and_low_is_how_low_they_sit(photo):
    def place(where):
        ys = np.nonzero(where[:, 50])[0]  # through the left lens
        return ys.mean(), np.ptp(ys)

    (up, _), (middle, tall), (down, _) = (place(covered(photo, low=n)) for n in (-1, 0, 1))
    assert up + 1.4 < middle < down - 2.4
    (_, flat), (same, taller) = (place(covered(photo, height=n)) for n in (-1, 1))
    assert flat + 1 < tall < taller - 1
    assert same == pytest.approx(middle, abs=1.5)


def test_glare_is_on_the_side_that_it_names_and_a_mirror_image_has_it_on_the_other(photo):
    def seen(photo, glare):
        style = row("glasses", "round", lenses=1, glare=glare)
        return draw(photo, STRAIGHT, "glasses", style=style).image.astype(int)

    left, none, right = (seen(photo, glare) for glare in (-1, 0, 1))
    for lens in (slice(36, 64), slice(64, 92)):
        x = np.arange(lens.start, lens.stop)
        lit = [(side - none)[50:80, lens].clip(0).sum(axis=(0, 2)) for side in (left, right)]
        middles = [(x * light).sum() / light.sum() for light in lit]
        assert middles[0] + 4 < middles[1]
    plain = row("glasses", "cat-eye", size=0.5, glare=-0.75)
    assert mirrored("glasses", plain) == row("glasses", "cat-eye", size=0.5, glare=0.75)
    assert mirrored("hat", row("hat", "cap", low=1)) == row("hat", "cap", low=1)


def test_glasses_by_chance_are_of_all_weights_heights_and_places():
    rows = [styles.read_row("glasses", any_row("glasses", seed)).numbers for seed in range(600)]
    far = {n: np.mean([abs(r[n]) > 0.7 for r in rows if any(r.values())]) for n in rows[0]}
    for name in ("weight", "height", "low"):
        assert 0.22 < far[name] < 0.38
    for name in ("size", "colour", "glare"):
        assert 0.03 < far[name] < 0.16


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_any_style_is_of_all_kinds_and_at_times_of_a_kind_alone(attribute):
    rows = [any_row(attribute, seed) for seed in range(300)]
    chosen = [styles.read_row(attribute, style) for style in rows]
    assert {each.kind for each in chosen} == {*CHOICES[attribute]}
    assert 25 < sum(not any(each.numbers.values()) for each in chosen) < 90
    assert rows[7] == any_row(attribute, 7)


def test_most_glasses_are_clear_and_dark_ones_are_dark():
    rows = [styles.read_row("glasses", any_row("glasses", seed)) for seed in range(800)]
    shades = {
        kind: np.abs(
            [r.numbers["lenses"] for r in rows if r.kind == kind and any(r.numbers.values())]
        )
        for kind in ("aviator", "rectangle")
    }
    dark = {kind: (found > 0.79).mean() for kind, found in shades.items()}
    assert 0.3 < dark["aviator"] < 0.7 and 0.1 < dark["rectangle"] < 0.4
    for found in shades.values():
        assert ((found > 0.25) & (found < 0.79)).mean() < 0.15


def test_a_crown_is_as_high_as_the_hair_and_no_higher_than_it_may():
    scene = see(faces.draw_face(3, SIZE, glasses=False, hat=False), STRAIGHT)
    matte = find_matte(scene)
    fit = hatkinds.KINDS["beanie"].fit
    mesh = hatkinds.beanie(fit, 0.0, np.array([0.5] * 8 + [0.1])).mesh  # with a bobble
    part = mesh.more[:, 2]
    rotation, origin = hatmesh.placement(fit)

    def higher(ends):
        found = hats._over_the_hair(scene, matte._replace(ends=ends), mesh, rotation, origin)
        seen = scene.pose.project(found.points @ rotation.T + origin)[:, 1]
        return found.points, seen[part == hatmesh.CROWN].min()

    points, top = higher(matte.ends * 0)
    np.testing.assert_array_equal(points, mesh.points)
    hair = matte.middle[1] - matte.scale * (edge := (matte.middle[1] - top) / matte.scale + 15)
    raised, now = higher(np.full_like(matte.ends, edge))
    assert now < hair < top
    ball = part == hatmesh.EXTRA
    assert np.ptp(raised[ball, 1]) == pytest.approx(np.ptp(points[ball, 1]))  # still round
    assert raised[ball, 1].mean() < points[ball, 1].mean() - 5
    farthest, _ = higher(np.full_like(matte.ends, 500.0))
    assert farthest[:, 1].min() >= hats.HIGHER * points[:, 1].min()


def test_what_is_only_taken_off_comes_by_chance_and_is_no_style(photo, monkeypatch):
    kinds = [styles._any_kind("hat", np.random.default_rng(seed)) for seed in range(200)]
    assert 3 < sum(kind in hatkinds.OTHERS for kind in kinds) < 40
    assert not {*hatkinds.OTHERS} & {*CHOICES["hat"]}
    for other in hatkinds.OTHERS:
        monkeypatch.setattr(styles, "_any_kind", lambda *_, kind=other: kind)
        shown = draw(photo, STRAIGHT, "hat", seed=3).image
        assert (shown != photo).any(axis=2).mean() > 0.05


# --- any size, any place ----------------------------------------------------------------------


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_larger_photo_gets_the_same_at_its_own_size(attribute):
    small, large = (faces.draw_face(3, size, glasses=False, hat=False) for size in (128, 256))
    kind = CHOICES[attribute][0]
    masks = [
        draw(shown, dress.USUAL * len(shown) - 0.5, attribute, style=row(attribute, kind)).mask
        for shown in (small, large)
    ]
    halved = masks[1].reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.abs(halved - masks[0]).mean() < 0.02


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("shift", [(0, -70), (80, 0), (400, 400)])
def test_a_face_at_the_edge_or_outside_is_no_error(photo, attribute, shift):
    image, mask = draw(photo, STRAIGHT + shift, attribute, seed=1)
    assert image.shape == photo.shape and np.isfinite(mask).all()


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_walls_are_no_error(attribute, level):
    with np.errstate(all="raise", under="ignore"):
        image, mask = draw(np.full((96, 128, 3), level, np.uint8), STRAIGHT, attribute, seed=3)
    assert image.shape == (96, 128, 3) and np.isfinite(mask).all()


def test_wrong_arguments_are_refused(photo):
    with pytest.raises(ValueError, match="uint8"):
        draw(photo.astype(np.float32), STRAIGHT, "hat")
    with pytest.raises(ValueError, match="Expected one of"):
        draw(photo, STRAIGHT, "beard")
    with pytest.raises(ValueError, match="strength"):
        draw(photo, STRAIGHT, "hat", strength=1.5)


# --- landmarks --------------------------------------------------------------------------------


def test_landmarks_of_a_photo_are_where_eyes_and_mouth_are(photo):
    points = landmarks.at_size(landmarks.find_five(photo), SIZE)
    np.testing.assert_allclose(points[:2], dress.USUAL[:2] * SIZE - 0.5, atol=4)
    np.testing.assert_allclose(points[3:], dress.USUAL[3:] * SIZE - 0.5, atol=6)
    mirrored = landmarks.at_size(landmarks.find_five(photo[:, ::-1].copy()), SIZE)
    np.testing.assert_allclose(SIZE - 1 - mirrored[[1, 0], 0], points[:2, 0], atol=3)


def test_landmarks_are_found_once_and_kept(tmp_path, monkeypatch, photo):
    asked = []

    def find(crop):
        asked.append(crop.shape)
        return tuple(dress.USUAL.ravel())

    monkeypatch.setattr(landmarks, "find_five", find)
    photos = [tmp_path / "one.png", tmp_path / "two.png", tmp_path / "none.png"]
    for path in photos[:2]:
        Image.fromarray(photo).save(path)
    for _ in range(2):
        found = landmarks.of_photos(photos, tmp_path / "cache")
        assert list(found) == photos[:2]  # what can't be read has none, and is no error
        np.testing.assert_allclose(found[photos[1]], dress.USUAL.ravel())
    assert len(asked) == 2
    Image.fromarray(photo[:100]).save(photos[0])  # another photo in its place
    landmarks.of_photos(photos, tmp_path / "cache")
    assert len(asked) == 3


def test_a_share_of_the_crop_is_the_same_place_at_any_size():
    np.testing.assert_allclose(landmarks.at_size((0.5,) * 10, 128), 63.5)
    np.testing.assert_allclose(landmarks.at_size((0.25,) * 10, 8), 1.5)
    rows, columns = pixels.face_part(128, 3 / 16)
    inside = landmarks.at_size((0.25,) * 10, 104) + [columns.start, rows.start]
    np.testing.assert_allclose(landmarks.at_size((0.25,) * 10, 128, 3 / 16), inside)
