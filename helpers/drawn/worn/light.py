"""The light of a photo: how bright, of what colour, from where; as a face tells it.

Colours are linear light, taken as the square of a display value, as in `helpers/drawing.py`.
"""

from typing import NamedTuple

import numpy as np

from .head import Head

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# A face in white light: its colour by its luminance, in linear light, and how much of the light it
# sends back. Cameras, or those who use them, expose faces brighter than they are.
SKIN = np.array([1.47, 0.86, 0.6], np.float32)
SKIN = SKIN / (LUMINANCE @ SKIN)
SENDS_BACK = 0.5
WHITE = 0.9
# The light where nothing else is known, as weights of 1, x, y and z of a normal: from above, front.
USUAL = np.array([0.62, 0.0, -0.16, -0.42])
DARKEST, BRIGHTEST = 0.22, 1.9  # that a side can be, where the mean of the face is 1
PLAIN = (0.012, 0.045)  # mean deviation of colours: of a photo without any, of one with


class Light(NamedTuple):
    """The light on a face.

    Attributes
    ----------
    weights : float32 (4,)
        How bright a matt surface is: their product with 1, x, y, z of its normal; 1 as the face.
    colour : float32 (3,)
        What a white surface that is lit as the face looks like, in linear light.
    colours : float
        How far the photo has colours at all: 0 is black and white, or one tone.
    tone : float32 (3,)
        The colour of its greys, of luminance 1.
    """

    weights: np.ndarray
    colour: np.ndarray
    colours: float
    tone: np.ndarray

    @property
    def level(self) -> float:
        """Of a white surface, 0 black, 1 white."""
        return float(LUMINANCE @ self.colour)

    @property
    def direction(self) -> np.ndarray:
        """Unit vector (3,) to where the light comes from, in the camera's axes."""
        way = self.weights[1:] + np.array([0, -0.05, -0.1], np.float32)
        return way / np.linalg.norm(way)

    def on(self, normals: np.ndarray) -> np.ndarray:
        """Return how bright matt surfaces with these normals (..., 3) are; 1 as the face."""
        lit = self.weights[0] + normals @ self.weights[1:]
        # Softly bounded: below by light from all around, above by what film can hold.
        lit = DARKEST + np.logaddexp(0, (lit - DARKEST) * 5) / 5
        return np.minimum(lit, BRIGHTEST)

    def mirrored(self, rays: np.ndarray) -> np.ndarray:
        """Return what a mirror shows along rays (..., 3): sky, a lamp; 1 as a white surface."""
        up = np.clip(0.5 - 0.7 * rays[..., 1], 0, 1)
        lamp = np.clip(rays @ self.direction, 0, 1)
        return 0.06 + 0.5 * up**2.5 + 0.25 * lamp**6

    def glint(self, rays: np.ndarray) -> np.ndarray:
        """Return the lamp itself, small and bright, along rays (..., 3) of a mirror."""
        return 30.0 * np.clip(rays @ self.direction, 0, 1) ** 160

    def seen(self, paint: np.ndarray) -> np.ndarray:
        """Return what surfaces of a colour (..., 3) look like in this light, lit as the face."""
        lit = paint * self.colour
        grey = (paint @ LUMINANCE)[..., None] * (self.level * self.tone)
        return grey + self.colours * (lit - grey)


def _skin(bare: np.ndarray, head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of pixels that show skin, by where they are and their colour."""
    x, y, z = np.moveaxis(head.place, -1, 0)
    # Cheeks, nose, forehead: neither eyes nor mouth, and no hair if it can be helped.
    cheeks = (np.abs(x) < 56) & (y > 10) & (y < 52)
    low = (np.abs(x) < 40) & (y >= 52) & (y < 100) & ((np.abs(x) > 30) | (y > 84))
    high = (np.abs(x) < 36) & (y < -22) & (y > -48)
    rows, columns = np.nonzero((cheeks | low | high) & (z < 70) & head.mask)
    middling = (y[rows, columns] > 10) & (y[rows, columns] < 52)
    if not middling.any():
        return rows[:0], columns[:0]
    step = -(-len(rows) // 1500)
    rows, columns, middling = rows[::step], columns[::step], middling[::step]
    colour = bare[rows, columns]
    bright = colour @ LUMINANCE
    middle = np.median(bright[middling])
    chroma = colour / (bright[:, None] + 1e-3)
    unlike = np.abs(chroma - np.median(chroma, axis=0)).sum(axis=1)
    keep = (bright > 0.25 * middle) & (bright < 3 * middle + 0.02) & (unlike < 0.6)
    return rows[keep], columns[keep]


def find_light(bare: np.ndarray, head: Head) -> Light:
    """Return the light of a photo.

    Parameters
    ----------
    bare : float32 (h, w, 3)
        Linear light.
    head : Head
        Where the face is in it.
    """
    rows, columns = _skin(bare, head)
    if len(rows) < 20:  # hardly any face
        colour = np.full(3, 0.5 * float(bare.mean()) + 0.2, np.float32)
        return Light(USUAL.astype(np.float32), colour, 1.0, np.ones(3, np.float32))
    skin = bare[rows, columns]
    bright = skin @ LUMINANCE
    middle = float(np.median(bright)) + 1e-4
    weights = _fit(np.clip(bright / middle, 0, 2.5), head.normals[rows, columns])
    colours, tone = _colours(bare)
    white = float(np.percentile(bare[::3, ::3] @ LUMINANCE, 97)) / WHITE
    level = np.clip(middle / SENDS_BACK, 1e-3, 1.6)
    level = float(np.clip(level**0.6 * (white + 1e-3) ** 0.4, level, 3 * level))
    cast = skin.mean(axis=0) / (bright.mean() + 1e-4) / SKIN
    cast = np.clip(cast, 0.4, 2.2) ** 0.55
    cast = cast / (LUMINANCE @ cast)
    return Light(weights, (min(level, 1.15) * cast).astype(np.float32), colours, tone)


def _fit(bright: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return the weights that explain how bright skin is, near the `USUAL` where it can't tell."""
    known = np.column_stack([np.ones(len(normals)), normals])
    usual = USUAL.copy()
    usual[0] = 1 - float(known[:, 1:].mean(axis=0) @ usual[1:])
    held = np.diag(len(bright) * np.array([1e-3, 0.02, 0.06, 0.08]))
    share = np.ones(len(bright))
    for _ in range(2):  # once more without what the first does not explain: beards, shadows
        matrix = (known * share[:, None]).T @ known + held
        weights = np.linalg.solve(matrix, (known * share[:, None]).T @ bright + held @ usual)
        share = 1 / (1 + np.square((bright - known @ weights) / 0.25))
    weights[1:] = np.clip(weights[1:], -0.8, 0.8)
    return (weights / max(float(np.mean(known @ weights)), 0.2)).astype(np.float32)


def _colours(bare: np.ndarray) -> tuple[float, np.ndarray]:
    """Return how far a photo has colours, from 0 to 1, and the colour of its greys."""
    few = bare[::3, ::3].reshape(-1, 3)
    bright = few @ LUMINANCE
    # Of dark pixels the colour is chance.
    weight = np.minimum(bright, 0.3)
    chroma = few / (bright[:, None] + 0.01)
    mean = (chroma * weight[:, None]).sum(axis=0) / (weight.sum() + 1e-6)
    deviation = float((np.abs(chroma - mean).mean(axis=1) * weight).sum() / (weight.sum() + 1e-6))
    step = float(np.clip((deviation - PLAIN[0]) / (PLAIN[1] - PLAIN[0]), 0, 1))
    # In a black and white photo, mean is its tone; where there are colours it hardly counts.
    mean = mean / (LUMINANCE @ mean + 1e-6)
    return step * step * (3 - 2 * step), mean.astype(np.float32)
