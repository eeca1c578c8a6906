"""What a camera did to a photo, found out and done to a drawing: blur, grain, JPEG."""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from .light import LUMINANCE


class Camera(NamedTuple):
    """How a photo was taken.

    Attributes
    ----------
    blur : float
        Sigma of what blurs it, in pixels.
    grain : float
        Deviation of its noise, in grey levels of 255.
    """

    blur: float
    grain: float


# Energy in the finest octave by that in the next, at the edges of faces that were scaled down from
# large photos and blurred by so many pixels.
RATIOS = (0.74, 0.66, 0.60, 0.55, 0.50, 0.46, 0.42, 0.38)
BLURS = (0.20, 0.36, 0.47, 0.57, 0.70, 0.82, 1.05, 1.30)
PIXEL = 0.3  # px; sigma of what is drawn anyway, as the mean of a pixel


def find_camera(photo: np.ndarray, mask: np.ndarray) -> Camera:
    """Return how sharp and how grainy a photo is.

    Parameters
    ----------
    photo : uint8 (h, w, 3)
    mask : bool (h, w)
        Where the face is: what is behind may be out of focus.
    """
    rows, columns = np.nonzero(mask)
    if len(rows) < 200:
        return Camera(0.4, 1.0)
    part = photo[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    grey = part.astype(np.float32) @ LUMINANCE
    once, twice = gaussian_filter(grey, 0.7), gaussian_filter(grey, 1.5)
    fine, coarse = np.abs(grey - once), np.abs(once - twice)
    edges = coarse >= np.percentile(coarse, 80)
    ratio = float(fine[edges].mean() / (coarse[edges].mean() + 1e-3))
    flat = coarse <= np.percentile(coarse, 30)
    grain = float(fine[flat].mean()) * 1.2
    blur = float(np.interp(-ratio, [-r for r in RATIOS], BLURS))
    # What is drawn has edges that a lens has not softened yet, so a part of it is enough.
    return Camera(1.1 * float(np.sqrt(max(blur**2 - PIXEL**2, 0))), min(grain, 6.0))


def jpeg_change(photo: np.ndarray, worn: np.ndarray, quality: int) -> np.ndarray:
    """Return what to add to a photo for what is worn to look as after JPEG, int16 (h, w, 3).

    Both, uint8, go through it, and this is how the results differ: nothing where nothing is worn.
    """
    before, after = (_jpeg(image, quality).astype(np.int16) for image in (photo, worn))
    return after - before


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    return np.asarray(Image.open(buffer))
