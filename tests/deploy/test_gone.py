import torch
from tests.cases import Residual
from torch import Tensor, nn

from fairshrink.compress.streams import streams
from fairshrink.deploy.gone import IN, OUT, Plan, keeps, left, marked, plan_of, release, settle, size_of


def planned(model: nn.Module) -> Plan:
    with torch.no_grad():
        return plan_of(model, streams(model, torch.zeros(1, 2, 6, 6)))


def chain(*layers: nn.Module, channels: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 4, 1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2))


def zero(layer: nn.Module, *channels: int) -> None:
    with torch.no_grad():
        for parameter in layer.parameters(recurse=False):
            parameter[list(channels)] = 0


def numbers(mask: Tensor) -> list[int]:
    return mask.nonzero().flatten().tolist()


def test_a_layer_puts_out_0_by_itself_or_by_its_norm():
    model = chain(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1))
    zero(model[0], 0)
    zero(model[1], 1, 3)
    zero(model[3], 2)
    plan = planned(model)
    assert [stream.layer for stream in plan.streams] == ["0", "3", "6"]
    assert [numbers(each) for each in plan.zero] == [[0, 1, 3], [2], []]
    assert [numbers(each) for each in plan.chosen] == [[1, 3], [2], []]
    assert numbers(marked(plan, ("3", IN), 4)) == [1, 3]
    assert numbers(marked(plan, ("1", OUT), 4)) == [1, 3]
    kept = keeps(plan, model)
    assert {name: (None if k.outputs is None else k.outputs.tolist()) for name, k in kept.items()} == {
        "0": [0, 2], "1": [0, 2], "3": [0, 1, 3], "6": None
    }  # fmt: skip
    assert left(plan, kept)["0"][0].channels == 1


def test_a_channel_that_streams_share_stands_in_the_first():
    model = chain(nn.BatchNorm2d(4), Residual(4, 4))
    for layer in (model[0], model[1], model[2].get_submodule("conv2"), model[2].get_submodule("bn2")):
        zero(layer, 1)
    plan = planned(model)
    assert {s.layer: numbers(c) for s, c in zip(plan.streams, plan.chosen, strict=True) if c.any()} == {"0": [1]}
    assert numbers(marked(plan, ("2.conv2", OUT), 4)) == [1]
    assert release(plan, ("2.conv2", OUT), torch.tensor([True, True, False, False]), "because")
    assert not release(plan, ("2.conv2", OUT), torch.tensor([True, True, False, False]), "because")
    assert keeps(plan, model) == {}
    assert {layer: [tuple(each) for each in some] for layer, some in left(plan, {}).items()} == {
        "0": [(1, "because")], "2.conv2": [(1, "because")]
    }  # fmt: skip


def test_of_each_group_as_many_go_and_one_channel_stays():
    model = chain(nn.Conv2d(4, 4, 1, groups=2))
    zero(model[0], 0, 1, 2, 3)
    zero(model[1], 0, 2, 3)
    plan = planned(model)
    settle(plan, model)
    assert [numbers(each) for each in plan.chosen[:2]] == [[0, 2], [0, 2]]


def test_sizes_of_modules():
    modules = (nn.Linear(2, 3), nn.Conv2d(4, 5, 1), nn.BatchNorm2d(6), nn.PReLU(7))
    assert [size_of(module, OUT) for module in modules] == [3, 5, 6, 7]
    assert [size_of(module, IN) for module in modules[:2]] == [2, 4]
