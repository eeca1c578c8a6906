import dataclasses
import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from helpers import (
    datasets,
    distribute,
    losses,
    networks,
    pairing,
    pixels,
    previews,
    training,
    weight_files,
)
from helpers.drawn import faces
from helpers.errors import TrainingError
from helpers.runs import Run, Settings, card_of
from helpers.training import RECIPES, Models

SIZE = 32


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return tuple(tf.constant(rng.uniform(-1, 1, (2, SIZE, SIZE, 3)), tf.float32) for _ in range(2))


def tiny(network):
    width = 4 if network == "attention" else None
    return training.build_models(network, SIZE, width=width)


def values(model):
    return [v.numpy() for v in model.trainable_variables]


def changed(before, model):
    return any((a != b).any() for a, b in zip(before, values(model), strict=True))


class Recorder:
    """An optimizer that notes which variables it was given, with which gradients."""

    def __init__(self):
        self.seen = []

    def apply_gradients(self, pairs):
        self.seen.append([(g, v) for g, v in pairs])


def step_eagerly(models, recipe, images, region=None):
    """Run one step with recorders; eagerly, so that gradients can be looked at."""
    recorders = training.Optimizers(Recorder(), Recorder(), Recorder())
    tf.config.run_functions_eagerly(True)
    try:
        step = training.make_train_step(models, recorders, recipe, region)
        report = step(*images, tf.constant([0, 0]))
    finally:
        tf.config.run_functions_eagerly(False)
    return recorders, report


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_each_update_reaches_its_own_network_alone(network, images):
    models = tiny(network)
    recorders, _ = step_eagerly(models, RECIPES[network], images)
    for model, recorder in zip(models, recorders, strict=True):
        (update,) = recorder.seen
        assert [id(v) for _, v in update] == [id(v) for v in model.trainable_variables]
        assert all(g is not None and np.isfinite(g).all() for g, _ in update)
        assert any(abs(np.asarray(g)).max() > 0 for g, _ in update)


def test_a_gradient_too_small_for_float16_arrives():
    weight = tf.Variable(1.0)
    with tf.GradientTape(persistent=True) as tape:
        loss = 1e-8 * tf.cast(tf.cast(weight, tf.float16), tf.float32)
    assert float(tape.gradient(loss, weight)) == 0
    assert float(training.gradients(tape, loss, weight, half=True)) == pytest.approx(1e-8, rel=0.1)
    assert float(training.gradients(tape, loss, [[weight]], half=True)[0][0]) > 0
    assert float(training.gradients(tape, loss, weight, half=False)) == 0


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_float16_alone_scales_its_losses_in_all_three_updates(network, images, monkeypatch):
    monkeypatch.setattr(training, "LOSS_SCALE", float("inf"))  # who uses it can't be finite
    width = 4 if network == "attention" else None
    for dtype in ("mixed_bfloat16", "mixed_float16"):
        models = training.build_models(network, SIZE, width=width, dtype=dtype)
        recorders, _ = step_eagerly(models, RECIPES[network], images)
        for recorder in recorders:
            finite = [np.isfinite(g).all() for ((*pairs,),) in [recorder.seen] for g, _ in pairs]
            assert all(finite) == (dtype == "mixed_bfloat16")
            assert any(finite) == (dtype == "mixed_bfloat16")


@pytest.mark.usefixtures("eagerly")
def test_the_papers_generator_loss_sends_nothing_to_the_other_two(images):
    """The dual path runs through the other generator, but its weights must not hear of it."""
    models = tiny("paper")
    before = [values(model) for model in models]
    recipe = RECIPES["paper"]

    def optimizers(which):
        return training.Optimizers(
            *(tf.keras.optimizers.SGD(1e-3 if i == which else 0.0) for i in range(3))
        )

    for which in range(3):
        training.make_train_step(models, optimizers(which), recipe)(*images, tf.constant([0, 0]))
        for i, model in enumerate(models):
            assert changed(before[i], model) == (i == which)
        before = [values(model) for model in models]


@pytest.mark.usefixtures("eagerly")
def test_discriminator_update_stops_at_the_edits(images):
    """Its gradient with respect to the generators is exactly none."""
    models = tiny("paper")
    added = None
    with tf.GradientTape() as tape:
        added = training.edit(images[0], models.generator_add(images[0]))
        logits, _ = models.discriminator(tf.stop_gradient(added))
        loss = losses.cross_entropy(logits, networks.GENERATED)
    assert tape.gradient(loss, models.generator_add.trainable_variables) == [None] * len(
        models.generator_add.trainable_variables
    )


@pytest.mark.usefixtures("eagerly")
def test_losses_of_a_step_by_hand(images):
    """The paper's terms, computed again from the parts."""
    models = tiny("paper")
    recipe = RECIPES["paper"]
    without, _ = images
    residual = models.generator_add(without)
    edited = training.edit(without, residual, recipe.clip)
    back = training.edit(edited, models.generator_remove(edited), recipe.clip)
    terms = training.direction_losses(
        recipe,
        models.discriminator,
        without,
        residual,
        back,
        None,
        target=networks.REAL_WITH,
        source=networks.REAL_WITHOUT,
        seed=tf.constant([0, 0]),
    )
    logits, phi = models.discriminator(edited)
    assert set(terms) == {"gan", "dual", "pixel", "perceptual"}
    probability = tf.nn.softmax(logits).numpy()[:, networks.REAL_WITH]
    assert float(terms["gan"]) == pytest.approx(-np.log(probability).mean(), rel=1e-4)
    back_probability = tf.nn.softmax(models.discriminator(back)[0]).numpy()[
        :, networks.REAL_WITHOUT
    ]
    assert float(terms["dual"]) == pytest.approx(-np.log(back_probability).mean(), rel=1e-4)
    absolute = np.abs(residual.numpy()).sum((1, 2, 3)).mean()
    assert float(terms["pixel"]) == pytest.approx(5e-5 * 127.5 * absolute, rel=1e-4)
    distance = np.abs(phi.numpy() - models.discriminator(without)[1].numpy()).sum((1, 2, 3)).mean()
    assert float(terms["perceptual"]) == pytest.approx(5e-6 * distance, rel=1e-3)


@pytest.mark.usefixtures("eagerly")
def test_attention_recipe_has_cycle_and_mask_terms(images):
    _, report = step_eagerly(tiny("attention"), RECIPES["attention"], images)
    for direction in training.DIRECTIONS:
        names = {n.split("/")[1] for n in report if n.startswith(direction)}
        assert names == {"gan", "dual", "pixel", "cycle", "mask"}


@pytest.mark.usefixtures("eagerly")
def test_the_ways_there_and_back_weigh_differently_and_the_outside_counts(images):
    models, region = tiny("attention"), np.zeros((SIZE, SIZE), "float32")
    plain = dataclasses.replace(RECIPES["attention"], cycle=1.0, cycle_with=1.0, outside=1.0)
    weighted = dataclasses.replace(plain, cycle=3.0, cycle_with=5.0, outside=7.0)
    _, before = step_eagerly(models, plain, images, region)
    _, after = step_eagerly(models, weighted, images, region)
    for term, weight in {
        "add/cycle": 3,
        "remove/cycle": 5,
        "add/outside": 7,
        "remove/outside": 7,
    }.items():
        assert float(after[term]) == pytest.approx(weight * float(before[term]), rel=1e-4)
    _, nobody_knows = step_eagerly(models, plain, images)
    assert "add/outside" not in nobody_knows


def test_the_generators_learn_to_please_a_fixed_discriminator(images):
    models = tiny("attention")
    models.discriminator.get_layer("logits").kernel.assign(
        100 * models.discriminator.get_layer("logits").kernel  # untrained, it hardly sees a thing
    )
    recipe = dataclasses.replace(
        RECIPES["attention"],
        dual=0.0,
        pixel=0.0,
        cycle=0.0,
        cycle_noise=0.0,
        augment=False,
        mask=1e-6,
        learning_rate=2e-3,
        discriminator_rate=0.0,
    )
    step = training.make_train_step(models, training.make_optimizers(models, recipe), recipe)
    report = [
        {k: float(v) for k, v in step(*images, tf.constant([0, i])).items()} for i in range(30)
    ]
    assert report[-1]["add/gan"] < report[0]["add/gan"] - 0.01
    assert report[-1]["remove/gan"] < report[0]["remove/gan"] - 0.01


def test_edit_clips():
    image = tf.constant([[[[0.9, -0.9, 0.0]]]])
    np.testing.assert_allclose(training.edit(image, image), [[[[1, -1, 0]]]])


def test_augment_depends_on_its_seed_alone_and_lets_gradients_pass(images):
    seed, other = tf.constant([1, 2]), tf.constant([1, 3])
    first = training.augment(images[0], seed)
    np.testing.assert_array_equal(first, training.augment(images[0], seed))
    assert np.abs(first - training.augment(images[0], other)).mean() > 0.01
    with tf.GradientTape() as tape:
        tape.watch(images[0])
        loss = tf.reduce_sum(training.augment(images[0], seed))
    assert np.abs(tape.gradient(loss, images[0])).max() > 0


def test_spectral_convolution_divides_by_the_largest_singular_value_and_stays_in_float32():
    layer = networks.SpectralConvolution(
        8, 3, padding="same", use_bias=True, dtype="mixed_bfloat16"
    )
    x = tf.random.stateless_uniform((1, 8, 8, 4), (1, 2))
    before = None
    for _ in range(30):
        y = layer(x, training=True)
        if before is None:
            before = layer.kernel.numpy()
    np.testing.assert_array_equal(layer.kernel.numpy(), before)
    assert (before != tf.cast(tf.cast(before, tf.bfloat16), tf.float32).numpy()).any()
    largest = np.linalg.svd(before.reshape(-1, 8))[1][0]
    expected = tf.nn.conv2d(x, 2 * before / largest, 1, "SAME")  # 2 is the layer's gain
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, atol=0.04)


# --- runs -----------------------------------------------------------------------------------


@pytest.fixture
def split(celeba):
    return datasets.open_split(celeba, "Eyeglasses")


def settings(**changes):
    defaults = {"attribute": "Eyeglasses", "data": "celeba", "size": SIZE, "width": 4, "batch": 2}
    return Settings(**(defaults | changes))


def all_weights(run):
    return [w.numpy() for model in (*run.models, *run.averaged) for w in model.weights]


def test_a_resumed_run_ends_with_bitwise_the_same_weights(split, tmp_path):
    whole = Run(tmp_path / "whole", settings(), split, dtype="float32")
    whole.train(steps=6, progress=False)
    first = Run(tmp_path / "broken", settings(), split, dtype="float32")
    first.train(steps=3, progress=False)
    second = Run(tmp_path / "broken", settings(), split, dtype="float32")
    assert second.step == 3
    second.train(steps=6, progress=False)
    for a, b in zip(all_weights(whole), all_weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


def optimized(function, *arguments):
    """Call a compiled function and return the operations that TensorFlow ran for it."""
    context.enable_run_metadata()
    try:
        function(*arguments)
        graphs = context.export_run_metadata().function_graphs
    finally:
        context.disable_run_metadata()
    graphs = [graph.post_optimization_graph for graph in graphs]
    inner = [node.op for g in graphs for f in g.library.function for node in f.node_def]
    return {node.op for graph in graphs for node in graph.node} | set(inner)


@pytest.mark.slow
@pytest.mark.parametrize("network", networks.NETWORKS)
def test_at_full_size_two_equal_trainings_end_with_bitwise_the_same_weights(network):
    """Some sums go in the order in which threads come; small images do not show it.

    Two trainings can be equal by luck, so the operation that such a sum goes through is looked for.
    """
    rng = np.random.default_rng(0)
    pairs = [tf.constant(rng.uniform(-1, 1, (4, 128, 128, 3)), tf.float32) for _ in range(2)]
    ends = []
    for _ in range(2):
        models = training.build_models(network, 128, dtype=training.pick_dtype())
        recipe = RECIPES[network]
        step = training.make_train_step(models, training.make_optimizers(models, recipe), recipe)
        operations = optimized(step, *pairs, tf.constant([0, 0]))
        assert "AddN" in operations
        assert "TemporaryVariable" not in operations
        for index in range(1, 3):
            step(*pairs, tf.constant([0, index]))
        ends.append([value for model in models for value in values(model)])
    for first, second in zip(*ends, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("network", networks.NETWORKS)
def test_xla_compiles_the_whole_step_and_computes_the_same(network, images):
    """XLA draws other random numbers, so that here there are none."""
    recipe = dataclasses.replace(RECIPES[network], augment=False, cycle_noise=0.0)
    reports = []
    for xla in (False, True):
        models = tiny(network)
        optimizers = training.make_optimizers(models, recipe)
        step = training.make_train_step(models, optimizers, recipe, xla=xla)
        reports.append([step(*images, tf.constant([0, i])) for i in range(3)])
    for plain, compiled in zip(*reports, strict=True):
        assert set(plain) == set(compiled)
        for name, value in plain.items():
            assert float(compiled[name]) == pytest.approx(float(value), rel=1e-3), name


def test_xla_is_advised_on_a_gpu_for_many_steps(monkeypatch):
    assert not training.pick_xla()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert training.pick_xla() and training.pick_xla(5000)
    assert not training.pick_xla(60)


def test_xla_is_refused_in_a_team(split, tmp_path):
    team = distribute.Team(strategy=object())
    with pytest.raises(TrainingError, match="one device"):
        Run(tmp_path / "run", settings(), split, dtype="float32", team=team, xla=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("eagerly")
def test_a_run_starts_with_the_networks_of_another_and_resumes_with_its_own(split, tmp_path):
    other = Run(tmp_path / "other", settings(), split, dtype="float32")
    other.train(steps=1, progress=False)
    ours = settings(seed=1, start="other")
    run = Run(tmp_path / "run", ours, split, dtype="float32", start=tmp_path / "other")
    assert run.step == 0
    for model, theirs in zip(
        (*run.models, *run.averaged), (*other.models, *other.models[:2]), strict=True
    ):
        for a, b in zip(model.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert all(float(np.abs(v.numpy()).max()) == 0 for v in run.trainer.optimizers[0].variables[2:])
    run.train(steps=1, progress=False)
    assert card_of(run, "add")["start"] == "other"
    again = Run(tmp_path / "run", ours, split, dtype="float32", start=tmp_path / "other")
    assert again.step == 1
    for a, b in zip(all_weights(again), all_weights(run), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_start_that_does_not_fit_is_refused(split, tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint"):
        Run(tmp_path / "run", settings(), split, start=tmp_path / "nobody")
    Run(tmp_path / "other", settings(width=6), split, dtype="float32").save()
    with pytest.raises(TrainingError, match="others than those asked for"):
        Run(tmp_path / "run", settings(), split, start=tmp_path / "other")


@pytest.mark.usefixtures("eagerly")
def test_a_run_starts_with_weights_and_its_discriminator_learns_first_alone(split, tmp_path):
    Run(tmp_path / "other", settings(seed=5), split, dtype="float32").save()
    weights = tmp_path / "other" / "weights"
    assert weight_files.holds_weights_alone(weights)
    assert not weight_files.holds_weights_alone(tmp_path / "other")
    for direction in ("add", "remove"):  # one that learned alone
        alone = tmp_path / direction
        alone.mkdir()
        (alone / f"hat-{direction}.npz").write_bytes(b"")
        assert weight_files.holds_weights_alone(alone)
    ours = settings(seed=1, start="weights", warm_up=2)
    run = Run(tmp_path / "run", ours, split, dtype="float32", start=weights)
    for direction, model in zip(training.DIRECTIONS, run.models, strict=False):
        source, _ = weight_files.load_generator(weights / f"glasses-{direction}.npz")
        for a, b in zip(source.weights, model.weights, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    before = [values(model) for model in run.models]
    run.train(steps=2, progress=False)
    assert [changed(b, m) for b, m in zip(before, run.models, strict=True)] == [False, False, True]
    again = Run(tmp_path / "run", ours, split, dtype="float32", start=weights)
    again.train(steps=3, progress=False)
    assert all(changed(b, m) for b, m in zip(before, again.models, strict=True))
    assert card_of(again, "add")["warm_up"] == 2


def test_weights_that_do_not_fit_are_no_start(split, tmp_path):
    Run(tmp_path / "other", settings(width=6), split, dtype="float32").save()
    weights = tmp_path / "other" / "weights"
    with pytest.raises(TrainingError, match="width 6"):
        Run(tmp_path / "run", settings(), split, start=weights)
    for direction in training.DIRECTIONS:
        for name in ("hat", "smiling"):
            (weights / f"{name}-{direction}.npz").write_bytes(b"")
        (weights / f"glasses-{direction}.npz").unlink()
    with pytest.raises(TrainingError, match=r"Which of hat-add\.npz, smiling-add\.npz"):
        Run(tmp_path / "run", settings(), split, start=weights)


def test_a_run_leaves_previews_logs_and_weights_that_load(split, tmp_path):
    run = Run(tmp_path / "run", settings(), split, dtype="float32")
    history = run.train(steps=2, preview_every=1, progress=False)
    assert [entry["step"] for entry in history] == [0]
    assert history[0]["add/outside"] > 0  # the region of glasses is known
    assert sorted(p.name for p in (tmp_path / "run" / "previews").iterdir()) == [
        "step-000001.png",
        "step-000002.png",
    ]
    assert list((tmp_path / "run" / "logs").glob("events*"))
    generator, card = weight_files.load_generator(run.weights_path("add"))
    assert card["direction"] == "add" and card["steps"] == 2 and card["network"] == "attention"
    image = np.random.default_rng(0).uniform(-1, 1, (1, SIZE, SIZE, 3)).astype("float32")
    np.testing.assert_allclose(generator(image), run.averaged[0](image), atol=5e-3)


def test_only_the_first_step_is_silenced(split, tmp_path, capfd):
    run = Run(tmp_path / "run", settings(), split, dtype="float32")
    steps = iter(range(3))

    def says(without, with_, seed):
        os.write(2, f"said {next(steps)}".encode())
        return dict.fromkeys(("discriminator", "add/gan", "remove/gan"), tf.constant(1.0))

    run.trainer.train_step = says
    run.train(steps=3, progress=False)
    error = capfd.readouterr().err
    assert "said 0" not in error and "said 1" in error and "said 2" in error


def test_other_settings_in_the_same_folder_are_refused_with_the_difference(split, tmp_path):
    Run(tmp_path / "run", settings(), split, dtype="float32")
    with pytest.raises(TrainingError, match="batch: 2 there, 4 now"):
        Run(tmp_path / "run", settings(batch=4), split, dtype="float32")


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(split, tmp_path):
    run = Run(tmp_path / "run", settings(), split, dtype="float32")
    run.train(steps=1, progress=False)
    run.models.generator_add.get_layer("heads").bias.assign([np.nan] * 4)
    run.trainer.step.assign(10)
    with pytest.raises(TrainingError, match=r"at step 10.*of step 1, is kept"):
        run.train(steps=20, progress=False)
    again = Run(tmp_path / "run", settings(), split, dtype="float32")
    assert again.step == 1 and all(np.isfinite(w).all() for w in all_weights(again))


def test_the_papers_run_is_the_originals_by_default(split, tmp_path, monkeypatch):
    """Batch 5, no mirror images, whoever comes, as many without as with, the last weights."""
    asked = {}
    monkeypatch.setattr(pairing, "pair_stream", lambda *_, **options: asked.update(options) or [])
    del split.items["train", "with"][3:]
    run = Run(tmp_path, settings(network="paper", batch=None, width=None), split, "float32")
    run.train(steps=1, progress=False)
    assert not asked["flip"] and not asked["matched"]
    assert (run.settings.batch, run.settings.average) == (5, 0)
    assert run.split.count("train", "without") == run.split.count("train", "with") == 3
    assert run.steps_of(100) == 60 and run.steps_of(0.5) == 1
    assert split.count("train", "without") > 3  # what was handed in stays as it was
    theirs = Run(tmp_path / "attention", settings(batch=None), split, "float32")
    assert (theirs.settings.batch, theirs.settings.average) == (4, 0.999)
    assert theirs.split is split


@pytest.mark.usefixtures("eagerly")
def test_without_averaging_the_last_weights_are_kept(split, tmp_path):
    run = Run(tmp_path, settings(average=0.0), split, "float32")
    run.train(steps=2, progress=False)
    for model, averaged in zip(run.models, run.averaged, strict=False):
        for last, kept in zip(model.get_weights(), averaged.get_weights(), strict=True):
            np.testing.assert_array_equal(last, kept)


def test_what_the_papers_networks_made_in_another_unit_is_refused(split, tmp_path):
    """Files of the first revision say nothing of it, and the shapes of their weights fit."""
    generator = networks.paper_generator(SIZE)
    card = {"network": "paper", "size": SIZE, "direction": "add", "attribute": "glasses"}
    weight_files.save_generator(tmp_path / "a.npz", generator, card)
    with pytest.raises(TrainingError, match="revision 1 of the paper networks"):
        weight_files.load_generator(tmp_path / "a.npz")
    weight_files.save_generator(tmp_path / "b.npz", generator, {**card, "revision": 2})
    assert weight_files.load_generator(tmp_path / "b.npz")[1]["revision"] == 2
    told = dataclasses.asdict(settings(network="paper", width=None))
    del told["revision"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text(json.dumps(told))
    with pytest.raises(TrainingError, match=r"revision 1[^\n]+Train anew"):
        Run(tmp_path / "run", settings(network="paper", width=None), split, "float32")
    told["network"] = "attention"  # which has not changed
    (tmp_path / "run" / "settings.json").write_text(json.dumps({**told, "width": 4}))
    Run(tmp_path / "run", settings(average=0.0), split, "float32")


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "other network"])
def test_damaged_weights_are_named(damage, tmp_path):
    path = tmp_path / "glasses-add.npz"
    generator = networks.attention_generator(SIZE, 4)
    card = {"size": SIZE, "width": 4, "network": "attention", "direction": "add"}
    card["attribute"] = "glasses"
    weight_files.save_generator(path, generator, card)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("hello")
    else:
        weight_files.save_generator(path, generator, card | {"network": "paper"})
    with pytest.raises(TrainingError, match="glasses-add.npz"):
        weight_files.load_generator(path)


def test_packed_weights_are_rounded_channel_by_channel_and_load_as_before(tmp_path):
    path = tmp_path / "glasses-add.npz"
    generator = networks.attention_generator(SIZE, 16)
    card = {"size": SIZE, "width": 16, "network": "attention", "direction": "add"}
    card["attribute"] = "glasses"
    weight_files.save_generator(path, generator, card)
    large = path.stat().st_size
    weight_files.pack(path)
    assert path.stat().st_size < 0.7 * large
    loaded, told = weight_files.load_generator(path)
    assert told == card | {"bits": 8}
    for before, after in zip(generator.get_weights(), loaded.get_weights(), strict=True):
        if before.ndim < 2:
            np.testing.assert_array_equal(after, before.astype(np.float16))
            continue
        for channel in range(before.shape[-1]):
            was, now = before[..., channel], after[..., channel]
            assert len(np.unique(now)) <= 257
            assert np.abs(now - was).max() <= np.abs(was).max() / 120
    assert any(
        (b != a).any() for b, a in zip(generator.get_weights(), loaded.get_weights(), strict=True)
    )


def test_weights_files_hold_no_pickle(tmp_path):
    path = tmp_path / "w.npz"
    weight_files.save_generator(path, networks.attention_generator(SIZE, 4), {"size": SIZE})
    with np.load(path, allow_pickle=False) as file:
        assert json.loads(str(file["card"])) == {"size": SIZE}
        assert {file[n].dtype for n in file.files if n != "card"} == {np.dtype("float16")}


def test_preview_shows_the_residual_at_a_fixed_range(images):
    models = Models(*tiny("attention"))
    sheet = previews.preview_sheet(*zip(models[:2], (i.numpy() for i in images), strict=True))
    assert sheet.shape == (6 * SIZE, 2 * SIZE, 3)
    residual = models.generator_add(images[0]).numpy()
    np.testing.assert_array_equal(
        sheet[2 * SIZE : 3 * SIZE, :SIZE], pixels.to_bytes(np.clip(residual[0], -1, 1))
    )


def original_step(generator_add, generator_remove, discriminator, adams, without, with_):
    """One step of the 2019 project in its own units, from its formulas: pixels of 0..255."""
    alpha = 5e-5
    beta = 0.1 * alpha

    def entropy(logits, label):
        picked = tf.nn.log_softmax(logits)[:, label]
        return -tf.reduce_mean(picked)

    def update(adam, tape, loss, network):
        gradients = tape.gradient(loss, network.trainable_variables)
        adam.apply_gradients(zip(gradients, network.trainable_variables, strict=True))

    added = without + generator_add(without)
    removed = with_ + generator_remove(with_)
    with tf.GradientTape() as tape:
        seen = [(with_, 1), (without, 2), (added, 0), (removed, 0)]
        loss = sum(entropy(discriminator(images)[0], label) for images, label in seen)
    update(adams[2], tape, loss, discriminator)
    told = {"discriminator": loss}
    ways = [
        ("add", generator_add, generator_remove, adams[0], without, 1, 2),
        ("remove", generator_remove, generator_add, adams[1], with_, 2, 1),
    ]
    for name, there, back, adam, photo, target, source in ways:
        with tf.GradientTape() as tape:
            residual = there(photo)
            edited = photo + residual
            logits, phi = discriminator(edited)
            gan = entropy(logits, target)
            dual = entropy(discriminator(edited + back(edited))[0], source)
            pixel = alpha * tf.reduce_mean(tf.reduce_sum(tf.abs(residual), (1, 2, 3)))
            apart = tf.abs(phi - discriminator(photo)[1])
            perceptual = beta * tf.reduce_mean(tf.reduce_sum(apart, (1, 2, 3)))
            loss = gan + dual + pixel + perceptual
        update(adam, tape, loss, there)
        told |= {f"{name}/gan": gan, f"{name}/dual": dual}
        told |= {f"{name}/pixel": pixel, f"{name}/perceptual": perceptual}
    return told, generator_add(without), generator_remove(with_)


def in_levels(model):
    """Return the same weights as a network of pixels of 0..255, as the original built it."""

    def clone(layer):
        if isinstance(layer, keras.layers.Rescaling):
            return keras.layers.Activation("linear", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    bare = keras.models.clone_model(model, clone_function=clone)
    bare.set_weights(model.get_weights())
    return bare


def test_the_papers_recipe_is_the_originals_in_its_own_units():
    """Losses, residuals and weights of three steps: ours on [-1, 1], the original's on 0..255."""
    size, recipe = 64, RECIPES["paper"]
    ours = training.build_models("paper", size, seed=4)
    theirs = Models(*map(in_levels, ours))
    began = [model.get_weights() for model in ours]
    step = training.make_train_step(ours, training.make_optimizers(ours, recipe), recipe)
    adams = [keras.optimizers.Adam(2e-4, 0.9, 0.999, epsilon=1e-8) for _ in range(3)]
    for number in range(3):
        photos = [
            np.stack(
                [
                    faces.draw_face(8 * number + 2 * i + side, size, glasses=bool(side))
                    for i in range(4)
                ]
            )
            for side in range(2)
        ]
        levels = [tf.constant(photo, tf.float32) for photo in photos]
        unit = [image / 127.5 - 1 for image in levels]
        told = step(*unit, tf.constant([0, number]))
        expected, *residuals = original_step(*theirs, adams, *levels)
        for name, value in expected.items():
            assert float(told[name]) == pytest.approx(float(value), rel=1e-3), (number, name)
        for generator, image, residual in zip(ours[:2], unit, residuals, strict=True):
            assert 0.1 < np.abs(residual).mean() < 0.5  # a fifth of a gray level
            apart = np.abs(127.5 * generator(image) - residual).mean()
            assert apart < 0.02 * np.abs(residual).mean(), number
    for first, mine, other in zip(began, ours, theirs, strict=True):
        moved = np.concatenate(
            [(a - b).ravel() for a, b in zip(mine.get_weights(), first, strict=True)]
        )
        apart = [
            (a - b).ravel() for a, b in zip(mine.get_weights(), other.get_weights(), strict=True)
        ]
        # Of a bias that a norm takes away again, Adam makes steps out of rounding noise.
        assert (np.abs(np.concatenate(apart)) < 0.1 * np.abs(moved).max()).mean() > 0.995
