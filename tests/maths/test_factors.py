import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from fairshrink.errors import ModelError
from fairshrink.maths.factors import as_tuple, exit_logits, exits_factor, softmax_factor


@settings(max_examples=50, deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda c: st.lists(st.lists(st.floats(-30, 30), min_size=c, max_size=c), min_size=1, max_size=3)
    )
)
def test_columns_are_a_square_root_of_the_hessian_in_the_logits(rows):
    logits = torch.tensor(rows, dtype=torch.float64)
    columns, weights = softmax_factor(logits)
    assert columns.shape == (logits.shape[1] - 1, *logits.shape)
    p = logits.softmax(1)
    hessian = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    assert_close(torch.einsum("jnc,jnd->ncd", columns, columns), hessian, rtol=0, atol=1e-14)
    assert_close(weights, columns.square().sum(2))
    eigenvalues = torch.linalg.eigvalsh(hessian).flip(1)[:, :-1].T
    assert_close(weights, eigenvalues, rtol=0, atol=1e-14)


def test_it_is_the_hessian_of_the_cross_entropy():
    logits = torch.randn(4, dtype=torch.float64)
    hessian = torch.func.hessian(lambda z: torch.nn.functional.cross_entropy(z, torch.tensor(2)))(logits)
    columns = softmax_factor(logits[None]).columns[:, 0]
    assert_close(columns.T @ columns, hessian, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("logits", [[0.0, -60.0, -20.0], [50.0, 0.0, 49.0, -40.0], [-700.0, 0.0, -300.0], [90.0, 0.0]])
def test_saturated_logits_keep_their_relative_accuracy(logits):
    """p (1 - p) in exact arithmetic: in float64, 1 - p alone would be 0."""
    columns = softmax_factor(torch.tensor([logits], dtype=torch.float64)).columns[:, 0]
    p = [Fraction(math.exp(z - max(logits))) for z in logits]
    total = sum(p)
    for k, value in enumerate(p):
        exact = float(value / total * (sum(p[:k] + p[k + 1 :], Fraction(0)) / total))
        assert math.isclose(float(columns[:, k].square().sum()), exact, rel_tol=1e-12)


def test_what_underflows_is_zero_and_not_nan():
    columns, weights = softmax_factor(
        torch.tensor([[0.0, -2000.0, -3000.0], [-2000.0, -3000.0, 0.0]], dtype=torch.float64)
    )
    assert not columns.any()
    assert not weights.any()


def test_with_many_classes_the_first_columns_hold_nearly_all_of_the_weight():
    draw = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(20, 60, dtype=torch.float64, generator=draw)  # the likely classes lie anywhere
    weights = softmax_factor(logits).weights
    p = logits.softmax(1)
    largest = torch.linalg.eigvalsh(torch.diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1)).flip(1).T
    assert bool((weights[:4].sum(0) > 0.97 * largest[:4].sum(0)).all())


def test_columns_have_the_dtype_of_the_logits():
    columns, weights = softmax_factor(torch.randn(3, 4))
    assert columns.dtype == torch.float32
    assert weights.dtype == torch.float64


@pytest.mark.parametrize("outputs", [torch.zeros(4), torch.zeros(4, 1), torch.zeros(4, 3, 2)])
def test_other_shapes_are_refused(outputs):
    with pytest.raises(ModelError, match=r"outputs of shape \(4.*needs logits \(N, C\) with C >= 2"):
        softmax_factor(outputs)


def test_several_outputs_are_refused():
    with pytest.raises(ModelError, match="returns tuple, but classify needs one tensor"):
        softmax_factor((torch.zeros(4, 2), torch.zeros(4, 2)))


def test_outputs_become_a_tuple():
    one = torch.zeros(2)
    assert as_tuple(one) == (one,)
    assert as_tuple((one, one)) == (one, one)


def test_exits_share_no_column():
    outputs = tuple(torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    columns, weights = exits_factor(outputs, (0.5, 2))
    for place, (logits, weight) in enumerate(zip(outputs, (0.5, 2), strict=True)):
        own, rest = columns[place][2 * place : 2 * place + 2], columns[place][2 - 2 * place : 4 - 2 * place]
        assert_close(own, softmax_factor(logits).columns * math.sqrt(weight))
        assert not rest.any()
        assert_close(weights[2 * place : 2 * place + 2], softmax_factor(logits).weights * weight)


def test_logits_of_exits_come_as_they_are():
    outputs = torch.zeros(4, 3), torch.ones(4, 3)
    assert exit_logits(outputs, 2) is outputs
    with pytest.raises(ModelError, match="the model has 2 exits, but there are 1 weights"):
        exit_logits(outputs, 1)
