"""Each measure moves the right way for a planted fault, and says "nothing" of a zero edit."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import scipy.linalg
from made_up import write_celeba
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from typer.testing import CliRunner

from helpers import (
    classifier,
    datasets,
    evaluation,
    identity,
    judges,
    metrics,
    networks,
    passes,
    pixels,
    reports,
    styling,
    summary,
    training,
    weight_files,
    whole_path,
)
from helpers.celeba import read_attributes
from helpers.drawn import worn
from helpers.errors import TrainingError

SIZE = 32


# --- a world that is easy to judge: a dark band over the eyes ---------------------------------


def plain_faces(count, seed=0, size=SIZE):
    """Colour fields with a fine grain, uint8: no two alike, and no band."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(110, 220, (count, 4, 4, 3), np.uint8)
    smooth = [np.asarray(Image.fromarray(c).resize((size, size), 3)) for c in coarse]
    grain = rng.normal(0, 20, (count, size, size, 3))
    return np.clip(smooth + grain, 60, 240).astype(np.uint8)


def box(size=SIZE):
    left, top, right, bottom = (v * size // 128 for v in metrics.REGIONS["Eyeglasses"])
    return slice(None), slice(top, bottom), slice(left, right)


def put_band(images, value=30):
    images = images.copy()
    images[box(images.shape[1])] = value
    return images


def fill_band(images):
    """Take the band off: repeat the row above it."""
    images = images.copy()
    every, rows, columns = box(images.shape[1])
    images[every, rows, columns] = images[every, rows.start - 1 : rows.start, columns]
    return images


def generator(edit):
    """Turn a function on uint8 images into one from [-1, 1] to a residual."""

    def residual(unit):
        return pixels.to_unit(edit(pixels.to_bytes(unit))) - unit

    return residual


class BandModel:
    """A judge that can't err: dark over the eyes is "with". Features are a coarse picture."""

    input_shape = (None, SIZE, SIZE, 3)

    def __call__(self, unit, training=False):
        dark = -unit[box()].mean(axis=(1, 2, 3)) * 20
        low = unit.reshape(len(unit), 4, 8, 4, 8, 3).std(axis=(2, 4)).reshape(len(unit), -1)
        bright = unit.mean(axis=(1, 2, 3)) * 4
        logits = np.stack([dark, bright], axis=1)
        return logits, np.concatenate([low, logits], axis=1)


JUDGE = judges.Judge("band", BandModel(), {"columns": ["Eyeglasses", "Male"]}, 0)
JUDGE.card.update(network="rule", train_images=0)


@pytest.fixture
def folders(tmp_path):
    """Folders with/ and without/, split as `write_split` does."""
    for part, count in (("train", 24), ("validation", 12), ("test", 16)):
        for side, seed in (("without", 1), ("with", 2)):
            folder = tmp_path / "data" / part / side
            folder.mkdir(parents=True)
            faces = plain_faces(count, seed + 10 * count)
            for i, image in enumerate(put_band(faces) if side == "with" else faces):
                Image.fromarray(image).save(folder / f"face{i}.png")
    return tmp_path / "data"


def run(data, add, remove, out=None, *, closely=False, **options):
    split = datasets.open_split(data, "Eyeglasses")
    return evaluation.measure(
        (generator(add), generator(remove)),
        split,
        SIZE,
        [JUDGE],
        out,
        faces=False,
        closely=closely,
        cache=None,
        progress=False,
        **options,
    )


def same(images):
    return images


# --- single measures --------------------------------------------------------------------------


def test_psnr_and_ssim_agree_with_scikit_image():
    faces = plain_faces(3)
    noisy = np.clip(faces + np.random.default_rng(1).normal(0, 9, faces.shape), 0, 255)
    noisy = noisy.astype(np.uint8)
    for i in range(3):
        expected = peak_signal_noise_ratio(faces[i], noisy[i], data_range=255)
        assert metrics.psnr(noisy, faces)[i] == pytest.approx(expected, abs=1e-9)
        expected = structural_similarity(
            faces[i],
            noisy[i],
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert metrics.ssim(noisy, faces)[i] == pytest.approx(expected, abs=1e-9)
    assert (metrics.psnr(faces, faces) == metrics.HIGHEST_PSNR).all()
    assert metrics.ssim(faces, faces) == pytest.approx(1)


def test_region_covers_the_box_at_every_size():
    for attribute, (left, top, right, bottom) in metrics.REGIONS.items():
        for size in (32, 64, 100, 128):
            mask = metrics.region_mask(attribute, size)
            share = (right - left) * (bottom - top) / 128**2
            assert mask.mean() == pytest.approx(share, abs=1e-6)
    assert metrics.region_mask("glasses", 64)[33, 25] == 1  # the left eye
    assert metrics.region_mask("glasses", 64)[48, 32] == 0  # the mouth
    assert metrics.region_mask("hat", 64)[5, 32] == 1
    assert metrics.region_mask("Young", 64) is None
    hat = metrics.region_mask("hat", 128, 3 / 16)
    np.testing.assert_array_equal(hat[24:, 12:-12], metrics.region_mask("hat", 104))
    assert hat[0, 64] == 1  # a hat goes on above
    assert metrics.region_mask("glasses", 128, 3 / 16)[:60].sum() == 0


def test_brightening_is_signed_and_measured_outside_only():
    faces, region = plain_faces(4), metrics.region_mask("Eyeglasses", SIZE)
    brighter = np.clip(faces.astype(int) + 7, 0, 255).astype(np.uint8)
    darker = np.clip(faces.astype(int) - 7, 0, 255).astype(np.uint8)
    assert metrics.brightness_shift(faces, brighter, region) == pytest.approx(7, abs=0.01)
    assert metrics.brightness_shift(faces, darker, region) == pytest.approx(-7, abs=0.01)
    assert metrics.change_outside(faces, darker, region) == pytest.approx(7, abs=0.01)
    banded = put_band(faces)
    assert metrics.brightness_shift(faces, banded, region) == pytest.approx(0, abs=0.3)
    assert metrics.change_outside(faces, banded, region) == pytest.approx(0, abs=0.3)


def test_energy_and_overlap_fall_when_the_edit_lands_elsewhere():
    faces = plain_faces(4, size=128)
    region = metrics.region_mask("Eyeglasses", 128)
    right = put_band(faces)
    shifted = faces.copy()
    every, rows, columns = box(128)
    shifted[every, rows.start + 30 : rows.stop + 30, columns] = 30
    truth = np.broadcast_to(region > 0.5, faces.shape[:3])
    assert metrics.energy_inside(faces, right, region) == pytest.approx(1)
    assert (metrics.energy_inside(faces, shifted, region) < 0.4).all()
    assert metrics.overlap(metrics.touched(faces, right), truth) == pytest.approx(1)
    assert (metrics.overlap(metrics.touched(faces, shifted), truth) < 0.2).all()
    assert metrics.overlap(metrics.touched(faces, faces), truth) == pytest.approx(0)
    assert np.isnan(metrics.energy_inside(faces, faces, region)).all()


def test_frechet_distance_agrees_with_the_root_of_a_matrix():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(24, 24))
    a = rng.normal(size=(300, 24)) @ mix
    b = rng.normal(size=(200, 24)) * 1.3 + 0.4
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = np.square(a.mean(0) - b.mean(0)).sum()
    expected += np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, abs=1e-6)
    # Fewer images than features: the eigenvalues of the product, which scipy's root can't take.
    a, b = a[:10], b[:12]
    values = np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T))
    # Singular eigenvalues are zero up to rounding, and the root magnifies it.
    expected -= 2 * np.sqrt(np.sort(values)[-9:]).sum()
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, abs=1e-6)


def test_kernel_distance_agrees_with_plain_loops(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(13, 5)), rng.normal(size=(9, 5)) + 0.3

    def kernel(x, y):
        return (float(sum(p * q for p, q in zip(x, y, strict=True))) / 5 + 1) ** 3

    def mean(xs, ys):
        values = [
            kernel(x, y)
            for i, x in enumerate(xs)
            for j, y in enumerate(ys)
            if xs is not ys or i != j
        ]
        return sum(values) / len(values)

    expected = mean(a, a) + mean(b, b) - 2 * mean(a, b)
    assert metrics.kernel_distance(a, b) == pytest.approx(expected, abs=1e-9)
    monkeypatch.setattr(metrics, "BLOCK", 4)
    assert metrics.kernel_distance(a, b) == pytest.approx(expected, abs=1e-9)


def test_kernel_distance_is_unbiased_and_frechet_is_not():
    rng = np.random.default_rng(0)
    sets = rng.normal(size=(200, 2, 12, 4))
    kid = [metrics.kernel_distance(a, b) for a, b in sets]
    assert abs(np.mean(kid)) < 3 * np.std(kid) / np.sqrt(len(kid))
    few = np.mean([metrics.frechet_distance(a, b) for a, b in sets])
    many = np.mean([metrics.frechet_distance(*rng.normal(size=(2, 200, 4))) for _ in range(20)])
    assert few > 5 * many


def test_inception_score_spans_one_to_the_number_of_classes():
    one_hot = np.eye(5)[np.arange(50) % 5]
    assert metrics.inception_score(one_hot) == pytest.approx(5)
    assert metrics.inception_score(np.full((50, 5), 0.2)) == pytest.approx(1)
    assert metrics.inception_score(np.eye(5)[np.zeros(50, int)]) == pytest.approx(1)
    yes_no = np.eye(2)[np.arange(40) % 2][:, None].repeat(3, axis=1)
    assert metrics.inception_score(yes_no) == pytest.approx(2)


def test_bootstrap_interval():
    values = np.random.default_rng(0).normal(3, 1, 400)
    estimate = metrics.bootstrap(values)
    assert estimate.value == pytest.approx(values.mean())
    # The textbook: 1.96 standard errors each way.
    half = 1.96 * values.std() / 20
    assert estimate.high - estimate.value == pytest.approx(half, rel=0.15)
    assert estimate.value - estimate.low == pytest.approx(half, rel=0.15)
    with_gaps = np.concatenate([values, [np.nan] * 5])
    assert metrics.bootstrap(with_gaps) == estimate
    assert metrics.bootstrap(np.array([np.nan])).n == 0
    ratio = metrics.bootstrap(values, 2 * values)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))


def test_share_is_never_certain():
    flips = np.arange(40) % 4 > 0
    assert metrics.share(flips) == metrics.bootstrap(flips)
    assert metrics.share(np.ones(60, bool)) == (1, 0.95, 1, 60)
    assert metrics.share(np.zeros(60, bool)) == (0, 0, 0.05, 60)


def test_matched_interval_is_as_wide_as_fresh_samples_scatter():
    rng = np.random.default_rng(0)

    def distance(a, b):  # a plain mean, whose standard error is known
        return float(b.mean())

    b = rng.normal(size=(400, 1))
    estimate = metrics.matched(distance, b, b, n=200, draws=400)
    assert estimate.n == 200
    assert estimate.high - estimate.value == pytest.approx(1.96 * b.std() / 20, rel=0.15)


def test_beside_people_who_are_alike_other_people_do_not_count():
    """Features say who somebody is, and what was edited; each side shows other people."""
    rng = np.random.default_rng(0)

    def side(count, share, edit):
        traits = rng.random((count, 2)) < share
        features = 3 * traits @ [[1, 0, 0], [0, 1, 0]] + [0, 0, edit]
        return features + rng.normal(0, 0.3, (count, 3)), traits

    (a, of_a), (b, of_b) = side(400, [0.3, 0.5], 0), side(120, [0.8, 0.5], 0)
    distance = metrics.kernel_distance
    others = metrics.matched(distance, a, b, 60)
    alike = metrics.matched(distance, a, b, 60, traits=(of_a, of_b))
    assert others.low > 10 and alike.low < 0 < alike.high
    assert abs(alike.value) < 0.1 * others.value
    edited, of_edited = side(400, [0.3, 0.5], 1.5)
    assert metrics.matched(distance, edited, b, 60, traits=(of_edited, of_b)).low > alike.high


def test_the_first_traits_weigh_most_and_nobody_is_chosen_twice():
    traits = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], bool)
    wanted = np.array([[0, 1], [0, 1], [0, 1], [1, 1]], bool)
    for seed in range(5):
        chosen = metrics.alike(traits, wanted, np.random.default_rng(seed)).tolist()
        # The same; the same in the first; then only others are left, of whom one is wanted later.
        assert chosen[:2] == [2, 3] and sorted(chosen) == [0, 1, 2, 3]


def test_matched_can_keep_people_apart():
    def common(x, y):
        return float(len({*x[:, 0]} & {*y[:, 0]}))

    people = np.arange(10.0)[:, None]
    assert metrics.matched(common, people, people, 5, apart=True).value == 0
    assert metrics.matched(common, people, people, 5).value > 1


# --- whole reports ----------------------------------------------------------------------------


def test_zero_edit_scores_as_doing_nothing(folders):
    report = run(folders, same, same)
    for measures in report["directions"].values():
        flip = measures["flip/band"]
        assert flip["value"] == flip["compare"]["doing nothing"] == 0
        assert measures["outside"]["value"] == measures["brightness"]["value"] == 0
        assert measures["energy"]["value"] is None and measures["energy"]["n"] == 0
        assert measures["cycle_psnr"]["value"] == metrics.HIGHEST_PSNR
        assert measures["cycle_ssim"]["value"] == pytest.approx(1)
        assert measures["shift/Male"]["value"] == 0
        for name in ("fid/classifier", "kid/classifier"):
            compare = measures[name]["compare"]
            assert measures[name]["value"] == compare["doing nothing"]
            assert measures[name]["value"] > compare["real against real"]
    assert report["classifiers"][0]["balanced_accuracy"] == 1
    assert report["held_out"] == {"without": 28, "with": 28}


def test_good_edit_beats_doing_nothing_everywhere(folders):
    report = run(folders, put_band, fill_band)
    for measures in report["directions"].values():
        assert measures["flip/band"]["value"] == 1
        assert measures["energy"]["value"] > 0.95
        assert measures["outside"]["value"] < 1
        fid = measures["fid/classifier"]
        assert fid["value"] < 0.3 * fid["compare"]["doing nothing"]
        assert fid["n"] == 14


def test_planted_faults_show_where_they_should(folders):
    good = run(folders, put_band, fill_band)["directions"]["add"]

    def blurred(images):
        soft = [Image.fromarray(i).filter(ImageFilter.GaussianBlur(4)) for i in images]
        return put_band(np.stack([np.asarray(i) for i in soft]))

    def brightened(images):
        return put_band(np.clip(images.astype(int) + 12, 0, 255).astype(np.uint8))

    def shifted(images):
        return np.roll(put_band(images), 10, axis=1)

    blur, bright, shift = (
        run(folders, fault, fill_band)["directions"]["add"]
        for fault in (blurred, brightened, shifted)
    )

    def value(measures, name):
        return measures[name]["value"]

    assert value(blur, "fid/classifier") > 1.5 * value(good, "fid/classifier")
    assert value(blur, "kid/classifier") > value(good, "kid/classifier")
    assert value(blur, "cycle_psnr") < value(good, "cycle_psnr") - 1.5
    assert value(blur, "cycle_ssim") < value(good, "cycle_ssim") - 0.05
    assert value(bright, "brightness") == pytest.approx(12, abs=0.5)
    assert abs(value(good, "brightness")) < 0.5
    assert value(bright, "shift/Male") > value(good, "shift/Male") + 0.01
    assert value(bright, "flip/band") == 1  # which alone would call it perfect
    assert value(shift, "energy") < 0.6 < value(good, "energy")
    assert value(shift, "outside") > value(good, "outside") + 5
    assert value(shift, "flip/band") < value(good, "flip/band")


def test_truth_of_drawn_faces():
    split = datasets.open_split("drawn", "glasses", images=10)
    items = split.items["test", "without"][:6]
    before = np.stack([datasets.read_image(i, SIZE) for i in items])
    truth, region = passes.drawn_truth(items, "add", SIZE)
    assert (before != truth).any()
    assert not ((before != truth).any(axis=3) & (region == 0)).any()
    perfect, nothing = metrics.truth_errors(before, truth, truth)
    assert (perfect == 0).all() and (nothing > 0).all()
    soft = np.stack(
        [np.asarray(Image.fromarray(t).filter(ImageFilter.GaussianBlur(1))) for t in truth]
    )
    assert (metrics.truth_errors(before, soft, truth)[0] > 0).all()
    assert (metrics.psnr(soft, truth) < metrics.psnr(truth, truth)).all()
    assert (metrics.ssim(soft, truth) < metrics.ssim(truth, truth)).all()
    swapped = truth[::-1]
    assert (metrics.truth_errors(before, swapped, truth)[0] > nothing).all()


def test_drawn_report_knows_the_truth():
    split = datasets.open_split("drawn", "glasses", images=10)
    answers = {}
    for direction, side in reports.SOURCE_SIDE.items():
        items = split.items["test", side]
        truth, _ = passes.drawn_truth(items, direction, SIZE)
        for item, true in zip(items, truth, strict=True):
            answers[datasets.read_image(item, SIZE).tobytes()] = true

    def oracle(images):
        return np.stack([answers[i.tobytes()] for i in images])

    options = {"parts": ("test",), "faces": False, "cache": None, "progress": False}
    options.update(count=6, closely=False)
    for edit, error, iou in ((oracle, 0, 1), (same, 1, 0)):
        pair = (generator(edit), generator(edit))
        report = evaluation.measure(pair, split, SIZE, [JUDGE], **options)
        for measures in report["directions"].values():
            assert measures["truth_error"]["value"] == pytest.approx(error, abs=1e-6)
            assert measures["truth_error"]["n"] == 6
            assert measures["iou"]["value"] == pytest.approx(iou)
            psnr = measures["truth_psnr"]
            assert psnr["value"] >= psnr["compare"]["doing nothing"]


def test_report_files_and_unreadable_photos(folders, tmp_path):
    (folders / "test" / "with" / "broken.jpg").write_bytes(b"not a photo")
    out = tmp_path / "out"
    report = run(folders, put_band, same, out)
    assert list(report["unreadable"]) == ["test/with/broken.jpg"]
    assert report["held_out"]["with"] == 28
    assert json.loads((out / "report.json").read_text()) == report
    text = (out / "report.md").read_text()
    assert "1 photo could not be read" in text and "broken.jpg" in text
    assert "100.0%" in text and "not defined" in text
    for direction in training.DIRECTIONS:
        for name in ("random", "best", "worst"):
            sheet = np.asarray(Image.open(out / direction / f"{name}.png"))
            assert sheet.shape[1] == reports.PICTURES * 112


def test_groups_are_measured_apart():
    rows = {
        "group/Male": np.array([True, True, False, False, False]),
        "flip/band": np.array([True, True, True, False, False]),
        "outside": np.array([1.0, 3.0, 5.0, 6.0, 7.0]),
        "identity": np.array([0.1, 0.9, 0.1, 0.2, 0.3]),
    }
    groups = summary.by_group(rows, [JUDGE])
    found = {
        group: {name: (entry["value"], entry["n"]) for name, entry in entries.items()}
        for group, entries in groups.items()
    }
    assert found["Male"] == {"flip/band": (1, 2), "same_person": (0.5, 2), "outside": (2, 2)}
    assert found["not Male"] == {
        "flip/band": (pytest.approx(1 / 3), 3),
        "same_person": (1, 3),
        "outside": (6, 3),
    }
    lines = reports.group_table(groups).splitlines()
    assert lines[2].startswith("| Male | 2 | 100.0%") and lines[3].startswith("| not Male | 3 |")
    assert reports.group_table({}) == ""


def test_every_held_out_photo_has_its_groups(celeba):
    report = run(celeba, same, same)
    table = read_attributes(celeba / "list_attr_celeba.txt")
    assert "Male" in table.columns
    for direction in training.DIRECTIONS:
        side = report["held_out"][reports.SOURCE_SIDE[direction]]
        groups = report["groups"][direction]
        assert groups["Male"]["flip/band"]["n"] + groups["not Male"]["flip/band"]["n"] == side


def test_where_the_data_says_who_is_alike_the_kid_counts_that_too(tmp_path):
    report = run(write_celeba(tmp_path / "celeba", 160), same, same)
    for direction in training.DIRECTIONS:
        measures = report["directions"][direction]
        every, alike = (measures[f"{name}/classifier"] for name in ("kid", "kid_alike"))
        assert alike["n"] == every["n"] > 3
        assert alike["value"] == alike["compare"]["doing nothing"] != every["value"]
    assert "the same, beside people who are alike" in reports.markdown(report)


def test_gallery_keeps_the_highest_keys_only():
    gallery = reports.Gallery(3)
    blank = np.zeros((8, 8, 3), np.uint8)
    for key in np.random.default_rng(0).permutation(50):
        gallery.offer(float(key), str(key), (blank + np.uint8(key), blank, blank))
    assert [key for key, *_ in gallery.kept] == [49, 48, 47]
    # The caption's 18 rows, then the picture: the highest key comes first.
    assert gallery.sheet()[60, 10, 0] == 49


def test_images_stream_in_batches(folders):
    split = datasets.open_split(folders, "Eyeglasses")
    items = split.items["train", "with"] * 3
    sizes = [len(images) for _, images in passes.batches(split, items, SIZE, None)]
    assert max(sizes) <= passes.BATCH and sum(sizes) == len(items)


def test_photos_that_the_course_trained_on_are_left_out(tmp_path):
    names = [f"{i:06d}.jpg" for i in range(1, 60)]
    seen = [n for n in names if judges.was_seen(tmp_path / n)]
    assert seen == [n for n in names if datasets.part_of(n) == "train"] != []
    # The split writes .png, and one's own photos have other names.
    assert judges.was_seen(tmp_path / seen[0].replace(".jpg", ".png"))
    assert not judges.was_seen(tmp_path / "holiday.jpg")
    assert not judges.was_seen(datasets.Drawn(123456, "glasses", True))


def test_identity_notices_swapped_faces():
    embed = identity.load_embedder()
    split = datasets.open_split("drawn", "glasses", images=10)
    people = np.stack([datasets.read_image(i, 128) for i in split.items["test", "without"][:6]])
    embeddings = embed(people)
    assert embeddings.shape == (6, 128)
    assert (identity.distances(embeddings, embed(people)) == 0).all()
    jpeg = np.stack([identity.through_jpeg(p) for p in people])
    compressed = identity.distances(embeddings, embed(jpeg))
    swapped = identity.distances(embeddings, embeddings[::-1])
    assert (compressed > 0).all() and swapped.min() > compressed.max()


# --- the classifier ---------------------------------------------------------------------------


def test_labels_of_celeba(celeba):
    split = datasets.open_split(celeba, "Eyeglasses")
    table = read_attributes(celeba / "list_attr_celeba.txt")
    train, held_out = classifier.label(split), classifier.held_out(split)
    assert train.columns == table.columns
    assert not {i.name for i in train.items} & {i.name for i in held_out.items}
    for item, row in zip(train.items, train.values, strict=True):
        assert (row == (table.values[table.photos.index(item.name)] == 1)).all()


def test_labels_of_drawn_faces():
    split = datasets.open_split("drawn", "glasses", images=8)
    labelled = classifier.label(split)
    glasses = labelled.values[:, labelled.columns.index("Eyeglasses")]
    assert list(glasses) == [i.present for i in labelled.items]
    assert {"Male", "Young", "Smiling"} <= set(labelled.columns)


@pytest.mark.slow
def test_classifier_learns_from_the_training_part_only(folders, tmp_path, monkeypatch):
    split = datasets.open_split(folders, "Eyeglasses")
    read, original = set(), datasets.read_image

    def spy(item, *rest):
        read.add(item)
        return original(item, *rest)

    monkeypatch.setattr(datasets, "read_image", spy)
    options = {"size": SIZE, "width": 4, "epochs": 25, "batch": 8, "rate": 5e-3, "seed": 1}
    model, card = classifier.train(split, **options)
    assert read == {i for s in datasets.SIDES for i in split.items["train", s]}
    held_out = classifier.held_out(split)
    assert classifier.accuracies(model, split, held_out)["Eyeglasses"] >= 0.9

    path = tmp_path / "judge.npz"
    weight_files.save_generator(path, model, card)
    again, card_again = classifier.load(path)
    assert card_again == card
    # In the words of the generators' cards.
    assert (card["data"], card["licence"]) == (split.origin, "as the photos allow")
    images = pixels.to_unit(plain_faces(4))
    expected = model(images, training=False)[0].numpy()
    assert again(images, training=False)[0].numpy() == pytest.approx(expected, abs=0.05)


def test_balance_gives_both_sides_equal_say():
    values = np.array([[1, 0], [0, 0], [0, 0], [0, 1], [0, 0]], np.float32)
    without, with_ = classifier.balance(values)
    weights = np.where(values > 0.5, with_, without)
    for column in range(2):
        of_with = weights[values[:, column] > 0.5, column].sum()
        assert of_with == pytest.approx(weights[:, column].sum() / 2)


def test_balanced_accuracy():
    truth = np.array([1, 1, 0, 0, 0, 0])
    assert classifier.balanced_accuracy(np.array([1, 1, -1, -1, -1, -1.0]), truth) == 1
    assert classifier.balanced_accuracy(-np.ones(6), truth) == 0.5
    assert np.isnan(classifier.balanced_accuracy(np.ones(2), np.ones(2)))


@pytest.mark.parametrize("network", classifier.CLASSIFIERS)
def test_both_judges_have_one_contract(network):
    model = classifier.CLASSIFIERS[network](64, 5, 8)
    logits, features = model(np.zeros((2, 64, 64, 3), np.float32))
    assert logits.shape == (2, 5) and features.shape == (2, 32)


def test_augmentation_keeps_shape_and_range():
    keras.utils.set_random_seed(0)
    images = pixels.to_unit(plain_faces(32, size=64))
    changed = classifier.augment(images).numpy()
    assert changed.shape == images.shape
    assert changed.min() >= -1 and changed.max() <= 1
    assert np.abs(changed - images).mean() > 0.02
    # Over many seeds it is about 0.5, and 0 would be another image.
    assert np.corrcoef(changed.mean((1, 2)).ravel(), images.mean((1, 2)).ravel())[0, 1] > 0.4


def test_damaged_classifier_is_named(tmp_path):
    path = tmp_path / "judge.npz"
    with pytest.raises(classifier.ClassifierError, match=r"no classifier at .*judge\.npz"):
        classifier.load(path)
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(classifier.ClassifierError, match=r"judge\.npz is not a classifier"):
        classifier.load(path)


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path):
    models = training.build_models("attention", SIZE, width=4)
    for direction, model in zip(training.DIRECTIONS, models, strict=False):
        card = {"attribute": "glasses", "direction": direction, "network": "attention"}
        card.update(size=SIZE, width=4, steps=0)
        path = tmp_path / "weights" / f"glasses-{direction}.npz"
        weight_files.save_generator(path, model, card)
    return tmp_path / "weights"


def test_evaluate_command(folders, weights, tmp_path, monkeypatch):
    from tooling import cli

    monkeypatch.setattr(identity, "load_embedder", _no_dlib)
    monkeypatch.setattr(whole_path, "COUNT", 2)
    judge = tmp_path / "judge.npz"
    model = classifier.plain_classifier(SIZE, 1, 4)
    card = {"network": "plain", "size": SIZE, "width": 4, "columns": ["Eyeglasses"]}
    weight_files.save_generator(judge, model, {**card, "train_images": 48})
    second = Path(shutil.copy(judge, tmp_path / "second.npz"))
    out = tmp_path / "out"
    arguments = ["evaluate", "--attribute", "glasses", "--data", str(folders)]
    arguments += ["--weights", str(weights), "--out", str(out)]
    arguments += ["--classifier", str(judge), "--classifier", str(second)]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    assert "flipped" in result.output
    report = json.loads((out / "report.json").read_text())
    assert report["weights"]["add"]["network"] == "attention"
    for direction, measures in report["directions"].items():
        assert 0 <= measures["told_from_real"]["value"] <= 1
        assert ("unasked" in measures) == (direction == "remove")
        assert measures["told_from_real"]["n"] == 28 and measures["found/4x"]["n"] == 2
        assert {f"flip_recut/4x/{name}" for name in ("judge", "second")} <= measures.keys()
    assert "left" not in report["directions"]["add"]
    left = report["directions"]["remove"]["left"]
    assert 0 <= left["value"] <= 1 and left["n"] == 28
    assert set(left["compare"]) == {"real with", "real without"} == set(report["left"]["real"])
    assert (out / "sheet.html").read_text().count("<img") == 2 * 28
    assert (out / "sheet.html").read_text().count("<span>left ") == 28
    assert "Can it be told from a photo?" in (out / "report.md").read_text()
    assert any("not installed here" in note for note in report["notes"])
    wrong = CliRunner().invoke(cli.app, [*arguments, "--network", "paper"])
    assert isinstance(wrong.exception, TrainingError)
    assert "holds the attention network" in str(wrong.exception)


def test_any_style_is_another_for_each_image_and_the_same_for_the_same(
    folders, weights, tmp_path, monkeypatch
):
    styled = networks.attention_generator(SIZE, 4, styles=len(worn.STYLES["glasses"]))
    card = weight_files.load_generator(weights / "glasses-add.npz")[1]
    card["styles"] = list(worn.STYLES["glasses"])
    weight_files.save_generator(weights / "glasses-add.npz", styled, card)
    used = {}

    def look(generators, *_, cards, **__):
        images = pixels.to_unit(plain_faces(24, size=SIZE))
        used["add"], used["again"] = (generators[0](images).numpy() for _ in range(2))
        used["one by one"] = np.concatenate([generators[0](image[None]) for image in images])
        used["zeros"] = styling.in_style(weight_files.load_network(weights / "glasses-add.npz")[0])(
            images
        ).numpy()
        return cards

    monkeypatch.setattr(evaluation, "measure", look)
    monkeypatch.setattr(evaluation, "find_judges", lambda *_: [])
    cards = evaluation.evaluate(
        "glasses", folders, tmp_path / "out", weights=weights, any_style=True
    )
    assert cards["add"]["style"] == "by chance" and "style" not in cards["remove"]
    np.testing.assert_array_equal(used["add"], used["again"])
    np.testing.assert_allclose(used["add"], used["one by one"], atol=1e-6)
    # All ask for a kind, and no row is like that of the network left to itself.
    assert np.abs(used["add"] - used["zeros"]).max(axis=(1, 2, 3)).min() > 1e-5


def _no_dlib():
    raise identity.IdentityError("dlib is not installed here")


def test_judge_must_know_the_attribute(folders, tmp_path):
    path = tmp_path / "judge.npz"
    card = {"network": "plain", "size": SIZE, "width": 4, "columns": ["Wearing_Hat"]}
    weight_files.save_generator(path, classifier.plain_classifier(SIZE, 1, 4), card)
    split = datasets.open_split(folders, "Eyeglasses")
    with pytest.raises(classifier.ClassifierError, match="not trained on Eyeglasses"):
        judges.find_judges(split, SIZE, tmp_path, [path])


@pytest.mark.slow
def test_inception_features_have_the_right_shapes():
    describe = judges.load_inception(None)
    features, probabilities = describe(plain_faces(2, size=64))
    assert features.shape == (2, 2048) and probabilities.shape == (2, 1000)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)
    with pytest.raises(Exception, match="can't be had"):
        judges.load_inception("no/such/file.h5")


def test_what_is_done_to_photos_that_are_to_be_left_alone_by_hand(monkeypatch):
    """One photo gets 10 levels everywhere, above the face 100 more, which don't count."""
    size, above = 16, 4
    ways = passes.Ways(SimpleNamespace(attribute="Young"), size, above / size, [])

    def batches(split, items, *rest):
        yield items, np.full((len(items), size, size, 3), 100, np.uint8)

    def brightens_every_second(images):
        residual = np.zeros_like(images)
        residual[::2] = 10 / 127.5
        residual[::2, :above] += 100 / 127.5
        return residual

    monkeypatch.setattr(passes, "batches", batches)
    found = passes.unasked(ways, brightens_every_second, list(range(8)), progress=False)
    assert found["unasked"]["value"] == pytest.approx(5, abs=0.01)
    assert found["unasked_seen"]["value"] == 0.5 and found["unasked_seen"]["n"] == 8
    monkeypatch.setattr(passes, "ASKED", 3)
    found = passes.unasked(ways, brightens_every_second, list(range(8)), progress=False)
    assert found["unasked"]["n"] == 3


def test_what_is_not_asked_for_counts_where_the_attribute_shows(monkeypatch):
    """Glasses are on a small part of the face: it alone is asked about."""
    region = metrics.region_mask("Eyeglasses", SIZE)
    ways = passes.Ways(SimpleNamespace(attribute="Eyeglasses"), SIZE, 0.0, [])
    grey = np.full((2, SIZE, SIZE, 3), 100, np.uint8)
    monkeypatch.setattr(passes, "batches", lambda *_: [([0, 1], grey)])

    def draws(images):
        return np.stack([region, 0 * region])[..., None] * np.float32([1, 1, 1]) * 20 / 127.5

    found = passes.unasked(ways, draws, [0, 1], progress=False)["unasked"]
    assert found["value"] == pytest.approx(10, rel=0.05)  # 20 within, of one; borders count in part


def test_if_no_photo_that_is_to_be_left_alone_can_be_read_nothing_is_said(monkeypatch):
    ways = passes.Ways(SimpleNamespace(attribute="Eyeglasses"), SIZE, 0.0, [])
    monkeypatch.setattr(passes, "batches", lambda *_: [])
    assert passes.unasked(ways, np.zeros_like, [0, 1], progress=False) == {}
