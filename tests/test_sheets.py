"""The page of all edits: worst first, with words for those who can't see, and nothing from afar."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from helpers import datasets, sheets, telling

NAMES = ["b.png", "<script>alert(1)</script>.png", 'q"uote & co.png', "d.png"]


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.attributes if name == tag]


def album(folder, direction="add"):
    count, items = len(NAMES), [folder / name for name in NAMES]
    split = datasets.Split("Eyeglasses", str(folder), {})
    kept = telling.keep(direction, split, items)
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
    after = before.copy()
    after[:, 12:20, 8:24] = 128
    for part in (slice(0, 2), slice(2, None)):
        first = len(kept.names)
        taken = kept.offer(items[part], before[part], after[part], np.linspace(-2, 2, count)[part])
        sheets.draw(folder, kept, first, before[part][taken], after[part][taken])
    return kept


def test_a_strip_is_photo_edit_and_residual():
    before = np.full((32, 32, 3), 100, np.uint8)
    shown = np.asarray(sheets.strip(before, before + np.uint8(60)))
    assert shown.shape == (sheets.SIDE, 3 * sheets.SIDE, 3)
    assert (shown[128, 128] == 100).all() and (shown[128, 384] == 160).all()
    # Gray for no change, half of the change above: 60 levels of 255 are 30 in a picture of [-2, 2].
    assert (np.asarray(sheets.strip(before, before))[128, 640] == 128).all()
    assert (shown[128, 640] > 180).all()


def test_the_page_is_sorted_and_described(tmp_path):
    albums = {d: album(tmp_path, d) for d in ("add", "remove")}
    told = {"add": np.array([0.2, 0.9, 0.5, 0.7]), "remove": None}
    sheets.write(tmp_path, "Eyeglasses", albums, told)
    text = (tmp_path / "sheet.html").read_text()
    page = Reader(text)
    pictures = page.all("img")
    assert len(pictures) == 8
    for picture in pictures:
        assert picture["loading"] == "lazy" and picture["alt"]
        file = tmp_path / picture["src"]
        assert Image.open(file).size == (int(picture["width"]), int(picture["height"]))
    add = [p["src"] for p in pictures if "/add/" in p["src"]]
    assert [Path(src).stem for src in add] == ["00001", "00003", "00002", "00000"]
    # Where it was not tried to tell them, the least flipped is the worst.
    remove = [p["src"] for p in pictures if "/remove/" in p["src"]]
    assert [Path(src).stem for src in remove] == ["00000", "00001", "00002", "00003"]
    assert "1. &lt;script&gt;alert(1)&lt;/script&gt;.png" in text
    assert "edit 0.90" in text and "judge 0.34" in text
    assert page.tags.count("h1") == 1 and page.tags.count("h2") == 2
    assert {"title", "main", "nav"} <= set(page.tags) and page.all("html") == [{"lang": "en"}]


def test_names_are_escaped_and_nothing_comes_from_elsewhere(tmp_path):
    sheets.write(tmp_path, "<b>Odd</b>", {"add": album(tmp_path)}, {})
    text = (tmp_path / "sheet.html").read_text()
    page = Reader(text)
    assert "script" not in page.tags and "link" not in page.tags and "<b>Odd" not in text
    assert any('q"uote & co.png' in picture["alt"] for picture in page.all("img"))
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


def test_of_very_many_edits_some_are_kept_by_chance(tmp_path, monkeypatch):
    monkeypatch.setattr(telling, "KEPT", 2)
    kept = album(tmp_path)
    assert len(kept.names) == len(kept.before) == 2 and kept.of == 4
    assert all(NAMES[row] in kept.names[place] for place, row in enumerate(kept.rows))
    assert "2 edits, of 4 by chance" in sheets.page("glasses", {"add": kept}, {})


def test_the_page_stays_small(tmp_path):
    kept = album(tmp_path)
    kept.names, kept.judged = kept.names * 200, kept.judged * 200
    text = sheets.page("glasses", {"add": kept}, {"add": np.linspace(0, 1, 800)})
    assert text.count("<img") == 800 and len(text) < 500_000
