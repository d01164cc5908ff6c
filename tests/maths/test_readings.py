"""Column sampling: two readings, of which the second sees the kept columns alone."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from cases import EXIT_WEIGHTS, Case, TwoExits, case_named, cut, weighted_exits
from fairshrink.errors import DataError
from fairshrink.maths import windows
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import GroupBatch
from oracles.ggn import ggn_diagonal_of_exits


def measured(case: Case, **settings) -> dict[str, Tensor]:
    return ggn_diagonal(case.model, case.batches, num_groups=case.num_groups, task=case.task, **settings)[0]


def repeated(batch: GroupBatch, times: int) -> GroupBatch:
    return GroupBatch(*(part.repeat(times, *[1] * (part.ndim - 1)) for part in (batch.x, batch.y, batch.g)))


def assert_mean_meets(draws: list[dict[str, Tensor]], exact: dict[str, Tensor]) -> None:
    """Group by group and parameter by parameter, and the mean of all estimates within four standard errors."""
    for name, value in exact.items():
        sample = torch.stack([draw[name].flatten(1).sum(1) for draw in draws])
        standard_error = sample.std(0) / len(draws) ** 0.5
        off = (sample.mean(0) - value.flatten(1).sum(1)).abs()
        assert bool((off <= 4 * standard_error + 1e-12).all()), name


def test_a_full_budget_is_exact():
    case = case_named("vgg")
    exact = measured(case)
    for columns in (3, 3.5, float("inf")):
        for name, value in measured(case, columns=columns).items():
            assert_close(value, exact[name], rtol=1e-10, atol=1e-18)


@pytest.mark.parametrize("columns", [0.1, 1.2])
def test_the_mean_of_many_estimates_meets_the_exact_value(columns):
    case = case_named("mlp, 3 groups")
    many = [repeated(case.whole, 30)]
    exact = ggn_diagonal(case.model, [case.whole], num_groups=3)[0]
    draws = [ggn_diagonal(case.model, many, num_groups=3, columns=columns, seed=seed)[0] for seed in range(25)]
    assert_mean_meets(draws, exact)
    assert not torch.equal(draws[0]["0.weight"], draws[1]["0.weight"])


def test_samples_without_a_kept_column_cost_no_second_pass():
    case = case_named("mlp")
    seen = []
    model = case.model
    model[0].register_forward_hook(lambda _, args, out: seen.append((len(args[0]), torch.is_grad_enabled())))
    known = int((case.whole.g >= 0).sum())
    ggn_diagonal(model, cut(case.whole, list(range(1, 7))), num_groups=2, columns=1e-6)
    assert seen == [(1, False)] * known
    seen.clear()
    ggn_diagonal(model, cut(case.whole, list(range(1, 7))), num_groups=2, columns=0.5, seed=1)
    *forward, trial, chunk = seen
    assert forward == [(1, False)] * known
    assert trial[1]
    assert chunk[1]
    assert 0 < chunk[0] < known  # kept columns of different batches meet in one pass


def test_draws_do_not_depend_on_the_batches():
    case = case_named("vgg")
    expected = ggn_diagonal(case.model, [case.whole], num_groups=3, columns=1.2, seed=5)[0]
    other = ggn_diagonal(case.model, [case.whole], num_groups=3, columns=1.2, seed=6)[0]
    assert not all(value.equal(other[name]) for name, value in expected.items())
    for places in ([3], [1, 2, 5]):
        got = ggn_diagonal(case.model, cut(case.whole, places), num_groups=3, columns=1.2, seed=5)[0]
        for name, value in got.items():
            assert_close(value, expected[name], rtol=1e-8, atol=1e-18)


@pytest.mark.parametrize(("limit", "value"), [("_GATHERED", 1), ("_GATHERED", 600), ("DEPTH", 1), ("DEPTH", 2)])
def test_nor_do_they_depend_on_how_rows_are_packed(limit, value, monkeypatch):
    case = case_named("vgg")
    expected = ggn_diagonal(case.model, case.batches, num_groups=3, columns=2.2)[0]
    monkeypatch.setattr(windows, limit, value)
    for name, got in ggn_diagonal(case.model, case.batches, num_groups=3, columns=2.2)[0].items():
        assert_close(got, expected[name], rtol=1e-8, atol=1e-18)


def test_inputs_of_several_sizes_are_measured_apart():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    ).double()
    label, groups = torch.zeros(3, dtype=torch.int64), torch.tensor([0, 1, 0])
    batches = [GroupBatch(torch.randn(3, 1, size, size).double(), label, groups) for size in (5, 7)]
    got, sizes = ggn_diagonal(model, batches, num_groups=2, columns=9)
    small, large = (ggn_diagonal(model, [batch], num_groups=2)[0] for batch in batches)
    assert sizes.tolist() == [4, 2]
    for name, value in got.items():
        assert_close(value, (small[name] + large[name]) / 2, rtol=1e-10, atol=1e-15)


class Shuffled:
    def __init__(self, batch):
        self.batch, self.turn = batch, 0

    def __iter__(self):
        self.turn += 1
        order = torch.arange(len(self.batch.g)).roll(self.turn)
        return iter([GroupBatch(self.batch.x[order], self.batch.y[order], self.batch.g[order])])


def test_batches_in_another_order_are_noticed():
    case = case_named("mlp")
    with pytest.raises(DataError, match="came in another order, number or form the second time"):
        ggn_diagonal(case.model, Shuffled(case.whole), num_groups=2, columns=1.0)


class Shrinking(Shuffled):
    def __iter__(self):
        self.turn += 1
        return iter([self.batch] if self.turn > 1 else [self.batch, self.batch])


def test_batches_in_another_number_are_noticed():
    case = case_named("mlp")
    with pytest.raises(DataError, match="came in another order, number or form the second time"):
        ggn_diagonal(case.model, Shrinking(case.whole), num_groups=2, columns=1.0)


# ---- several outputs


def two_exits() -> tuple[nn.Module, GroupBatch, Task]:
    torch.manual_seed(0)
    batch = GroupBatch(torch.randn(6, 4).double(), torch.zeros(6, dtype=torch.int64), torch.arange(6) % 2)
    return TwoExits().double(), batch, classify._replace(factor=weighted_exits)


@pytest.mark.parametrize("columns", [None, 4])
def test_outputs_may_be_several(columns):
    net, batch, task = two_exits()
    got = ggn_diagonal(net, [batch], num_groups=2, task=task, columns=columns)[0]
    slow = ggn_diagonal_of_exits(net, [batch], 2, EXIT_WEIGHTS)
    assert list(got) == list(slow)
    for name, value in got.items():
        assert_close(value, slow[name], rtol=1e-10, atol=1e-15)


def test_columns_of_several_outputs_are_left_out_without_bias():
    net, batch, task = two_exits()
    slow = ggn_diagonal_of_exits(net, [batch], 2, EXIT_WEIGHTS)
    many = [repeated(batch, 20)]
    draws = [ggn_diagonal(net, many, num_groups=2, task=task, columns=0.7, seed=seed)[0] for seed in range(25)]
    assert_mean_meets(draws, slow)


class Augmented(Shuffled):
    """The groups come in the same order, the inputs are others."""

    def __iter__(self):
        self.turn += 1
        return iter([GroupBatch(self.batch.x + 1e-3 * self.turn, self.batch.y, self.batch.g)])


def test_batches_in_another_form_are_noticed():
    case = case_named("mlp")
    with pytest.raises(DataError, match="Turn shuffling and augmentation off"):
        ggn_diagonal(case.model, Augmented(case.whole), num_groups=2, columns=1.0)
