"""From one number for each image to estimates with intervals, and what to compare them with.

Used in notebook 07.
"""

from typing import NamedTuple

import numpy as np

from . import celeba, identity, metrics
from .datasets import DRAWN, Split
from .judges import Judge
from .metrics import Estimate, bootstrap

MEANS = ("outside", "energy", "brightness", "cycle_psnr", "cycle_ssim")


class Pass(NamedTuple):
    """What one pass over one direction's images leaves behind.

    Attributes
    ----------
    rows : dict
        From the name of a number to its values, one for each image.
    before, after : dict
        From the name of a describer ("classifier", "inception") to its features.
    probabilities : dict
        From a describer to the probabilities of the edited images' classes.
    """

    rows: dict[str, np.ndarray]
    before: dict[str, np.ndarray]
    after: dict[str, np.ndarray]
    probabilities: dict[str, tuple[np.ndarray, np.ndarray]]


def summarize(
    direction: str, passes: dict[str, Pass], judges: list[Judge], split: Split
) -> dict[str, dict]:
    """Return the estimates of one direction, each with what to compare it with."""
    here, there = passes[direction], passes["remove" if direction == "add" else "add"]
    rows = here.rows
    means = {name: entry(bootstrap(rows[name])) for name in MEANS if name in rows}
    return {
        **_flips(rows, judges),
        **_same_person(rows),
        **means,
        **_looks(here, there, apart=split.source == DRAWN),
        **_truths(rows),
        **_shifts(here, there, judges[0].card["columns"], split.attribute),
    }


def _flips(rows, judges) -> dict[str, dict]:
    return {
        f"flip/{judge.name}": entry(
            metrics.share(rows[f"flip/{judge.name}"]),
            **{"doing nothing": float(np.mean(rows[f"already/{judge.name}"]))},
        )
        for judge in judges
    }


def _same_person(rows) -> dict[str, dict]:
    if "identity" not in rows:
        return {}
    different, alone = _mean(rows["others"]), _mean(rows["jpeg"])
    same = metrics.share(rows["identity"] < identity.SAME_PERSON)
    others = _mean(rows["others"] < identity.SAME_PERSON)
    return {
        "same_person": entry(same, **{"different people": others}),
        "identity": entry(
            bootstrap(rows["identity"]), **{"different people": different, "JPEG alone": alone}
        ),
    }


def _looks(here: Pass, there: Pass, apart: bool) -> dict[str, dict]:
    """Compare the edited with the real target side; `apart`: the same people are on both."""
    result = {}
    for describer, edits in here.after.items():
        before, target = here.before[describer], there.before[describer]
        n = min(len(target) // 2, len(edits) // 2)
        if n < 2:
            continue
        for name, distance in (
            ("fid", metrics.frechet_distance),
            ("kid", metrics.kernel_distance),
        ):
            edited, unedited = (
                metrics.matched(distance, a, target, n, apart=apart) for a in (edits, before)
            )
            halves = metrics.matched(distance, target, target, n, apart=True)
            compare = {"real against real": halves.value, "doing nothing": unedited.value}
            result[f"{name}/{describer}"] = entry(edited, **compare)
        if "traits" in here.rows:
            traits = (here.rows["traits"], there.rows["traits"])
            edited, unedited = (
                metrics.matched(metrics.kernel_distance, a, target, n, traits=traits)
                for a in (edits, before)
            )
            compare["doing nothing"] = unedited.value  # halves of the real ones are those of KID
            result[f"kid_alike/{describer}"] = entry(edited, **compare)
        p = here.probabilities[describer][1]
        spread = metrics.matched(lambda a, _: metrics.inception_score(a), p, p, len(p) // 2)
        score, half = metrics.inception_score(p), spread.high - spread.value
        real = metrics.inception_score(there.probabilities[describer][0])
        estimate = Estimate(score, score - half, score + half, len(p))
        result[f"score/{describer}"] = entry(estimate, real=real)
    return result


def _truths(rows) -> dict[str, dict]:
    if "error" not in rows:
        return {}
    ratio = bootstrap(rows["error"], rows["error_of_nothing"])
    result = {"truth_error": entry(ratio, **{"doing nothing": 1.0})}
    for name in ("truth_psnr", "truth_ssim"):
        nothing = _mean(rows[f"{name}_of_nothing"])
        result[name] = entry(bootstrap(rows[name]), **{"doing nothing": nothing})
    result["iou"] = entry(bootstrap(rows["iou"]), **{"doing nothing": 0.0})
    return result


def _shifts(here: Pass, there: Pass, columns: list[str], attribute: str) -> dict[str, dict]:
    """How far each other attribute moved, beside its difference between the real sides."""
    result = {}
    for k, name in enumerate(columns):
        if name != celeba.column_name(attribute):
            real = [float(p.probabilities["classifier"][0][:, k, 1].mean()) for p in (here, there)]
            shift = bootstrap(here.rows["columns"][:, k])
            result[f"shift/{name}"] = entry(shift, **{"between the real sides": real[1] - real[0]})
    return result


def by_group(rows: dict[str, np.ndarray], judges: list[Judge]) -> dict[str, dict]:
    """Return the measures that have bars for each group and for everybody else."""
    result = {}
    for name in (n for n in rows if n.startswith("group/")):
        group = name.split("/")[1]
        for title, chosen in ((group, rows[name]), (f"not {group}", ~rows[name])):
            here = {key: values[chosen] for key, values in rows.items()}
            found = {f"flip/{j.name}": metrics.share(here[f"flip/{j.name}"]) for j in judges}
            if "identity" in here:
                found["same_person"] = metrics.share(here["identity"] < identity.SAME_PERSON)
            for key in ("outside", "brightness"):
                if key in here:
                    found[key] = bootstrap(here[key])
            result[title] = {key: entry(estimate) for key, estimate in found.items()}
    return result


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values))


def entry(estimate: Estimate, **compare: float) -> dict:
    return {
        **{k: None if v != v else v for k, v in estimate._asdict().items()},
        **({"compare": compare} if compare else {}),
    }
