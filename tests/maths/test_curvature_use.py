"""What users ask for, and what they find afterwards."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from cases import Case, case_named
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.types import GroupBatch
from oracles.ggn import ggn_diagonal_by_jacobians


def measured(case: Case, **settings) -> dict[str, Tensor]:
    return ggn_diagonal(case.model, case.batches, num_groups=case.num_groups, task=case.task, **settings)[0]


def test_params_chooses_and_the_rest_need_not_be_covered():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4), nn.GroupNorm(1, 5), nn.Flatten(), nn.Linear(20, 3))
    batch = GroupBatch(torch.randint(9, (4, 5)), torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 1, 1]))
    got = ggn_diagonal(model, [batch], num_groups=2, params=["3.weight"])[0]
    assert list(got) == ["3.weight"]
    assert got["3.weight"].shape == (2, 3, 20)
    assert ggn_diagonal(model, [batch], num_groups=2, params="3.bias")[0].keys() == {"3.bias"}


@pytest.mark.parametrize("frozen", [["0"], ["0", "1", "3"]])
def test_frozen_parameters_are_measured_and_stay_frozen(frozen):
    case = case_named("resnet")
    model = case.model
    for name in frozen:
        model.get_submodule(name).requires_grad_(False)
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    expected = measured(case)
    for name, value in ggn_diagonal(model, case.batches, num_groups=2)[0].items():
        assert value.equal(expected[name])
    assert flags == {name: p.requires_grad for name, p in model.named_parameters()}


class Counting(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_comes_back_as_it_was(fails):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), Counting(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(18, 3)
    ).train()  # fmt: skip
    model[4].eval()
    nn.functional.cross_entropy(model(torch.randn(4, 1, 5, 5)), torch.tensor([0, 1, 2, 0])).backward()
    state = copy.deepcopy(model.state_dict())
    grads = [p.grad.clone() for p in model.parameters()]
    x = torch.randn(4, 1, 5, 5)
    good = GroupBatch(x, torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 1, 1]))
    bad = GroupBatch(x * float("nan"), good.y, good.g)
    if fails:
        with pytest.raises(DataError, match="batch 1: 4 of 4 inputs hold NaN or infinity"):
            ggn_diagonal(model, [good, bad], num_groups=2)
    else:
        ggn_diagonal(model, [good], num_groups=2, columns=1.0)
    assert [m.training for m in model.modules()] == [True, True, True, True, True, False, True]
    assert all(p.grad.equal(g) for p, g in zip(model.parameters(), grads, strict=True))
    assert all(value.equal(state[name]) for name, value in model.state_dict().items())
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())
    assert good.x.equal(x)


def test_it_works_where_gradients_are_off():
    case = case_named("mlp")
    expected = measured(case)
    with torch.no_grad():
        assert measured(case)["0.weight"].equal(expected["0.weight"])
    with torch.inference_mode():
        assert measured(case)["0.weight"].equal(expected["0.weight"])


def test_autocast_is_off():
    case = case_named("vgg")
    small = [GroupBatch(b.x.float(), b.y, b.g) for b in case.batches]
    expected = ggn_diagonal(case.model.float(), small, num_groups=3)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = ggn_diagonal(case.model.float(), small, num_groups=3)[0]
    for name, value in got.items():
        assert value.equal(expected[name])


def test_hooks_of_the_user_count_as_part_of_the_model():
    case = case_named("mlp")
    model, twin = case.model, case.model
    model[0].register_forward_hook(lambda _, args, out: out * 2)
    model[2].register_forward_pre_hook(lambda _, args: (args[0] + 1,))

    class Plain(nn.Module):
        def __init__(self):
            nn.Module.__init__(self)
            self.net = twin

        def forward(self, x):
            return self.net[3:](self.net[2](self.net[1](self.net[0](x) * 2) + 1))

    got = ggn_diagonal(model, case.batches, num_groups=2)[0]
    slow = ggn_diagonal_by_jacobians(Plain(), case.batches, 2)
    for name, value in got.items():
        assert_close(value, slow[f"net.{name}"], rtol=1e-9, atol=0)


# ---- refusals


@pytest.mark.parametrize("columns", [0, -1.0, float("nan"), True])
def test_a_budget_has_to_be_positive(columns):
    with pytest.raises(ConfigError, match=r"columns is .*has to be above 0"):
        measured(case_named("mlp"), columns=columns)


def test_there_has_to_be_a_group():
    case = case_named("mlp")
    with pytest.raises(ConfigError, match="num_groups is 0"):
        ggn_diagonal(case.model, case.batches, num_groups=0)


class Starting:
    """A loader that begins its work when it is iterated."""

    def __init__(self, batches):
        self.batches, self.started = batches, 0

    def __iter__(self):
        self.started += 1
        return iter(self.batches)


@pytest.mark.parametrize("columns", [None, 1.0])
def test_a_loader_is_started_once_for_each_reading(columns):
    case = case_named("mlp")
    loader = Starting(case.batches)
    ggn_diagonal(case.model, loader, num_groups=2, columns=columns)
    assert loader.started == (1 if columns is None else 2)


def test_a_generator_is_refused():
    case = case_named("mlp")
    with pytest.raises(DataError, match="batches is a generator, which can be read once only"):
        ggn_diagonal(case.model, (b for b in case.batches), num_groups=2)


@pytest.mark.parametrize("columns", [None, 1.0])
def test_an_empty_group_is_named(columns):
    case = case_named("mlp")
    with pytest.raises(DataError, match=r"group 2 has no samples \(2 of 4 groups are empty"):
        ggn_diagonal(case.model, case.batches, num_groups=4, columns=columns)
    with pytest.raises(DataError, match="group 0 has no samples"):
        ggn_diagonal(case.model, [], num_groups=2, columns=columns)


def test_overflowing_gradients_are_named():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        model[1].weight.fill_(1e25)
        model[0].weight.zero_()
        model[0].bias.zero_()
        model[1].weight[1] *= -1
    batch = GroupBatch(torch.ones(2, 2), torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"parameter '0.weight': 4 of 4 derivatives are NaN or infinite"):
        ggn_diagonal(model, [batch], num_groups=1)
