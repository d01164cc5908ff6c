import numpy as np
import pytest

from fairshrink.compress.stopping import Step, gap_reached, never
from fairshrink.errors import ConfigError
from fairshrink.metrics.counts import GroupCounts

# TPR 0.8 and 0.6 in the first class, 0.5 and 0.5 in the second: EOpp1 is 0.1.
COUNTS = GroupCounts(np.array([[[8, 2], [5, 5]], [[6, 4], [5, 5]]]))
STEP = Step(0.1, 10, 100, 1.0, COUNTS)


def test_a_step_knows_its_gaps():
    assert STEP.gaps["eopp1"] == pytest.approx(0.1)
    assert set(STEP.gaps) == {"eopp0", "eopp1", "eodd", "eodd_max"}


def test_stops_at_the_first_step_that_reaches_the_target():
    assert gap_reached("eopp1", 0.05)([STEP]) is None
    assert gap_reached("eopp1", 0.2)([STEP]) == "eopp1 0.100 reached the target 0.200"


def test_without_a_target_it_never_stops():
    assert gap_reached("eopp1", None) is never
    assert never([STEP]) is None


def test_an_unknown_gap_is_refused():
    with pytest.raises(ConfigError, match="no gap called 'eop1'.*Did you mean 'eopp1'"):
        gap_reached("eop1", 0.1)
