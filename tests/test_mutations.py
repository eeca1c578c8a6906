"""Nothing let in: mutated attribute files, images and folders.

Each input is read, or skipped by name, or refused with a message: no other exception, no wait,
nothing dropped in silence. SURVIVAL_INPUTS sets how many are tried of each kind (300 by default,
3000 with --report). The mutations depend on a seed alone, so a failure can be repeated.
"""

import contextlib
import io
import itertools
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from made_up import write_celeba
from PIL import Image, ImageCms

from helpers import datasets, pairing, pixels
from helpers.errors import CourseError, DataError

INPUTS = int(os.environ.get("SURVIVAL_INPUTS", "300"))
ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, which the course mutes


# --- attribute files ------------------------------------------------------------------------


def to_kaggle(text):
    _, header, *rows = text.splitlines()
    lines = ["image_id " + header, *rows]
    return "\n".join(",".join(line.split()) for line in lines) + "\n"


def cut(data, rng):
    return data[: rng.integers(len(data) + 1)]


def flip(data, rng):
    data = bytearray(data)
    for place in rng.integers(0, max(len(data), 1), rng.integers(1, 5)):
        if data:
            data[place] ^= 1 << rng.integers(8)
    return bytes(data)


def change_line(data, rng):
    """Drop, repeat, empty, lengthen or move a line."""
    lines = data.splitlines(keepends=True) or [b""]
    i, j = rng.integers(len(lines), size=2)
    what = rng.integers(5)
    if what == 0:
        del lines[i]
    elif what == 1:
        lines.insert(j, lines[i])
    elif what == 2:
        lines[i] = b"\n"
    elif what == 3:
        lines[i] = lines[i].rstrip() * int(rng.integers(2, 2000)) + b"\n"
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


WORDS = [b"0", b"2", b"-2", b"yes", b"", b"1.0", b"nan", b"\xd9\xa1", b"\xc2\xb2", b"--1", b"\0"]
WORDS += [b"9" * 5000, b"..\\..\\x.jpg", b"C:\\faces\\000001.jpg", b"../../etc/passwd", b"1 1 1"]
WORDS += [b"/etc/passwd", b"\xff\xfe", b"\x1b[2J", b"\xe2\x80\xa8", b"image_id", b"Eyeglasses"]


def change_word(data, rng):
    lines = data.split(b"\n")
    i = rng.integers(len(lines))
    gap = b"," if b"," in lines[i] else b" "
    words = lines[i].split(gap)
    words[rng.integers(len(words))] = WORDS[rng.integers(len(WORDS))]
    lines[i] = gap.join(words)
    return b"\n".join(lines)


def add_column(data, rng):
    lines = data.split(b"\n")
    chosen = lines if rng.integers(2) else [lines[rng.integers(len(lines))]]
    return b"\n".join(line + b" 1" if line in chosen else line for line in lines)


def change_form(data, rng):
    """Write the same in another way: most of these must simply work."""
    text = data.decode("utf-8", "replace")
    forms = [
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: data.replace(b" ", b"\t"),
        lambda: data.replace(b" ", b", "),
        lambda: text.encode("utf-16"),
        lambda: data + b"\n \n\t\n",
        lambda: data.replace(b".jpg", b".jp\xe9g"),
        lambda: data.replace(b"0000", b"img\\0000"),
        lambda: data.replace(b"-1", b"0"),
    ]
    return forms[rng.integers(len(forms))]()


MUTATIONS = [cut, flip, change_line, change_word, add_column, change_form]


def test_mutated_attribute_files(tmp_path, tried):
    """Each row ends in the split or among the skipped, or the file is refused by name."""
    folder = write_celeba(tmp_path / "celeba")
    table = folder / "list_attr_celeba.txt"
    celeba = table.read_text()
    table.unlink()
    forms = {table: celeba, table.with_suffix(".csv"): to_kaggle(celeba)}
    seen = {"read": 0, "refused": 0}
    for number in range(INPUTS):
        rng = np.random.default_rng([1, number])
        path, text = list(forms.items())[number % 2]
        data = text.encode()
        for _ in range(rng.integers(1, 4)):
            data = MUTATIONS[rng.integers(len(MUTATIONS))](data, rng)
        path.write_bytes(data)
        try:
            split = datasets.open_split(folder, "Eyeglasses")
        except CourseError as error:
            seen["refused"] += 1
            tried("mutated attribute files that were refused")
            # It names the file or folder, or the attribute that the file no longer has.
            assert str(folder) in str(error) or "no attribute" in str(error), number
            assert len(str(error)) < 2000 + len(data), number
        else:
            seen["read"] += 1
            tried("mutated attribute files that were read, each row counted")
            lines = [
                line.replace(",", " ").split() for line in data.decode("utf-8-sig").splitlines()
            ]
            lines = [words for words in lines if words]
            rows = len(lines) - (1 if lines[0][0] == "image_id" else 2)
            assert sum(map(len, split.items.values())) + len(split.unreadable) == rows, number
        finally:
            path.unlink()
    assert min(seen.values()) > INPUTS // 20


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("\n", "\r"),  # as an old Mac had it
        lambda text: text.replace("\n", "\n\n , ,\t\n"),  # as a spreadsheet leaves them
    ],
)
def test_other_forms_of_the_attribute_file_give_the_same_split(celeba, change):
    """Kaggle's and Windows' are among the layouts (test_layouts.py)."""
    expected = datasets.open_split(celeba, "Eyeglasses")
    table = celeba / "list_attr_celeba.txt"
    table.write_bytes(change(table.read_text()).encode())
    assert datasets.open_split(celeba, "Eyeglasses").items == expected.items


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [*lines, lines[5]], "line 43: '000004.jpg' stands in line 6"),
        (lambda lines: [lines[0], lines[1] + " Male", *lines[2:]], "line 2: .*'Male' stands twice"),
        (lambda lines: ["²", *lines[1:]], "line 1 should be"),
        (lambda lines: [s.replace("1", "2") for s in lines], "line 3: expected"),
        (lambda lines: [*lines[:4], lines[4].replace("-1", "0"), *lines[5:]], "line 5: .*of 0.*-1"),
        (lambda lines: ["9" * 5000, *lines[1:]], "number of photos is 9+ in line 1, but 40"),
        (lambda lines: [s.replace("0000", "img/0000") for s in lines], "None of 40 photos"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(celeba, damage, message):
    path = celeba / "list_attr_celeba.txt"
    path.write_text("\n".join(damage(path.read_text().splitlines())))
    with pytest.raises(DataError, match=message):
        datasets.open_split(celeba, "glasses")


def test_a_partition_that_does_not_exist_is_refused(celeba):
    (celeba / "list_eval_partition.txt").write_text("000001.jpg 3\n")
    with pytest.raises(DataError, match="000001.jpg is in part '3'"):
        datasets.open_split(celeba, "glasses")


def test_mutated_archives(tmp_path, tried):
    """Each photo is read, or can't be and says why, or the archive is refused by name."""
    folder = write_celeba(tmp_path / "celeba", 16)
    archive = folder / "img_align_celeba.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for photo in (folder / "img_align_celeba").iterdir():
            file.write(photo, f"img_align_celeba/{photo.name}")
    shutil.rmtree(folder / "img_align_celeba")
    whole = archive.read_bytes()
    directory = whole.index(b"PK\1\2")  # a tenth of the bytes, and what matters
    seen = {"read": 0, "not read": 0, "refused": 0}
    for number in range(INPUTS):
        rng = np.random.default_rng([4, number])
        mutate = MUTATIONS[rng.integers(2)]
        at = directory if rng.integers(3) else 0
        archive.write_bytes(whole[:at] + mutate(whole[at:], rng))
        try:
            split = datasets.open_split(folder, "Eyeglasses")
        except CourseError as error:
            seen["refused"] += 1
            tried("mutated archives that were refused")
            assert str(archive) in str(error) or "has no photo" in str(error), (number, error)
            continue
        tried("mutated archives that were read, each photo counted")
        for item in itertools.chain.from_iterable(split.items.values()):
            try:
                datasets.read_image(item, 32)
                seen["read"] += 1
            except (OSError, ValueError) as error:
                seen["not read"] += 1
                assert str(error), number
        assert sum(map(len, split.items.values())) + len(split.unreadable) == 16
    assert min(seen.values()) > INPUTS // 20


def test_a_table_of_many_columns_takes_no_more_memory_than_its_text(celeba):
    """A header of 200,000 names and as many rows would be 40 GB of values."""
    path = celeba / "list_attr_celeba.txt"
    names = " ".join(f"c{i}" for i in range(200_000))
    path.write_text(f"200000\n{names}\n" + "x.jpg 1\n" * 200_000)
    with pytest.raises(DataError, match="line 3: expected a file name and 200,000 values"):
        datasets.open_split(celeba, "c1")


# --- images ---------------------------------------------------------------------------------


def pictures():
    """Return small pictures of every kind as (name, bytes)."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (4, 5, 3), np.uint8)).resize((15, 12))
    gray = Image.fromarray(np.linspace(0, 65535, 180).astype(np.uint16).reshape(12, 15))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    kinds = [
        ("a.jpg", photo, {"exif": exif}),
        ("progressive.jpg", photo, {"progressive": True, "quality": 90}),
        ("cmyk.jpg", photo.convert("CMYK"), {}),
        ("a.png", photo, {"exif": exif}),
        ("alpha.png", photo.convert("RGBA"), {}),
        ("palette.png", photo.convert("P"), {"transparency": 3}),
        ("gray16.png", gray, {}),
        ("a.webp", photo, {"exif": exif}),
        ("lossless.webp", photo.convert("RGBA"), {"lossless": True}),
        ("a.gif", photo, {"save_all": True, "append_images": [photo.rotate(90)]}),
        ("a.tif", photo, {"compression": "tiff_lzw"}),
        ("jpeg.tif", photo, {"compression": "jpeg"}),
        ("cmyk.tif", photo.convert("CMYK"), {}),
        ("a.bmp", photo, {}),
    ]
    for name, image, options in kinds:
        file = io.BytesIO()
        image.save(
            file, {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name.split(".")[1]), **options
        )
        yield name, file.getvalue()


def read(path, data):
    """Return whether an image could be read; only the announced errors may come."""
    path.write_bytes(data)
    try:
        image = datasets.read_image(path, 32)
    except (OSError, ValueError) as error:
        assert str(error)
        return False
    assert image.shape == (32, 32, 3) and image.dtype == np.uint8
    return True


def test_every_kind_of_picture_is_read(tmp_path):
    for name, data in pictures():
        assert read(tmp_path / name, data), name


def test_pictures_cut_at_every_point(tmp_path, tried):
    step = max(1, 3000 // INPUTS)
    for name, data in pictures():
        for end in range(0, len(data), step):
            tried("pictures cut short")
            read(tmp_path / name, data[:end])


def test_pictures_with_flipped_bits(tmp_path, tried):
    kinds = list(pictures())
    outcomes = set()
    for number in range(INPUTS):
        rng = np.random.default_rng([2, number])
        name, data = kinds[number % len(kinds)]
        # Headers are where decoders stumble.
        head = data[:200] if rng.integers(2) else data
        data = flip(head, rng) + data[len(head) :]
        tried("pictures with flipped bits")
        outcomes.add(read(tmp_path / name, data))
    assert outcomes == {True, False}


def bombs():
    """Return headers that promise 30,000 x 30,000 pixels, and some that promise a bit less."""

    def chunk(kind, body):
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    def png(side, *chunks):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")

    for side in (30_000, 12_000):
        yield f"{side}.png", png(side, chunk(b"IDAT", zlib.compress(bytes(3_000_000), 9)))
        screen = struct.pack("<HHBBB", side, side, 0, 0, 0)
        place = struct.pack("<HHHHB", 0, 0, side, side, 0)
        yield f"{side}.gif", b"GIF89a" + screen + b"," + place + b"\x08\0;"
        bmp = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        yield f"{side}.bmp", b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + bmp
        jpeg = dict(pictures())["a.jpg"]
        start = jpeg.index(b"\xff\xc0") + 5
        size = struct.pack(">HH", side, side)
        yield f"{side}.jpg", jpeg[:start] + size + jpeg[start + 4 :]
        tiff = dict(pictures())["cmyk.tif"]
        for tag in (256, 257):
            entry = struct.pack("<H", tag)
            place = tiff.index(entry + struct.pack("<H", 4), 8) if entry in tiff else -1
            if place >= 0:
                tiff = tiff[: place + 8] + struct.pack("<I", side) + tiff[place + 12 :]
        yield f"{side}.tif", tiff
    text = b"a\0\0" + zlib.compress(bytes(200_000_000), 9)
    yield "text.png", png(4, chunk(b"zTXt", text))


READ_ALL = """
import resource, sys
from pathlib import Path
import helpers.datasets as datasets
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        datasets.read_image(path, 32)
        print(path.name, "was read")
    except (OSError, ValueError) as error:
        print(path.name, "refused:", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't limit memory this way")
def test_headers_that_promise_too_much_are_refused_within_a_gigabyte(tmp_path, tried):
    names = []
    for name, data in bombs():
        (tmp_path / name).write_bytes(data)
        names.append(name)
    tried("pictures that promise too many pixels", len(names))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    for line in lines:  # for their size, not for what is missing behind the header
        assert re.search("refused: .*(too many|exceeds limit|too large)", line), line
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.jpg", b"", "no image of a known format"),
        ("text.jpg", b"hello", "no image of a known format"),
        ("page.png", b"<!doctype html><title>404</title>", "no image of a known format"),
        ("phone.heic", b"\0\0\0\x18ftypheic", "save it as JPEG"),
        ("program.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
    ],
)
def test_what_is_no_photo_says_so(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        pixels.open_photo(tmp_path / name)


def test_16_bits_keep_their_shades_and_fractions_are_refused(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(256, 0)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    np.testing.assert_allclose(
        np.asarray(pixels.open_photo(tmp_path / "ramp.png"))[0, :, 0], ramp[0] >> 8
    )
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "ramp.tif")
    with pytest.raises(ValueError, match="8 bits"):
        pixels.open_photo(tmp_path / "ramp.tif")


def test_colours_are_those_that_the_profile_says(tmp_path):
    """Of phones, Display P3; here a profile that has red and blue the other way round."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (8, 9, 3), np.uint8))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    unnamed = srgb.replace("sRGB".encode("utf-16-be"), "else".encode("utf-16-be"))
    other = unnamed.replace(b"rXYZ", b"----").replace(b"bXYZ", b"rXYZ").replace(b"----", b"bXYZ")
    # sRGB's curve alone, as a profile of gray pictures has it.
    gray = bytearray(unnamed.replace(b"rTRC", b"kTRC"))
    gray[16:20] = b"GRAY"
    turned = Image.merge("RGB", photo.split()[::-1])
    exif = Image.Exif()
    exif[0x0112] = 3
    upside_down = turned.transpose(Image.Transpose.ROTATE_180)
    for name, picture, options in (
        ("srgb.png", photo, {"icc_profile": srgb}),
        ("other.png", turned, {"icc_profile": other}),
        ("turned.png", upside_down, {"icc_profile": other, "exif": exif}),
        ("alpha.png", turned.convert("RGBA"), {"icc_profile": other}),
        ("damaged.png", photo, {"icc_profile": other[:200]}),
        ("gray.png", photo.convert("L"), {"icc_profile": other}),  # of three channels, of one
        ("gray-alpha.png", photo.convert("LA"), {"icc_profile": gray}),
    ):
        picture.save(tmp_path / name, **options)
        expected = photo.convert("L").convert("RGB") if "gray" in name else photo
        off = np.asarray(pixels.open_photo(tmp_path / name)).astype(int) - np.asarray(expected)
        assert abs(off).max() <= 1, name


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1)])
def test_the_thinnest_photos(tmp_path, size):
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    assert (datasets.read_image(tmp_path / "a.png", 32) == [255, 0, 0]).all()


# --- folders --------------------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="names and kinds of files of POSIX")


@contextlib.contextmanager
def as_nobody():
    """Act as a user to whom permissions apply: root reads everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def make_entry(place, number, rng, photo):
    """Put a good photo or something odd into a folder; return whether it is a readable photo."""
    kind = rng.integers(16)
    path = place / f"{number}.jpg"
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to(path)
    elif kind == 2:
        path.symlink_to("/nowhere/at/all.jpg")
    elif kind == 3:
        os.mkfifo(path)
    elif kind == 4:
        path.symlink_to("/dev/zero")
    elif kind == 5:
        path.write_bytes(photo)
        path.chmod(0)
    elif kind == 6:
        path.write_bytes(photo[: rng.integers(len(photo) - 60)])
    elif kind == 7:
        place.joinpath(f"{number}.txt").write_text("hello")
    elif kind == 8:
        place.joinpath(str(number), "deeper").mkdir(parents=True)
    elif kind == 9:
        place.joinpath("." + path.name).write_bytes(photo)  # hidden: not counted at all
        return None
    else:
        name = [
            f"{number}",
            f"{number}ä ö 脸 🤓",
            f"{number}" + "n" * 230,
            f"{number}\nnewline\x1b[2J",
            f"{number}\udce4",  # a byte that is no UTF-8
            "same",
        ][kind - 10]
        suffix = [".jpg", ".JPG", ".jpeg"][rng.integers(3)]
        if (place / (name + suffix)).exists():
            return None
        if rng.integers(4) == 0:
            outside = place.parent.parent / "outside.jpg"
            outside.write_bytes(photo)
            (place / (name + suffix)).symlink_to(outside)
        else:
            (place / (name + suffix)).write_bytes(photo)
        return True
    return False


@posix
def test_folders_of_odd_entries(tried):
    """Whatever lies there: photos are written, and the rest is counted and named."""
    photo = dict(pictures())["a.jpg"]
    for number in range(max(INPUTS // 20, 5)):
        rng = np.random.default_rng([3, number])
        around = Path(tempfile.mkdtemp())  # holds what links out of the data lead to
        around.chmod(0o755)
        top = around / "data"
        top.mkdir()
        top.chmod(0o777)
        try:
            good = bad = 0
            for side in datasets.SIDES:
                (top / side).mkdir()
                (top / side / "good.png").write_bytes(dict(pictures())["a.png"])
                made = [make_entry(top / side, i, rng, photo) for i in range(rng.integers(1, 12))]
                good += 1 + made.count(True)
                bad += made.count(False)
                tried("odd files and folders among photos", len(made))
            with as_nobody():
                try:
                    split = datasets.open_split(top, "beard", need=datasets.part_of("good.png"))
                    written = datasets.write_split(split, top / "out", 32)
                finally:
                    left = sorted(path.name for path in top.iterdir())
            assert sum(written.values()) == good, (number, split.unreadable)
            assert len(split.unreadable) == bad, (number, split.unreadable)
            assert len(list((top / "out").glob("*/*/*.png"))) == good, number
            assert [name for name in left if name.startswith(".")] == [], number
            if bad:
                text = (top / "out" / "skipped.txt").read_text("utf-8")
                assert len(text.splitlines()) == bad, number
        finally:
            subprocess.run(["chmod", "-R", "u+rwX", str(around)], check=True)
            shutil.rmtree(around)


@posix
@pytest.mark.parametrize("closed", ["with", ".", "list_attr_celeba.txt", "img_align_celeba"])
def test_what_may_not_be_read_is_named(closed):
    top = Path(tempfile.mkdtemp())
    try:
        folder = top / "data"
        if closed in ("with", "."):
            for side in datasets.SIDES:
                (folder / side).mkdir(parents=True)
                (folder / side / "a.png").write_bytes(dict(pictures())["a.png"])
        else:
            write_celeba(folder)
        top.chmod(0o755)
        (folder / closed).chmod(0)
        with (
            as_nobody(),
            pytest.raises(CourseError, match="(?s)data.*ermission denied.*who owns it"),
        ):
            datasets.open_split(folder, "glasses")
    finally:
        (folder / closed).chmod(0o755)
        shutil.rmtree(top)


def test_photos_that_vanish_while_they_are_read(celeba, tmp_path):
    split = datasets.open_split(celeba, "glasses")
    total = sum(map(len, split.items.values()))
    photos = sorted((celeba / "img_align_celeba").iterdir())

    def vanish():
        for path in photos[::2]:
            path.unlink()

    thread = threading.Thread(target=vanish)
    thread.start()
    written = datasets.write_split(split, tmp_path / "out", 32)
    thread.join()
    assert sum(written.values()) + len(split.unreadable) == total


def test_two_photos_of_one_stem_are_both_written(tmp_path):
    for side in datasets.SIDES:
        (tmp_path / "in" / side).mkdir(parents=True)
        for name in ("a.png", "a.jpg", "A.gif", "a-2.png"):
            Image.new("RGB", (20, 20)).save(tmp_path / "in" / side / name)
    split = datasets.open_split(tmp_path / "in", "x", need=datasets.part_of("a.png"))
    written = datasets.write_split(split, tmp_path / "out", 32)
    assert sum(written.values()) == len(list((tmp_path / "out").glob("*/*/*.png"))) == 8


def test_one_bad_name_on_one_side_does_not_hide_the_other_side(tmp_path):
    for side in datasets.SIDES:
        (tmp_path / "train" / side).mkdir(parents=True)
        for name in ("a.png", "b.png"):
            Image.new("RGB", (20, 20)).save(tmp_path / "train" / side / name)
    (tmp_path / "train" / "with" / "a.png").write_bytes(b"")
    split = datasets.open_split(tmp_path, "x")
    datasets.write_split(split, tmp_path / "out", 32)
    assert set(split.unreadable) == {"train/with/a.png"}
    assert pairing.batch_names(split, 1)["with"] == ["train/with/b.png"]


def test_a_side_without_one_readable_photo_says_so(celeba):
    split = datasets.open_split(celeba, "glasses")
    for path in split.items["train", "with"]:
        path.write_bytes(b"")
    for _ in range(2):
        with contextlib.suppress(DataError):
            pairing._read_or_next(split, split.items["train", "with"], 0, 32, None, 0.0)
    with pytest.raises(DataError, match=r"None of \d+ photos with Eyeglasses"):
        pairing.check_readable(split)
