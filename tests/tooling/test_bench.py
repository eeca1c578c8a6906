"""What `course.py bench` reports: turns and ratios, and that what is compared computes the same."""

import json
import os
import sys

import numpy as np
import pytest

from helpers import training
from helpers.profiles import ROOT
from tooling import page
from tooling.bench import Settings, data, scale, train, turns, web


@pytest.fixture
def no_torch(monkeypatch):
    """As on a machine without PyTorch: Python refuses a module that is None."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, turns.PYTORCH[0], raising=False)


def test_contestants_take_turns_and_ratios_are_of_each_turn():
    called = []

    def contestant(name, answers):
        answers = iter(answers)
        return lambda: called.append(name) or next(answers)

    samples = turns.take_turns(
        {"a": contestant("a", [2.0, 20.0, 8.0]), "b": contestant("b", [1.0, 10.0, 2.0])},
        3,
        "measuring",
    )
    assert called == ["a", "b"] * 3
    # A machine that was ten times slower in the second turn changes nothing.
    assert turns.ratio(samples["a"], samples["b"]) == {
        "median": 2.0,
        "low": 2.0,
        "high": 4.0,
        "rounds": 3,
    }
    assert turns.rate(samples["b"], 10)["median"] == 5.0


def test_table_lines_up():
    lines = turns.table("Title", ["", "seconds"], [["paper", "1.00"], ["attention", "10.00"]])
    assert lines.splitlines() == [
        "Title",
        "           seconds",
        "------------------",
        "paper         1.00",
        "attention    10.00",
    ]


def test_results_are_printed_and_written_after_each_bench(course, monkeypatch, tmp_path):
    figure = turns.summary([1.0, 3.0, 2.0])
    measured = {
        "batch": 2,
        "size": 32,
        "seconds": {"one device": figure, "two devices": figure},
        "ratio": figure,
        "losses_apart": 0.0,
    }
    monkeypatch.setattr(scale, "measure", lambda settings: measured)

    def breaks(settings):
        raise turns.BenchError("No browser starts here.")

    monkeypatch.setattr(web, "measure", breaks)
    out = tmp_path / "figures.json"
    code, text = course("bench", "scale", "web", "--json", out)
    assert code == 1 and "No browser starts here." in text and "Traceback" not in text
    assert "one device   2.00" in text and "Two devices: 2.00 (1.00 to 3.00) times" in text
    written = json.loads(out.read_text())
    assert written["scale"] == measured and written["machine"]["cores"] >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_what_can_not_be_is_said_before_anything_is_measured(course, monkeypatch, tmp_path):
    monkeypatch.setattr(scale, "measure", lambda settings: pytest.fail("measured"))
    for options, words in (
        (["--size", "100"], "that 8 divides, not 100"),
        (["--json", tmp_path / "nowhere" / "figures.json"], "can't be used"),
    ):
        code, text = course("bench", "scale", *options)
        assert code == 1 and words in text and "Traceback" not in text


def end(settings):
    os._exit(1)


def test_process_that_was_ended_is_a_message(monkeypatch):
    monkeypatch.setattr(scale, "_measure", end)
    with pytest.raises(turns.BenchError, match="ended a process"):
        scale.measure(Settings())


def test_unknown_bench_is_a_message(course):
    code, text = course("bench", "speed")
    assert code == 2 and "'speed' is not one of" in " ".join(text.replace("│", " ").split())


def test_missing_pytorch_is_said_with_the_command_that_adds_it(no_torch):
    with pytest.raises(turns.Missing, match=r"pip install torch==[0-9.]+"):
        turns.optional(*turns.PYTORCH)


def test_operations_of_a_step():
    """Counted by hand for the paper's networks at 128 px; the attention's are fewer."""
    of = {}
    for network, recipe in training.RECIPES.items():
        models = training.build_models(network, 128)
        of[network] = train.step_operations(models, recipe, 1) / 1e9
    # 10 times 1.81 and 22 times 0.55 billion multiply-accumulates, at two operations each.
    assert of["paper"] == pytest.approx(2 * (10 * 1.81 + 22 * 0.55), rel=0.02)
    assert of["attention"] < of["paper"]


@pytest.mark.parametrize(
    "network, generator, discriminator", [("paper", 10, 22), ("attention", 12, 20)]
)
def test_operations_of_a_small_step_by_hand(network, generator, discriminator):
    """The paper's generators learn one by one, so the way back is no way to the other's weights."""
    from keras import Input, Sequential, layers

    edits = Sequential([Input((4, 4, 3)), layers.Conv2D(2, 3, padding="same")])  # 16 * 27 * 2
    judge = Sequential([Input((4, 4, 3)), layers.Flatten(), layers.Dense(3)])  # 48 * 3
    models = training.Models(edits, edits, judge)
    counted = train.step_operations(models, training.RECIPES[network], 5)
    assert counted == 2 * 5 * (generator * 864 + discriminator * 144)


def test_images_a_second_and_share_of_the_peak_by_hand():
    """Eight images in half a second, for 2 of the 16 TFLOP/s that half a second holds 8 of."""
    theirs = "PyTorch paper float32, group norm, compiled"
    samples = {"paper float32": [0.5, 0.5], theirs: [0.25, 0.25]}
    figures = train._figures(samples, {"paper float32": 2e12}, {"float32": 16e12}, 4)
    assert figures["share_of_peak"] == {"paper float32": 0.25, theirs: 0.5}
    rates = {name: figure["median"] for name, figure in figures["images_per_second"].items()}
    assert rates == {"paper float32": 16, theirs: 32}
    assert figures["peak_teraflops"] == {"float32": 16}


def test_the_time_of_a_step_is_its_part_of_those_in_a_row(monkeypatch):
    taken = []
    monkeypatch.setattr(turns, "seconds", lambda run: lambda: run() or 4.0)
    assert train._seconds_of_one(lambda count: taken.append(count), 8)() == 0.5
    assert taken == [8]


# --- what is compared computes the same ------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["group", "instance"])
def test_pytorchs_step_has_our_losses(norm):
    """On the same weights and batches, in float32, over three steps with all their updates."""
    pytest.importorskip("torch", reason="PyTorch is not installed; `bench` says how to add it")
    import tensorflow as tf

    from tooling.bench import peer

    size, batch = 64, 2
    rng = np.random.default_rng(0)
    models = training.build_models("paper", size)
    recipe = training.RECIPES["paper"]
    theirs = peer.PaperStep(models, recipe, norm=norm)
    ours = training.make_train_step(models, training.make_optimizers(models, recipe), recipe)
    for step in range(3):
        without, with_ = rng.uniform(-1, 1, (2, batch, size, size, 3)).astype(np.float32)
        expected = ours(tf.constant(without), tf.constant(with_), tf.constant([0, step]))
        expected = {name: float(value) for name, value in expected.items()}
        assert theirs(without, with_) == pytest.approx(expected, rel=train.SAME)


def test_losses_that_differ_are_an_error():
    same = {"discriminator": 4.0, "add/gan": 1.0}
    losses = {"paper float32": same, "PyTorch paper float32, group norm": same}
    assert train._apart(losses) == 0
    losses["PyTorch paper float32, instance norm"] = {**same, "add/gan": 1.01}
    with pytest.raises(turns.BenchError, match="do not compute the same"):
        train._apart(losses)


@pytest.mark.slow
def test_training_is_measured_without_pytorch(no_torch):
    result = train.measure(Settings(rounds=2, batch=1, size=32))
    assert result["ratio_to_pytorch"] is None and "pip install torch" in result["pytorch"]
    names = {f"{n} {p}" for n in training.RECIPES for p in train.fast_precisions()}
    assert set(result["seconds"]) == names
    for name in names:
        assert 0 < result["share_of_peak"][name] < 2
        assert result["seconds"][name]["rounds"] == 2
    assert "paper float32" in train.show(result)


@pytest.mark.parametrize(
    ("picked", "measured"),
    [
        ("float32", ["float32"]),
        ("mixed_bfloat16", ["float32", "bfloat16"]),
        ("mixed_float16", ["float32", "float16"]),
    ],
)
def test_a_precision_that_the_machine_lacks_is_not_measured(picked, measured, monkeypatch):
    monkeypatch.setattr(training, "pick_dtype", lambda: picked)
    assert train.fast_precisions() == measured


@pytest.mark.slow
def test_data_is_measured_and_leaves_nothing_behind(celeba, tmp_path, monkeypatch, no_torch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    result = data.measure(Settings(1, 2, 32, str(celeba)), images=16)
    assert not list((tmp_path / "temporary").glob("bench-*"))
    assert set(result["images_per_second"]) == {"stream", "one thread"}
    assert result["ratio_to_pytorch"] is None and "pip install torch" in data.show(result)
    assert "faces drawn: all cores" in data.show(result)


@pytest.mark.slow
def test_two_devices_compute_what_one_does():
    result = scale.measure(Settings(rounds=2, batch=4, size=32))
    assert result["losses_apart"] < 1e-5
    assert "two devices" in scale.show(result)


def test_a_turn_covers_whole_periods_of_the_tracker():
    source = (ROOT / "web" / "src" / "follow.ts").read_text(encoding="utf-8")
    assert f"export const PERIOD = {web.PERIOD};" in source


def test_runtimes_that_can_not_be_installed_are_named_with_the_reason(monkeypatch):
    def no_node():
        raise page.PageError("There is no Node.js here.")

    monkeypatch.setattr(web, "find_node", no_node)
    runtimes, contestants = web._load_runtimes(None, "", 1)
    assert not contestants
    figures = {"milliseconds": {}, "backend": "", "browser": "", "versions": {}, "ratio": {}}
    text = web.show({**figures, "runtimes": runtimes})
    for name in ("onnxruntime-web", "LiteRT.js"):
        assert f"{name} was not measured: There is no Node.js here." in text


@pytest.mark.slow
def test_page_and_runtimes_are_measured_and_who_is_missing_is_said(monkeypatch):
    """The converter to ONNX is taken away here, as where nobody added it."""
    from browser import built_page, find_browser

    built_page()
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    result = web.measure(Settings(rounds=1), frames=2, browser_path=find_browser())
    for stages in result["milliseconds"].values():
        assert set(stages) == {"detect", "align", "edit", "composite", "all", "next"}
        assert 0 < stages["edit"]["median"] < stages["all"]["median"] < stages["next"]["median"]
    assert result["runtimes"]["LiteRT.js"]["apart"] < web.CLOSE
    assert set(result["versions"]) == {"onnxruntime-web", "@litertjs/core"}
    assert "pip install tf2onnx" in result["runtimes"]["onnxruntime-web"]["missing"]
    assert set(result["ratio"]["LiteRT.js"]) == set(web.MODES) and len(result["ratio"]) == 1
    text = web.show(result)
    assert "add: edit" in text and "onnxruntime-web was not measured: There is no" in text
    assert "Goal" not in text


@pytest.mark.slow
def test_runtime_that_computes_something_else_is_not_measured(monkeypatch):
    from browser import built_page, find_browser

    built_page()

    def slipped(model):
        weights = model.get_weights()
        model.set_weights([*weights[:-1], weights[-1] + 0.05])  # the last biases, in gray levels
        converted = convert(model)
        model.set_weights(weights)
        return converted

    convert = web.to_tflite
    monkeypatch.setattr(web, "to_tflite", slipped)
    with pytest.raises(turns.BenchError, match=r"LiteRT\.js is 0\.0\d+ of the largest"):
        web.measure(Settings(rounds=1), frames=2, browser_path=find_browser())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Interpreter is deprecated")
def test_models_for_other_runtimes_compute_what_keras_does():
    import keras
    import tensorflow as tf

    from helpers import networks

    model = networks.paper_generator(16)
    model = keras.Model(image := keras.Input((16, 16, 3), batch_size=1, name="image"), model(image))
    face = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    expected = model(face).numpy()

    interpreter = tf.lite.Interpreter(model_content=web.to_tflite(model))
    (result,) = interpreter.get_signature_runner()(image=face).values()
    np.testing.assert_allclose(result, expected, atol=web.CLOSE)

    onnx = pytest.importorskip("onnx", reason="ONNX is not installed; `bench web` says how to")
    converted = onnx.load_from_string(web.to_onnx(model))
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator(converted)
    np.testing.assert_allclose(evaluator.run(None, {"image": face})[0], expected, atol=web.CLOSE)
