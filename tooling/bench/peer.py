"""The paper's train step and a loader of photos in PyTorch, as one writes them there for speed.

PyTorch is no dependency of the course, so `turns.optional` imports this only where it is compared.
"""

import functools
import itertools
from pathlib import Path

import numpy as np
import torch
from keras import layers
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from helpers.networks import GENERATED, LEAK, REAL_WITH, REAL_WITHOUT
from helpers.pixels import square_crop

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PHI = 8  # the scaling, two blocks of three, and the third convolution give the discriminator's phi


class PaperStep:
    """The step ``(without, with) -> losses`` of the paper's networks.

    With channels_last, autocast for 16 bits, and gradients of the network alone that is updated.
    It starts from the weights that `models` hold now, and its losses are those of
    `training.make_train_step` on them, under the same names.

    Parameters
    ----------
    models : training.Models
        The paper's networks in Keras.
    recipe : training.Recipe
        ``RECIPES["paper"]``.
    precision : {"float32", "bfloat16", "float16"}
        What it multiplies in.
    norm : {"group", "instance"}
        Which of PyTorch's own computes the instance norm: group norm of one channel a group keeps
        channels_last, instance norm does not, and which is faster depends on the precision.
    compiled : bool
        Whether ``torch.compile`` compiles the networks; else they run eagerly.
    """

    def __init__(self, models, recipe, precision="float32", norm="group", compiled=False):
        self.recipe = recipe
        networks = [_from_keras(model, norm).to(DEVICE) for model in models]
        self.networks = [torch.compile(each) for each in networks] if compiled else networks
        half = precision != "float32"
        self.autocast = torch.autocast(DEVICE, getattr(torch, precision) if half else None, half)
        rates = (recipe.learning_rate, recipe.learning_rate, recipe.discriminator_rate)
        betas = (recipe.beta_1, recipe.beta_2)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), rate, betas, recipe.epsilon)
            for network, rate in zip(networks, rates, strict=True)
        ]
        self.count = itertools.count(1)

    def __call__(self, without: np.ndarray, with_: np.ndarray, count: int = 1) -> dict[str, float]:
        """Take so many steps on float32 images (batch, size, size, 3) in [-1, 1].

        Returns the losses of the last one; a GPU is waited for only then.
        """
        for _ in range(count):
            report = self._order(without, with_)
        values = torch.stack(list(report.values())).tolist()  # one fetch, which waits for the end
        return dict(zip(report, values, strict=True))

    def _order(self, without, with_) -> dict[str, torch.Tensor]:
        images = [  # channels_last, as they lie in memory
            torch.from_numpy(each).to(DEVICE).permute(0, 3, 1, 2) for each in (without, with_)
        ]
        # Keras adds its epsilon before it corrects the second moment for the zeros it began with.
        correction = (1 - self.recipe.beta_2 ** next(self.count)) ** 0.5
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["eps"] = self.recipe.epsilon / correction
        residuals = []
        for place in (0, 1):
            self._only(place)
            with self.autocast:  # as in our step, the edits serve both updates
                residuals.append(self.networks[place](images[place]))
        self._only(2)
        with self.autocast:
            terms = self._discriminator_terms(images, residuals)
        report = self._update(2, terms)
        for place, direction in enumerate(("add", "remove")):
            self._only(place)
            with self.autocast:
                terms = self._generator_terms(place, images[place], residuals[place])
            done = self._update(place, terms)
            report |= {f"{direction}/{name}": value for name, value in done.items()}
        return report

    def _only(self, place):
        """Let gradients reach this network's weights alone: nobody computes what nobody uses."""
        for each in self.networks:
            each.requires_grad_(each is self.networks[place])

    def _update(self, place, terms):
        self.optimizers[place].zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        self.optimizers[place].step()
        return {name: value.detach() for name, value in terms.items()}

    def _discriminator_terms(self, images, residuals):
        edited = [image + each.detach() for image, each in zip(images, residuals, strict=True)]
        logits, _ = self.networks[2](torch.cat([*reversed(images), *edited]))
        targets = (REAL_WITH, REAL_WITHOUT, GENERATED, GENERATED)
        parts = zip(logits.chunk(4), targets, strict=True)
        return {"discriminator": sum(_entropy(part, target) for part, target in parts)}

    def _generator_terms(self, place, image, residual):
        classes = (REAL_WITHOUT, REAL_WITH)
        back, discriminator = self.networks[1 - place], self.networks[2]
        edited = image + residual
        logits, phi = discriminator(torch.cat([edited, edited + back(edited)]))
        logits_edited, logits_back = logits.chunk(2)
        with torch.no_grad():
            phi_image = discriminator(image)[1]
        return {
            "gan": self.recipe.gan * _entropy(logits_edited, classes[1 - place]),
            "dual": self.recipe.dual * _entropy(logits_back, classes[place]),
            "pixel": self.recipe.pixel * _l1(residual),
            "perceptual": self.recipe.perceptual * _l1(phi.chunk(2)[0] - phi_image),
        }


def _entropy(logits, target):
    targets = torch.full((len(logits),), target, device=DEVICE)
    return functional.cross_entropy(logits.float(), targets)


def _l1(difference):  # of each image, in all
    return difference.float().abs().sum() / len(difference)


# --- the paper's networks, with the weights of Keras' ----------------------------------------


def _from_keras(model, norm):
    """Return a paper generator or discriminator as a module with the same weights."""
    made = [each for layer in model.layers if (each := _translated(layer, norm)) is not None]
    module = Discriminator(made) if model.name == "discriminator" else nn.Sequential(*made)
    return module.to(memory_format=torch.channels_last)


def _translated(layer, norm):
    """Return a layer as a module; of what computes nothing, None."""
    weights = [torch.from_numpy(np.array(each, np.float32)) for each in layer.get_weights()]
    if isinstance(layer, layers.Rescaling):
        return Scale(layer)
    if layer.name.endswith("_norm"):
        return Normalization(*weights, layer.epsilon, norm)
    if layer.name.endswith("_leak"):
        return nn.LeakyReLU(LEAK, inplace=True)
    if layer.name == "flatten":
        return nn.Flatten()
    if not weights:
        return None
    kernel, bias = weights
    if isinstance(layer, layers.Dense):
        module = nn.Linear(*kernel.shape)
    else:
        shape = (kernel.shape[-2], layer.filters, layer.kernel_size, layer.strides)
        if isinstance(layer, layers.Conv2DTranspose):
            module = Deconvolution(kernel.shape[-1], *shape[1:])
        else:  # TensorFlow's padding "same" of an even image
            missing = layer.kernel_size[0] - layer.strides[0]
            module = nn.Conv2d(*shape, padding=0 if missing % 2 else missing // 2)
    # PyTorch has the kernel's last two axes in front, swapped.
    module.weight.data = kernel.permute(-1, -2, *range(kernel.ndim - 2)).contiguous()
    module.bias.data = bias
    if isinstance(layer, layers.Conv2D) and layer.name.startswith("to_"):
        return nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), module)  # what can't be halved
    return module


class Deconvolution(nn.ConvTranspose2d):
    """TensorFlow's padding "same" of a kernel of 3 at stride 2."""

    def forward(self, x):
        return super().forward(x)[:, :, :-1, :-1]


class Normalization(nn.Module):
    """Instance norm, not through torch.nn.functional, which refuses maps of one pixel."""

    def __init__(self, scale, shift, epsilon, norm):
        super().__init__()
        self.scale, self.shift = nn.Parameter(scale), nn.Parameter(shift)
        self.epsilon, self.norm = epsilon, norm

    def forward(self, x):
        if self.norm == "group":
            return torch.group_norm(x, len(self.scale), self.scale, self.shift, self.epsilon)
        statistics = (None, None, True, 0.0)  # those of the input itself
        return torch.instance_norm(x, self.scale, self.shift, *statistics, self.epsilon, True)


class Scale(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.factor, self.offset = layer.scale, layer.offset

    def forward(self, x):
        return x.float() * self.factor + self.offset


class Discriminator(nn.Module):
    def __init__(self, made):
        super().__init__()
        self.to_phi, self.to_logits = nn.Sequential(*made[:PHI]), nn.Sequential(*made[PHI:])

    def forward(self, x):
        phi = self.to_phi(x)
        return self.to_logits(phi), phi.float()


# --- photos ---------------------------------------------------------------------------------


def read_photos(paths: list[Path], size: int, resampling: Image.Resampling) -> torch.Tensor:
    """Read photos by what torchvision's usual transforms do one after another.

    Crop, Resize, ToTensor and Normalize to [-1, 1]; flips cost nothing to speak of.
    """
    tensors = []
    for path in paths:
        with Image.open(path) as image:
            image = square_crop(image.convert("RGB")).resize((size, size), resampling)
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        tensors.append(tensor.to(torch.float32).div(255).sub(0.5).div(0.5))
    return torch.stack(tensors)


def photo_loader(paths: list[Path], size: int, batch: int, resampling: Image.Resampling):
    """Return PyTorch's loader with two workers, which reads the photos round and round."""
    read = functools.partial(read_photos, size=size, resampling=resampling)
    order = itertools.cycle(range(len(paths)))
    return DataLoader(paths, batch, sampler=order, num_workers=2, collate_fn=read)
