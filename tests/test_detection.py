"""BlazeFace on real portraits: small, large, turned, several, and where there is no face."""

import warnings

import numpy as np
import pytest
from PIL import Image
from skimage import data

from helpers import detection
from helpers.alignment import TEMPLATE, similarity
from helpers.detection import find_faces

# The eyes and the mouth of scikit-image's astronaut, marked by hand.
ASTRONAUT = np.array([[204.0, 100.0], [245.5, 102.0], [223.5, 139.0]])
# Her head, with which other pictures are made, and where it lies in the portrait.
LEFT, TOP, SIDE = 120, 0, 210


def astronaut(side=512):
    image = Image.fromarray(data.astronaut())
    return image.resize((side, side), Image.Resampling.BICUBIC)


def head(side=SIDE):
    return Image.fromarray(data.astronaut()[TOP:, LEFT:][:SIDE, :SIDE]).resize((side, side))


def on_canvas(*pasted, size=(900, 500)):
    """Paste (image, x, y) on gray; return the photo."""
    canvas = Image.new("RGB", size, (128, 128, 128))
    for image, x, y in pasted:
        canvas.paste(image, (x, y))
    return np.asarray(canvas)


def off(landmarks, expected=ASTRONAUT):
    """Return how far the crop is off, in its pixels: the mean over the template's landmarks."""
    found, wanted = similarity(landmarks), similarity(expected)
    points = np.column_stack([TEMPLATE, np.ones(3)])
    back = np.linalg.inv(np.vstack([wanted, [0, 0, 1]]))
    moved = points @ back.T @ found.T
    return np.linalg.norm(moved - TEMPLATE, axis=1).mean()


@pytest.mark.parametrize("bad", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)])
def test_what_is_not_a_photo_is_refused(bad):
    with pytest.raises(ValueError, match=r"uint8 of shape \(H, W, 3\)"):
        find_faces(bad)


def test_all_numbers_of_the_network_are_read():
    arrays = detection._read_weights()
    # A kernel and a bias each: the first layer, 32 blocks of two, and four layers for the outputs.
    assert len(arrays) == 2 * (1 + 2 * 32 + 4)
    assert [a.ndim for a in arrays] == [4, 1] * (len(arrays) // 2)
    assert all(a.dtype == np.float32 and np.isfinite(a).all() for a in arrays)
    assert all(a.std() > 0.01 for a in arrays[::2])


@pytest.mark.parametrize("side", [128, 512, 3000])
def test_a_portrait_of_any_size(side):
    (face,) = find_faces(np.asarray(astronaut(side)))
    landmarks = (face.landmarks + 0.5) * 512 / side - 0.5
    assert off(landmarks) < 4
    assert np.linalg.norm(landmarks - ASTRONAUT, axis=1)[:2].max() < 4
    assert detection.SURE <= face.score <= 1 and face.turned == 0
    x, y = (face.centre + 0.5) * 512 / side - 0.5
    assert abs(x - 225) < 12 and abs(y - 120) < 15 and 90 < face.extent * 512 / side < 120


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_photo_that_lies_on_its_side_or_stands_on_its_head(degrees):
    upright = np.asarray(astronaut())[:400]
    turned = np.rot90(upright, -degrees // 90)
    (face,) = find_faces(turned)
    assert face.turned == degrees
    # From the turned photo back to the upright one, about the middles of both.
    x, y = (face.landmarks - (np.array(turned.shape[1::-1]) - 1) / 2).T
    turn = np.radians(degrees)
    back = np.column_stack(
        [x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)]
    )
    assert off(back + [255.5, 199.5]) < 4


@pytest.mark.parametrize("degrees", [-30, 20])
def test_a_tilted_head_is_measured_as_it_is(degrees):
    photo = astronaut().rotate(-degrees, resample=Image.Resampling.BICUBIC)
    (face,) = find_faces(np.asarray(photo))
    x, y = face.landmarks[1] - face.landmarks[0]
    assert abs(np.degrees(np.arctan2(y, x)) - degrees) < 8 and face.turned == 0


def test_a_small_face_and_one_that_fills_the_photo():
    (small,) = find_faces(on_canvas((head(60), 700, 90), size=(1000, 700)))
    assert np.linalg.norm(small.landmarks[:2].mean(axis=0) - [730, 120]) < 6
    close = astronaut().crop((170, 40, 280, 170)).resize((880, 1040))
    (large,) = find_faces(np.asarray(close))
    assert off((large.landmarks + 0.5) / 8 + [169.5, 39.5]) < 4


def test_all_faces_of_a_photo_the_largest_first():
    photo = on_canvas((head(90), 20, 350), (head(400).rotate(180), 450, 50), (head(), 150, 60))
    faces = find_faces(photo)
    assert [face.turned for face in faces] == [180, 0, 0]
    middles = [face.landmarks.mean(axis=0).round() for face in faces]
    for middle, (x, y) in zip(middles, [(651, 230), (254, 173), (64, 398)], strict=True):
        assert abs(middle[0] - x) < 25 and abs(middle[1] - y) < 25
    assert faces[0].extent > faces[1].extent > faces[2].extent


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea", "hubble_deep_field", "grass"])
def test_no_face_is_found_where_there_is_none(name):
    scene = getattr(data, name)()
    scene = scene if scene.ndim == 3 else np.stack([scene] * 3, axis=-1)
    for quarters in range(4):
        assert find_faces(np.ascontiguousarray(np.rot90(scene, quarters))) == []


@pytest.mark.parametrize("shape", [(1, 1), (7, 900), (24, 3000), (200, 300)])
def test_no_face_is_found_in_plain_or_noisy_pictures(shape):
    assert find_faces(np.full((*shape, 3), 90, np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert find_faces(noise) == []


def test_nothing_is_printed_and_nothing_warns(capfd):
    import tensorflow  # noqa: F401  (what it prints itself is not ours)

    capfd.readouterr()
    detection._network.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for side in (128, 300):  # two sizes: nothing is compiled anew
            assert len(find_faces(np.asarray(astronaut(side)))) == 1
        assert find_faces(data.coffee()) == []
    assert capfd.readouterr() == ("", "")


def test_finding_faces_leaves_the_random_numbers_as_they_are():
    import keras
    import tensorflow as tf

    def numbers():
        # Keras' own generator goes on after another seed in Keras 3.10.
        return [np.random.rand(), tf.random.uniform(()).numpy()]

    keras.utils.set_random_seed(1)
    expected = numbers()
    keras.utils.set_random_seed(1)
    detection._network.cache_clear()
    find_faces(np.asarray(astronaut(128)))
    assert numbers() == expected
