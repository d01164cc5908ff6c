"""The first derivatives that `curvature` gives beside the second ones."""

import pytest
from torch.testing import assert_close

from cases import CASES, case_named, cut
from fairshrink.maths.curvature import curvature, ggn_diagonal
from oracles.ggn import gradient_by_samples


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_gradient_is_that_of_each_groups_mean_loss(case):
    got = curvature(case.model, case.batches, num_groups=case.num_groups, task=case.task, gradient=True)
    slow = gradient_by_samples(case.model, case.batches, case.num_groups)
    assert got.gradient is not None
    assert list(got.gradient) == list(slow)
    for name, value in got.gradient.items():
        assert_close(value, slow[name], rtol=1e-9, atol=1e-12)
    diagonal, sizes = ggn_diagonal(case.model, case.batches, num_groups=case.num_groups, task=case.task)
    assert sizes.equal(got.sizes)
    for name, value in got.diagonal.items():
        assert value.equal(diagonal[name])


@pytest.mark.parametrize("places", [[], [1, 2, 5]])
def test_the_gradient_is_exact_whatever_the_budget_and_the_batches(places):
    case = case_named("vgg")
    got = curvature(case.model, cut(case.whole, places), num_groups=3, gradient=True, columns=0.5)
    slow = gradient_by_samples(case.model, case.batches, 3)
    assert got.gradient is not None
    for name, value in got.gradient.items():
        assert_close(value, slow[name], rtol=1e-9, atol=1e-12)


def test_without_asking_there_is_none():
    case = case_named("mlp")
    assert curvature(case.model, case.batches, num_groups=2).gradient is None


def test_of_chosen_parameters_only():
    case = case_named("resnet")
    got = curvature(case.model, case.batches, num_groups=2, gradient=True, params=["0.weight"])
    assert got.gradient is not None
    slow = gradient_by_samples(case.model, case.batches, 2)
    assert list(got.gradient) == ["0.weight"]
    assert_close(got.gradient["0.weight"], slow["0.weight"], rtol=1e-9, atol=1e-12)
    assert all(p.grad is None for p in case.model.parameters())
