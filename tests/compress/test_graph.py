import re
from collections.abc import Callable

import pytest
import torch
from tests.cases import Lambda, Residual, residual_without_norm
from tests.chains import Other, chain, images
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from fairshrink.compress.graph import couplings, inner
from fairshrink.errors import ModelError
from fairshrink.models.backbones import build


class Branches(nn.Module):
    """Two convolutions side by side; how their outputs come together is the test's."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor], inputs: int, *before: nn.Module) -> None:
        nn.Module.__init__(self)
        self.one, self.two = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.join, self.before = join, nn.Sequential(*before)
        self.after, self.head = nn.Conv2d(inputs, 3, 1), nn.Linear(3, 2)

    def forward(self, x):
        joined = self.join(self.one(x).relu(), self.two(x))
        return self.head(self.after(self.before(joined)).mean((2, 3)))


class Scaled(nn.Module):
    """A parameter of the model's own on the way."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.conv, self.gamma, self.head = nn.Conv2d(2, 4, 1), nn.Parameter(torch.ones(4, 1, 1)), nn.Linear(4, 2)

    def forward(self, x):
        return self.head((self.conv(x) * self.gamma).mean((2, 3)))


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("small_cnn", ["features.0", "features.3", "features.7", "features.11"]),
        ("resnet18", [f"layer{i}.{j}.conv1" for i in range(1, 5) for j in range(2)]),
        ("vgg11", [f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)]),
    ],
)
def test_inner_are_the_convolutions_that_no_shortcut_joins(backbone, expected):
    assert inner(build(backbone, num_classes=3, size=32), images(32, 3)) == expected


def test_a_flatten_gives_each_channel_several_inputs():
    found = couplings(build("vgg11_bn", num_classes=3, size=64), images(64, 3), ["features.0", "features.25"])
    assert found["features.0"].carried == ("features.1",)
    assert found["features.0"].readers == (("features.4", tuple(range(64))),)
    assert found["features.25"].readers == (("classifier.0", tuple(range(512 * 4))),)


def test_a_shortcut_is_another_layer_that_puts_out_into_the_same_channels():
    model = chain(nn.BatchNorm2d(4), Residual(4, 4), Residual(4, 6, stride=2), channels=6)
    found = couplings(model, images(), ["0", "2.conv1", "2.conv2", "3.shortcut.0"])
    assert found["0"].others == ("2.conv2",)
    assert found["2.conv2"].others == ("0",)
    assert found["0"].carried == ("1", "2.bn2")
    assert {reader.module for reader in found["0"].readers} == {"2.conv1", "3.conv1", "3.shortcut.0"}
    assert found["2.conv1"] == ("2.conv1", ("2.bn1",), (("2.conv2", (0, 1, 2, 3)),), ())
    assert found["3.shortcut.0"].others == ("3.conv2",)
    assert inner(model, images()) == ["2.conv1", "3.conv1"]
    assert inner(residual_without_norm(), images(5)) == []


def test_channels_side_by_side_are_read_each_at_its_place():
    model = Branches(lambda a, b: torch.cat([a, b], 1), 8, nn.BatchNorm2d(8))
    found = couplings(model, images(), ["one", "two"])
    assert found["one"] == ("one", ("before.0",), (("after", (0, 1, 2, 3)),), ())
    assert found["two"].readers == (("after", (4, 5, 6, 7)),)
    assert inner(model, images()) == ["one", "two", "after"]


def test_a_depthwise_convolution_takes_along_what_it_alone_reads():
    mobile = chain(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), nn.ReLU6())
    found = couplings(mobile, images(), ["0", "3"])
    assert found["0"].others == ("3",)
    assert found["3"].others == ()
    assert found["3"].carried == ("4", "1")
    assert inner(mobile, images()) == ["3"]


def test_a_depthwise_convolution_does_not_take_along_what_others_read_too():
    model = Branches(lambda a, b: a + nn.functional.conv2d(b, torch.ones(4, 1, 1, 1), groups=4), 4)
    assert inner(model, images()) == ["after"]
    deep = nn.Conv2d(4, 4, 3, padding=1, groups=4)
    beside = chain(Around(deep))
    assert couplings(beside, images(), ["1.inside"])["1.inside"].others == ("0",)


class Around(nn.Module):
    def __init__(self, inside: nn.Module) -> None:
        nn.Module.__init__(self)
        self.inside = inside

    def forward(self, x):
        return x + self.inside(x)


@pytest.mark.parametrize(
    ("model", "others"),
    [
        (chain(nn.GroupNorm(2, 4)), ("1",)),
        (chain(nn.LayerNorm([4, 6, 6])), ("1",)),
        (chain(nn.ConvTranspose2d(4, 4, 2)), ("1",)),
        (chain(weight_norm(nn.Conv2d(4, 4, 1))), ("1",)),
        (chain(nn.PReLU(4)), ()),
        (chain(nn.InstanceNorm2d(4, affine=True)), ()),
        (chain(nn.Conv2d(4, 8, 3, groups=4), channels=8), ()),
        (chain(nn.Conv2d(4, 2, 3, groups=2), channels=2), ("1",)),
        (chain(Lambda(lambda x: x.split(2, 1)[0]), channels=2), ("SplitOp",)),
        (nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), ("the model's output",)),
    ],
)
def test_what_needs_the_channels_as_they_are_is_told(model, others):
    found = couplings(model, images(), ["0"])["0"].others
    assert tuple(re.sub(r"_\d.*", "", name) for name in found) == others


def test_a_parameter_of_the_models_own_is_told():
    model = Scaled()
    found = couplings(model, images(), ["conv"])["conv"]
    assert "gamma" in found.others


def test_several_outputs_and_layers_that_never_run():
    model = Branches(lambda a, b: a, 4)
    assert inner(model, images()) == ["one", "after"]
    exits = nn.Sequential(nn.Conv2d(2, 4, 1), Other(lambda x: (x.mean((2, 3)), x.amax((2, 3)))))
    assert inner(exits, images()) == []
    with_features = nn.Sequential(nn.Conv2d(2, 4, 1), Other(lambda x: (nn.Conv2d(4, 2, 1)(x.relu()), x)))
    assert inner(with_features, images()) == []
    assert inner(nn.Sequential(nn.Conv2d(2, 4, 1)), images()) == []
    with pytest.raises(ModelError, match=r"channels of 'two' could not be followed: it is no .* that the model runs"):
        couplings(model, images(), ["one", "two"])
    with pytest.raises(ModelError, match=r"(?s)channels of 'ones' could not be followed.*one"):
        couplings(model, images(), ["ones"])
