"""Training on two devices and in two processes: as on one, whoever ends when.

Each training runs in a process of its own, since TensorFlow takes its devices once and for all.
Where it counts who ends when, a small step stands in for the train step, which takes long to
compile.
"""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import write_celeba

from helpers import checkpoints, datasets, distribute, metrics, pairing, runs, training
from helpers.profiles import ROOT
from tooling import cli

SIZE, WIDTH, BATCH = 32, 4, 4
PATIENCE = 600  # seconds; only a failure waits so long


def launch(log, function, *arguments, **environment):
    """Call a function of this file in a process of its own."""
    environment = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    paths = [str(ROOT), str(ROOT / "tests")]
    name = function.__name__
    code = f"import sys; sys.path[:0] = {paths}; import test_distribute as t; t.{name}()"
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=os.environ | environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def command():
    """The command line in float32; SMALL_STEP and HOLD_AT say what the tests are about."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs us may ignore it
    training.pick_dtype = lambda: "float32"
    if "SMALL_STEP" in os.environ:
        training.make_train_step = small_step
    runs.Run.train.__kwdefaults__["checkpoint_minutes"] = 0  # one after each step
    write = checkpoints.Checkpoints.save

    def write_and_hold(there, step, log):
        write(there, step, log)
        if step == int(os.environ.get("HOLD_AT", "0")):
            print("held", flush=True)
            while not os.path.exists(os.environ["GO"]):
                time.sleep(0.02)

    checkpoints.Checkpoints.save = write_and_hold
    cli.main()


def small_step(models, optimizers, recipe, region=None, **options):
    """Data, seed, slots and the noise of each place in the batch all count."""

    def step(without, with_, seed):
        noise = distribute.own_rows(
            lambda rows: tf.random.stateless_normal((rows,), seed), tf.shape(without)[0]
        )
        pull = tf.reduce_mean(tf.reduce_mean(without + 2 * with_, axis=(1, 2, 3)) * noise)
        for model, optimizer in zip(models, optimizers, strict=True):
            pairs = [(distribute.share(v + pull), v) for v in model.trainable_variables]
            optimizer.apply_gradients(pairs)
        return {name: pull for name in ("discriminator", "add/gan", "remove/gan")}

    return step


def options(celeba, out, steps):
    given = {"attribute": "glasses", "data": celeba, "out": out, "steps": steps}
    given |= {"size": SIZE, "width": WIDTH, "batch": BATCH, "preview-every": 2}
    return ["train", *(word for name, value in given.items() for word in (f"--{name}", value))]


def wait_for(condition, *processes):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end and all(p.poll() is None for p in processes)
        time.sleep(0.02)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distribute")
    write_celeba(folder / "celeba")
    return folder


def opened(place, name):
    """The run in a folder, on one device."""
    split = datasets.open_split(place / "celeba", "Eyeglasses")
    settings = runs.Settings("Eyeglasses", "celeba", size=SIZE, width=WIDTH, batch=BATCH)
    return runs.Run(place / name, settings, split, "float32")


def seven_steps(run):
    before = values(run)
    run.train(steps=7, progress=False)
    return before, values(run)


@pytest.fixture(scope="module")
def alone(place):
    """What seven steps on one device do to all that the next step depends on."""
    return seven_steps(opened(place, "alone"))


@pytest.fixture(scope="module")
def small_alone(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "make_train_step", small_step)
        return seven_steps(opened(place, "small-alone"))


def values(run):
    """Weights, averages, and what the optimizers remember, each as one vector."""
    networks = [v for model in run.models for v in model.weights]
    averages = [v for model in run.averaged for v in model.weights]
    slots = [v for optimizer in run.trainer.optimizers for v in optimizer.variables]
    return [np.concatenate([np.ravel(v.numpy()) for v in g]) for g in (networks, averages, slots)]


def assert_as_alone(run, alone):
    """Adam divides by a gradient's size, so where that is zero, rounding moves a weight."""
    assert run.step == 7
    for before, after, other in zip(*alone, values(run), strict=True):
        apart = np.linalg.norm(other - after) / np.linalg.norm(after - before)
        assert apart < 0.05, apart


# --- one process, two devices -----------------------------------------------------------------


def terms():
    """Write the losses of three steps of both networks, on one device and on two."""
    team = distribute.mirrored(2)
    rng = np.random.default_rng(0)
    # Every face has its own brightness and contrast, so that the two parts have other losses.
    means, spreads = (
        np.linspace(*ends, 4)[:, None, None, None] for ends in ((-0.7, 0.7), (0.1, 0.6))
    )
    sides = [np.clip(rng.normal(means, spreads, (4, SIZE, SIZE, 3)), -1, 1) for _ in range(2)]
    images = [tf.constant(side, tf.float32) for side in sides]
    region = metrics.region_mask("Eyeglasses", SIZE)
    results = []
    for members in (distribute.ALONE, team):
        for network in ("attention", "paper"):
            recipe = training.RECIPES[network]
            known = []
            if network == "attention":  # which images are known differs from device to device
                recipe = dataclasses.replace(recipe, spare_known=True)
                known = [tf.constant([[1.0, 0, 0, 0], [1, 0, 1, 1]])]
            with members.scope():
                models = training.build_models(network, SIZE, width=WIDTH)
                # Adam would hide a gradient of the wrong size.
                optimizers = training.Optimizers(*(keras.optimizers.SGD(1e-3) for _ in models))
                for optimizer, model in zip(optimizers, models, strict=True):
                    optimizer.build(model.trainable_variables)
            step = members.step(training.make_train_step(models, optimizers, recipe, region))
            reports = [step(*images, tf.constant([0, i]), *known) for i in range(3)]
            results.append([{name: float(v) for name, v in r.items()} for r in reports])
    with open(sys.argv[1], "w") as file:
        json.dump(results, file)


@pytest.mark.slow
def test_two_devices_have_each_loss_of_one(tmp_path):
    """Both networks, every term, and what two updates do to the third's losses."""
    process = launch(tmp_path / "log", terms, tmp_path / "losses.json")
    assert process.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    attention, paper, *of_two = json.loads((tmp_path / "losses.json").read_text())
    names = {name.split("/")[-1] for name in (*attention[0], *paper[0])}
    assert names == {
        "discriminator", "gan", "dual", "pixel", "perceptual", "cycle", "mask", "outside",
        "truth",
    }  # fmt: skip
    for one, two in zip((attention, paper), of_two, strict=True):
        assert max(abs(one[2][name] / one[0][name] - 1) for name in one[0]) > 5e-3  # they move
        for step, other in zip(one, two, strict=True):
            assert other == pytest.approx(step, rel=1e-5)


@pytest.mark.slow
def test_a_mirrored_run_ends_with_the_weights_of_one_device(place, alone):
    log = place / "mirrored.txt"
    words = options(place / "celeba", place / "mirrored", 7)
    process = launch(log, command, *words, "--strategy", "mirrored", "--devices", 2)
    assert process.wait(PATIENCE) == 0, log.read_text()
    assert "shared among 2 replicas" in log.read_text()
    assert_as_alone(opened(place, "mirrored"), alone)


# --- two processes ------------------------------------------------------------------------------


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start_workers(place, name, steps, changes=(), hold_at=None):
    """Start the chief and a follower, each with its own folder; to hold, with the small step."""
    go = place / f"{name}-go"
    go.unlink(missing_ok=True)
    hold = {"HOLD_AT": str(hold_at), "GO": str(go), "SMALL_STEP": "1"} if hold_at else {}
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index, role in enumerate(("chief", "follower")):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": workers}, "task": task})
        words = options(place / "celeba", place / f"{name}-{role}", steps)
        words += ["--strategy", "multiworker", *(changes if index else ())]
        log = place / f"{name}-{role}.txt"
        processes.append(launch(log, command, *words, TF_CONFIG=config, **hold))
    return processes


def said(place, name, role):
    return (place / f"{name}-{role}.txt").read_text()


def finish(place, name, processes, codes):
    try:
        for role, process, code in zip(("chief", "follower"), processes, codes, strict=True):
            assert process.wait(PATIENCE) == code, said(place, name, role)
    finally:
        for process in processes:
            process.kill()


def held(place, name, processes):
    """Wait until the chief is held after a checkpoint; return a function that lets it go."""
    wait_for(lambda: "held" in said(place, name, "chief"), *processes)
    return (place / f"{name}-go").touch


@pytest.mark.slow
def test_two_workers_end_with_the_weights_of_one_device(place, alone):
    finish(place, "two", start_workers(place, "two", 7), [0, 0])
    assert_as_alone(opened(place, "two-chief"), alone)


@pytest.mark.slow
def test_whoever_is_killed_the_run_ends_as_on_one_device(place, small_alone):
    """The follower is killed, then the chief, and at last one is asked to stop."""
    chief, follower = place / "run-chief", place / "run-follower"
    for victim, step in ((1, 2), (0, 4)):
        processes = start_workers(place, "run", 10**6, hold_at=step)
        go = held(place, "run", processes)
        processes[victim].kill()
        go()
        finish(place, "run", processes, [-signal.SIGKILL if i == victim else 1 for i in range(2)])
        left = said(place, "run", ("chief", "follower")[1 - victim])
        assert "Another of the 2 workers is gone" in left and "Traceback" not in left, left
        assert "of step 2, is kept" in left if victim else "chief's last checkpoint" in left
    processes = start_workers(place, "run", 10**6, hold_at=6)
    go = held(place, "run", processes)
    processes[1].terminate()
    go()
    finish(place, "run", processes, [0, 0])
    assert "going on from step 4" in said(place, "run", "chief")
    assert "SIGTERM at step 7" in said(place, "run", "follower")
    assert_as_alone(opened(place, "run-chief"), small_alone)
    assert not follower.exists()
    assert {path.name for path in chief.iterdir()} == {
        ".lock", "settings.json", "checkpoints", "previews", "weights", "logs"
    }  # fmt: skip


@pytest.mark.slow
def test_a_worker_that_was_told_something_else_is_named_on_both(place):
    processes = start_workers(place, "other", 2, changes=["--seed", 1])
    finish(place, "other", processes, [1, 1])
    for role in ("chief", "follower"):
        log = said(place, "other", role)
        assert "Worker 1 (127.0.0.1" in log and "seed: 1 there, seed: 0 at the chief" in log, log
        assert "Traceback" not in log


@pytest.mark.slow
def test_a_worker_alone_says_for_whom_it_waits_and_ctrl_c_ends_that(place):
    first, second = (f"127.0.0.1:{port}" for port in free_ports(2))
    log = place / "waiting.txt"
    words = [*options(place / "celeba", place / "waiting", 1), "--strategy", "multiworker"]
    process = launch(log, command, *words, TF_CONFIG=config({"worker": [first, second]}))
    try:
        wait_for(lambda: f"Worker 0 of 2: waiting for {second}" in log.read_text(), process)
        time.sleep(1)  # a moment later it is in TensorFlow's hands
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE / 10)
    finally:
        process.kill()
    assert "Traceback" not in log.read_text()
    assert not (place / "waiting").exists()


# --- what is said ---------------------------------------------------------------------------------

TWO = {"worker": ["a:1", "b:2"]}


def config(cluster=TWO, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "is not set"),
        ("{", "is not JSON"),
        ("[]", "lacks cluster"),
        (json.dumps({"cluster": TWO}), "lacks cluster, task"),
        (config(index=2), "says that this is worker 2"),
        (config(index="0"), "says that this is worker '0'"),
        (config(kind="ps"), "says that this is ps 0"),
        (config(TWO | {"ps": ["c:3"]}), "names ps"),
        (config({"worker": ["a:1", "b"]}), "'b', which is no address with a port"),
        (config({"worker": ["a:1", "a:1"]}), "one address twice"),
        (config({"chief": ["a:1", "b:1"]}, "chief"), "more than one chief"),
    ],
)
def test_a_wrong_tf_config_is_explained_with_an_example(text, message):
    with pytest.raises(distribute.DistributionError, match=message) as caught:
        distribute.read_cluster(text)
    example = str(caught.value).split("TF_CONFIG='")[1].split("'")[0]
    assert distribute.read_cluster(example) == (("10.0.0.1:2222", "10.0.0.2:2222"), 0)


def test_the_chief_is_the_first_worker_or_named():
    assert distribute.read_cluster(config(index=1)) == (("a:1", "b:2"), 1)
    named = {"chief": ["c:3"], **TWO}
    assert distribute.read_cluster(config(named, "chief")) == (("c:3", "a:1", "b:2"), 0)
    assert distribute.read_cluster(config(named, "worker", 1)) == (("c:3", "a:1", "b:2"), 2)


def test_the_command_line_says_what_is_missing(course, celeba, tmp_path, monkeypatch):
    words = options(celeba, tmp_path / "run", 1)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, output = course(*words, "--strategy", "multiworker")
    assert code == 1 and "TF_CONFIG is not set" in output
    code, output = course(*words, "--devices", 2)
    assert code == 2 and "--strategy mirrored" in output
    code, output = course(*words, "--strategy", "mirrored", "--xla")
    assert code == 2 and "one device" in output
    assert not (tmp_path / "run").exists()


def test_a_batch_that_can_not_be_dealt_out_is_refused():
    class Three:
        num_replicas_in_sync = 3

    distribute.Team(Three()).check_batch(6)
    with pytest.raises(distribute.DistributionError, match="batch of 4 .* 3 replicas"):
        distribute.Team(Three()).check_batch(4)


def test_the_shares_of_a_stream_are_its_batches(celeba):
    split = datasets.open_split(celeba, "Eyeglasses")

    def batches(**more):
        stream = pairing.pair_stream(split, SIZE, BATCH, seed=3, start=2, **more)
        return [[side.numpy() for side in batch] for batch in stream.take(6)]

    shares = [batches(share=(index, 2)) for index in range(2)]
    for whole, *parts in zip(batches(), *shares, strict=True):
        for side in range(2):
            np.testing.assert_array_equal(whole[side], np.concatenate([p[side] for p in parts]))
