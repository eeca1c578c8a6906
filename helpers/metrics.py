"""The measures: what changed, what should have, and how sure we are. Built in notebook 07.

Plain NumPy on plain images, so that each measure can be checked on a picture made by hand.
Images are uint8 of shape (n, size, size, 3), before and after an edit; a region is float32 or
bool of shape (n, size, size) or (size, size), 1 where the attribute is. A measure returns one
float64 for each image unless it says otherwise; `bootstrap` turns those into a mean with its
95% interval.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import celeba

# Where an attribute shows on CelebA's face crop of 128 x 128: left, top, right, bottom. Photos
# are aligned by eyes and mouth, so one box serves all: glasses are a band from the brows to the
# cheekbones, wide enough for the arms; a hat is all above the brows; a smile is the mouth.
REGIONS = {
    "Eyeglasses": (20, 48, 108, 86),
    "Wearing_Hat": (0, 0, 128, 54),
    "Smiling": (36, 78, 92, 114),
    "Mouth_Slightly_Open": (36, 78, 92, 114),
}
REGION_SIZE = 128

# Two 8-bit roundings of one picture can differ by 58.9 dB; nothing above says anything.
HIGHEST_PSNR = 60.0
# A pixel counts as touched from here on, in grey levels: JPEG changes flat skin by less.
TOUCHED = 8.0
BLOCK = 1024  # rows of a kernel that are in memory at once
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of R, G, B: Rec. 601, as JPEG has it


class Estimate(NamedTuple):
    """A number with its 95% interval, and how many images or draws it rests on."""

    value: float
    low: float
    high: float
    n: int


# --- regions --------------------------------------------------------------------------------


def region_mask(attribute: str, size: int, headroom: float = 0.0) -> np.ndarray | None:
    """Return the attribute's region on an aligned face crop, float32 (size, size), or None.

    A pixel on the border of the box counts by the part of it that lies inside. Where the region
    reaches the edge of the face crop, it goes on into the headroom.
    """
    box = REGIONS.get(celeba.column_name(attribute))
    if box is None:
        return None
    more, size = round(size * headroom), size - round(size * headroom)
    edges = np.arange(size + 1) * (REGION_SIZE / size)
    left, top, right, bottom = box
    across = np.diff(np.clip(edges, left, right)) * (size / REGION_SIZE)
    down = np.diff(np.clip(edges, top, bottom)) * (size / REGION_SIZE)
    region = np.outer(down, across).astype(np.float32)
    return np.pad(region, ((more, 0), (more // 2, more // 2)), mode="edge")


def _outside(region: np.ndarray, count: int) -> np.ndarray:
    """Return weights (n, size, size) that sum to 1 over each image's outside."""
    outside = np.broadcast_to(1.0 - np.asarray(region, np.float64), (count, *region.shape[-2:]))
    return outside / np.maximum(outside.sum(axis=(1, 2), keepdims=True), 1e-9)


# --- was anything else touched? -------------------------------------------------------------


def change_outside(before: np.ndarray, after: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the mean absolute change outside the region, in grey levels of 255."""
    change = np.abs(after.astype(np.float64) - before).mean(axis=3)
    return (change * _outside(region, len(before))).sum(axis=(1, 2))


def brightness_shift(before: np.ndarray, after: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the signed shift of mean luminance outside the region, in grey levels of 255."""
    shift = (after.astype(np.float64) - before) @ LUMINANCE
    return (shift * _outside(region, len(before))).sum(axis=(1, 2))


def energy_inside(before: np.ndarray, after: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the share of the residual's energy (its squares) inside the region.

    NaN for an image that was not changed at all: a share of nothing is not a number.
    """
    energy = np.square(after.astype(np.float64) - before).sum(axis=3)
    total = energy.sum(axis=(1, 2))
    inside = (energy * region).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.full(len(before), np.nan), where=total > 0)


# --- is it consistent, is it right? ---------------------------------------------------------


def psnr(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio in dB, at most `HIGHEST_PSNR`."""
    error = np.square(images.astype(np.float64) - truth).mean(axis=(1, 2, 3))
    floor = 255.0**2 / 10 ** (HIGHEST_PSNR / 10)
    return 10 * np.log10(255.0**2 / np.maximum(error, floor))


def ssim(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the structural similarity of Wang et al. (2004): Gaussian window, per channel."""
    from skimage.metrics import structural_similarity

    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return np.array(
        [
            structural_similarity(t, i, channel_axis=-1, data_range=255, **options)
            for i, t in zip(images, truth, strict=True)
        ]
    )


def truth_errors(
    before: np.ndarray, after: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean absolute error of the edit, and that of doing nothing, in grey levels.

    Their ratio is 0 for the true counterfactual and 1 for no edit at all.
    """
    truth = truth.astype(np.float64)
    return tuple(np.abs(image - truth).mean(axis=(1, 2, 3)) for image in (after, before))


def touched(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return where an image changed by more than `TOUCHED` grey levels, bool (n, size, size)."""
    return np.abs(after.astype(np.float64) - before).mean(axis=3) > TOUCHED


def overlap(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return intersection over union of two bool masks (n, size, size); 1 where both are empty."""
    both = (mask & truth).sum(axis=(1, 2))
    either = (mask | truth).sum(axis=(1, 2))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


# --- does it look real? ---------------------------------------------------------------------


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Fréchet distance of two sets of features, each taken for a Gaussian (FID).

    ``|mean_a - mean_b|^2 + trace(C_a + C_b - 2 (C_a C_b)^(1/2))`` in float64. The trace of the
    root is the sum of singular values of ``R_a R_b^T``, where ``R^T R`` is the covariance: no
    root of a matrix is taken, so fewer images than features do no harm to the arithmetic.
    (They do bias the answer: only compare distances of equally many images.)

    Parameters
    ----------
    a, b : np.ndarray
        (images, features); at least two images each.

    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017.
    """
    distance, roots = 0.0, []
    means = []
    for features in (a, b):
        features = np.asarray(features, np.float64)
        means.append(features.mean(axis=0))
        centred = (features - means[-1]) / np.sqrt(len(features) - 1)
        distance += np.square(centred).sum()
        roots.append(np.linalg.qr(centred, mode="r"))
    distance += np.square(means[0] - means[1]).sum()
    return float(distance - 2 * np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the unbiased squared MMD with the kernel ``(x.y / d + 1)^3`` (KID), in float64.

    Unbiased: two samples of one distribution give 0 on average, however few, and so at times a
    little less. Kernels are summed in blocks, so memory does not grow with the square of n.

    Source: Binkowski et al., "Demystifying MMD GANs", ICLR 2018.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)

    def kernel_sum(x, y):
        rows = (x[i : i + BLOCK] for i in range(0, len(x), BLOCK))
        return sum(float(((row @ y.T / x.shape[1] + 1) ** 3).sum()) for row in rows)

    def own_mean(x):
        diagonal = ((np.square(x).sum(axis=1) / x.shape[1] + 1) ** 3).sum()
        return (kernel_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))

    return own_mean(a) + own_mean(b) - 2 * kernel_sum(a, b) / (len(a) * len(b))


def inception_score(probabilities: np.ndarray) -> float:
    """Return exp of the mean KL divergence from each image's classes to the mean of all.

    High if each image is clearly something and the images are of many kinds: 1 to the number of
    classes.

    Parameters
    ----------
    probabilities : np.ndarray
        (images, classes), rows summing to 1; or (images, columns, 2) for a classifier of many
        yes-or-no columns, whose divergences are averaged, so that the score is 1 to 2.

    Source: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016.
    """
    p = np.clip(np.asarray(probabilities, np.float64), 1e-12, 1)
    divergence = (p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=-1)
    return float(np.exp(divergence.mean()))


# --- how sure are we? -----------------------------------------------------------------------


def bootstrap(values: np.ndarray, over: np.ndarray | None = None) -> Estimate:
    """Return the mean of one number an image, with a bootstrap 95% interval over the images.

    Parameters
    ----------
    values : np.ndarray
        (n,). NaN means "not defined for this image" and is left out of n.
    over : np.ndarray, optional
        Then the estimate is ``sum(values) / sum(over)`` instead.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979 (percentiles).
    """
    values = np.asarray(values, np.float64)
    over = np.ones_like(values) if over is None else np.asarray(over, np.float64)
    defined = np.isfinite(values) & np.isfinite(over)
    values, over = values[defined], over[defined]
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(0)
    means = np.empty(2000)
    for i in range(len(means)):
        chosen = rng.integers(0, len(values), len(values))
        means[i] = values[chosen].sum() / over[chosen].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values.sum() / over.sum()), float(low), float(high), len(values))


def share(values: np.ndarray) -> Estimate:
    """Return the share of True, with a bootstrap 95% interval.

    Where all agree, a bootstrap has nothing to draw from and would call itself certain. Then the
    rule of three gives the other end: what never happened in n may still happen in 3 of n.
    """
    estimate = bootstrap(np.asarray(values, bool))
    if estimate.n and estimate.low == estimate.high:
        room = 3 / max(estimate.n, 3)
        low, high = (estimate.value - room, 1.0) if estimate.value else (0.0, room)
        estimate = estimate._replace(low=low, high=high)
    return estimate


def alike(traits: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for each row of `wanted` another row of `traits` that agrees as far as any left."""
    chosen, free = [], np.ones(len(traits), bool)
    for row in wanted:
        agree = np.cumprod(traits == row, axis=1).sum(axis=1)
        agree[~free] = -1
        chosen.append(rng.choice(np.flatnonzero(agree == agree.max())))
        free[chosen[-1]] = False
    return np.array(chosen)


def matched(
    distance: Callable[[np.ndarray, np.ndarray], float],
    a: np.ndarray,
    b: np.ndarray,
    n: int,
    *,
    apart: bool = False,
    traits: tuple[np.ndarray, np.ndarray] | None = None,
    draws: int = 40,
) -> Estimate:
    """Return a distance of two sets of features, always between n images and n images.

    FID shrinks as n grows, so distances of different n must not be compared. Here n of each side
    are drawn without repeats, many times.

    The interval is the delete-half jackknife's: with n half of a sample, the spread of such draws
    is the standard error of the whole. A bootstrap would draw images twice, which both FID and
    KID mistake for structure. Where n is less than half, the interval errs on the wide side.

    Parameters
    ----------
    distance : callable
        `frechet_distance` or `kernel_distance`.
    a, b : np.ndarray
        (images, features).
    n : int
        At most half of the smaller set.
    apart : bool
        Row i of `a` and of `b` show the same person, so draw no row for both sides. With the
        same array twice, that gives two halves of it.
    traits : tuple of np.ndarray, optional
        What people of `a` and of `b` are, (images, traits). Of `a` then come such as the other half
        of `b` has: for each of those somebody who is the same, or in as many traits, from the first
        on, as anybody left is. So the distance does not count that the sides show other people.
        (Those of the half itself would be more alike than chance, and the distance below 0.)

    Source: Shao and Wu, "A General Theory for Jackknife Variance Estimation", 1989.
    """
    rng = np.random.default_rng(0)
    values = []
    for _ in range(draws):
        first = rng.permutation(len(a))
        second = first[n:] if apart else rng.permutation(len(b))
        if traits is not None:
            first = alike(traits[0], traits[1][second[n : 2 * n]], rng)
        values.append(distance(a[first[:n]], b[second[:n]]))
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1))
    return Estimate(mean, mean - 1.96 * error, mean + 1.96 * error, n)
