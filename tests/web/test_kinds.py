"""Kinds of what is added, chosen by their pictures; and a generator of 256 px on each backend."""

import json
import shutil

import numpy as np
import pytest
from pages import PATIENCE, ROOT

from tooling.server import served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kinds_site(stand_in_folder, tmp_path_factory):
    """The page with one generator, of 256 px, that knows kinds and was never trained."""
    from helpers import export, networks
    from helpers.drawn import worn

    folder = tmp_path_factory.mktemp("kinds") / "page"
    shutil.copytree(stand_in_folder, folder)
    shutil.rmtree(folder / "models")
    styles = worn.STYLES["glasses"]
    generator = networks.attention_generator(256, 4, styles=len(styles))
    rng = np.random.default_rng(0)
    # Or no style would change anything yet.
    generator.set_weights([w + rng.normal(0, 0.1, w.shape) for w in generator.get_weights()])
    card = {
        **{"attribute": "glasses", "direction": "add", "network": "attention", "size": 256},
        **{"styles": styles, "kinds": worn.CHOICES["glasses"], "data": "nothing"},
        "suits": [["cat-eye"] * 3] * 3,
        "by_light": {"lenses": {"box": [0, 0, 1, 1], "stops": [0, 0.01], "numbers": [0, 1]}},
        **{"parameters": generator.count_params(), "licence": "Apache-2.0"},
    }
    export.export_generator(generator, folder / "models" / "glasses-add", card)
    export.check_export(folder / "models" / "glasses-add")
    export.write_manifest(folder / "models")
    with served(folder) as address:
        yield address


@pytest.mark.parametrize("backend", ["wasm", "webgl", "cpu"])
def test_256_px_are_computed_as_keras_does(kinds_site, visit, backend):
    visited = visit(kinds_site, query=f"?backend={backend}")
    visited.page.set_default_timeout(4 * PATIENCE)
    visited.page.wait_for_selector("main[data-difference]")
    assert visited.data["backend"] == backend
    # As the arithmetic, and as float16 weights may move it.
    assert float(visited.data["difference"]) < 1e-3 + 3e-3
    visited.nothing_left()


def test_a_kind_is_chosen_by_its_picture(kinds_site, visit):
    from helpers.drawn import worn

    visited = visit(kinds_site)
    page = visited.page
    number = int(visited.wait_for_result()["result"])
    row = page.get_by_role("group", name="Kind")
    names = ["as it suits", *worn.CHOICES["glasses"]]
    assert row.get_by_role("radio").count() == len(names)
    for name in names:
        assert row.get_by_role("radio", name=name, exact=True).count() == 1
    # The other numbers have sliders, and the kinds have none.
    style = page.get_by_role("region", name="Style")
    assert style.get_by_role("slider").count() == len(worn.NUMBERS["glasses"])
    assert row.get_by_role("radio", name="as it suits").is_checked()
    suits = visited.picture("canvas.after")

    def choose(act):
        nonlocal number
        act()
        number = int(visited.wait_for_result(number)["result"])
        return visited.picture("canvas.after")

    drawn = [suits, choose(row.get_by_role("radio", name="round").check)]
    # By the keyboard: the next one, which is seen to have the focus.
    drawn.append(choose(lambda: page.keyboard.press("ArrowRight")))
    assert row.get_by_role("radio", name="oval").is_checked()
    focused = "getComputedStyle(document.querySelector('.tiles input:focus + .tile')).outlineStyle"
    assert page.evaluate(focused) == "solid"
    for i, one in enumerate(drawn):
        assert all(not np.array_equal(one, other) for other in drawn[:i])

    # What suits is one of the kinds, not something between them, and lenses at their end.
    assert np.array_equal(choose(row.get_by_role("radio", name="cat-eye").check), suits)
    lenses = page.get_by_role("slider", name="Lenses")
    middle = choose(lambda: lenses.press("ArrowLeft"))
    assert not np.array_equal(middle, suits)
    assert np.array_equal(choose(lambda: lenses.press("End")), suits)

    choose(page.get_by_role("button", name="Surprise me").click)
    kind = row.locator("input:checked").get_attribute("value")
    assert kind in worn.CHOICES["glasses"]
    chosen = lenses.get_attribute("aria-valuetext")
    choose(page.get_by_role("radio", name="as it suits").check)
    assert lenses.get_attribute("aria-valuetext") == chosen  # only the kind is as it suits
    assert np.array_equal(choose(page.get_by_role("button", name="As it suits").click), suits)
    visited.nothing_left()


def test_each_kind_has_its_own_part_of_the_picture(kinds_site, visit):
    visited = visit(kinds_site)
    visited.wait_for_result()
    assert any(url.endswith("/models/glasses-add/kinds.webp") for url in visited.requests)
    shots = [each.screenshot() for each in visited.page.locator(".thumbnail").all()]
    assert len(shots) == 14 and len(set(shots)) == len(shots)


def test_without_pictures_kinds_have_names(kinds_site, visit):
    def prepare(page):
        def answer(route):
            manifest = route.fetch().json()
            del manifest["models"][0]["pictures"]
            route.fulfill(body=json.dumps(manifest))

        page.route("**/manifest.json", answer)

    visited = visit(kinds_site, prepare=prepare)
    visited.wait_for_result()
    assert visited.page.locator(".thumbnail").count() == 0
    assert visited.page.get_by_text("Browline").or_(visited.page.get_by_text("browline")).count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 700, 1280])
def test_the_row_is_within_everyones_reach(kinds_site, visit, width, scheme):
    visited = visit(kinds_site, viewport={"width": width, "height": 800}, color_scheme=scheme)
    visited.wait_for_result()
    page = visited.page
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    cut = """() => [...document.querySelectorAll(".tile")]
        .filter((tile) => tile.scrollWidth > tile.clientWidth).map((tile) => tile.textContent)"""
    assert page.evaluate(cut) == []
    page.evaluate((ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []
