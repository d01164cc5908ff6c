import math
import re

import numpy as np
import pytest

from fairshrink.errors import ConfigError, DataError
from fairshrink.metrics.gaps import GAPS
from fairshrink.metrics.soft import SOFT
from fairshrink.metrics.thresholds import (
    RULE,
    SHOWN,
    THETAS,
    AtTheta,
    ExitRule,
    allowed,
    choose_theta,
    curve,
    each_exit,
    exit_rule,
    finer,
    policy,
)
from oracles import thresholds as slow

COSTS = (10, 25, 40, 100)
MANY = (0.3, 0.5, 0.8, 0.95, 0.999, 1.0)


def drawn(seed, count=50, groups=3, classes=4, exits=4):
    """Later exits are surer; every confidence differs, and some samples have no group."""
    rng = np.random.default_rng(seed)
    prob = np.stack([rng.dirichlet(np.full(classes, 0.6 / (1 + exit_)), count) for exit_ in range(exits)])
    return prob, rng.integers(0, classes, count), rng.integers(-1, groups, count)


def sizes(groups=3, classes=4, costs=COSTS):
    return {"num_groups": groups, "num_classes": classes, "costs": costs}


def point(theta, f1, gap, cost, name="eopp1"):
    gaps = dict.fromkeys((*GAPS, *SOFT), 0.5) | {name: gap}
    return AtTheta(theta, f1, 0.9, gaps, np.full((2, 2), 0.5), cost)


def check(found, expected):
    for name in ("f1", "accuracy", "gaps", "cost"):
        assert getattr(found, name) == pytest.approx(expected[name], rel=1e-12, nan_ok=True)
    np.testing.assert_allclose(found.leave, expected["leave"], rtol=1e-12)


@pytest.mark.parametrize(("seed", "count", "groups"), [(0, 50, 3), (1, 200, 2), (2, 7, 2), (3, 1, 2)])
def test_the_curve_equals_the_oracle(seed, count, groups):
    prob, y, g = drawn(seed, count, groups)
    found = curve(prob, y, g, **sizes(groups), thetas=MANY)
    exits, _ = policy(prob, MANY)
    for at, theta in enumerate(MANY):
        one = [slow.leaves_at(prob, n, theta) for n in range(count)]
        assert exits[at].tolist() == one
        assert found[at].theta == theta
        check(found[at], slow.at_theta(prob, y, g, groups=groups, costs=COSTS, exits=one))


def test_every_exit_alone_equals_the_oracle():
    prob, y, g = drawn(4)
    for exit_, found in enumerate(each_exit(prob, y, g, **sizes())):
        assert math.isnan(found.theta)
        check(found, slow.at_theta(prob, y, g, groups=3, costs=COSTS, exits=[exit_] * len(y)))


def test_predictions_are_those_of_the_exit_that_is_left_at():
    prob = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.2, 0.8], [0.3, 0.7]]])
    exits, predictions = policy(prob, (0.8, 0.95))
    assert exits.tolist() == [[0, 1], [1, 1]]
    assert predictions.tolist() == [[0, 1], [1, 1]]


def test_a_confidence_that_equals_the_threshold_is_enough():
    prob = np.array([[[0.75, 0.25]], [[0.5, 0.5]]])
    assert policy(prob, (0.75, np.nextafter(0.75, 1)))[0].tolist() == [[0], [1]]


def test_a_threshold_is_not_rounded_to_the_probabilities_kind():
    """In float32 0.9 is 0.89999998, which is less than 0.9."""
    prob = np.array([[[0.9, 0.1]], [[0.5, 0.5]]], dtype=np.float32)
    assert policy(prob, (0.9,))[0].tolist() == [[1]]


def test_all_leave_at_the_first_exit_or_none_before_the_last():
    prob, y, g = drawn(5)
    first, last = curve(prob, y, g, **sizes(), thetas=(1e-9, 1.0))
    alone = each_exit(prob, y, g, **sizes())
    for found, expected in ((first, alone[0]), (last, alone[-1])):
        assert (found.f1, found.cost, found.gaps) == (expected.f1, expected.cost, expected.gaps)
        assert np.array_equal(found.leave, expected.leave)
    assert (first.cost, last.cost) == (10, 100)


def test_a_larger_threshold_never_lets_a_sample_leave_earlier():
    prob, _, _ = drawn(6)
    exits, _ = policy(prob, finer(prob))
    assert (np.diff(exits, axis=0) >= 0).all()


def test_one_exit_is_no_policy():
    prob, y, g = drawn(7, exits=1)
    assert policy(prob, (0.5,))[0].max() == 0
    assert finer(prob) == []
    assert each_exit(prob, y, g, **sizes(costs=(3,)))[0].cost == 3


def test_a_group_without_samples_has_no_shares():
    prob, y, _ = drawn(8)
    (found,) = curve(prob, y, np.zeros_like(y), **sizes(groups=2), thetas=(0.9,))
    assert np.isnan(found.leave[1]).all()
    assert found.leave[0].sum() == pytest.approx(1)
    assert math.isnan(found.f1)


def test_relabelling_the_groups_permutes_their_shares():
    prob, y, g = drawn(9, groups=2)
    (one,) = curve(prob, y, g, **sizes(groups=2), thetas=(0.9,))
    (other,) = curve(prob, y, np.where(g < 0, g, 1 - g), **sizes(groups=2), thetas=(0.9,))
    assert np.array_equal(one.leave[::-1], other.leave)
    assert (one.gaps, one.f1) == (other.gaps, pytest.approx(other.f1))


def test_finer_thresholds_are_where_the_confidences_are():
    prob, _, _ = drawn(10, count=400)
    confidence = prob[:-1].max(-1)
    found = finer(prob, 21)
    assert (found[0], found[-1]) == (confidence.min(), min(confidence.max(), 1))
    below = [(confidence < theta).mean() for theta in found]
    assert below == pytest.approx(np.linspace(0, 1, 21), abs=0.002)


def test_equal_and_overfull_confidences_give_each_threshold_once():
    over = np.float32(1) + np.finfo(np.float32).eps
    prob = np.full((3, 8, 2), [over, 0], dtype=np.float32)
    assert finer(prob) == [1.0]
    assert policy(prob, finer(prob))[0].max() == 0


@pytest.mark.parametrize(
    "rule", ["gap:eopp1:0.02", "gap:eopp1:0", "fate:eopp1", "gap:soft_eopp1:0.01", "fate:eodd", "cost:0.02", "cost:0"]
)
@pytest.mark.parametrize("seed", range(6))
def test_the_chosen_threshold_is_the_oracles(seed, rule):
    prob, y, g = drawn(seed, count=60, groups=2)
    found, alone = curve(prob, y, g, **sizes(2), thetas=MANY), each_exit(prob, y, g, **sizes(2))[-1]
    kind, metric, loss = exit_rule(rule)
    table = [(one.theta, one.f1, one.gaps[metric], one.cost) for one in found]
    expected = slow.choose(table, alone.f1, alone.gaps[metric], (kind, metric, loss))
    assert choose_theta(found, alone, rule) == expected


def test_the_smallest_gap_within_the_bound_is_taken_and_then_the_cheaper():
    final = point(math.nan, 0.80, 0.10, 100)
    points = [
        point(0.8, 0.70, 0.01, 10),
        point(0.9, 0.80, 0.05, 30),
        point(0.99, 0.79, 0.05, 20),
        point(1, 0.8, 0.1, 99),
    ]
    assert choose_theta(points, final, "gap:eopp1:0.02") == 2
    assert choose_theta(points, final, "gap:eopp1:0.2") == 0
    assert choose_theta(points, final, "gap:eopp1:0.005") == 1
    assert allowed(points, final, "gap:eopp1:0.02") == [False, True, True, True]


def test_the_largest_fate_is_taken():
    final = point(math.nan, 0.80, 0.10, 100)
    points = [point(0.8, 0.72, 0.03, 10), point(0.9, 0.80, 0.06, 30), point(0.99, 0.40, 0.02, 20)]
    assert choose_theta(points, final, "fate:eopp1") == 0
    assert choose_theta(points[1:], final, "fate:eopp1") == 0


@pytest.mark.parametrize("final", [point(math.nan, 0.9, 0.1, 9), point(math.nan, 0.9, 0.0, 9)])
def test_where_none_may_be_taken_it_is_the_largest_threshold(final):
    points = [point(0.8, 0.5, 0.1, 1), point(0.999, 0.6, math.nan, 8), point(0.9, 0.7, 0.1, 3)]
    rule = "fate:eopp1" if final.gaps["eopp1"] == 0 else "gap:eopp1:0.01"
    assert allowed(points, final, rule) == [False] * 3
    assert choose_theta(points, final, rule) == 1


def test_rules_are_read():
    assert exit_rule("gap:eodd:0.01") == ExitRule("gap", "eodd", 0.01)
    assert exit_rule("fate:soft_eopp1") == ExitRule("fate", "soft_eopp1")
    assert exit_rule(RULE) == ExitRule("gap", "soft_eopp1", 0.01)
    assert exit_rule("cost:0.005") == ExitRule("cost", SHOWN, 0.005)


def test_the_cheapest_within_the_bound_is_taken_whatever_its_gap():
    points = [point(0.8, 0.49, 0.0, 1.0), point(0.9, 0.495, math.nan, 2.0), point(0.99, 0.5, 0.0, 3.0)]
    final = point(math.nan, 0.5, 0.1, 4.0)
    assert [choose_theta(points, final, f"cost:{loss}") for loss in (0.01, 0.005, 0)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            "gaps:eopp1:0.01",
            "no rule 'gaps:eopp1:0.01' to choose a threshold by. Known: gap:METRIC:LOSS, ",
        ),
        ("gap:eop1:0.01", "needs a gap: there is none called 'eop1'. Did you mean 'eopp1'?"),
        ("fate", "needs a gap: there is none called ''."),
        ("fate:eopp1:0.01", "it knows no bound. Give 'fate:eopp1'."),
        ("gap:eopp1", "needs how far macro F1 may fall, a number from 0 on: give 'gap:eopp1:0.01'"),
        ("gap:eopp1:-1", "a number from 0 on"),
        ("cost", "needs how far macro F1 may fall, a number from 0 on: give 'cost:0.01'"),
        ("cost:0.1:0.2", "a number from 0 on"),
        ("gap:eopp1:nan", "a number from 0 on"),
        ("gap:eopp1:0.1:0.2", "a number from 0 on"),
    ],
)
def test_rules_that_are_none_are_refused(rule, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        choose_theta([point(0.9, 0.5, 0.1, 1)], point(math.nan, 0.5, 0.1, 1), rule)


def test_there_must_be_a_threshold_to_choose():
    with pytest.raises(ConfigError, match="there is no threshold to choose from: give one or more"):
        choose_theta([], point(math.nan, 0.5, 0.1, 1))


@pytest.mark.parametrize("theta", [0.0, -0.1, 1.0001, math.nan, math.inf])
def test_thresholds_outside_are_refused(theta):
    with pytest.raises(ConfigError, match="a threshold is .*, expected more than 0 and at most 1: give 0.9"):
        policy(drawn(0)[0], (0.9, theta))


def test_what_does_not_fit_is_refused():
    prob, y, g = drawn(0)
    with pytest.raises(DataError, match="costs has 2 numbers, but prob has 4 exits"):
        curve(prob, y, g, **sizes(costs=(1, 2)), thetas=THETAS)
    with pytest.raises(DataError, match="prob has 4 classes, but num_classes is 5"):
        each_exit(prob, y, g, **sizes(classes=5))
    with pytest.raises(DataError, match="prob has 4 x 0 x 4 values .*: none may be 0"):
        policy(prob[:, :0], THETAS)
    prob[1, 2, 3] = math.nan
    with pytest.raises(DataError, match="1 of the 800 probabilities are not finite"):
        finer(prob)
    with pytest.raises(DataError, match=r"y_true\[0\] is 9"):
        curve(drawn(0)[0], np.full_like(y, 9), g, **sizes(), thetas=THETAS)
