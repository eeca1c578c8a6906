"""Is it still the same person? dlib's face embedding, before and after an edit.

The network and its files come from the packages ``dlib-bin`` and ``face-recognition-models``.
The latter is only a folder of files here: importing it needs pkg_resources, which newer
installations lack.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import CourseError

SAME_PERSON = 0.6  # dlib's own threshold: its authors tuned it on Labeled Faces in the Wild
JPEG_QUALITY = 75
# dlib's five landmarks (outer and inner corner of the eye at the right of the picture, the same
# at the left, bottom of the nose) on CelebA's face crop of 128 px: the median over 119 photos of
# what its own detector and predictor find. On an aligned crop this serves as well as looking
# anew in each photo (different people: 0.860 either way), and looking anew in an edited one
# would count a landmark that jumped to the rim of the glasses as a change of the person.
LANDMARKS = ((83, 66.5), (72, 67.5), (45, 66.5), (56, 67.5), (64, 88))


class IdentityError(CourseError):
    """dlib or its model files are not installed; the message says what to install."""


def model_file(name: str) -> Path:
    """Return the path of one of face-recognition-models' files, without importing the package.

    Raises
    ------
    IdentityError
        If it is not installed.
    """
    try:
        folder = distribution("face-recognition-models").locate_file("face_recognition_models")
    except PackageNotFoundError as error:
        raise IdentityError(
            "The face embedding's files are missing: pip install face-recognition-models"
        ) from error
    path = Path(folder) / "models" / name
    if not path.is_file():
        raise IdentityError(f"{name} is not in face-recognition-models; install it again.")
    return path


@lru_cache(maxsize=1)
def load_embedder() -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from aligned face crops to embeddings.

    It takes uint8 (n, size, size, 3) and returns float64 (n, 128). The distance of two rows is
    below `SAME_PERSON` for two photos of one person, as a rule.

    Raises
    ------
    IdentityError
        If dlib or its files are not installed.
    """
    try:
        import dlib
    except ImportError as error:
        raise IdentityError("The face embedding needs dlib: pip install dlib-bin") from error
    network = dlib.face_recognition_model_v1(
        str(model_file("dlib_face_recognition_resnet_model_v1.dat"))
    )

    def embed(images: np.ndarray) -> np.ndarray:
        size = images.shape[1]
        points = [dlib.point(round(x * size / 128), round(y * size / 128)) for x, y in LANDMARKS]
        face = dlib.full_object_detection(dlib.rectangle(0, 0, size - 1, size - 1), points)
        chips = [
            dlib.get_face_chip(np.ascontiguousarray(i), face, size=150, padding=0.25)
            for i in images
        ]
        return np.array(network.compute_face_descriptor(chips))

    return embed


def through_jpeg(image: np.ndarray) -> np.ndarray:
    """Return a uint8 image after one round of JPEG: a change that is nobody's edit."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(buffer))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance of each row of `a` to the same row of `b`."""
    return np.linalg.norm(np.asarray(a) - np.asarray(b), axis=1)
