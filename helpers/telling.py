"""Can edits be told from real photos? A fresh classifier tries, and its AUC says how well it did.

This is the classifier two-sample test: were both of one kind, nobody could tell them apart. The
judges only ask whether there are glasses, this one what is wrong with them. Met in notebook 07.

It is a logistic regression on what the first layers of a frozen judge see of the region. A small
convolutional network, trained from scratch for 240 steps, told glasses that were removed from 177
photos with an AUC of 0.77 where this had 0.87, and took five times as long; of glasses added both
said 1.00. Layers before and after `judges.CLOSE` told less, or no more.

Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from tqdm.auto import tqdm

from . import celeba, metrics
from .datasets import Item, Split
from .metrics import Estimate
from .summary import entry

MARGIN = 6  # px of 128, around the region: what gives an edit away is often its border
MOST = 600  # images a side to learn from
KEPT = 2000  # edits of a direction, for the page of all: in memory, 30 MB
FOLDS = 5
HALVES = 3  # times that the real photos are halved: of few, one such AUC says little
SHIFT, LIGHT = 0.015, 8  # of the augmentation: of the image's side, and grey levels
DECAY = 1e-4  # of the squared weights
DRAWS = 1000  # of people, for the interval
Look = Callable[[np.ndarray], np.ndarray]


def window(attribute: str, size: int) -> tuple[slice, slice]:
    """Return the rows and columns of the attribute's region, with a margin; else all."""
    box = metrics.REGIONS.get(celeba.column_name(attribute))
    if box is None:
        return slice(0, size), slice(0, size)
    scale = size / metrics.REGION_SIZE
    left, top = (max(0, int((edge - MARGIN) * scale)) for edge in box[:2])
    right, bottom = (min(size, int(np.ceil((edge + MARGIN) * scale))) for edge in box[2:])
    return slice(top, bottom), slice(left, right)


@dataclass
class Kept:
    """What is kept of a direction's images: their regions, and what the page of all says.

    Attributes
    ----------
    direction : str
        "add" or "remove".
    split : Split
        Where the photos are from.
    chosen : set of Item
        At most `KEPT`, by chance.
    of : int
        How many there were.
    names, people : list of str
        Of each photo kept, and whom it shows.
    rows : list of int
        Each one's row in `summary.Pass.rows`.
    judged : list of float
        P(edit worked), by the first judge.
    before, after : list of np.ndarray
        uint8, the `window` of the photo and of the edit.
    seen : int
        How many were offered.
    """

    direction: str
    split: Split
    chosen: set[Item]
    of: int
    names: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)
    before: list[np.ndarray] = field(default_factory=list)
    after: list[np.ndarray] = field(default_factory=list)
    seen: int = 0

    def offer(
        self, items: list[Item], before: np.ndarray, after: np.ndarray, logits: np.ndarray
    ) -> np.ndarray:
        """Take a batch: uint8 images (n, size, size, 3) and (n,); return which were chosen."""
        rows, columns = window(self.split.attribute, before.shape[1])
        taken = [place for place, item in enumerate(items) if item in self.chosen]
        for place in taken:
            self.names.append(self.split.name(items[place]))
            self.people.append(self.split.person(items[place]))
            self.rows.append(self.seen + place)
            self.judged.append(float(1 / (1 + np.exp(-float(logits[place])))))
            self.before.append(before[place, rows, columns].copy())
            self.after.append(after[place, rows, columns].copy())
        self.seen += len(items)
        return np.array(taken, int)


def keep(direction: str, split: Split, items: list[Item], seed: int = 0) -> Kept:
    """Return an empty `Kept` that will take up to `KEPT` of the items, by the seed."""
    order = np.random.default_rng([seed, 5]).permutation(len(items))[:KEPT]
    return Kept(direction, split, {items[place] for place in order}, len(items))


# --- the number -----------------------------------------------------------------------------


class Scores(NamedTuple):
    """How surely each image is an edit, by a classifier that did not learn from it.

    Attributes
    ----------
    values : np.ndarray
        (n,) logits.
    folds : np.ndarray
        (n,) by which of the classifiers; scores of two can't be compared.
    people : np.ndarray
        (n,) numbers: who shows on each.
    """

    values: np.ndarray
    folds: np.ndarray
    people: np.ndarray


def auc_estimate(edits: Scores, reals: Scores, seed: int = 0) -> Estimate:
    """Return the AUC over the pairs within a fold, with a bootstrap 95% interval over people.

    That is the share of pairs, an edit and a real photo, in which the edit scores higher: the area
    under the ROC curve; a tie counts half. n is how many edits were told from as many real photos,
    or the fewer of both.
    """
    blocks = []
    for fold in np.unique(edits.folds):
        here, there = edits.folds == fold, reals.folds == fold
        scores, others = edits.values[here, None], reals.values[there]
        won = (scores > others) + 0.5 * (scores == others)
        blocks.append((edits.people[here], reals.people[there], won))
    count = 1 + max(edits.people.max(), reals.people.max())

    def value(times: np.ndarray) -> float:
        won = sum(times[a] @ block @ times[b] for a, b, block in blocks)
        pairs = sum(times[a].sum() * times[b].sum() for a, b, _ in blocks)
        return won / pairs if pairs else np.nan

    rng = np.random.default_rng(seed)
    drawn = [
        value(np.bincount(rng.integers(0, count, count), minlength=count).astype(float))
        for _ in range(DRAWS)
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    n = min(len(edits.values), len(reals.values))
    return Estimate(float(value(np.ones(count))), float(low), float(high), n)


# --- who is laid beside whom ----------------------------------------------------------------


def alike(
    edits: np.ndarray | None, reals: np.ndarray | None, counts: tuple[int, int], seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of edits and of real photos, equally many: of the longer side such as the other
    has, else the classifier would tell the people, not the edits.

    Parameters
    ----------
    edits, reals : np.ndarray or None
        (images, traits), as for `metrics.matched`; None where nothing is known: then by chance.
    counts : tuple of int
        How many edits and real photos there are.
    """
    rng = np.random.default_rng([seed, 6])
    n = min(*counts, MOST)
    orders = [rng.permutation(count) for count in counts]
    if edits is None or reals is None:
        return orders[0][:n], orders[1][:n]
    if counts[0] <= counts[1]:
        chosen = orders[0][:n]
        return chosen, metrics.alike(reals, edits[chosen], rng)
    chosen = orders[1][:n]
    return metrics.alike(edits, reals[chosen], rng), chosen


def folds_of(people: np.ndarray, sides: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the fold of each image: nobody is in two, and each has its share of both sides.

    Parameters
    ----------
    people, sides : np.ndarray
        (n,) numbers: who shows on each image; and 1 for edits, 0 for real photos, or, for images
        that are not learned from, anything else.
    """
    rng = np.random.default_rng([seed, 7])
    count = 1 + people.max(initial=-1)
    there = [np.bincount(people[sides == side], minlength=count) > 0 for side in (0, 1)]
    kinds = there[0] + 2 * there[1]
    fold, dealt = np.zeros(count, int), 0
    for kind in range(4):
        members = rng.permutation(np.flatnonzero(kinds == kind))
        fold[members] = (dealt + np.arange(len(members))) % FOLDS
        dealt += len(members)
    return fold[people]


# --- the classifier -------------------------------------------------------------------------


def augmented(images: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    """Return the images mirrored by chance, shifted a little, and a little lighter or darker.

    Parameters
    ----------
    images : np.ndarray
        uint8 (n, height, width, 3).
    side : int
        Of the image that they were cut from, in pixels.
    """
    far = max(1, round(SHIFT * side))
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (far, far), (far, far), (0, 0)), "reflect")
    changed = np.empty_like(images)
    for place, image in enumerate(padded):
        down, right = rng.integers(0, 2 * far + 1, 2)
        image = image[down : down + height, right : right + width].astype(np.int16)
        image = np.clip(image + rng.integers(-LIGHT, LIGHT + 1), 0, 255).astype(np.uint8)
        changed[place] = image[:, ::-1] if rng.random() < 0.5 else image
    return changed


def fit(features: np.ndarray, edited: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights (features,) and offset of a logistic regression with `DECAY`.

    Fewer images than features: so the weights are a sum of the images, and are sought among such.

    Parameters
    ----------
    features : np.ndarray
        float (n, features).
    edited : np.ndarray
        (n,), 1 for edits and 0 for real photos.
    """
    values, vectors = np.linalg.eigh((features @ features.T).astype(np.float64))
    there = values > 1e-6 * values[-1]  # below is the rounding of float32
    roots = np.sqrt(values[there])
    points, sign = vectors[:, there] * roots, 2.0 * edited - 1

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        sure = sign * (points @ w[:-1] + w[-1])
        slope = -sign / (1 + np.exp(np.clip(sure, -50, 50))) / len(sign)
        value = np.logaddexp(0, -sure).mean() + DECAY / 2 * w[:-1] @ w[:-1]
        return value, np.append(points.T @ slope + DECAY * w[:-1], slope.sum())

    found = minimize(loss, np.zeros(points.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return features.T @ (vectors[:, there] / roots @ found[:-1]), float(found[-1])


def held_out_scores(
    images: np.ndarray, people: np.ndarray, sides: np.ndarray, side: int, look: Look, seed: int = 0
) -> Scores:
    """Return how surely each image is an edit, by the classifier that learned from other people.

    One learns for each fold, from all that is in the others: from each image as it is and once
    `augmented`. All is fixed beforehand, and nothing chosen by how well it does.

    Parameters
    ----------
    images : np.ndarray
        uint8 (n, height, width, 3), each cut by `window`.
    people, sides
        As for `folds_of`. What is neither an edit nor a real photo to learn from is only scored.
    side : int
        Of the images that they were cut from.
    look : callable
        From `judges.look_closely`: what a frozen network sees in each.
    """
    rng = np.random.default_rng([seed, 8])
    folds = folds_of(people, sides, seed)
    known = np.flatnonzero((sides == 0) | (sides == 1))
    changed = look(augmented(images[known], rng, side))
    both = look(images)
    plain = both[known]
    # Asked both ways round: what is wrong with an edit is so in a mirror too.
    both = (both + look(images[:, :, ::-1])) / 2
    values = np.empty(len(images))
    for fold in range(FOLDS):
        chosen, asked = folds[known] != fold, folds == fold
        if not asked.any():
            continue
        seen = np.concatenate([plain[chosen], changed[chosen]])
        mean, spread = seen.mean(axis=0), (seen.std(axis=0) + 1e-2) * np.sqrt(seen.shape[1])
        weights, offset = fit((seen - mean) / spread, np.tile(sides[known[chosen]], 2))
        weights = weights / spread
        values[asked] = (both[asked] - mean) @ weights + offset
    return Scores(values, folds, people)


def tell(
    edits: tuple[np.ndarray, np.ndarray],
    reals: tuple[np.ndarray, np.ndarray],
    chosen: np.ndarray | None = None,
    *,
    side: int,
    look: Look,
    seed: int = 0,
) -> tuple[Estimate, Scores]:
    """Return how well edits are told from real photos, and the scores of all edits.

    Parameters
    ----------
    edits, reals : tuple of np.ndarray
        uint8 (n, height, width, 3), each cut by `window`; and numbers (n,), who shows on each.
    chosen : np.ndarray, optional
        Rows of the edits that count and are learned from; the others are only scored.
    side, look
        As for `held_out_scores`.
    """
    n = len(edits[0])
    sides = np.zeros(n + len(reals[0]), int)
    sides[:n] = -1
    sides[np.arange(n) if chosen is None else chosen] = 1
    images, people = (np.concatenate(both) for both in zip(edits, reals, strict=True))
    scores = held_out_scores(images, people, sides, side, look, seed)
    told, real = (Scores(*(v[sides == kind] for v in scores)) for kind in (1, 0))
    return auc_estimate(told, real, seed=seed), Scores(*(v[:n] for v in scores))


def told_from_real(
    kept: dict[str, Kept],
    traits: dict[str, np.ndarray | None],
    side: int,
    look: Look,
    seed: int = 0,
    *,
    progress: bool = True,
) -> tuple[dict[str, dict], dict[str, np.ndarray | None]]:
    """Try to tell both directions' edits from real photos.

    Parameters
    ----------
    kept : dict
        From "add" and "remove" to what was kept of each.
    traits : dict
        From the same to what the people of all its images are, (images, traits), or None; see
        `alike`.
    side : int
        Of the images, in pixels.
    look : callable
        From `judges.look_closely`.

    Returns
    -------
    entries : dict
        From a direction to its ``told_from_real``, beside the same of halves of the real photos
        and of the photos before the edit; to nothing where there are too few.
    told : dict
        From a direction to how surely each of its edits is one, (kept,) in [0, 1], or to None.
    """
    entries, told = {}, {}
    known = {d: None if t is None else t[kept[d].rows] for d, t in traits.items()}
    with tqdm(total=2, desc="telling from real", disable=not progress) as bar:
        for here, there in (("add", "remove"), ("remove", "add")):
            both = (known[here], known[there])
            entries[here], told[here] = _told_from_real(
                kept[here], kept[there], None if both[0] is None else both, side, look, seed
            )
            bar.update()
    return entries, told


def _told_from_real(
    here: Kept,
    there: Kept,
    traits: tuple[np.ndarray, np.ndarray] | None,
    side: int,
    look: Look,
    seed: int = 0,
) -> tuple[dict[str, dict], np.ndarray | None]:
    """Return one direction's entry, and how surely each edit is one; nothing of too few photos.

    The photos of the other direction, `there`, are the real ones of the target side.
    """
    edits, before, reals = (np.stack(i) for i in (here.after, here.before, there.before))
    _, who = np.unique(here.people + there.people, return_inverse=True)
    who, whom = who[: len(edits)], who[len(edits) :]
    of_edits, of_reals = alike(*(traits or (None, None)), (len(edits), len(reals)), seed)
    if len(of_edits) < 2 * FOLDS:
        return {}, None

    options = {"side": side, "look": look, "seed": seed}
    target = reals[of_reals], whom[of_reals]
    estimate, scores = tell((edits, who), target, of_edits, **options)
    unedited, _ = tell((before[of_edits], who[of_edits]), target, **options)
    same = []
    for draw in range(HALVES):
        order = np.random.default_rng([seed, 9, draw]).permutation(len(reals))[:MOST]
        halves = [(reals[rows], whom[rows]) for rows in np.array_split(order, 2)]
        same.append(tell(*halves, **options)[0].value)
    compare = {"real against real": float(np.mean(same)), "doing nothing": unedited.value}
    return {"told_from_real": entry(estimate, **compare)}, 1 / (1 + np.exp(-scores.values))
