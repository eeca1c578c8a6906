"""One photo in, the edited photo out: find the face, align, edit, paste the residual back.

Notebook 00 shows it, notebook 10 builds it; the parts are in `detection` and `alignment`.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from . import (
    alignment,
    celeba,
    datasets,
    detection,
    pixels,
    profiles,
    styling,
    weight_files,
)
from .errors import DataError, TrainingError, counted, shown
from .files import written_whole

WEIGHTS = profiles.ROOT / "weights"
MOST_BYTES = 200  # of a photo's name that an edit's begins with; a name may have 255 in all


class Inverted(NamedTuple):
    """What `invert_photo` gives.

    Attributes
    ----------
    edited : np.ndarray
        The photo at its full resolution, uint8 (height, width, 3), every face edited.
    crops, residuals : list of np.ndarray
        For each face, largest first: the face crop, uint8 (size, size, 3), and its residual,
        float32 of the same shape, in [-2, 2].
    turned : list of int
        For each face, how far it is turned clockwise in the photo: 0, 90, 180 or 270 degrees.
    transforms : list of np.ndarray
        For each face, what took it from the photo to the crop; see `alignment`.
    """

    edited: np.ndarray
    crops: list[np.ndarray]
    residuals: list[np.ndarray]
    turned: list[int]
    transforms: list[np.ndarray]


def find_weights(attribute: str, direction: str, folder: Path | None = None) -> Path:
    """Return the weights file of one direction: from a run's folder, or the course's own.

    Raises
    ------
    TrainingError
        If there is none; the message says where it was looked for.
    """
    name = f"{celeba.short_name(attribute)}-{direction}.npz"
    places = [folder / "weights" / name, folder / name] if folder else [WEIGHTS / name]
    for path in places:
        if path.is_file():
            return path
    raise TrainingError(
        f"There are no weights {name} in {places[0].parent}. Train them "
        "(python3 course.py train --help), or give --weights the folder of a run."
    )


def invert_photo(
    photo: np.ndarray,
    generator: keras.Model,
    *,
    headroom: float = 0.0,
    strength: float = 1.0,
    aligned: bool = False,
) -> Inverted:
    """Edit every face of a photo.

    Parameters
    ----------
    photo : np.ndarray
        uint8 (height, width, 3), any size.
    generator : keras.Model
        Face crop to residual.
    headroom : float
        The part of its crop that is above the face: what its card says, 0 where it says nothing.
    strength : float
        What the residual is multiplied by.
    aligned : bool
        The photo shows a face where CelebA's aligned photos do: take its central square, and do
        not look for a face.

    Returns
    -------
    Inverted
        With no crops, and the photo as it was, if no face was found.
    """
    size = generator.input_shape[1]
    turned = [0]
    if aligned:
        image = Image.fromarray(photo)
        crops = [pixels.face_crop(image, size, headroom)]
        box = pixels.with_headroom(pixels.square_box(*image.size), headroom)
        transforms = [alignment.from_square(box, size)]
    else:
        faces = detection.find_faces(photo)
        turned = [face.turned for face in faces]
        transforms = [alignment.similarity(face.landmarks, size, headroom) for face in faces]
        crops = [alignment.crop_face(photo, transform, size) for transform in transforms]
    edited, residuals = photo, []
    for transform, crop in zip(transforms, crops, strict=True):
        residual = generator(pixels.to_unit(crop[None]), training=False).numpy()[0]
        edited = alignment.paste_residual(edited, strength * residual, transform, crop)
        residuals.append(residual)
    return Inverted(edited, crops, residuals, turned, transforms)


def invert_files(
    photos: Iterable[Path],
    attribute: str,
    direction: str,
    out: Path,
    *,
    weights: Path | None = None,
    style: dict[str, float | str] | None = None,
    strength: float = 1.0,
    aligned: bool = False,
    with_residual: bool = False,
    report: Callable[[str], None] = print,
) -> int:
    """Edit photos, or all photos of a folder, and write ``OUT/NAME-glasses-add.png``.

    A file that can't be read, or on which no face is found, is named, and the others go on. `style`
    is as `styling.choose_style` takes it.

    Returns
    -------
    int
        How many photos were not edited.

    Raises
    ------
    DataError
        If there is no photo at all.
    TrainingError
        If there are no weights, or they do not know the style.
    """
    paths = _all_photos(photos, report)
    network, card = weight_files.load_network(find_weights(attribute, direction, weights))
    generator = weight_files.as_used(network, card, styling.choose_style(card, style or {}))
    out.mkdir(parents=True, exist_ok=True)
    failures, taken = 0, set()
    with tqdm(paths, desc="editing", unit="photo") as bar:
        for path in bar:
            name = shown(str(path))
            try:
                photo = np.asarray(pixels.open_photo(path))
            except (OSError, ValueError) as error:
                bar.write(f"{name}: can't be read: {error}")
                failures += 1
                continue
            inverted = invert_photo(
                photo,
                generator,
                headroom=card.get("headroom", 0.0),
                strength=strength,
                aligned=aligned,
            )
            if not inverted.crops:
                bar.write(f"{name}: no face found. Try a photo with a larger, frontal face.")
                failures += 1
                continue
            short = path.stem.encode(errors="surrogateescape")[:MOST_BYTES].decode(errors="ignore")
            stem = datasets.unique(f"{short}-{card['attribute']}-{direction}", taken)
            _save(out / f"{stem}.png", inverted.edited)
            if with_residual:
                for i, residual in enumerate(inverted.residuals):
                    picture = pixels.to_bytes(np.clip(residual, -1, 1))
                    _save(out / f"{stem}-residual{i or ''}.png", picture)
            bar.write(f"{shown(str(out / stem))}.png: {_told(inverted.turned)}")
    return failures


def _all_photos(photos: Iterable[Path], report: Callable[[str], None]) -> list[Path]:
    """Return the files given, and those in the folders given; tell of folders without any."""
    paths = []
    for path in photos:
        found = pixels.images_in(path) if os.path.isdir(path) else [path]
        if not found:
            report(f"{shown(str(path))}: no photo is in this folder.")
        paths += found
    if not paths:
        raise DataError(
            f"There is no photo in {', '.join(map(str, photos))}. "
            f"Photos end in {', '.join(sorted(pixels.IMAGE_SUFFIXES))}."
        )
    return paths


def _told(turned: list[int]) -> str:
    """Say how many faces were edited, and how far they are turned if not all are upright."""
    text = f"{counted(len(turned), 'face')} edited"
    degrees = sorted(set(turned))
    if degrees != [0]:
        text += f", found turned by {' and '.join(map(str, degrees))} degrees clockwise"
    return text


def _save(path: Path, picture: np.ndarray) -> None:
    with written_whole(path) as temporary:
        Image.fromarray(picture).save(temporary, "PNG")
