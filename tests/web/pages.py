"""What the tests of the page share: models that need no training, sites, and visits."""

import base64
import contextlib
import functools
import http.server
import io
import json
import shutil
import threading
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]

# Eyes and mouth of scikit-image's astronaut, a public-domain portrait of 512 x 512.
EYES_AND_MOUTH = np.array([[202.8, 100.8], [246.3, 103.0], [223.3, 145.5]])

FLAGS = [
    "--no-sandbox",  # root has no sandbox
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PATIENCE = 60_000  # ms; machines that build this are slow and busy


# --- Models that need no training -----------------------------------------------------------


def write_stand_in(folder, grey, size=128, styled=False):
    """Write a graph model, by hand, that paints two rings of one grey where glasses would be.

    If styled, a number makes that grey brighter or darker.
    """
    folder.mkdir(parents=True)
    y, x = np.mgrid[:size, :size]
    rings = [np.exp(-(((np.hypot(x - cx, y - 65.8) - 11) / 3) ** 2)) for cx in (50.1, 77.6)]
    mask = np.maximum(*rings)[None, :, :, None].astype("<f4")
    paint = np.full((1, 1, 1, 3), grey, "<f4")
    constants = {"mask": mask, "paint": paint}

    def shape(sides):
        return {"dim": [{"size": str(side)} for side in sides]}

    def end(name, sides=(1, size, size, 3)):
        return {
            f"{name}:0": {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": shape(sides)}
        }

    kind = {"type": "DT_FLOAT"}
    nodes = [{"name": "image", "op": "Placeholder", "attr": {"dtype": kind}}]
    for name, value in constants.items():
        tensor = {"tensor": {"dtype": "DT_FLOAT", "tensorShape": shape(value.shape)}}
        nodes.append({"name": name, "op": "Const", "attr": {"dtype": kind, "value": tensor}})
    paints, inputs = "paint", end("image")
    if styled:
        paints, inputs = "styled", {**end("style", (1, 1)), **inputs}
        nodes.append({"name": "style", "op": "Placeholder", "attr": {"dtype": kind}})
        added = {"name": "styled", "op": "AddV2", "input": ["paint", "style"], "attr": {"T": kind}}
        nodes.append(added)
    nodes.append({"name": "gap", "op": "Sub", "input": [paints, "image"], "attr": {"T": kind}})
    nodes.append({"name": "residual", "op": "Mul", "input": ["mask", "gap"], "attr": {"T": kind}})
    weights = [
        {"name": name, "shape": list(value.shape), "dtype": "float32"}
        for name, value in constants.items()
    ]
    model = {
        "format": "graph-model",
        "signature": {"inputs": inputs, "outputs": end("residual")},
        "modelTopology": {"node": nodes, "versions": {"producer": 1}},
        "weightsManifest": [{"paths": ["weights.bin"], "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(model))
    (folder / "weights.bin").write_bytes(mask.tobytes() + paint.tobytes())
    face = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    brighter = 0.25 if styled else 0
    residual = (mask * (paint + brighter - (face / 127.5 - 1)))[0].astype("<f4")
    check = {
        "size": size,
        "image": base64.b64encode(face.tobytes()).decode(),
        "output": base64.b64encode(residual.tobytes()).decode(),
        "tolerance": 0.02,
        **({"style": [brighter]} if styled else {}),
    }
    (folder / "check.json").write_text(json.dumps(check))


def write_stand_ins(models):
    shutil.rmtree(models, ignore_errors=True)
    entries = []
    for attribute in ("glasses", "hat"):
        for direction, grey in (("add", -0.9), ("remove", 0.7)):
            name = f"{attribute}-{direction}"
            styled = name == "glasses-add"
            write_stand_in(models / name, grey, styled=styled)
            entries.append(
                {
                    "attribute": attribute,
                    "direction": direction,
                    "path": f"{name}/model.json",
                    "size": 128,
                    "bytes": (models / name / "weights.bin").stat().st_size,
                    "parameters": 0,
                    "network": "two rings",
                    "data": "nothing",
                    "licence": "Apache-2.0",
                    **({"styles": ["shade"]} if styled else {}),
                }
            )
    (models / "manifest.json").write_text(json.dumps({"version": 1, "models": entries}))


# --- Sites, browsers, pages -----------------------------------------------------------------


@contextlib.contextmanager
def served_plainly(folder):
    """Serve a folder as any static host does, to whatever name it is called by."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def launch(playwright, *flags):
    from browser import find_browser

    return playwright.chromium.launch(executable_path=find_browser(), args=[*FLAGS, *flags])


class Visit:
    """An open page, everything that it asked for, and everything that it complained about."""

    def __init__(
        self, browser, address, query="?backend=wasm", prepare=lambda page: None, **context
    ):
        self.origin = address
        # A service worker would answer behind the back of `page.route`.
        options = {"service_workers": "block", "viewport": {"width": 1280, "height": 900}}
        self.context = browser.new_context(**options | context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.requests, self.errors = [], []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        prepare(self.page)
        self.page.goto(f"{address}/{query}")

    @property
    def data(self):
        return self.page.eval_on_selector("main", "main => ({...main.dataset})")

    def wait_for_result(self, after=0):
        """Wait for a result newer than number `after`; return what the page says about it."""
        # Looked at in one go: between two looks the page goes on.
        notice, data = self.page.wait_for_function(
            """after => {
                const main = document.querySelector("main");
                const { state, result, faces } = main.dataset;
                if (state === "problem" || (state === "ready" && result > after && faces > 0))
                    return [main.querySelector(".notice")?.innerText, { ...main.dataset }];
            }""",
            arg=after,
        ).json_value()
        assert notice is None, notice
        return data

    def problem(self):
        """Wait for a message; return its code and its text."""
        notice = self.page.locator(".notice")
        notice.wait_for()
        return notice.get_attribute("data-problem"), notice.inner_text()

    def wait_for_problem(self, code):
        """Wait for this message; return its text. Nothing may go on looking busy beside it."""
        notice = self.page.locator(f"[data-problem={code}]")
        notice.wait_for()
        self.page.wait_for_function("() => !document.querySelector('progress, .busy')")
        return notice.inner_text()

    def choose(self, name):
        before = int(self.data["result"])
        self.page.get_by_role("radio", name=name, exact=True).check()
        return self.wait_for_result(before)

    def use_camera(self, said="Live."):
        self.page.get_by_role("button", name="Use camera").click()
        self.page.get_by_text(said).wait_for()

    def upload(self, path):
        before = int(self.data.get("result", 0))
        self.page.set_input_files("input[type=file]", path)
        return before

    def picture(self, selector):
        """Return the pixels of a canvas, uint8 (height, width, 3)."""
        address = self.page.eval_on_selector(selector, "canvas => canvas.toDataURL()")
        png = base64.b64decode(address.split(",")[1])
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def before_and_after(self):
        return self.picture("canvas.before"), self.picture("canvas.after")

    def nothing_left(self):
        """Nothing was asked of any other machine, and the browser had nothing to complain about."""
        foreign = [
            url for url in self.requests if not url.startswith((self.origin, f"blob:{self.origin}"))
        ]
        assert foreign == [] and self.errors == []


def change_around_eyes(before, after, landmarks):
    """Return the mean change around the eyes, in grey levels, and the largest outside the crop."""
    from helpers import alignment

    transform = alignment.similarity(landmarks)
    height, width = before.shape[:2]
    points = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    x, y = np.moveaxis(points @ transform[:, :2].T + transform[:, 2], -1, 0)
    change = np.abs(after.astype(int) - before).max(axis=2)
    eyes = (abs(x - 63.8) < 30) & (abs(y - 65.8) < 16)
    # The page's landmarks may differ from ours by some pixels.
    outside = (abs(x - 63.5) > 74) | (abs(y - 63.5) > 74)
    assert eyes.sum() > 1000 and outside.sum() > 1000
    return change[eyes].mean(), change[outside].max()
