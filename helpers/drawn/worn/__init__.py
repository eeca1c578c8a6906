"""Hats and glasses in three dimensions, drawn on photos: `draw` in `dress.py`."""

from . import landmarks
from .dress import Dressed, draw
from .styles import CHOICES, NUMBERS, STYLES, SUITS, any_row, row

__all__ = [
    "CHOICES",
    "NUMBERS",
    "STYLES",
    "SUITS",
    "Dressed",
    "any_row",
    "draw",
    "landmarks",
    "row",
]
