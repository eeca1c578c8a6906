"""What frames are made of: plastic, tortoise, metal, crystal; and what that looks like in a light.

Colours are albedos in linear light; alpha says how much of what is behind is hidden.
"""

from typing import NamedTuple

import numpy as np

from .frames import CLEAR, METAL, PAD
from .light import Light
from .mesh import Mesh, unit
from .pose import Pose

METALS = {
    "gold": (0.72, 0.5, 0.22),
    "silver": (0.62, 0.62, 0.6),
    "gunmetal": (0.16, 0.16, 0.17),
    "copper": (0.62, 0.33, 0.2),
    "black": (0.012, 0.012, 0.013),
}


class Paint(NamedTuple):
    """What a frame is made of.

    Attributes
    ----------
    colour : (3,)
        Of its plastic.
    spots : (3,)
        Of the darker spots of tortoise.
    spotted : float
        How much of it is spots: 0 for none.
    gloss : float
        0 matt, 1 polished.
    clear : float
        0 hides what is behind it, 1 is as clear as crystal.
    metal : (3,)
        Of rims, bridge and temples of metal.
    phase : float
        Where the spots are.
    """

    colour: np.ndarray
    spots: np.ndarray
    spotted: float = 0.0
    gloss: float = 0.5
    clear: float = 0.0
    metal: np.ndarray = np.array(METALS["silver"])
    phase: float = 0.0


def _spots(points: np.ndarray, phase: float) -> np.ndarray:
    """Return how much points (n, 3) lie in a spot of tortoise, from 0 to 1."""
    x, y, z = points.T
    wave = np.sin(0.55 * x + 1.1 * np.sin(0.33 * y + phase) + phase)
    wave += np.sin(0.71 * y - 0.37 * x + 1.3 * np.sin(0.27 * x + 2 * phase) + 0.3 * z)
    wave += 0.7 * np.sin(1.13 * x + 0.9 * y - 0.5 * z + 3 * phase)
    return np.clip(0.5 + 0.55 * wave, 0, 1)


def surface(mesh: Mesh, pose: Pose, paint: Paint) -> np.ndarray:
    """Return what `shade` needs to know of each point of a frame, float32 (n, 9).

    Normal in the camera's axes, albedo, how far it is metal, how clear it is, how polished.
    """
    material = mesh.more[:, 0].round().astype(int)
    share = (paint.spotted * _spots(mesh.points, paint.phase))[:, None]
    albedo = (1 - share) * paint.colour + share * paint.spots
    metal = material == METAL
    albedo[metal] = paint.metal
    clear = np.where(metal, 0.0, 0.8 * paint.clear)
    # The edge of a lens is grey, as one looks along the glass.
    clear[material == CLEAR], clear[material == PAD] = 0.5, 0.75
    albedo[material == CLEAR], albedo[material == PAD] = 0.12, 0.3
    gloss = np.where(metal, 1.0, paint.gloss)
    normals = pose.to_camera(mesh.normals)
    return np.column_stack([normals, albedo, metal, clear, gloss]).astype(np.float32)


def shade(points: np.ndarray, light: Light) -> np.ndarray:
    """Return what points of a frame look like, (n, 4): red, green, blue times alpha, and alpha.

    Parameters
    ----------
    points : float32 (n, 9)
        As `surface` has them; in between, they are blended.
    """
    normals, albedo, (metal, clear, gloss) = unit(points[:, :3]), points[:, 3:6], points[:, 6:].T
    facing = np.clip(-normals[:, 2], 0, 1)
    rays = -2 * normals[:, 2:] * normals
    rays[:, 2] += 1
    lit, mirror = light.on(normals), light.mirrored(rays)
    glint = light.glint(rays)
    white = light.seen(np.ones(3, np.float32))
    # Polished plastic mirrors a twenty-fifth of what is before it, and all at a grazing angle.
    slant = 0.04 + 0.5 * (1 - facing) ** 5
    shine = slant * gloss * (mirror + glint) + 0.018 * (1 - gloss) * lit * facing
    plastic = light.seen(albedo) * (lit * (1 - clear))[:, None] + white * shine[:, None]
    polished = light.seen(albedo) * (0.2 * lit + 0.75 * mirror + 0.25 * glint)[:, None]
    colour = plastic + metal[:, None] * (polished - plastic)
    hides = 1 - clear * (1 - 0.45 * (1 - facing))
    return np.column_stack([colour, hides]).astype(np.float32)
