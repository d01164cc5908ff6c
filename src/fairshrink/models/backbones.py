"""Image classifiers for small images, by name."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models

from fairshrink.errors import ConfigError, ModelError, suggest
from fairshrink.models.checkpoint import load_into, read_weights

SMALLEST, LARGEST = 32, 256  # pixels
STEM_FROM = 64  # pixels: from here on ResNet-18 begins as it does for ImageNet
WIDTHS = (16, 32, 64, 128)


def build(name: str, *, num_classes: int, size: int, weights: Path | None = None, seed: int = 0) -> nn.Module:
    """Build a classifier of square RGB images; the caller's random numbers are not touched.

    >>> model = build("resnet18", num_classes=7, size=64)
    >>> model = build("resnet18", num_classes=7, size=64, weights=Path("resnet18-f37072fd.pth"))   # doctest: +SKIP

    Args:
        name: "small_cnn", "resnet18", "vgg11" or "vgg11_bn".
        num_classes: C.
        size: Height and width of the images in pixels, 32 to 256.
        weights: A file with ImageNet weights (torchvision's .pth, or safetensors). Linear layers that depend on the
            number of classes or on the size are left as initialised where they differ, with a warning; all else must fit.
        seed: Of the initial weights.

    Returns:
        The model in train mode; inputs (N, 3, size, size), outputs (N, C).

    Raises:
        ConfigError: The name is unknown, or a number is out of range.
        ModelError: The weights do not fit.
    """
    if name not in BACKBONES:
        raise ConfigError(f"there is no backbone called '{name}'.{suggest(name, BACKBONES)}")
    if not SMALLEST <= size <= LARGEST:
        raise ConfigError(f"size is {size}, but images must have {SMALLEST} to {LARGEST} pixels a side.")
    if num_classes < 2:
        raise ConfigError(f"num_classes is {num_classes}, but a classifier needs 2 classes or more.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = BACKBONES[name](num_classes, size)
    if weights is not None:
        _begin_from(model, read_weights(weights), name, weights)
    return model


def _small_cnn(num_classes: int, size: int) -> nn.Module:
    """Four convolutions, 98,000 weights; the first halves the image, which makes it four times as fast."""
    narrow, *wider = WIDTHS
    layers = _block(3, narrow, stride=2)
    for before, after in zip(WIDTHS, wider, strict=False):
        layers += [*_block(before, after), nn.MaxPool2d(2)]
    parts = {
        "features": nn.Sequential(*layers[:-1]),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classifier": nn.Linear(WIDTHS[-1], num_classes),
    }
    return nn.Sequential(OrderedDict(parts))


def _block(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


def _resnet18(num_classes: int, size: int) -> nn.Module:
    """ResNet-18; below 64 px the first layer keeps the resolution (3x3, stride 1, no pooling), as is usual for CIFAR."""
    model = models.resnet18(num_classes=num_classes)
    if size < STEM_FROM:
        model.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]  # torchvision declares a MaxPool2d
    return model


def _vgg11(num_classes: int, size: int) -> nn.Module:
    return _vgg(models.vgg11, num_classes, size)


def _vgg11_bn(num_classes: int, size: int) -> nn.Module:
    return _vgg(models.vgg11_bn, num_classes, size)


def _vgg(make: Callable[..., models.VGG], num_classes: int, size: int) -> nn.Module:
    """The feature map goes straight into the classifier, without pooling to 7x7 (FairQuantize's code).

    Made without memory first: the 100 million weights that a 7x7 map needs would be drawn only to be thrown away.
    """
    with torch.device("meta"):
        model = make(num_classes=num_classes)
        model.avgpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]  # torchvision declares a pool
        model.classifier[0] = nn.Linear(512 * (size // 32) ** 2, 4096)
    model.to_empty(device="cpu")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return model


BACKBONES: dict[str, Callable[[int, int], nn.Module]] = {
    "small_cnn": _small_cnn,
    "resnet18": _resnet18,
    "vgg11": _vgg11,
    "vgg11_bn": _vgg11_bn,
}


def _begin_from(model: nn.Module, weights: dict[str, Tensor], name: str, path: Path) -> None:
    """Load what fits; leave linear layers of another form as they are, and say so."""
    own = model.state_dict()
    stem = weights.get("conv1.weight")
    if name == "resnet18" and stem is not None and stem.shape != own["conv1.weight"].shape:
        raise ModelError(
            f"'{path}' has a first convolution of {tuple(stem.shape)}, this resnet18 one of {tuple(own['conv1.weight'].shape)}.\n"
            f"  Below {STEM_FROM} px resnet18 begins with a 3x3 convolution, from {STEM_FROM} px on with ImageNet's 7x7: "
            f"use ImageNet weights with size {STEM_FROM} or more, or leave model.weights out."
        )
    linear = {layer for layer, module in model.named_modules() if isinstance(module, nn.Linear)}
    other = {
        tensor.rpartition(".")[0]
        for tensor in own
        if tensor.rpartition(".")[0] in linear and tensor in weights and weights[tensor].shape != own[tensor].shape
    }
    left = sorted(tensor for tensor in own if tensor.rpartition(".")[0] in other)
    load_into(model, {tensor: value for tensor, value in weights.items() if tensor not in left}, leave=left)
    if left:
        forms = "; ".join(
            f"{t} {tuple(weights[t].shape)} there, {tuple(own[t].shape)} here" for t in left if t in weights
        )
        warnings.warn(
            f"{name}: {' and '.join(sorted(other))} left as initialised, because '{path}' has another form ({forms}); "
            f"the other {len(own) - len(left)} tensors come from the file.",
            stacklevel=3,
        )
