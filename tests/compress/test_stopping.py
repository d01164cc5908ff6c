from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fairshrink.compress.steps import Step
from fairshrink.compress.stopping import (
    F1Lost,
    FirstOf,
    GapReached,
    LargestFate,
    Stalled,
    f1_lost,
    first_of,
    gap_reached,
    never,
    stalled,
    stopping,
    taking,
)
from fairshrink.errors import ConfigError, DataError
from fairshrink.metrics.counts import GroupCounts


def step(*groups: list[list[int]]) -> Step:
    return Step(0.1, 10, 100, 1.0, GroupCounts(np.array(groups)))


# TPR 0.8 and 0.6 in the first class, 0.5 and 0.5 in the second: EOpp1 is 0.1.
STEP = step([[8, 2], [5, 5]], [[6, 4], [5, 5]])
RIGHT, HALF = [[10, 0], [0, 10]], [[10, 0], [10, 0]]  # macro F1 1 and 1/3
START, WORSE = step(RIGHT, RIGHT), step(RIGHT, HALF)  # 1 and 2/3 on average


def test_stops_at_the_first_step_that_reaches_the_target():
    assert gap_reached("eopp1", 0.05)([STEP, STEP]) is None
    assert gap_reached("eopp1", 0.2)([STEP, STEP]) == "eopp1 0.100 reached the target 0.200"


def test_a_gap_that_is_undefined_cannot_be_reached():
    apart = step([[8, 2], [0, 0]], [[0, 0], [5, 5]])  # each group has a class of its own
    with pytest.raises(
        DataError, match="the target 0.05 of eopp1 cannot be reached: on the validation data it is undefined"
    ):
        gap_reached("eopp1", 0.05)([apart])
    assert gap_reached("eopp1", None)([apart]) is None


def test_without_a_target_it_never_stops():
    assert gap_reached("eopp1", None) is never
    assert f1_lost(None) is never
    assert first_of() is first_of(never, never) is never
    assert never([STEP]) is None


@pytest.mark.parametrize("target", [0.1, None])
def test_an_unknown_gap_is_refused(target):
    with pytest.raises(ConfigError, match="no gap called 'eop1'.*Did you mean 'eopp1'"):
        gap_reached("eop1", target)


@pytest.mark.parametrize("target", ["a", True, float("nan")])
def test_a_target_that_is_no_number_is_refused(target):
    with pytest.raises(ConfigError, match="target is .* give a number, such as 0.05"):
        GapReached.__post_init__(SimpleNamespace(metric="eopp1", target=target))


def test_a_step_that_knows_its_start_is_compared_with_it():
    assert f1_lost(0.3)([replace(WORSE, start=START)]) is not None
    assert f1_lost(0.3)([START, replace(WORSE, start=WORSE)]) is None


def test_f1_is_compared_with_the_start_not_with_the_step_before():
    assert f1_lost(0.3)([START, WORSE]) == "macro F1 0.667 is 0.333 below the start, more than 0.3"
    assert f1_lost(0.3)([START, WORSE, WORSE]) is not None
    assert f1_lost(0.34)([START, WORSE]) is None
    assert f1_lost(0.0)([START, START]) is None
    assert f1_lost(0.0)([WORSE, START]) is None


@pytest.mark.parametrize("most", [-0.1, float("nan"), float("inf")])
def test_a_loss_that_is_no_number_from_0_on_is_refused(most):
    with pytest.raises(ConfigError, match="max_f1_loss is .* give 0 or more, such as 0.01"):
        f1_lost(most)


def test_a_group_without_samples_has_no_f1_to_lose():
    with pytest.raises(DataError, match="max_f1_loss needs the macro F1 of every group"):
        f1_lost(0.1)([step(RIGHT, [[0, 0], [0, 0]])] * 2)


def test_the_first_of_several_rules_stops():
    rule = first_of(gap_reached("eopp1", 0.2), never, f1_lost(0.3))
    assert isinstance(rule, FirstOf)
    assert rule([START, WORSE]) == "macro F1 0.667 is 0.333 below the start, more than 0.3"
    assert rule([STEP, STEP]) == "eopp1 0.100 reached the target 0.200"
    assert rule([WORSE, WORSE]) is None
    both = first_of(gap_reached("eopp1", 0.9), f1_lost(0.3))([START, WORSE])
    assert both == "eopp1 0.500 reached the target 0.900; macro F1 0.667 is 0.333 below the start, more than 0.3"


def test_a_single_rule_is_itself():
    assert first_of(never, f1_lost(0.1)) == F1Lost(0.1)


def gap_of(*values: float) -> list[Step]:
    """Steps of 100 images a cell whose EOpp1 is each of these; all of them know the start, the first value."""
    steps = []
    for value in values:
        lower = round(100 * (1 - 2 * value))
        steps.append(step([[100, 0], [0, 100]], [[lower, 100 - lower], [0, 100]]))
    return [replace(one, start=steps[0]) for one in steps[1:]]


def test_it_stalls_when_the_gap_no_longer_falls():
    rule = stalled("eopp1", 0.0, 2)
    assert rule(gap_of(0.3, 0.2, 0.1)) is None
    assert rule(gap_of(0.3, 0.4)) is None  # patience
    assert rule(gap_of(0.3, 0.3, 0.3)) is None  # no fall is no reason with 0
    assert rule(gap_of(0.3, 0.4, 0.2, 0.3)) is None
    assert rule(gap_of(0.2, 0.3, 0.4)) == "eopp1 grew in each of the last 2 steps, to 0.400"
    assert rule(gap_of(0.4, 0.2, 0.3, 0.4)) is not None


def test_a_fall_that_is_too_small_is_none():
    assert stalled("eopp1", 0.05, 1)(gap_of(0.3, 0.2)) is None
    assert stalled("eopp1", 0.05, 1)(gap_of(0.3, 0.27)) == "eopp1 fell by less than 0.05 in the last step, to 0.270"
    assert stalled("eopp1", None, 1) is never


def test_stalling_needs_a_gap():
    apart = step([[8, 2], [0, 0]], [[0, 0], [5, 5]])
    with pytest.raises(DataError, match="th_fair needs eopp1, but on the validation data it is undefined"):
        stalled("eopp1", 0.0, 1)([replace(apart, start=apart)])
    with pytest.raises(ConfigError, match="there is no gap called 'eop'"):
        Stalled("eop", 0.0, 1)


def test_what_a_step_is_worth():
    worth = LargestFate("eopp1", 0.05)
    better, same, wider = gap_of(0.4, 0.2, 0.4, 0.45)
    assert worth(same) == (True, 0.0)
    assert worth(better)[1] > 0.5
    assert worth(wider) < worth(same) < worth(better)
    lost = replace(WORSE, start=START)
    assert worth(lost) == (False, -np.inf)  # the start has no gap
    assert LargestFate("eopp1")(lost)[0] is True
    with pytest.raises(ConfigError, match="there is no gap called 'eop'"):
        LargestFate("eop")


def test_the_rule_of_scp():
    assert stopping("none", "eodd", (0.01, 0.0, 2)) is never
    rule = stopping("thresholds", "eodd", (0.01, None, 2))
    assert rule([replace(WORSE, start=START)]) == "macro F1 0.667 is 0.333 below the start, more than 0.01"
    assert taking("last", "thresholds", "eodd", 0.01) is None
    assert taking("fate", "none", "eodd", 0.01) == LargestFate("eodd", None)
    assert taking("fate", "thresholds", "eodd", 0.01) == LargestFate("eodd", 0.01)
