import math

import pytest

from fairshrink.errors import DataError
from fairshrink.metrics.tradeoff import fate, pareto_front


@pytest.mark.parametrize(
    ("acc", "gap", "printed"), [(0.522, 0.305, 0.1787), (0.520, 0.278, 0.2495), (0.500, 0.341, 0.0368)]
)
def test_fate_gives_the_values_printed_for_fitzpatrick(acc, gap, printed):
    """ME-FairPrune, SCP-FairPrune and FairAdaBN against the vanilla VGG-11, EOpp1 (channel-pruning paper, Table 1)."""
    assert fate(acc, 0.510, gap, 0.361) == pytest.approx(printed, abs=0.002)


@pytest.mark.parametrize(
    ("acc", "gap", "value"),
    [
        (0.700, 0.008, -0.381),
        (0.735, 0.005, 0.167),
        (0.743, 0.005, 0.178),
        (0.727, 0.007, -0.178),
        (0.736, 0.006, 0.001),
    ],
)
def test_fate_of_the_printed_inputs_for_isic(acc, gap, value):
    """EOpp0; the paper prints 0.82 to 0.93 here, which needs a baseline ten times the printed one."""
    assert fate(acc, 0.735, gap, 0.006) == pytest.approx(value, abs=0.002)


def test_the_weight_is_the_gaps():
    assert fate(0.8, 0.8, 0.1, 0.2, weight=3.0) == pytest.approx(1.5)
    assert math.isnan(fate(0.8, 0.8, math.nan, 0.2))


@pytest.mark.parametrize(("values", "name"), [((1, 0, 1, 1), "acc_baseline"), ((1, 1, 1, 0), "gap_baseline")])
def test_a_baseline_of_zero_is_refused(values, name):
    with pytest.raises(DataError, match=f"{name} is 0, but FATE divides by it"):
        fate(*map(float, values))


def test_the_front_is_what_no_other_beats():
    points = [(0.9, 0.3), (0.8, 0.1), (0.8, 0.2), (0.7, 0.1), (0.9, 0.3), (math.nan, 0.0), (0.5, 0.05)]
    assert pareto_front(points) == [0, 1, 4, 6]
    assert pareto_front([]) == []
