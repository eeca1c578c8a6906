"""What defines a run, as its folder keeps it (notebook 06)."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from . import celeba, networks, training
from .drawn import worn
from .errors import TrainingError


@dataclass(frozen=True)
class Settings:
    """What defines a run; kept as ``settings.json`` in its folder and checked on resume."""

    attribute: str
    data: str
    network: str = "attention"
    size: int = 128
    width: int | None = None
    batch: int | None = None  # None, here and in `average`: as the recipe says
    seed: int = 0
    images: int = 1000  # drawn faces a side
    average: float | None = None  # decay of the averaged generators
    start: str | None = None  # the run, or the weights, whose networks this one began with
    warm_up: int = 0  # steps in which only the discriminator learns
    headroom: float = 0.0  # the part of the crop that is above the face crop
    dress: str | None = None  # drawn hats or glasses on photos, to learn to "add" or to "remove"
    dressings: int = 1  # how many on each photo
    revision: int | None = None  # of the network; None: today's

    def __post_init__(self):
        recipe = training.RECIPES[self.network]
        for name, value in (
            ("batch", recipe.batch),
            ("average", recipe.average),
            ("revision", networks.REVISIONS[self.network]),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def recipe(self) -> training.Recipe:
        """Return how such a run trains: with drawn pairs, the truth says more than other losses."""
        recipe = training.RECIPES[self.network]
        if not self.dress:
            return recipe
        drawn = training.ADD_DRAWN if self.dress == "add" else training.REMOVE_DRAWN
        if self.network == "paper":
            drawn = drawn | {"where": 0.0}  # it has no mask
        return dataclasses.replace(recipe, balanced=False, **drawn)

    def styles(self) -> tuple[str, ...]:
        """Return what one may choose of what generator_add draws: it learns that from pairs."""
        chosen = self.dress == "add" and self.network == "attention"
        return worn.STYLES[celeba.short_name(self.attribute)] if chosen else ()

    def kinds(self) -> tuple[str, ...]:
        """Return which of `styles` are kinds, of which one is 1 at a time."""
        return worn.CHOICES[celeba.short_name(self.attribute)] if self.styles() else ()

    @classmethod
    def from_json(cls, text: str | bytes, where: Path) -> "Settings":
        """Return the settings that `to_json` wrote; `where` is for the message if it is damaged."""
        try:
            return cls(**({"revision": 1} | json.loads(text)))
        except (ValueError, TypeError, KeyError) as error:
            raise TrainingError(
                f"{where} does not hold the settings of a run: {error}. "
                "Put it back as it was, or choose another --out."
            ) from error

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def differences(self, other: "Settings") -> list[str]:
        return [
            f"{f.name}: {getattr(other, f.name)!r} there, {getattr(self, f.name)!r} now"
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]
