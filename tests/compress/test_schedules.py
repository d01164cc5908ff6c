import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.compress.schedules import iterated, linear, one_shot, stepwise
from fairshrink.errors import ConfigError


def test_the_papers_steps():
    assert list(linear(0.35, 0.05)()) == pytest.approx([0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35])
    assert list(linear(0.35, 0.05)())[-1] == 0.35


def test_a_shorter_last_step():
    assert list(linear(0.12, 0.05)()) == pytest.approx([0.05, 0.10, 0.12])


def test_one_shot_is_one_step():
    assert list(one_shot(0.35)()) == [0.35]


def test_stepwise_without_a_step_is_one_shot():
    assert stepwise(0.35, None) == one_shot(0.35)
    assert stepwise(0.35, 0.05) == linear(0.35, 0.05)


@given(st.floats(0, 1), st.floats(0.001, 2))
@settings(deadline=None)
def test_ratios_rise_to_the_ratio_exactly(ratio, step):
    ratios = list(linear(ratio, step)())
    assert ratios[-1] == ratio
    assert all(a < b for a, b in itertools.pairwise(ratios))
    assert all(b - a <= step * 1.000001 + 1e-9 for a, b in zip([0.0, *ratios], ratios, strict=False))


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_outside_0_to_1_is_refused(ratio):
    with pytest.raises(ConfigError, match="ratio is .* give a number from 0 to 1"):
        one_shot(ratio)


@pytest.mark.parametrize("step", [0.0, -0.05, float("nan")])
def test_a_step_that_fixes_nothing_is_refused(step):
    with pytest.raises(ConfigError, match="each step must fix something"):
        linear(0.35, step)


def test_iterations_are_multiples_of_the_share():
    assert list(iterated(0.02, 3)()) == [0.02, 0.04, 0.06]
    assert list(iterated(0.3, 3)()) == pytest.approx([0.3, 0.6, 0.9])
    assert list(iterated(0.5, 1)()) == [0.5]
