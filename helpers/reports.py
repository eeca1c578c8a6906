"""What `evaluation` found, as tables of Markdown and as sheets of pictures (notebook 07)."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import pairing, pixels
from .datasets import Item
from .errors import counted
from .training import DIRECTIONS

SOURCE_SIDE = {"add": "without", "remove": "with"}
PICTURES = 8  # on each sheet


class Gallery:
    """Keeps the pictures with the highest keys, and no others, while a stream goes by."""

    def __init__(self, count: int):
        self.count, self.kept = count, []

    def offer(self, key: float, caption: str, pictures: tuple[np.ndarray, ...]) -> None:
        self.kept.append((key, caption, pictures))
        self.kept.sort(key=lambda entry: entry[0], reverse=True)
        del self.kept[self.count :]

    def sheet(self) -> np.ndarray:
        """Return columns of caption, image, edited and residual, the highest key first."""
        columns = []
        for _, caption, pictures in self.kept:
            side = pictures[0].shape[1]
            label = Image.new("RGB", (max(side, 112), 18), "white")
            ImageDraw.Draw(label).text((3, 3), caption, "black", ImageFont.load_default(11))
            shown = [np.asarray(label)]
            for picture in pictures:
                enlarged = Image.fromarray(picture).resize((label.width,) * 2, Image.BICUBIC)
                shown.append(np.asarray(enlarged))
            columns.append(np.concatenate(shown))
        return np.concatenate(columns, axis=1)


def offer(
    galleries: dict[str, Gallery],
    items: list[Item],
    before: np.ndarray,
    after: np.ndarray,
    certainty: list[np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Offer a batch to the galleries "random", "best" and "worst".

    Parameters
    ----------
    before, after : np.ndarray
        uint8 (n, size, size, 3).
    certainty : list of np.ndarray
        A judge's logits of the target, (n,) before and (n,) after.
    """
    residual = pixels.to_bytes((after.astype(np.float32) - before) / 127.5)
    for i, item in enumerate(items):
        was, now = (1 / (1 + np.exp(-float(c[i]))) for c in certainty)
        name = item.stem if isinstance(item, Path) else str(item.seed)
        caption = f"{name}: {was:.2f} to {now:.2f}"
        pictures = (before[i], after[i], residual[i])
        for gallery, key in (
            ("random", rng.random()),
            ("best", float(certainty[1][i])),
            ("worst", -float(certainty[1][i])),
        ):
            galleries[gallery].offer(key, caption, pictures)


QUESTIONS = [
    ("flip", "Did the attribute flip?", "called flipped by {}", ".1%"),
    ("same_person", "Is it still the same person?", "embedding distance below 0.6", ".1%"),
    ("identity", "", "mean embedding distance", ".3f"),
    ("outside", "Was anything else touched?", "mean change outside the region, of 255", ".2f"),
    ("energy", "", "residual's energy inside the region", ".1%"),
    ("brightness", "Did the picture brighten?", "luminance outside the region, of 255", "+.2f"),
    ("fid", "Does it look real?", "FID on {} features", ".2f"),
    ("kid", "", "KID on {} features", ".4f"),
    ("kid_alike", "", "the same, beside people who are alike", ".4f"),
    ("score", "", "Inception Score, {}", ".3f"),
    ("left", "How much of it is left?", "mean, by what learned on drawn ones", ".1%"),
    ("left_tenth", "", "more than a tenth", ".1%"),
    ("unasked", "Are those without left alone?", "mean change in their region, of 255", ".2f"),
    ("unasked_seen", "", "changed by more than 3 there", ".1%"),
    ("told_from_real", "Can it be told from a photo?", "AUC of a fresh classifier; 0.5: no", ".3f"),
    ("found", "What does the user get?", "face found on the photo at {}", ".1%"),
    ("recut", "", "at {}: change from the crop's edit in the region, of 255", ".2f"),
    ("flip_recut", "", "at {}: called flipped by {}", ".1%"),
    ("cycle_psnr", "Is it consistent?", "cycle PSNR, dB", ".2f"),
    ("cycle_ssim", "", "cycle SSIM", ".4f"),
    ("truth_error", "Is it right?", "error to the truth, of doing nothing's", ".1%"),
    ("truth_psnr", "", "PSNR to the truth, dB", ".2f"),
    ("truth_ssim", "", "SSIM to the truth", ".4f"),
    ("iou", "", "IoU of edited and truly changed region", ".1%"),
    ("shift", "Did another attribute change?", "mean P({}), shift", "+.3f"),
]


def table(measures: dict[str, dict], only: tuple[str, ...] = pairing.CONFOUNDERS) -> str:
    """Return one direction's measures as a Markdown table; of other attributes, only some."""
    lines = [
        "| question | measure | value | 95% interval | N | compare with |",
        "|---|---|---:|---:|---:|---|",
    ]
    for key, question, label, form in QUESTIONS:
        names = [n for n in measures if n.split("/")[0] == key]
        names = [n for n in names if key != "shift" or n.split("/")[1] in only]
        for name in names:
            entry = measures[name]
            if entry["value"] is None:
                value = interval = "not defined"
            else:
                value = format(entry["value"], form)
                interval = f"{format(entry['low'], form)} to {format(entry['high'], form)}"
            compare = ", ".join(
                f"{k} {format(v, form)}" for k, v in entry.get("compare", {}).items()
            )
            measure = label.format(*name.split("/")[1:])
            lines.append(
                f"| {question} | {measure} | {value} | {interval} | {entry['n']} | {compare} |"
            )
            question = ""
    return "\n".join(lines)


def group_table(groups: dict[str, dict]) -> str:
    """Return one direction's measures by group as a Markdown table, or nothing without groups."""
    if not groups:
        return ""
    form = {key: (label, how) for key, _, label, how in QUESTIONS}
    names = list(next(iter(groups.values())))
    labels = [form[n.split("/")[0]][0].format(*n.split("/")[1:]) for n in names]
    lines = [f"| group | N | {' | '.join(labels)} |", f"|---|---:|{'---:|' * len(names)}"]
    for group, entries in groups.items():
        cells = []
        for name in names:
            how, entry = form[name.split("/")[0]][1], entries[name]
            if entry["value"] is None:
                cells.append("not defined")
            else:
                value, low, high = (format(entry[k], how) for k in ("value", "low", "high"))
                cells.append(f"{value} ({low} to {high})")
        lines.append(f"| {group} | {entries[names[0]]['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def left_table(scale: dict) -> str:
    """Return as Markdown how what says how much is left was calibrated; see `gauge`."""
    told = scale["calibration"]
    numbers = zip(told["strengths"], told["answers"], told["above"], strict=True)
    lines = [
        f"What is left is said by a network that learned on {scale['drawn_on']} drawn ones. Asked "
        f"about {told['photos']} on other people, its mean absolute error is {told['error']:.3f}, "
        f"and {told['error_in_parts']:.3f} where a part is left or it is blurred.",
        "",
        "| held out | mean answer | more than a tenth |",
        "|---|---:|---:|",
        *(f"| drawn at {s:.0%} | {mean:.1%} | {above:.1%} |" for s, mean, above in numbers),
    ]
    for name, entries in scale["real"].items():
        cells = []
        for key in ("left", "left_tenth"):
            value, low, high = (entries[key][k] for k in ("value", "low", "high"))
            cells.append(f"{value:.1%} ({low:.1%} to {high:.1%})")
        lines.append(f"| {name}, N = {entries['left']['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def markdown(report: dict) -> str:
    """Return the whole report as Markdown."""
    held_out = report["held_out"]
    lines = [
        f"# {report['attribute']}, measured on {report['data']}",
        "",
        f"Held-out images: {held_out['without']} without, {held_out['with']} with.",
    ]
    for judge in report["classifiers"]:
        accuracy = judge["balanced_accuracy"]
        lines.append(
            f"Judge {judge['name']} ({judge['network']}, trained on {judge['train_images']} "
            f"images): {accuracy:.1%} balanced accuracy on them."
        )
    lines += report["notes"]
    for direction in DIRECTIONS:
        card = report["weights"].get(direction, {})
        made = ", ".join(f"{k} {card[k]}" for k in ("network", "size", "steps") if k in card)
        title = f"{direction}: {SOURCE_SIDE[direction]} to "
        title += SOURCE_SIDE["remove" if direction == "add" else "add"]
        lines += ["", f"## {title}", "", made, "", table(report["directions"][direction])]
        if groups := group_table(report["groups"][direction]):
            lines += ["", groups]
        if direction == "remove" and report.get("left"):
            lines += ["", left_table(report["left"])]
        lines += [
            "",
            f"Pictures: {', '.join(f'{direction}/{n}.png' for n in ('random', 'best', 'worst'))}; "
            "all edits, worst first: sheet.html.",
        ]
    if report["unreadable"]:
        lines += ["", f"## {counted(len(report['unreadable']), 'photo')} could not be read", ""]
        lines += [f"- {name}: {why}" for name, why in sorted(report["unreadable"].items())]
    return "\n".join(lines) + "\n"
