"""Hats and glasses in three dimensions, drawn on photos: `draw` in `dress.py`."""

from . import landmarks
from .dress import Dressed, draw
from .styles import CHOICES, NUMBERS, STYLES, any_row, mirrored, row

__all__ = [
    "CHOICES",
    "NUMBERS",
    "STYLES",
    "Dressed",
    "any_row",
    "draw",
    "landmarks",
    "mirrored",
    "row",
]
