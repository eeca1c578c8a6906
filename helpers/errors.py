"""What every error of the course derives from, so that the command line can show it as text."""

import errno
import os
import re

FREE = "Free some space there, and run the same command again."
OWNER = "Check who owns it and what they allow."
ADVICE = {
    errno.ENOSPC: FREE,
    getattr(errno, "EDQUOT", errno.ENOSPC): FREE,  # Windows has none
    errno.EACCES: OWNER,
    errno.EPERM: OWNER,
    errno.EROFS: "Choose a place that can be written to.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


class CourseError(Exception):
    """Something about the input is wrong; the message says what, where, and what to do."""


def explain(error: Exception) -> str:
    """Return in one line what the system refused, with which file, and what to do about it.

    Takes Python's own OSError, and what TensorFlow raises where it writes files itself.
    """
    if isinstance(error, OSError):
        number, what = error.errno, error.strerror or str(error) or type(error).__name__
        what += f" ({error.filename})" if error.filename else ""
    else:
        number = _number_in(error)
        what = re.sub(
            r"\{\{.*?\}\} ?| ?\[Op:.*\]", "", first_line(error)
        )  # the operation means nothing to us
    return f"{what}. {ADVICE.get(number, '')}".rstrip()


def counted(number: int, noun: str) -> str:
    """Return "1 photo", or "2 photos"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its kind if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def is_refusal(error: Exception) -> bool:
    """Return whether the system refused something with a file, as a full disk does."""
    return isinstance(error, OSError) or _number_in(error) is not None


def _number_in(error: Exception) -> int | None:
    if not type(error).__module__.startswith("tensorflow."):
        return None
    return next((number for number in ADVICE if os.strerror(number) in str(error)), None)


class DataError(CourseError):
    """The data can't be used; the message says what was wrong, where, and what to do."""


def shown(text: str) -> str:
    """Return text in which nothing can move a terminal's cursor or fail to be written."""
    escape = {c: repr(c)[1:-1] for c in text if not c.isprintable()}
    return text.translate(str.maketrans(escape)) if escape else text


class TrainingError(CourseError):
    """Training can't start or go on; the message says what was wrong and what to do."""
