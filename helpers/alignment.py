"""From a photo to the face crop that every network sees, and back. Built in notebook 10.

Coordinates are (x, y) pixel indices: the centre of the top-left pixel is (0, 0), so an image of
width W reaches from -0.5 to W - 0.5. "Left" is the image's left, not the person's. A transform
is a (2, 3) matrix that takes a point of the photo to a point of the crop:
``crop = transform[:, :2] @ photo + transform[:, 2]``.
"""

from math import ceil, hypot

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

TEMPLATE_SIZE = 128
# Where CelebA's aligned photos have the left eye, the right eye and the mouth's centre, in the
# face crop of 128 x 128.
TEMPLATE = np.array([[50.1, 65.8], [77.6, 65.8], [63.8, 95.3]], np.float32)

WINDOW = 9  # px of the crop, over which `opacity` fits a line
FLAT = 0.003  # what variance of a window is too little to tell: a spread of 4 grey levels
FEATHER = 0.04  # the part of the crop's side over which a pasted residual fades in


def similarity(
    landmarks: np.ndarray, size: int = TEMPLATE_SIZE, headroom: float = 0.0
) -> np.ndarray:
    """Return the turn, scale and shift that bring a face's landmarks to the template.

    The turn is that of the line of the eyes, as CelebA's makers did it. A head that looks aside has
    its mouth aside of their middle, and least squares over all three points (Umeyama, 1991) takes
    that for a tilt: on 177 photos the crops were turned by 2.8 degrees (standard deviation) against
    those that the course's weights learned from, by the eyes 1.9. The scale brings the points as
    far from their mean as the template's are, root mean square, and the shift their mean onto the
    template's. With points as complex numbers x + iy, a similarity is z -> a z + b.

    Parameters
    ----------
    landmarks : array_like
        Left eye, right eye and mouth centre in the photo, of shape (3, 2).
    size : int
        The crop's side in pixels.
    headroom : float
        The part of that side which is above the face crop, as `pixels.face_part` has it.

    Returns
    -------
    numpy.ndarray
        float64 of shape (2, 3), from photo coordinates to crop coordinates.

    Raises
    ------
    ValueError
        When the landmarks are not three finite points, or both eyes fall on one.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.shape != (3, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"landmarks must be three points (x, y), not {landmarks.tolist()}")
    # Pixel centres: the crop's edges, at -0.5 and side - 0.5, must stay its edges at any size.
    target = (TEMPLATE.astype(np.float64) + 0.5) * size * (1 - headroom) / TEMPLATE_SIZE - 0.5
    target += [size * headroom / 2, size * headroom]
    source, target = landmarks @ [1, 1j], target @ [1, 1j]
    if abs(source[1] - source[0]) < 1e-6:
        raise ValueError("both eyes of the landmarks fall on one point, so they show no face")
    turn = (source[1] - source[0]).conj() * (target[1] - target[0])
    a = turn / abs(turn) * target.std() / source.std()
    b = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def from_square(box: tuple[float, float, float, float], size: int = TEMPLATE_SIZE) -> np.ndarray:
    """Return the (2, 3) transform of a face that is aligned already: a square becomes the crop.

    Parameters
    ----------
    box : tuple of float
        Left, top, right and bottom of the square in the photo, the last two beyond it.
    size : int
        The crop's side in pixels.
    """
    left, top, right, _ = box
    scale = size / (right - left)
    # Pixel centres, as in `similarity`: the square's edges become the crop's.
    return np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])


def invert(transform: np.ndarray) -> np.ndarray:
    """Return the (2, 3) transform that undoes `transform`: from the crop to the photo."""
    matrix = np.linalg.inv(transform[:, :2])
    return np.column_stack([matrix, -matrix @ transform[:, 2]])


def crop_face(image: np.ndarray, transform: np.ndarray, size: int = TEMPLATE_SIZE) -> np.ndarray:
    """Cut the face crop out of a photo.

    Each crop pixel is the mean of n x n bilinear samples, at the centres of the n x n cells that
    it divides into; n is the number of photo pixels along its side, rounded up, so that no photo
    pixel is skipped when the crop is smaller than the face. (On a canvas: draw the photo with the
    transform at n times the size, then average blocks of n x n.) Beyond the photo's edge its
    mirror image is read, as in the photos that the course's weights learned from.

    Parameters
    ----------
    image : numpy.ndarray
        uint8 or float of shape (H, W, 3).
    transform : numpy.ndarray
        From `similarity`, for the same `size`.
    size : int
        The crop's side in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (size, size, 3): uint8 for a uint8 image, else float32 in the image's range.
    """
    fine = _supersampling(1 / scale_of(transform))
    left, top, right, bottom = _footprint(transform, size)
    window = _mirrored_window(image, left, top, right, bottom)
    to_window = _from_cells(invert(transform), fine) - [[0, 0, left], [0, 0, top]]
    crop = _warp(window, to_window, size, size, fine, Image.Resampling.BILINEAR)
    return np.rint(crop).astype(np.uint8) if image.dtype == np.uint8 else crop


def opacity(crop: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Return how much of the photo a residual hides at each pixel of the crop, from 0 to 1.

    A residual may paint over what is there (a hat) or add to it (a shadow). To paint over it with
    the share m is ``m * (paint - crop)``: where the crop is brighter the residual is lower, and m
    is the slope. So it can be read off the residual, as the slope of a line through each window of
    `WINDOW` px: ``-covariance(residual, crop) / variance(crop)``. Where the crop is flat there is
    nothing to hide, and where the residual is zero all around, so is this.

    Parameters
    ----------
    crop : numpy.ndarray
        uint8 of shape (size, size, 3).
    residual : numpy.ndarray
        float of the same shape, in [-2, 2].

    Returns
    -------
    numpy.ndarray
        float32 of shape (size, size).

    Source: He, Sun and Tang, "Guided Image Filtering", ECCV 2010, whose local lines these are.
    """
    crop = crop.astype(np.float32) / 127.5 - 1
    residual = np.asarray(residual, np.float32)

    def mean(image):
        return uniform_filter(image, (WINDOW, WINDOW, 1), mode="nearest")

    covariance = (mean(residual * crop) - mean(residual) * mean(crop)).sum(axis=2)
    variance = (mean(crop * crop) - mean(crop) ** 2).sum(axis=2)
    slope = np.clip(-covariance / (variance + FLAT), 0, 1)
    # A slope of next to nothing is noise.
    return slope * np.clip(10 * mean(np.abs(residual)).max(axis=2), 0, 1)


def paste_residual(
    photo: np.ndarray,
    residual: np.ndarray,
    transform: np.ndarray,
    crop: np.ndarray | None = None,
) -> np.ndarray:
    """Add a residual, computed on the face crop, to the photo at its full resolution.

    Only the residual is enlarged, so the photo keeps its sharpness. It fades in over the outer 4%
    of the crop, so that its square can't be seen even where it is not zero at the border.

    A residual of 128 px can't take away what is finer than its pixels: single hairs would show
    through a hat. So, if the crop is given, the photo's own pixels give way to those of the edited
    crop as far as `opacity` says.

    Parameters
    ----------
    photo : numpy.ndarray
        uint8 of shape (H, W, 3).
    residual : numpy.ndarray
        float of shape (size, size, 3) in [-2, 2], where 1 is 127.5 grey levels.
    transform : numpy.ndarray
        The one that `crop_face` cut the crop with.
    crop : numpy.ndarray, optional
        What `crop_face` cut out, uint8 of the residual's shape.

    Returns
    -------
    numpy.ndarray
        uint8 of shape (H, W, 3). Outside of the crop, and where the residual is zero (with `crop`,
        zero all around), every pixel keeps its value exactly.

    Raises
    ------
    ValueError
        When an array has another shape or type.
    """
    check_photo(photo)
    if residual.ndim != 3 or residual.shape[0] != residual.shape[1] or residual.shape[2] != 3:
        raise ValueError(f"a residual has the shape (size, size, 3), not {residual.shape}")
    size = residual.shape[0]
    edited = photo.copy()
    left, top, right, bottom = _footprint(transform, size)
    left, right = np.clip([left, right], 0, photo.shape[1])
    top, bottom = np.clip([top, bottom], 0, photo.shape[0])
    if left == right or top == bottom:
        return edited

    window = edited[top:bottom, left:right]
    to_crop = transform + np.column_stack([np.zeros((2, 2)), transform[:, :2] @ [left, top]])
    # Where the face is smaller than the crop, a photo pixel covers several of the residual's.
    fine = _supersampling(scale_of(transform))
    height, width = window.shape[:2]
    cells = _from_cells(to_crop, fine)

    def enlarge(image):
        return _warp(image, cells, height, width, fine, Image.Resampling.BICUBIC)

    weight = 127.5 * _feather(to_crop, size, height, width)[..., None]
    change = enlarge(residual)
    if crop is not None:
        # As much as is taken from the photo is given from the crop: what is seen of the result at
        # the crop's size stays the edited crop.
        share = opacity(crop, residual)[..., None]
        change += enlarge(share * (crop / 127.5 - 1)) - enlarge(share) * (window / 127.5 - 1)
    window[:] = np.clip(np.rint(window + weight * change), 0, 255)
    return edited


def check_photo(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a photo is uint8 of shape (H, W, 3), not {image.dtype} {image.shape}")


def scale_of(transform: np.ndarray) -> float:
    """Return how many crop pixels one photo pixel is wide."""
    return hypot(transform[0, 0], transform[1, 0])


def _supersampling(pixels: float) -> int:
    """Return the samples a side for an output pixel that covers `pixels` x `pixels`."""
    return max(1, ceil(pixels - 1e-6))


def _from_cells(transform: np.ndarray, fine: int) -> np.ndarray:
    """Return `transform` as it is for the indices of a grid that is `fine` times as fine."""
    centre = (1 / fine - 1) / 2  # of the first cell, in pixels
    shift = transform[:, 2] + transform[:, :2] @ [centre, centre]
    return np.column_stack([transform[:, :2] / fine, shift])


def _footprint(transform: np.ndarray, size: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the photo's pixels that the crop reads or changes."""
    edges = np.array([[x, y, 1] for x in (-0.5, size - 0.5) for y in (-0.5, size - 0.5)])
    corners = edges @ invert(transform).T
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    return low[0], low[1], high[0] + 1, high[1] + 1


def _mirrored_window(image: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Return image[top:bottom, left:right], mirrored at the photo's edges as often as needed."""

    def indices(start: int, stop: int, length: int) -> np.ndarray:
        index = np.arange(start, stop) % (2 * length)
        return np.where(index < length, index, 2 * length - 1 - index)

    return image[np.ix_(indices(top, bottom, image.shape[0]), indices(left, right, image.shape[1]))]


def _warp(source, to_source, height: int, width: int, fine: int, resample) -> np.ndarray:
    """Resample all channels, each output pixel the mean of fine x fine samples of `source`.

    Output sample (x, y), counted on the fine grid, is read at ``to_source`` of it; zero beyond.
    """
    # Pillow's affine coordinates have (0, 0) at the top-left pixel's corner, not at its centre.
    corner = to_source[:, 2] + 0.5 - to_source[:, :2] @ [0.5, 0.5]
    affine = np.column_stack([to_source[:, :2], corner]).ravel()
    grid = (width * fine, height * fine)
    output = np.empty((height, width, source.shape[2]), np.float32)
    for channel in range(source.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(source[..., channel], np.float32))
        samples = plane.transform(grid, Image.Transform.AFFINE, tuple(affine), resample)
        blocks = np.asarray(samples).reshape(height, fine, width, fine)
        output[..., channel] = blocks.mean(axis=(1, 3))
    return output


def _feather(to_crop: np.ndarray, size: int, height: int, width: int) -> np.ndarray:
    """Return each pixel's weight: 0 outside of the crop, 1 well inside, smooth between."""
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)))
    points = np.tensordot(to_crop[:, :2], pixels, 1) + to_crop[:, 2, None, None]
    depth = (size / 2 - np.abs(points - (size - 1) / 2)).min(axis=0)  # px to the crop's edge
    step = np.clip(depth / (FEATHER * size), 0, 1)
    return step * step * (3 - 2 * step)
