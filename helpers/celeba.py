"""CelebA's own files: the table of attributes, in any of its layouts, and where the photos lie.

Read in notebook 01.
"""

import difflib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import pixels
from .errors import DataError, counted, explain, shown
from .files import listed

SHORT_NAMES = {"glasses": "Eyeglasses", "hat": "Wearing_Hat"}
CELEBA_SIZE = (178, 218)  # width, height of an aligned photo
MAX_TABLE_BYTES = 256 << 20  # CelebA's own has 26 MB


def column_name(attribute: str) -> str:
    """Return the CelebA column behind a short name: "glasses" is "Eyeglasses"."""
    return SHORT_NAMES.get(attribute.lower(), attribute)


def short_name(attribute: str) -> str:
    """Return the short name of a column: "Eyeglasses" is "glasses", others in lower case."""
    for short, column in SHORT_NAMES.items():
        if attribute in (short, column):
            return short
    return attribute.lower()


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


def read_pairs(path: Path | None) -> dict[str, str]:
    """Read a file of lines ``photo value``, in CelebA's or Kaggle's form; none if there is none."""
    pairs = {}
    for number, line in _read_lines(path) if path else ():
        words = _words(line)
        if len(words) != 2:
            raise DataError(f"{path}, line {number}: expected a photo and a value: {line[:60]!r}.")
        if pairs.setdefault(words[0], words[1]) != words[1]:
            raise DataError(f"{path}, line {number}: {words[0][:60]!r} had another value before.")
    return pairs


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
    for path in itertools.chain.from_iterable(map(listed, places)):
        there.setdefault(path.name.lower(), path)
    return there


def _folders_in(folder: Path, *names: str) -> list[Path]:
    return [path for path in listed(folder) if path.name.lower() in names and path.is_dir()]


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
        there = {name: celeba.photos / name for name in pixels.photos_in_archive(celeba.photos)[1]}
    if there.keys().isdisjoint(table.photos):  # the table says .jpg of CelebA's PNGs too
        by_stem = {path.stem: path for path in there.values() if pixels.is_photo(path)}
        stems = ((name, name.rpartition(".")[0] or name) for name in table.photos)
        there = {name: by_stem[stem] for name, stem in stems if stem in by_stem}
    return table, there


def what_is_missing(celeba: CelebA) -> str:
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
    names = sorted(shown(path.name) for path in listed(folder))
    held = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"Nothing to use was found in {folder}, which holds {held or 'nothing'}. {looked} "
        "(CelebA); and for images in with/ and without/, at the top or below train/, validation/ "
        "and test/."
    )
