"""CelebA as it reaches people: each layout opens as the same split, and what lacks is named."""

import shutil
import zipfile

import pytest
from made_up import write_celeba
from PIL import Image

from helpers import datasets, pixels
from helpers.datasets import open_split
from helpers.errors import DataError

SIZE = 32
PHOTOS = "img_align_celeba"


@pytest.fixture
def celeba(tmp_path):
    """All of CelebA in one folder: some parts are by the partition, the others by the person."""
    folder = write_celeba(tmp_path / "celeba")
    names = [f"{i:06d}.jpg" for i in range(1, 41)]
    lines = [f"{name} {i % 3}" for i, name in enumerate(names[:20])]
    (folder / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    lines = [f"{name} {i % 7}" for i, name in enumerate(names)]
    (folder / "identity_CelebA.txt").write_text("\n".join(lines) + "\n")
    return folder


def told(split):
    """Say all that a split has of its photos, but for where they lie."""
    columns = split.known.columns
    return {
        key: [
            (item.stem, *traits, datasets.read_image(item, SIZE).tobytes())
            for item, traits in zip(items, split.known.of(items, columns), strict=True)
        ]
        for key, items in split.items.items()
    }


# --- layouts: each changes a folder, and gives what --data then names --------------------------


def authors(folder, names=("Anno", "Eval", "Img")):
    anno, eval_, img = (folder / name for name in names)
    for place in (anno, eval_, img):
        place.mkdir()
    for path in [p for p in folder.iterdir() if p not in (anno, eval_, img)]:
        kind = path.name.lower()
        path.rename((eval_ if "eval" in kind else img if "img" in kind else anno) / path.name)
    return folder


def in_capitals(folder):
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.upper())
    return authors(folder, ("ANNO", "eval", "IMG"))


def above(folder):
    return folder.parent


def above_the_authors(folder):
    return authors(folder).rename(folder.with_name("CelebA")).parent


def png(folder):
    (folder / PHOTOS).rename(folder / f"{PHOTOS}_png")
    for path in (folder / f"{PHOTOS}_png").iterdir():
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    return folder


def zeros(folder):
    table = folder / "list_attr_celeba.txt"
    table.write_text(table.read_text().replace("-1", "0"))
    return folder


def kaggle(folder):
    for table in folder.glob("*.txt"):
        lines = [",".join(line.split()) for line in table.read_text().splitlines()]
        if table.name.startswith("list_attr"):
            lines = ["image_id," + lines[1], *lines[2:]]
        elif table.name.startswith("list_eval"):
            lines = ["image_id,partition", *lines]
        table.with_suffix(".csv").write_text("\n".join(lines) + "\n")
        table.unlink()
    return folder


def nested(folder):
    (folder / PHOTOS).rename(folder / "inner")
    (folder / PHOTOS).mkdir()
    (folder / "inner").rename(folder / PHOTOS / PHOTOS)
    return folder


def from_windows(folder):
    for table in folder.glob("*.txt"):  # as an editor there saves them
        table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    return folder


def pack(folder, name=PHOTOS + "/{}"):
    """Put the photos into img_align_celeba.zip, under such names."""
    photos = next(folder.glob(f"{PHOTOS}*"))
    with zipfile.ZipFile(folder / f"{PHOTOS}.zip", "w") as file:
        file.writestr(f"{PHOTOS}/", b"")
        for path in sorted(photos.iterdir()):
            deflated = zipfile.ZIP_DEFLATED if "3" in path.name else zipfile.ZIP_STORED
            file.writestr(name.format(path.name), path.read_bytes(), deflated)
            file.writestr(f"__MACOSX/{PHOTOS}/._{path.name}", b"what a Mac adds")
    shutil.rmtree(photos)
    return folder


LAYOUTS = {
    "authors": authors,
    "authors, in capitals or not": in_capitals,
    "above": above,
    "above the authors'": above_the_authors,
    "png": png,
    "authors, png": lambda folder: authors(png(folder)),
    "zeros": zeros,
    "kaggle": lambda folder: kaggle(nested(folder)),
    "kaggle, zeros": lambda folder: kaggle(zeros(folder)),
    "windows": lambda folder: authors(from_windows(folder)),
    "zip": pack,
    "zip, authors": lambda folder: authors(pack(folder)),
    "zip, flat": lambda folder: pack(folder, "{}"),
    "zip, deeper": lambda folder: pack(folder, "./celeba/Img/img_align_celeba/{}"),
    "zip, backslashes": lambda folder: pack(folder, "img_align_celeba\\{}"),
    "zip of png, above": lambda folder: above(pack(png(folder))),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_split(celeba, layout):
    expected = told(open_split(celeba, "glasses"))
    data = LAYOUTS[layout](celeba)
    split = open_split(data, "glasses")
    assert told(split) == expected
    assert not split.unreadable and split.attribute == "Eyeglasses" and split.origin == "CelebA"


def test_what_is_unpacked_goes_before_the_archive(celeba):
    shutil.copytree(celeba / PHOTOS, celeba / "kept")
    pack(celeba)
    (celeba / "kept").rename(celeba / PHOTOS)
    assert open_split(celeba, "glasses").items["train", "with"][0].is_file()


def test_own_folders_go_before_a_celeba_below_them_and_after_one_beside_them(celeba):
    for side in datasets.SIDES:
        (celeba.parent / side).mkdir()
        for i in range(20):
            Image.new("RGB", (20, 20)).save(celeba.parent / side / f"{i}.png")
    assert open_split(celeba.parent, "glasses").known is None
    for path in list(celeba.iterdir()):
        path.rename(celeba.parent / path.name)
    assert open_split(celeba.parent, "glasses").known


# --- what lacks is named -----------------------------------------------------------------------


def without(name):
    def layout(folder):
        path = authors(folder) / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return folder

    return layout


def packed_otherwise(folder):
    png(folder)
    (folder / f"{PHOTOS}_png").rename(folder / f"{PHOTOS}_png.7z")  # of parts, in such a folder
    return authors(folder)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            without("Img/img_align_celeba"),
            "celeba holds Anno/list_attr_celeba.txt, Eval/list_eval_partition.txt, "
            "Anno/identity_CelebA.txt, but that is not all of CelebA. Looked for "
            "img_align_celeba/, img_align_celeba_png/ or img_align_celeba.zip, at the top or in "
            "Img/. Any other archive has to be unpacked first.",
        ),
        (
            without("Anno/list_attr_celeba.txt"),
            "celeba holds Img/img_align_celeba, Eval/list_eval_partition.txt, "
            "Anno/identity_CelebA.txt, but that is not all of CelebA. Looked for "
            "list_attr_celeba.txt (or .csv), at the top or in Anno/.",
        ),
        (lambda folder: above(without("Anno")(folder)), "celeba holds Img/img_align_celeba, Eval/"),
        (packed_otherwise, "Img/img_align_celeba_png.7z, but that is not all of CelebA."),
        (lambda folder: folder / PHOTOS, "which holds 000001.jpg, 000002.jpg, 000003.jpg, 000004"),
        (lambda folder: folder / PHOTOS, "and 35 more. Looked for list_attr_celeba.txt"),
        (lambda folder: folder / "list_attr_celeba.txt", "There is no folder"),
    ],
)
def test_what_lacks_is_named(celeba, layout, message):
    with pytest.raises(DataError) as error:
        open_split(layout(celeba), "glasses")
    assert message in str(error.value)


@pytest.mark.parametrize("form", [lambda folder: folder, kaggle])
def test_zeros_and_minus_ones_do_not_go_together(celeba, form):
    """Whichever comes first: one photo's 0 would be taken for what it may not mean."""
    (table,) = form(celeba).glob("list_attr*")
    lines = table.read_text().splitlines()
    header = 1 if table.suffix == ".csv" else 2
    for at in (header, len(lines) - 1):
        assert "-1" in lines[at]
        mixed = [line.replace("-1", "0") if i == at else line for i, line in enumerate(lines)]
        table.write_text("\n".join(mixed))
        with pytest.raises(DataError, match=f"line {at + 1}: a value of 0, where line .* has -1"):
            open_split(celeba, "glasses")


# --- the archive -------------------------------------------------------------------------------


def everything_below(folder):
    return sorted((p, p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*"))


def test_nothing_is_written_beside_an_archive(celeba, tmp_path):
    """So that it may lie where nothing may be written, and nothing is ever half unpacked."""
    pack(celeba)
    before = everything_below(celeba)
    split = open_split(celeba, "glasses")
    split.crops = pixels.Crops(tmp_path / "crops", 10**6)
    item = split.items["train", "with"][0]
    image = datasets.read_image(item, SIZE)
    for _ in range(2):
        assert (split.crops.read(item, SIZE) == image).all()
    assert len(list((tmp_path / "crops").iterdir())) == 1
    assert sum(datasets.write_split(split, tmp_path / "out", SIZE).values()) == 40
    assert everything_below(celeba) == before


@pytest.mark.parametrize("name", ["../../{}", "/{}", "/etc/../{}", "..\\..\\{}", "C:\\{}"])
def test_names_that_lead_out_of_an_archive_lead_nowhere(celeba, tmp_path, name):
    expected = told(open_split(celeba, "glasses"))
    pack(celeba, name)
    before = everything_below(tmp_path)
    assert told(open_split(celeba, "glasses")) == expected
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],  # as a download that was broken off
        lambda data: b"",
        lambda data: b"<!DOCTYPE html><title>Google Drive - Quota exceeded</title>",
        lambda data: data[:-22] + b"\0" * 22,
    ],
)
def test_a_damaged_archive_is_refused(celeba, damage):
    archive = pack(celeba) / f"{PHOTOS}.zip"
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(
        DataError, match="img_align_celeba.zip is damaged, or no zip .*etch it again"
    ):
        open_split(celeba, "glasses")


@pytest.mark.parametrize(
    ("find", "offset", "value", "why"),
    [
        # Before the photo stands its name, 30 bytes after the beginning of its header.
        (bytes.index, 1000, b"\0" * 9, "CRC-32"),
        (bytes.index, -30, b"none", "magic number"),
        # In the directory at the end, 46 bytes before the name: flags, method, unpacked size.
        (bytes.rindex, -38, b"\1", "password"),
        (bytes.rindex, -36, b"\x61", "not supported"),
        (bytes.rindex, -22, b"\xff\xff\xff\x7f", "unpacks to 2047 MB"),
    ],
)
def test_a_photo_that_can_not_be_unpacked_is_skipped_and_named(
    celeba, tmp_path, find, offset, value, why
):
    archive = pack(celeba) / f"{PHOTOS}.zip"
    data = bytearray(archive.read_bytes())
    place = find(bytes(data), b"img_align_celeba/000007") + offset
    data[place : place + len(value)] = value
    archive.write_bytes(data)
    split = open_split(celeba, "glasses")
    written = datasets.write_split(split, tmp_path / "out", SIZE)
    assert sum(written.values()) == 39
    ((name, reason),) = split.unreadable.items()
    assert name == f"{PHOTOS}.zip/000007.jpg" and why in reason


def test_another_archive_in_its_place_is_opened_anew(celeba):
    shutil.copytree(celeba / PHOTOS, celeba / "kept")
    item = open_split(pack(celeba), "glasses").items["train", "with"][0]
    before = datasets.read_image(item, SIZE)
    (celeba / "kept").rename(celeba / PHOTOS)
    Image.new("RGB", (178, 218), "red").save(celeba / PHOTOS / item.name)
    for path in (celeba / PHOTOS).iterdir():
        if path.name > item.name:
            path.unlink()
    pack(celeba)
    assert (datasets.read_image(item, SIZE) != before).any()
    split = open_split(celeba, "glasses")
    assert f"{PHOTOS}.zip/000040.jpg" in split.unreadable
    with pytest.raises(ValueError, match="no longer in img_align_celeba.zip"):
        pixels.open_photo(item.with_name("000040.jpg"))
