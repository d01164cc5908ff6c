import numpy as np
import pytest

from fairshrink.compress.stopping import Step
from fairshrink.errors import ConfigError
from fairshrink.lab.choose import Candidate, choose, mean_f1, rule
from fairshrink.metrics.counts import GroupCounts


def step(first: int, second: int) -> Step:
    """Two groups, two classes; `first` and `second` of 10 of class 0 are found in each group, all of class 1."""
    return Step(
        0.1, 1, 10, 0.0, GroupCounts(np.array([[[first, 10 - first], [0, 10]], [[second, 10 - second], [0, 10]]]))
    )


START = step(9, 5)


def test_the_largest_fate_is_taken():
    smaller_gap, same, worse = Candidate(START, step(8, 6)), Candidate(START, START), Candidate(START, step(9, 3))
    best, values = choose("fate:eopp1", [same, smaller_gap, worse])
    assert best == 1
    f1 = mean_f1(START)
    expected = (mean_f1(step(8, 6)) - f1) / f1 - (0.1 - 0.2) / 0.2
    assert values[1] == pytest.approx(expected)
    assert values[0] == 0


def test_the_first_of_equals_is_taken():
    assert choose("fate:eopp1", [Candidate(START, START)] * 3)[0] == 0


def test_an_undefined_value_is_the_worst():
    no_gap = step(5, 5)  # FATE divides by the gap at the start
    assert choose("fate:eopp1", [Candidate(no_gap, step(9, 5)), Candidate(START, step(9, 3))])[0] == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fat:eopp1", r"no rule 'fat:eopp1' to choose by"),
        ("fate:", "needs a gap"),
        ("fate:eop1", r"Did you mean 'eopp1'\?"),
    ],
)
def test_an_unknown_rule_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        rule(name)
