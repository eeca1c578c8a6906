"""How fast the course is on this machine: what `course.py bench` measures.

A figure by itself says more about the machine than about the course. So whatever is compared runs
side by side, in turns (A B A B ...), and what counts is the ratio of each turn.
"""

import contextlib
import functools
import io
import itertools
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from . import celeba, datasets, pairing, pixels, setup
from .errors import CourseError, first_line
from .files import write_text
from .profiles import ROOT

# What Keras calls them. A GPU trains in float16, a processor in bfloat16 if it has that.
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
SAME = 1e-3  # how far two stacks' losses may differ, as a share
MANY = 200_000  # about CelebA's number of photos


class BenchError(CourseError):
    """Something can't be measured; the message says why, and what to do."""


# --- taking turns ---------------------------------------------------------------------------


def take_turns(
    contestants: dict[str, Callable[[], float]], rounds: int, what: str = "measuring"
) -> dict[str, list[float]]:
    """Call all contestants in turn, `rounds` times; return what each call returned, in seconds."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    with tqdm(total=rounds * len(contestants), desc=what, unit="run") as bar:
        for _, (name, run) in itertools.product(range(rounds), contestants.items()):
            bar.set_postfix_str(name)
            samples[name].append(run())
            bar.update()
    return samples


def seconds(run: Callable[[], object]) -> Callable[[], float]:
    """Return a contestant: it runs `run` and returns how long that took."""

    def timed() -> float:
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    return timed


def summary(samples: list[float]) -> dict:
    """Return the median of samples, and the lowest and the highest as their spread."""
    return {
        "median": statistics.median(samples),
        "low": min(samples),
        "high": max(samples),
        "rounds": len(samples),
    }


def ratio(of: list[float], to: list[float]) -> dict:
    """Return the summary of the ratios ``of / to`` of each turn."""
    return summary([a / b for a, b in zip(of, to, strict=True)])


def scaled(samples: list[float], count: float) -> dict:
    """Return the summary of `count` in so many seconds, as a rate."""
    return summary([count / sample for sample in samples])


def spread(figure: dict, digits: int = 2) -> str:
    """Return a summary as text: the median, and in brackets the lowest and the highest."""
    return (
        f"{figure['median']:.{digits}f} ({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"
    )


def table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    """Return a table as text: the first column to the left, all others to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    texts = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]
    return "\n".join([title, texts[0], "-" * len(texts[0]), *texts[1:]])


def machine() -> dict:
    """Return what the figures were measured on."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    versions = {}
    for package in ("tensorflow", "keras", "torch", "pillow", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "processor": name,
        "cores": _cores(),
        "load_before": _load(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None  # Windows has none


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


# --- the training step ----------------------------------------------------------------------


def step_operations(models, recipe, batch: int) -> float:
    """Return the floating point operations of a train step, convolutions and dense layers only.

    A gradient costs as much as a forward pass for the weights, and once more for what came in.
    """
    from . import networks

    generator = networks.multiply_accumulates(models.generator_add)
    discriminator = networks.multiply_accumulates(models.discriminator)
    # Both ways alike: one generator forward and back to its weights for what it gives, and the
    # other for the way back, which learns too if both learn together. The discriminator's own
    # update sees four images a pair.
    through_generators = 2 * (3 + (3 if recipe.joint else 2))
    through_discriminator = 4 * 3 + 2 * (2 * 2 + bool(recipe.perceptual))
    each = through_generators * generator + through_discriminator * discriminator
    return 2.0 * batch * each


def train(rounds: int = 5, batch: int = 8, size: int = 128) -> dict:
    """Measure a train step of both networks, and the paper's in PyTorch if that is installed.

    On a GPU each step is also measured as XLA compiles it.

    Parameters
    ----------
    rounds : int
        How often each takes its turn.
    batch, size : int
        Images of each side in a step, and their side in pixels.

    Returns
    -------
    dict
        ``seconds`` of a step, ``pairs_per_second``, ``share_of_peak``, the peak itself in TFLOP/s,
        and for each precision ``ratio_to_pytorch``: how many times as fast the paper's fastest step
        is as PyTorch's fastest.

    Raises
    ------
    BenchError
        If both stacks' losses differ: what they compute must be the same.
    """
    import tensorflow as tf

    from . import metrics, peer, training

    rng = np.random.default_rng(0)
    without, with_ = rng.uniform(-1, 1, (2, batch, size, size, 3)).astype(np.float32)
    contestants: dict[str, Callable[[], float]] = {}
    operations, first_losses = {}, {}
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # of a GPU that is in use already
            tf.config.experimental.set_memory_growth(gpu, True)  # so that PyTorch finds some
    precisions = ("float32", "float16" if gpus else "bfloat16")
    ways = ("", ", XLA") if gpus else ("",)
    their_ways = [(norm, "") for norm in peer.NORMS]
    if gpus:  # compiled as well, where both norms are the same; on a processor that takes minutes
        their_ways.append((peer.NORMS[0], ", compiled"))

    def ours(network, precision, way):
        models = training.build_models(network, size, dtype=PRECISIONS[precision])
        recipe = training.RECIPES[network]
        region = metrics.region_mask("Eyeglasses", size)
        step = training.make_train_step(
            models, training.make_optimizers(models, recipe), recipe, region, xla=bool(way)
        )

        def run():
            report = step(tf.constant(without), tf.constant(with_), tf.constant([0, 0]))
            # One number to fetch, which waits for the end.
            values = tf.stack(list(report.values())).numpy()
            return dict(zip(report, map(float, values), strict=True))

        operations[f"{network} {precision}{way}"] = step_operations(models, recipe, batch)
        return models, run

    def product(precision):
        side = 1024 if size < 128 else 8192 if gpus else 4096
        matrix = tf.cast(tf.random.normal((side, side)), precision)
        operations[f"matrix product {precision}"] = 2.0 * side**3
        multiply = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
        return lambda: float(multiply())

    missing = None
    for precision in precisions:
        runs = {}
        for network, way in itertools.product(training.RECIPES, ways):
            models, runs[f"{network} {precision}{way}"] = ours(network, precision, way)
            if network == "paper" and not way:
                try:
                    recipe = training.RECIPES[network]
                    for norm, their_way in their_ways:
                        step = peer.paper_step(models, recipe, precision, norm, bool(their_way))
                        name = f"PyTorch paper {precision}, {norm} norm{their_way}"
                        runs[name] = functools.partial(step, without, with_)
                except peer.NoPeer as error:
                    missing = str(error)
        runs[f"matrix product {precision}"] = product(precision)
        for name, run in tqdm(runs.items(), desc=f"first steps in {precision}", unit="run"):
            first_losses[name] = run()
            contestants[name] = seconds(run)

    apart = _apart(first_losses)
    for run in contestants.values():
        run()  # the first step of all compiled, or chose its kernels
    samples = take_turns(contestants, rounds, "training steps")

    peaks = {p: 1 / min(samples[f"matrix product {p}"]) for p in precisions}
    peaks = {p: peak * operations[f"matrix product {p}"] for p, peak in peaks.items()}
    result: dict = {
        "batch": batch,
        "size": size,
        "device": setup.device_names(),
        "peak_teraflops": {p: peak / 1e12 for p, peak in peaks.items()},
        "seconds": {},
        "pairs_per_second": {},
        "share_of_peak": {},
        "gigaflop_per_pair": {},
        "ratio_to_pytorch": None,
    }
    for name, steps in samples.items():
        if name.startswith("matrix"):
            continue
        precision = next(p for p in precisions if p in name)
        count = operations.get(name) or operations[f"paper {precision}"]
        result["seconds"][name] = summary(steps)
        result["pairs_per_second"][name] = scaled(steps, batch)
        result["share_of_peak"][name] = count / statistics.median(steps) / peaks[precision]
        result["gigaflop_per_pair"][name] = count / batch / 1e9
    if missing:
        result["pytorch"] = missing
    else:
        result["losses_apart"] = apart
        result["ratio_to_pytorch"] = {}
        for precision in precisions:
            fastest = [
                min((s for n, s in samples.items() if n.startswith(start)), key=statistics.median)
                for start in (f"PyTorch paper {precision}", f"paper {precision}")
            ]
            result["ratio_to_pytorch"][precision] = ratio(*fastest)
    return result


def _apart(losses: dict[str, dict[str, float]]) -> float | None:
    """Return how far PyTorch's float32 losses are from ours in the first step, as a share."""
    theirs = [of for name, of in losses.items() if name.startswith("PyTorch paper float32")]
    ours = losses["paper float32"]
    apart = [abs(each[name] / ours[name] - 1) for each in theirs for name in ours]
    if apart and not max(apart) <= SAME:
        raise BenchError(
            f"PyTorch's losses are {max(apart):.2g} of their size away from ours in the first step "
            f"on the same weights, where {SAME} is allowed: the two do not compute the same. "
            f"Ours: {ours}. Theirs: {theirs}."
        )
    return max(apart, default=None)


def show_train(result: dict) -> str:
    rows = []
    for name, figure in result["seconds"].items():
        rate = result["pairs_per_second"][name]
        share = f"{result['share_of_peak'][name]:.0%}"
        rows.append([name, spread(figure), f"{rate['median']:.2f}", share])
    title = f"A train step of {result['batch']} pairs at {result['size']} px ({result['device']})"
    columns = ["", "seconds", "pairs/s", "of peak"]
    peaks = ", ".join(f"{p} {peak:.2f}" for p, peak in result["peak_teraflops"].items())
    lines = [table(title, columns, rows), f"Peak of a matrix product, in TFLOP/s: {peaks}."]
    if result["ratio_to_pytorch"] is None:
        lines.append(result["pytorch"])
    else:
        for precision, figure in result["ratio_to_pytorch"].items():
            lines.append(f"Paper's step in {precision}: {spread(figure)} times PyTorch's speed.")
        lines.append(f"Losses of the first step differ by at most {result['losses_apart']:.1e}.")
    return "\n".join(lines)


# --- the data -------------------------------------------------------------------------------


def data(
    rounds: int = 5,
    batch: int = 8,
    size: int = 128,
    source: str | None = None,
    *,
    images: int = 1024,
    many: int = MANY,
) -> dict:
    """Measure the stream that training reads, the start of it, its memory, and the drawing.

    Parameters
    ----------
    source : str or None
        A folder in CelebA's format; without one, JPEGs are made of drawn faces.
    images : int
        How many are read in each turn.
    many : int
        Photos in the large set of hard links; the small one has 1,000, or as many if fewer.

    Returns
    -------
    dict
        ``images_per_second`` of the stream, of one thread and of PyTorch's loader if there is one,
        ``start`` and ``memory`` of both sets, and ``drawn_per_second``.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        photos = _sample_photos(folder / "photos", source)
        result: dict = {"photos": "CelebA" if _is_celeba(source) else "drawn faces as JPEG"}
        result |= _reading(photos, folder / "few", rounds, batch, size, images)
        result |= _starting(photos, folder, min(rounds, 3), batch, size, many)
        result["drawn_per_second"] = _drawing(folder, rounds, size)
    return result


def _is_celeba(source: str | None) -> bool:
    return source not in (None, datasets.DRAWN)


def _sample_photos(folder: Path, source: str | None, count: int = 400) -> list[Path]:
    """Copy some photos of CelebA into a folder, or draw faces there, in CelebA's shape."""
    folder.mkdir()
    paths = []
    if _is_celeba(source):
        split = datasets.open_split(source, "glasses")
        sides = zip(*(split.items["train", side] for side in datasets.SIDES), strict=False)
        for item in itertools.islice(itertools.chain.from_iterable(sides), count):
            paths.append(folder / item.name)
            with pixels.open_file(item) as file:
                paths[-1].write_bytes(file.read())
        return paths
    from .drawn import faces

    width, height = celeba.CELEBA_SIZE
    left = (height - width) // 2
    for seed in tqdm(range(count // 4), desc="drawing photos", unit="face"):
        face = Image.fromarray(faces.draw_face(seed, height, glasses=seed % 2 == 1))
        paths.append(folder / f"{seed:06d}.jpg")
        face.crop((left, 0, left + width, height)).save(paths[-1], quality=90)
    return paths


def write_linked(folder: Path, photos: list[Path], count: int) -> Path:
    """Write a folder in CelebA's format whose `count` photos are hard links to a few."""
    place = folder / "img_align_celeba"
    place.mkdir(parents=True)
    columns = ["Eyeglasses", *pairing.CONFOUNDERS]
    columns = list(dict.fromkeys(columns))
    columns += [f"Column_{i}" for i in range(40 - len(columns))]
    values = np.random.default_rng(0).choice(["-1", " 1"], (1000, 40))
    texts = [" ".join(row) for row in values]
    lines = [str(count), " ".join(columns)]
    for i in range(count):
        name = f"{i + 1:06d}.jpg"
        os.link(photos[i % len(photos)], place / name)
        lines.append(f"{name} {texts[i % len(texts)]}")
    write_text(folder / "list_attr_celeba.txt", "\n".join(lines) + "\n")
    return folder


def _reading(photos, folder, rounds, batch, size, images) -> dict:
    from .peer import NoPeer

    split = datasets.open_split(write_linked(folder, photos, len(photos)), "glasses")
    paths = [path for items in split.items.values() for path in items]
    batches = max(1, images // (2 * batch))
    count = 2 * batch * batches
    circle = itertools.cycle(paths)

    def one_thread():
        for _ in range(count):
            pixels.to_unit(datasets.read_image(next(circle), size))

    contestants = {
        "stream": _drain(iter(pairing.pair_stream(split, size, batch)), batches),
        "one thread": seconds(one_thread),
    }
    missing = None
    try:
        for name, filter_ in FILTERS.items():
            loader = iter(_torch_loader(paths, size, 2 * batch, filter_))
            contestants[name] = _drain(loader, batches)
    except NoPeer as error:
        missing = str(error)
    for run in contestants.values():
        run()
    samples = take_turns(contestants, rounds, "reading")
    result = {
        "images_per_second": {name: scaled(taken, count) for name, taken in samples.items()},
        "ratio_to_one_thread": ratio(samples["one thread"], samples["stream"]),
        "ratio_to_pytorch": None,
    }
    if missing:
        return {**result, "pytorch": missing}
    ratios = {name: ratio(samples[name], samples["stream"]) for name in FILTERS}
    return {**result, "ratio_to_pytorch": ratios}


def _drain(batches: Iterator, count: int, ahead: int = 6) -> Callable[[], float]:
    """Return a contestant that takes `count` batches, after those that were read ahead."""

    def run() -> float:
        for _ in range(ahead):
            next(batches)
        began = time.perf_counter()
        for _ in range(count):
            next(batches)
        return time.perf_counter() - began

    return run


# The course scales with Lanczos, torchvision as a rule with the cheaper bilinear filter.
FILTERS = {
    "PyTorch, same pixels": Image.Resampling.LANCZOS,
    "PyTorch, bilinear": Image.Resampling.BILINEAR,
}


def _torch_loader(paths: list[Path], size: int, batch: int, filter_: Image.Resampling):
    """Return PyTorch's loader with two workers."""
    from . import peer

    torch = peer.find_torch()
    photos = _TorchPhotos(list(map(str, paths)), size, filter_)
    return torch.utils.data.DataLoader(photos, batch_size=batch, num_workers=2, drop_last=True)


class _TorchPhotos:
    """A map-style dataset that does what torchvision's usual transforms do, one after another.

    Crop, Resize, ToTensor and Normalize to [-1, 1]; flips cost nothing to speak of.
    """

    def __init__(self, paths: list[str], size: int, filter_: Image.Resampling):
        self.paths, self.size, self.filter = paths, size, filter_

    def __len__(self) -> int:
        return 1 << 30  # round and round

    def __getitem__(self, index: int):
        import torch

        with Image.open(self.paths[index % len(self.paths)]) as image:
            image = pixels.square_crop(image.convert("RGB"))
        image = image.resize((self.size, self.size), self.filter)
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return tensor.to(torch.float32).div(255).sub(0.5).div(0.5)


def _starting(photos, folder, rounds, batch, size, many) -> dict:
    """Measure, each in a process of its own, the first batch of a small and of a large set."""
    sets = {}
    for count in sorted({min(1000, many), many}):
        print(f"Linking {count:,} photos...", file=sys.stderr)
        sets[count] = write_linked(folder / f"links-{count}", photos, count)
    figures: dict[int, list[dict]] = {count: [] for count in sets}

    def probe(count):
        figures[count].append(in_new_process(_probe, str(sets[count]), size, batch))
        return figures[count][-1]["first_batch"]

    take_turns(
        {f"{count:,} photos": lambda count=count: probe(count) for count in sets},
        rounds,
        "starting",
    )
    start, memory = {}, {}
    for count, samples in figures.items():
        start[str(count)] = {
            part: summary([s[part] for s in samples]) for part in ("open", "first_batch")
        }
        if samples[0]["megabytes"] is not None:
            memory[str(count)] = summary([s["megabytes"] for s in samples])
    return {"start": start, "memory": memory}


def in_new_process(function: Callable, *arguments):
    """Call a function of a module in a process of its own, and return what it returned."""
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context, initializer=setup.load_tensorflow) as pool:
            return pool.submit(function, *arguments).result()
    except BrokenProcessPool as error:
        raise BenchError(
            "The system ended a process that measured, perhaps for want of memory. Try a smaller "
            "--batch or --size."
        ) from error


def _probe(folder: str, size: int, batch: int) -> dict:
    import tensorflow as tf

    tf.constant(0)  # wakes TensorFlow up, which is not what is measured
    began = time.perf_counter()
    split = datasets.open_split(folder, "glasses")
    opened = time.perf_counter()
    stream = iter(pairing.pair_stream(split, size, batch))
    next(stream)
    there = time.perf_counter()
    for _ in range(20):
        next(stream)
    return {"open": opened - began, "first_batch": there - opened, "megabytes": _peak_memory()}


def _peak_memory() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _drawing(folder: Path, rounds: int, size: int, people: int = 32) -> dict:
    from .drawn import faces

    split = datasets.open_split(datasets.DRAWN, "glasses", images=people)
    items = {item for items in split.items.values() for item in items}
    numbers = itertools.count()

    def all_cores() -> float:
        cache = folder / f"cache-{next(numbers)}"
        began = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):  # its own progress bar
            datasets.draw_ahead(split, size, cache)
        return (time.perf_counter() - began) / len(items)

    def one_core() -> float:
        began = time.perf_counter()
        for seed in range(people):
            faces.draw_face(seed, size, glasses=True)
        return (time.perf_counter() - began) / people

    samples = take_turns({"all cores": all_cores, "one core": one_core}, rounds, "drawing")
    return {name: scaled(taken, 1) for name, taken in samples.items()}


def show_data(result: dict) -> str:
    rows = [
        [f"photos read: {name}", spread(figure, 0)]
        for name, figure in result["images_per_second"].items()
    ]
    rows += [
        [f"faces drawn: {name}", spread(figure, 0)]
        for name, figure in result["drawn_per_second"].items()
    ]
    lines = [table(f"Images a second ({result['photos']})", ["", "images/s"], rows)]
    lines.append(f"The stream: {spread(result['ratio_to_one_thread'])} times one thread's speed.")
    for name, figure in (result["ratio_to_pytorch"] or {}).items():
        lines.append(f"The stream: {spread(figure)} times the speed of {name}.")
    if not result["ratio_to_pytorch"]:
        lines.append(result["pytorch"])
    rows = []
    for count, parts in result["start"].items():
        memory = result["memory"].get(count)
        rows.append(
            [
                f"{int(count):,}",
                spread(parts["open"]),
                spread(parts["first_batch"]),
                spread(memory, 0) if memory else "not known",
            ]
        )
    columns = ["photos", "to open, s", "to the first batch, s", "memory, MB"]
    return "\n".join(lines) + "\n\n" + table("The start, and memory", columns, rows)


# --- the page -------------------------------------------------------------------------------

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_FLAGS = (
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
READY = "() => ['ready', 'problem'].includes(document.querySelector('main')?.dataset.state)"
STAGES = ("detect", "align", "edit", "composite")
BESIDE = ROOT / "web" / "bench"  # the other runtimes, and a page for them
FIRST = 3  # frames of each turn that do not count
MODES = ("add", "remove", "invert")
PERIOD = 12  # frames after which the tracker's work repeats (web/src/follow.ts)
GOAL = 0.5  # of a page's frame, all of it, to ONNX Runtime's time for the paper's generator alone
CLOSE = 1e-4  # how far another runtime's residual may be from Keras', whose largest counts as 1
# The page's worker says how long each stage took; this listens in, and takes the time from the
# question to the answer, and from one answer to the next.
LISTEN = """
window.seen = [];
window.Worker = class extends Worker {
    #asked = new Map();
    #last = 0;
    constructor(...parameters) {
        super(...parameters);
        this.addEventListener("message", ({ data }) => {
            const took = data?.result?.milliseconds;
            if (!took || !data.result.directions?.length) return;
            const now = performance.now();
            seen.push({ ...took, all: now - this.#asked.get(data.id), next: now - this.#last });
            this.#last = now;
        });
    }
    postMessage(message, ...rest) {
        this.#asked.set(message.id, performance.now());
        super.postMessage(message, ...rest);
    }
};
"""


def web(rounds: int = 5, frames: int = 2 * PERIOD, browser_path: str | None = None) -> dict:
    """Measure the page on live frames beside other runtimes, in a browser without a window.

    What the page does with a whole frame takes turns with what the paper's generator alone takes in
    ONNX Runtime and in LiteRT.js, all on one WASM thread. Each turn's time is the mean of `frames`
    frames, since the page looks for faces only in some of them; the first of each turn are left
    out. The browser is the one given, or Chromium or Chrome on PATH, or Playwright's own.

    Returns
    -------
    dict
        ``milliseconds`` by mode of each stage, of a frame in ``all``, and from one frame to the
        ``next``, which waits for the camera and draws; ``runtimes`` by name, with ``milliseconds``
        and how far ``apart`` from Keras they are, or why they are ``missing``; and ``ratio`` by
        runtime and mode: what part of its time our frame takes.

    Raises
    ------
    BenchError
        If there is no browser, the page says that something is wrong, or a runtime computes
        something else than Keras.
    """
    from tooling import server

    samples: dict[str, list[dict]] = {mode: [] for mode in MODES}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        server.served(server.build_page(ROOT)) as address,
        server.served(BESIDE) as beside,
        _browser(browser_path, Path(name) / "face.mjpeg") as browser,
    ):
        runtimes, contestants = _open_runtimes(browser, beside, frames)
        page = browser.new_context(service_workers="block").new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(LISTEN)
        page.goto(f"{address}/?backend=wasm")
        _wait(page, READY)

        def look(mode):
            page.locator(f"input[type=radio][value={mode}]").first.check()
            _wait(page, READY)  # its model may have to be loaded
            page.get_by_role("button", name="Use camera").click()
            seen = _frames(page, frames)
            page.get_by_role("button", name="Stop camera").click()  # or it would compute on
            parts = {part: statistics.mean(frame[part] for frame in seen) for part in seen[0]}
            samples[mode].append(parts)
            return parts["all"] / 1000

        taken = take_turns(
            {mode: functools.partial(look, mode) for mode in MODES} | contestants,
            rounds,
            "the page and others",
        )
    for name in contestants:
        runtimes[name]["milliseconds"] = summary([1000 * each for each in taken[name]])
    return {
        "backend": "wasm, one thread",
        "browser": f"Chromium {browser.version}",
        "cores": _cores(),
        "load": _load(),
        "versions": json.loads((BESIDE / "package.json").read_text("utf-8"))["dependencies"],
        "milliseconds": {
            mode: {part: summary([turn[part] for turn in turns]) for part in turns[0]}
            for mode, turns in samples.items()
        },
        "runtimes": runtimes,
        "ratio": {
            name: {mode: ratio(taken[mode], taken[name]) for mode in MODES} for name in contestants
        },
    }


def _open_runtimes(browser, address: str, frames: int) -> tuple[dict, dict[str, Callable]]:
    """Load the paper's generator into other runtimes, in a page of theirs.

    Returns
    -------
    dict, dict
        By name how far each is ``apart`` from Keras, or why it is ``missing``; and a contestant for
        each that is not.
    """
    import keras
    from playwright.sync_api import Error

    from tooling.page import PageError, find_node, install

    from . import networks, peer

    converters = {"onnxruntime-web": peer.to_onnx, "LiteRT.js": peer.to_tflite}
    try:
        say = functools.partial(print, file=sys.stderr)
        install(find_node(), BESIDE, "the runtimes to compare with", say)
    except PageError as error:
        return {name: {"missing": str(error)} for name in converters}, {}

    keras.utils.set_random_seed(0)
    generator = networks.paper_generator(128)
    rng = np.random.default_rng(0)
    # Biases and scales too are other than 0 and 1, or a slip with them would not show.
    generator.set_weights([w + rng.normal(0, 0.02, w.shape) for w in generator.get_weights()])
    image = keras.Input((128, 128, 3), batch_size=1, name="image")
    model = keras.Model(image, generator(image))
    face = rng.uniform(-1, 1, image.shape).astype("<f4")
    expected = model(face).numpy().ravel()

    # Without the policy of our own page: the runtimes come with scripts that start scripts.
    page = browser.new_context(bypass_csp=True).new_page()
    page.set_default_timeout(120_000)
    files = {"image": face.tobytes()}
    page.route("**/data/*", lambda route: route.fulfill(body=files[Path(route.request.url).name]))
    page.goto(address)

    def look(name):
        taken = page.evaluate("([name, count]) => time(name, count)", [name, frames + FIRST])
        return statistics.mean(taken[FIRST:]) / 1000

    found: dict[str, dict] = {}
    for name, convert in converters.items():
        try:
            files[name] = convert(model)
            residual = page.evaluate("([name, shape]) => load(name, shape)", [name, face.shape])
        except (peer.NoPeer, Error) as error:
            found[name] = {"missing": str(error)}
            continue
        # As a part of the largest: the paper's residual speaks in 1/127.5 of the range.
        apart = np.abs(np.array(residual) - expected).max() / np.abs(expected).max()
        found[name] = {"apart": float(apart)}
        if not apart <= CLOSE:
            raise BenchError(
                f"On the same weights the residual of {name} is {apart:.2g} of the largest away "
                f"from Keras', where {CLOSE} is allowed: the two do not compute the same."
            )
    present = [name for name in found if "apart" in found[name]]
    return found, {name: functools.partial(look, name) for name in present}


@contextlib.contextmanager
def _browser(path: str | None, film: Path):
    """Start a browser without a window whose webcam shows the portrait of notebook 00, swaying."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise BenchError(
            f"The page is measured with Playwright, which is not here: {error}. To add it:\n"
            f"  {sys.executable} -m pip install playwright"
        ) from error
    from skimage import data

    portrait, jpegs = Image.fromarray(data.astronaut()).resize((480, 480)), io.BytesIO()
    for turn in np.linspace(0, 2 * np.pi, 90, endpoint=False):  # three seconds
        frame = Image.new("RGB", (640, 480), (150, 150, 150))
        frame.paste(portrait, (round(80 + 40 * np.sin(turn)), 0))
        frame.save(jpegs, "JPEG", quality=95)
    film.write_bytes(jpegs.getvalue())  # JPEGs one after another are a film
    flags = [*BROWSER_FLAGS, f"--use-file-for-fake-video-capture={film}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # root has no sandbox
    with sync_playwright() as running:
        path = path or next(filter(None, map(shutil.which, BROWSERS)), None)
        try:
            browser = running.chromium.launch(executable_path=path, args=flags)
        except Error as error:
            raise BenchError(
                f"No browser starts here: {first_line(error)}\nInstall "
                f"Chromium or Chrome, or:\n  {sys.executable} -m playwright install chromium"
            ) from error
        try:
            yield browser
        except Error as error:
            raise BenchError(f"The page can't be measured: {first_line(error)}") from error
        finally:
            browser.close()


def _frames(page, count: int) -> list[dict]:
    page.evaluate("() => { window.seen.length = 0; }")
    _wait(page, "count => window.seen.length >= count", count + FIRST)
    return page.evaluate(
        "([first, last]) => window.seen.slice(first, last)", [FIRST, count + FIRST]
    )


def _wait(page, until: str, value: object = None) -> None:
    """Wait for a JavaScript function to be true; it is no text, which the page's policy forbids."""
    from playwright.sync_api import TimeoutError as Waited

    try:
        page.wait_for_function(until, arg=value)
    except Waited as error:
        notices = page.locator(".notice")
        said = notices.first.inner_text() if notices.count() else "nothing"
        message = f"The page did not come to a result in two minutes. It says: {said}"
        raise BenchError(message) from error


def show_web(result: dict) -> str:
    rows = []
    for mode, parts in result["milliseconds"].items():
        whole = parts["all"]["median"]
        for part, figure in parts.items():
            name = "from one to the next" if part == "next" else part
            share = "" if part == "next" else f"{figure['median'] / whole:.0%}"
            rows.append([f"{mode}: {name}", spread(figure, 1), share])
    title = f"A live frame of 640 x 480 on the page ({result['backend']}; {result['browser']})"
    lines = [table(title, ["stage", "milliseconds", "of all"], rows), ""]
    rows, missing = [], []
    for name, found in result["runtimes"].items():
        if "missing" in found:
            rows.append([name, "not measured", *["-"] * (1 + len(MODES))])
            missing.append(f"{name} was not measured: {found['missing']}")
            continue
        ratios = [spread(result["ratio"][name][mode]) for mode in MODES]
        rows.append([name, spread(found["milliseconds"], 1), f"{found['apart']:.0e}", *ratios])
    columns = ["", "milliseconds", "from Keras", *[f"our {mode}" for mode in MODES]]
    versions = ", ".join(" ".join(each) for each in result["versions"].items())
    title = f"The paper's generator alone, and our whole frame as a part of that ({versions})"
    lines += [table(title, columns, rows), *missing]
    if goal := result["ratio"].get("onnxruntime-web"):
        worst = max(figure["median"] for figure in goal.values())
        lines.append(f"Goal: at most {GOAL} of onnxruntime-web's. Here: {worst:.2f}.")
    if result["load"] and result["load"] > result["cores"]:
        lines.append(
            f"The load was {result['load']} on {result['cores']} cores. A page rests between "
            "frames, so it gets more of a busy processor than what computes on and on: these "
            "ratios flatter it."
        )
    return "\n".join(lines)


# --- several devices ------------------------------------------------------------------------


def scale(rounds: int = 5, batch: int = 8, size: int = 128) -> dict:
    """Measure one step on one logical processor against the same step on two.

    Both share the same cores, so that the ratio shows what TensorFlow's distribution costs, not
    what a second machine gains; notebook 12 works that out.

    Returns
    -------
    dict
        ``seconds`` of both, ``ratio`` of their speeds, and ``losses_apart``: by how much, as a
        share, the losses of the same global batches differ at most.
    """
    if batch < 2:
        raise BenchError("Two devices share a batch: give a --batch of 2 or more.")
    return in_new_process(_scale, rounds, batch - batch % 2, size)


def _scale(rounds: int, batch: int, size: int) -> dict:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    losses: dict[str, list[float]] = {"one device": [], "two devices": []}
    steps = {
        "one device": _distributed_step(["CPU:0"], images),
        "two devices": _distributed_step(["CPU:0", "CPU:1"], images),
    }

    def run(name):
        losses[name].append(float(steps[name]()))

    contestants = {name: seconds(lambda name=name: run(name)) for name in steps}
    for contestant in contestants.values():
        contestant()
    samples = take_turns(contestants, rounds, "one device and two")
    one, two = losses.values()
    return {
        "batch": batch,
        "size": size,
        "seconds": {name: summary(taken) for name, taken in samples.items()},
        "ratio": ratio(samples["one device"], samples["two devices"]),
        "losses_apart": max(abs(a / b - 1) for a, b in zip(one, two, strict=True)),
    }


def _distributed_step(devices: list[str], images: np.ndarray) -> Callable:
    """Return a step of the paper's generator on some devices: it learns to return its image."""
    import keras
    import tensorflow as tf

    from . import networks

    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = networks.paper_generator(images.shape[1])
        optimizer = keras.optimizers.Adam(1e-4)
        optimizer.build(model.trainable_variables)
    parts = np.split(images, len(devices))
    share = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )

    def replica_step(part):
        with tf.GradientTape() as tape:
            off = tf.reduce_sum(tf.square(model(part, training=True) - part))
            loss = off / images.size  # of the whole batch, since the gradients are added up
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @tf.function
    def step(part):
        return strategy.reduce("SUM", strategy.run(replica_step, (part,)), axis=None)

    return lambda: step(share)


def show_scale(result: dict) -> str:
    rows = [[name, spread(figure, 3)] for name, figure in result["seconds"].items()]
    title = f"A step of {result['batch']} images at {result['size']} px on the same cores"
    return "\n".join(
        [
            table(title, ["", "seconds"], rows),
            f"Two devices: {spread(result['ratio'])} times the speed of one.",
            f"Their losses differ by at most {result['losses_apart']:.1e}.",
        ]
    )


# --- all together ---------------------------------------------------------------------------

BENCHES = ("train", "data", "web", "scale")


def run(
    names: list[str],
    *,
    rounds: int,
    batch: int,
    size: int,
    source: str | None,
    report: Callable[[str], None],
    out: Path | None = None,
) -> dict:
    """Run some of the `BENCHES`, print a table of each, and write all as JSON to `out`.

    What has been measured is written after each of them, so that a break loses one at most.

    Raises
    ------
    CourseError
        If something can't be measured, or `out` not be written (which is tried first).
    """
    if size % 8:
        raise BenchError(f"The networks halve the image: give a --size that 8 divides, not {size}.")
    results: dict = {"machine": machine()}

    def write():
        if out:
            write_text(out, json.dumps(results, indent=2) + "\n")

    write()
    load, cores = results["machine"]["load_before"], results["machine"]["cores"]
    if load is not None and load > cores / 4:
        report(f"This machine is busy (load {load} on {cores} cores): expect rough figures.")
    runs = {
        "train": lambda: train(rounds, batch, size),
        "data": lambda: data(rounds, batch, size, source),
        "web": lambda: web(rounds),
        "scale": lambda: scale(rounds, batch, size),
    }
    show = {"train": show_train, "data": show_data, "web": show_web, "scale": show_scale}
    for name in names:
        results[name] = runs[name]()
        report(f"\n{show[name](results[name])}")
        write()
    return results
