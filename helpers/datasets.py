"""Where the photos come from, and the split by one attribute.

Three kinds of data stand behind one interface, `open_split`: CelebA as others hand it out, your own
folders ``with/`` and ``without/``, and the drawn faces (the word ``drawn``). Built in notebook 01.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from . import pixels
from .celeba import (
    AttributeTable,
    CelebA,
    column_name,
    find_celeba,
    read_celeba,
    read_pairs,
    short_name,
    what_is_missing,
)
from .errors import DataError, counted, explain, shown
from .files import explained, folder_written_whole, listed, write_text, written_whole
from .processes import attend, nothing_collected

PARTS = ("train", "validation", "test")
SIDES = ("without", "with")
DRAWN = "drawn"


class Drawn(NamedTuple):
    """One drawn face: the person `seed`, with or without `attribute`."""

    seed: int
    attribute: str
    present: bool

    @property
    def name(self) -> str:
        return f"drawn {self.seed} {'with' if self.present else 'without'} {self.attribute}"


class Dressed(NamedTuple):
    """A photo of somebody without, with a drawn hat or glasses on (`helpers/drawn/worn`)."""

    photo: Path
    attribute: str
    landmarks: tuple[float, ...]  # ten numbers, as `worn.landmarks` finds them
    seed: int | None = None  # of one with all by chance; None: one in a style
    style: tuple[float, ...] = ()
    strength: float = 1.0  # 0 for nothing: somebody who is to be left as they are


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
    people : dict
        From a photo's file name to whom it shows, where CelebA's identity file is there.
    """

    attribute: str
    source: str
    items: dict[tuple[str, str], list[Item]]
    unreadable: dict[str, str] = field(default_factory=dict)
    origin: str = "photos"
    drawn_on: str = ""
    known: AttributeTable | None = None
    crops: pixels.Crops | None = None
    people: dict[str, str] = field(default_factory=dict)

    def name(self, item: Item) -> str:
        """Return what messages call an item: a photo's path in the dataset, fit to be shown."""
        if isinstance(item, Drawn):
            return item.name
        if isinstance(item, Dressed):  # if it can't be read, it can't be on the other side either
            item = item.photo
        inside = item.relative_to(self.source) if item.is_relative_to(self.source) else item
        return shown(str(inside))

    def person(self, item: Item) -> str:
        """Return whom an item shows: as far as is known, each photo somebody else."""
        if isinstance(item, Drawn):
            return str(item.seed)
        photo = item.photo if isinstance(item, Dressed) else item
        return self.people.get(photo.name, photo.name)

    def skip(self, item: Item, error: Exception | str) -> None:
        """Note that an item can't be used, and why."""
        why = explain(error) if isinstance(error, OSError) and error.errno else str(error)
        self.unreadable[self.name(item)] = why

    def count(self, part: str, side: str) -> int:
        return len(self.items[part, side])

    def table(self) -> list[tuple[str, int, int]]:
        """Return a row (part, without, with) for each part."""
        return [(part, *(self.count(part, side) for side in SIDES)) for part in PARTS]


def part_of(group: str, seed: int = 0) -> str:
    """Return the part of everything that shares a group, e.g. one person: 80, 10, 10 percent.

    The answer depends on the group's name and the seed alone, so that a photo is held out for
    every attribute or for none, and stays so when photos are added.
    """
    key = f"{seed}:{group}".encode(errors="surrogateescape")  # a name may be any bytes
    digest = hashlib.blake2b(key, digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"


def _open_celeba(folder: Path, celeba: CelebA, attribute: str, seed: int) -> Split:
    table, there = read_celeba(celeba)
    present = table.column(attribute) == 1
    if not there:
        raise DataError(
            f"None of {counted(len(table.photos), 'photo')} that {celeba.table} names is in "
            f"{celeba.photos}; the first is {table.photos[0][:60]!r}."
        )
    official, identity = read_pairs(celeba.partition), read_pairs(celeba.identity)
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
        if name in identity:
            split.people[there[name].name] = identity[name]
    name, path = next(iter(there.items()))
    if name != path.name:
        files = [there[name].name if name in there else name for name in table.photos]
        table = replace(table, photos=files)
    split.known = table
    return split


def _open_folders(folder: Path, attribute: str, seed: int) -> Split:
    split = _empty_split(attribute, str(folder), f"the photos in {shown(folder.absolute().name)}")
    for side in SIDES:
        places = [(folder / part / side, part) for part in PARTS] + [(folder / side, None)]
        for place, part in places:
            for path in sorted(listed(place)):
                if pixels.is_photo(path):
                    split.items[part or part_of(path.name, seed), side].append(path)
                elif not path.name.startswith("."):
                    split.skip(path, "not named as a photo (.jpg, .png and so on)")
    return split


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


def draw_ahead(split: Split, size: int, cache: Path, headroom: float = 0.0) -> None:
    """Draw all that is drawn in a split once, on all cores, with a progress bar.

    It lands in `cache` as one PNG an item, and `read_image` finds it there from then on. Where
    nothing may be written, it draws each when it is read; that is said, and takes longer.
    """
    folder = _drawn_folder(cache, size, headroom)
    items = {item for items in split.items.values() for item in items}
    items = {item for item in items if not isinstance(item, Path)}
    missing = sorted(item for item in items if not _drawn_path(folder, item).is_file())
    if not missing:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        print(f"Pictures are drawn anew whenever they are needed: {explain(error)}")
        return
    jobs = ((folder, size, headroom, missing[start::64]) for start in range(64))
    try:
        with (
            ProcessPoolExecutor(initializer=attend) as pool,
            tqdm(total=len(missing), desc="drawing") as bar,
        ):
            for done in pool.map(_draw_some, jobs):
                bar.update(done)
    except BrokenProcessPool as error:
        raise DataError(
            "The system ended a process that drew faces, perhaps for want of memory. Those drawn "
            "are kept: run the same command again."
        ) from error


def _draw_some(job: tuple[Path, int, float, list[Drawn | Dressed]]) -> int:
    folder, size, headroom, items = job
    for item in items:
        path = _drawn_path(folder, item)
        # A photo that can't be read is named when a batch asks for it.
        with contextlib.suppress(OSError, ValueError), written_whole(path) as temporary:
            image = Image.fromarray(_draw(item, size, headroom))
            image.save(temporary, "PNG", compress_level=1)
    return len(items)


def _draw(item: Drawn | Dressed, size: int, headroom: float) -> np.ndarray:
    from .drawn import faces, worn

    if isinstance(item, Drawn):
        return faces.draw_face(item.seed, size, **{item.attribute: item.present})
    photo = read_image(item.photo, size, headroom=headroom)
    if not item.strength:
        return photo
    points = worn.landmarks.at_size(item.landmarks, size, headroom)
    options = {"style": item.style, "seed": item.seed, "strength": item.strength}
    return worn.draw(photo, points, item.attribute, **options).image


def _drawn_folder(cache: Path, size: int, headroom: float) -> Path:
    from .drawn import faces

    above = f"+{headroom:g}" if headroom else ""
    return cache / f"drawn-{size}{above}-{faces.drawing_version()}"


def _drawn_path(folder: Path, item: Drawn | Dressed) -> Path:
    if isinstance(item, Drawn):
        side = "with" if item.present else "without"
        return folder / f"{item.seed}-{item.attribute}-{side}.png"
    digest = hashlib.blake2b(repr(item).encode(errors="surrogateescape"), digest_size=8).hexdigest()
    return folder / f"{item.photo.stem[:80]}-{item.attribute}-{digest}.png"


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
    with explained(folder), nothing_collected():
        split = _open_folder(folder, attribute, seed)
    for side in SIDES:
        if not split.items[need, side]:
            raise DataError(
                f"The data in {folder} has no photo {side} {split.attribute} in its {need} part "
                f"({', '.join(f'{p}: {a} without, {b} with' for p, a, b in split.table())}). "
                "Both sides are needed: choose another attribute or add photos."
            )
    return split


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
        raise DataError(what_is_missing(celeba))
    return _open_celeba(folder, celeba, attribute, seed)


def default_data() -> str:
    """Return what to use when nobody said: the folder that CELEBA_DIR names, or "drawn"."""
    return os.environ.get("CELEBA_DIR") or DRAWN


def _empty_split(attribute: str, source: str, origin: str) -> Split:
    items = {(part, side): [] for part in PARTS for side in SIDES}
    return Split(attribute, source, items, origin=origin)


def read_image(
    item: Item, size: int, cache: Path | None = None, headroom: float = 0.0
) -> np.ndarray:
    """Return one face crop, uint8 of shape (size, size, 3); of photos, it may have headroom.

    Raises
    ------
    OSError or ValueError
        If a photo can't be read.
    """
    if isinstance(item, Path):
        return pixels.face_crop(pixels.open_photo(item), size, headroom)
    path = _drawn_path(_drawn_folder(cache, size, headroom), item) if cache else None
    if path is None or not path.is_file():
        return _draw(item, size, headroom)
    return np.asarray(pixels.open_photo(path))


def read_images(
    split: Split,
    part: str,
    side: str,
    size: int,
    count: int | None = None,
    cache: Path | None = None,
    headroom: float = 0.0,
) -> np.ndarray:
    """Return the first readable images of one side, uint8 of shape (count, size, size, 3).

    Those that can't be read are left out and noted in `split.unreadable`.
    """
    images = []
    for item in split.items[part, side]:
        if count is not None and len(images) == count:
            break
        try:
            images.append(read_image(item, size, cache, headroom))
        except (OSError, ValueError) as error:
            split.skip(item, error)
    if not images:
        raise DataError(f"No photo {side} {split.attribute} in {split.source} could be read.")
    return np.stack(images)


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
        name, why = next(iter(split.unreadable.items()), (split.source, "no photo is there"))
        raise DataError(
            f"None of {counted(total, 'photo')} of {split.source} could be read; {name}: {why}."
        )
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
