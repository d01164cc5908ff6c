from itertools import combinations, permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from fairshrink.errors import DataError
from fairshrink.maths.dependence import (
    hsic,
    hsic_estimate,
    mean_squared_distance,
    mmd2,
    mmd2_estimate,
    squared_distances,
)
from oracles.dependence import (
    distance2,
    hsic_by_quadruples,
    mean_distance2,
    mean_distance2_of_different,
    mmd2_by_pairs,
)

GROUPS = {
    "two": [0, 1, 1, 0, 1, 0],
    "three": [2, 0, 1, 2, 0, 1],
    "uneven": [0, 1, 0, 0, 0, 0],
    "unknown": [0, -1, 1, 0, 1, -1],
    "four apart": [0, 1, 2, 3, -1, -1],
}


def rows(count: int, width: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_hsic_is_the_mean_over_quadruples(groups):
    for features in (rows(6, 3), 1e4 * rows(6, 1), 50 + rows(6, 7), rows(6, 2).round()):
        slow = hsic_by_quadruples(features.tolist(), groups, 4)
        found = hsic_estimate(features, torch.tensor(groups), 4)
        assert found.measured
        assert found.value.item() == pytest.approx(slow, rel=1e-9, abs=1e-12)
        assert torch.equal(found.value, hsic(features, torch.tensor(groups), 4))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_mmd2_is_the_mean_over_pairs(n, m, width, rounded, seed):
    a, b = rows(n, width, seed), 0.5 + 2 * rows(m, width, seed + 100)
    a, b = (a.round(), b.round()) if rounded else (a, b)
    found = mmd2_estimate(a, b)
    assert found.measured
    assert found.value.item() == pytest.approx(mmd2_by_pairs(a.tolist(), b.tolist()), rel=1e-9, abs=1e-12)
    given = mmd2_estimate(a, b, torch.tensor(0.7, dtype=torch.float64)).value.item()
    assert given == pytest.approx(mmd2_by_pairs(a.tolist(), b.tolist(), 0.7), rel=1e-9, abs=1e-12)
    assert torch.equal(found.value, mmd2(a, b))


def test_over_all_orders_of_the_groups_hsic_is_0_in_the_mean():
    features = rows(6, 3)
    orders = sorted(set(permutations([0, 0, 0, 1, 1, 2])))
    values = torch.stack([hsic(features, torch.tensor(order), 3) for order in orders])
    assert values.min() < -1e-3
    assert values.max() > 1e-3
    assert values.mean().item() == pytest.approx(0, abs=1e-14)


def test_over_all_ways_to_split_the_samples_mmd2_is_0_in_the_mean():
    pool, scale = rows(6, 3), torch.tensor(3.0, dtype=torch.float64)
    splits = [(list(few), [i for i in range(6) if i not in few]) for few in combinations(range(6), 2)]
    values = torch.stack([mmd2_estimate(pool[a], pool[b], scale).value for a, b in splits])
    assert values.min() < -1e-3
    assert values.mean().item() == pytest.approx(0, abs=1e-14)


def test_features_that_say_the_group_score_high():
    groups = torch.arange(60) % 2
    mixed = rows(60, 4)
    told = mixed + 6 * groups[:, None]
    assert hsic(told, groups, 2) > 0.05 > 10 * hsic(mixed, groups, 2).abs()
    assert mmd2(told[groups == 0], told[groups == 1]) > 0.5 > 10 * mmd2(mixed[:30], mixed[30:]).abs()


def test_neither_the_unit_nor_the_origin_matters_nor_the_names_of_the_groups():
    features, groups = rows(9, 4), torch.tensor([0, 1, 2, 1, 0, -1, 2, 1, 0])
    value = hsic(features, groups, 3)
    assert_close(hsic(1e-3 * features + 5, groups, 3), value)
    renamed = torch.tensor([2, 0, 1, -1])[groups]
    assert_close(hsic(features, renamed, 3), value)
    assert_close(mmd2(1e-3 * features[:4] + 5, 1e-3 * features[4:] + 5), mmd2(features[:4], features[4:]))


def slope(function, features: torch.Tensor) -> torch.Tensor:
    """Central differences."""
    found = torch.zeros_like(features)
    for place in range(features.numel()):
        step = torch.zeros(features.numel(), dtype=features.dtype)
        step[place] = 1e-5
        step = step.view_as(features)
        found.view(-1)[place] = (function(features + step) - function(features - step)) / 2e-5
    return found


def test_the_gradient_is_that_of_a_kernel_whose_bandwidth_stands_still():
    features, groups = rows(6, 2).requires_grad_(), torch.tensor([0, 1, 1, 0, -1, 1])
    hsic(features, groups, 2).backward()
    s = mean_distance2_of_different(features[groups >= 0].tolist())
    slow = slope(lambda x: hsic_by_quadruples(x.tolist(), groups.tolist(), 2, s), features.detach())
    assert_close(features.grad, slow, rtol=1e-6, atol=1e-9)
    assert not features.grad[4].any()

    a, b = rows(3, 2, 1).requires_grad_(), rows(4, 2, 2).requires_grad_()
    mmd2(a, b).backward()
    s = mean_distance2(a.tolist(), b.tolist())
    assert_close(a.grad, slope(lambda x: mmd2_by_pairs(x.tolist(), b.tolist(), s), a.detach()), rtol=1e-6, atol=1e-9)
    assert_close(b.grad, slope(lambda x: mmd2_by_pairs(a.tolist(), x.tolist(), s), b.detach()), rtol=1e-6, atol=1e-9)


FEW = {
    "no sample": [],
    "three samples": [0, 1, 1],
    "three known": [0, -1, 1, 1, -1],
    "one group": [1, 1, 1, 1, 1],
    "one known group": [1, -1, 1, 1, 1],
    "none known": [-1, -1, -1, -1, -1],
}


@pytest.mark.parametrize("groups", FEW.values(), ids=FEW)
def test_too_few_samples_are_0_with_gradients_of_0(groups):
    features = rows(len(groups), 3).requires_grad_()
    found = hsic_estimate(features, torch.tensor(groups, dtype=torch.int64), 2)
    assert (found.value.item(), found.measured) == (0.0, False)
    found.value.backward()
    assert features.grad.eq(0).all()


@pytest.mark.parametrize(("n", "m"), [(0, 5), (1, 5), (5, 1), (0, 0)])
def test_a_set_of_fewer_than_two_is_0_with_gradients_of_0(n, m):
    a, b = rows(n, 3).requires_grad_(), rows(m, 3).requires_grad_()
    found = mmd2_estimate(a, b)
    assert (found.value.item(), found.measured) == (0.0, False)
    found.value.backward()
    assert a.grad.eq(0).all()
    assert b.grad.eq(0).all()


@pytest.mark.parametrize("at", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_features_are_0_and_not_noise(at, dtype):
    features = torch.full((9, 5), at, dtype=dtype, requires_grad=True)
    value = hsic(features, torch.arange(9) % 2, 2) + mmd2(features[:4], features[4:])
    assert value.item() == pytest.approx(0, abs=1e-6)
    value.backward()
    assert features.grad.eq(0).all()


def test_single_and_half_precision_and_autocast():
    features, groups = 10 + rows(64, 30), torch.arange(64) % 3
    features[:, 0] += groups
    exact = hsic(features, groups, 3).item(), mmd2(features[:20], features[20:]).item()
    single = features.float()
    found = hsic(single, groups, 3), mmd2(single[:20], single[20:])
    assert {value.dtype for value in found} == {torch.float32}
    assert [value.item() for value in found] == pytest.approx(exact, abs=2e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert [hsic(single, groups, 3), mmd2(single[:20], single[20:])] == list(found)
    half = features.bfloat16()
    assert hsic(half, groups, 3) == hsic(half.float(), groups, 3)
    assert hsic_estimate(half[:2], groups[:2], 3).value.dtype == torch.float32


def test_distances_and_their_mean():
    a, b = rows(3, 4, 1), rows(5, 4, 2)
    slow = torch.tensor([[distance2(p, q) for q in b.tolist()] for p in a.tolist()], dtype=torch.float64)
    assert_close(squared_distances(a, b), slow)
    assert mean_squared_distance(a, b).item() == pytest.approx(mean_distance2(a.tolist(), b.tolist()))
    assert not mean_squared_distance(a.requires_grad_(), b).requires_grad
    assert mean_squared_distance(a[:0], b).item() == 0


def test_what_does_not_fit_is_refused():
    features = rows(5, 3)
    with pytest.raises(DataError, match="there are 4 groups for 5 rows of features"):
        hsic(features, torch.zeros(4, dtype=torch.int64), 2)
    for groups in ([0, 1, 2, 0, 0], [0, 1, -2, 0, 0]):
        with pytest.raises(
            DataError, match=r"groups run from .* with num_groups = 2 they must be whole numbers from 0 to 1"
        ):
            hsic(features, torch.tensor(groups), 2)
    with pytest.raises(DataError, match="features of 3 numbers are compared with features of 2"):
        mmd2(features, rows(5, 2))
    with pytest.raises(DataError, match="features of 2 numbers are compared with features of 3"):
        mean_squared_distance(rows(5, 2), features)
