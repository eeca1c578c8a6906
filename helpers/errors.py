"""What every error of the course derives from, so that the command line can show it as text."""

import errno

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


def explain(error: OSError) -> str:
    """Return in one line what the system refused, with which file, and what to do about it."""
    what = error.strerror or str(error) or type(error).__name__
    where = f" ({error.filename})" if error.filename else ""
    return f"{what}{where}. {ADVICE.get(error.errno, '')}".rstrip()
