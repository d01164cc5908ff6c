"""The first derivatives that `curvature` gives beside the second ones."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from cases import CASES, case_named, cut
from fairshrink.errors import DataError
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


def test_asking_for_it_changes_no_draw():
    case = case_named("vgg")
    batches = [replace(case.whole, g=torch.tensor([2, 0, 1, 0, 2, 1, 0, 1, 2]))]
    plain = ggn_diagonal(case.model, batches, num_groups=3, columns=0.7, seed=4)[0]
    for name, value in curvature(
        case.model, batches, num_groups=3, columns=0.7, seed=4, gradient=True
    ).diagonal.items():
        assert_close(value, plain[name], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kind", [torch.int16, torch.int32, torch.uint8])
def test_classes_may_be_any_whole_numbers(kind):
    case = case_named("mlp")
    expected = curvature(case.model, [case.whole], num_groups=2, gradient=True).gradient
    got = curvature(case.model, [replace(case.whole, y=case.whole.y.to(kind))], num_groups=2, gradient=True).gradient
    assert expected is not None
    assert got is not None
    assert all(torch.equal(value, expected[name]) for name, value in got.items())


@pytest.mark.parametrize("wrong", [-1, 3, 0.5])
def test_classes_that_the_model_does_not_have_are_named(wrong):
    case = case_named("mlp")
    batch = replace(case.whole, y=torch.full_like(case.whole.y, wrong, dtype=torch.tensor(wrong).dtype))
    with pytest.raises(DataError, match="a class is .*, but the model puts out 3 classes: whole numbers from 0 to 2"):
        curvature(case.model, [batch], num_groups=2, gradient=True)
    ggn_diagonal(case.model, [batch], num_groups=2)


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
