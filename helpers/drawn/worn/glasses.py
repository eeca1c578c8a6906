"""Glasses on a photo: shadow, temples, lenses, frame."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, shift

from .frames import Cut, build_frame
from .lenses import Lens, look_through
from .light import LUMINANCE
from .matte import hair_colour as _hair
from .paint import Paint, shade, surface
from .raster import window_around
from .scene import Layer, Scene, draw_mesh, finish

GAP = 11.0  # mm between frame and face
SHADOW = 0.42  # how much light a frame takes from the skin behind it


class Glasses(NamedTuple):
    """A pair of glasses: how they are cut, what they are made of, what the lenses are like."""

    cut: Cut
    paint: Paint
    lens: Lens


def put_on(scene: Scene, glasses: Glasses, strength: float = 1.0, seed: int = 0):
    """Return the photo with glasses on, uint8 (h, w, 3), and what was changed, float32 (h, w)."""
    frame = build_frame(glasses.cut)
    worn = scene.bare.copy()
    mask = np.zeros(scene.shape, np.float32)

    def paint(mesh, hidden):
        values = surface(mesh, scene.pose, glasses.paint)
        return draw_mesh(scene, mesh, values, lambda points: shade(points, scene.light), hidden)

    front = paint(frame.front, 9.0)
    back = paint(frame.back, 3.0)
    if back is not None:
        back = _under_hair(scene, back)
    edges = scene.pose.project(frame.edges.reshape(-1, 3)).reshape(2, -1, 3)
    _shade_face(scene, worn, mask, [front, back], edges, glasses.lens)
    for layer in (back, front):
        if layer is not None:
            mask = np.maximum(mask, layer.spread(scene.shape))
    if back is not None:
        back.over(worn)
    window = window_around(edges.reshape(-1, 3), scene.shape, 2, 1)
    if window is not None:
        for edge in frame.edges:
            share = look_through(worn, window, edge, scene.pose, scene.light, glasses.lens)
            part = mask[window.rows, window.columns]
            np.maximum(part, share * (0.25 + 0.75 * glasses.lens.dark), out=part)
    if front is not None:
        front.over(worn)
    return finish(scene, worn, mask, strength, seed)


def _shade_face(scene: Scene, worn, mask, layers, edges, lens: Lens) -> None:
    """Darken the face where frame and lenses keep the light off it, in place."""
    shape, scale = scene.shape, scene.pose.scale
    cast = np.zeros(shape, np.float32)
    for layer in layers:
        if layer is not None:
            np.maximum(cast, layer.spread(shape), out=cast)
    towards = scene.light.direction
    away = GAP * scale * np.clip(-towards[:2] / max(-towards[2], 0.35), -0.8, 0.8)
    away[1] += 0.25 * GAP * scale
    cast = shift(cast, away[::-1], order=1)
    cast = gaussian_filter(cast, 2.0 * scale)
    cast *= scene.head.mask & (scene.head.place[..., 2] < 75)
    part = 1 - SHADOW * cast
    np.maximum(mask, np.where(SHADOW * cast > 0.01, 0.5 * SHADOW * cast, 0), out=mask)
    worn *= part[..., None]


def _under_hair(scene: Scene, layer: Layer) -> Layer:
    """Return the temples without what hair covers: what is unlike the skin of the temple."""
    window = layer.window
    part = scene.bare[window.rows, window.columns]
    place = scene.head.place
    x, y = np.abs(place[..., 0]), place[..., 1]
    face = scene.head.mask & (y > 5) & (y < 45) & (x > 20) & (x < 55) & (place[..., 2] < 60)
    if face.sum() < 10:
        return layer
    skin = scene.bare[face]
    bright = skin @ LUMINANCE
    chroma = np.median(skin / (bright[:, None] + 1e-3), axis=0)
    middle = float(np.median(bright)) + 1e-3
    lum = part @ LUMINANCE
    unlike = np.abs(part / (lum[..., None] + 0.02 * middle) - chroma).sum(axis=-1)
    dark = np.clip((0.42 * middle - lum) / (0.2 * middle), 0, 1)
    odd = np.clip((unlike - 0.45) / 0.4, 0, 1)
    # Light hair may have nearly the skin's colour: what is nearer to that of the hair is hair.
    hair = np.sqrt(_hair(scene))
    to_skin, to_hair = (
        np.square(np.sqrt(part) - colour).sum(axis=-1)
        for colour in (np.sqrt(np.median(skin, axis=0)), hair)
    )
    apart = np.square(hair - np.sqrt(np.median(skin, axis=0))).sum()
    like = np.clip((to_skin - to_hair) / (apart + 0.01), 0, 1) * np.clip(apart / 0.03, 0, 1)
    hair = np.maximum(np.maximum(dark, odd), like)
    # What lies near the front is seen anyway: hair begins further back.
    depth = place[window.rows, window.columns, 2]
    on_head = scene.head.mask[window.rows, window.columns]
    hair = hair * np.clip((depth - 12) / 22, 0, 1) * on_head
    hair = gaussian_filter(hair, 1.5 * scene.pose.scale)
    keep = np.clip(1.15 - 1.4 * hair, 0, 1)[..., None]
    return Layer(window, layer.light * keep, layer.hides * keep)
