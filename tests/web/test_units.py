"""The page's own tests, and that what they compare with is what Python computes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
ALIGNMENT = ROOT / "web" / "test" / "alignment.json"
SUITING = ROOT / "web" / "test" / "suiting.json"
SECOND_PASS = ROOT / "web" / "test" / "second-pass.json"

pytestmark = pytest.mark.slow

FACES = {
    "a large face, tilted": ([[150, 120], [236, 140], [180, 230]], 128, 0.0),
    "a face smaller than the crop": ([[101.5, 90], [118, 91.25], [109, 110]], 128, 0.0),
    "a face at the photo's edge": ([[12, 30], [60, 26], [38, 80]], 64, 0.0),
    "with headroom": ([[150, 120], [236, 140], [180, 230]], 128, 3 / 16),
}


def wave(width, height):
    """Draw the photo that web/test/align.test.ts draws too."""
    y, x, c = np.mgrid[:height, :width, :3]
    return np.floor(127.5 + 100 * np.sin(x / 9 + c) * np.cos(y / 11)).astype(np.uint8)


def alignment_cases():
    """Return what helpers/alignment.py gives for a few faces, as the page's own tests read it."""
    from helpers import alignment

    cases = []
    for name, (landmarks, size, headroom) in FACES.items():
        photo = wave(400, 300)
        transform = alignment.similarity(landmarks, size, headroom)
        y, x, c = np.mgrid[:size, :size, :3]
        residual = 0.4 * np.sin(x * 12 / size + c) * np.cos(y * 9 / size)
        crop = alignment.crop_face(photo, transform, size)
        pasted = alignment.paste_residual(photo, residual.astype(np.float32), transform)
        share = 0.5 + 0.5 * np.sin(x * 7 / size) * np.cos(y * 5 / size)
        paint = (share * (0.3 - (crop / 127.5 - 1))).astype(np.float32)
        painted = alignment.paste_residual(photo, paint, transform, crop)

        def pixels(image, step):  # x, y, red, green, blue
            height, width = image.shape[:2]
            places = [(x, y) for y in range(1, height, step) for x in range(2, width, step)]
            return [[x, y, *image[y, x].tolist()] for x, y in places]

        cases.append(
            {
                "name": name,
                "photo": {"width": 400, "height": 300},
                "landmarks": landmarks,
                "size": size,
                "headroom": headroom,
                "transform": transform.ravel().round(6).tolist(),
                "crop": pixels(crop, 17),
                "pasted": pixels(pasted, 29),
                "painted": pixels(painted, 31),
            }
        )
    return {"cases": cases}


def slanted(size, hair, clothes, right, down):
    """Draw the face crop that web/test/style.test.ts draws too: two slopes, hair above clothes."""
    y, x, c = np.mgrid[:size, :size, :3]
    slope = right * (x / size - 0.5) + down * (y / size - 0.5)
    return np.where(y < 0.6 * size, hair, clothes) + slope + 0.1 * (c - 1)


def suiting_cases():
    """Return face crops hardly lighter or darker than where another kind suits, and what suits."""
    from helpers import styling

    card = {
        "styles": [*"abcdefghi", "steep", "free", "flat"],
        "kinds": list("abcdefghi"),
        "suits": [list("abc"), list("def"), list("ghi")],
        "by_light": {
            "steep": {"box": [0.28, 0.6, 0.38, 0.7], "stops": [0.35, 0.45], "numbers": [0, 0.9]},
            "flat": {"box": [0.86, 0.02, 1, 0.3], "stops": [0.15, 0.32], "numbers": [1, -1]},
        },
    }
    rng, cases = np.random.default_rng(0), []
    for number in range(36):
        size, headroom = [(64, 0.0), (96, 3 / 16), (250, 3 / 16)][number % 3]
        right, down = rng.uniform(-0.4, 0.4, 2)
        whole = slanted(size, 0, 0, right, down)[None].astype(np.float32)
        means = [
            float(styling.lightness(whole, box, headroom)[0, 0])
            for box in (styling.HAIR_BOX, styling.CLOTHES_BOX)
        ]
        looks, lights = number % 9, []
        both = (styling.HAIR_STOPS, styling.CLOTHES_STOPS)
        for third, mean, stops in zip(divmod(looks, 3), means, both, strict=True):
            stop = number % 2 if third == 1 else third // 2  # a middle has two ends
            lighter = third > stop
            lights.append(2 * (stops[stop] + (0.001 if lighter else -0.001) - mean))
        drawn = [size, *lights, float(right), float(down)]
        crop = slanted(*drawn)[None].astype(np.float32)
        suiting = styling.suiting_style(crop, card | {"headroom": headroom})[0].numpy().tolist()
        assert suiting[:9] == [float(kind == looks) for kind in range(9)]
        cases.append({"headroom": headroom, "drawn": drawn, "suiting": suiting})
    return {"card": card, "cases": cases}


def second_pass_cases():
    """Return what helpers/second_pass.py makes of a network that paints waves of white."""
    import keras

    from helpers import second_pass

    cases = []
    for size, low, high in ((64, 4, 8), (160, 2, 30)):  # of 160, the reach is 2.5
        y, x, c = np.mgrid[:size, :size, :3]
        crop = (0.8 * np.sin(x / 9 + c) * np.cos(y / 11))[None].astype(np.float32)
        cover = (0.5 + 0.5 * np.sin(x * 7 / size) * np.cos(y * 5 / size))[None].astype(np.float32)
        image = keras.Input((size, size, 3))
        network = keras.Model(image, keras.ops.multiply(cover, 1.2 - image))
        both = np.asarray(second_pass.with_second_pass(network, low, high)(crop))[0]
        places = [(x, y) for y in range(0, size, 9) for x in range(0, size, 7)]
        cases.append(
            {
                "size": size,
                "levels": [low, high],
                "residual": [[x, y, *both[y, x].round(5).tolist()] for x, y in places],
            }
        )
    return {"cases": cases}


def test_the_types_and_the_pages_own_tests(page_folder):
    """`npm test`: the TypeScript compiler, then vitest. The build has installed both."""
    from tooling.page import find_node

    done = find_node().run("test", cwd=ROOT / "web")
    assert done.returncode == 0, done.stdout


def test_alignment_fixture_is_what_python_computes():
    """The page's unit tests compare with this file, so page and Python can't drift apart."""
    stored, now = json.loads(ALIGNMENT.read_text()), alignment_cases()
    assert [case["name"] for case in stored["cases"]] == list(FACES)
    for old, new in zip(stored["cases"], now["cases"], strict=True):
        np.testing.assert_allclose(old["transform"], new["transform"], atol=1e-5)
        for part in ("crop", "pasted", "painted"):
            np.testing.assert_allclose(old[part], new[part], atol=1)


def test_what_suits_is_what_python_finds_to_suit():
    """The page's unit tests compare with this file too."""
    stored, now = json.loads(SUITING.read_text()), suiting_cases()
    assert stored["card"] == now["card"]
    every = np.array([case["suiting"] for case in now["cases"]])
    assert (every[:, :9].sum(axis=0) == 4).all()
    assert (every[:, 10] == 0).all()
    for numbers, ends in ((every[:, 9], (0, 0.9)), (every[:, 11], (1, -1))):
        near = np.abs(numbers[:, None] - ends) < 1e-6
        assert near.any(axis=0).all() and (~near.any(axis=1)).sum() > 3
    for old, new in zip(stored["cases"], now["cases"], strict=True):
        assert old["headroom"] == new["headroom"]
        for part in ("drawn", "suiting"):
            np.testing.assert_allclose(old[part], new[part], atol=1e-4)


def test_second_passes_are_what_python_computes():
    stored, now = json.loads(SECOND_PASS.read_text()), second_pass_cases()
    for old, new in zip(stored["cases"], now["cases"], strict=True):
        assert (old["size"], old["levels"]) == (new["size"], new["levels"])
        np.testing.assert_allclose(old["residual"], new["residual"], atol=1e-4)


if __name__ == "__main__":  # after a change in what they compare: python tests/web/test_units.py
    sys.path.insert(0, str(ROOT))
    every = {ALIGNMENT: alignment_cases, SUITING: suiting_cases, SECOND_PASS: second_pass_cases}
    for path, cases in every.items():
        path.write_text(json.dumps(cases(), separators=(",", ":")) + "\n")
