"""The page in a real browser: fake webcam, uploads, errors in words, and nothing sent anywhere."""

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
ALIGNMENT = ROOT / "web" / "test" / "alignment.json"

FACES = {
    "a large face, tilted": ([[150, 120], [236, 140], [180, 230]], 128),
    "a face smaller than the crop": ([[101.5, 90], [118, 91.25], [109, 110]], 128),
    "a face at the photo's edge": ([[12, 30], [60, 26], [38, 80]], 64),
}


def wave(width, height):
    """Draw the photo that web/test/align.test.ts draws too."""
    y, x, c = np.mgrid[:height, :width, :3]
    return np.floor(127.5 + 100 * np.sin(x / 9 + c) * np.cos(y / 11)).astype(np.uint8)


def alignment_cases():
    """Return what helpers/alignment.py gives for a few faces, as the page's own tests read it."""
    from helpers import alignment

    cases = []
    for name, (landmarks, size) in FACES.items():
        photo = wave(400, 300)
        transform = alignment.similarity(landmarks, size)
        y, x, c = np.mgrid[:size, :size, :3]
        residual = 0.4 * np.sin(x * 12 / size + c) * np.cos(y * 9 / size)
        crop = alignment.crop_face(photo, transform, size)
        pasted = alignment.paste_residual(photo, residual.astype(np.float32), transform)

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
                "transform": transform.ravel().round(6).tolist(),
                "crop": pixels(crop, 17),
                "pasted": pixels(pasted, 29),
            }
        )
    return {"cases": cases}


def test_alignment_fixture_is_what_python_computes():
    """The page's unit tests compare with this file, so page and Python can't drift apart."""
    stored, now = json.loads(ALIGNMENT.read_text()), alignment_cases()
    assert [case["name"] for case in stored["cases"]] == list(FACES)
    for old, new in zip(stored["cases"], now["cases"], strict=True):
        np.testing.assert_allclose(old["transform"], new["transform"], atol=1e-5)
        for part in ("crop", "pasted"):
            np.testing.assert_allclose(old[part], new[part], atol=1)


if __name__ == "__main__":  # after a change in helpers/alignment.py: python tests/test_web.py
    sys.path.insert(0, str(ROOT))
    ALIGNMENT.write_text(json.dumps(alignment_cases(), separators=(",", ":")) + "\n")
