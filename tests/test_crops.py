"""The face crops that are kept on disk: the same pixels, and never those of another photo."""

import os

import numpy as np
import pytest
from PIL import Image

from helpers import datasets, pairing, pixels
from helpers.errors import CourseError

SIZE = 32
BYTES = 3 * SIZE * SIZE + 4


@pytest.fixture
def split(celeba):
    return datasets.open_split(celeba, "Eyeglasses")


@pytest.fixture
def photo(split):
    return split.items["train", "with"][0]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "crops"


@pytest.fixture
def decoded(monkeypatch):
    """The photos that were decoded, one after another."""
    seen, open_photo = [], pixels.open_photo
    monkeypatch.setattr(pixels, "open_photo", lambda path: (seen.append(path), open_photo(path))[1])
    return seen


def batches(split):
    stream = pairing.pair_stream(split, SIZE, 8)
    return [np.stack(list(map(np.asarray, batch))) for batch in stream.take(8)]


def test_the_stream_is_the_same_and_decodes_each_photo_once(split, folder, decoded):
    plain = batches(split)
    decoded.clear()
    split.crops = pixels.Crops(folder, 10**6)
    np.testing.assert_array_equal(batches(split), plain)
    again = pixels.Crops(folder, 10**6)
    decoded.clear()
    split.crops = again
    np.testing.assert_array_equal(batches(split), plain)
    photos = {path for side in datasets.SIDES for path in split.items["train", side]}
    kept = len(list(folder.iterdir()))
    # What was read ahead when the first stream ended may lack.
    assert len(decoded) <= len(photos) - kept and kept > len(photos) // 2


def test_a_photo_that_changes_is_decoded_anew(photo, folder, decoded):
    crops = pixels.Crops(folder, 10**6)
    before = crops.read(photo, SIZE)
    np.testing.assert_array_equal(crops.read(photo, SIZE), before)
    assert len(decoded) == 1
    assert crops.read(photo, 2 * SIZE).shape == (2 * SIZE, 2 * SIZE, 3)
    Image.new("RGB", (178, 218), "red").save(photo)
    after = crops.read(photo, SIZE)
    np.testing.assert_array_equal(after, datasets.read_image(photo, SIZE))
    assert np.abs(after.astype(int) - before).max() > 10
    stat = photo.stat()  # as many bytes as before, but later
    data = photo.read_bytes()
    Image.new("RGB", (178, 218), "lime").save(photo)
    photo.write_bytes(photo.read_bytes()[: len(data)].ljust(len(data), b"\0"))
    os.utime(photo, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    assert crops.read(photo, SIZE)[0, 0].tolist() != after[0, 0].tolist()


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-9], lambda d: b"", lambda d: d[:9] + b"?" + d[10:]]
)
def test_a_damaged_file_is_written_anew(photo, folder, damage, decoded):
    crops = pixels.Crops(folder, 10**6)
    whole = crops.read(photo, SIZE)
    (file,) = folder.iterdir()
    data = file.read_bytes()
    file.write_bytes(damage(data))
    np.testing.assert_array_equal(crops.read(photo, SIZE), whole)
    assert file.read_bytes() == data and len(decoded) == 2


def test_it_never_takes_more_room_and_the_oldest_give_way_at_the_next_start(split, folder, decoded):
    photos = split.items["train", "with"][:9]
    crops = pixels.Crops(folder, 4 * BYTES)
    for number, photo in enumerate(photos):
        crops.read(photo, SIZE)
        for file in folder.iterdir():
            if number < 4 and file.stat().st_mtime > 1e9:
                os.utime(file, (number, number))
    assert len(list(folder.iterdir())) == 4
    decoded.clear()
    crops = pixels.Crops(folder, 4 * BYTES)
    for photo in photos[:4]:
        crops.read(photo, SIZE)
    assert decoded == photos[:1] and len(list(folder.iterdir())) == 4


def test_the_folder_may_go_at_any_time_and_what_a_kill_left_goes_too(photo, folder):
    crops = pixels.Crops(folder, 10**6)
    whole = crops.read(photo, SIZE)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    np.testing.assert_array_equal(crops.read(photo, SIZE), whole)
    folder.mkdir()
    (folder / ".1-2.part").write_bytes(b"half")
    pixels.Crops(folder, 10**6)
    assert not list(folder.iterdir())


def test_what_can_not_be_read_or_be_a_folder_is_said(split, photo, folder, tmp_path):
    photo.write_bytes(b"no photo")
    with pytest.raises(ValueError, match="no image"):
        pixels.Crops(folder, 10**6).read(photo, SIZE)
    assert not list(folder.iterdir())
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CourseError, match="can't be used"):
        pixels.Crops(tmp_path / "file", 10**6)
