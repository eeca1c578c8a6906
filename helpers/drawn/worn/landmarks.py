"""Where eyes, nose and mouth are in photos: found once, and kept.

The predictor of 68 points comes with face-recognition-models, as does `identity`'s network. It is
told where the face is, which all face crops have in the same place, so that no detector is needed.

Source: Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees",
CVPR 2014.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ... import identity, pixels
from ...files import written_whole

SIDE = 356  # px of the crop that the predictor sees: on smaller ones it jumps by whole pixels
# Boxes of a face on that crop: left, top, right, bottom. What it finds hangs on the box a little,
# so that the mean over three is nearer to the truth.
BOXES = ((80, 136, 276, 332), (72, 132, 280, 340), (88, 144, 268, 324))
# Of the 68: each eye's six, the tip of the nose, the corners of the mouth.
POINTS = (range(36, 42), range(42, 48), (30,), (48,), (54,))


@functools.cache
def _predictor() -> Callable[[np.ndarray], np.ndarray]:
    try:
        import dlib
    except ImportError as error:
        raise identity.IdentityError(
            "To draw on photos, dlib has to find eyes, nose and mouth: pip install dlib-bin"
        ) from error
    predict = dlib.shape_predictor(
        str(identity.model_file("shape_predictor_68_face_landmarks.dat"))
    )

    def points(image: np.ndarray) -> np.ndarray:
        shapes = [predict(image, dlib.rectangle(*box)) for box in BOXES]
        return np.mean([[(p.x, p.y) for p in shape.parts()] for shape in shapes], axis=0)

    return points


def find_five(crop: np.ndarray) -> tuple[float, ...]:
    """Return the landmarks of a face crop: x and y of each, as shares of the crop's side.

    Left and right eye, tip of the nose, left and right corner of the mouth; left is the left of the
    picture.

    Parameters
    ----------
    crop : uint8 (size, size, 3)

    Raises
    ------
    IdentityError
        If dlib or its files are not installed.
    """
    large = Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    found = _predictor()(np.asarray(large))
    five = [found[list(indices)].mean(axis=0) for indices in POINTS]
    return tuple(((np.concatenate(five) + 0.5) / SIDE).round(5).tolist())


def at_size(landmarks: tuple[float, ...], size: int, headroom: float = 0.0) -> np.ndarray:
    """Return landmarks as x and y (5, 2) in the pixels of a crop."""
    points = np.reshape(landmarks, (5, 2)) * size * (1 - headroom)
    return points + [size * headroom / 2, size * headroom] - 0.5


def of_photos(photos: Iterable[Path], cache: Path | None = None) -> dict[Path, tuple[float, ...]]:
    """Return the landmarks of each photo that can be read, from `cache` if they are known there."""
    file = cache and cache / "landmarks.npz"
    known: dict[str, np.ndarray] = {}
    if file and file.is_file():
        with np.load(file) as kept:
            known.update(zip(kept["keys"].tolist(), kept["points"].tolist(), strict=True))
    keys = {photo: _key(photo) for photo in photos}
    missing = [photo for photo, key in keys.items() if key not in known]
    if missing:
        _predictor()  # says at once if it isn't there
        with ThreadPoolExecutor() as pool, tqdm(total=len(missing), desc="landmarks") as bar:
            for photo, found in zip(missing, pool.map(_find, missing), strict=True):
                if found is not None:
                    known[keys[photo]] = found
                bar.update()
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(file) as temporary, open(temporary, "wb") as stream:
                points = np.reshape(list(known.values()), (-1, 10))
                np.savez(stream, keys=np.array(list(known)), points=points)
    return {photo: tuple(known[key]) for photo, key in keys.items() if key in known}


def _key(photo: Path) -> str:
    """Return what a photo is kept by: its place and size, so that another in its place is new."""
    size = photo.stat().st_size if photo.is_file() else 0
    told = f"{photo.absolute()} {size}".encode(errors="surrogateescape")
    return hashlib.blake2b(told, digest_size=8).hexdigest()


def _find(photo: Path) -> tuple[float, ...] | None:
    try:
        return find_five(pixels.face_crop(pixels.open_photo(photo), SIDE))
    except (OSError, ValueError):
        return None  # who asks for the photo is told why
