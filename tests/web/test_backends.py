"""What computes: every backend the same, and the next one where a GPU is none, wrong or lost."""

import contextlib
import re

import pytest
from pages import PATIENCE, launch

pytestmark = pytest.mark.slow


def test_imitated_gpus_are_passed_over(site, visit):
    """This browser has no GPU, so of all backends WASM is the first that is fast and right."""
    visited = visit(site, query="")
    assert visited.wait_for_result()["backend"] == "wasm"
    assert not [error for error in visited.errors if "Content Security" in error]


@pytest.mark.parametrize("backend", ["webgpu", "webgl", "cpu"])
def test_other_backends_compute_the_same(site, visit, playwright, backend):
    """On an imitated GPU, which the page takes only because its address insists on it."""
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    with contextlib.closing(launch(playwright, *flags)) as other:
        visited = visit(site, query=f"?backend={backend}", browser=other)
        visited.page.set_default_timeout(4 * PATIENCE)
        if backend == "webgpu":  # whose imitation takes half a minute to find a face
            visited.page.wait_for_selector("main[data-difference]")
        else:
            assert visited.wait_for_result()["faces"] == "1"
        assert visited.data["backend"] == backend
        assert float(visited.data["difference"]) < 1e-3
        visited.nothing_left()


# The worker's WebGL, imitated in software as it is here, says that it is a graphics card.
PRETEND = """
const getContext = OffscreenCanvas.prototype.getContext;
self.contexts = [];
OffscreenCanvas.prototype.getContext = function (kind, options) {
    if (!kind.startsWith("webgl")) return getContext.call(this, kind, options);
    const slowToo = { ...options, failIfMajorPerformanceCaveat: false };
    const context = getContext.call(this, kind, slowToo);
    contexts.push(context);
    return context;
};
const getParameter = WebGL2RenderingContext.prototype.getParameter;
WebGL2RenderingContext.prototype.getParameter = function (what) {
    const value = getParameter.call(this, what);
    return typeof value === "string" && /swiftshader/i.test(value) ? "A card" : value;
};
"""
# One that draws nothing, and so computes zeros.
WRONG = PRETEND + "WebGL2RenderingContext.prototype.drawElements = () => {};"
LOSE = "contexts.at(-1).getExtension('WEBGL_lose_context').loseContext()"


def with_worker(script):
    """Return what prepares a page to run a script before its worker's own."""

    def answer(route):
        response = route.fetch()
        route.fulfill(response=response, body=script + response.text())

    return lambda page: page.route("**/assets/worker-*.js", answer)


def test_backend_that_computes_wrong_numbers_is_passed_over(site, visit):
    visited = visit(site, query="", prepare=with_worker(WRONG))
    assert visited.wait_for_result()["backend"] == "wasm"
    visited.page.get_by_text("See inside").click()
    visited.page.get_by_text("webgl: the self-test is off by").wait_for()


def test_a_backend_that_was_never_fetched_is_no_fault_of_the_browser(site, visit, page_folder):
    (worker,) = (page_folder / "assets").glob("worker-*.js")
    parts = re.findall(r"\bimport\([`'\"]\./([^`'\"]+)", worker.read_text("utf-8"))
    assert len(parts) == 4  # a part for each
    away = re.compile("|".join(map(re.escape, parts)))
    visited = visit(site, prepare=lambda page: page.route(away, lambda route: route.abort()))
    assert "wasm" in visited.wait_for_problem("offline")


@pytest.mark.parametrize("live", [False, True])
def test_lost_gpu_is_replaced_by_the_next_backend(site, visit, live):
    visited = visit(site, query="", prepare=with_worker(PRETEND))
    visited.page.set_default_timeout(4 * PATIENCE)
    assert visited.wait_for_result()["backend"] == "webgl"
    if live:
        visited.page.get_by_role("button", name="Use camera").click()
        visited.page.get_by_text("Live.").wait_for()
    (worker,) = visited.page.workers
    number = int(visited.data["result"])
    worker.evaluate(LOSE)
    visited.page.get_by_text("WebGL context lost; now wasm computes.").wait_for()
    data = visited.wait_for_result(number)
    assert data["backend"] == "wasm" and data["faces"] == "1"
    assert visited.page.locator("progress, .busy").count() == 0


def test_lost_gpu_that_was_insisted_on_is_explained(site, visit):
    visited = visit(site, query="?backend=webgl", prepare=with_worker(PRETEND))
    visited.page.set_default_timeout(4 * PATIENCE)
    number = int(visited.wait_for_result()["result"])
    visited.page.workers[0].evaluate(LOSE)
    assert "another backend" in visited.wait_for_problem("gpu-lost")
    visited.page.get_by_role("button", name="Try again").click()
    visited.page.locator(".notice").wait_for(state="detached")
    assert visited.wait_for_result(number)["backend"] == "webgl"
