"""The page on other hosts: copied whole, under any path; and opened as a file."""

import shutil

import pytest
from pages import served_plainly

from helpers.errors import CourseError

pytestmark = pytest.mark.slow

VIOLATION = """address => new Promise(resolve => {
    addEventListener("securitypolicyviolation", event => resolve(event.effectiveDirective));
    fetch(address).then(() => resolve("sent"), () => setTimeout(resolve, 500, "not refused"));
})"""


def test_the_page_is_copied_whole_to_a_new_folder(page_folder, tmp_path):
    from tooling.page import copy_page

    out = tmp_path / "a" / "site"
    copy_page(page_folder, out)
    assert (out / "index.html").read_bytes() == (page_folder / "index.html").read_bytes()
    assert (out / "models" / "manifest.json").is_file()
    assert not list(out.rglob("*.gz"))  # other hosts compress as they like
    before = sorted(out.rglob("*"))
    with pytest.raises(CourseError, match="there already"):
        copy_page(page_folder, out)
    assert sorted(out.rglob("*")) == before
    assert list(out.parent.iterdir()) == [out]


def test_any_static_host_will_do_and_nothing_can_leave(stand_in_folder, visit, tmp_path):
    """Under a sub-path, from a server that sends no headers of ours; the policy still holds."""
    (tmp_path / "some").mkdir()
    shutil.copytree(stand_in_folder, tmp_path / "some" / "where")

    with served_plainly(tmp_path) as origin:
        visited = visit(origin, query="some/where/?backend=wasm")
        assert visited.wait_for_result()["faces"] == "1"
        visited.nothing_left()
        elsewhere = origin.replace("127.0.0.1", "localhost")
        assert visited.page.evaluate(VIOLATION, elsewhere) == "connect-src"
        (worker,) = visited.page.workers
        assert worker.evaluate(VIOLATION, elsewhere) == "connect-src"


def test_page_opened_as_a_file_says_what_to_do(stand_in_folder, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto((stand_in_folder / "index.html").as_uri())
    page.get_by_text("course.py web").wait_for()
    assert "has not started" in page.inner_text("body")
    context.close()
