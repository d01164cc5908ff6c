"""Whole models with channels that are 0, against the same models without them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from tests.cases import Lambda, Residual, residual_without_norm
from torch import Tensor, nn

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.cut import costs, cut
from fairshrink.deploy.gone import AS_MANY, MADE, ONE_STAYS
from fairshrink.errors import ModelError
from fairshrink.models.backbones import build


class Beside(nn.Module):
    """Two convolutions of the same images; `join` puts their outputs together, `tail` reads that."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor], *tail: nn.Module) -> None:
        nn.Module.__init__(self)
        self.one, self.two, self.join = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 1), join
        self.tail = nn.Sequential(*tail)

    def forward(self, x):
        return self.tail(self.join(self.one(x).relu(), self.two(x)))


def pooled(*layers: nn.Module, channels: int) -> Any:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


def conv(before: int, after: int, **settings: Any) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1, **settings)


def mobile() -> nn.Module:
    wide = conv(2, 6), nn.BatchNorm2d(6), nn.ReLU(), conv(6, 6, groups=6), nn.BatchNorm2d(6), nn.ReLU()
    return pooled(*wide, conv(6, 4), channels=4)


@dataclass(frozen=True)
class Case:
    """A model, what is made 0 in it, what has to be cut then, and what has to be left and why."""

    name: str
    build: Callable[[], nn.Module]
    zero: dict[str, list[int]]
    removed: dict[str, tuple[int, ...]]
    left: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    shape: tuple[int, ...] = (2, 8, 8)

    def __str__(self) -> str:
        return self.name


RESNET = {"layer1.0.conv1": [0, 9], "layer1.0.bn1": [0, 9], "layer4.1.conv2": [1], "layer4.1.bn2": [1]}
KEPT_ALIVE = "'layer4.0.downsample.0' and 'layer4.0.conv2' put out into the same channels"
SUM = "'a sum with what no layer puts out' needs every channel where it is"
STREAM = ("0", "1", "3.conv2", "3.bn2")
CASES = [
    Case("linear behind", lambda: pooled(conv(2, 5), nn.ReLU(), channels=5), {"0": [1, 4]}, {"0": (1, 4)}),
    Case(
        "conv behind conv", lambda: pooled(conv(2, 5), nn.ReLU(), conv(5, 4), channels=4), {"0": [0], "2": [3]},
        {"0": (0,), "2": (3,)},
    ),
    Case(
        "flatten", lambda: nn.Sequential(conv(2, 5), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 3)),
        {"0": [2], "3": [0, 5]}, {"0": (2,), "3": (0, 5)},
    ),
    Case("norm", lambda: pooled(conv(2, 5), nn.BatchNorm2d(5), channels=5), {"1": [2]}, {"0": (2,)}),
    Case("norm that is not 0", lambda: pooled(conv(2, 5), nn.BatchNorm2d(5), channels=5), {"0": [2]}, {},
         {"0": [(1, MADE)]}),
    Case("slopes", lambda: pooled(conv(2, 5), nn.PReLU(5), channels=5), {"0": [2]}, {"0": (2,)}),
    Case("one slope", lambda: pooled(conv(2, 5), nn.PReLU(), channels=5), {"0": [2]}, {"0": (2,)}),
    Case("sigmoid", lambda: pooled(conv(2, 5), nn.Sigmoid(), channels=5), {"0": [2]}, {}, {"0": [(1, MADE)]}),
    Case("all channels", lambda: pooled(conv(2, 4), conv(4, 3), channels=3), {"0": [0, 1, 2, 3]}, {"0": (0, 1, 2)},
         {"0": [(1, ONE_STAYS)]}),
    Case("inside a block", lambda: pooled(conv(2, 4), nn.BatchNorm2d(4), Residual(4, 4), channels=4),
         {"2.conv1": [1, 2], "2.bn1": [1, 2]}, {"2.conv1": (1, 2)}),
    Case("a block's end", lambda: pooled(conv(2, 4), nn.BatchNorm2d(4), Residual(4, 4), channels=4),
         {"2.conv2": [1], "2.bn2": [1]}, {}, {"2.conv2": [(1, "'0' puts out into the same channels")]}),
    Case("a whole stream", lambda: pooled(conv(2, 4), nn.BatchNorm2d(4), nn.ReLU(), Residual(4, 4), channels=4),
         {name: [0, 3] for name in STREAM}, {"0": (0, 3), "3.conv2": (0, 3)}),
    Case("a shortcut without norm", residual_without_norm, {"first": [1], "second": [1, 2]},
         {"first": (1,), "second": (1,)}, {"second": [(1, "'first' puts out into the same channels")]}),
    Case("depthwise", mobile, {"3": [1, 5], "4": [1, 5]},
         {"0": (1, 5), "3": (1, 5)}),
    Case("before depthwise", mobile, {"0": [1], "1": [1]}, {},
         {"0": [(1, "'3' puts out into the same channels")]}),
    Case("grouped", lambda: pooled(conv(2, 6), conv(6, 4, groups=2), channels=4), {"0": [0, 1, 5], "1": [3]},
         {"0": (0, 5)}, {"0": [(1, AS_MANY.format("1"))], "1": [(1, AS_MANY.format("1"))]}),
    Case("side by side", lambda: Beside(lambda a, b: torch.cat([a, b], 1), *pooled(nn.BatchNorm2d(8), conv(8, 2), channels=2)),
         {"one": [0], "two": [1, 2], "tail.0": [0, 5, 6, 7]}, {"one": (0,), "two": (1, 2, 3)}),
    Case("multiplied", lambda: Beside(lambda a, b: a * b, *pooled(channels=4)), {"one": [0, 1], "two": [1, 2]},
         {"one": (1,), "two": (1,)}, {
             "one": [(1, "'two' puts out into the same channels")], "two": [(1, "'one' puts out into the same channels")]
         }),
    Case("added to a constant", lambda: Beside(lambda a, b: a + b.abs() + 1, *pooled(channels=4)), {"one": [1], "two": [1]}, {},
         {"one": [(1, SUM)], "two": [(1, SUM)]}),
    Case("group norm", lambda: pooled(conv(2, 4), nn.GroupNorm(2, 4), channels=4), {"0": [1], "1": [1]}, {},
         {"0": [(1, "'1' needs every channel where it is")]}),
    Case("the end", lambda: nn.Sequential(conv(2, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten()), {"0": [1]}, {},
         {"0": [(1, "they are outputs of the model")]}),
    Case("the head", lambda: pooled(conv(2, 4), channels=4), {"3": [1]}, {}, {"3": [(1, "they are outputs of the model")]}),
    Case("small_cnn", lambda: build("small_cnn", num_classes=3, size=32), {"features.4": [0], "features.12": [7, 100]},
         {"features.3": (0,), "features.11": (7, 100)}, {}, (3, 32, 32)),
    Case("resnet18", lambda: build("resnet18", num_classes=3, size=64), RESNET, {"layer1.0.conv1": (0, 9)},
         {"layer4.1.conv2": [(1, KEPT_ALIVE)]}, (3, 64, 64)),
    Case("vgg11_bn", lambda: build("vgg11_bn", num_classes=3, size=32), {"features.1": [3], "features.26": [0, 511]},
         {"features.0": (3,), "features.25": (0, 511)}, {}, (3, 32, 32)),
]  # fmt: skip


def made(case: Case, dtype: torch.dtype = torch.float32) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model: Any = case.build().to(dtype).eval()
        with torch.no_grad():
            module: Any
            for name, module in model.named_modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.register_buffer("running_mean", torch.randn(module.num_features, dtype=dtype))
                    module.register_buffer("running_var", torch.rand(module.num_features, dtype=dtype) + 0.5)
                    nn.init.normal_(module.bias)
                if name in case.zero:
                    module.weight[case.zero[name]] = 0
                    if module.bias is not None:
                        module.bias[case.zero[name]] = 0
    return model


def images(case: Case, dtype: torch.dtype = torch.float64) -> Tensor:
    return 3 * torch.randn(2, *case.shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_cut_and_what_is_left(case):
    model = made(case, torch.float64)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    done = cut(model, torch.zeros(1, *case.shape))
    assert done.removed == case.removed
    assert {layer: [(some.channels, some.why) for some in left] for layer, left in done.zeroed.items()} == case.left
    expected, found = model(images(case)), done.model(images(case))
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max()
    for layer, channels in case.removed.items():
        whole, small = model.state_dict()[f"{layer}.weight"], done.model.state_dict()[f"{layer}.weight"]
        assert len(small) == len(whole) - len(channels)
    assert (done.after.parameters < done.before.parameters) == bool(case.removed)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("case", [case for case in CASES if case.removed][:5], ids=str)
def test_in_single_precision_too(case):
    model = made(case)
    done = cut(model, torch.zeros(1, *case.shape))
    expected, found = model(images(case, torch.float32)), done.model(images(case, torch.float32))
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert 0 <= done.relative <= 1e-5
    assert done.difference <= 1e-5 * 100


def test_the_weights_that_stay_are_those_of_the_whole():
    case = next(case for case in CASES if case.name == "flatten")
    model = made(case)
    small: Any = cut(model, torch.zeros(1, *case.shape)).model
    stay = [0, 1, 3, 4]
    assert torch.equal(small[0].weight, model[0].weight[stay])
    assert torch.equal(small[0].bias, model[0].bias[stay])
    inputs = [4 * channel + place for channel in stay for place in range(4)]
    assert torch.equal(small[3].weight, model[3].weight[1:5][:, inputs])
    assert torch.equal(small[5].weight, model[5].weight[:, 1:5])
    assert (small[0].out_channels, small[3].in_features, small[3].out_features, small[5].in_features) == (4, 16, 4, 4)


def test_a_grouped_convolution_keeps_its_groups_and_a_depthwise_one_has_fewer():
    case = next(case for case in CASES if case.name == "grouped")
    small: Any = cut(made(case), torch.zeros(1, *case.shape)).model
    assert (small[1].groups, small[1].in_channels, small[1].weight.shape) == (2, 4, (4, 2, 3, 3))
    case = next(case for case in CASES if case.name == "depthwise")
    small = cut(made(case), torch.zeros(1, *case.shape)).model
    assert (small[3].groups, small[3].in_channels, small[3].weight.shape) == (4, 4, (4, 1, 3, 3))
    assert len(small[1].running_mean) == small[4].num_features == 4


def test_what_is_fixed_is_cut_along():
    case = next(case for case in CASES if case.name == "conv behind conv")
    model = made(case)
    mask = torch.zeros(4, 5, 3, 3, dtype=torch.bool)
    mask[1, 2, 0, 0] = mask[2, 0] = mask[3] = True
    value = torch.where(mask, model[2].weight.detach(), 0)
    done = cut(model, torch.zeros(1, *case.shape))
    small: Any = done.model
    fixed = done.fixed(Frozen({"2.weight": mask}, {"2.weight": value}), model)
    assert fixed.mask["2.weight"].nonzero().tolist() == [[1, 1, 0, 0]]
    fixed.apply_(small)
    assert torch.equal(small[2].weight, model[2].weight[:3, 1:])


def test_nothing_to_cut_gives_a_copy():
    model = pooled(conv(2, 4), channels=4)
    done = cut(model, torch.zeros(1, 2, 8, 8))
    assert (done.removed, done.zeroed, done.before, done.difference) == ({}, {}, done.after, 0)
    assert done.model is not model
    assert torch.equal(done.model.state_dict()["0.weight"], model[0].weight)


def test_costs_are_counted_by_hand():
    model: nn.Module = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(4 * 64, 3))
    assert costs(model, torch.zeros(7, 2, 8, 8)) == (4 * 2 * 9 + 4 * 64 * 3 + 3, 64 * 4 * 2 * 9 + 4 * 64 * 3)


def test_the_models_mode_and_hooks_are_left_alone():
    model = pooled(conv(2, 4), nn.BatchNorm2d(4), nn.Dropout(), channels=4).train()
    with torch.no_grad():
        model[1].weight[0] = model[1].bias[0] = 0
    before = model[1].running_mean.clone()
    done = cut(model, torch.zeros(1, 2, 8, 8))
    assert done.removed == {"0": (0,)}
    assert model.training
    assert model[2].training
    assert torch.equal(model[1].running_mean, before)
    assert not any(module._forward_pre_hooks for module in model.modules())


class Moody(nn.Module):
    """It gives something else each time."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.conv, self.head, self.often = nn.Conv2d(2, 4, 1), nn.Linear(4, 3), [0]

    def forward(self, x):
        self.often[0] += 1
        return self.head(self.conv(x).mean((2, 3))) * self.often[0]


def test_other_outputs_are_refused():
    model: Any = Moody()
    with torch.no_grad():
        model.conv.weight[1] = 0
        model.conv.bias[1] = 0
    with pytest.raises(
        ModelError, match=r"outputs differ by .* in torch.float64; .* Nothing was cut: export the model whole"
    ):
        cut(model, torch.zeros(1, 2, 8, 8))


def test_what_the_trace_does_not_know_keeps_its_channels():
    shuffled = Lambda(lambda x: x.flip(1))
    model = pooled(conv(2, 4), shuffled, conv(4, 4), channels=4)
    with torch.no_grad():
        model[0].weight[1] = model[0].bias[1] = 0
    done = cut(model, torch.zeros(1, 2, 8, 8))
    assert done.removed == {}
    assert done.zeroed["0"] == ((1, MADE),)
