"""One table of small models and tasks for the whole project: every layer and every trick of wiring that has to work.

Models are float64, seeded, with batch-norm statistics that are not those of a fresh layer. `case.model` builds a new one
each time. Some samples have no group (-1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fairshrink.maths.factors import Factor
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import GroupBatch


@dataclass(frozen=True)
class Case:
    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    num_groups: int = 2
    num_classes: int = 3
    count: int = 7
    task: Task = classify

    def __str__(self) -> str:
        return self.name

    @property
    def model(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = self.build().double()
            for module in model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2.0)
                if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm):
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias, std=0.3)
        return model

    @property
    def whole(self) -> GroupBatch:
        """All samples in one batch: every group has some, and some have none."""
        draw = torch.Generator().manual_seed(2)
        x = torch.randn(self.count, *self.shape, dtype=torch.float64, generator=draw)
        y = torch.randint(self.num_classes, (self.count,), generator=draw)
        g = torch.arange(self.count) % (self.num_groups + 1) - 1
        return GroupBatch(x, y, g.flip(0))

    @property
    def batches(self) -> list[GroupBatch]:
        """The same samples in two uneven batches."""
        return cut(self.whole, [self.count // 2 + 1])


def cut(batch: GroupBatch, places: list[int]) -> list[GroupBatch]:
    """A batch in pieces, cut before each of the places."""
    parts = zip(*(part.tensor_split(places) for part in (batch.x, batch.y, batch.g)), strict=True)
    return [GroupBatch(*part) for part in parts]


class Lambda(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        nn.Module.__init__(self)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Residual(nn.Module):
    """A basic block as torchvision has it: in-place ReLUs, in-place addition, a shortcut where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        nn.Module.__init__(self)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.shortcut(x)
        return self.relu(out)


def residual_without_norm() -> nn.Module:
    """An in-place addition straight onto a convolution's output, which an in-place ReLU then overwrites."""

    class Net(nn.Module):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.first = nn.Conv2d(2, 3, 3, padding=1)
            self.second = nn.Conv2d(3, 3, 3, padding=1)
            self.head = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            start = functional.relu(self.first(x), inplace=True)
            out = self.second(start)
            out += start
            out *= 2.0
            out.relu_()
            return self.head(out.mean((2, 3)))

    return Net()


def _pooled(*layers: nn.Module, channels: int, classes: int = 3) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def _conv(**settings: Any) -> Callable[[], nn.Module]:
    """One convolution with these settings between two that make it matter."""

    def build() -> nn.Module:
        middle = nn.Conv2d(4, 6, **({"kernel_size": 3} | settings))
        return _pooled(nn.Conv2d(2, 4, 1), nn.ReLU(inplace=True), middle, nn.ReLU(inplace=True), channels=6)

    return build


def _depthwise() -> nn.Module:
    return _pooled(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, groups=4), nn.ReLU(inplace=True), channels=8)


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 6), nn.ReLU(inplace=True), nn.Linear(6, 4, bias=False), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 3)
    )


def _saturated() -> nn.Module:
    scale = Lambda(lambda x: x * torch.tensor([40.0, -30.0, 20.0], dtype=x.dtype))
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3), scale)


def _tokens() -> nn.Module:
    """Linear layers over further leading dimensions, in-place ReLUs on their outputs, layer norms."""
    return nn.Sequential(
        nn.Linear(4, 5), nn.ReLU(inplace=True), nn.LayerNorm(5), nn.Linear(5, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.LayerNorm(18), nn.Linear(18, 3),
    )  # fmt: skip


def _image_tokens() -> nn.Module:
    layers = nn.Linear(3, 4), nn.ReLU(inplace=True), nn.LayerNorm((2, 4)), nn.Linear(4, 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(12, 3))


def _conv1d() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 3, stride=2, padding=2, dilation=2), nn.BatchNorm1d(4), nn.ReLU(inplace=True),
        nn.Conv1d(4, 4, 2, groups=2, padding="same"), nn.ReLU(inplace=True), nn.AdaptiveMaxPool1d(3),
        nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3),
    )  # fmt: skip


def _conv3d() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 2, (1, 2, 3), padding=(0, 1, 1)), nn.BatchNorm3d(2), nn.ReLU(), nn.AvgPool3d(2), nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip


def _vgg() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=True),
        nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
        nn.Linear(54, 8), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(8, 4),
    )  # fmt: skip


def _resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        Residual(4, 4), Residual(4, 6, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip


CASES = [
    Case("mlp", _mlp, (5,)),
    Case("mlp, 3 groups", _mlp, (5,), num_groups=3, count=9),
    Case("mlp, 2 classes", lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), (5,), num_classes=2),
    Case("saturated logits", _saturated, (5,)),
    Case("tokens", _tokens, (6, 4)),
    Case("image tokens", _image_tokens, (3, 2, 3)),
    Case("conv", _conv(), (2, 6, 5)),
    Case("conv, many positions", _conv(padding=1), (2, 12, 12)),
    Case("conv, stride and padding", _conv(stride=2, padding=(2, 1)), (2, 7, 6)),
    Case("conv, uneven kernel and stride", _conv(kernel_size=(1, 4), stride=(2, 1)), (2, 6, 7)),
    Case("conv, dilation", _conv(dilation=(2, 1), padding=1), (2, 6, 5)),
    Case("conv, same", _conv(kernel_size=4, padding="same", dilation=(1, 3)), (2, 6, 11)),
    Case("conv, valid", _conv(padding="valid"), (2, 5, 5)),
    Case("conv, groups", _conv(groups=2, padding=1), (2, 6, 5)),
    Case("conv, groups, few positions", _conv(groups=2), (2, 4, 4)),
    Case("conv, depthwise", _depthwise, (2, 8, 7)),
    *(
        Case(f"conv, {mode}", _conv(padding=(1, 2), padding_mode=mode), (2, 5, 6))
        for mode in ("reflect", "replicate", "circular")
    ),
    Case("conv, reflect, same", _conv(kernel_size=(2, 3), padding="same", padding_mode="reflect"), (2, 5, 6)),
    Case("conv1d", _conv1d, (2, 11), num_groups=3, count=9),
    Case("conv3d", _conv3d, (1, 4, 3, 4), count=5),
    Case("residual, in place", residual_without_norm, (2, 5, 5)),
    Case("vgg", _vgg, (2, 12, 12), num_groups=3, num_classes=4, count=9),
    Case("resnet", _resnet, (2, 12, 12)),
]  # fmt: skip


def case_named(name: str) -> Case:
    """One case of the table, for tests that need just one."""
    return next(case for case in CASES if case.name == name)


class TwoExits(nn.Module):
    def __init__(self):
        nn.Module.__init__(self)
        self.body, self.early, self.late = nn.Linear(4, 5), nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x):
        features = self.body(x).relu()
        return self.early(features), self.late(features)


EXIT_WEIGHTS = (0.3, 1.7)


def weighted_exits(outputs) -> Factor:
    """The weighted sum of both exits' losses: the columns of one are nothing at the other."""
    (early, first), (late, second) = (classify.factor(part) for part in outputs)
    a, b = EXIT_WEIGHTS
    nothing = torch.zeros_like(early)
    columns = torch.cat([early * a**0.5, nothing]), torch.cat([nothing, late * b**0.5])
    return Factor(columns, torch.cat([first * a, second * b]))
