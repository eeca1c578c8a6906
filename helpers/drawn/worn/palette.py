"""Colours of frames and hats: circles of them, on which a style's number goes round."""

import numpy as np

from .cloth import Cloth
from .paint import METALS, Paint


def linear(red: float, green: float, blue: float) -> np.ndarray:
    """Return a display colour, 0 to 255 each, as linear light (3,)."""
    return (np.array([red, green, blue]) / 255) ** 2


# Plastic: its colour and that of its spots, as displayed; how spotted, how clear. Neighbours go
# well into each other.
PLASTICS = (
    ((16, 14, 16), (10, 8, 8), 0.0, 0.0),
    ((52, 34, 26), (20, 14, 12), 0.4, 0.0),
    ((150, 92, 46), (32, 18, 12), 0.95, 0.1),
    ((176, 128, 78), (92, 52, 28), 0.6, 0.35),
    ((126, 34, 40), (50, 14, 18), 0.3, 0.1),
    ((92, 44, 96), (44, 20, 50), 0.2, 0.1),
    ((34, 56, 112), (18, 26, 60), 0.2, 0.1),
    ((30, 86, 78), (16, 44, 42), 0.2, 0.1),
    ((128, 130, 136), (90, 90, 96), 0.0, 0.25),
    ((214, 208, 200), (190, 180, 170), 0.0, 0.75),
)
WIRES = ("gunmetal", "black", "copper", "gold", "silver")
# Hats: the crown, and ribbon, cuff or emblem.
CLOTHS = (
    ((38, 36, 40), (84, 82, 84)),
    ((40, 46, 72), (22, 24, 36)),
    ((84, 62, 48), (40, 30, 26)),
    ((176, 142, 102), (58, 40, 32)),
    ((222, 210, 188), (74, 60, 52)),
    ((150, 44, 48), (34, 24, 26)),
    ((92, 40, 66), (40, 24, 34)),
    ((70, 84, 60), (36, 38, 30)),
    ((58, 98, 120), (26, 34, 44)),
    ((122, 122, 124), (44, 44, 48)),
)
STRAWS = ((224, 200, 150), (206, 172, 116), (176, 136, 88), (236, 224, 196))
LENS = {"grey": (0.9, 0.95, 1.0), "brown": (1.0, 0.62, 0.36), "amber": (1.0, 0.7, 0.25)}


def around(table, place: float) -> list[np.ndarray]:
    """Return the entries of a circle at a place between two of them; after the last the first."""
    below, share = divmod(float(place), 1)
    pair = (table[(int(below) + i) % len(table)] for i in (0, 1))
    return [
        (1 - share) * np.asarray(a, np.float64) + share * np.asarray(b, np.float64)
        for a, b in zip(*pair, strict=True)
    ]


def plastic(place: float, gloss: float, phase: float = 0.0, metal: float | None = None) -> Paint:
    """Return the paint of a frame, by places on `PLASTICS` and `WIRES`."""
    colour, spots, spotted, clear = around(PLASTICS, place)
    if metal is None:
        metal = place * len(WIRES) / len(PLASTICS)
    wire = around([(METALS[name],) for name in WIRES], metal)[0]
    return Paint(linear(*colour), linear(*spots), float(spotted), gloss, float(clear), wire, phase)


def cloth(weave: str, place: float, **more) -> Cloth:
    """Return cloth of the colours at a place on `CLOTHS`; straw has its own."""
    body, other = around(CLOTHS, place)
    if weave == "straw":
        straw = around([(row,) for row in STRAWS], place * len(STRAWS) / len(CLOTHS))[0]
        body = 0.8 * straw + 0.2 * body
    return Cloth(weave, linear(*body), linear(*body), linear(*other), **more)
