"""Where the photos come from, the split by one attribute, and the stream that training reads.

Three kinds of data stand behind one interface, `open_split`: CelebA as others hand it out, your own
folders ``with/`` and ``without/``, and the drawn faces (the word ``drawn``). Built in notebook 01.
"""

import atexit
import contextlib
import difflib
import functools
import gc
import hashlib
import io
import itertools
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm.auto import tqdm

from .errors import CourseError, counted, explain, first_line, is_refusal
from .files import clear_unfinished, explained, folder_written_whole, write_text, written_whole

PARTS = ("train", "validation", "test")
SIDES = ("without", "with")
SHORT_NAMES = {"glasses": "Eyeglasses", "hat": "Wearing_Hat"}
DRAWN = "drawn"
WORN = {"hat": "hats", "glasses": "glasses"}  # what `dress` can draw
CELEBA_SIZE = (178, 218)  # width, height of an aligned photo
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
IMAGE_SUFFIXES |= {".avif", ".heic"}
# What those names may hold. Pillow would also start Ghostscript for an EPS that is named .jpg.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF")
MAX_PIXELS = 120_000_000  # a header can promise any size
MAX_TABLE_BYTES = 256 << 20  # CelebA's own has 26 MB
MAX_ARCHIVED_BYTES = 64 << 20  # of one photo; an archive can promise any size too
# A photo that can't be read is named by us, once; Pillow would warn of each oddity in the others.
warnings.filterwarnings("ignore", module=r"PIL\.")


class DataError(CourseError):
    """The data can't be used; the message says what was wrong, where, and what to do."""


class Drawn(NamedTuple):
    """One drawn face: the person `seed`, with or without `attribute`."""

    seed: int
    attribute: str
    present: bool

    @property
    def name(self) -> str:
        return f"drawn {self.seed} {'with' if self.present else 'without'} {self.attribute}"


class Dressed(NamedTuple):
    """A photo of somebody without, with a drawn hat or glasses on (`helpers/drawn/dressing.py`)."""

    photo: Path
    attribute: str
    seed: int | None = None  # of one of any kind; None: one that suits the face
    style: tuple[float, ...] = ()  # in which it suits


Item = Path | Drawn | Dressed


@dataclass
class Split:
    """A dataset, split by one attribute into parts and sides.

    Attributes
    ----------
    attribute : str
        A CelebA column, or a name of yours.
    source : str
        What the data is, for messages and file headers: a folder, or "drawn".
    items : dict
        From (part, side), e.g. ("train", "with"), to a list of `Item`.
    unreadable : dict
        From the name of each item that could not be read to the reason.
    origin : str
        What the data is, for the cards of weights: "CelebA", "drawn faces", "the photos in NAME".
    drawn_on : str
        What `dress` drew on photos, for the cards; "" for nothing.
    known : AttributeTable or None
        All that CelebA's attribute file says of the photos.
    crops : Crops or None
        Where the stream keeps face crops, so that each photo is decoded once.
    """

    attribute: str
    source: str
    items: dict[tuple[str, str], list[Item]]
    unreadable: dict[str, str] = field(default_factory=dict)
    origin: str = "photos"
    drawn_on: str = ""
    known: "AttributeTable | None" = None
    crops: "Crops | None" = None

    def name(self, item: Item) -> str:
        """Return what messages call an item: a photo's path in the dataset, fit to be shown."""
        if isinstance(item, Drawn):
            return item.name
        if isinstance(item, Dressed):  # if it can't be read, it can't be on the other side either
            item = item.photo
        inside = item.relative_to(self.source) if item.is_relative_to(self.source) else item
        return shown(str(inside))

    def skip(self, item: Item, error: Exception | str) -> None:
        """Note that an item can't be used, and why."""
        why = explain(error) if isinstance(error, OSError) and error.errno else str(error)
        self.unreadable[self.name(item)] = why

    def count(self, part: str, side: str) -> int:
        return len(self.items[part, side])

    def table(self) -> list[tuple[str, int, int]]:
        """Return a row (part, without, with) for each part."""
        return [(part, *(self.count(part, side) for side in SIDES)) for part in PARTS]


def shown(text: str) -> str:
    """Return text in which nothing can move a terminal's cursor or fail to be written."""
    escape = {c: repr(c)[1:-1] for c in text if not c.isprintable()}
    return text.translate(str.maketrans(escape)) if escape else text


def column_name(attribute: str) -> str:
    """Return the CelebA column behind a short name: "glasses" is "Eyeglasses"."""
    return SHORT_NAMES.get(attribute.lower(), attribute)


def short_name(attribute: str) -> str:
    """Return the short name of a column: "Eyeglasses" is "glasses", others in lower case."""
    for short, column in SHORT_NAMES.items():
        if attribute in (short, column):
            return short
    return attribute.lower()


# --- CelebA's own files ---------------------------------------------------------------------


@dataclass
class AttributeTable:
    """CelebA's attribute file: names of photos, names of columns, and values of -1 or 1.

    Of a split, `photos` has the names of the files.
    """

    photos: list[str]
    columns: list[str]
    values: np.ndarray  # int8, (photos, columns)

    def column(self, attribute: str) -> np.ndarray:
        """Return the int8 (photos,) column of one attribute.

        Raises
        ------
        DataError
            If there is no such column; the message names the nearest.
        """
        name = attribute if attribute in self.columns else column_name(attribute)
        if name not in self.columns:
            lower = {c.lower(): c for c in (*SHORT_NAMES, *self.columns)}
            near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.4)
            hint = " Did you mean " + " or ".join(lower[n] for n in near) + "?" if near else ""
            raise DataError(
                f"There is no attribute {attribute!r}.{hint}\n"
                f"The columns are: {', '.join(self.columns)}."
            )
        return self.values[:, self.columns.index(name)]

    def of(self, items: list[Path], columns: list[str]) -> np.ndarray:
        """Return what some columns say of some photos, as bool (items, columns)."""
        row_of = {name: row for row, name in enumerate(self.photos)}
        rows = [row_of[item.name] for item in items]
        return self.values[np.ix_(rows, [self.columns.index(c) for c in columns])] == 1


def read_attributes(path: Path) -> AttributeTable:
    """Read ``list_attr_celeba.txt``: a count, a header of names, then a row for each photo.

    Or Kaggle's form, ``list_attr_celeba.csv``: no count, a header that begins with ``image_id``,
    and commas. A file may have 0 in place of every -1.

    Raises
    ------
    DataError
        If a line does not fit; the message gives its number.
    """
    lines = _read_lines(path)
    first = _words(lines[0][1]) if lines else []
    kaggle = first[:1] == ["image_id"]
    with_count = len(first) == 1 and first[0].isascii() and first[0].isdigit()
    header = 0 if kaggle else 1
    if not (kaggle or with_count) or len(lines) < header + 2:
        raise DataError(
            f"{path} is not CelebA's attribute file: line 1 should be the number of photos, "
            "line 2 the names of the attributes, and then a row for each photo (or, in Kaggle's "
            "form, line 1 should begin with image_id)."
        )
    columns = _words(lines[header][1])[kaggle:]
    if len(set(columns)) < len(columns):
        twice = max(columns, key=columns.count)
        raise DataError(f"{path}, line {lines[header][0]}: the attribute {twice!r} stands twice.")
    seen, values = {}, bytearray()  # a byte for each value: of all photos there are 8 million
    first_of = {}  # from each value to the line where it stands first
    for number, line in lines[header + 1 :]:
        name, *row = _words(line)
        found = set(row)
        if len(row) != len(columns) or not found <= {"1", "-1", "0"}:
            raise DataError(
                f"{path}, line {number}: expected a file name and "
                f"{counted(len(columns), 'value')} of -1 or 1, found "
                f"{counted(len(row) + 1, 'word')}: {line.strip()[:60]!r}."
            )
        for value in found.difference(first_of):
            first_of[value] = number
        if name in seen:
            raise DataError(
                f"{path}, line {number}: {name[:60]!r} stands in line {seen[name]} already."
            )
        seen[name] = number
        values += "".join(row).replace("-1", "0").encode()
    if with_count and first[0].lstrip("0") != str(len(seen)):
        raise DataError(
            f"{path}: the number of photos is {first[0][:20]} in line 1, but {len(seen)} by the "
            "rows. The file may be cut off; fetch it again."
        )
    if {"0", "-1"} <= first_of.keys():
        raise DataError(
            f"{path}, line {first_of['0']}: a value of 0, where line {first_of['-1']} has -1. A "
            "file has either -1 or 0 for what is not there."
        )
    present = np.frombuffer(values, np.uint8).reshape(len(seen), len(columns)) == ord("1")
    return AttributeTable(list(seen), columns, np.where(present, np.int8(1), np.int8(-1)))


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a text file with their numbers, but for empty ones."""
    try:
        if (size := path.stat().st_size) > MAX_TABLE_BYTES:
            raise DataError(f"{path} has {size >> 20} MB: that is no table of CelebA.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} can't be read: {explain(error)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error}. Fetch it again.") from error
    # Not `if _words(line)`: that made all words of a large table twice.
    lines = enumerate(text.splitlines(), 1)
    return [(n, line) for n, line in lines if line.replace(",", " ").strip()]


def _words(line: str) -> list[str]:
    return line.replace(",", " ").split()


def _read_pairs(path: Path | None) -> dict[str, str]:
    """Read a file of lines ``photo value``, in CelebA's or Kaggle's form; none if there is none."""
    pairs = {}
    for number, line in _read_lines(path) if path else ():
        words = _words(line)
        if len(words) != 2:
            raise DataError(f"{path}, line {number}: expected a photo and a value: {line[:60]!r}.")
        if pairs.setdefault(words[0], words[1]) != words[1]:
            raise DataError(f"{path}, line {number}: {words[0][:60]!r} had another value before.")
    return pairs


def part_of(group: str, seed: int = 0) -> str:
    """Return the part of everything that shares a group, e.g. one person: 80, 10, 10 percent.

    The answer depends on the group's name and the seed alone, so that a photo is held out for
    every attribute or for none, and stays so when photos are added.
    """
    key = f"{seed}:{group}".encode(errors="surrogateescape")  # a name may be any bytes
    digest = hashlib.blake2b(key, digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"


class CelebA(NamedTuple):
    """Where the pieces of CelebA lie, below a folder; None for what is not there."""

    folder: Path
    table: Path | None
    photos: Path | None  # a folder, or an archive
    partition: Path | None
    identity: Path | None

    @property
    def whole(self) -> bool:
        """Whether all that is needed is there."""
        return bool(self.table and self.photos)


# What the pieces are called, by CelebA's authors and on Kaggle; the first that is there is taken.
CELEBA_NAMES = {
    "table": ("list_attr_celeba.txt", "list_attr_celeba.csv"),
    "photos": ("img_align_celeba", "img_align_celeba_png", "img_align_celeba.zip"),
    "partition": ("list_eval_partition.txt", "list_eval_partition.csv"),
    "identity": ("identity_celeba.txt", "identity_celeba.csv"),
}


def find_celeba(folder: Path) -> CelebA:
    """Find the pieces of CelebA in a folder, or in its ``celeba/``, where torchvision has them.

    They lie at the top, or in the authors' Anno, Eval and Img. Capitals make no difference, because
    some archives and systems lose them.
    """
    tops = (folder, *_folders_in(folder, "celeba"))
    return max(map(_find_pieces, tops), key=lambda celeba: sum(map(bool, celeba)))


def _find_pieces(folder: Path) -> CelebA:
    there = _pieces_in(folder)

    def find(names: tuple[str, ...]) -> Path | None:
        for path in (there[name] for name in names if name in there):
            usable = path.is_file() if path.suffix else path.is_dir()
            if usable:
                nested = path / path.name  # as Kaggle's archive unpacks, and Windows any
                return nested if nested.is_dir() else path
        return None

    return CelebA(folder, **{piece: find(names) for piece, names in CELEBA_NAMES.items()})


def _pieces_in(folder: Path) -> dict[str, Path]:
    """Return all that may be a piece of CelebA, by its name in small letters."""
    places = [folder, *_folders_in(folder, "anno", "eval", "img")]
    there: dict[str, Path] = {}
    for path in itertools.chain.from_iterable(map(_listed, places)):
        there.setdefault(path.name.lower(), path)
    return there


def _folders_in(folder: Path, *names: str) -> list[Path]:
    return [path for path in _listed(folder) if path.name.lower() in names and path.is_dir()]


def _listed(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def read_celeba(celeba: CelebA) -> tuple[AttributeTable, dict[str, Path]]:
    """Read the attribute file, and list the photos.

    Returns
    -------
    AttributeTable
        As the file has it.
    dict
        From names in the table to photos, of those that are there.
    """
    table = read_attributes(celeba.table)
    if celeba.photos.is_dir():
        # To list paths takes a third of the time of making one from each name.
        there = {path.name: path for path in celeba.photos.iterdir()}
    else:
        there = {name: celeba.photos / name for name in _archive(celeba.photos)[1]}
    if there.keys().isdisjoint(table.photos):  # the table says .jpg of CelebA's PNGs too
        by_stem = {path.stem: path for path in there.values() if _is_photo(path)}
        stems = ((name, name.rpartition(".")[0] or name) for name in table.photos)
        there = {name: by_stem[stem] for name, stem in stems if stem in by_stem}
    return table, there


def _open_celeba(folder: Path, celeba: CelebA, attribute: str, seed: int) -> Split:
    table, there = read_celeba(celeba)
    present = table.column(attribute) == 1
    if not there:
        raise DataError(
            f"None of {counted(len(table.photos), 'photo')} that {celeba.table} names is in "
            f"{celeba.photos}; the first is {table.photos[0][:60]!r}."
        )
    official, identity = _read_pairs(celeba.partition), _read_pairs(celeba.identity)
    split = _empty_split(column_name(attribute), str(folder), "CelebA")
    for name, has in zip(table.photos, present, strict=True):
        if name not in there:
            why = f"named in {celeba.table.name}, but not in {celeba.photos.name}"
            split.skip(celeba.photos / name, why)
            continue
        number = official.get(name)
        if number not in (None, "0", "1", "2"):
            raise DataError(
                f"{celeba.partition}: {name} is in part {number[:20]!r}; there are 0 (train), 1 "
                "(validation) and 2 (test)."
            )
        part = PARTS[int(number)] if number else part_of(identity.get(name, name), seed)
        split.items[part, SIDES[int(has)]].append(there[name])
    name, path = next(iter(there.items()))
    if name != path.name:
        files = [there[name].name if name in there else name for name in table.photos]
        table = replace(table, photos=files)
    split.known = table
    return split


# --- photos in an archive: its path goes on with the photo's name ----------------------------

# What several threads may do with one ZipFile, nobody promises.
_unpacking = threading.Lock()


def open_file(photo: Path) -> BinaryIO:
    """Open a photo's file, wherever it lies."""
    if not _is_archived(photo):
        return photo.open("rb")
    archive, entries = _archive(photo.parent)
    entry = entries.get(photo.name)
    if entry is None:
        raise ValueError(f"no longer in {photo.parent.name}")
    if entry.file_size > MAX_ARCHIVED_BYTES:
        raise ValueError(f"unpacks to {entry.file_size >> 20} MB")
    with _unpacking:
        return io.BytesIO(archive.read(entry))


def _is_archived(photo: Path) -> bool:
    return photo.parent.suffix.lower() == ".zip" and photo.parent.is_file()


def _archive(path: Path) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
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


# --- your own folders -----------------------------------------------------------------------


def images_in(folder: Path) -> list[Path]:
    """Return the images in a folder, by name; none if there is no such folder.

    Raises
    ------
    CourseError
        If the folder can't be listed.
    """
    with explained(folder):
        return sorted(path for path in _listed(folder) if _is_photo(path))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _open_folders(folder: Path, attribute: str, seed: int) -> Split:
    split = _empty_split(attribute, str(folder), f"the photos in {shown(folder.absolute().name)}")
    for side in SIDES:
        places = [(folder / part / side, part) for part in PARTS] + [(folder / side, None)]
        for place, part in places:
            for path in sorted(_listed(place)):
                if _is_photo(path):
                    split.items[part or part_of(path.name, seed), side].append(path)
                elif not path.name.startswith("."):
                    split.skip(path, "not named as a photo (.jpg, .png and so on)")
    return split


# --- the drawn faces ------------------------------------------------------------------------


def _open_drawn(attribute: str, seed: int, images: int) -> Split:
    from .drawn import faces

    short = short_name(attribute)
    if short not in faces.ATTRIBUTES:
        raise DataError(
            f"The drawn faces have {' and '.join(faces.ATTRIBUTES)}, not {attribute!r}. "
            "For another attribute give --data a folder with photos."
        )
    split = _empty_split(column_name(short), DRAWN, "drawn faces")
    held_out = max(images // 10, 32)
    person = seed * 10_000_000
    for part, people in zip(PARTS, (images, held_out, held_out), strict=True):
        for _ in range(people):
            # Different people on the two sides: training never sees a pair.
            split.items[part, "without"].append(Drawn(person, short, False))
            other = person + 1 if part == "train" else person
            split.items[part, "with"].append(Drawn(other, short, True))
            person += 2
    return split


class DrawnPairs(NamedTuple):
    """Held-out drawn people, each with the truth: what the edit should give, and where."""

    without: np.ndarray  # uint8 (n, size, size, 3)
    with_: np.ndarray  # uint8 (n, size, size, 3)
    region: np.ndarray  # float32 (n, size, size), 1 where the two truly differ


def drawn_pairs(split: Split, part: str, size: int, count: int | None = None) -> DrawnPairs:
    """Draw the true pairs of a part of a drawn split; the test and validation parts have them."""
    from .drawn import faces

    items = split.items[part, "without"][:count]
    pairs = [faces.draw_pair(item.seed, item.attribute, size) for item in items]
    return DrawnPairs(*(np.stack(column) for column in zip(*pairs, strict=True)))


def draw_ahead(split: Split, size: int, cache: Path) -> None:
    """Draw all faces of a drawn split once, on all cores, with a progress bar.

    They land in `cache` as one PNG a face, and `read_image` finds them there from then on. Where
    nothing may be written, it draws each when it is read; that is said, and takes longer.
    """
    folder = _drawn_folder(cache, size)
    items = {item for items in split.items.values() for item in items}
    missing = sorted(item for item in items if not _drawn_path(folder, item).is_file())
    if not missing:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        print(f"The faces are drawn anew whenever they are needed: {explain(error)}")
        return
    jobs = ((folder, size, missing[start::64]) for start in range(64))
    try:
        with (
            ProcessPoolExecutor(initializer=_attend) as pool,
            tqdm(total=len(missing), desc="drawing") as bar,
        ):
            for done in pool.map(_draw_some, jobs):
                bar.update(done)
    except BrokenProcessPool as error:
        raise DataError(
            "The system ended a process that drew faces, perhaps for want of memory. Those drawn "
            "are kept: run the same command again."
        ) from error


def _draw_some(job: tuple[Path, int, list[Drawn]]) -> int:
    folder, size, items = job
    for item in items:
        path = _drawn_path(folder, item)
        with written_whole(path) as temporary:
            Image.fromarray(_draw(item, size)).save(temporary, "PNG", compress_level=1)
    return len(items)


def _draw(item: Drawn, size: int) -> np.ndarray:
    from .drawn import faces

    return faces.draw_face(item.seed, size, **{item.attribute: item.present})


def _drawn_folder(cache: Path, size: int) -> Path:
    from .drawn import faces

    return cache / f"drawn-{size}-{faces.drawing_version()}"


def _drawn_path(folder: Path, item: Drawn) -> Path:
    return folder / f"{item.seed}-{item.attribute}-{'with' if item.present else 'without'}.png"


# --- drawn hats and glasses on photos -------------------------------------------------------


def dress(split: Split, direction: str) -> Split:
    """Return a split in which drawn hats or glasses are on the photos without: true pairs.

    Parameters
    ----------
    direction : {"add", "remove"}
        What is to be learned. To add, one that suits the face, in a style by chance, stands in for
        all photos with; to remove, one of any kind stands beside them.

    Raises
    ------
    DataError
        If it is not photos, split by hats or by glasses.
    """
    attribute = short_name(split.attribute)
    if split.source == DRAWN or attribute not in WORN:
        raise DataError(
            f"Only hats and glasses can be drawn on, and only on photos; this is {split.attribute} "
            f"of {split.origin}. Leave --dress out, or give --attribute hat or glasses and the "
            "photos' folder."
        )
    from .drawn import dressing

    any_kind = direction == "remove"
    items = dict(split.items)
    for part in PARTS:
        dressed = [
            Dressed(photo, attribute, seed)
            if any_kind
            else Dressed(photo, attribute, None, dressing.any_style(attribute, seed))
            for seed, photo in enumerate(split.items[part, "without"])
        ]
        items[part, "with"] = dressed + (split.items[part, "with"] if any_kind else [])
    drawn_on = f"{WORN[attribute]} of any kind" if any_kind else f"{WORN[attribute]} that suit"
    return replace(split, items=items, drawn_on=drawn_on)


# --- one interface --------------------------------------------------------------------------


def open_split(
    data: str | Path, attribute: str, *, seed: int = 0, images: int = 1000, need: str = "train"
) -> Split:
    """Open a dataset and split it by one attribute.

    Parameters
    ----------
    data : str or Path
        "drawn"; the folder of CelebA, or one that holds that as ``celeba/``; or a folder with
        ``with/`` and ``without/``, either at its top or below ``train/``, ``validation/`` and
        ``test/`` (as `write_split` makes).
    attribute : str
        A CelebA column, or a short name: "glasses", "hat".
    seed : int
        Of the split where the data does not bring one of its own, and of the drawn people.
    images : int
        How many drawn faces each side of the training part gets.
    need : str
        The part that must hold photos on both sides.

    Raises
    ------
    DataError
        If nothing usable is there; the message says what was looked for, and where.
    """
    if str(data) == DRAWN:
        return _open_drawn(attribute, seed, images)
    folder = Path(os.path.expanduser(data))
    with explained(folder), _nothing_collected():
        split = _open_folder(folder, attribute, seed)
    for side in SIDES:
        if not split.items[need, side]:
            raise DataError(
                f"The data in {folder} has no photo {side} {split.attribute} in its {need} part "
                f"({', '.join(f'{p}: {a} without, {b} with' for p, a, b in split.table())}). "
                "Both sides are needed: choose another attribute or add photos."
            )
    return split


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep Python from looking for garbage: among many new objects, a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _open_folder(folder: Path, attribute: str, seed: int) -> Split:
    if not folder.is_dir():
        raise DataError(
            f"There is no folder {folder}. Give --data the folder of CelebA (with "
            "list_attr_celeba.txt and img_align_celeba/), a folder that holds with/ and without/, "
            "or the word drawn."
        )
    celeba = find_celeba(folder)
    if not (celeba.table and celeba.folder == folder):
        split = _open_folders(folder, attribute, seed)
        if any(split.items.values()):
            return split
    if not celeba.whole:
        raise DataError(_what_is_missing(celeba))
    return _open_celeba(folder, celeba, attribute, seed)


def _what_is_missing(celeba: CelebA) -> str:
    folder, *pieces = celeba
    missing = []
    if not celeba.table:
        missing.append("list_attr_celeba.txt (or .csv), at the top or in Anno/")
    if not celeba.photos:
        missing.append(
            "img_align_celeba/, img_align_celeba_png/ or img_align_celeba.zip, at the top or in "
            "Img/"
        )
    looked = f"Looked for {'; for '.join(missing)}"
    found = [path for path in pieces if path]
    # Such as the authors' img_align_celeba_png.7z.
    found += [p for n, p in _pieces_in(folder).items() if n.startswith("img_") and p not in found]
    if found:
        names = ", ".join(shown(path.relative_to(folder).as_posix()) for path in found)
        other = "" if celeba.photos else " Any other archive has to be unpacked first."
        return f"{folder} holds {names}, but that is not all of CelebA. {looked}.{other}"
    names = sorted(shown(path.name) for path in _listed(folder))
    held = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"Nothing to use was found in {folder}, which holds {held or 'nothing'}. {looked} "
        "(CelebA); and for images in with/ and without/, at the top or below train/, validation/ "
        "and test/."
    )


def default_data() -> str:
    """Return what to use when nobody said: the folder that CELEBA_DIR names, or "drawn"."""
    return os.environ.get("CELEBA_DIR") or DRAWN


def _empty_split(attribute: str, source: str, origin: str) -> Split:
    items = {(part, side): [] for part in PARTS for side in SIDES}
    return Split(attribute, source, items, origin=origin)


# --- reading --------------------------------------------------------------------------------


def square_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a photo's central square: the face crop.

    Of CelebA's 178 x 218 these are the rows 20 to 198, in which all networks learned faces.
    """
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def face_crop(photo: Image.Image, size: int) -> np.ndarray:
    """Return the face crop of an aligned photo, uint8 of shape (size, size, 3)."""
    square = square_crop(photo)
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3))


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
    return image.convert("RGB")


def read_image(item: Item, size: int, cache: Path | None = None) -> np.ndarray:
    """Return one face crop, uint8 of shape (size, size, 3).

    Raises
    ------
    OSError or ValueError
        If a photo can't be read.
    """
    if isinstance(item, Drawn):
        path = _drawn_path(_drawn_folder(cache, size), item) if cache else None
        if path is None or not path.is_file():
            return _draw(item, size)
        return np.asarray(open_photo(path))
    if isinstance(item, Dressed):
        from .drawn import dressing

        photo = read_image(item.photo, size)
        return dressing.dress(photo, item.attribute, item.seed, item.style)
    return face_crop(open_photo(item), size)


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

    def read(self, photo: Path, size: int) -> np.ndarray:
        """Return what `read_image` does, from the file if it is there and whole."""
        stat = (photo.parent if _is_archived(photo) else photo).stat()
        key = f"{photo.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{size}"
        digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        path = self.folder / f"{digest}.crop"
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        pixels, check = data[:-4], data[-4:]
        if len(pixels) == 3 * size * size and zlib.crc32(pixels).to_bytes(4, "big") == check:
            return np.frombuffer(pixels, np.uint8).reshape(size, size, 3)
        image = read_image(photo, size)
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


def read_images(
    split: Split, part: str, side: str, size: int, count: int | None = None, cache=None
) -> np.ndarray:
    """Return the first readable images of one side, uint8 of shape (count, size, size, 3).

    Those that can't be read are left out and noted in `split.unreadable`.
    """
    images = []
    for item in split.items[part, side]:
        if count is not None and len(images) == count:
            break
        try:
            images.append(read_image(item, size, cache))
        except (OSError, ValueError) as error:
            split.skip(item, error)
    if not images:
        raise DataError(f"No photo {side} {split.attribute} in {split.source} could be read.")
    return np.stack(images)


def to_unit(images: np.ndarray) -> np.ndarray:
    """Return uint8 images as float32 in [-1, 1], the range of every network."""
    return images.astype(np.float32) / 127.5 - 1.0


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Return images in [-1, 1] as uint8, the inverse of `to_unit`."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)


# --- the stream -----------------------------------------------------------------------------

# At most. Decoding and scaling let other threads run; the rest of Python does not, so that threads
# on 16 cores gave a GPU less than half of the photos that it could train on.
READING_THREADS, READING_PROCESSES = 8, 16


class _Order:
    """An endless shuffle of one side: position i is a pure function of the seed.

    So a run that resumes at step k reads exactly what it would have read without the break.
    """

    def __init__(self, count: int, seed: int, side: int):
        self.count, self.seed, self.side = count, seed, side
        self.epoch, self.permutation = -1, np.empty(0, int)

    def __call__(self, position: int) -> tuple[int, bool]:
        epoch, place = divmod(position, self.count)
        if epoch != self.epoch:
            generator = np.random.default_rng([self.seed, self.side, epoch])
            self.permutation = generator.permutation(self.count)
            self.flips = generator.random(self.count) < 0.5
            self.epoch = epoch
        return int(self.permutation[place]), bool(self.flips[place])


# A discriminator learns whatever tells the sides apart. More men than women wear glasses in
# CelebA, so without care generators learn to change chins and mouths too. The first weigh most.
CONFOUNDERS = ("Male", "Young", "Smiling", "Wearing_Hat", "Eyeglasses", "Bangs", "No_Beard")
# What an attribute covers can't be told apart from what it is.
COVERED = {"Wearing_Hat": ("Bangs",)}


def confounders_of(split: Split) -> list[str]:
    """Return the `CONFOUNDERS` that the data knows, but for the attribute and what it covers."""
    columns = split.known.columns if split.known else []
    apart = (split.attribute, *COVERED.get(split.attribute, ()))
    return [name for name in CONFOUNDERS if name in columns and name not in apart]


def balanced(split: Split, seed: int = 0) -> Split:
    """Return the split with as many training photos on one side as on the other, by chance."""
    items = dict(split.items)
    count = min(split.count("train", side) for side in SIDES)
    for number, side in enumerate(SIDES):
        kept = np.random.default_rng([seed, number]).permutation(split.count("train", side))[:count]
        items["train", side] = [items["train", side][place] for place in sorted(kept)]
    return replace(split, items=items)


class _Pairs:
    """What is read at each position: ``(place, mirrored)`` in "without" and in "with".

    "with" is shuffled; beside each goes, if they are `matched`, somebody without who shares the
    `CONFOUNDERS`, or as many of them, from the first on, as anybody does. Else, and where the data
    knows none, it is whoever comes next in a shuffle of their own. Beside a `Dressed` photo goes
    that photo, mirrored or not; where there are such and others, they take turns.
    """

    def __init__(self, split: Split, part: str, seed: int, matched: bool = True):
        without, with_ = (split.items[part, side] for side in SIDES)
        self.seed, self.without = seed, _Order(len(without), seed, 0)
        dressed = {place: item for place, item in enumerate(with_) if isinstance(item, Dressed)}
        # To file 200,000 paths takes a quarter of a second, for nothing where there are none.
        photos = {item: place for place, item in enumerate(without)} if dressed else {}
        self.twins = {place: photos[item.photo] for place, item in dressed.items()}
        others = [place for place in range(len(with_)) if place not in self.twins]
        self.kinds = [places for places in (list(self.twins), others) if places]
        self.orders = [_Order(len(places), seed, 1) for places in self.kinds]
        self.partners: dict[int, list[int] | None] = {}
        shared = confounders_of(split)
        if matched and shared and others:
            of_without, of_others = (
                list(map(tuple, split.known.of(items, shared).tolist()))
                for items in (without, [with_[place] for place in others])
            )
            places: dict[tuple, list[int]] = {}
            for place, traits in enumerate(of_without):
                for count in range(1, len(shared) + 1):
                    places.setdefault(traits[:count], []).append(place)
            for place, traits in zip(others, of_others, strict=True):
                prefixes = (traits[:count] for count in range(len(shared), 0, -1))
                self.partners[place] = next((places[p] for p in prefixes if p in places), None)

    def __call__(self, position: int) -> list[tuple[int, bool]]:
        turn, kind = divmod(position, len(self.kinds))
        place, mirrored = self.orders[kind](turn)
        place = self.kinds[kind][place]
        if place in self.twins:
            return [(self.twins[place], mirrored), (place, mirrored)]
        partners = self.partners.get(place)
        if not partners:
            return [self.without(position), (place, mirrored)]
        generator = np.random.default_rng([self.seed, len(SIDES), position])
        chosen = partners[generator.integers(len(partners))]
        return [(chosen, bool(generator.random() < 0.5)), (place, mirrored)]


def pair_stream(
    split: Split,
    size: int,
    batch: int,
    *,
    seed: int = 0,
    start: int = 0,
    part: str = "train",
    flip: bool = True,
    matched: bool = True,
    cache: Path | None = None,
    share: tuple[int, int] = (0, 1),
    tell_truth: bool = False,
    processes: int | None = None,
):
    """Stream batches of images from disk: ``(without, with)``, shuffled without end.

    Where the data knows the `CONFOUNDERS`, each image without is of somebody who shares them with
    the one with beside it.

    Parameters
    ----------
    split : Split
        What `open_split` returned. Items that can't be read are replaced by the next that can,
        and noted in ``split.unreadable``.
    size, batch : int
        Side of the images, and images a side in each batch.
    seed : int
        Of the order and the flips.
    start : int
        How many batches to pass over, to go on after a break.
    flip : bool
        Mirror every second image.
    matched : bool
        Whether people who share the `CONFOUNDERS` go together.
    share : tuple of two int
        Which of how many equal shares of each batch to read, for one of several machines.
    tell_truth : bool
        Also say where the image beside is what an edit should be.
    processes : int or None
        How many processes read and draw; 0 for threads of this one. None for threads, or, beside a
        GPU, which would wait for them, for as many processes as there are cores to spare.

    Returns
    -------
    tf.data.Dataset
        Of two float32 tensors (batch, size, size, 3) in [-1, 1]; of a share, that share of them. If
        `tell_truth`, also of one of shape (2, batch): in its first row 1 where the image with is
        the true edit of the one without, in its second 1 where it is the other way round, else 0.
        And a fourth, (batch, numbers), if what was drawn on has a style: that.
    """
    import tensorflow as tf

    sides = [split.items[part, side] for side in SIDES]

    _end_streams_at_exit()

    index, shares = share
    rows = batch // shares
    # Of any kind is one answer out of many to "add", but to take it off there is one.
    pairs = [isinstance(item, Dressed) for item in sides[1]]
    suiting = [pair and item.seed is None for pair, item in zip(pairs, sides[1], strict=True)]
    known = np.float32([suiting, pairs])
    numbers = len(sides[1][0].style) if all(suiting) else 0

    if processes is None:
        gpus = tf.config.list_physical_devices("GPU")
        spare = min(READING_PROCESSES, (os.cpu_count() or 1) - 1)
        processes = spare if gpus and spare > 2 else 0
    if split.crops:  # one process counts what they keep, and threads are fast to read it
        processes = 0

    def positions() -> Iterator[list]:
        with _nothing_collected():
            pairs = _Pairs(split, part, seed, matched)
        for first in itertools.count(start * batch + index * rows, batch):
            if _ending.is_set():
                return
            yield [pairs(position) for position in range(first, first + rows)]

    # A batch at a time: to go to and fro between TensorFlow and Python for each pair took a tenth
    # of the time.
    def load(chosen: np.ndarray) -> tuple[np.ndarray, ...]:
        batches = np.empty((len(SIDES), rows, size, size, 3), np.uint8)
        styles = np.empty((rows, numbers), np.float32)
        _reading.add(threading.get_ident())
        try:
            by_side = list(zip(sides, chosen.swapaxes(0, 1), strict=True))
            wanted = [items[index] for items, places in by_side for index, _ in places]
            there = iter(_read_elsewhere(processes, wanted, size, cache))
            for images, (items, places) in zip(batches, by_side, strict=True):
                for image, style, (index, mirrored) in zip(images, styles, places, strict=True):
                    item, read = items[index], next(there)
                    if read is None:
                        item, read = _read_or_next(split, items, int(index), size, cache)
                    image[:] = read[:, ::-1] if mirrored and flip else read
                    if numbers and items is sides[1]:
                        style[:] = item.style
        finally:
            _reading.discard(threading.get_ident())
        return *batches, styles

    def load_both(chosen):
        types = [tf.uint8, tf.uint8, tf.float32]
        *both, styles = tf.numpy_function(load, [chosen], types, stateful=False)
        both = [tf.ensure_shape(images, (rows, size, size, 3)) for images in both]
        # As `to_unit` does, but without Python's lock, so that all threads can.
        both = [tf.cast(images, tf.float32) / 127.5 - 1.0 for images in both]
        styles.set_shape((rows, numbers))
        if not tell_truth:
            return tuple(both)
        told = tf.gather(known, chosen[:, 1, 0], axis=1)
        return (*both, told, styles) if numbers else (*both, told)

    stream = tf.data.Dataset.from_generator(
        positions, output_signature=tf.TensorSpec((rows, len(SIDES), 2), tf.int64)
    )
    readers = max(2, min(READING_THREADS, os.cpu_count() or 2))
    if processes:
        readers = processes + 2  # of them, so many wait for one
    options = tf.data.Options()
    # In TensorFlow's own pool, reading waits behind the train step's operations, and the next step
    # for the reading: at 64 px a third of the time.
    options.threading.private_threadpool_size = readers
    stream = stream.map(load_both, num_parallel_calls=readers, deterministic=True)
    return stream.prefetch(2).with_options(options)


# A process that ends in the middle of reading would hang: TensorFlow waits for its threads, and one
# that has to call Python then waits for ever. So before that, all streams come to their ends.
_ending = threading.Event()
_reading: set[int] = set()  # threads


@functools.cache
def _end_streams_at_exit() -> None:
    def end() -> None:
        _ending.set()
        calm, patience = 0, 100
        while calm < 2 and patience:
            time.sleep(0.05)
            calm, patience = (0 if _reading else calm + 1), patience - 1

    atexit.register(end)


def _read_elsewhere(
    processes: int, items: list[Item], size: int, cache: Path | None
) -> list[np.ndarray | None]:
    """Read items in another process; None for those that were not read, or can't be."""
    if processes:
        # At the end of this process there are no others any more, nor where the system ended one.
        with contextlib.suppress(RuntimeError):
            return _pool(processes).submit(_read_all, items, size, cache).result()
    return [None] * len(items)


@functools.cache
def _pool(processes: int) -> ProcessPoolExecutor:
    # TensorFlow's threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=_attend)


def _attend() -> None:
    """Leave Ctrl-C to the process that asked for this one, and end when it does, even if killed.

    Of Ctrl-C each would print where it was.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = multiprocessing.parent_process()
    threading.Thread(target=lambda: (asked.join(), os._exit(1)), daemon=True).start()


def _read_all(items: list[Item], size: int, cache: Path | None) -> list[np.ndarray | None]:
    images: list[np.ndarray | None] = []
    for item in items:
        try:
            images.append(read_image(item, size, cache))
        except (OSError, ValueError):
            images.append(None)  # who asked finds out why
    return images


def _from(items: list[Item], index: int) -> Iterator[Item]:
    """Yield the items from an index on, round to the one before it; of its own kind alone.

    So beside a photo, that photo dressed stays: both sides go on to the same one.
    """
    kind = type(items[index])
    turned = (items[(index + offset) % len(items)] for offset in range(len(items)))
    return (item for item in turned if type(item) is kind)


def _read_or_next(split, items, index, size, cache) -> tuple[Item, np.ndarray]:
    for item in _from(items, index):
        if split.name(item) in split.unreadable:
            continue
        try:
            if split.crops and isinstance(item, Path):
                return item, split.crops.read(item, size)
            return item, read_image(item, size, cache)
        except (OSError, ValueError) as error:
            split.skip(item, error)
    raise DataError(f"None of {counted(len(items), 'photo')} could be read.")


def check_readable(split: Split, part: str = "train") -> None:
    """Raise a DataError if no photo of a side is left that could be read."""
    for side in SIDES:
        names = [split.name(item) for item in split.items[part, side]]
        if all(name in split.unreadable for name in names):
            raise DataError(
                f"None of {counted(len(names), 'photo')} {side} {split.attribute} in "
                f"{split.source} could be read; {names[0]}: {split.unreadable[names[0]]}."
            )


def batch_names(
    split: Split,
    batch: int,
    *,
    seed: int = 0,
    step: int = 0,
    part: str = "train",
    matched: bool = True,
) -> dict[str, list[str]]:
    """Return the names of both sides' photos in the batch that `pair_stream` gives at a step."""
    pairs = _Pairs(split, part, seed, matched)
    chosen = [pairs(position) for position in range(step * batch, (step + 1) * batch)]
    names = {}
    for side, places in zip(SIDES, zip(*chosen, strict=True), strict=True):
        items = split.items[part, side]
        names[side] = [
            next(n for n in map(split.name, _from(items, place)) if n not in split.unreadable)
            for place, _ in places
        ]
    return names


# --- writing a split ------------------------------------------------------------------------


def write_split(
    split: Split,
    out: Path,
    size: int,
    *,
    report: Callable[[str], None] = print,
) -> dict[tuple[str, str], int]:
    """Write the split as ``OUT/train/with/*.png`` and so on: face crops that `open_split` reads.

    Written beside `out` under a temporary name and renamed at the end, so that `out` is whole or
    not there. Items that can't be read are skipped and listed in ``skipped.txt``.

    Returns
    -------
    dict
        From (part, side) to the number of images written.

    Raises
    ------
    DataError
        If `out` exists and is not empty, or nothing could be read.
    """
    with explained(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DataError(f"{out} exists already. Choose another --out, or delete it first.")
    with folder_written_whole(out) as work:
        return _write_sides(split, work, size)


def _write_sides(split: Split, folder: Path, size: int) -> dict[tuple[str, str], int]:
    written = {}
    total = sum(map(len, split.items.values()))
    with tqdm(total=total, desc="writing the split", unit="photo") as bar:
        for (part, side), items in split.items.items():
            place = folder / part / side
            place.mkdir(parents=True)
            taken: set[str] = set()
            for item in items:
                bar.update()
                try:
                    image = Image.fromarray(read_image(item, size))
                except (OSError, ValueError) as error:
                    split.skip(item, error)
                    continue
                stem = item.stem if isinstance(item, Path) else str(item.seed)
                image.save(place / f"{unique(stem, taken)}.png")
            written[part, side] = len(taken)
    if not any(written.values()):
        raise DataError(f"None of {counted(total, 'photo')} of {split.source} could be read.")
    if split.unreadable:
        lines = [f"{name}: {why}\n" for name, why in sorted(split.unreadable.items())]
        write_text(folder / "skipped.txt", "".join(lines))
    return written


def unique(stem: str, taken: set[str]) -> str:
    """Return a file's name, numbered if it is taken (a.jpg and a.png), and add it to `taken`."""
    name, number = stem, 1
    while name.casefold() in taken:  # some file systems take A and a for the same
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name
