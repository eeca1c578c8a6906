"""`course.py bench web`: the page on live frames, beside other runtimes."""

import contextlib
import functools
import io
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from skimage import data

from helpers import networks
from helpers.errors import first_line
from helpers.export import quiet
from helpers.profiles import ROOT

from .. import server
from ..page import PageError, find_node, install
from . import turns

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
READY = "() => ['ready', 'problem'].includes(document.querySelector('main')?.dataset.state)"
BESIDE = ROOT / "web" / "bench"  # the other runtimes, and a page for them
CLOSE = 1e-4  # how far another runtime's residual may be from Keras', whose largest counts as 1
FIRST = 3  # frames of each turn that do not count
MODES = ("add", "remove", "invert")
PERIOD = 12  # frames after which the tracker's work repeats (web/src/follow.ts)
GOAL = 0.5  # of a page's frame, all of it, to ONNX Runtime's time for the paper's generator alone
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


def measure(
    settings: turns.Settings, frames: int = 2 * PERIOD, browser_path: str | None = None
) -> dict:
    """Measure the page on live frames beside other runtimes, in a browser without a window.

    What the page does with a whole frame takes turns with what the paper's generator alone takes in
    ONNX Runtime and in LiteRT.js, all on one WASM thread. A turn's time is the mean of `frames`
    frames, since the page looks for faces only in some of them. The browser is the one given, or
    Chromium or Chrome on PATH, or Playwright's own.

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
        If there is no browser, the page comes to no result, or a runtime to another than Keras.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        server.served(server.build_page(ROOT)) as address,
        server.served(BESIDE) as beside,
        _browser(browser_path, Path(name) / "face.mjpeg") as browser,
    ):
        others, contestants = _load_runtimes(browser, beside, frames)
        page = browser.new_context(service_workers="block").new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(LISTEN)
        page.goto(f"{address}/?backend=wasm")
        _wait(page, READY)
        ours = {mode: functools.partial(_look, page, mode, frames) for mode in MODES}
        taken = turns.take_turns(ours | contestants, settings.rounds, "the page and others")
        version = browser.version
    whole = {mode: [turn["all"] for turn in taken[mode]] for mode in MODES}
    for name in contestants:
        others[name]["milliseconds"] = turns.summary(taken[name])
    return {
        "backend": "wasm, one thread",
        "browser": f"Chromium {version}",
        "versions": json.loads((BESIDE / "package.json").read_text("utf-8"))["dependencies"],
        "milliseconds": {
            mode: {p: turns.summary([turn[p] for turn in taken[mode]]) for p in taken[mode][0]}
            for mode in MODES
        },
        "runtimes": others,
        "ratio": {
            name: {mode: turns.ratio(whole[mode], taken[name]) for mode in MODES}
            for name in contestants
        },
    }


def to_onnx(model: keras.Model) -> bytes:
    """Return a Keras model of fixed shapes as an ONNX model, by Keras' own export."""
    # The newest onnx that reads with the protobuf of this TensorFlow.
    turns.optional("tf2onnx", "converter to ONNX", "tf2onnx==1.17.0 onnx==1.22.0")
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.onnx"
        model.export(path, format="onnx", verbose=False)
        return path.read_bytes()


def to_tflite(model: keras.Model) -> bytes:
    """Return a Keras model of fixed shapes in the format of LiteRT, in float32."""
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()


def _load_runtimes(browser, address: str, frames: int) -> tuple[dict, dict[str, Callable]]:
    """Load the paper's generator into the other runtimes, in a page of theirs.

    Returns
    -------
    dict, dict
        By name how far each is ``apart`` from Keras, or why it is ``missing``; and a contestant for
        each that is not, which returns the milliseconds of an image.
    """
    converters = {"onnxruntime-web": to_onnx, "LiteRT.js": to_tflite}
    try:
        install(find_node(), BESIDE, "the runtimes to compare with")
    except PageError as error:
        return {name: {"missing": str(error)} for name in converters}, {}
    from playwright.sync_api import Error

    model, face, expected = _example()
    # Without the policy of our own page: the runtimes come with scripts that start scripts.
    page = browser.new_context(bypass_csp=True).new_page()
    page.set_default_timeout(120_000)
    files = {"image": face.tobytes()}
    page.route("**/data/*", lambda route: route.fulfill(body=files[Path(route.request.url).name]))
    page.goto(address)

    def look(name):
        taken = page.evaluate("([name, count]) => time(name, count)", [name, FIRST + frames])
        return statistics.mean(taken[FIRST:])

    found, contestants = {}, {}
    for name, convert in converters.items():
        try:
            files[name] = convert(model)
            residual = page.evaluate("([name, shape]) => load(name, shape)", [name, face.shape])
        except (turns.Missing, Error) as error:
            found[name] = {"missing": str(error)}
            continue
        # As a part of the largest: the paper's residual speaks in 1/127.5 of the range.
        apart = float(np.abs(np.array(residual) - expected).max() / np.abs(expected).max())
        if not apart <= CLOSE:
            raise turns.BenchError(
                f"On the same weights the residual of {name} is {apart:.2g} of the largest away "
                f"from Keras', where {CLOSE} is allowed: the two do not compute the same."
            )
        found[name], contestants[name] = {"apart": apart}, functools.partial(look, name)
    return found, contestants


def _example() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Return a generator of one image, an image, and the generator's residual for it, flat."""
    keras.utils.set_random_seed(0)
    generator = networks.paper_generator(128)
    rng = np.random.default_rng(0)
    # Biases and scales too are other than 0 and 1, or a slip with them would not show.
    generator.set_weights([w + rng.normal(0, 0.02, w.shape) for w in generator.get_weights()])
    image = keras.Input((128, 128, 3), batch_size=1, name="image")
    model = keras.Model(image, generator(image))
    face = rng.uniform(-1, 1, image.shape).astype("<f4")
    return model, face, model(face).numpy().ravel()


def _look(page, mode: str, frames: int) -> dict[str, float]:
    """Return the mean milliseconds of each stage of a mode's live frames."""
    page.locator(f"input[type=radio][value={mode}]").first.check()
    _wait(page, READY)  # its model may have to be loaded
    page.get_by_role("button", name="Use camera").click()
    page.evaluate("() => { window.seen.length = 0; }")
    _wait(page, "count => window.seen.length >= count", FIRST + frames)
    seen = page.evaluate("() => window.seen")[FIRST : FIRST + frames]
    page.get_by_role("button", name="Stop camera").click()  # or it would compute on
    return {part: statistics.mean(frame[part] for frame in seen) for part in seen[0]}


def _wait(page, until: str, value: object = None) -> None:
    """Wait for a JavaScript function to be true; it is no text, which the page's policy forbids."""
    from playwright.sync_api import TimeoutError as Waited

    try:
        page.wait_for_function(until, arg=value)
    except Waited as error:
        said = " ".join(page.locator(".notice").all_inner_texts()) or "nothing"
        message = f"The page did not come to a result in two minutes. It says: {said}"
        raise turns.BenchError(message) from error


@contextlib.contextmanager
def _browser(path: str | None, film: Path):
    """Start a browser without a window whose webcam shows the portrait of notebook 00, swaying."""
    playwright = turns.optional(
        "playwright.sync_api", "Playwright to drive a browser", "playwright"
    )
    portrait, jpegs = Image.fromarray(data.astronaut()).resize((480, 480)), io.BytesIO()
    for turn in np.linspace(0, 2 * np.pi, 90, endpoint=False):  # three seconds
        frame = Image.new("RGB", (640, 480), (150, 150, 150))
        frame.paste(portrait, (round(80 + 40 * np.sin(turn)), 0))
        frame.save(jpegs, "JPEG", quality=95)
    film.write_bytes(jpegs.getvalue())  # JPEGs one after another are a film
    flags = [*CAMERA, f"--use-file-for-fake-video-capture={film}"]
    path = path or next(filter(None, map(shutil.which, BROWSERS)), None)
    with playwright.sync_playwright() as running:
        try:
            browser = running.chromium.launch(executable_path=path, args=flags)
        except playwright.Error as error:
            raise turns.BenchError(
                f"No browser starts here: {first_line(error)}\nInstall "
                f"Chromium or Chrome, or:\n  {sys.executable} -m playwright install chromium"
            ) from error
        try:
            yield browser
        except playwright.Error as error:
            raise turns.BenchError(f"The page can't be measured: {first_line(error)}") from error
        finally:
            browser.close()


def show(result: dict) -> str:
    """Return the figures as text."""
    rows = []
    for mode, parts in result["milliseconds"].items():
        for part, figure in parts.items():
            share = f"{figure['median'] / parts['all']['median']:.0%}"
            name, share = ("from one to the next", "") if part == "next" else (part, share)
            rows.append([f"{mode}: {name}", turns.spread(figure, 1), share])
    title = f"A live frame of 640 x 480 on the page ({result['backend']}; {result['browser']})"
    lines = [turns.table(title, ["stage", "milliseconds", "of all"], rows), ""]
    rows, missing = [], []
    for name, found in result["runtimes"].items():
        if "missing" in found:
            rows.append([name, "not measured", *["-"] * (1 + len(MODES))])
            missing.append(f"{name} was not measured: {found['missing']}")
            continue
        figures = [turns.spread(found["milliseconds"], 1), f"{found['apart']:.0e}"]
        rows.append([name, *figures, *map(turns.spread, result["ratio"][name].values())])
    columns = ["", "milliseconds", "from Keras", *[f"our {mode}" for mode in MODES]]
    versions = ", ".join(" ".join(each) for each in result["versions"].items())
    title = f"The paper's generator alone, and our whole frame as a part of that ({versions})"
    lines += [turns.table(title, columns, rows), *missing]
    if goal := result["ratio"].get("onnxruntime-web"):
        worst = max(figure["median"] for figure in goal.values())
        lines.append(f"Goal: at most {GOAL} of onnxruntime-web's. Here: {worst:.2f}.")
    return "\n".join(lines)
