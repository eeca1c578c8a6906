"""`course.py bench data`: the stream of photos that training reads, and the drawing of faces.

What bounds the stream is the scaling. Of CelebA's 178 x 218 to 128 px, on a core of an AMD EPYC
(Zen 5, 2025), in milliseconds of processor time, whoever else computed beside:

    open and decode (Pillow, libjpeg-turbo)  0.25 to 0.28
    crop and scale with Lanczos (Pillow)     0.43 to 0.45
    `read_image`, all of it                  0.75 to 0.90

So two cores read 2,200 to 2,700 photos a second at best. simplejpeg, OpenCV and imagecodecs decode
to the same pixels in 0.11 to 0.12, where Pillow and its array take 0.20: a tenth of the whole, too
little for a dependency. TensorFlow's decoder and its Lanczos take 1.0 to 1.1. OpenCV's filters give
other pixels, by up to 46 levels; Lanczos as banded matrix products in NumPy gives the same but for
one level, and takes 0.27, which would make the whole 1.3 times as fast.
"""

import contextlib
import io
import itertools
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageOps
from tqdm.auto import tqdm

from helpers import celeba, datasets, pairing, pixels
from helpers.drawn import faces

from . import turns

# The course scales with Lanczos, torchvision as a rule with the cheaper bilinear filter.
FILTERS = {
    "PyTorch, same pixels": Image.Resampling.LANCZOS,
    "PyTorch, bilinear": Image.Resampling.BILINEAR,
}


def measure(settings: turns.Settings, images: int = 1024) -> dict:
    """Measure the stream that training reads, `images` a turn, and the drawing of faces.

    Where the source is "drawn", the photos are JPEGs made of drawn faces.

    Returns
    -------
    dict
        ``images_per_second`` of the stream, of one thread and of PyTorch's loader if there is one,
        the stream's ratios to the others, and ``drawn_per_second``.
    """
    drawn = settings.source == datasets.DRAWN
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        split = datasets.open_split(_draw_photos(folder) if drawn else settings.source, "glasses")
        return {
            "photos": "drawn faces as JPEG" if drawn else split.origin,
            **_reading(split, settings, images),
            "drawn_per_second": _drawing(folder, settings),
        }


def _draw_photos(folder: Path) -> Path:
    for seed in tqdm(range(100), "drawing photos", unit="face"):
        face = faces.draw_face(seed, celeba.CELEBA_SIZE[1], glasses=seed % 2 == 1)
        path = folder / datasets.SIDES[seed % 2] / f"{seed}.jpg"
        path.parent.mkdir(exist_ok=True)
        ImageOps.fit(Image.fromarray(face), celeba.CELEBA_SIZE).save(path, quality=90)
    return folder


def _reading(split: datasets.Split, settings: turns.Settings, images: int) -> dict:
    size, batch = settings.size, settings.batch
    for items in split.items.values():
        del items[200:]  # few enough to stay in memory, so that no disk is measured
    paths = [path for items in split.items.values() for path in items]
    batches = max(1, images // (2 * batch))
    count = 2 * batch * batches
    circle = itertools.cycle(paths)

    def one_thread():
        for path in itertools.islice(circle, count):
            pixels.to_unit(datasets.read_image(path, size))

    contestants = {
        "stream": _drain(iter(pairing.pair_stream(split, size, batch)), batches),
        "one thread": turns.seconds(one_thread),
    }
    result: dict = {}
    try:
        peer = turns.optional(*turns.PYTORCH)
        for name, resampling in FILTERS.items():
            loader = peer.photo_loader(paths, size, 2 * batch, resampling)
            contestants[name] = _drain(iter(loader), batches)
    except turns.Missing as error:
        result["pytorch"] = str(error)
    for run in contestants.values():
        run()
    samples = turns.take_turns(contestants, settings.rounds, "reading")
    ratios = {n: turns.ratio(samples[n], samples["stream"]) for n in samples if n != "stream"}
    return result | {
        "images_per_second": {name: turns.rate(taken, count) for name, taken in samples.items()},
        "ratio_to_one_thread": ratios.pop("one thread"),
        "ratio_to_pytorch": ratios or None,
    }


def _drain(batches: Iterator, count: int) -> Callable[[], float]:
    """Return a contestant that takes `count` batches, after those that were read ahead."""

    def run() -> float:
        deque(itertools.islice(batches, 6), maxlen=0)
        return turns.seconds(lambda: deque(itertools.islice(batches, count), maxlen=0))()

    return run


def _drawing(folder: Path, settings: turns.Settings) -> dict:
    split = datasets.open_split(datasets.DRAWN, "glasses", images=32)
    items = {item for items in split.items.values() for item in items}

    def all_cores():
        with contextlib.redirect_stderr(io.StringIO()):  # its own progress bar
            datasets.draw_ahead(split, settings.size, Path(tempfile.mkdtemp(dir=folder)))

    contestants = {
        "all cores": turns.seconds(all_cores),
        "one core": turns.seconds(lambda: [datasets.read_image(i, settings.size) for i in items]),
    }
    samples = turns.take_turns(contestants, settings.rounds, "drawing")
    return {name: turns.rate(taken, len(items)) for name, taken in samples.items()}


def show(result: dict) -> str:
    """Return the figures as text."""
    rows = [
        [f"{what}: {name}", turns.spread(figure, 0)]
        for what, key in (("photos read", "images_per_second"), ("faces drawn", "drawn_per_second"))
        for name, figure in result[key].items()
    ]
    ratios = {"one thread": result["ratio_to_one_thread"], **(result["ratio_to_pytorch"] or {})}
    lines = [turns.table(f"Images a second ({result['photos']})", ["", "images/s"], rows)]
    lines += [f"The stream: {turns.spread(r)} times the speed of {n}." for n, r in ratios.items()]
    return "\n".join([*lines, *([result["pytorch"]] if "pytorch" in result else [])])
