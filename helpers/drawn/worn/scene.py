"""A photo as the drawing sees it: its light, its head, its camera; and layers to lay on it."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from .head import Head, see_head
from .light import Light, find_light
from .match import Camera, find_camera, jpeg_change
from .mesh import Mesh
from .pose import Pose, fit_pose
from .raster import Window, rasterise, window_around

QUALITY, FINE = (90, 95), 200  # of JPEG, below and above so many pixels a side
SAMPLES = 768  # along the picture's side, about: wires are thin; from two to six a pixel


class Scene(NamedTuple):
    """A photo of a face, and what was found out about it.

    Attributes
    ----------
    photo : uint8 (h, w, 3)
    bare : float32 (h, w, 3)
        The same in linear light.
    pose : Pose
    head : Head
    light : Light
    camera : Camera
    """

    photo: np.ndarray
    bare: np.ndarray
    pose: Pose
    head: Head
    light: Light
    camera: Camera

    @property
    def shape(self) -> tuple[int, int]:
        return self.bare.shape[:2]

    @property
    def fine(self) -> int:
        """Samples along a pixel's side."""
        return int(np.clip(round(SAMPLES / max(self.shape)), 2, 6))


def see(photo: np.ndarray, landmarks: np.ndarray) -> Scene:
    """Return the scene of a photo uint8 (h, w, 3) with five landmarks (5, 2), in its pixels."""
    bare = np.square(photo.astype(np.float32) * np.float32(1 / 255))
    pose = fit_pose(landmarks)
    head = see_head(pose, bare.shape[:2])
    face = head.mask & (head.place[..., 2] < 60)
    return Scene(photo, bare, pose, head, find_light(bare, head), find_camera(photo, face))


class Layer(NamedTuple):
    """Something drawn over a part of a picture.

    Attributes
    ----------
    window : Window
    light : float32 (height, width, 3)
        Linear light, already multiplied by `hides`.
    hides : float32 (height, width, 1)
        The share of each pixel that it covers.
    """

    window: Window
    light: np.ndarray
    hides: np.ndarray

    def over(self, image: np.ndarray) -> None:
        """Lay it over a picture (h, w, 3), in place."""
        part = image[self.window.rows, self.window.columns]
        part *= 1 - self.hides
        part += self.light

    def spread(self, shape: tuple[int, int]) -> np.ndarray:
        """Return `hides` in a whole picture (h, w)."""
        plane = np.zeros(shape, np.float32)
        plane[self.window.rows, self.window.columns] = self.hides[..., 0]
        return plane


def draw_mesh(scene: Scene, mesh: Mesh, values: np.ndarray, shade, hidden: float | None = None):
    """Return a mesh as a `Layer`, or None if it is outside of the picture.

    Parameters
    ----------
    values : float32 (n, k)
        What is known of each point.
    shade : callable
        From such values, blended at the samples, to light and alpha (samples, 4), the light
        multiplied by alpha.
    hidden : float or None
        If given, the head hides what is further than so many mm behind its surface.
    """
    seen = scene.pose.project(mesh.points)
    window = window_around(seen, scene.shape, 3 + 3 * scene.camera.blur, scene.fine)
    if window is None:
        return None
    found = rasterise(window.to_samples(seen), mesh.faces, window.shape)
    if hidden is not None:
        found = found.keep(found.depth < _head_depth(scene.head, window, found.sample) + hidden)
    plane = np.zeros((window.shape[0] * window.shape[1], 4), np.float32)
    plane[found.sample] = shade(found.blend(values))
    pixels = window.to_pixels(plane.reshape(*window.shape, 4))
    pixels = blur(pixels, scene.camera.blur)
    return Layer(window, pixels[..., :3], pixels[..., 3:])


def _head_depth(head: Head, window: Window, sample: np.ndarray) -> np.ndarray:
    """Return the head's depth at samples of a window."""
    row, column = np.divmod(sample, window.shape[1])
    return head.depth[row // window.fine + window.top, column // window.fine + window.left]


def blur(layer: np.ndarray, sigma: float) -> np.ndarray:
    """Return a layer (h, w, k), blurred by some pixels if that is to be seen."""
    return layer if sigma < 0.2 else gaussian_filter(layer, (sigma, sigma, 0), truncate=3.0)


def finish(scene: Scene, worn: np.ndarray, mask: np.ndarray, strength: float, seed: int):
    """Return the photo with what was drawn, uint8, and how far each pixel was changed (h, w).

    Only what was drawn on changes, to the bit: the rest never goes through a square and a root.
    """
    change = np.sqrt(np.clip(worn, 0, 1)) - np.sqrt(scene.bare)
    rng = np.random.default_rng(seed)
    if scene.camera.grain > 0.5:
        grain = rng.normal(0, scene.camera.grain / 255, scene.shape).astype(np.float32)
        # As coarse as that of photos; what is only shaded has its own.
        change = change + (1.2 * gaussian_filter(grain, 0.6) * mask**3)[..., None]
    mask = np.where(mask > 2e-3, mask, 0)
    worn = scene.photo + np.rint(255 * np.where(mask[..., None] > 0, change, 0))
    worn = np.clip(worn, 0, 255).astype(np.uint8)
    # Small photos have been through JPEG, which smears colours and leaves traces at edges.
    quality = QUALITY[max(scene.shape) > FINE]
    near = gaussian_filter((mask > 0).astype(np.float32), 0.8) > 0.02
    change = np.where(near[..., None], jpeg_change(scene.photo, worn, quality), 0)
    mask = np.maximum(mask, 0.02 * (change != 0).any(axis=2))
    out = scene.photo + np.rint(strength * change)
    return np.clip(out, 0, 255).astype(np.uint8), (strength * mask).astype(np.float32)
