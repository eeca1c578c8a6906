"""What a notebook builds is what the later notebooks import: both are held to equal outputs.

The definitions are lifted out of the notebooks' cells and run on small shapes.
"""

import ast
from functools import cache
from types import SimpleNamespace

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf

from helpers import datasets, losses, metrics, networks, runs, second_pass, training
from helpers.networks import REAL_WITH, REAL_WITHOUT
from tooling import notebooks

SIZE, WIDTH, BATCH = 32, 4, 2
SEED = tf.constant([3, 5])
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


@cache
def lift(number):
    """Return what a notebook defines: run its imports, functions and classes, nothing else."""
    (path,) = notebooks.find_notebooks([number])
    defined = {}
    for cell in nbformat.read(path, as_version=4).cells[2:]:  # past the cell with Colab's magics
        if cell.cell_type == "code":
            kept = [node for node in ast.parse(cell.source).body if isinstance(node, DEFINITIONS)]
            exec(compile(ast.Module(kept, []), f"notebook {number}", "exec"), defined)
    return SimpleNamespace(**defined)


def images(seed=0, low=-1.0):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(low, 1, (BATCH, SIZE, SIZE, 3)), tf.float32)


def scramble(model, seed=0):
    """Give every weight a value of its own: a fresh norm or bias would hide a slip."""
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])


def assert_same_outputs(built, reference):
    scramble(reference)
    built.set_weights(reference.get_weights())
    assert built.count_params() == reference.count_params()
    outputs = [tf.nest.flatten(model(images())) for model in (built, reference)]
    for ours, theirs in zip(*outputs, strict=True):
        # The helper's paper networks fuse their norms, so that the last digits differ.
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


class Recorder:
    """An optimizer that only notes what it was given: no Adam turns rounding into whole steps."""

    def __init__(self):
        self.seen = []

    def apply_gradients(self, pairs):
        self.seen += [(gradient.numpy(), variable.path) for gradient, variable in pairs]


def record(models, step):
    """Run a train step eagerly, with an optimizer for each network that only records."""
    recorders = training.Optimizers(Recorder(), Recorder(), Recorder())
    weights = [model.get_weights() for model in models]
    tf.config.run_functions_eagerly(True)
    try:
        report = step(models, recorders)
    finally:
        tf.config.run_functions_eagerly(False)
        for model, before in zip(models, weights, strict=True):
            model.set_weights(before)  # a training call moves the spectral norm's vectors
    return recorders, report


def assert_same_steps(models, ours, theirs):
    """Compare every loss, and every gradient by the length of its difference."""
    for seed, model in enumerate(models):
        scramble(model, seed)  # a fresh discriminator has no opinion that could differ
    recorders, report = zip(*(record(models, step) for step in (ours, theirs)), strict=True)
    assert report[0].keys() == report[1].keys()
    for name in report[0]:
        np.testing.assert_allclose(report[0][name], report[1][name], rtol=1e-4, err_msg=name)
    for model, left, right in zip(models, *recorders, strict=True):
        largest = max(np.linalg.norm(gradient) for gradient, _ in right.seen)
        assert largest > 0
        assert len(left.seen) == len(model.trainable_variables)
        for (a, path), (b, same) in zip(left.seen, right.seen, strict=True):
            assert path == same
            assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b) + 1e-5 * largest, path


# --- 02 and 03: the paper's networks --------------------------------------------------------


@pytest.mark.parametrize("number, clip", [("02", True), ("05", False)])
def test_edit(number, clip):
    residual = 2 * images(1)
    ours = lift(number).edit(images(), residual)
    np.testing.assert_array_equal(ours, training.edit(images(), residual, clip))


def test_instance_normalization_of_notebook_02():
    def alone(layer):
        image = keras.Input((SIZE, SIZE, 3))
        return keras.Model(image, layer()(image))

    assert_same_outputs(
        alone(lift("02").InstanceNormalization), alone(networks.InstanceNormalization)
    )


def test_generator_of_notebook_02():
    assert_same_outputs(lift("02").paper_generator(SIZE), networks.paper_generator(SIZE))


def test_discriminator_of_notebook_03():
    assert_same_outputs(lift("03").paper_discriminator(SIZE), networks.paper_discriminator(SIZE))


# --- 04: the losses -------------------------------------------------------------------------


def logits(seed):
    return tf.constant(np.random.default_rng(seed).normal(0, 2, (BATCH, 3)), tf.float32)


LOSSES = {
    "cross_entropy": (logits(0), REAL_WITH),
    "discriminator_loss": tuple(logits(seed) for seed in range(4)),
    "gan_loss": (logits(0), REAL_WITHOUT),
    "dual_loss": (logits(1), REAL_WITH),
    "pixel_loss": (images(),),
    "perceptual_loss": (images(0), images(1)),
    "cycle_loss": (images(0), images(1)),
    "mask_loss": (images(low=0.0)[..., :1],),
    "outside_loss": (images(), metrics.region_mask("glasses", SIZE)),
    "truth_loss": (images(0), images(1), tf.constant([1.0, 0.0])),
    "where_loss": (images(low=0.0)[..., :1], images(0), images(1), tf.constant([1.0, 0.0])),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_notebook_04(name):
    ours, theirs = getattr(lift("04"), name), getattr(losses, name)
    np.testing.assert_allclose(ours(*LOSSES[name]), theirs(*LOSSES[name]), rtol=1e-6)


@pytest.mark.parametrize("name", ["pixel_loss", "perceptual_loss"])
def test_summed_loss_of_notebook_04(name):
    ours, theirs = getattr(lift("04"), name), getattr(losses, name)
    np.testing.assert_allclose(ours(*LOSSES[name], "sum"), theirs(*LOSSES[name], "sum"), rtol=1e-6)


def test_notebook_04_builds_every_loss():
    public = {
        name for name, f in vars(losses).items() if getattr(f, "__module__", "") == losses.__name__
    }
    assert {name for name in public if not name.startswith("_")} == set(LOSSES)


# --- 05, 06 and 08: the train steps and what surrounds them ---------------------------------


@pytest.mark.usefixtures("eagerly")
def test_train_step_of_notebook_05(monkeypatch):
    recipe = training.RECIPES["paper"]
    notebook = lift("05")
    monkeypatch.setitem(notebook.make_train_step.__globals__, "RECIPE", recipe)
    assert_same_steps(
        training.build_models("paper", SIZE),
        lambda *networks: notebook.make_train_step(*networks)(images(0), images(1)),
        lambda *networks: training.make_train_step(*networks, recipe)(images(0), images(1), SEED),
    )


def test_moving_average_of_notebook_06():
    averaged, model = (networks.attention_generator(SIZE, WIDTH) for _ in range(2))
    scramble(averaged, 1)
    scramble(model, 2)
    ours = lift("06").move_average(averaged.get_weights(), model.get_weights(), 0.9)
    training.make_average([averaged], [model])(tf.constant(0.9))
    for a, b in zip(ours, averaged.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_loop_of_notebook_06_looks_at_losses_when_a_run_does(monkeypatch):
    """At those that are logged, and at the end; the steps between are not waited for."""
    tensor, looked = type(SEED), []
    fetch = tensor._numpy  # what float() goes by
    monkeypatch.setattr(tensor, "_numpy", lambda self: looked.append(done[-1]) or fetch(self))
    done = []

    def step(without, with_, seed):
        done.append(len(done))
        return {"discriminator": tf.constant(float(done[-1]))}

    history = lift("06").train(step, lambda decay: None, [(0, 0)] * 13, 0, 13)
    assert history == [{"step": number, "discriminator": number} for number in range(13)]
    assert looked == [0] + [runs.LOG_EVERY] * runs.LOG_EVERY + [12] * 2


def test_generator_of_notebook_08():
    assert_same_outputs(
        lift("08").attention_generator(SIZE, WIDTH), networks.attention_generator(SIZE, WIDTH)
    )


def test_augmentation_of_notebook_08():
    ours, theirs = (augment(images(), SEED) for augment in (lift("08").augment, training.augment))
    assert np.abs(theirs - images()).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.usefixtures("eagerly")
def test_train_step_of_notebook_08(monkeypatch):
    recipe = training.RECIPES["attention"]
    region = metrics.region_mask("glasses", SIZE)
    notebook = lift("08")
    monkeypatch.setitem(notebook.make_train_step.__globals__, "RECIPE", recipe)
    monkeypatch.setitem(notebook.make_train_step.__globals__, "allowed", region)
    assert_same_steps(
        training.build_models("attention", SIZE, width=WIDTH),
        lambda *networks: notebook.make_train_step(*networks)(images(0), images(1), SEED),
        lambda *networks: training.make_train_step(*networks, recipe, region)(
            images(0), images(1), SEED
        ),
    )


def test_networks_between_the_papers_and_ours_in_notebook_08():
    notebook = lift("08")
    bounded = notebook.bounded(SIZE, "generator_add")
    bounded.set_weights([100 * weight for weight in bounded.get_weights()])
    assert 0.99 < np.abs(bounded(images())).max() <= 1
    layers = {layer.name for layer in notebook.no_mask(SIZE, "generator_add").layers}
    assert "paint" in layers and "mask" not in layers


def test_training_of_a_row_in_notebook_08():
    """Its averaged networks begin where the seed says, and each step moves them."""
    notebook = lift("08")
    row = notebook.no_mask, notebook.sees_brightness, training.Recipe(learning_rate=1e-2)
    split = datasets.open_split("drawn", "glasses", images=8)
    fresh, again, trained = (
        notebook.climb(*row, split, size=SIZE, steps=steps) for steps in (0, 0, 2)
    )
    for networks_of_one_direction in zip(fresh, again, trained, strict=True):
        before, same, after = (model(images()).numpy() for model in networks_of_one_direction)
        np.testing.assert_array_equal(before, same)
        assert np.abs(after - before).max() > 1e-4


# --- 10: the second pass --------------------------------------------------------------------


def test_second_pass_of_notebook_10():
    """Away from the border: there the helper leaves out what lies beyond, the notebook repeats it."""
    size = 256
    y, x = np.mgrid[:size, :size][..., None]
    cover = np.float32(0.5 + 0.5 * np.sin(x / 40) * np.cos(y / 50))
    crop = np.uint8(128 + 90 * np.sin(x / 9 + np.arange(3)) * np.cos(y / 11))
    _, ours, share = lift("10").second_pass(crop, lambda unit: cover * (1.2 - unit), 2, 30)
    assert (share == 0).any() and (share == 1).any()
    image = keras.Input((size, size, 3))
    network = keras.Model(image, keras.ops.multiply(cover, 1.2 - image))
    unit = crop[None] / np.float32(127.5) - 1
    theirs = unit[0] + second_pass.with_second_pass(network, 2, 30)(unit)[0].numpy()
    inside = slice(4, -4)
    np.testing.assert_allclose(ours[inside, inside], theirs[inside, inside], atol=1e-5)
