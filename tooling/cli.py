"""The command line: reads the options and calls the modules that do the work."""

import os
import shlex
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from helpers import celeba, datasets, dressing, pixels
from helpers.errors import CourseError, counted, explain, is_refusal
from helpers.processes import load_tensorflow
from helpers.profiles import CACHE, ROOT, profile_name

app = typer.Typer(
    name="course.py",
    help="Facial Attribute Inverter: the course, and the tools that it builds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


Network = Literal["paper", "attention"]
Direction = Literal["add", "remove"]


class Bench(str, Enum):  # as Typer takes no list of a Literal
    train = "train"
    data = "data"
    web = "web"
    scale = "scale"


AttributeOption = Annotated[
    str, typer.Option(help="glasses, hat, or any column of CelebA, such as Smiling.")
]
DataOption = Annotated[
    str | None,
    typer.Option(
        help="CelebA's folder, as its authors, torchvision or Kaggle lay it out (photos in "
        "img_align_celeba.zip too); a folder with with/ and without/; or the word drawn. "
        "\\[default: the folder that CELEBA_DIR names, else drawn]"
    ),
]
SizeOption = Annotated[int, typer.Option(min=32, max=256, help="Side of the images in pixels.")]
SeedOption = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Of the split, the order and the first weights.")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(help="Folder of a run, or with .npz weights. \\[default: the course's own]"),
]


say = typer.echo


def fail(text: str, code: int = 1) -> typer.Exit:
    typer.secho(text, fg="red", err=True)
    return typer.Exit(code)


def report_unreadable(split: datasets.Split) -> None:
    """Name what could not be read; a learner should never wonder where a photo went."""
    if split.unreadable:
        say(f"{counted(len(split.unreadable), 'photo')} could not be used:")
        for name, why in list(sorted(split.unreadable.items()))[:10]:
            say(f"  {name}: {why}")
        if len(split.unreadable) > 10:
            say(f"  and {len(split.unreadable) - 10} more")


@app.command()
def lab() -> None:
    """Open JupyterLab on notebook 00."""
    first = ROOT / "notebooks" / "00_meet_the_inverter.ipynb"
    os.chdir(ROOT)  # or -m imports what lies in the folder that one is in
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(first)])


@app.command()
def run(
    profile: Annotated[
        Literal["quick", "full"] | None,
        typer.Option(help="How much is done. \\[default: what COURSE_PROFILE says, else quick]"),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Number of a notebook; may be given more than once.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the executed pages go.")] = ROOT
    / "build"
    / "course",
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Notebooks at a time. 1 where memory is short (each takes up to 4 GB), or to have "
            "the times that they measure undisturbed.",
        ),
    ] = 2,
) -> None:
    """Execute the course from end to end, and write each notebook as a page to read."""
    from .notebooks import run_notebooks

    if not run_notebooks(profile or profile_name(), only or [], out, jobs):
        raise typer.Exit(1)


@app.command()
def book(
    executed: Annotated[
        Path, typer.Option("--from", help="Where course.py run left the executed notebooks.")
    ] = ROOT / "build" / "course",
    out: Annotated[Path, typer.Option(help="Folder of the website.")] = ROOT / "build" / "book",
) -> None:
    """Build the executed course as a website to read: one page a notebook, and an index."""
    from .book import build

    pages = build(executed, out)
    say(f"Wrote {len(pages)} pages. Open {pages[0]}")


@app.command()
def exercises() -> None:
    """Write the exercises of notebooks/solutions/ into the notebooks, without their solutions."""
    from .exercises import regenerate

    changed = regenerate()
    for path in changed:
        say(f"Wrote {path.relative_to(ROOT)}")
    if not changed:
        say("Every exercise is as its solution says.")


@app.command()
def split(
    attribute: AttributeOption,
    out: Annotated[Path, typer.Option(help="The folder to write; must not exist yet.")],
    data: DataOption = None,
    size: SizeOption = 128,
    seed: SeedOption = 0,
) -> None:
    """Split a dataset by one attribute into with/ and without/, for each part."""
    opened = datasets.open_split(data or datasets.default_data(), attribute, seed=seed)
    written = datasets.write_split(opened, out, size)
    for part in datasets.PARTS:
        counts = ", ".join(f"{written[part, side]} {side}" for side in datasets.SIDES)
        say(f"{part:>10}: {counts}")
    report_unreadable(opened)
    short = celeba.short_name(opened.attribute)
    quoted = subprocess.list2cmdline if os.name == "nt" else shlex.join
    words = ["--attribute", attribute, "--data", out, "--size", size, "--out", f"runs/{short}"]
    say(f"Wrote {out}. Train on it:\n  python3 course.py train {quoted([*map(str, words)])}")


@app.command()
def train(
    attribute: AttributeOption,
    out: Annotated[Path, typer.Option(help="Folder of the run; give the same one again to go on.")],
    data: DataOption = None,
    network: Annotated[Network, typer.Option(help="Which networks.")] = "attention",
    size: SizeOption = 128,
    width: Annotated[
        int | None, typer.Option(min=4, help="Narrows the attention network. \\[default: 24]")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Train until so many steps.")] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1e6,
            help="Train until every photo with was seen so often. \\[default of paper: 100]",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1e6, help="Train so long from now. \\[default of attention: 45]"
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images of each side in a step. \\[default: paper 5, attention 4]"
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=8, help="Drawn faces of each side.")] = 1000,
    seed: SeedOption = 0,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Folder of another run, or of weights, even of another attribute, to begin with."
        ),
    ] = None,
    dress: Annotated[
        Direction | None,
        typer.Option(
            help="Draw hats or glasses on the photos without, so that the true edit is known. add: "
            "some kind on each face, instead of the photos with. remove: any kind, or none, beside "
            "them. Only that direction learns. \\[default: draw nothing]",
        ),
    ] = None,
    dressings: Annotated[
        int,
        typer.Option(min=1, help="With --dress, how many kinds to draw on each photo."),
    ] = 1,
    preview_every: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps between previews. \\[default: paper an epoch, attention 100]"
        ),
    ] = None,
    cache: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1e6,
            help="Keep the face crops of photos in data/crops, at most so many GB, so that each "
            "photo is decoded once. The folder may be deleted at any time. \\[default: keep none]",
        ),
    ] = None,
    strategy: Annotated[
        Literal["mirrored", "multiworker"] | None,
        typer.Option(
            help="mirrored: share each batch among the GPUs of this machine. multiworker: among "
            "several machines, each started with its own TF_CONFIG. \\[default: one device]"
        ),
    ] = None,
    headroom: Annotated[
        bool,
        typer.Option(
            help="Let the networks see more of the photo above the face, and beside it: hats are "
            "higher than the usual crop.",
        ),
    ] = False,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --strategy mirrored, so many GPUs, or, without a GPU, so many logical "
            "devices of the processor. \\[default: all GPUs]",
        ),
    ] = None,
    xla: Annotated[
        bool | None,
        typer.Option(
            help="Let XLA compile the train step: its first one takes a minute, the others a small "
            "part of their time on a GPU, and longer on a processor. \\[default: on one GPU, if it "
            "isn't told to make few steps]",
        ),
    ] = None,
) -> None:
    """Train both generators and the discriminator; run it again to go on."""
    if devices and strategy != "mirrored":
        raise fail("--devices goes with --strategy mirrored.", 2)
    if xla and strategy:
        raise fail(
            "--xla compiles the step of one device, and replicas meet in the middle of theirs: "
            "leave out --xla or --strategy.",
            2,
        )
    load_tensorflow()
    from helpers import distribute, runs, training, weight_files

    source = data or datasets.default_data()
    if headroom and source == datasets.DRAWN:
        raise fail("--headroom needs photos: the drawn faces end where the usual crop does.", 2)
    opened = datasets.open_split(source, attribute, seed=seed, images=images)
    if dress:
        opened = dressing.dress(opened, dress, CACHE, dressings)
    above = pixels.HEADROOM if headroom else 0.0
    if dress or source == datasets.DRAWN:
        datasets.draw_ahead(opened, size, CACHE, above)
    if cache and source != datasets.DRAWN:
        opened.crops = pixels.Crops(CACHE / "crops", int(cache * 1e9))
    settings = runs.Settings(
        attribute=opened.attribute,
        data=source if source == datasets.DRAWN else Path(os.path.abspath(source)).name,
        network=network,
        size=size,
        width=width,
        batch=batch,
        seed=seed,
        images=images,
        start=start and Path(os.path.abspath(start)).name,
        warm_up=runs.WARM_UP if start and weight_files.holds_weights_alone(start) else 0,
        headroom=above,
        dress=dress,
        dressings=dressings,
    )
    if steps is None and epochs is None and minutes is None:
        epochs, minutes = (100, None) if network == "paper" else (None, 45)
    if strategy == "mirrored":
        team = distribute.mirrored(devices)
    elif strategy == "multiworker":
        team = distribute.multiworker(say)
    else:
        team = distribute.ALONE
    if xla is None:
        xla = training.pick_xla(steps) and not strategy
    training_run = runs.Run(out, settings, opened, start=start, team=team, xla=xla)
    if epochs is not None:
        steps = training_run.steps_of(epochs)
    if preview_every is None:
        preview_every = training_run.steps_of(1) if network == "paper" else 100
    if not team.chief:
        say(f"Follows the chief, {team.workers[0]}, who alone writes.")
        training_run.train(steps=steps, minutes=minutes, cache=CACHE)
        report_unreadable(opened)
        say(f"Step {training_run.step}.")
        return
    for part, without, with_ in training_run.split.table():
        say(f"{part:>10}: {without} without, {with_} with {opened.attribute}")
    going_on = f", going on from step {training_run.step}" if training_run.step else ""
    among = f", shared among {team.replicas} replicas" if team.replicas > 1 else ""
    compiled = ", compiled by XLA in the first step" if training_run.xla else ""
    way = f"{training_run.dtype}{compiled}{among}{going_on}"
    say(f"{network} network, {size} px, {way}. Ctrl-C saves.")
    training_run.train(
        steps=steps,
        minutes=minutes,
        preview_every=preview_every,
        cache=CACHE,
    )
    report_unreadable(opened)
    say(f"Step {training_run.step}, {training_run.seconds / 60:.1f} minutes in all.")
    say(f"Previews: {out / 'previews'}\nWeights:  {out / 'weights'}")
    say(f"Losses:   tensorboard --logdir {out / 'logs'}")


def _read_styles(texts: list[str]) -> dict[str, float | str]:
    """Return what is chosen by name: numbers, and a kind by its word."""
    chosen: dict[str, float | str] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if name != "kind":
            try:
                chosen[name] = float(value)
            except ValueError:
                told = "--style takes a name and a number, such as size=0.5, or a kind, such as "
                raise fail(f"{told}kind=round, not {text!r}.", 2) from None
            continue
        if chosen.setdefault(name, value) != value:
            told = f"One thing is of one kind: kind={chosen[name]} or kind={value}, not both."
            raise fail(told, 2)
    return chosen


@app.command()
def invert(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    attribute: AttributeOption,
    direction: Annotated[Direction, typer.Option(help="Put it on, or take it off.")],
    out: Annotated[Path, typer.Option(help="Folder for the edited photos.")],
    weights: WeightsOption = None,
    style: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What to add otherwise than it suits the face: a kind, such as kind=round or "
            "'kind=top hat', and numbers from -1 to 1, such as size=1, colour=-0.4 or, of glasses, "
            "lenses=1. May be given more than once; one that there is not names those that are.",
        ),
    ] = None,
    strength: Annotated[float, typer.Option(min=0, max=2, help="1 is the whole residual.")] = 1.0,
    aligned: Annotated[
        bool,
        typer.Option(
            "--aligned",
            help="The photos are aligned as CelebA's: edit their central square, and look for no "
            "face.",
        ),
    ] = False,
    residual: Annotated[
        bool, typer.Option("--residual", help="Write the residual too, gray for no change.")
    ] = False,
) -> None:
    """Edit photos: find each face, align, edit, and paste back at full resolution."""
    load_tensorflow()
    from helpers.inverter import invert_files

    failures = invert_files(
        photos,
        attribute,
        direction,
        out,
        weights=weights,
        style=_read_styles(style or []),
        strength=strength,
        aligned=aligned,
        with_residual=residual,
        report=say,
    )
    if failures:
        raise fail(f"{failures} not edited; see above.")


@app.command()
def export(
    attribute: AttributeOption,
    weights: WeightsOption = None,
    out: Annotated[Path, typer.Option(help="Folder of the page's models.")] = ROOT
    / "web"
    / "public"
    / "models",
    measured: Annotated[
        Path | None,
        typer.Option(
            help="The report.json that evaluate wrote of these weights: the page shows its figures."
        ),
    ] = None,
    judge: Annotated[
        Path,
        typer.Option(
            "--classifier", help="Tells the page whether the attribute is there, to invert it."
        ),
    ] = ROOT / "weights" / "classifier-a.npz",
) -> None:
    """Export both directions to TensorFlow.js for the page, and check them against Keras."""
    load_tensorflow()
    from tqdm.auto import tqdm

    from helpers import classifier, inverter, training, weight_files
    from helpers import export as exporting

    with tqdm(training.DIRECTIONS, desc="exporting", unit="model") as directions:
        for direction in directions:
            path = inverter.find_weights(attribute, direction, weights)
            generator, card = weight_files.load_network(path)
            if measured:
                card["measured"] = exporting.read_measured(measured, card)
            folder = out / exporting.folder_name(card)
            exporting.export_generator(generator, folder, card)
            if path.parent == ROOT / "weights":
                exporting.share_weights(folder, path)
            worst = exporting.check_export(folder)
            directions.write(f"{folder}: differs from Keras by at most {worst:.5f}")
    there = {entry["attribute"] for entry in exporting.write_manifest(out)["models"]}
    model, card = classifier.load(judge)
    known = sorted(name for name in there if celeba.column_name(name) in card["columns"])
    if known:
        folder = out / "classifier"
        exporting.export_classifier(model, folder, card, known)
        worst = exporting.check_export(folder)
        say(f"{folder}, for {' and '.join(known)}: differs from Keras by at most {worst:.5f}")
        exporting.write_manifest(out)
    if celeba.short_name(attribute) not in known:
        say(f"{judge.name} does not know {attribute}: the page will add and remove, not invert.")


@app.command()
def web(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The next free one if taken.")] = 8000,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open a browser window.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Serve nothing: write the page here, a new folder, for any static host."),
    ] = None,
) -> None:
    """Build the page if it changed, and serve it on this machine only."""
    from . import page, server

    built = page.build_page(ROOT)
    if out:
        page.copy_page(built, out)
        say(f"Wrote {out}. It works under any address; a camera needs one with https.")
    else:
        server.serve(built, port, open_browser=not no_browser)


@app.command()
def evaluate(
    attribute: AttributeOption,
    out: Annotated[Path, typer.Option(help="Folder for report.json, report.md and pictures.")],
    data: DataOption = None,
    weights: WeightsOption = None,
    network: Annotated[
        Network | None, typer.Option(help="Insist on weights of this network.")
    ] = None,
    classifier: Annotated[
        list[Path] | None,
        typer.Option(
            help="Weights of a judge; may be given more than once. \\[default: the course's own "
            "for CelebA, else one is trained]"
        ),
    ] = None,
    any_style: Annotated[
        bool,
        typer.Option(
            "--any-style", help="Add to each photo in a style by chance, not in the one that suits."
        ),
    ] = False,
    one_pass: Annotated[
        bool,
        typer.Option("--one-pass", help="Take off in one pass, as the page does with a webcam."),
    ] = False,
    count: Annotated[
        int | None, typer.Option(min=4, help="At most so many images a side. \\[default: all]")
    ] = None,
    images: Annotated[
        int, typer.Option(min=8, help="Drawn faces of each side, as in the training.")
    ] = 1000,
    inception: Annotated[
        str | None,
        typer.Option(help="InceptionV3 too: the word imagenet (downloads it), or its file."),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Measure both directions on held-out images: a report, a table, and the worst cases.

    Photos take some minutes: 200 a direction go through the whole path of invert.
    """
    load_tensorflow()
    from helpers.evaluation import evaluate
    from helpers.reports import markdown

    report = evaluate(
        attribute,
        data or datasets.default_data(),
        out,
        weights=weights,
        network=network,
        classifiers=classifier,
        any_style=any_style,
        one_pass=one_pass,
        count=count,
        images=images,
        inception=inception,
        seed=seed,
    )
    say(markdown(report))
    say(f"Wrote {out}: report.json, report.md, and sheet.html with all edits, worst first.")


@app.command()
def bench(
    which: Annotated[
        list[Bench] | None,
        typer.Argument(
            help="train: a training step, against PyTorch's if that is installed. data: reading "
            "photos, and drawing faces. web: the page, beside other runtimes. scale: one device "
            "against two. Without any, all four."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each that is compared.")] = 5,
    batch: Annotated[int, typer.Option(min=1, help="Images of each side in a step.")] = 8,
    size: SizeOption = 128,
    data: Annotated[
        str | None,
        typer.Option(
            help="CelebA's folder. Without it, the one that CELEBA_DIR names, else JPEGs made of "
            "drawn faces."
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write all figures to this file, as JSON.")
    ] = None,
) -> None:
    """Measure how fast the course is here: what is compared takes turns, side by side."""
    load_tensorflow()
    from tooling import bench as benches

    names = [name.value for name in dict.fromkeys(which or Bench)]
    settings = benches.Settings(rounds, batch, size, data or datasets.default_data())
    benches.run(names, settings, say, json)
    if json:
        say(f"\nWrote {json}.")


def main() -> None:
    """Run a command; what went wrong with the input is a message and an exit code."""
    try:
        app(prog_name="python3 course.py")
    except CourseError as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)
    except BrokenPipeError:  # who read our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        typer.secho("Stopped.", err=True)
        sys.exit(130)
    except Exception as error:
        if not is_refusal(error):
            raise
        typer.secho(explain(error), fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
