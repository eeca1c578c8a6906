"""Every loss of the course, one function each (built in notebook 04).

Images are float32 in [-1, 1], of shape (batch, size, size, 3). Each function returns a scalar
float32 tensor, already averaged over the batch.
"""

import tensorflow as tf

from .networks import GENERATED, REAL_WITH, REAL_WITHOUT

DIFFERENT = 0.2  # 25 gray levels: what differs by that much is another thing, and no shadow


def cross_entropy(logits: tf.Tensor, target: int) -> tf.Tensor:
    """Return the cross entropy, in nats, of (batch, 3) logits against one class for all.

    A discriminator that only guesses scores ln 3 = 1.0986.
    """
    labels = tf.fill([tf.shape(logits)[0]], target)
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def discriminator_loss(
    logits_with: tf.Tensor, logits_without: tf.Tensor, *logits_edited: tf.Tensor
) -> tf.Tensor:
    """Return the discriminator's loss over both real halves and each kind of edits.

    It learns real photos' class, and to call everything a generator touched `GENERATED`.
    """
    return (
        cross_entropy(logits_with, REAL_WITH)
        + cross_entropy(logits_without, REAL_WITHOUT)
        + sum(cross_entropy(logits, GENERATED) for logits in logits_edited)
    )


def gan_loss(logits_edited: tf.Tensor, target: int) -> tf.Tensor:
    """Return how far the discriminator is from calling the edit a real photo of `target`.

    `target` is `REAL_WITH` for generator_add and `REAL_WITHOUT` for generator_remove.
    """
    return cross_entropy(logits_edited, target)


def dual_loss(logits_back: tf.Tensor, source: int) -> tf.Tensor:
    """Return how far the edit, edited back by the other generator, is from its own class.

    Source: Shen and Liu, CVPR 2017, section 3.3.
    """
    return cross_entropy(logits_back, source)


def pixel_loss(residual: tf.Tensor, reduction: str = "mean") -> tf.Tensor:
    """Return the L1 size of a (batch, size, size, 3) residual: edits should be sparse.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Over the pixels of one image. The paper sums, so its weight depends on image size and
        pixel range (the scale trap of notebook 04); the mean does not.
    """
    return _l1(residual, reduction)


def perceptual_loss(phi_edited: tf.Tensor, phi: tf.Tensor, reduction: str = "mean") -> tf.Tensor:
    """Return the L1 distance of two feature maps of the discriminator, as `pixel_loss` does.

    Source: Shen and Liu, CVPR 2017, equation 6.
    """
    return _l1(phi_edited - phi, reduction)


def cycle_loss(back: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Return the mean absolute difference between an image and itself edited there and back.

    Source: Zhu et al., "Unpaired Image-to-Image Translation", ICCV 2017.
    """
    return _l1(back - image, "mean")


def mask_loss(mask: tf.Tensor) -> tf.Tensor:
    """Return the mean of a (batch, size, size, 1) attention mask: touch little."""
    return tf.reduce_mean(mask)


def outside_loss(residual: tf.Tensor, region: tf.Tensor) -> tf.Tensor:
    """Return the mean absolute residual outside a (size, size) region, 1 where the attribute is.

    What else differs between the sides (age, hair, a smile) can't be edited cheaply then.
    """
    outside = 1.0 - tf.convert_to_tensor(region)[None, :, :, None]
    size = tf.reduce_mean(outside) + 1e-9
    return tf.reduce_mean(tf.abs(residual) * outside) / size


def truth_loss(edited: tf.Tensor, truth: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Return the mean absolute difference between an edit and the true one, where it is known.

    `known` (batch,) is 1 for the images whose truth is known; the others count as right.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017.
    """
    return _l1((edited - truth) * known[:, None, None, None], "mean")


def _l1(difference: tf.Tensor, reduction: str) -> tf.Tensor:
    absolute = tf.abs(difference)
    if reduction == "mean":
        return tf.reduce_mean(absolute)
    if reduction == "sum":
        return tf.reduce_mean(tf.reduce_sum(absolute, axis=(1, 2, 3)))
    raise ValueError(f'reduction is "mean" or "sum", not {reduction!r}')


def where_loss(mask: tf.Tensor, image: tf.Tensor, truth: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Return how far the mask is from where the truth is another picture than the image.

    A residual alone does not say how it is made: half a mask and a paint that overdoes it give the
    same as a whole mask, until what is to be hidden has a colour that was not in the training. So
    where the truth differs by `DIFFERENT` or more, the mask is to be 1, and where not at all, 0.
    """
    apart = tf.reduce_max(tf.abs(truth - image), axis=-1, keepdims=True)
    missed = tf.abs(mask - tf.minimum(apart / DIFFERENT, 1.0))
    return tf.reduce_mean(tf.reduce_mean(missed, axis=(1, 2, 3)) * known)
