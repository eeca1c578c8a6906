import math

import numpy as np
import pytest
import tensorflow as tf

from helpers import losses


def test_cross_entropy_by_hand():
    logits = tf.constant([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    first = math.log(math.exp(2) + 2) - 2
    assert float(losses.cross_entropy(logits, 0)) == pytest.approx((first + math.log(3)) / 2)
    assert float(losses.cross_entropy(logits, 1)) == pytest.approx((first + 2 + math.log(3)) / 2)


def test_guessing_scores_ln_3_for_each_of_the_four_groups():
    zeros = tf.zeros((5, 3))
    assert float(losses.discriminator_loss(zeros, zeros, zeros, zeros)) == pytest.approx(
        4 * math.log(3)
    )


def test_discriminator_loss_wants_each_group_in_its_own_class():
    sure = 50 * tf.eye(3)
    generated, real_with, real_without = (sure[i : i + 1] for i in range(3))
    best = losses.discriminator_loss(real_with, real_without, generated, generated)
    assert float(best) == pytest.approx(0, abs=1e-6)
    swapped = losses.discriminator_loss(real_without, real_with, generated, generated)
    assert float(swapped) == pytest.approx(100, rel=1e-4)


def test_gan_and_dual_losses_look_at_the_class_they_are_told():
    logits = tf.constant([[1.0, 2.0, 3.0]])
    total = math.log(math.exp(1) + math.exp(2) + math.exp(3))
    assert float(losses.gan_loss(logits, 1)) == pytest.approx(total - 2, rel=1e-6)
    assert float(losses.dual_loss(logits, 2)) == pytest.approx(total - 3, rel=1e-6)


def test_l1_losses_by_hand():
    residual = tf.constant([[[[1.0, -2.0, 0.5]]], [[[0.0, 0.0, -0.5]]]])
    assert float(losses.pixel_loss(residual)) == pytest.approx(4 / 6)
    assert float(losses.pixel_loss(residual, "sum")) == pytest.approx(4 / 2)
    phi = tf.ones_like(residual)
    assert float(losses.perceptual_loss(phi + residual, phi, "sum")) == pytest.approx(2)
    assert float(losses.cycle_loss(phi + residual, phi)) == pytest.approx(4 / 6)


def test_mask_loss_is_its_mean():
    mask = np.zeros((2, 4, 4, 1), "float32")
    mask[0, :2] = 1
    assert float(losses.mask_loss(tf.constant(mask))) == pytest.approx(0.25)


def test_outside_loss_looks_outside_alone():
    region = np.zeros((4, 4), "float32")
    region[:, :2] = 1
    residual = np.zeros((2, 4, 4, 3), "float32")
    residual[:, :, :2] = 9  # inside: free
    residual[0, :, 3] = -0.5  # half of the outside of one of two images
    assert float(losses.outside_loss(residual, region)) == pytest.approx(0.125)
    assert float(losses.outside_loss(residual, np.ones_like(region))) == 0


def test_an_unknown_reduction_is_named():
    with pytest.raises(ValueError, match="median"):
        losses.pixel_loss(tf.zeros((1, 1, 1, 3)), "median")


def test_the_scale_trap():
    """alpha 5e-5 on 0..255 with sums is 6.4e-3 on [-1, 1], or about 313 times the mean."""
    residual = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 128, 128, 3)).astype("float32")
    original = 5e-5 * float(losses.pixel_loss(tf.constant(127.5 * residual), "sum"))
    assert 6.375e-3 * float(losses.pixel_loss(tf.constant(residual), "sum")) == pytest.approx(
        original, rel=1e-4
    )
    assert 6.375e-3 * 128 * 128 * 3 * float(
        losses.pixel_loss(tf.constant(residual))
    ) == pytest.approx(original, rel=1e-4)
