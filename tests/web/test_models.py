"""Models: which are used, that they compute what Keras does, and what is said of broken ones."""

import base64
import json
import shutil

import numpy as np
import pytest
from pages import write_stand_in
from PIL import Image

from tooling.server import served

pytestmark = pytest.mark.slow


def test_invert_adds_what_is_missing_and_removes_what_is_there(
    page_folder, visit, astronaut, tmp_path
):
    from helpers import inverter

    bare = tmp_path / "bare.png"
    Image.fromarray(astronaut).save(bare)
    assert inverter.invert_files([bare], "glasses", "add", tmp_path) == 0
    with served(page_folder) as address:
        visited = visit(address)
        visited.wait_for_result()
        visited.page.get_by_role("radio", name="invert").check()
        for photo, direction in ((bare, "add"), (tmp_path / "bare-glasses-add.png", "remove")):
            assert visited.wait_for_result(visited.upload(photo))["directions"] == direction
        visited.page.get_by_text("See inside").click()
        assert "glasses found: the classifier says" in visited.page.inner_text("details dl")
        assert visited.page.get_by_text("asks a small classifier").count() == 1
        # Of two answers, the one about the attribute counts: here are glasses, and no hat.
        visited.page.get_by_role("radio", name="hat").check()
        shown = visited.wait_for_result(int(visited.data["result"]))
        assert shown["directions"] == "add"


def test_another_network_is_loaded_when_it_is_chosen_and_says_what_it_is(
    stand_in_folder, visit, tmp_path
):
    folder = tmp_path / "page"
    shutil.copytree(stand_in_folder, folder)
    manifest = folder / "models" / "manifest.json"
    listed = json.loads(manifest.read_text())
    measured = {"count": 620, "flips": 0.964, "same_person": 0.99, "outside": 2.5}
    entry = {
        **listed["models"][0],
        **{"network": "paper", "path": "old/model.json", "styles": [], "data": "old photos"},
        "measured": {**measured, "brightness": -1.1},
    }
    listed["models"].append(entry)
    manifest.write_text(json.dumps(listed))
    write_stand_in(folder / "models" / "old", 0.7)
    asked = []
    with served(folder) as address:
        visited = visit(
            address, prepare=lambda page: page.on("request", lambda r: asked.append(r.url))
        )
        before = int(visited.wait_for_result()["result"])
        switch = visited.page.get_by_role("group", name="Network")
        assert switch.get_by_role("radio").count() == 2
        assert not any("/old/" in url for url in asked)
        switch.get_by_role("radio", name="2019").check()
        visited.wait_for_result(before)
        assert any("/old/model.json" in url for url in asked)
        assert "old photos" in visited.page.locator("footer").inner_text()
        visited.page.get_by_text("See inside").click()
        words = visited.page.locator(".details").inner_text()
        assert "of 620 held-out photos 96.4% changed as asked" in words and "-1.10" in words
        assert visited.page.get_by_role("radio", name="remove").is_disabled()  # there is none
        # Of hats there is one network: nothing to choose, and coming back finds the choice again.
        visited.page.get_by_role("radio", name="hat").check()
        assert switch.count() == 0
        visited.page.get_by_role("radio", name="glasses").check()
        assert switch.get_by_role("radio", name="2019").is_checked()


def test_browser_and_keras_compute_the_same(models_folder, visit):
    """Each model's check.json holds what Keras computed when it was exported."""
    entries = json.loads((models_folder / "models/manifest.json").read_text())["models"]
    with served(models_folder) as address:
        visited = visit(address)
        visited.wait_for_result()
        for entry in entries:
            visited.page.get_by_role("radio", name=entry["attribute"], exact=True).check()
            switch = visited.page.get_by_role("group", name="Network")
            if switch.count():
                name = {"attention": "ours", "paper": "2019"}[entry["network"]]
                switch.get_by_role("radio", name=name).check()
            visited.page.get_by_role("radio", name=entry["direction"], exact=True).check()
            visited.page.wait_for_selector("main[data-state=ready][data-difference]")
            # 1e-3 for the arithmetic, and what float16 weights may move a residual.
            assert float(visited.data["difference"]) < 1e-3 + 3e-3, entry["path"]


def corrupted(stand_in_folder, change):
    """Return a body of check.json in which the residual is changed."""
    check = json.loads((stand_in_folder / "models/glasses-add/check.json").read_text())
    residual = np.frombuffer(base64.b64decode(check["output"]), "<f4").copy()
    residual[5000] += change
    return json.dumps({**check, "output": base64.b64encode(residual.tobytes()).decode()})


@pytest.mark.parametrize("change", [0.05, np.nan])
def test_model_that_computes_wrong_numbers_is_not_used(site, visit, stand_in_folder, change):
    body = corrupted(stand_in_folder, change)

    def prepare(page):
        page.route("**/check.json", lambda route: route.fulfill(body=body))

    code, words = visit(site, prepare=prepare).problem()
    assert code == "no-backend" and "self-test" in words


def graph(nodes, shape=(1, 128, 128, 1)):
    """Write a model.json of these nodes, whose one weight has this shape."""
    ends = {"inputs": {"image": {"name": "image:0"}}, "outputs": {"end": {"name": "end:0"}}}
    weights = [{"name": "mask", "shape": list(shape), "dtype": "float32"}] + [
        {"name": "paint", "shape": [1, 1, 1, 3], "dtype": "float32"}
    ]
    return json.dumps(
        {
            "format": "graph-model",
            "signature": ends,
            "modelTopology": {"node": nodes, "versions": {"producer": 1}},
            "weightsManifest": [{"paths": ["weights.bin"], "weights": weights}],
        }
    )


INPUT = {"name": "image", "op": "Placeholder"}
TEXTS = dict.fromkeys(("path", "network", "data", "licence"), "")
CLASSIFIER = {**TEXTS, "size": 128, "bytes": 1, "parameters": 1, "attributes": ["hat"]}
ONLY_TELLS = json.dumps({"models": [], "classifiers": [CLASSIFIER]})
# What an attacker, or a bug, could put in a model's place.
ENDLESS = graph([INPUT], (10**10, 10**10, 10**10))
UNKNOWN = graph([INPUT, {"name": "end", "op": "Summon", "input": ["image"]}])
CYCLE = graph(
    [INPUT]
    + [{"name": "end", "op": "Add", "input": ["image", "again"]}]
    + [{"name": "again", "op": "Relu", "input": ["end"]}]
)
PROTOTYPE = graph([{"name": "__proto__", "op": "Placeholder"}, INPUT]).replace(
    '"end:0"', '"__proto__:0", "__proto__": {"name": "constructor"}'
)


@pytest.mark.parametrize(
    ("pattern", "answer", "code", "words"),
    [
        ("**/manifest.json", {"status": 404, "body": "404"}, "models-missing", "course.py export"),
        ("**/manifest.json", None, "offline", "manifest.json"),
        ("**/manifest.json", {"body": '{"models": []}'}, "models-missing", "empty"),
        ("**/manifest.json", {"body": ONLY_TELLS}, "models-missing", "empty"),
        ("**/manifest.json", {"body": '{"models": [{}]}'}, "model-broken", "model 1"),
        ("**/manifest.json", {"body": "<!doctype html>"}, "models-missing", "course.py export"),
        ("**/model.json", {"body": "<!doctype html><p>Hello"}, "model-broken", "a web page"),
        ("**/model.json", {"status": 404, "body": "404"}, "model-broken", "404"),
        ("**/model.json", None, "offline", "model.json"),
        ("**/model.json", {"body": ENDLESS}, "model-broken", "of 4e+30 bytes"),
        ("**/model.json", {"body": PROTOTYPE}, "no-backend", "export it again"),
        ("**/model.json", {"body": UNKNOWN}, "no-backend", "Summon"),
        ("**/model.json", {"body": CYCLE}, "no-backend", "export it again"),
        ("**/check.json", {"body": "<!doctype html>"}, "model-broken", "a web page"),
        ("**/weights.bin", {"body": "short"}, "model-broken", "5 of"),
        ("**/worker-*.js", None, "offline", "worker"),
        ("**/blazeface*.bin", {"status": 404, "body": "404"}, "model-broken", "blazeface"),
    ],
)
def test_missing_or_broken_models_are_explained(site, visit, pattern, answer, code, words):
    def prepare(page):
        refuse = (lambda r: r.fulfill(**answer)) if answer else (lambda r: r.abort())
        page.route(pattern, refuse)

    visited = visit(site, prepare=prepare)
    found, text = visited.problem()
    assert found == code and words in text
    assert visited.page.locator("progress").count() == 0
    # A photo does not bring the file, so the message stays.
    visited.page.get_by_role("button", name="Drawn face 2").click()
    visited.page.wait_for_timeout(200)
    assert code in visited.page.locator(".notice").get_attribute("data-problem")
    # The way on, once the file is there; while it is on its way, the message is gone.
    held, there = [], []
    visited.page.unroute(pattern)
    visited.page.route(pattern, lambda route: route.continue_() if there else held.append(route))
    visited.page.get_by_role("button", name="Try again").click()
    visited.page.locator(".notice").wait_for(state="detached")
    there.append("now")
    for route in held:
        route.continue_()
    assert visited.wait_for_result()["faces"] == "1"


def test_after_a_crash_another_choice_can_be_tried_again(site, visit):
    visited = visit(site)
    page = visited.page
    visited.wait_for_result()
    page.workers[0].evaluate("() => setTimeout(() => { throw new Error('it broke') })")
    page.get_by_role("radio", name="hat").check()
    assert "it broke" in visited.wait_for_problem("crashed")
    number = int(visited.data["result"])
    page.get_by_role("button", name="Try again").click()
    assert visited.wait_for_result(number)["faces"] == "1"


def test_model_that_computes_for_ever_is_ended_and_the_others_go_on(site, visit):
    """Some hundred kilobytes that multiply large matrices for minutes."""
    product = {"op": "BatchMatMulV2", "attr": {"adj_y": {"b": True}}}
    nodes = [INPUT, {"name": "0", "input": ["image", "image"], **product}]
    nodes += [{"name": f"{i + 1}", "input": [f"{i}", "0"], **product} for i in range(5000)]
    body = graph([*nodes, {"name": "end", "op": "Relu", "input": ["5000"]}])
    pattern = "**/hat-add/model.json"

    def prepare(page):
        page.route(pattern, lambda route: route.fulfill(body=body))

    visited = visit(site, prepare=prepare)
    page = visited.page
    visited.wait_for_result()
    page.get_by_role("radio", name="hat").check()
    words = visited.wait_for_problem("too-slow")
    assert "hat-add/model.json: stopped after 30 seconds" in words
    number = int(visited.data["result"])
    # A new choice takes the message away at once, not first when something is being loaded.
    notices = page.get_by_role("radio", name="glasses").evaluate(
        """async radio => {
            radio.click();
            await null;
            return document.querySelectorAll(".notice").length;
        }"""
    )
    assert notices == 0
    assert visited.wait_for_result(number)["faces"] == "1"
    # The way on, once the file is another.
    page.unroute(pattern)
    visited.choose("hat")
    assert len(page.workers) == 1
