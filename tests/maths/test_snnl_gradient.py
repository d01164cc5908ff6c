import itertools

import pytest
import torch
from torch.testing import assert_close

from fairshrink.maths.snnl import entangled, snnl
from oracles.snnl import snnl_by_pairs

HOWS = [(2.0, True), (0.3, True), (0.1, True), (0.001, True), (2.0, False), (50.0, False), (0.01, False)]


def some_maps(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype).requires_grad_()


def test_no_table_is_kept_for_the_gradients():
    maps, groups, kept = some_maps(64, 8, 1), torch.arange(64) % 2, []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        snnl(maps, groups)
    # Two tables, one for each group, hold 8 * 64 * 64 numbers together.
    assert 0 < sum(kept) < 8 * 64 * 64 / 2


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_gradients_are_those_of_the_double_loop(how):
    maps, groups = some_maps(5, 2, 2), [0, 1, 0, 1, 3]
    weights = torch.tensor([1.0, -2.0], dtype=torch.float64)
    (grad,) = torch.autograd.grad((snnl(maps, torch.tensor(groups), *how) * weights).sum(), maps)
    # Where the temperature is low a step of 1e-6 is too long.
    step, expected = 1e-6 * min(1.0, how[0] ** 0.5), torch.zeros_like(grad)
    for place in itertools.product(*map(range, maps.shape)):
        ends = []
        for sign in (1, -1):
            moved = maps.detach().clone()
            moved[place] += sign * step
            values = snnl_by_pairs(moved, groups, *how)
            ends.append(sum(w * value for w, value in zip(weights.tolist(), values, strict=True)))
        expected[place] = (ends[0] - ends[1]) / (2 * step)
    assert_close(grad, expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("how", [(2.0, True), (0.2, True), (2.0, False)], ids=str)
def test_gradients_hold_by_gradcheck_twice_over(how):
    maps, groups = some_maps(5, 1, 2), torch.tensor([0, 1, 0, 1, -1])
    assert torch.autograd.gradcheck(lambda x: entangled(x, groups, *how, memory=0).value, maps)
    assert torch.autograd.gradgradcheck(lambda x: snnl(x, groups, *how), maps)


def test_as_a_loss_it_pulls_the_groups_apart_or_together():
    groups = torch.arange(16) % 2
    for sign in (1, -1):
        maps = some_maps(16, 2, 3, dtype=torch.float32)
        before = snnl(maps, groups).sum().item()
        for _ in range(20):
            (grad,) = torch.autograd.grad(sign * snnl(maps, groups).sum(), maps)
            maps = (maps.detach() - 5 * grad).requires_grad_()
        assert sign * (before - snnl(maps, groups).sum().item()) > 0.05
