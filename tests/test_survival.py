"""Nothing lost: runs that are killed at random moments, and disks that fill up.

SURVIVAL_KILLS sets how often the tiny run is killed, SURVIVAL_DAMAGES how often a checkpoint is
damaged; with --report both are 100. The small step stands in for the train step, whose own
repeatability test_training holds.
"""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
import tensorflow as tf
from made_up import write_celeba
from PIL import Image

from helpers import datasets, export, networks, pairing, pixels, runs, training, weight_files
from helpers.errors import CourseError, DataError, TrainingError
from helpers.files import folder_written_whole, write_text

KILLS = int(os.environ.get("SURVIVAL_KILLS", "4"))
DAMAGES = int(os.environ.get("SURVIVAL_DAMAGES", "12"))
SIZE = 32


def settings(**changes):
    defaults = {"attribute": "Eyeglasses", "data": "celeba", "size": SIZE, "width": 4, "batch": 2}
    return runs.Settings(**(defaults | changes))


def small_step(models, optimizers, recipe, region=None, **options):
    """Stand in for the train step, which takes long to compile: data, seed and slots all count."""

    def step(without, with_, seed):
        noise = tf.random.stateless_normal((), seed)
        pull = tf.reduce_mean(without) + 2 * tf.reduce_mean(with_) + noise
        for model, optimizer in zip(models, optimizers, strict=True):
            pairs = [(variable + pull, variable) for variable in model.trainable_variables]
            optimizer.apply_gradients(pairs)
        return {name: pull for name in ("discriminator", "add/gan", "remove/gan")}

    return step


def live(celeba, folder, steps, diary):
    """Train in a process of its own, saving after each step; the diary hears of it."""
    with diary.open("a", buffering=1) as file:
        sys.stdout = sys.stderr = file
        training.make_train_step = small_step
        split = datasets.open_split(celeba, "Eyeglasses")
        print("begins")
        run = runs.Run(folder, settings(), split, dtype="float32")
        print("at", run.step)
        write = run.checkpoints.manager.save
        run.checkpoints.manager.save = lambda **step: (write(**step), print("saved", run.step))
        run.train(steps=steps, preview_every=1, checkpoint_minutes=0, progress=False)
        print("done", run.step)


def entries(diary, word):
    lines = diary.read_text().splitlines() if diary.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(word + " ")]


def values(run):
    """All that the next step depends on."""
    networks = [w.numpy() for model in (*run.models, *run.averaged) for w in model.weights]
    return networks + [v.numpy() for o in run.trainer.optimizers for v in o.variables]


def unfinished(folder):
    """What a kill left half-written, by kind."""
    found = {"checkpoint": [*folder.glob("checkpoints/*_temp"), *folder.glob("checkpoints/*.tmp*")]}
    for name in ("previews", "weights"):
        found[name] = list(folder.glob(f"{name}/.*.part"))
    return [name for name, paths in found.items() if paths]


@pytest.fixture(scope="module")
def start():
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork server")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers.training"])  # TensorFlow loads once for all lives

    def start(*arguments):
        process = context.Process(target=live, args=arguments)
        process.start()
        return process

    return start


def wait_until(condition, process):
    while not condition() and process.is_alive():
        time.sleep(0.0005)


def freeze_in_the_middle(process, folder, kinds, chance):
    """Stop a process while a file of these kinds is half-written, nobody knows how far."""
    found = False
    while not found and process.is_alive():
        wait_until(lambda: kinds & set(unfinished(folder)), process)
        time.sleep(chance.choice([0, 0.001, 0.004, 0.02]))
        os.kill(process.pid, signal.SIGSTOP)
        found = kinds & set(unfinished(folder))
        if not found:  # it was quicker
            os.kill(process.pid, signal.SIGCONT)


@pytest.mark.slow
def test_killed_again_and_again_a_run_ends_as_if_it_never_was(start, tmp_path, tried):
    celeba, chance = write_celeba(tmp_path / "celeba"), random.Random(0)
    folder, diary = tmp_path / "killed", tmp_path / "diary.txt"
    for kill in range(KILLS):
        saves = len(entries(diary, "saved"))
        lives = len(entries(diary, "at"))
        last = max(entries(diary, "saved"), default=0)
        process = start(celeba, folder, 10**6, diary)
        if kill % 5 == 4:  # while it builds or restores
            begins = diary.read_text().count("begins")
            wait_until(lambda n=begins: diary.read_text().count("begins") > n, process)
            time.sleep(chance.uniform(0, 2))
        elif kill % 5 in (1, 3):  # while it writes
            wait_until(lambda n=lives: len(entries(diary, "at")) > n, process)
            kinds = {"checkpoint"} if kill % 5 == 1 else {"previews", "weights"}
            freeze_in_the_middle(process, folder, kinds, chance)
        else:
            more = saves + chance.randint(0, 3)
            wait_until(
                lambda n=lives, m=more: (
                    len(entries(diary, "at")) > n and len(entries(diary, "saved")) >= m
                ),
                process,
            )
            time.sleep(chance.uniform(0, 0.4))
        assert process.is_alive(), diary.read_text()
        process.kill()
        process.join()
        middle = " and ".join(unfinished(folder))
        tried(f"training killed {f'in the middle of {middle}' if middle else 'between writes'}")
        # Nothing that was promised is lost, and nothing half-written has a real name.
        assert all(step >= last for step in entries(diary, "at")[lives:]), diary.read_text()
        for path in folder.glob("previews/step-*.png"):
            Image.open(path).load()
        for path in folder.glob("weights/*.npz"):
            weight_files.load_generator(path)
    steps = max(entries(diary, "saved"), default=0) + 2
    for place in (folder, tmp_path / "whole"):
        process = start(celeba, place, steps, diary)
        process.join()
        assert process.exitcode == 0, diary.read_text()
    assert not unfinished(folder)
    assert len(list(folder.glob("checkpoints/*.index"))) <= 2
    split = datasets.open_split(celeba, "Eyeglasses")
    killed, whole = (
        runs.Run(place, settings(), split, "float32") for place in (folder, tmp_path / "whole")
    )
    assert killed.step == steps
    for a, b in zip(values(killed), values(whole), strict=True):
        np.testing.assert_array_equal(a, b)


# --- in one process, with the small step -----------------------------------------------------


@pytest.fixture
def split(celeba):
    return datasets.open_split(celeba, "Eyeglasses")


@pytest.fixture
def run(split, tmp_path, monkeypatch):
    """A function that opens the run in one folder, again and again."""
    monkeypatch.setattr(training, "make_train_step", small_step)
    return lambda **changes: runs.Run(tmp_path / "run", settings(**changes), split, "float32")


def train(opened, steps, **options):
    return opened.train(steps=steps, progress=False, **options)


def contents(folder):
    """Every file of a run but its logs, byte for byte."""
    paths = [p for p in folder.rglob("*") if p.is_file() and "logs" not in p.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_two_runs_in_one_folder_the_second_is_refused(run, tmp_path):
    first, second = run(), run()
    refused = []

    def interfere(step, sheet):
        for attempt in (run, lambda: train(second, 4)):
            with pytest.raises(CourseError, match="Another process trains in .*run"):
                attempt()
            refused.append(step)

    train(first, 2, preview_every=1, on_preview=interfere)
    assert refused == [1, 1, 2, 2]
    # Once the first has ended, the second goes on from what it saved, not from what it held.
    assert train(second, 3)[-1:] == [] and second.step == 3
    assert weight_files.load_generator(second.weights_path("add"))[1]["steps"] == 3


def test_a_run_that_another_process_trains_is_not_removed(run, tmp_path):
    folder = tmp_path / "run"
    runs.remove_run(folder)  # nothing there is fine

    def interfere(*_):
        with pytest.raises(CourseError, match="Another process trains in .*run"):
            runs.remove_run(folder)

    train(run(), 1, preview_every=1, on_preview=interfere)
    assert run().step == 1
    runs.remove_run(folder)
    assert not folder.exists()


def test_a_signal_ends_the_run_after_a_whole_step(run, split, tmp_path, capsys):
    opened = run()
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    move = opened.trainer.move_average

    def signal_in_the_middle(decay):  # the weights have moved, the averages not yet
        if opened.step in (2, 4):
            os.kill(os.getpid(), signal.SIGTERM if opened.step == 2 else signal.SIGINT)
        move(decay)

    opened.trainer.move_average = signal_in_the_middle
    train(opened, 10)
    assert opened.step == 3 and "SIGTERM at step 3: saved" in capsys.readouterr().out
    train(opened, 10)
    assert opened.step == 5 and "SIGINT at step 5: saved" in capsys.readouterr().out
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    whole = runs.Run(tmp_path / "whole", settings(), split, "float32")
    train(whole, 5)
    for a, b in zip(values(opened), values(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_signal_that_the_starter_ignores_stays_ignored(run):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a script
    try:
        opened = run()
        train(opened, 2, preview_every=1, on_preview=lambda *_: os.kill(os.getpid(), signal.SIGINT))
        assert opened.step == 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_signal_stops_at_once(run):
    opened = run()

    def twice(*_):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(opened, 5, preview_every=1, on_preview=twice)


def test_losses_are_fetched_for_the_log_and_in_no_step_between(run, monkeypatch):
    """Each fetch waits for a GPU, which gets nothing to do meanwhile."""
    opened, fetched = run(), []
    opened.trainer.train_step = lambda *_: dict.fromkeys(("discriminator", "add/gan"), tf.ones(()))
    opened.trainer.move_average = lambda decay: None
    opened.save = opened.preview = lambda *_: None
    tensor = type(tf.ones(()))
    fetch = tensor._numpy  # what numpy(), float() and the like all go by

    def noted(self):
        if self.dtype == tf.float32:
            fetched.append(opened.step)
        return fetch(self)

    monkeypatch.setattr(tensor, "_numpy", noted)
    monkeypatch.setattr(runs, "LOOK_EVERY", np.inf)
    assert [entry["step"] for entry in train(opened, 25)] == [0, 10, 20]
    assert fetched == [1, 11, 21, 25]
    fetched.clear()
    monkeypatch.setattr(runs, "LOOK_EVERY", 0)  # the progress bar wants to show something else
    train(opened, 28)
    assert fetched == [26, 27, 28]


@pytest.mark.parametrize("minutes, kept", [(5.0, 2), (0.0, 3)])
def test_a_loss_that_is_not_finite_stops_at_its_step_and_names_the_photos(
    run, split, minutes, kept
):
    opened = run()
    train(opened, 2)
    step = opened.trainer.train_step

    def astray(without, with_, seed):
        report = step(without, with_, seed)
        return report | {"add/gan": tf.constant(np.inf)} if opened.step == 3 else report

    opened.trainer.train_step = astray
    names = pairing.batch_names(split, 2, step=3)
    with pytest.raises(TrainingError) as caught:
        train(opened, 9, preview_every=100, checkpoint_minutes=minutes)
    message = str(caught.value)
    assert "'add/gan' is inf at step 3" in message and f"of step {kept}, is kept" in message
    for side in datasets.SIDES:
        assert f"{side}: {', '.join(names[side])}" in message
    assert run().step == kept


def test_the_names_of_a_batch_are_those_that_the_stream_reads(celeba):
    split = datasets.open_split(celeba, "Eyeglasses")
    bad = split.items["train", "with"][0]
    bad.write_bytes(b"")
    stream = pairing.pair_stream(split, SIZE, 4, flip=False)
    batches = [[side.numpy() for side in batch] for batch in stream.take(12)]
    read = {split.name(i): i for side in datasets.SIDES for i in split.items["train", side]}
    for step, batch in enumerate(batches):
        names = pairing.batch_names(split, 4, step=step)
        for images, side in zip(batch, datasets.SIDES, strict=True):
            expected = [datasets.read_image(read[name], SIZE) for name in names[side]]
            np.testing.assert_array_equal(images, pixels.to_unit(np.stack(expected)))
    assert list(split.unreadable) == [split.name(bad)]


def test_weights_that_are_not_finite_are_not_saved(run):
    opened = run()
    train(opened, 1)
    opened.models.generator_remove.weights[0].assign(opened.models[1].weights[0] * np.nan)
    opened.trainer.step.assign(5)
    with pytest.raises(TrainingError, match="not finite after step 5.*of step 1, is kept"):
        opened.save()
    assert run().step == 1


def test_checkpoints_without_their_settings_are_refused(run, tmp_path):
    train(run(), 1)
    before = contents(tmp_path / "run")
    (tmp_path / "run" / "settings.json").unlink()
    with pytest.raises(TrainingError, match="checkpoints but no settings.json"):
        run()
    before.pop("settings.json")
    assert contents(tmp_path / "run") == before


def test_settings_that_are_damaged_are_named(run, tmp_path):
    (tmp_path / "run").mkdir()
    for text in ("", "{", "[]", "null", '{"attribute": 1}', '{"sizes": 3}'):
        (tmp_path / "run" / "settings.json").write_text(text)
        with pytest.raises(TrainingError, match=r"settings.json does not hold"):
            run()


def moved_under(run, folder, **changes):
    """Put the checkpoints of a run beside the settings of another, and open that."""
    folder.mkdir()
    shutil.copytree(run.folder / "checkpoints", folder / "checkpoints")
    write_text(folder / "settings.json", settings(**changes).to_json())
    return runs.Run(folder, settings(**changes), run.split, "float32")


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_refused(run, tmp_path):
    """Also where settings.json is the right one: the checkpoint itself knows."""
    opened = run()
    train(opened, 1)
    for number, (change, message) in enumerate(
        [
            ({"size": 64}, "size: 32 there, 64 now"),
            ({"network": "paper"}, "network: 'attention' there, 'paper' now"),
            ({"attribute": "Smiling"}, "attribute: 'Eyeglasses' there, 'Smiling' now"),
        ]
    ):
        with pytest.raises(TrainingError, match=message):
            moved_under(opened, tmp_path / str(number), **change)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run, tmp_path, capsys, tried):
    """Cut or with flipped bits anywhere, as often as SURVIVAL_DAMAGES says."""
    opened = run()
    for steps in (1, 2):
        train(opened, steps)
    folder = tmp_path / "run" / "checkpoints"
    whole = {path: path.read_bytes() for path in folder.glob("ckpt-2.*")}
    before = None
    for number in range(DAMAGES):
        chance = random.Random(number)
        path = chance.choice(sorted(whole))
        data = bytearray(whole[path])
        place = chance.randrange(len(data))
        if number % 2:
            data[place] ^= 1 << chance.randrange(8)
        else:
            del data[place:]
        path.write_bytes(data)
        tried("checkpoints damaged: " + ("a bit flipped" if number % 2 else "cut"))
        opened.checkpoints.restore()
        path.write_bytes(whole[path])
        if "ckpt-2 can't be read" in capsys.readouterr().out:
            assert opened.step == 1
            before = before or values(opened)
            for a, b in zip(before, values(opened), strict=True):
                np.testing.assert_array_equal(a, b)
        else:  # a bit that nothing reads
            assert opened.step == 2 and number % 2
    assert before
    for path in folder.glob("ckpt-*.index"):
        path.write_bytes(b"")
    with pytest.raises(TrainingError, match="No checkpoint in .* can be read"):
        opened.checkpoints.restore()


def test_photos_that_all_become_unreadable_are_named(run, split):
    opened = run()
    for path in split.items["train", "with"]:
        path.write_bytes(b"")
    with pytest.raises(DataError, match="None of .* photos with Eyeglasses"):
        train(opened, 5)


def test_a_size_that_the_networks_can_not_halve(run, tmp_path):
    for size in (30, 100, 16):
        with pytest.raises(TrainingError, match="that 8 divides"):
            run(size=size)
    assert not (tmp_path / "run").exists()


def test_what_the_weights_say_of_their_data(run, split, tmp_path):
    opened = run()
    assert runs.card_of(opened, "add")["data"] == "CelebA"
    datasets.write_split(split, tmp_path / "mine", SIZE)
    opened.split = datasets.open_split(tmp_path / "mine", "glasses")
    card = runs.card_of(opened, "add")
    assert (card["data"], card["licence"]) == ("the photos in mine", "as the photos allow")


# --- a disk that is full ----------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 16 MB, and a function that leaves so many bytes of it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")

    def leave(count):
        (disk / "filler").unlink(missing_ok=True)
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "filler").write_bytes(bytes(max(free - count, 0)))

    yield disk, leave
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_costs_no_more_than_the_steps_since_the_checkpoint(
    small_disk, split, monkeypatch, tried
):
    """However far the writing came: a plain error, and the state before is whole."""
    monkeypatch.setattr(training, "make_train_step", small_step)
    disk, leave = small_disk
    folder = disk / "run"
    train(runs.Run(folder, settings(), split, "float32"), 1)
    failures = 0
    opened = runs.Run(folder, settings(), split, "float32")
    for room in range(0, 3_400_000, 400_000):
        before = opened.step
        leave(room)
        try:
            train(opened, before + 1, preview_every=10**6)
        except CourseError as error:
            failures += 1
            tried("training on a disk that filled up")
            assert str(folder) in str(error) and "space" in str(error), room
            assert "raceback" not in str(error)
        (disk / "filler").unlink()
        assert not unfinished(folder), room
        opened.checkpoints.manager = opened.checkpoints.look()
        opened.checkpoints.restore()  # as a new process would
        assert opened.step in (before, before + 1)
        for direction in training.DIRECTIONS:
            weight_files.load_generator(opened.weights_path(direction))
        for path in folder.glob("previews/step-*.png"):
            Image.open(path).load()
    assert failures > 3


def test_a_full_disk_at_the_start(small_disk, split):
    disk, leave = small_disk
    leave(0)
    with pytest.raises(CourseError, match="No space left on device.*Free some space"):
        runs.Run(disk / "run", settings(), split, "float32")


def test_a_split_that_does_not_fit_leaves_nothing(small_disk, split):
    disk, leave = small_disk
    leave(60_000)
    with pytest.raises(CourseError, match="No space left on device.*Free some space"):
        datasets.write_split(split, disk / "out", 128)
    assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.slow
@pytest.mark.parametrize("full", ["the folder", "the temporary folder"])
def test_an_export_that_does_not_fit_leaves_the_one_before(
    full, small_disk, tmp_path, monkeypatch, tried
):
    disk, leave = small_disk
    out = (disk if full == "the folder" else tmp_path) / "glasses-add"
    generator = networks.attention_generator(SIZE, 4)
    card = {"size": SIZE, "direction": "add", "network": "attention"}
    export.export_generator(generator, out, card)
    before = contents(out)
    if full == "the temporary folder":
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
    size = sum(map(len, before.values()))
    for room in (0, size // 3, size * 2 // 3):
        leave(room)
        with pytest.raises(CourseError, match="(?i)no space left on device.*Free some space"):
            export.export_generator(generator, out, card)
        assert contents(out) == before
        assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
        assert {path.name for path in disk.iterdir()} <= {"filler", out.name}
        tried("exports to a disk that filled up")


def test_a_folder_that_somebody_filled_meanwhile_is_left_alone(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(CourseError, match="can't be used"), folder_written_whole(out) as work:
        (work / "ours.txt").write_text("ours")
        out.mkdir()
        (out / "theirs.txt").write_text("theirs")
    assert (out / "theirs.txt").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [out]
