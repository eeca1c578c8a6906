"""Files that are written whole or not at all, and folders that one process at a time works in."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import CourseError, explain, is_refusal

PART = ".part"  # what the names of unfinished files end in
MOST_WEIGHTS = 256 << 20  # bytes in a file of weights, unpacked; the course's own have 1 to 4 MB
MOST_OF_NETWORK = {"size": 1024, "width": 256}


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system refuses with a file or folder into a CourseError.

    TensorFlow's errors too, where it is the one that writes.
    """
    try:
        yield
    except Exception as error:
        if is_refusal(error):
            raise CourseError(f"{path} can't be used: {explain(error)}") from error
        raise


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, renamed to it if all went well, else deleted.

    Raises
    ------
    CourseError
        If it can't be written; what was there before is still there.
    """
    # Short, because `path` may have as long a name as the system allows.
    name = f".{os.getpid()}-{zlib.crc32(os.fsencode(path.name)):08x}{PART}"
    temporary = path.with_name(name)
    try:
        with explained(path):
            yield temporary
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def folder_written_whole(folder: Path, replace: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `folder`, which takes its place if all went well.

    Raises
    ------
    CourseError
        If it can't be written, or, without `replace`, there is anything in `folder`; what was there
        before is still there.
    """
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        around = Path(tempfile.mkdtemp(prefix=".", suffix=PART, dir=folder.parent))
        work, before = around / "new", around / "old"
        try:
            work.mkdir()
            yield work
            if replace and folder.exists():
                folder.rename(before)  # whole: Windows refuses while a file of it is open
            elif folder.exists():
                folder.rmdir()
            work.rename(folder)
        finally:
            if before.exists() and not folder.exists():
                before.rename(folder)
            shutil.rmtree(around, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; what is no Unicode is written as an escape.

    Lines end alike on every system, so that the same text is always the same bytes.
    """
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def read_weights(path: Path) -> tuple[dict, list[np.ndarray]]:
    """Read a file of weights: its card, and its arrays as float32, sorted by their names.

    Nothing is unpickled. A small file can unpack to any size, and its card can ask for a network
    of any size: both are refused before they take up the memory.

    Raises
    ------
    FileNotFoundError
        If there is none.
    Exception
        Of any other kind, if it is damaged or too large; the caller knows what it should be.
    """
    with path.open("rb") as file:
        if file.read(2) != b"PK":  # numpy would take it for a pickle, and say how to load one
            raise ValueError("it is no .npz, or a part of one. Fetch it again.")
    with np.load(path, allow_pickle=False) as file:
        unpacked = sum(entry.file_size for entry in file.zip.infolist())
        if unpacked > MOST_WEIGHTS:
            raise ValueError(f"it unpacks to {unpacked >> 20} MB")
        card = json.loads(str(file["card"]))
        for key, most in MOST_OF_NETWORK.items():
            if not 0 < (card.get(key) or most) <= most:
                raise ValueError(f"its network has a {key} of {card[key]}")
        names = sorted(name for name in file.files if name != "card")
        return card, [file[name].astype(np.float32) for name in names]


@contextlib.contextmanager
def alone_in(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder against everyone else who calls this for it.

    The system drops the hold when the process ends, however it ends: nothing is left to clean up.
    Where the file system knows no locks (some network drives), nobody is held off.

    Parameters
    ----------
    folder : Path
        An existing folder; it gets an empty file ``.lock``.
    doing : str
        What the holder does there, for the message, such as "trains".

    Raises
    ------
    CourseError
        If another holds it, or no file can be made in it.
    """
    with explained(folder):
        file = (folder / ".lock").open("ab")
    with file:
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise CourseError(
                    f"Another process {doing} in {folder}. Wait for it, stop it, or choose "
                    "another folder."
                ) from error
        yield


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def clear_unfinished(folder: Path) -> None:
    """Delete what a process that was killed had begun to write in a folder."""
    for path in folder.glob(f".*{PART}"):
        path.unlink(missing_ok=True)


def listed(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())
