from typing import Any

import pytest
import torch
from tests.cases import Residual
from torch import nn

from fairshrink.deploy.resize import resize
from fairshrink.deploy.slices import BY_CHANNEL
from fairshrink.errors import ModelError

X = torch.zeros(1, 2, 6, 6)


def model() -> Any:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), Residual(4, 4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.PReLU(4), nn.Conv2d(4, 6, 1, groups=2), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(24, 5), nn.ReLU(), nn.Linear(5, 3),
    ).eval()  # fmt: skip


def shapes(**changed: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    found = {name: tuple(tensor.shape) for name, tensor in model().state_dict().items()}
    return found | {name.replace("_of_", "."): shape for name, shape in changed.items()}


def narrow(stream: int, inside: int) -> dict[str, tuple[int, ...]]:
    """The whole stream with `stream` channels, the block's inside with `inside`."""
    found = shapes()
    for name, shape in found.items():
        layer, local = name.rsplit(".", 1)
        first, second = shape[:1], shape[1:2]
        if layer in ("0", "1", "3.conv2", "3.bn2", "4", "5") and shape:
            first = (stream,)
        if layer in ("3.conv1", "3.bn1") and shape:
            first = (inside,)
        if local == "weight" and layer in ("3.conv1", "3.conv2"):
            second = (stream if layer == "3.conv1" else inside,)
        if name == "6.weight":
            second = (stream // 2,)
        found[name] = (*first, *second, *shape[2:])
    return found


def test_a_network_as_narrow_as_its_weights():
    net = model()
    net[0].weight.requires_grad_(False)
    wanted = narrow(2, 1)
    resize(net, wanted, X)
    assert {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()} == wanted
    assert (net[4].groups, net[4].in_channels, net[6].groups, net[6].in_channels) == (2, 2, 2, 2)
    assert (net[1].num_features, net[5].num_parameters, net[3].conv1.out_channels) == (2, 2, 1)
    assert not net[0].weight.requires_grad
    assert net[4].weight.requires_grad
    net.load_state_dict({name: torch.zeros(shape) for name, shape in wanted.items()})
    assert net(X.expand(3, -1, -1, -1)).shape == (3, 3)


def test_double_precision_stays():
    net = model().double()
    resize(net, narrow(2, 3), X)
    assert net[0].weight.dtype == net[1].running_mean.dtype == torch.float64


def test_the_same_shapes_and_unknown_names_change_nothing():
    net = model()
    before = net[0].weight
    resize(net, shapes() | {"other.weight": (1, 2)}, X)
    assert net[0].weight is before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (narrow(2, 1) | {"3.conv1.weight": (1, 3, 3, 3)}, "'3.conv1': it has 3 inputs, but 2 come from '0'"),
        (narrow(2, 1) | {"3.conv2.weight": (1, 1, 3, 3), "3.bn2.weight": (1,)}, "its weight is \\(1,\\), but its bias \\(2,\\)"),
        (
            narrow(2, 4) | {"3.conv2.weight": (1, 4, 3, 3)} | {f"3.bn2.{name}": (1,) for name in BY_CHANNEL},
            "'3.(bn|conv)2': it has 1 outputs, but 2 come from '0'",
        ),
        (shapes(**{"0.weight": (9, 2, 3, 3), "0.bias": (9,)}), "'0': it has 9 outputs, but 1 to 4 are expected"),
        (shapes(**{"0.weight": (0, 2, 3, 3), "0.bias": (0,)}), "'0': it has 0 outputs, but 1 to 4 are expected"),
        (shapes(**{"0.weight": (4, 2, 5, 5)}), "'0': its weight is \\(4, 2, 5, 5\\), but its weight is \\(4, 2, 3, 3\\)"),
        (shapes(**{"0.weight": (4,)}), "its weight is \\(4,\\), but its weight is \\(4, 2, 3, 3\\) in the whole"),
        (shapes(**{"6.weight": (5, 2, 1, 1), "6.bias": (5,)}), "'6': its weight is \\(5, 2, 1, 1\\)"),
        (shapes(**{"1.num_batches_tracked": (2,)}), "'1': no channel can be cut out of its num_batches_tracked"),
        (shapes(**{"1.weight": ()}), "cut out of a BatchNorm2d to make its weight \\(\\)"),
        (shapes(**{"9.weight": (5, 20)}), "'9': it has 20 inputs, but 24 come from '6'"),
        (shapes(**{"11.weight": (2, 5), "11.bias": (2,)}), ""),
    ],
)  # fmt: skip
def test_shapes_that_do_not_belong_together_are_refused(changed, said):
    if not said:  # fewer classes fit together; whether they are those of the card is for others to say
        resize(model(), changed, X)
        return
    with pytest.raises(ModelError, match=rf"not those of this network without some of its channels: .*{said}"):
        resize(model(), changed, X)


class Beside(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.one, self.two, self.head = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x):
        return self.head(torch.cat([self.one(x), self.two(x)], 1)).mean((2, 3))


def test_what_only_fails_when_it_runs_is_refused_too():
    wanted = {name: tuple(tensor.shape) for name, tensor in Beside().state_dict().items()}
    resize(Beside(), wanted | {"two.weight": (3, 2, 1, 1), "two.bias": (3,), "head.weight": (3, 7, 1, 1)}, X)
    with pytest.raises(ModelError, match=r"'Beside': with these shapes it cannot run: .*channels"):
        resize(Beside(), wanted | {"two.weight": (3, 2, 1, 1), "two.bias": (3,)}, X)
    with pytest.raises(ModelError, match=r"'head': it has 2 inputs, but at least 4 are expected"):
        resize(Beside(), wanted | {"head.weight": (3, 2, 1, 1)}, X)
