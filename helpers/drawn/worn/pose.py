"""Where a head is and how it is turned, from the five landmarks of its face.

Head coordinates are millimetres on a mean face: the origin between the pupils, x to the right of
the picture, y down, z away from the camera (so the tip of the nose has a negative z). A camera
`DISTANCE` away looks at it. Eyes and mouth of aligned photos are always in the same places; what
tells a turned head is the nose, which stands out: to the side for the yaw, up or down for the
pitch. Faces differ as well, so how long and how far out nose and mouth are is fitted with it, held
near the mean by how much people vary.
"""

from typing import NamedTuple

import numpy as np

DISTANCE = 1400.0  # mm from camera to eyes; most portraits are taken from 1 m to 3 m
# Left and right eye (of the picture), tip of the nose, left and right corner of the mouth, in mm.
# Where the nose is was set so that the mean photo of CelebA looks straight ahead.
MEAN_FACE = np.array(
    [[-31.5, 0, 0], [31.5, 0, 0], [0, 38.5, -28], [-26.5, 67, 2], [26.5, 67, 2]], np.float64
)
# Parameters of the fit: yaw, pitch, roll, log scale, x, y; then of this face, in mm: the nose's y
# and z, the mouth's y and its half width. `SPREAD` is how much each varies, in the same units.
SPREAD = np.array([0.5, 0.2, 0.5, 1e3, 1e6, 1e6, 3.0, 3.0, 4.0, 3.0])
SHAPE = np.zeros((4, 5, 3))
SHAPE[0, 2, 1] = SHAPE[1, 2, 2] = 1
SHAPE[2, 3:, 1] = 1
SHAPE[3, 3:, 0] = (-1, 1)
NOISE = 0.02  # of landmarks, in distances between the eyes
MOST_YAW, MOST_PITCH = 0.85, 0.5  # rad; further round a detector finds no five landmarks


class Pose(NamedTuple):
    """A head in a picture.

    Attributes
    ----------
    rotation : float64 (3, 3)
        From head coordinates to those of the camera.
    scale : float
        Pixels a mm, at the eyes.
    centre : float64 (2,)
        Where the point between the eyes is, in pixels.
    yaw, pitch, roll : float
        In radians; positive turns the nose to the right, up, and the right eye down.
    chin : float
        How long this face is below the eyes, as a share of the mean one's.
    """

    rotation: np.ndarray
    scale: float
    centre: np.ndarray
    yaw: float
    pitch: float
    roll: float
    chin: float = 1.0

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Turn points (..., 3) of the head, in mm, into the camera's axes; not yet perspective."""
        return points @ self.rotation.T.astype(points.dtype)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return where points (..., 3) of the head are seen: x and y in pixels, depth in mm."""
        seen = self.to_camera(points)
        near = self.scale * DISTANCE / (DISTANCE + seen[..., 2:])
        place = (self.centre + near * seen[..., :2]).astype(points.dtype)
        return np.concatenate([place, seen[..., 2:]], axis=-1)


def rotations(yaw, pitch, roll) -> np.ndarray:
    """Return matrices (..., 3, 3) that first pitch, then yaw, then roll a head."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr, zero, one = np.cos(roll), np.sin(roll), np.zeros_like(yaw), np.ones_like(yaw)

    def matrix(*rows):
        return np.stack([np.stack(row, -1) for row in rows], -2)

    nod = matrix((one, zero, zero), (zero, cp, sp), (zero, -sp, cp))
    turn = matrix((cy, zero, -sy), (zero, one, zero), (sy, zero, cy))
    lean = matrix((cr, -sr, zero), (sr, cr, zero), (zero, zero, one))
    return lean @ turn @ nod


def _seen(parameters: np.ndarray) -> np.ndarray:
    """Return the five landmarks (n, 5, 2), in pixels, for parameters (n, 10)."""
    face = MEAN_FACE + np.tensordot(parameters[:, 6:], SHAPE, 1)
    turned = face @ rotations(*parameters[:, :3].T).transpose(0, 2, 1)
    near = np.exp(parameters[:, 3])[:, None, None] * DISTANCE / (DISTANCE + turned[..., 2:])
    return parameters[:, None, 4:6] + near * turned[..., :2]


def fit_pose(landmarks: np.ndarray) -> Pose:
    """Return the pose that explains five landmarks best.

    Parameters
    ----------
    landmarks : array_like (5, 2)
        Left eye, right eye, tip of the nose, left and right corner of the mouth, x and y in pixels.
        Left is the left of the picture.

    Raises
    ------
    ValueError
        If they are not five finite points, or the eyes are in one place.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.shape != (5, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"Expected five points (x, y), not {landmarks.tolist()}.")
    across = landmarks[1] - landmarks[0]
    # A turned face's eyes are close together, so the mouth tells the size as well.
    down = landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    apart = max(np.hypot(*across), np.hypot(*down) * 63 / 67)
    if np.hypot(*across) < 1e-3:
        raise ValueError("Both eyes are in one place, so they show no face.")
    found = np.zeros(10)
    found[2] = np.arctan2(across[1], across[0])
    found[3] = np.log(apart / 63)
    found[4:6] = landmarks[:2].mean(axis=0)
    middle, steps = np.zeros(10), np.diag([1e-4] * 4 + [1e-3] * 6)
    middle[2:6] = found[2:6]
    for _ in range(8):  # Gauss and Newton; the derivatives are differences
        seen = _seen(np.concatenate([found[None], found + steps])).reshape(11, 10)
        slope = (seen[1:] - seen[0]).T / steps.diagonal() / (NOISE * apart)
        error = (landmarks.ravel() - seen[0]) / (NOISE * apart)
        rest = (middle - found) / SPREAD
        matrix = slope.T @ slope + np.diag(SPREAD**-2.0)
        found += np.linalg.solve(matrix, slope.T @ error + rest / SPREAD)
        found[:2] = np.clip(found[:2], (-MOST_YAW, -MOST_PITCH), (MOST_YAW, MOST_PITCH))
    yaw, pitch, roll = found[:3].tolist()
    chin = float(np.clip(1 + found[8] / MEAN_FACE[3, 1], 0.85, 1.2))
    rotation = rotations(*found[:3])
    return Pose(rotation, float(np.exp(found[3])), found[4:6], yaw, pitch, roll, chin)
