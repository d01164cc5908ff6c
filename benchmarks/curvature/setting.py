"""What is measured: a model, its data, and how much of it each method is given."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fairshrink.models.backbones import build
from fairshrink.types import GroupBatch

CONFIDENCE = 0.85


@dataclass(frozen=True)
class Setting:
    """One table.

    Attributes:
        model: Name of the backbone.
        size: Pixels a side.
        classes: C.
        per_group: Samples of each of the two groups.
        batch: Samples a batch.
        peer_batch: The same for BackPACK's exact diagonal, whose memory grows with C.
        few: Samples that the exact methods are timed on, a multiple of twice peer_batch.
        rounds: How often each method is timed.
        reference: None: the exact diagonal of all samples. Else that of so many columns a sample, whose own error is
            measured on `few` samples.
        trained: A run folder, whose trained model and images are taken instead of noise; "" for none.
        fold: Which of its folds.
    """

    model: str
    size: int
    classes: int
    per_group: int
    batch: int = 32
    peer_batch: int = 32
    few: int = 64
    rounds: int = 3
    reference: float | None = None
    trained: str = ""
    fold: int = 0

    @property
    def name(self) -> str:
        """The title of its table."""
        return f"{self.model}, {self.size} px, {self.classes} classes{', trained' if self.trained else ''}"


def _many(setting: Setting) -> Setting:
    """With Fitzpatrick-17k's 114 classes; two samples at once are what FairPrune's authors could hold."""
    return replace(setting, classes=114, peer_batch=2, few=4)


_RESNET, _LARGE = Setting("resnet18", 64, 7, 100), Setting("resnet18", 128, 7, 100, peer_batch=16, few=32)
_VGG = Setting("vgg11", 112, 7, 100, peer_batch=16, few=32)
_QUICK = Setting("resnet18", 64, 7, 8, batch=16, peer_batch=8, few=16, rounds=1)
QUICK = (_QUICK, _many(_QUICK))
# The exact diagonal of 200 samples of VGG-11 and 114 classes takes more than half an hour on two cores.
FULL = (_RESNET, _many(_RESNET), _LARGE, _many(_LARGE), _VGG, replace(_many(_VGG), reference=12.0))


@dataclass(frozen=True)
class Case:
    """A setting's model, in evaluation mode, and its samples: group 0 in the first half, group 1 in the second."""

    model: nn.Module
    x: Tensor
    y: Tensor

    @property
    def g(self) -> Tensor:
        """Group of each sample."""
        return torch.arange(len(self.y)) // (len(self.y) // 2)

    def some(self, count: int) -> "Case":
        """The first samples of each group, `count` in total."""
        half = len(self.y) // 2
        chosen = torch.cat([torch.arange(count // 2), half + torch.arange(count // 2)])
        return Case(self.model, self.x[chosen], self.y[chosen])

    def batches(self, size: int) -> list[GroupBatch]:
        """Batches as a loader gives them, both groups in each."""
        mixed = torch.arange(len(self.y)).view(2, -1).T.flatten()
        parts = zip(*(part[mixed].split(size) for part in (self.x, self.y, self.g)), strict=True)
        return [GroupBatch(*part) for part in parts]

    def by_group(self, size: int) -> Iterator[tuple[int, GroupBatch]]:
        """Batches of one group each, and which."""
        for group in (0, 1):
            mine = self.g == group
            for x, y in zip(self.x[mine].split(size), self.y[mine].split(size), strict=True):
                yield group, GroupBatch(x, y, torch.full_like(y, group))


def noise(setting: Setting) -> Case:
    """Untrained weights, their biases and running statistics fitted to the images: coarse and fine noise.

    Else all images look alike to an untrained network, it has one answer for all, and a third of its units never wake.
    """
    torch.manual_seed(0)
    count = 2 * setting.per_group
    model = build(setting.model, num_classes=setting.classes, size=setting.size, seed=0)
    coarse = nn.functional.interpolate(torch.randn(count, 3, 4, 4), size=setting.size, mode="bilinear")
    x = coarse + 0.3 * torch.randn(count, 3, setting.size, setting.size)
    _fit(model, x[:32])
    return Case(model.eval(), x, torch.randint(setting.classes, (count,)))


def _fit(model: nn.Module, x: Tensor) -> None:
    """Running statistics are those of x, and every bias centres its channel, layer after layer in one pass."""

    def centred(layer: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> Tensor | None:
        if layer.bias is None:
            return None
        mean = output.transpose(0, 1).flatten(1).mean(1)
        layer.bias.sub_(mean)
        return output - mean.view(-1, *[1] * (output.ndim - 2))

    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(centred) for layer in layers]
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = 1.0
    for dropout in (module for module in model.modules() if isinstance(module, nn.Dropout)):
        dropout.p = 0.0
    with torch.no_grad():
        model.train()(x)
    for hook in hooks:
        hook.remove()


def logits(case: Case) -> Tensor:
    with torch.no_grad():
        return torch.cat([case.model(x) for x in case.x.split(32)])


def confidence(found: Tensor) -> float:
    """The mean largest probability."""
    return float(found.double().softmax(1).amax(1).mean())


def scale_to(found: Tensor, wanted: float = CONFIDENCE) -> float:
    """What the logits are multiplied by for the wanted confidence."""
    low, high = 1e-3, 1e6
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if confidence(found * middle) > wanted else (middle, high)
    return low


def scale_(model: nn.Module, factor: float) -> None:
    """Multiplies the logits: weights and biases of the last linear layer."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.mul_(factor)
