"""Edits that are photos can't be told from photos, and what is plainly wrong always can."""

import numpy as np
import pytest
from made_up import write_celeba

from helpers import classifier, datasets, inverter, judges, telling

SIZE = 64
LOOK = judges.look_closely(
    judges.Judge("a", *classifier.load(inverter.WEIGHTS / "classifier-a.npz"), 0)
)


def scores(values, folds=None, people=None):
    values = np.asarray(values, float)
    folds = np.zeros(len(values), int) if folds is None else np.asarray(folds)
    return telling.Scores(values, folds, np.arange(len(values)) if people is None else people)


def faces(count, seed=0):
    """Soft colour fields, uint8, cut to the region of glasses."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(140, 220, (count, 5, 5, 3)).repeat(13, axis=1).repeat(13, axis=2)
    images = coarse[:, :SIZE, :SIZE] + rng.normal(0, 8, (count, SIZE, SIZE, 3))
    rows, columns = telling.window("glasses", SIZE)
    return np.clip(images, 0, 255).astype(np.uint8)[:, rows, columns]


def test_auc_by_hand():
    # Of the pairs 3-1, 3-2, 1-1, 1-2 the edit wins two, and one is a tie: 2.5 of 4.
    for edits, reals, value in (([3, 1], [1, 2], 2.5 / 4), ([5, 6], [1, 2], 1), ([1], [5, 6], 0)):
        assert telling.auc_estimate(scores(edits), scores(reals)).value == value


def test_only_pairs_of_one_fold_count():
    # In fold 0 the edit wins both pairs, in fold 1 neither of two; across folds it would be else.
    edits, reals = scores([3, 10], [0, 1]), scores([1, 2, 11, 12], [0, 0, 1, 1], np.arange(2, 6))
    estimate = telling.auc_estimate(edits, reals)
    assert estimate.value == 0.5 and estimate.n == 2
    assert 0 <= estimate.low <= 0.5 <= estimate.high <= 1


def test_the_interval_is_as_wide_as_fresh_samples_scatter(monkeypatch):
    rng = np.random.default_rng(0)

    def estimate(n=100):
        edits, reals = (scores(rng.normal(m, 1, n)) for m in (1, 0))
        return telling.auc_estimate(edits, reals._replace(people=reals.people + n))

    one = estimate()
    monkeypatch.setattr(telling, "DRAWS", 2)
    spread = np.std([estimate().value for _ in range(300)])
    assert one.high - one.low == pytest.approx(2 * 1.96 * spread, rel=0.3)


def test_the_window_is_the_region_with_a_margin():
    assert telling.window("glasses", 128) == (slice(42, 92), slice(14, 114))
    assert telling.window("hat", 128) == (slice(0, 60), slice(0, 128))
    assert telling.window("glasses", 64) == (slice(21, 46), slice(7, 57))
    assert telling.window("Young", 64) == (slice(0, 64), slice(0, 64))


def test_nobody_is_learned_from_and_asked_about_at_once():
    rng = np.random.default_rng(0)
    people, sides = rng.integers(0, 60, 300), rng.integers(-1, 2, 300)
    folds = telling.folds_of(people, sides)
    for person in range(60):
        assert len(set(folds[people == person])) <= 1
    assert set(folds) == set(range(telling.FOLDS))
    # As many of both sides in each, where everybody is on one.
    sides = np.repeat([0, 1], 50)
    folds = telling.folds_of(np.arange(100), sides)
    for side in (0, 1):
        assert set(np.bincount(folds[sides == side])) == {10}


def test_what_a_fold_learns_from_never_holds_whom_it_is_asked_about(monkeypatch):
    """Watch the learning: a picture is all of one colour, that of its person."""
    learned = []
    original = telling.fit
    monkeypatch.setattr(telling, "augmented", lambda images, *_: images)

    def spy(features, edited):
        learned.append({tuple(np.round(row, 4)) for row in features})
        return original(features, edited)

    monkeypatch.setattr(telling, "fit", spy)
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(30), 2)
    images = rng.integers(0, 256, (30, 1, 1, 3), np.uint8)[people].repeat(4, 1).repeat(4, 2)
    sides = np.tile([0, 1], 30)
    found = telling.held_out_scores(images, people, sides, 4, pixels_themselves)
    assert len(learned) == telling.FOLDS
    for fold, rows in enumerate(learned):
        # As many kinds of rows as there are people in the other folds.
        assert len(rows) == len(set(people[found.folds != fold]))


def pixels_themselves(images):
    return images.reshape(len(images), -1).astype(np.float32)


def test_photos_can_not_be_told_from_themselves():
    photos = faces(40)
    same = (photos, np.arange(40))
    estimate, found = telling.tell(same, same, side=SIZE, look=LOOK)
    assert estimate.value == pytest.approx(0.5) and found.values.shape == (40,)
    others = [
        telling.tell(same, (faces(40, seed), np.arange(40, 80)), side=SIZE, look=LOOK)[0].value
        for seed in (1, 2, 3, 4)
    ]
    assert 0.4 < np.mean(others) < 0.6


def test_a_gray_square_is_always_told():
    edits = faces(40)
    edits[:, 8:18, 10:22] = 128
    one = telling.tell(
        (edits, np.arange(40)), (faces(40, 1), np.arange(40, 80)), side=SIZE, look=LOOK
    )
    assert one[0].value > 0.95 and one[0].n == 40
    again = telling.tell(
        (edits, np.arange(40)), (faces(40, 1), np.arange(40, 80)), side=SIZE, look=LOOK
    )
    np.testing.assert_array_equal(one[1].values, again[1].values)


def test_the_longer_side_gives_such_people_as_the_other_has():
    rng = np.random.default_rng(0)
    edits, reals = rng.random((400, 2)) < 0.5, rng.random((60, 2)) < 0.9
    of_edits, of_reals = telling.alike(edits, reals, (400, 60))
    assert len(set(of_edits)) == len(set(of_reals)) == 60
    assert (edits[of_edits] == reals[of_reals]).mean() > 0.95
    of_reals, of_edits = telling.alike(reals, edits, (60, 400))
    assert (edits[of_edits] == reals[of_reals]).mean() > 0.95
    assert len(telling.alike(None, None, (5000, 4000))[0]) == telling.MOST


def test_light_augmentation_changes_little():
    photos = faces(16)
    changed = telling.augmented(photos, np.random.default_rng(0), SIZE)
    assert changed.shape == photos.shape and changed.dtype == np.uint8
    means = [images.mean(axis=(1, 2, 3)) for images in (photos, changed)]
    assert 0 < np.abs(np.subtract(*means)).max() < telling.LIGHT + 3


def test_of_both_directions_every_edit_gets_a_held_out_answer(tmp_path):
    split = datasets.open_split(write_celeba(tmp_path / "celeba", 200), "Eyeglasses")
    kept, traits = {}, {}
    for direction, side in (("add", "without"), ("remove", "with")):
        items = split.items["train", side][: 60 if direction == "add" else 30]
        kept[direction] = telling.keep(direction, split, items)
        photos = np.stack([datasets.read_image(item, SIZE) for item in items])
        edits = photos.copy()
        edits[:, 25:40, 15:45] = 128
        for first in (0, 20, 40):
            part = slice(first, first + 20)
            kept[direction].offer(
                items[part], photos[part], edits[part], np.zeros(len(items))[part]
            )
        traits[direction] = np.zeros((len(items), 2), bool)
    entries, told = telling.told_from_real(kept, traits, SIZE, LOOK, progress=False)
    for direction, n in (("add", 60), ("remove", 30)):
        entry = entries[direction]["told_from_real"]
        assert entry["value"] > 0.95 and entry["n"] == 30
        assert set(entry["compare"]) == {"real against real", "doing nothing"}
        assert entry["compare"]["doing nothing"] < 0.8  # these photos are noise without and with
        assert told[direction].shape == (n,) and (told[direction] > 0.5).mean() > 0.9
    few = {d: telling.Kept(d, split, set(), 0) for d in kept}
    for direction, one in few.items():
        one.names, one.people = (getattr(kept[direction], n)[:4] for n in ("names", "people"))
        one.before, one.after = (getattr(kept[direction], n)[:4] for n in ("before", "after"))
    nothing = dict.fromkeys(kept)
    assert telling.told_from_real(few, nothing, SIZE, LOOK, progress=False) == (
        {"add": {}, "remove": {}},
        nothing,
    )


def test_whom_a_photo_shows(tmp_path):
    folder = write_celeba(tmp_path / "celeba", 20)
    split = datasets.open_split(folder, "Eyeglasses")
    first = next(items[0] for items in split.items.values() if items)
    assert split.person(first) == first.name
    names = [f"{i + 1:06d}.jpg" for i in range(20)]
    lines = "\n".join(f"{name} {i // 2}" for i, name in enumerate(names))
    (folder / "identity_celeba.txt").write_text(lines + "\n")
    split = datasets.open_split(folder, "Eyeglasses")
    items = [item for items in split.items.values() for item in items]
    for item in items:
        assert split.person(item) == str((int(item.stem) - 1) // 2)
    assert split.person(datasets.Dressed(items[0], "glasses", ())) == split.person(items[0])
    assert split.person(datasets.Drawn(7, "hat", True)) == "7"


def test_both_judges_look_at_what_is_given_and_no_more():
    for network, build in classifier.CLASSIFIERS.items():
        judge = judges.Judge("x", build(SIZE, 1, 8), {"network": network}, 0)
        seen = judges.look_closely(judge)(np.zeros((3, 24, 48, 3), np.uint8))
        assert seen.shape[0] == 3 and seen.dtype == np.float32
        assert seen.shape[1] % (12 // 2 * 24 // 2) == 0
    by_rule = judges.Judge("x", None, {"network": "rule"}, 0)
    assert judges.look_closely(by_rule)(np.zeros((3, 4, 5, 3), np.uint8)).shape == (3, 60)
