import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from fairshrink.maths.columns import draws, packed, scales, threshold
from fairshrink.maths.factors import Factor

WEIGHTS = st.lists(st.just(0.0) | st.floats(1e-300, 1) | st.floats(1e-12, 1e-3), min_size=1, max_size=30)


@settings(deadline=None)
@given(WEIGHTS, st.floats(1e-3, 0.999))
def test_threshold_spends_the_budget(weights, share):
    values = torch.tensor(weights, dtype=torch.float64)
    budget = share * int((values > 0).sum())
    if budget == 0:
        assert threshold(values, budget) == 0
        return
    tau = threshold(values, budget)
    assert math.isclose(float((values / tau).clamp(max=1).sum()), budget, rel_tol=1e-9)


@given(WEIGHTS)
def test_threshold_is_zero_when_all_fits(weights):
    values = torch.tensor(weights, dtype=torch.float64)
    assert threshold(values, len(weights)) == 0
    assert threshold(values, float("inf")) == 0


def test_draws_are_uniform_and_their_own():
    drawn = draws(3, torch.arange(4000), 5)
    assert drawn.shape == (5, 4000)
    assert float(drawn.min()) >= 0
    assert float(drawn.max()) < 1
    assert len(drawn.unique()) == drawn.numel()
    histogram = torch.histc(drawn, 20, 0, 1) / drawn.numel()
    assert_close(histogram, torch.full_like(histogram, 0.05), rtol=0, atol=0.006)
    assert float(torch.corrcoef(drawn).triu(1).abs().max()) < 0.06
    assert drawn[:3, 7:9].equal(draws(3, torch.tensor([7, 8]), 3))
    assert not drawn.equal(draws(4, torch.arange(4000), 5))


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1])
def test_any_seed_will_do(seed):
    assert len(draws(seed, torch.arange(10), 2).unique()) == 20


def test_scales_by_group_and_nothing_for_no_group():
    weights = torch.tensor([[0.9, 0.1, 0.5, 0.2], [0.1, 0.01, 0.3, 0.1]], dtype=torch.float64)
    full = scales(weights, torch.tensor([0, 1, -1, 0]), num_groups=2, columns=2, seed=0)
    assert full.tolist() == [[1, 1, 0, 1], [1, 1, 0, 1]]
    some = scales(weights.repeat(1, 500), torch.tensor([0, 1, -1, 0]).repeat(500), num_groups=2, columns=1.0, seed=0)
    for group in range(2):
        mine = torch.tensor([0, 1, -1, 0]).repeat(500) == group
        assert math.isclose(int((some[:, mine] > 0).sum()) / int(mine.sum()), 1.0, abs_tol=0.1)
    kept = some[some > 0]
    assert float(kept.min()) == 1.0


def test_packed_puts_what_is_kept_first():
    columns = torch.arange(12.0).view(3, 2, 2) + 1
    factor = Factor(columns, torch.ones(3, 2, dtype=torch.float64))
    scale = torch.tensor([[0.0, 2.0], [0.0, 0.0], [3.0, 1.0]], dtype=torch.float64)
    got = packed(factor, scale)
    assert got.weights.tolist() == [[9, 4], [0, 1], [0, 0]]
    assert got.columns.tolist() == [[[27, 30], [6, 8]], [[0, 0], [11, 12]], [[0, 0], [0, 0]]]
    both = packed(Factor((columns, columns[..., 0]), factor.weights), scale).columns
    assert both[0].equal(got.columns)
    assert both[1].tolist() == [[27, 6], [0, 11], [0, 0]]
