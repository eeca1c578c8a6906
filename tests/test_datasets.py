import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import datasets, pairing, pixels
from helpers.celeba import AttributeTable
from helpers.datasets import open_split
from helpers.errors import DataError


def names(split, part, side):
    return {item.name for item in split.items[part, side]}


def every(split, side):
    return set().union(*(names(split, part, side) for part in datasets.PARTS))


def test_celeba_is_split_by_its_column(celeba):
    split = open_split(celeba, "Eyeglasses")
    assert every(split, "with") == {f"{i:06d}.jpg" for i in range(2, 41, 2)}
    assert every(split, "without") == {f"{i:06d}.jpg" for i in range(1, 41, 2)}


def test_short_names_mean_the_columns(celeba):
    assert open_split(celeba, "glasses").items == open_split(celeba, "Eyeglasses").items
    assert open_split(celeba, "hat").attribute == "Wearing_Hat"


def test_a_photo_is_held_out_for_every_attribute_or_for_none(celeba):
    def parts(attribute):
        split = open_split(celeba, attribute)
        return {i.name: part for (part, _), items in split.items.items() for i in items}

    assert parts("Eyeglasses") == parts("Smiling")


def test_no_identity_in_two_parts(celeba):
    lines = [f"{i:06d}.jpg person{i % 7}" for i in range(1, 41)]
    (celeba / "identity_CelebA.txt").write_text("\n".join(lines))
    split = open_split(celeba, "Eyeglasses")
    where = {}
    for (part, _), items in split.items.items():
        for item in items:
            where.setdefault(int(item.stem) % 7, set()).add(part)
    assert len(where) == 7 and all(len(parts) == 1 for parts in where.values())


def test_the_official_partition_is_honoured(celeba):
    lines = [f"{i:06d}.jpg {0 if i <= 20 else 1 if i <= 30 else 2}" for i in range(1, 41)]
    (celeba / "list_eval_partition.txt").write_text("\n".join(lines))
    split = open_split(celeba, "Eyeglasses")
    assert names(split, "test", "with") == {f"{i:06d}.jpg" for i in range(32, 41, 2)}
    assert names(split, "train", "without") == {f"{i:06d}.jpg" for i in range(1, 20, 2)}


def test_the_split_is_about_80_10_10():
    parts = [datasets.part_of(str(i)) for i in range(5000)]
    assert 0.78 < parts.count("train") / 5000 < 0.82
    assert 0.08 < parts.count("test") / 5000 < 0.12
    assert [datasets.part_of(str(i), seed=1) for i in range(50)] != parts[:50]


def test_folders_are_read_at_the_top_and_below_parts(tmp_path):
    for folder in ("with", "without", "test/with"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (40, 30)).save(tmp_path / folder / f"{i}.png")
    split = open_split(tmp_path, "beard")
    assert len(every(split, "with")) == 20
    assert split.count("test", "with") >= 20
    assert split.attribute == "beard"


def test_written_split_reads_back_the_same(celeba, tmp_path):
    split = open_split(celeba, "Eyeglasses")
    written = datasets.write_split(split, tmp_path / "out", 32)
    again = open_split(tmp_path / "out", "Eyeglasses")
    for key, items in split.items.items():
        assert written[key] == len(items) == len(again.items[key])
        assert [i.stem for i in items] == [i.stem for i in again.items[key]]
    item = split.items["train", "with"][0]
    copy = tmp_path / "out" / "train" / "with" / f"{item.stem}.png"
    np.testing.assert_array_equal(datasets.read_image(copy, 32), datasets.read_image(item, 32))


# --- bad input ------------------------------------------------------------------------------


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="There is no folder .*nowhere.*drawn"):
        open_split(tmp_path / "nowhere", "glasses")


def test_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match="Nothing to use.*list_attr_celeba.txt.*with/"):
        open_split(tmp_path, "glasses")


@pytest.mark.parametrize(("wrong", "right"), [("Eyeglases", "Eyeglasses"), ("smile", "Smiling")])
def test_a_wrong_attribute_suggests_the_nearest(celeba, wrong, right):
    with pytest.raises(DataError, match=f"Did you mean .*{right}"):
        open_split(celeba, wrong)


def test_an_attribute_file_without_the_photos(celeba):
    (celeba / "img_align_celeba").rename(celeba / "elsewhere")
    with pytest.raises(DataError, match="img_align_celeba"):
        open_split(celeba, "glasses")


def test_a_one_sided_attribute(celeba):
    path = celeba / "list_attr_celeba.txt"
    lines = path.read_text().splitlines()
    rows = [line.split() for line in lines[2:]]
    path.write_text("\n".join(lines[:2] + [" ".join([r[0], "-1", *r[2:]]) for r in rows]))
    with pytest.raises(DataError, match="no photo with Eyeglasses"):
        open_split(celeba, "glasses")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: lines[:-3], "number of photos is 40 in line 1, but 37"),
        (lambda lines: [*lines[:5], lines[5][:-4], *lines[6:]], "line 6"),
        (lambda lines: [*lines[:5], lines[5].replace("1", "2"), *lines[6:]], "line 6"),
        (lambda lines: lines[1:], "line 1 should be"),
        (lambda lines: [], "not CelebA's attribute file"),
    ],
)
def test_a_damaged_attribute_file_names_the_line(celeba, damage, message):
    path = celeba / "list_attr_celeba.txt"
    path.write_text("\n".join(damage(path.read_text().splitlines())))
    with pytest.raises(DataError, match=message):
        open_split(celeba, "glasses")


def test_unreadable_photos_are_skipped_counted_and_named(celeba, tmp_path):
    photos = celeba / "img_align_celeba"
    (photos / "000001.jpg").write_text("this is no photo")
    (photos / "000002.jpg").write_bytes(b"")
    whole = (photos / "000003.jpg").read_bytes()
    (photos / "000003.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "000004.jpg").unlink()
    split = open_split(celeba, "glasses")
    written = datasets.write_split(split, tmp_path / "out", 32)
    assert sum(written.values()) == 36
    bad = [f"img_align_celeba/00000{i}.jpg" for i in range(1, 5)]
    assert sorted(split.unreadable) == bad
    skipped = (tmp_path / "out" / "skipped.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in skipped] == bad


def test_nothing_half_written_is_left_behind(celeba, tmp_path):
    for photo in (celeba / "img_align_celeba").iterdir():
        photo.write_bytes(b"")
    with pytest.raises(DataError, match="None of 40 photos"):
        datasets.write_split(open_split(celeba, "glasses"), tmp_path / "to" / "out", 32)
    assert list((tmp_path / "to").iterdir()) == []


def test_an_existing_out_is_not_overwritten(celeba, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match="exists already"):
        datasets.write_split(open_split(celeba, "glasses"), tmp_path, 32)
    assert (tmp_path / "mine.txt").read_text() == "precious"


# --- reading --------------------------------------------------------------------------------


def test_the_face_crop_of_celeba_is_rows_20_to_198():
    image = Image.fromarray(np.arange(218, dtype=np.uint8)[:, None].repeat(178, 1))
    crop = np.asarray(pixels.square_crop(image))
    assert crop.shape == (178, 178) and crop[0, 0] == 20 and crop[-1, 0] == 197


def test_any_other_photo_gives_its_central_square():
    image = Image.fromarray(np.arange(100, dtype=np.uint8)[None].repeat(40, 0))
    crop = np.asarray(pixels.square_crop(image))
    assert crop.shape == (40, 40) and crop[0, 0] == 30


def test_a_turned_phone_photo_is_set_upright(tmp_path):
    photo = np.zeros((20, 40, 3), np.uint8)
    photo[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    Image.fromarray(photo).save(tmp_path / "p.png", exif=exif)
    upright = np.asarray(pixels.open_photo(tmp_path / "p.png"))
    assert upright.shape == (40, 20, 3) and upright[0].min() == 255 and upright[-1].max() == 0


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1"])
def test_every_kind_of_image_becomes_rgb(mode, tmp_path):
    path = tmp_path / ("x.tif" if mode in ("CMYK", "I;16") else "x.png")
    Image.new(mode, (10, 10)).save(path)
    assert np.asarray(pixels.open_photo(path)).shape == (10, 10, 3)


def test_bytes_and_units_are_inverse():
    bytes_ = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pixels.to_bytes(pixels.to_unit(bytes_)), bytes_)
    assert pixels.to_unit(bytes_).min() == -1 and pixels.to_unit(bytes_).max() == 1


# --- the stream -----------------------------------------------------------------------------


def take(split, count, **options):
    stream = pairing.pair_stream(split, 32, 4, **options)
    return [[t.numpy() for t in pair] for pair, _ in zip(stream, range(count), strict=False)]


def test_the_stream_gives_both_sides_in_range(celeba):
    ((without, with_),) = take(open_split(celeba, "glasses"), 1)
    assert without.shape == with_.shape == (4, 32, 32, 3)
    assert without.dtype == np.float32 and without.min() >= -1 and without.max() <= 1


def test_the_stream_has_threads_of_its_own(celeba):
    """In TensorFlow's own pool it waits behind a train step's operations, and the next for it."""
    stream = pairing.pair_stream(open_split(celeba, "glasses"), 32, 4)
    assert stream.options().threading.private_threadpool_size >= 2


def test_the_stream_goes_on_where_it_stopped(celeba):
    split = open_split(celeba, "glasses")
    whole = take(split, 8)
    rest = take(split, 3, start=5)
    for a, b in zip(whole[5:], rest, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


def test_an_epoch_shows_each_photo_once_and_the_next_in_another_order(celeba):
    split = open_split(celeba, "glasses")
    side = split.items["train", "with"]
    means = [round(float(pixels.to_unit(datasets.read_image(i, 32)).mean()), 4) for i in side]
    batches = take(split, len(side), flip=False)  # four epochs, in batches of four
    seen = [round(float(image.mean()), 4) for _, with_ in batches for image in with_]
    first, second = seen[: len(side)], seen[len(side) : 2 * len(side)]
    assert sorted(first) == sorted(second) == sorted(means)
    assert first != second


def test_balanced_sides_are_equal_by_chance_and_only_in_training(celeba):
    split = open_split(celeba, "glasses")
    del split.items["train", "with"][4:]
    equal, other = pairing.balanced(split), pairing.balanced(split, seed=1)
    without = equal.items["train", "without"]
    assert len(without) == 4 and set(without) < set(split.items["train", "without"])
    assert without == pairing.balanced(split).items["train", "without"]
    assert without != other.items["train", "without"]
    assert equal.items["train", "with"] == split.items["train", "with"]
    assert equal.items["test", "without"] == split.items["test", "without"]


def test_unmatched_each_photo_without_comes_once_an_epoch_too(celeba):
    split = pairing.balanced(open_split(celeba, "glasses"))
    count = split.count("train", "without")
    seen = [
        name
        for step in range(count)
        for name in pairing.batch_names(split, 1, step=step, matched=False)["without"]
    ]
    assert len(set(seen)) == count
    matched = [pairing.batch_names(split, 1, step=step)["without"][0] for step in range(count)]
    assert len(set(matched)) < count


def test_another_seed_is_another_order(celeba):
    split = open_split(celeba, "glasses")
    assert (take(split, 1)[0][0] != take(split, 1, seed=1)[0][0]).any()


def test_an_unreadable_photo_is_replaced_and_named(celeba):
    split = open_split(celeba, "glasses")
    bad = split.items["train", "with"][0]
    bad.write_bytes(b"")
    take(split, 10)
    assert set(split.unreadable) == {f"img_align_celeba/{bad.name}"}


# --- drawn faces ----------------------------------------------------------------------------


def test_drawn_training_never_sees_a_pair_and_held_out_people_are_new():
    split = open_split("drawn", "glasses", images=16)
    people = {key: {item.seed for item in items} for key, items in split.items.items()}
    assert not people["train", "with"] & people["train", "without"]
    assert people["test", "with"] == people["test", "without"]
    assert not people["test", "with"] & people["validation", "with"]
    assert not people["test", "with"] & (people["train", "with"] | people["train", "without"])


def test_drawn_pairs_differ_in_the_region_alone():
    split = open_split("drawn", "glasses", images=16)
    without, with_, region = datasets.drawn_pairs(split, "test", 32, 4)
    differs = (without != with_).any(-1)
    assert differs.any((1, 2)).all()
    assert not (differs & (region == 0)).any()


def test_drawing_ahead_gives_the_same_faces(tmp_path):
    split = open_split("drawn", "hat", images=8)
    split.items = {key: items[:2] for key, items in split.items.items()}
    datasets.draw_ahead(split, 32, tmp_path)
    item = split.items["train", "with"][0]
    cached = datasets.read_image(item, 32, tmp_path)
    assert len(list(tmp_path.glob("*/*.png"))) == len(
        {i for items in split.items.values() for i in items}
    )
    np.testing.assert_array_equal(cached, datasets.read_image(item, 32))


def test_the_drawn_faces_have_two_attributes():
    with pytest.raises(DataError, match="glasses and hat"):
        open_split("drawn", "Smiling")


def test_pairs_share_what_might_be_confused_with_the_attribute(celeba):
    photos = sorted((celeba / "img_align_celeba").glob("*.jpg"))
    for i, photo in enumerate(photos):  # the gray level says which photo it is
        Image.new("RGB", (178, 218), (6 * i,) * 3).save(photo)
    split = datasets.open_split(celeba, "Eyeglasses")
    shared = [c for c in pairing.CONFOUNDERS if c in split.known.columns and c != "Eyeglasses"]

    def traits(item):
        return tuple(split.known.of([item], shared)[0])

    traits_without = [traits(item) for item in split.items["train", "without"]]

    def most_shared(of):
        counts = range(len(shared) + 1)
        return max(n for n in counts if any(t[:n] == of[:n] for t in traits_without))

    def read(start, count):
        stream = pairing.pair_stream(split, 32, 1, start=start)
        for images in stream.take(count):
            levels = [round((float(x.numpy().mean()) + 1) * 127.5 / 6) for x in images]
            yield tuple(photos[level] for level in levels)

    pairs = list(read(0, 60))
    assert list(read(20, 5)) == pairs[20:25]  # as after a break
    matched = 0
    for without, with_ in pairs:
        assert without in split.items["train", "without"] and with_ in split.items["train", "with"]
        count = most_shared(traits(with_))
        assert traits(without)[:count] == traits(with_)[:count]
        matched += 0 < count < len(shared)
    assert matched > 5


def test_streams_come_to_their_ends_before_python_does(celeba, monkeypatch):
    """Else TensorFlow may wait for ever for a thread that waits for a Python that is gone."""
    handlers = []
    monkeypatch.setattr(pairing.atexit, "register", handlers.append)
    monkeypatch.setattr(pairing, "_ending", threading.Event())
    pairing._end_streams_at_exit.cache_clear()

    def slowly(*arguments, read=datasets.read_image):
        time.sleep(0.2)
        return read(*arguments)

    monkeypatch.setattr(datasets, "read_image", slowly)
    try:
        stream = iter(pairing.pair_stream(open_split(celeba, "glasses"), 32, 2))
        next(stream)
        next(h for h in handlers if h.__module__ == pairing.__name__)()
        assert not pairing._reading
        assert len(list(itertools.islice(stream, 50))) < 50  # what was under way
    finally:
        pairing._end_streams_at_exit.cache_clear()  # the real one is registered by the next


def test_pairs_for_an_attribute_do_not_ask_for_what_it_covers():
    """Nobody with a hat shows a fringe: to share that would leave all fringes out."""
    names = [f"{i}.jpg" for i in range(20)]
    # Ten with hats; of ten without, all but one have a fringe.
    fringes = [-1] * 10 + [1] * 9 + [-1]
    values = np.array([[1] * 10 + [-1] * 10, fringes], np.int8).T
    split = datasets.Split("Wearing_Hat", "photos", {})
    split.known = AttributeTable(names, ["Wearing_Hat", "Bangs"], values)
    split.items = {("train", "with"): [Path(n) for n in names[:10]]}
    split.items["train", "without"] = [Path(n) for n in names[10:]]
    pairs = pairing._Pairs(split, "train", 0)
    assert len({pairs(position)[0][0] for position in range(100)}) == 10
