"""Hats on a photo: shadow, and the hat itself, as wide and as high as the hair."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from .cloth import Cloth, paint_cloth
from .hatkinds import EVERY
from .hatmesh import ANGLES, BAND, BRIM, CROWN, EXTRA, LINING, SKULL, UNDER, Fit, Hat, placement
from .matte import RAYS, Matte, find_matte, person
from .mesh import Mesh
from .raster import rasterise, window_around
from .scene import Layer, Scene, _head_depth, blur, finish

UNDER_HAT = 0.85  # what share of the hair's thickness a hat goes around
CLEAR, HIGHER = 6.0, 1.6  # mm between hair and crown; how many times as high a crown may get
ROUND = 1.5  # cloth is a little darker at its sides than skin is


class Worn(NamedTuple):
    """A hat that somebody wears.

    Attributes
    ----------
    kind : str
        One of `EVERY`.
    fit : Fit
    bold : float
        In [-1, 1].
    chance : (9,)
        What differs from one to the next of a kind, in [0, 1).
    cloth : Cloth
    gloss : float
    """

    kind: str
    fit: Fit
    bold: float
    chance: np.ndarray
    cloth: Cloth
    gloss: float = 0.1


def put_on(scene: Scene, hat: Worn, strength: float = 1.0, seed: int = 0):
    """Return the photo with a hat on, uint8 (h, w, 3), and what was changed, float32 (h, w)."""
    matte = find_matte(scene)
    hat = hat._replace(fit=hat.fit._replace(pad=hat.fit.pad + UNDER_HAT * matte.thick))
    built = EVERY[hat.kind].build(hat.fit, hat.bold, hat.chance)
    rotation, origin = placement(hat.fit)
    built = built._replace(mesh=_over_the_hair(scene, matte, built.mesh, rotation, origin))
    points = (built.mesh.points @ rotation.T + origin).astype(np.float32)
    normals = (built.mesh.normals @ rotation.T).astype(np.float32)
    mesh = built.mesh._replace(points=points, normals=normals)
    worn = scene.bare.copy()
    mask = np.zeros(scene.shape, np.float32)
    inside = person(scene, matte)
    _cast_shadow(scene, worn, mask, inside, built, rotation, origin, hat.fit)
    layer = _draw(scene, mesh, hat, inside)
    if layer is not None:
        mask = np.maximum(mask, layer.spread(scene.shape))
        layer.over(worn)
    return finish(scene, worn, mask, strength, seed)


def _over_the_hair(scene: Scene, matte: Matte, mesh: Mesh, rotation, origin) -> Mesh:
    """Return a hat whose crown is so high that the hair on top of the head is in it."""
    part, up = mesh.more[:, 2], 3 * RAYS // 4
    seen = scene.pose.project(mesh.points @ rotation.T + origin)[:, 1]
    opening = scene.pose.project(origin[None])[0, 1]
    hair = matte.middle[1] - matte.scale * (np.median(matte.ends[up - 5 : up + 6]) + CLEAR)
    top = seen[part == CROWN].min()
    stretch = float(np.clip((opening - hair) / max(opening - top, 1.0), 1, HIGHER))
    points, normals = mesh.points.copy(), mesh.normals.copy()
    above = (points[:, 1] < 0) & np.isin(part, (CROWN, BAND, LINING))
    points[above, 1] *= stretch
    normals[above, 1] /= stretch
    normals[above] /= np.maximum(np.linalg.norm(normals[above], axis=1, keepdims=True), 1e-9)
    if (more := part == EXTRA).any():  # a button or a badge goes up too, as round as it was
        points[more, 1] += (stretch - 1) * points[more, 1].mean()
    return mesh._replace(points=points, normals=normals)


def _cast_shadow(scene: Scene, worn, mask, inside, hat: Hat, rotation, origin, fit: Fit) -> None:
    """Darken face and hair where the hat keeps the light off them, in place."""
    scale, pose = scene.pose.scale, scene.pose
    reach = np.array([0, 0, -130.0])
    seen = pose.project((np.array([[0, 0, 0], reach]) @ rotation.T) + origin)
    top = int(np.clip(min(seen[:, 1]) - 90 * scale, 0, scene.shape[0]))
    bottom = int(np.clip(max(seen[:, 1]) + 110 * scale, 0, scene.shape[0]))
    if bottom <= top:
        return
    part = slice(top, bottom)
    place = _surface(scene, part)
    # Into the hat's own coordinates, and along the light to the plane of its opening.
    to_hat = (place - origin) @ rotation
    way = scene.light.direction @ pose.rotation @ rotation
    below = to_hat[..., 1]
    front = np.clip(-to_hat[..., 2] / 100, 0, 1)
    down = below - 0.6 * hat.droop * front
    far = np.clip(-down / min(way[1], -0.3), 0, 400)
    hit = to_hat + far[..., None] * way
    angle = np.arctan2(hit[..., 2], hit[..., 0])
    turn = (angle - np.pi / 2) * ANGLES / (2 * np.pi) % ANGLES
    low = turn.astype(int) % ANGLES
    edge = hat.brim[low] + (turn % 1) * (hat.brim[(low + 1) % ANGLES] - hat.brim[low])
    half = np.array([SKULL[0] + fit.pad, SKULL[1] + fit.pad])
    radius = np.hypot(hit[..., 0], hit[..., 2])
    own = 1 / np.hypot(np.cos(angle) / half[0], np.sin(angle) / half[1])
    soft = 8 + 0.45 * far
    shade = np.clip((own + edge - radius) / soft + 0.5, 0, 1)
    light = scene.light.weights
    direct = np.linalg.norm(light[1:]) / (np.linalg.norm(light[1:]) + light[0])
    # Less of the sky is seen from below a brim, and next to nothing where cloth meets skin.
    around = np.clip(edge / (edge + 1.3 * np.maximum(down, 0) + 6), 0, 1)
    near = 0.35 * np.exp(-np.maximum(below, 0) / 5)
    dark = 1 - (1 - min(0.8 * direct, 0.36) * shade) * (1 - 0.15 * around) * (1 - near)
    # Hair beside the head is not where a plain head would be: far from it, it gets no shadow.
    skin = gaussian_filter(scene.head.mask[part].astype(np.float32), 4 * scale)
    where = np.minimum(inside[part], np.clip(2.2 * skin, 0, 1))
    dark = dark * where * np.clip((below + 30) / 8, 0, 1) * np.clip((100 - below) / 50, 0, 1)
    dark = gaussian_filter(dark, 0.8 * scale)
    worn[part] *= 1 - dark[..., None]
    np.maximum(mask[part], np.where(dark > 0.012, 0.6 * dark, 0), out=mask[part])


def _surface(scene: Scene, rows: slice) -> np.ndarray:
    """Return where each pixel's surface is, in head coordinates (h, w, 3), hair included."""
    head = scene.head
    place = head.place[rows].astype(np.float64)
    y, x = np.mgrid[rows, : scene.shape[1]]
    beside = np.full(y.shape, 62.0)
    # Undo perspective and pose for a plane through the ears.
    near = scene.pose.scale * 1400 / (1400 + beside)
    flat = np.stack(
        [(x - scene.pose.centre[0]) / near, (y - scene.pose.centre[1]) / near, beside], -1
    )
    return np.where(head.mask[rows][..., None], place, flat @ scene.pose.rotation)


def _draw(scene: Scene, mesh: Mesh, hat: Worn, inside: np.ndarray) -> Layer | None:
    """Return the hat as a layer."""
    seen = scene.pose.project(mesh.points)
    window = window_around(seen, scene.shape, 3 + 3 * scene.camera.blur, min(scene.fine, 3))
    if window is None:
        return None
    found = rasterise(window.to_samples(seen), mesh.faces, window.shape)
    part = mesh.more[found.corners[:, 0], 2]
    # The head hides what is behind it, but never the crown, whose top it can't reach.
    shown = found.depth < _head_depth(scene.head, window, found.sample) + 6
    kept = shown | ~np.isin(part, (BRIM, UNDER, LINING))
    found, part = found.keep(kept), part[kept]
    normals = scene.pose.to_camera(mesh.normals)
    lit = scene.light.on(normals) ** ROUND * mesh.more[:, 3]
    under = mesh.more[:, 2] == UNDER
    lit[under] = lit[under] * 0.75
    shine = hat.gloss * 0.05 * np.minimum(scene.light.mirrored(_reflect(normals)), 1.5)
    values = np.column_stack([lit, shine, mesh.more[:, :2], mesh.points[:, 2]]).astype(np.float32)
    at = found.blend(values)
    albedo = paint_cloth(hat.cloth, at[:, 2], at[:, 3], part, hat.kind)
    white = scene.light.seen(np.ones(3, np.float32))
    colour = scene.light.seen(albedo) * at[:, :1] + white * at[:, 1:2]
    # Hair that hangs down hides the back of a brim.
    row, column = np.divmod(found.sample, window.shape[1])
    hair = inside[row // window.fine + window.top, column // window.fine + window.left]
    back = ((part == BRIM) | (part == UNDER)) & (at[:, 4] > 70) | (part == LINING)
    alpha = np.where(back, 1 - hair, 1).astype(np.float32)[:, None]
    plane = np.zeros((window.shape[0] * window.shape[1], 4), np.float32)
    plane[found.sample] = np.concatenate([colour * alpha, alpha], axis=1)
    pixels = window.to_pixels(plane.reshape(*window.shape, 4))
    # Cloth has no edges as sharp as those of a frame.
    pixels = blur(pixels, 1.25 * scene.camera.blur)
    return Layer(window, pixels[..., :3], pixels[..., 3:])


def _reflect(normals: np.ndarray) -> np.ndarray:
    rays = -2 * normals[:, 2:] * normals
    rays[:, 2] += 1
    return rays
