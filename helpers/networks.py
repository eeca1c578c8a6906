"""The generators and the discriminators, as functional Keras models.

Every generator keeps one contract: ``residual = generator(image)``, both float32 of shape
(batch, size, size, 3), the image in [-1, 1], and ``edited = clip(image + residual, -1, 1)``. One
that knows styles takes a second input; `styling.in_style` gives back that contract.
Every discriminator returns ``(logits, phi)``: three class logits and the feature map that the
perceptual loss compares. The paper's networks are built in notebooks 02 and 03, the attention
generator and its discriminator in notebook 08.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

# The discriminator's classes, in the order of its logits.
GENERATED, REAL_WITH, REAL_WITHOUT = 0, 1, 2

LEAK = 0.2
# The original never scaled its photos: its networks saw pixels of 0..255, and its residual spoke in
# gray levels. At the start that is about 0.2 of a level, so an edit is the photo itself, and the
# discriminator learns what glasses are before anything is put on. Without this unit it begins with
# some 30 levels of noise, Adam moves it 127.5 times too far, and nothing is ever put on.
LEVELS = 127.5  # in a step of 1 on [-1, 1]
PATCHED = 128  # px; larger images the attention network reads and writes in patches


@keras.saving.register_keras_serializable("inverter")
class InstanceNormalization(layers.Layer):
    """Give each channel of each image zero mean and unit variance, then scale and shift.

    Written out in four operations, because ``GroupNormalization`` exports to a long chain of
    Shape, Reshape and Tile, which runs 1.8 times slower in the browser.

    Given a style, (batch, 2 * channels), it scales and shifts by that much more: conditional
    instance normalization. All is in gain and offset, so it costs no operation on whole maps.

    On a processor, ``fused`` takes each image of a batch for a batch of its own, for which
    TensorFlow has one operation. With the paper's wide maps a step in bfloat16 then takes 1.5 times
    less of it; with the attention network's narrow ones, more.

    Source: Ulyanov, Vedaldi, Lempitsky, "Instance Normalization", 2016; of the style Dumoulin,
    Shlens, Kudlur, "A Learned Representation for Artistic Style", ICLR 2017.
    """

    def __init__(self, epsilon: float = 1e-5, fused: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.fused = fused and not tf.config.list_physical_devices("GPU")

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(shape[-1],), initializer="ones")
        self.shift = self.add_weight(name="shift", shape=(shape[-1],), initializer="zeros")

    def call(self, x, style=None):
        scale, shift = ops.cast(self.scale, "float32"), ops.cast(self.shift, "float32")
        # One face alone is what the page computes, and TensorFlow.js has no such operation.
        if self.fused and style is None and (x.shape[0] or 1) > 1:
            return self._fuse(x, scale, shift)
        if style is not None:
            wide_style = ops.reshape(ops.cast(style, "float32"), (-1, 1, 1, style.shape[-1]))
            more, further = ops.split(wide_style, 2, axis=-1)
            scale, shift = scale * (1.0 + more), shift + further
        # In 16 bits the sum over 128 x 128 pixels would lose its last digits.
        wide = ops.cast(x, "float32")
        mean = ops.mean(wide, axis=(1, 2), keepdims=True)
        variance = ops.mean(ops.square(wide), axis=(1, 2), keepdims=True) - ops.square(mean)
        gain = ops.rsqrt(ops.maximum(variance, 0.0) + self.epsilon) * scale
        offset = shift - mean * gain
        return x * ops.cast(gain, x.dtype) + ops.cast(offset, x.dtype)

    def _fuse(self, x, scale, shift):
        parts = [
            tf.raw_ops.FusedBatchNormV3(
                x=image,
                scale=scale,
                offset=shift,
                mean=tf.zeros([0]),
                variance=tf.zeros([0]),
                epsilon=self.epsilon,
                is_training=True,
            ).y
            for image in tf.split(x, x.shape[0])
        ]
        return tf.concat(parts, axis=0)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "fused": self.fused}


@tf.custom_gradient
def _leak(x):
    """Leaky ReLU whose gradient is a product: TensorFlow's own is 4 times slower in bfloat16."""

    def gradient(upstream):
        positive = tf.cast(x > 0, upstream.dtype)
        return upstream * (LEAK + (1 - LEAK) * positive)

    return tf.nn.leaky_relu(x, LEAK), gradient


@keras.saving.register_keras_serializable("inverter")
class LeakyReLU(layers.Layer):
    """Keras' LeakyReLU of slope `LEAK`, with a gradient that is fast in 16 bits too."""

    def call(self, x):
        # In float32 TensorFlow's gradient is the faster one.
        return tf.nn.leaky_relu(x, LEAK) if x.dtype == "float32" else _leak(x)

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable("inverter")
class SpectralConvolution(layers.Conv2D):
    """A convolution whose kernel is divided by its largest singular value.

    One step of power iteration for each training call follows that value. Keras' own
    ``SpectralNormalization`` writes the divided kernel back, and in a mixed precision policy it
    writes it back in 16 bits, which swallows most of Adam's small updates. This layer keeps the
    kernel in float32 and casts only what it multiplies.

    A kernel of norm 1 followed by a leaky ReLU makes signals, and the gradients on their way back
    to the generators, smaller with every layer; ``gain`` gives back what is lost.

    Source: Miyato et al., "Spectral Normalization for GANs", ICLR 2018.
    """

    def __init__(self, *arguments, gain: float = 2.0, dtype="float32", **options):
        super().__init__(*arguments, dtype="float32", autocast=False, **options)
        self.gain = gain
        self.multiply_in = keras.DTypePolicy(dtype).compute_dtype

    def build(self, shape):
        super().build(shape)
        self.direction = self.add_weight(
            name="direction",
            shape=(1, self.filters),
            initializer=keras.initializers.RandomNormal(),
            trainable=False,
            # It follows from the kernel alone, so replicas that share that find the same.
            aggregation="only_first_replica",
        )

    def call(self, x, training=False):
        matrix = ops.reshape(self.kernel, (-1, self.filters))
        right = self.direction.value
        if training:
            left = ops.normalize(ops.matmul(right, ops.transpose(matrix)))
            right = ops.normalize(ops.matmul(left, matrix))
            self.direction.assign(ops.stop_gradient(right))
        right = ops.stop_gradient(ops.normalize(right))
        left = ops.stop_gradient(ops.normalize(ops.matmul(right, ops.transpose(matrix))))
        sigma = ops.sum(ops.matmul(left, matrix) * right)
        y = ops.conv(
            ops.cast(x, self.multiply_in),
            ops.cast(self.kernel * (self.gain / sigma), self.multiply_in),
            strides=list(self.strides),
            padding=self.padding,
        )
        return y + ops.cast(self.bias, self.multiply_in)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain, "dtype": f"{self.multiply_in}"}


def _initializer() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=0.02)


def _convolution(
    filters: int, kernel: int, stride: int, name: str, dtype, layer=layers.Conv2D, **options
):
    return layer(
        filters,
        kernel,
        strides=stride,
        padding="same",
        kernel_initializer=_initializer(),
        name=name,
        dtype=dtype,
        **options,
    )


def _normalize(x, name: str, dtype, code=None, fused=False):
    style = None
    if code is not None:
        style = layers.Dense(
            2 * x.shape[-1],
            use_bias=False,
            kernel_initializer=keras.initializers.LecunNormal(),
            name=f"{name}_style",
            dtype="float32",
        )(code)
    return InstanceNormalization(name=f"{name}_norm", dtype=dtype, fused=fused)(x, style)


def _normalize_and_leak(x, name: str, dtype, code=None, fused=False):
    return LeakyReLU(name=f"{name}_leak", dtype=dtype)(_normalize(x, name, dtype, code, fused))


def paper_generator(size: int = 128, name: str = "generator", dtype="float32") -> keras.Model:
    """Build the residual generator of the paper: 1,033,795 parameters.

    Parameters
    ----------
    size : int
        Side of the image in pixels, a multiple of 4.
    name : str
        The model's name, "generator_add" or "generator_remove".
    dtype : str or keras.DTypePolicy
        "float32", "mixed_bfloat16" or "mixed_float16".

    Returns
    -------
    keras.Model
        (batch, size, size, 3) in [-1, 1] to an unbounded residual of the same shape. Inside, both
        are in gray levels, as in the original.

    Source: Shen and Liu, "Learning Residual Images for Face Attribute Manipulation", CVPR 2017,
    Table 1, with the strides that the report's code used (its table prints stride 1 for the
    deconvolutions, which would end at 32 x 32) and a linear last layer.
    """
    image = keras.Input((size, size, 3), name="image")
    x = _to_levels(image)
    for block, (filters, kernel, stride) in enumerate([(64, 5, 1), (128, 4, 2), (256, 4, 2)], 1):
        x = _paper_convolution(filters, kernel, stride, block, dtype)(x)
        x = _normalize_and_leak(x, f"conv{block}", dtype, fused=True)
    for block, filters in enumerate([128, 64], 1):
        x = layers.Conv2DTranspose(
            filters,
            3,
            strides=2,
            padding="same",
            kernel_initializer=_initializer(),
            name=f"deconv{block}",
            dtype=dtype,
        )(x)
        x = _normalize_and_leak(x, f"deconv{block}", dtype, fused=True)
    x = _convolution(3, 4, 1, "to_residual", dtype)(x)
    residual = layers.Rescaling(1 / LEVELS, name="residual", dtype="float32")(x)
    return keras.Model(image, residual, name=name)


def _to_levels(image):
    """Return pixels of 0..255, as the original's networks saw them: zero padding is black then."""
    return layers.Rescaling(LEVELS, LEVELS, name="levels", dtype="float32")(image)


def _paper_convolution(filters: int, kernel: int, stride: int, block: int, dtype):
    # In 16 bits the first would round away what an edit changes, while that is below a level.
    dtype = "float32" if block == 1 else dtype
    return _convolution(filters, kernel, stride, f"conv{block}", dtype)


def paper_discriminator(
    size: int = 128, name: str = "discriminator", dtype="float32"
) -> keras.Model:
    """Build the three-way discriminator of the paper, about 11.17 million parameters at 128 px.

    Parameters are those of `paper_generator`.

    Returns
    -------
    keras.Model
        (batch, size, size, 3) in [-1, 1] to ``(logits, phi)``: float32 (batch, 3), classes
        `GENERATED`, `REAL_WITH`, `REAL_WITHOUT`; and (batch, size / 8, size / 8, 256), the third
        convolution's output before its norm.
    """
    image = keras.Input((size, size, 3), name="image")
    x = _to_levels(image)
    for block, filters in enumerate([64, 128, 256, 512, 1024], 1):
        x = _paper_convolution(filters, 4, 2, block, dtype)(x)
        if block == 3:
            phi = x
        x = _normalize_and_leak(x, f"conv{block}", dtype, fused=True)
    x = _convolution(1, 4, 1, "to_map", dtype)(x)
    x = layers.Flatten(name="flatten", dtype=dtype)(x)
    logits = layers.Dense(3, kernel_initializer=_initializer(), name="logits", dtype="float32")(x)
    phi = layers.Activation("linear", name="phi", dtype="float32")(phi)
    return keras.Model(image, [logits, phi], name=name)


@tf.custom_gradient
def _double(x):
    """Repeat each pixel twice both ways; XLA can't compile TensorFlow's own gradient of that."""

    def gradient(upstream):
        return 4.0 * tf.nn.avg_pool2d(upstream, 2, 2, "VALID")

    height, width = x.shape[1:3]
    return ops.image.resize(x, (2 * height, 2 * width), interpolation="nearest"), gradient


def _upsample(x, name: str):
    """Double both sides by repeating pixels: no checkerboard, and one operation in the browser."""
    height, width = x.shape[1:3]
    return layers.Lambda(
        _double,
        output_shape=(2 * height, 2 * width, x.shape[3]),
        name=name,
        dtype=x.dtype,
    )(x)


def _with_angles(style):
    # A colour is an angle: -1 and 1 are the same.
    # The page gets numbers of 16 bits, and pi is exact enough only as the sum of two.
    angle = 3.140625 * style + (np.pi - 3.140625) * style
    return ops.concatenate([style, ops.sin(angle), ops.cos(angle)], axis=-1)


def attention_generator(
    size: int = 128,
    width: int = 24,
    name: str = "generator",
    dtype="float32",
    styles: int = 0,
) -> keras.Model:
    """Build the generator that edits only where its mask allows: about 1.1 M parameters.

    An encoder halves the image three times, residual blocks look at the whole face there, and a
    decoder of nearest-neighbour resizes and convolutions comes back. Two heads end it: ``paint``
    (tanh, 3 channels), what to draw, and ``mask`` (sigmoid, 1 channel), where. The residual is
    ``mask * (paint - image)``, so the edit is bounded, and exactly nothing where the mask is 0.

    Parameters
    ----------
    size : int
        Side of the image in pixels, a multiple of 8. From 256 on, the first layer reads patches and
        the last writes them, so that all between costs no more than at 128 px.
    width : int
        Channels at full resolution; 24 is the course's full size, 12 the quick profile's.
    name, dtype
        As in `paper_generator`.
    styles : int
        How many numbers choose what it draws; 0 for none. Two dense layers make of them what the
        norms of the residual blocks and of the decoder scale and shift by, and for their
        parameters the blocks get a few channels less.

    Returns
    -------
    keras.Model
        (batch, size, size, 3) in [-1, 1] to a residual of the same shape, in [-2, 2]. Its layers
        named "mask" and "paint" hold what `with_mask` shows. With styles, it takes ``[image,
        style]``, the style (batch, styles) or (1, styles) in [-1, 1], 0 for the middle; of the
        numbers that stand for kinds one is 1. `styling` chooses what suits a face.
    """
    image = inputs = keras.Input((size, size, 3), name="image")
    widths = [width, 2 * width, 4 * width, 5 * width]
    code = None
    if styles:
        widths[3] -= width // 6
        style = keras.Input((styles,), name="style")
        inputs = [image, style]
        angles = layers.Lambda(
            _with_angles, output_shape=(3 * styles,), name="angles", dtype="float32"
        )(style)
        code = layers.Dense(width, name="code", dtype="float32")(angles)
        code = LeakyReLU(name="code_leak", dtype="float32")(code)
    patch = max(1, size // PATCHED)
    x = _convolution(widths[0], 3 * patch, patch, "encode0", dtype)(image)
    x = _normalize_and_leak(x, "encode0", dtype)
    skips = [x]
    for block, filters in enumerate(widths[1:], 1):
        x = _convolution(filters, 3, 2, f"encode{block}", dtype)(x)
        x = _normalize_and_leak(x, f"encode{block}", dtype)
        skips.append(x)
    for block in range(1, 4):
        inside = _convolution(widths[3], 3, 1, f"block{block}a", dtype)(x)
        inside = _normalize_and_leak(inside, f"block{block}a", dtype, code)
        inside = _convolution(widths[3], 3, 1, f"block{block}b", dtype)(inside)
        inside = _normalize(inside, f"block{block}b", dtype, code)
        x = layers.Add(name=f"block{block}", dtype=dtype)([x, inside])
    for block in (2, 1, 0):
        # Convolving before the upsampling costs a quarter of convolving after it.
        x = _convolution(widths[block], 3, 1, f"decode{block}", dtype)(x)
        x = _upsample(x, f"upsample{block}")
        # Adding the encoder's map of the same size brings edges back without a parameter.
        x = layers.Add(name=f"skip{block}", dtype=dtype)([x, skips[block]])
        x = _normalize_and_leak(x, f"decode{block}", dtype, code)
    x = _convolution(widths[0], 3, 1, "refine", dtype)(x)
    x = LeakyReLU(name="refine_leak", dtype=dtype)(x)
    heads = _convolution(4 * patch**2, 3, 1, "heads", dtype, bias_initializer=_head_bias)(x)
    heads = layers.Activation("linear", name="heads_float", dtype="float32")(heads)
    if patch > 1:
        spread = layers.Lambda(lambda t: tf.nn.depth_to_space(t, patch), dtype="float32")
        heads = spread(heads)
    paint = layers.Lambda(lambda t: ops.tanh(t[..., :3]), name="paint", dtype="float32")(heads)
    mask = layers.Lambda(lambda t: ops.sigmoid(t[..., 3:]), name="mask", dtype="float32")(heads)
    residual = layers.Lambda(lambda t: t[0] * (t[1] - t[2]), name="residual", dtype="float32")(
        [mask, paint, image]
    )
    return keras.Model(inputs, residual, name=name)


def doubled(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Return an attention generator's weights for 256 px that do what these do at 128 px."""
    first, *between, heads, bias = weights
    first = np.repeat(np.repeat(first, 2, axis=0), 2, axis=1) / 4
    return [first, *between, np.tile(heads, 4), np.tile(bias, 4)]


def _head_bias(shape, dtype=None):
    """Start with a mask of about 0.27: open enough to learn from, closed enough to stay local."""
    return ops.tile(ops.convert_to_tensor([0.0, 0.0, 0.0, -1.0], dtype=dtype), shape[0] // 4)


def attention_discriminator(
    size: int = 128, width: int = 48, name: str = "discriminator", dtype="float32"
) -> keras.Model:
    """Build the discriminator that trains the attention generator.

    Five convolutions with spectral normalization and no instance norm (which would hide how bright
    or contrasted a face is), then a dense layer. Returns ``(logits, phi)`` as `paper_discriminator`
    does. From 256 px on one more reads patches: their means would not tell what is sharp.
    """
    image = keras.Input((size, size, 3), name="image")
    x = image
    if (patch := size // PATCHED) > 1:
        x = _convolution(width // 2, 2 * patch, patch, "conv0", dtype, SpectralConvolution)(x)
        x = LeakyReLU(name="conv0_leak", dtype=dtype)(x)
    for block, factor in enumerate([1, 2, 4, 8, 8], 1):
        x = _convolution(factor * width, 4, 2, f"conv{block}", dtype, SpectralConvolution)(x)
        if block == 3:
            phi = x
        x = LeakyReLU(name=f"conv{block}_leak", dtype=dtype)(x)
    x = layers.Flatten(name="flatten", dtype=dtype)(x)
    logits = layers.Dense(3, kernel_initializer=_initializer(), name="logits", dtype="float32")(x)
    phi = layers.Activation("linear", name="phi", dtype="float32")(phi)
    return keras.Model(image, [logits, phi], name=name)


def with_mask(generator: keras.Model) -> keras.Model:
    """Return a model over the same weights that gives ``(residual, mask)``.

    Raises
    ------
    ValueError
        If the generator has no layer named "mask", as the paper's has none.
    """
    return keras.Model(
        generator.input,
        [generator.output, generator.get_layer("mask").output],
        name=f"{generator.name}_with_mask",
    )


GENERATORS: dict[str, Callable[..., keras.Model]] = {
    "paper": paper_generator,
    "attention": attention_generator,
}
DISCRIMINATORS: dict[str, Callable[..., keras.Model]] = {
    "paper": paper_discriminator,
    "attention": attention_discriminator,
}
NETWORKS = tuple(GENERATORS)
# Counts the changes after which a network's weights mean something else: 2 of the paper's speaks in
# gray levels. Files say which they hold, and 1 where they say nothing.
REVISIONS = {"paper": 2, "attention": 1}


def multiply_accumulates(model: keras.Model) -> int:
    """Count the multiply-accumulates of one image: convolutions and dense layers only."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2DTranspose):
            # Each input pixel is spread over the whole kernel.
            height, width = layer.input.shape[1:3]
        elif isinstance(layer, layers.Conv2D):
            height, width = layer.output.shape[1:3]
        elif isinstance(layer, layers.Dense):
            height = width = 1
        else:
            continue
        total += height * width * int(ops.size(layer.kernel))
    return total
