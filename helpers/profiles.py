"""The two sizes of the course: quick, for a laptop, and full, for a GPU (shown in notebook 00)."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from . import datasets
from .errors import DataError
from .pace import fitted, pace

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "data"


@dataclass(frozen=True)
class Profile:
    """How much a notebook does.

    Attributes
    ----------
    data : str
        "drawn", or the folder of CelebA.
    size : int
        Side of the images in pixels.
    images : int
        Drawn faces on each side of the training part.
    width : int
        Channels of the attention generator at full resolution.
    batch : int
        Images of each side in a step.
    steps, paper_steps : int
        Of the attention network in notebook 08, and of the paper's in notebook 06. In quick, the
        first are fewer on a slow machine: from 400 to 1,200.
    """

    name: str
    data: str
    size: int
    images: int
    width: int
    batch: int
    steps: int
    paper_steps: int

    def table(self) -> str:
        """Return the profile as a Markdown table."""
        names = [f.name for f in fields(self)]
        row = [str(getattr(self, name)) for name in names]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, ["---"] * len(row), row))


def profile_name() -> str:
    """Return what COURSE_PROFILE says, or "quick".

    Raises
    ------
    DataError
        If there is no such profile.
    """
    name = os.environ.get("COURSE_PROFILE") or "quick"
    if name not in ("quick", "full"):
        raise DataError(f'COURSE_PROFILE is "quick" or "full", not {name!r}.')
    return name


def load_profile() -> Profile:
    """Return the profile that `profile_name` names."""
    if profile_name() == "quick":
        steps = fitted(1200, 400, pace(CACHE))
        return Profile("quick", datasets.DRAWN, 64, 600, 16, 4, steps, 12)
    return Profile("full", datasets.default_data(), 128, 1000, 24, 4, 20_000, 20_000)
