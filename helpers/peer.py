"""What `course.py bench` compares with: the paper's train step in PyTorch, its generator elsewhere.

Neither PyTorch nor the converter to ONNX is a dependency of the course. They are imported only when
the comparison is asked for, and the message of `NoPeer` says how to add them.
"""

import contextlib
import importlib
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np

from .errors import CourseError
from .networks import GENERATED, LEAK, REAL_WITH, REAL_WITHOUT

INSTALL = f"{sys.executable} -m pip install torch==2.13.0"
# The newest onnx that reads with the protobuf of this TensorFlow.
INSTALL_ONNX = f"{sys.executable} -m pip install tf2onnx==1.17.0 onnx==1.22.0"


class NoPeer(CourseError):
    """What is compared with is not here; the message says how to add it."""


def find_torch():
    """Return the module torch.

    Raises
    ------
    NoPeer
        If it is not installed, or can't be loaded.
    """
    try:
        return importlib.import_module("torch")
    except (ImportError, OSError) as error:  # OSError: a library of its own is missing
        raise NoPeer(
            f"There is no PyTorch to compare with ({error}). To add it:\n  {INSTALL}\nThat brings "
            "gigabytes for GPUs; PyTorch's own site names an index with a build for processors."
        ) from error


NORMS = ("group", "instance")


def paper_step(
    models, recipe, precision: str = "float32", norm: str = "group", compiled: bool = False
):
    """Return the step ``(without, with) -> losses`` of the paper's networks in PyTorch.

    As one would write it there for speed: channels_last, autocast for 16 bits, gradients of the
    network alone that is updated. It starts from the weights that `models` hold now, and
    its losses are those of `training.make_train_step` on them, under the same names.

    Parameters
    ----------
    models : training.Models
        The paper's networks in Keras.
    recipe : training.Recipe
        Of separate updates, without masks and augmentation: ``RECIPES["paper"]``.
    precision : {"float32", "bfloat16", "float16"}
        What it multiplies in.
    norm : {"group", "instance"}
        Which of PyTorch's own computes the instance norm: group norm of one channel a group keeps
        channels_last, instance norm does not, and which is faster depends on the precision.
    compiled : bool
        Whether ``torch.compile`` compiles the networks; else they run eagerly.

    Returns
    -------
    callable
        Takes two float32 arrays (batch, size, size, 3) in [-1, 1], returns a dict of floats.

    Raises
    ------
    NoPeer
        If PyTorch is not installed.
    """
    torch = find_torch()
    functional = torch.nn.functional
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add, remove, discriminator = (_from_keras(torch, model, norm).to(device) for model in models)
    if compiled:
        add, remove, discriminator = map(torch.compile, (add, remove, discriminator))
    networks = (add, remove, discriminator)

    def adam(network, rate):
        betas = (recipe.beta_1, recipe.beta_2)
        return torch.optim.Adam(network.parameters(), rate, betas, recipe.epsilon)

    optimizers = {
        add: adam(add, recipe.learning_rate),
        remove: adam(remove, recipe.learning_rate),
        discriminator: adam(discriminator, recipe.discriminator_rate),
    }
    steps = {network: itertools.count(1) for network in networks}

    def autocast():
        if precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device, getattr(torch, precision))

    def update(network, terms):
        optimizer = optimizers[network]
        optimizer.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        # Keras adds its epsilon before it corrects the second moment for the zeros it began with.
        correction = (1 - recipe.beta_2 ** next(steps[network])) ** 0.5
        optimizer.param_groups[0]["eps"] = recipe.epsilon / correction
        optimizer.step()
        return {name: value.detach() for name, value in terms.items()}

    def only(network):
        """Let gradients reach this network's weights alone: nobody computes what nobody uses."""
        for each in networks:
            each.requires_grad_(each is network)

    def edit(image, residual):
        edited = image + residual
        return edited.clamp(-1, 1) if recipe.clip else edited

    def entropy(logits, target):
        return functional.cross_entropy(
            logits.float(), torch.full((len(logits),), target, device=device)
        )

    def l1(difference):  # of each image, in all
        return difference.float().abs().sum() / len(difference)

    def residual_of(network, image):
        only(network)
        with autocast():
            return network(image)

    def discriminator_terms(without, with_, residuals):
        added, removed = map(edit, (without, with_), (r.detach() for r in residuals))
        logits, _ = discriminator(torch.cat([with_, without, added, removed]))
        targets = (REAL_WITH, REAL_WITHOUT, GENERATED, GENERATED)
        parts = zip(logits.chunk(4), targets, strict=True)
        return {"discriminator": sum(entropy(part, target) for part, target in parts)}

    def generator_terms(residual, back, image, target, source):
        edited = edit(image, residual)
        returned = edit(edited, back(edited))
        logits, phi = discriminator(torch.cat([edited, returned]))
        logits_edited, logits_back = logits.chunk(2)
        with torch.no_grad():
            phi_image = discriminator(image)[1]
        return {
            "gan": recipe.gan * entropy(logits_edited, target),
            "dual": recipe.dual * entropy(logits_back, source),
            "pixel": recipe.pixel * l1(residual),
            "perceptual": recipe.perceptual * l1(phi.chunk(2)[0] - phi_image),
        }

    def step(without, with_):
        without, with_ = (
            torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
            for images in (without, with_)
        )  # channels_last, as they lie in memory
        # As in our step, the edits serve both updates.
        added, removed = residual_of(add, without), residual_of(remove, with_)
        only(discriminator)
        with autocast():
            terms = discriminator_terms(without, with_, (added, removed))
        report = update(discriminator, terms)
        for direction, there, residual, back, image, target, source in (
            ("add", add, added, remove, without, REAL_WITH, REAL_WITHOUT),
            ("remove", remove, removed, add, with_, REAL_WITHOUT, REAL_WITH),
        ):
            only(there)
            with autocast():
                terms = generator_terms(residual, back, image, target, source)
            done = update(there, terms)
            report |= {f"{direction}/{name}": value for name, value in done.items()}
        values = torch.stack(list(report.values())).tolist()  # one fetch, which waits for the end
        return dict(zip(report, values, strict=True))

    return step


def _from_keras(torch, model, norm):
    """Return a paper generator or discriminator as a module with the same weights."""
    from keras import layers

    nn = torch.nn
    functional = nn.functional

    class Weighted(nn.Module):
        """A layer with Keras' weights: PyTorch has the kernel's last two axes in front, swapped."""

        def __init__(self, layer):
            super().__init__()
            kernel, bias = map(np.asarray, layer.get_weights())
            sides = range(kernel.ndim - 2)
            self.weight = _parameter(torch, kernel.transpose(-1, -2, *sides))
            self.bias = _parameter(torch, bias)

    class Convolution(Weighted):
        """TensorFlow's padding "same", which puts what can't be halved to the right and below."""

        def __init__(self, layer):
            super().__init__(layer)
            self.stride = layer.strides[0]
            # Of an even image: at stride 2, one less than at stride 1 has to be added.
            total = layer.kernel_size[0] - self.stride
            self.before, self.after = total // 2, total - total // 2

        def forward(self, x):
            if self.before != self.after:
                x = functional.pad(x, (self.before, self.after) * 2)
            padding = self.before if self.before == self.after else 0
            return functional.conv2d(x, self.weight, self.bias, self.stride, padding)

    class Deconvolution(Weighted):
        def forward(self, x):
            x = functional.conv_transpose2d(x, self.weight, self.bias, 2)
            return x[:, :, :-1, :-1]

    class Normalization(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.scale, self.shift = (_parameter(torch, w) for w in layer.get_weights())
            self.epsilon = layer.epsilon

        def forward(self, x):
            # Not through torch.nn.functional, which refuses maps of one pixel.
            if norm == "group":
                return torch.group_norm(x, len(self.scale), self.scale, self.shift, self.epsilon)
            statistics = (None, None, True, 0.0)  # those of the input itself
            return torch.instance_norm(
                x, self.scale, self.shift, *statistics, self.epsilon, cudnn_enabled=True
            )

    class Scale(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.factor, self.offset = layer.scale, layer.offset

        def forward(self, x):
            return x.float() * self.factor + self.offset

    class Dense(Weighted):
        def forward(self, x):
            return functional.linear(x.float(), self.weight, self.bias)

    made = []  # what each layer becomes, in the order of the forward pass
    for layer in model.layers:
        if isinstance(layer, layers.Conv2DTranspose):
            made.append(Deconvolution(layer))
        elif isinstance(layer, layers.Conv2D):
            made.append(Convolution(layer))
        elif isinstance(layer, layers.Rescaling):
            made.append(Scale(layer))
        elif layer.name.endswith("_norm"):
            made.append(Normalization(layer))
        elif layer.name.endswith("_leak"):
            made.append(nn.LeakyReLU(LEAK, inplace=True))
        elif layer.name == "flatten":
            made.append(nn.Flatten())
        elif layer.name == "logits":
            made.append(Dense(layer))
    phi_at = 7  # after the scaling and two blocks of three comes the third convolution

    class Generator(nn.Sequential):
        def forward(self, x):
            return super().forward(x).float()

    class Discriminator(nn.Sequential):
        def forward(self, x):
            for place, layer in enumerate(self):
                x = layer(x)
                if place == phi_at:
                    phi = x.float()
            return x, phi

    kind = Discriminator if model.name == "discriminator" else Generator
    return kind(*made).to(memory_format=torch.channels_last)


def _parameter(torch, array):
    return torch.nn.Parameter(torch.from_numpy(np.array(array, np.float32)))


def to_onnx(model) -> bytes:
    """Return a Keras model of fixed shapes as an ONNX model, by Keras' own export.

    Raises
    ------
    NoPeer
        If the converter that Keras calls is not installed, or can't be loaded.
    """
    from .export import quiet

    try:
        importlib.import_module("tf2onnx")
    except (ImportError, AttributeError) as error:  # AttributeError: of an onnx that is too new
        raise NoPeer(
            f"There is no converter to ONNX ({error}). To add it:\n  {INSTALL_ONNX}"
        ) from error
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.onnx"
        model.export(path, format="onnx", verbose=False)
        return path.read_bytes()


def to_tflite(model) -> bytes:
    """Return a Keras model of fixed shapes in the format of LiteRT, in float32."""
    import tensorflow as tf

    from .export import quiet

    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()
