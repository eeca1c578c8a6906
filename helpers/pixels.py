"""From a photo's file, wherever it lies, to pixels: decoding, the face crop, and its range.

Built in notebook 01.
"""

import contextlib
import functools
import hashlib
import io
import os
import threading
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .errors import CourseError, DataError, first_line, is_refusal
from .files import clear_unfinished, explained, listed, written_whole

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
IMAGE_SUFFIXES |= {".avif", ".heic"}
# What those names may hold. Pillow would also start Ghostscript for an EPS that is named .jpg.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF")
MAX_PIXELS = 120_000_000  # a header can promise any size
MAX_ARCHIVED_BYTES = 64 << 20  # of one photo; an archive can promise any size too
# A photo that can't be read is named by us, once; Pillow would warn of each oddity in the others.
warnings.filterwarnings("ignore", module=r"PIL\.")
# What several threads may do with one ZipFile, nobody promises.
_unpacking = threading.Lock()


def open_file(photo: Path) -> BinaryIO:
    """Open a photo's file, wherever it lies."""
    if not is_archived(photo):
        return photo.open("rb")
    archive, entries = photos_in_archive(photo.parent)
    entry = entries.get(photo.name)
    if entry is None:
        raise ValueError(f"no longer in {photo.parent.name}")
    if entry.file_size > MAX_ARCHIVED_BYTES:
        raise ValueError(f"unpacks to {entry.file_size >> 20} MB")
    with _unpacking:
        return io.BytesIO(archive.read(entry))


def is_archived(photo: Path) -> bool:
    return photo.parent.suffix.lower() == ".zip" and photo.parent.is_file()


def photos_in_archive(path: Path) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """Return an archive and its entries, by the names of the photos in whatever folders.

    To open one of 200,000 photos takes seconds, so it stays open until it is another.

    Raises
    ------
    DataError
        If it is damaged.
    """
    stat = path.stat()
    return _open_archive(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _open_archive(path: Path, *state: int) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # whatever it meets in a damaged one
        if is_refusal(error):
            raise
        raise DataError(
            f"{path} is damaged, or no zip archive ({first_line(error)}): fetch it again."
        ) from error
    entries = archive.infolist()
    return archive, {e.filename.replace("\\", "/").rpartition("/")[2]: e for e in entries}


def images_in(folder: Path) -> list[Path]:
    """Return the images in a folder, by name; none if there is no such folder.

    Raises
    ------
    CourseError
        If the folder can't be listed.
    """
    with explained(folder):
        return sorted(path for path in listed(folder) if is_photo(path))


def is_photo(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def square_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a photo's central square: the face crop.

    Of CelebA's 178 x 218 these are the rows 20 to 198, in which all networks learned faces.
    """
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


HEADROOM = 3 / 16  # of the larger crop's side: 48 of 256 px, so that its face crop has 208


def with_headroom(box: tuple[int, int, int, int], headroom: float) -> tuple[float, ...]:
    """Return the larger square around a face crop's: so much of its own side more above the face.

    A hat is higher than a face crop. Half as much is added on the left and on the right, nothing
    below.
    """
    left, top, right, bottom = box
    more = (right - left) * headroom / (1 - headroom)
    return left - more / 2, top - more, right + more / 2, bottom


def face_part(size: int, headroom: float) -> tuple[slice, slice]:
    """Return the rows and the columns of the face crop in one with headroom."""
    more = round(size * headroom)
    return slice(more, size), slice(more // 2, size - more // 2)


def face_crop(photo: Image.Image, size: int, headroom: float = 0.0) -> np.ndarray:
    """Return the face crop of an aligned photo, uint8 of shape (size, size, 3).

    With headroom, what reaches out of the photo is its mirror image.
    """
    if not headroom:
        square = square_crop(photo)
        return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3))
    box = with_headroom(square_box(*photo.size), headroom)
    edge = int(np.ceil(max(0, -min(box))))
    mirrored = np.pad(np.asarray(photo), ((edge, 0), (edge, edge), (0, 0)), mode="symmetric")
    box = tuple(number + edge for number in box)
    options = {"box": box, "reducing_gap": 3}
    large = Image.fromarray(mirrored)
    return np.asarray(large.resize((size, size), Image.Resampling.LANCZOS, **options))


def square_crop(photo: Image.Image) -> Image.Image:
    """Return the face crop as large as it is in the photo."""
    return photo.crop(square_box(*photo.size))


def open_photo(path: Path) -> Image.Image:
    """Open a photo of any of the `FORMATS`, turned as its EXIF says, in RGB.

    Raises
    ------
    OSError or ValueError
        If it can't be read; the message says why.
    """
    if path.exists() and not path.is_file():
        raise ValueError("not a file")  # a pipe would keep us waiting
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        with open_file(path) as file, Image.open(file, formats=formats) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ValueError(f"{width} x {height} pixels are too many: scale it down")
            return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        heic = ": iPhones write it, so save it as JPEG" if path.suffix.lower() == ".heic" else ""
        raise ValueError(f"no image of a known format{heic}") from error
    except OSError:
        raise
    except Exception as error:  # whatever a decoder meets in a damaged file
        raise ValueError(str(error) or "not an image") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are fractions of unknown range: save it with 8 bits")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        values = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(np.minimum(values >> 8, 255).astype(np.uint8))
    return _to_srgb(image)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Return a picture in RGB, with the colours that its profile says: phones write Display P3.

    Browsers do so too. A profile that does not fit the picture counts for nothing, as there.
    """
    profile = image.info.get("icc_profile")
    if image.mode in ("LA", "La"):  # which Pillow and its colour management lay out differently
        image = image.convert("L")
    if not profile or image.mode not in ("L", "RGB", "RGBA", "CMYK"):
        return image.convert("RGB")
    # An ImportError where Pillow was built without colour management.
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError, ImportError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" not in ImageCms.getProfileDescription(source):
            srgb = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    return image.convert("RGB")


class Crops:
    """Face crops kept on disk, one file a photo, so that each photo is decoded once.

    A file's name follows from the photo's path, its size in bytes, when it was changed, and the
    side of the crop: a photo that changes is decoded anew. The folder may be deleted at any time.

    Parameters
    ----------
    folder : Path
        Of the files; made if it is not there.
    limit : int
        How many bytes they may take. What is in the way at the start goes, the oldest first; after
        that, nothing more is kept when it is full.

    Raises
    ------
    CourseError
        If the folder can't be made or listed.
    """

    def __init__(self, folder: Path, limit: int):
        self.folder = folder
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            clear_unfinished(folder)
            there = [(entry.stat(), entry.path) for entry in os.scandir(folder)]
        self.room = limit - sum(stat.st_size for stat, _ in there)
        if self.room < limit // 100:  # full: of photos that have changed, or are no longer read
            for stat, path in sorted(there, key=lambda entry: entry[0].st_mtime):
                if self.room >= limit // 10:
                    break
                Path(path).unlink(missing_ok=True)
                self.room += stat.st_size

    def read(self, photo: Path, size: int, headroom: float = 0.0) -> np.ndarray:
        """Return what `read_image` does, from the file if it is there and whole."""
        stat = (photo.parent if is_archived(photo) else photo).stat()
        key = f"{photo.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{size}"
        key += f"|{headroom}" if headroom else ""
        digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        path = self.folder / f"{digest}.crop"
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        pixels, check = data[:-4], data[-4:]
        if len(pixels) == 3 * size * size and zlib.crc32(pixels).to_bytes(4, "big") == check:
            return np.frombuffer(pixels, np.uint8).reshape(size, size, 3)
        image = face_crop(open_photo(photo), size, headroom)
        self._keep(path, image.tobytes())
        return image

    def _keep(self, path: Path, pixels: bytes) -> None:
        data = pixels + zlib.crc32(pixels).to_bytes(4, "big")
        if self.room < len(data):
            return
        self.room -= len(data)
        # A full disk, or a folder that somebody deleted, costs time, not the training.
        with contextlib.suppress(CourseError), written_whole(path) as temporary:
            temporary.write_bytes(data)


def to_unit(images: np.ndarray) -> np.ndarray:
    """Return uint8 images as float32 in [-1, 1], the range of every network."""
    return images.astype(np.float32) / 127.5 - 1.0


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Return images in [-1, 1] as uint8, the inverse of `to_unit`."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)
