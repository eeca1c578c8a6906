"""Landmarks to the face crop and back: exact geometry, on drawn points and a real portrait."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from helpers import pixels
from helpers.alignment import (
    TEMPLATE,
    crop_face,
    from_square,
    invert,
    opacity,
    paste_residual,
    similarity,
)

# The eyes and the mouth of scikit-image's astronaut, marked by hand.
ASTRONAUT = np.array([[204.0, 100.0], [245.5, 102.0], [223.5, 139.0]])


def apply(transform, points):
    return np.asarray(points, float) @ transform[:, :2].T + transform[:, 2]


def blobs(shape, points, sigma):
    """Draw a Gaussian spot, on grey, at each (x, y) of `points`, one colour channel each."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    spots = [np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2)) for x, y in points]
    return np.stack(spots, axis=-1) * 150 + 60


def centroids(image):
    """Return the (x, y) of each channel's spot."""
    weights = np.clip(image.astype(float) - 75, 0, None)
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]][..., None]
    total = weights.sum(axis=(0, 1))
    return np.stack([(weights * xs).sum((0, 1)) / total, (weights * ys).sum((0, 1)) / total], 1)


def place(scale, degrees, shift):
    """Return the template's landmarks in a photo where the face is turned, scaled and shifted."""
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (TEMPLATE - TEMPLATE.mean(0)) @ matrix.T + shift


@pytest.mark.parametrize(
    "scale, degrees, shift", [(1, 0, (64, 75)), (0.3, 25, (90, 60)), (7, -170, (900, 800))]
)
def test_similarity_is_exact_where_an_exact_one_exists(scale, degrees, shift):
    landmarks = place(scale, degrees, shift)
    transform = similarity(landmarks)
    np.testing.assert_allclose(apply(transform, landmarks), TEMPLATE, atol=1e-3)
    np.testing.assert_allclose(apply(invert(transform), TEMPLATE), landmarks, atol=1e-3)


def test_similarity_brings_the_eyes_level_the_mean_onto_the_mean_and_never_mirrors():
    rng = np.random.default_rng(0)
    landmarks = place(2.0, 10, (200, 150)) + rng.normal(0, 4, (3, 2))
    there = apply(similarity(landmarks), landmarks)
    assert abs(there[1, 1] - there[0, 1]) < 1e-4 and there[1, 0] > there[0, 0]
    np.testing.assert_allclose(there.mean(0), TEMPLATE.mean(0), atol=1e-4)
    spread = [np.linalg.norm(points - points.mean(0)) for points in (there, TEMPLATE)]
    np.testing.assert_allclose(*spread, rtol=1e-5)
    swapped = similarity(landmarks[[1, 0, 2]])  # upside down, and not a mirror image
    np.testing.assert_allclose(swapped[:, :2], -similarity(landmarks)[:, :2], rtol=1e-5)


def test_a_head_that_looks_aside_is_not_taken_for_one_that_is_tilted():
    head = np.array([[-32.0, 0, 0], [32, 0, 0], [0, 68, 12]])  # mm; the mouth is nearer to us
    for degrees in (-30, 15, 30):
        yaw = np.radians(degrees)
        x = head[:, 0] * np.cos(yaw) + head[:, 2] * np.sin(yaw)
        transform = similarity(np.column_stack([x, head[:, 1]]))
        assert abs(transform[1, 0]) < 1e-6, degrees


def test_similarity_scales_about_pixel_edges():
    landmarks = place(2.0, 10, (200, 150))
    small, large = similarity(landmarks, 64), similarity(landmarks, 256)
    point = [[170.0, 140.0]]
    # A crop of twice the side: edge -0.5 stays at -0.5.
    np.testing.assert_allclose((apply(large, point) + 0.5) / 4, apply(small, point) + 0.5)


@pytest.mark.parametrize(
    "landmarks", [[[5, 5]] * 3, [[5, 5], [5, 5], [5, 9]], [[0, 0], [1, np.nan], [2, 2]], [[1, 2]]]
)
def test_similarity_refuses_what_is_no_face(landmarks):
    with pytest.raises(ValueError, match="landmarks"):
        similarity(landmarks)


@pytest.mark.parametrize("size", [64, 128, 200])
@pytest.mark.parametrize("scale, degrees", [(0.7, 0), (1.0, 15), (2.6, -30), (6.0, 95)])
def test_crop_puts_the_landmarks_on_the_template(scale, degrees, size):
    side = int(220 * scale)
    landmarks = place(scale, degrees, (side / 2, side / 2))
    photo = np.rint(blobs((side, side), landmarks, 3 * scale)).astype(np.uint8)
    crop = crop_face(photo, similarity(landmarks, size), size)
    assert crop.shape == (size, size, 3) and crop.dtype == np.uint8
    expected = (TEMPLATE + 0.5) * size / 128 - 0.5
    np.testing.assert_allclose(centroids(crop), expected, atol=0.1)


def test_crop_is_the_same_from_turned_scaled_and_shifted_copies():
    portrait = data.astronaut()
    original = crop_face(portrait, similarity(ASTRONAUT)).astype(float)
    for scale, degrees in ((1.0, 20), (1.7, -35), (3.0, 180)):
        centre = np.array([255.5, 255.5])
        side = int(512 * scale)
        turn = np.radians(degrees)
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shift = np.array([side / 2 - 20, side / 2 + 10]) - matrix @ centre
        copy = crop_face(portrait, np.column_stack([matrix, shift]), side)
        moved = ASTRONAUT @ matrix.T + shift
        again = crop_face(copy, similarity(moved)).astype(float)
        inner = np.abs(again - original)[12:-12, 12:-12]
        assert inner.mean() < 2.5, (scale, degrees)


def test_crop_averages_so_that_fine_patterns_do_not_alias():
    checkers = np.indices((900, 900)).sum(axis=0) % 2 * 255
    photo = np.repeat(checkers[..., None], 3, axis=2).astype(np.uint8)
    crop = crop_face(photo, similarity(place(5.3, 0, (450, 450))))
    assert abs(crop.astype(float) - 127.5).max() < 12


def test_crop_beyond_the_border_reads_the_mirror_image():
    photo = data.astronaut()
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    shifted = np.array([[1.0, 0, 10], [0, 1, 4]])  # ten columns and four rows beyond the photo
    crop = crop_face(photo, shifted)
    np.testing.assert_array_equal(crop[4:, 10:], photo[:124, :118])
    np.testing.assert_array_equal(crop[:4, 10:], photo[3::-1, :118])
    np.testing.assert_array_equal(crop[4:, :10], photo[:124, 9::-1])
    np.testing.assert_array_equal(crop_face(photo, identity), photo[:128, :128])


def test_crop_of_floats_stays_in_their_range():
    photo = data.astronaut().astype(np.float32) / 127.5 - 1
    crop = crop_face(photo, similarity(ASTRONAUT))
    assert crop.dtype == np.float32
    reference = crop_face(data.astronaut(), similarity(ASTRONAUT))
    np.testing.assert_allclose((crop + 1) * 127.5, reference, atol=0.51)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.3])
def test_paste_of_nothing_returns_the_same_bytes(scale):
    photo = np.random.default_rng(1).integers(0, 256, (300, 260, 3), np.uint8)
    transform = similarity(place(scale, 12, (130, 160)))
    pasted = paste_residual(photo, np.zeros((128, 128, 3), np.float32), transform)
    np.testing.assert_array_equal(pasted, photo)
    assert pasted is not photo


@pytest.mark.parametrize("scale, shift", [(0.4, (130, 160)), (1.0, (20, 30)), (3.3, (130, 160))])
def test_paste_changes_nothing_outside_and_fades_in(scale, shift):
    photo = np.full((300, 260, 3), 100, np.uint8)
    transform = similarity(place(scale, 12, shift))
    pasted = paste_residual(photo, np.full((128, 128, 3), 0.8, np.float32), transform)
    ys, xs = np.mgrid[:300, :260]
    points = apply(transform, np.stack([xs, ys], axis=-1))
    depth = 64 - np.abs(points - 63.5).max(axis=-1)  # crop pixels to the crop's edge
    np.testing.assert_array_equal(pasted[depth <= 0], photo[depth <= 0])
    assert (pasted[depth > 6] == 202).all()  # 100 + 0.8 * 127.5
    assert depth.max() > 6
    # No step at the border: the change grows with the depth.
    assert pasted[(depth > 0) & (depth < 0.5)].max(initial=100) < 112


def test_opacity_is_the_share_that_was_painted_over():
    rng = np.random.default_rng(0)
    crop = rng.integers(20, 236, (64, 64, 3), np.uint8)
    unit = crop / 127.5 - 1
    y, x = np.mgrid[:64, :64]
    share = (0.5 + 0.4 * np.sin(x / 20))[..., None]
    found = opacity(crop, (share * (0.2 - unit)).astype(np.float32))
    np.testing.assert_allclose(found[8:-8, 8:-8], share[8:-8, 8:-8, 0], atol=0.06)
    shadow = np.full((64, 64, 3), -0.2, np.float32)
    assert opacity(crop, shadow).max() < 0.01
    assert (opacity(crop, 0 * shadow) == 0).all()
    assert opacity(np.full((64, 64, 3), 90, np.uint8), shadow).max() < 0.01  # flat: nothing to hide


def test_hair_does_not_show_through_a_hat():
    rng = np.random.default_rng(0)
    # At four times the crop's size, locks that the crop sees and single hairs that it does not.
    locks = np.kron(rng.integers(60, 160, (32, 32)), np.ones((16, 16)))
    photo = locks[..., None] + rng.integers(-50, 51, (512, 512, 1)) + np.zeros(3)
    photo = photo.astype(np.uint8)
    transform = similarity(TEMPLATE * 4 + 1.5)
    crop = crop_face(photo, transform)
    paint = np.full((128, 128, 3), 0.4) - (crop / 127.5 - 1)

    def roughness(image):
        return np.abs(np.diff(image[60:-60, 60:-60, 0].astype(float))).mean()

    through = paste_residual(photo, paint, transform)
    hidden = paste_residual(photo, paint, transform, crop)
    assert roughness(through) > 20
    assert roughness(hidden) < 0.15 * roughness(through)
    # Seen as small as the crop, both are the edit.
    for pasted in (through, hidden):
        again = crop_face(pasted, transform)[16:-16, 16:-16]
        assert np.abs(again.astype(float) - 127.5 * 1.4).mean() < 4


def test_paste_clips_and_leaves_a_photo_that_the_crop_misses():
    photo = np.full((128, 128, 3), 250, np.uint8)
    residual = np.full((128, 128, 3), 2.0, np.float32)
    transform = similarity(TEMPLATE)
    assert paste_residual(photo, residual, transform)[64, 64].tolist() == [255, 255, 255]
    assert paste_residual(photo, -residual, transform)[64, 64].tolist() == [0, 0, 0]
    far = similarity(TEMPLATE + 5000)
    np.testing.assert_array_equal(paste_residual(photo, residual, far), photo)


@pytest.mark.parametrize("scale, size", [(0.6, 128), (1.0, 128), (2.4, 128), (5.0, 64)])
def test_an_edit_of_the_crop_is_seen_again_after_the_paste(scale, size):
    photo = np.full((int(260 * scale), int(260 * scale), 3), 128, np.uint8)
    transform = similarity(place(scale, -18, (130 * scale, 140 * scale)), size)
    ys, xs = np.mgrid[:size, :size] * 128 / size
    bump = np.exp(-(((xs - 70) / 14) ** 2) - ((ys - 55) / 8) ** 2)
    residual = (bump[..., None] * [0.7, -0.5, 0.2]).astype(np.float32)
    before = crop_face(photo, transform, size).astype(float)
    after = crop_face(paste_residual(photo, residual, transform), transform, size)
    np.testing.assert_allclose((after - before) / 127.5, residual, atol=0.03)


@pytest.mark.parametrize("bad", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)])
def test_what_is_not_a_photo_is_refused(bad):
    with pytest.raises(ValueError, match=r"uint8 of shape \(H, W, 3\)"):
        paste_residual(bad, np.zeros((8, 8, 3), np.float32), similarity(TEMPLATE))


def test_headroom_leaves_the_face_crop_where_it_is():
    """The face part of a crop with headroom is the face crop itself, of photos and of faces."""
    portrait, size, headroom = data.astronaut(), 128, pixels.HEADROOM
    rows, columns = pixels.face_part(size, headroom)
    inner = rows.stop - rows.start
    assert (rows.stop, columns.stop - columns.start, inner) == (128, inner, 104)
    large = crop_face(portrait, similarity(ASTRONAUT, size, headroom), size)
    usual = crop_face(portrait, similarity(ASTRONAUT, inner), inner)
    np.testing.assert_allclose(large[rows, columns], usual, atol=1)
    photo = Image.fromarray(portrait).resize((178, 218))
    large = pixels.face_crop(photo, size, headroom).astype(int)
    difference = np.abs(large[rows, columns] - pixels.face_crop(photo, inner))
    assert difference[2:-2, 2:-2].max() <= 3  # at its edges each sees what is beyond or does not
    # Above the photo is its mirror image: 41 rows of a photo more, of which it has 20.
    middle = np.asarray(photo)[10].mean()
    assert abs(large[round(30 / 219 * 128)].mean() - middle) < 25


def test_a_square_with_headroom_is_what_similarity_sees():
    box = (10, 20, 110, 120)
    wide = pixels.with_headroom(box, pixels.HEADROOM)
    assert wide[3] == 120 and wide[2] - wide[0] == pytest.approx(wide[3] - wide[1])
    transform = from_square(wide, 128)
    corner = transform @ [10 - 0.5, 20 - 0.5, 1]
    np.testing.assert_allclose(corner, [11.5, 23.5])
