"""The page for everyone: on a phone, by the keyboard, with a screen reader, and by Lighthouse."""

import json

import pytest
from pages import FLAGS, PATIENCE, ROOT

from tooling.server import served

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(site, browser, scheme):
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{site}/?backend=wasm")
    page.wait_for_selector("main[data-state=ready][data-faces]", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()


def test_slider_and_switches_work_from_the_keyboard(site, visit):
    visited = visit(site)
    visited.wait_for_result()
    page = visited.page
    page.get_by_role("slider", name="Share of the picture").focus()
    page.keyboard.press("End")
    clip = "getComputedStyle(document.querySelector('canvas.after')).clipPath"
    assert "100%" in page.evaluate(clip)
    page.keyboard.press("Home")
    assert "100%" not in page.evaluate(clip)
    page.get_by_role("radio", name="add").focus()
    number = int(visited.data["result"])
    page.keyboard.press("ArrowRight")
    visited.wait_for_result(number)
    assert page.get_by_role("radio", name="remove").is_checked()


def test_what_is_chosen_shows_where_the_system_insists_on_its_colours(site, visit):
    visited = visit(site, forced_colors="active")
    visited.wait_for_result()
    chosen, other = (
        visited.page.eval_on_selector(
            f".segments input{which} + span", "span => getComputedStyle(span).backgroundColor"
        )
        for which in (":checked", ":not(:checked):not(:disabled)")
    )
    highlight = visited.page.evaluate("""() => {
        const probe = document.createElement("i");
        probe.style.cssText = "background: Highlight; forced-color-adjust: none";
        document.body.append(probe);
        return getComputedStyle(probe).backgroundColor;
    }""")
    assert chosen == highlight != other


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_out_of_reach_for_a_screen_reader(site, visit, width, scheme):
    visited = visit(site, viewport={"width": width, "height": 800}, color_scheme=scheme)
    visited.wait_for_result()
    page = visited.page
    page.evaluate((ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_lighthouse_finds_nothing_to_improve(models_folder, tmp_path, monkeypatch):
    """On a phone. Lighthouse is installed apart from the page, and here only."""
    from browser import find_browser

    from tooling.page import find_node

    node, audit = find_node(), ROOT / "web" / "audit"
    if not (audit / "node_modules" / "lighthouse").is_dir():
        done = node.run("ci", "--ignore-scripts", cwd=audit)
        assert done.returncode == 0, done.stdout
    monkeypatch.setenv("CHROME_PATH", find_browser())
    report = tmp_path / "report.json"
    with served(models_folder) as address:
        done = node.run(
            *("exec", "--", "lighthouse", f"{address}/?backend=wasm", "--quiet"),
            *("--output=json", f"--output-path={report}"),
            "--only-categories=accessibility,best-practices",
            "--chrome-flags=--headless " + " ".join(flag for flag in FLAGS if " " not in flag),
            cwd=audit,
        )
    assert done.returncode == 0, done.stdout
    found = json.loads(report.read_text("utf-8"))
    failed = [name for name, audit in found["audits"].items() if audit["score"] == 0]
    scores = {name: category["score"] for name, category in found["categories"].items()}
    assert scores["accessibility"] == 1 and scores["best-practices"] >= 0.95, (scores, failed)
