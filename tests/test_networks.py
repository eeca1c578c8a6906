import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import networks, styling


def shapes(model, names):
    return [tuple(model.get_layer(name).output.shape[1:]) for name in names]


def test_paper_generator_has_the_papers_parameters_and_shapes():
    model = networks.paper_generator()
    assert model.count_params() == 1_033_795
    names = ["conv1", "conv2", "conv3", "deconv1", "deconv2", "to_residual", "residual"]
    assert shapes(model, names) == [
        (128, 128, 64),
        (64, 64, 128),
        (32, 32, 256),
        (64, 64, 128),
        (128, 128, 64),
        (128, 128, 3),
        (128, 128, 3),
    ]
    assert networks.multiply_accumulates(model) == pytest.approx(1.8067e9, rel=1e-4)


def test_paper_discriminator_has_the_papers_shapes():
    model = networks.paper_discriminator()
    assert model.count_params() == 11_166_580
    names = [f"conv{i}" for i in range(1, 6)] + ["to_map", "flatten", "logits"]
    assert shapes(model, names) == [
        (64, 64, 64),
        (32, 32, 128),
        (16, 16, 256),
        (8, 8, 512),
        (4, 4, 1024),
        (4, 4, 1),
        (16,),
        (3,),
    ]


def test_phi_is_the_third_convolution_before_its_norm():
    model = networks.paper_discriminator(32)
    image = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    before = keras.Model(model.input, model.get_layer("conv3").output)(image)
    np.testing.assert_array_equal(model(image)[1], before)


def test_attention_generator_keeps_its_budget():
    model = networks.attention_generator()
    assert model.count_params() <= 1_100_000
    assert networks.multiply_accumulates(model) <= 1e9


@pytest.mark.parametrize("network", networks.NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_every_generator_maps_an_image_to_a_residual(network, dtype):
    model = networks.GENERATORS[network](32, dtype=dtype)
    residual = model(tf.random.stateless_uniform((2, 32, 32, 3), (1, 2), -1, 1))
    assert residual.shape == (2, 32, 32, 3)
    assert residual.dtype == tf.float32


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_every_discriminator_gives_three_logits_and_phi(network):
    logits, phi = networks.DISCRIMINATORS[network](32)(np.zeros((2, 32, 32, 3), "float32"))
    assert logits.shape == (2, 3)
    assert phi.shape[:3] == (2, 4, 4)


def test_attention_residual_is_the_mask_times_paint_minus_image():
    model = networks.attention_generator(32)
    inside = keras.Model(
        model.input, [model.output] + [model.get_layer(n).output for n in ("mask", "paint")]
    )
    image = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    residual, mask, paint = (t.numpy() for t in inside(image))
    np.testing.assert_allclose(residual, mask * (paint - image), atol=1e-6)
    assert mask.min() > 0 and mask.max() < 1 and abs(paint).max() <= 1
    assert abs(image + residual).max() <= 1, "an attention edit never needs the clip"


def test_an_untrained_mask_is_neither_open_nor_closed():
    _, mask = networks.with_mask(networks.attention_generator(32))(np.zeros((1, 32, 32, 3)))
    assert 0.1 < float(tf.reduce_mean(mask)) < 0.5


def test_with_mask_names_the_network_that_has_none():
    with pytest.raises(ValueError, match="mask"):
        networks.with_mask(networks.paper_generator(32))


def test_instance_normalization_is_zero_mean_unit_variance_then_affine():
    layer = networks.InstanceNormalization()
    x = np.random.default_rng(0).normal(5, 3, (2, 16, 16, 4)).astype("float32")
    y = layer(x).numpy()
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std((1, 2)), 1, atol=1e-3)
    layer.set_weights([np.full(4, 2.0), np.full(4, 7.0)])
    np.testing.assert_allclose(layer(x).numpy(), 2 * y + 7, atol=1e-3)


@pytest.mark.parametrize(("dtype", "off"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_the_fused_norm_and_its_gradients_are_those_of_the_plain_one(dtype, off):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(3, 2, (3, 12, 12, 5)) * [[[[1]]], [[[2]]], [[[0.1]]]], "float32")
    x = tf.cast(x, dtype)
    upstream = tf.cast(rng.normal(0, 1, x.shape), dtype)
    results = []
    for fused in (False, True):
        layer = networks.InstanceNormalization(fused=fused, dtype=dtype)
        layer.build(x.shape)
        layer.set_weights([np.linspace(0.5, 2, 5), np.linspace(-1, 1, 5)])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        gradients = tape.gradient(y, [x, layer.scale.value, layer.shift.value], upstream)
        results.append([tf.cast(t, tf.float32).numpy() for t in (y, *gradients)])
    for plain, fused in zip(*results, strict=True):
        assert np.abs(plain - fused).max() <= off * np.abs(plain).max()
    counts = []
    for images in (x, x[:1]):
        graph = tf.function(layer).get_concrete_function(images).graph
        counts.append([o.type for o in graph.get_operations()].count("FusedBatchNormV3"))
    assert counts == [3, 0]  # of one image alone it is the plain one, as the page needs it


def test_a_style_scales_and_shifts_each_image_of_its_own():
    layer = networks.InstanceNormalization()
    x = np.random.default_rng(0).normal(5, 3, (2, 16, 16, 3)).astype("float32")
    plain = layer(x).numpy()
    layer.set_weights([np.full(3, 2.0), np.full(3, 7.0)])
    style = np.float32([[0.5, 0.0, -1.0, 1.0, 2.0, 3.0], [0.0] * 6])
    expected = [plain[0] * 2 * (1 + style[0, :3]) + 7 + style[0, 3:], plain[1] * 2 + 7]
    np.testing.assert_allclose(layer(x, tf.constant(style)).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("styles", [2, 3])
def test_a_generator_with_styles_stays_within_the_budget(styles):
    model = networks.attention_generator(styles=styles)
    assert model.count_params() <= 1_100_000
    assert networks.multiply_accumulates(model) <= 1e9


def test_a_style_chosen_gives_back_the_one_contract():
    model = networks.attention_generator(32, 8, styles=2)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype("float32")
    chosen = styling.in_style(model, [0.5, -0.25])
    assert chosen.input_shape == (None, 32, 32, 3)
    together = model([images, np.float32([[0.5, -0.25]] * 3)]).numpy()
    np.testing.assert_allclose(chosen(images).numpy(), together, atol=1e-6)
    assert np.abs(styling.in_style(model)(images).numpy() - together).max() > 1e-3
    suits = styling.in_style(model, [0, 0])(images).numpy()
    np.testing.assert_array_equal(styling.in_style(model)(images).numpy(), suits)


@pytest.mark.parametrize(("styles", "given"), [(2, [1.0]), (0, [1.0]), (1, [0.0, 0.0])])
def test_a_style_of_the_wrong_length_is_refused(styles, given):
    model = networks.attention_generator(32, 4, styles=styles)
    with pytest.raises(ValueError, match=f"takes {styles} numbers for its style, not {len(given)}"):
        styling.in_style(model, given)


def test_without_styles_there_is_nothing_to_choose():
    model = networks.paper_generator(32)
    assert styling.in_style(model) is model


def test_generators_see_as_far_as_the_course_says(monkeypatch):
    """About 23 px for the paper's generator, the whole face for the attention generator."""
    # Instance norm sees every pixel; the course speaks of the convolutions' reach.
    monkeypatch.setattr(networks.InstanceNormalization, "call", lambda self, x, style=None: x)
    image = tf.random.stateless_uniform((1, 128, 128, 3), (1, 2), -1, 1)

    def reach(model):
        # A deconvolution's reach depends on where between its input pixels the output lies.
        sides = []
        for row in range(60, 64):
            with tf.GradientTape() as tape:
                tape.watch(image)
                out = model(image)[0, row, 64, 0]
            rows = np.abs(tape.gradient(out, image).numpy()[0]).sum((1, 2)) > 0
            sides.append(int(rows.sum()))
        return max(sides)

    assert 20 <= reach(networks.paper_generator()) <= 26
    assert reach(networks.attention_generator()) >= 100


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_leaky_relu_and_its_gradient_are_those_of_tensorflow(dtype):
    x = tf.cast(tf.constant([-3.0, -0.5, 0.0, 0.25, 2.0]), dtype)
    gradients = []
    for leak in (networks.LeakyReLU(dtype=dtype), lambda x: tf.nn.leaky_relu(x, networks.LEAK)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = leak(x)
        np.testing.assert_array_equal(y, tf.nn.leaky_relu(x, networks.LEAK))
        gradients.append(tf.cast(tape.gradient(y, x), tf.float32).numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_doubling_has_the_gradient_that_tensorflow_has(dtype):
    """Ours is another operation, which XLA can compile."""
    x, weight = (tf.cast(tf.random.normal((2, n, n, 3)), dtype) for n in (4, 8))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = networks._double(x)
        theirs = tf.image.resize(x, (8, 8), "nearest")
        losses = [tf.reduce_sum(doubled * weight) for doubled in (ours, theirs)]
    np.testing.assert_array_equal(ours, theirs)
    gradients = [tape.gradient(loss, x) for loss in losses]
    np.testing.assert_allclose(*gradients, rtol=1e-5 if dtype == "float32" else 1e-2, atol=1e-2)


def test_patches_begin_with_what_the_small_network_does():
    """At 256 px, weights of 128 px give the same mask and paint, each pixel four times."""
    small = networks.attention_generator(128, 8)
    large = networks.attention_generator(256, 8)
    large.set_weights(networks.doubled(small.get_weights()))
    image = tf.random.stateless_uniform((1, 256, 256, 3), [0, 7], -1, 1)
    pooled = tf.nn.avg_pool2d(image, 2, 2, "VALID")
    expected = networks.with_mask(small)(pooled)[1]
    found = networks.with_mask(large)(image)[1].numpy()
    np.testing.assert_allclose(found[:, ::2, ::2], expected, atol=2e-5)
    np.testing.assert_array_equal(found[:, ::2, ::2], found[:, 1::2, 1::2])


def test_the_discriminator_sees_what_the_means_of_patches_hide():
    sharp = tf.random.stateless_uniform((1, 256, 256, 3), [0, 7], -1, 1)
    pooled = tf.nn.avg_pool2d(sharp, 2, 2, "VALID")
    soft = tf.repeat(tf.repeat(pooled, 2, axis=1), 2, axis=2)
    discriminator = networks.attention_discriminator(256, 8)
    logits, _ = discriminator(tf.concat([sharp, soft], 0))
    assert logits.shape == (2, 3)
    assert not np.allclose(*logits)
    assert discriminator.count_params() > networks.attention_discriminator(128, 8).count_params()


def test_patches_cost_less_than_half_as_much_again():
    small, large = (networks.attention_generator(size) for size in (128, 256))
    counts = [networks.multiply_accumulates(model) for model in (small, large)]
    assert counts[1] < 1.25 * counts[0]
    small, large = (networks.attention_discriminator(size) for size in (128, 256))
    counts = [networks.multiply_accumulates(model) for model in (small, large)]
    assert counts[1] < 1.4 * counts[0]
