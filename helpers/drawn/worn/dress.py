"""Hats and glasses in three dimensions, laid on a photo of a face.

    image, mask = draw(photo, landmarks, "glasses", style=row("glasses", "round", lenses=1))

`draw` wants to know where eyes, nose and mouth are. That is found once for each photo, by a
detector; drawing itself takes some milliseconds, so that pictures can be drawn while a network
learns from them.
"""

from typing import NamedTuple

import numpy as np

from . import glasses, hats, styles
from .pose import fit_pose, rotations
from .scene import Scene, see

# Where CelebA's aligned photos have the five landmarks on average, in a face crop of side 1.
USUAL = np.array(
    [[0.3938, 0.5169], [0.6090, 0.5169], [0.5015, 0.640], [0.4101, 0.7472], [0.5927, 0.7472]]
)


class Dressed(NamedTuple):
    """A photo with something drawn on.

    Attributes
    ----------
    image : uint8 (h, w, 3)
    mask : float32 (h, w)
        How far each pixel was changed, from 0 to 1; where it is 0, it was not.
    """

    image: np.ndarray
    mask: np.ndarray


def draw(
    photo: np.ndarray,
    landmarks: np.ndarray | None,
    attribute: str,
    *,
    style: tuple[float, ...] = (),
    seed: int | None = None,
    strength: float = 1.0,
) -> Dressed:
    """Lay glasses or a hat on a photo.

    Parameters
    ----------
    photo : uint8 (h, w, 3)
    landmarks : array_like (5, 2) or None
        Left eye, right eye, tip of the nose, left and right corner of the mouth: x and y in pixels
        of this photo. None for those of the mean aligned face crop, which looks straight ahead.
    attribute : {"glasses", "hat"}
    style : tuple of float
        Without a seed: the numbers that `styles.STYLES` names; () for zeros.
    seed : int or None
        None for that style: the same photo gets the same. A number chooses among
        all kinds, materials, colours and ways to wear them.
    strength : float
        From 0, which changes nothing, to 1: how far it hides what was there.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
        raise ValueError(f"Expected uint8 (height, width, 3), not {photo.dtype} {photo.shape}.")
    if attribute not in styles.CHOICES:
        raise ValueError(f"Expected one of {', '.join(styles.CHOICES)}, not {attribute!r}.")
    if not 0 <= strength <= 1:
        raise ValueError(f"Expected a strength from 0 to 1, not {strength}.")
    asked = styles.read_row(attribute, style)
    if landmarks is None:
        side = np.array(photo.shape[1::-1])
        landmarks = USUAL * side - 0.5
    scene = see(photo, landmarks)
    rng = np.random.default_rng(0 if seed is None else [seed, 2])
    if seed is not None:
        scene = _loosely(scene, rng)
    if attribute == "glasses":
        worn = (
            styles.styled_glasses(scene, asked) if seed is None else styles.any_glasses(scene, rng)
        )
        return Dressed(*glasses.put_on(scene, worn, strength, seed or 0))
    worn = styles.styled_hat(scene, asked) if seed is None else styles.any_hat(scene, rng)
    return Dressed(*hats.put_on(scene, worn, strength, seed or 0))


def _loosely(scene: Scene, rng) -> Scene:
    """Return a scene whose head is turned a little: so exactly, nobody wears anything."""
    pose = scene.pose
    turned = np.array([pose.yaw, pose.pitch, pose.roll]) + rng.normal(0, (0.03, 0.03, 0.012))
    centre = pose.centre + rng.normal(0, 0.8, 2) * pose.scale
    return scene._replace(pose=pose._replace(rotation=rotations(*turned), centre=centre))


__all__ = ["Dressed", "draw", "fit_pose"]
