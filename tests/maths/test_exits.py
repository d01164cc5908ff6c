import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from fairshrink.errors import ConfigError
from fairshrink.maths.exits import check_threshold, confidence, leaving
from oracles.exits import leave_one_by_one, softmax


def exits_of(seed: int, exits: int, samples: int, classes: int, dtype: torch.dtype = torch.float64):
    draw = torch.Generator().manual_seed(seed)
    return tuple(4 * torch.randn(samples, classes, generator=draw, dtype=torch.float64).to(dtype) for _ in range(exits))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(0, 6),
    st.integers(2, 4),
    st.sampled_from([1e-9, 0.3, 0.5, 0.8, 0.95, 0.999, 1.0]),
    st.integers(0, 99),
)
def test_each_sample_leaves_at_the_first_exit_that_is_sure(exits, samples, classes, threshold, seed):
    outputs = exits_of(seed, exits, samples, classes)
    left = leaving(outputs, threshold)
    assert left.exit.tolist() == leave_one_by_one([logits.tolist() for logits in outputs], threshold)
    assert left.exit.dtype == torch.int64
    assert left.logits.shape == (samples, classes)
    for sample, place in enumerate(left.exit.tolist()):
        assert torch.equal(left.logits[sample], outputs[place][sample])


def test_confidence_is_the_largest_probability():
    (logits,) = exits_of(0, 1, 6, 4)
    assert_close(confidence(logits), torch.tensor([max(softmax(row)) for row in logits.tolist()], dtype=torch.float64))
    assert confidence(logits.half()).dtype == torch.float64


def test_what_rounds_to_1_in_single_precision_is_not_sure_of_itself():
    logits = torch.tensor([[18.0, 0.0], [50.0, 0.0]])
    assert logits.softmax(1).amax(1).tolist() == [1.0, 1.0]
    final = torch.zeros(2, 2)
    assert leaving((logits, final), 1.0).exit.tolist() == [1, 0]


def test_a_confidence_of_just_the_threshold_is_enough():
    logits = torch.zeros(1, 4)
    assert leaving((logits, logits, logits), 0.25).exit.tolist() == [0]
    assert leaving((logits, logits, logits), 0.2500001).exit.tolist() == [2]


def test_the_logits_keep_their_precision_and_gradient():
    early, final = (logits.float().requires_grad_() for logits in exits_of(3, 2, 5, 3))
    left = leaving((early, final), 0.9)
    assert left.logits.dtype == torch.float32
    left.logits.sum().backward()
    assert torch.equal(early.grad[:, 0], (left.exit == 0).float())
    assert torch.equal(final.grad[:, 0], (left.exit == 1).float())


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.0000001, float("nan"), float("inf")])
def test_a_threshold_outside_0_to_1_is_refused(threshold):
    with pytest.raises(
        ConfigError, match=r"threshold is .*, expected a number above 0, at most 1: how sure an exit must be"
    ):
        check_threshold(threshold)
    check_threshold(1e-9)
    check_threshold(1)
