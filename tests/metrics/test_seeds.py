import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from fairshrink.metrics.seeds import mean_over_seeds, merged_p


@pytest.mark.parametrize("size", [2, 3, 5, 20])
def test_the_interval_is_students(size):
    values = np.random.default_rng(size).normal(0.05, 0.02, size)
    found = mean_over_seeds(values)
    low, high = DescrStatsW(values).tconfint_mean(alpha=0.05)
    assert found == pytest.approx((values.mean(), low, high, stats.ttest_1samp(values, 0.0).pvalue, size))


def test_of_differences_it_is_the_paired_test():
    rng = np.random.default_rng(3)
    before, after = rng.normal(0.1, 0.03, 6), rng.normal(0.06, 0.03, 6)
    found, known = mean_over_seeds(after - before), stats.ttest_rel(after, before)
    assert found.p == pytest.approx(known.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval()))


def test_one_seed_has_no_interval():
    found = mean_over_seeds(np.array([0.07]))
    assert (found.value, found.n) == (0.07, 1)
    assert np.isnan([found.low, found.high, found.p]).all()


def test_what_is_undefined_is_left_out_and_counted():
    found = mean_over_seeds(np.array([0.1, np.nan, 0.3]))
    assert found.n == 2
    assert found[:4] == pytest.approx(mean_over_seeds(np.array([0.1, 0.3]))[:4])
    assert math.isnan(mean_over_seeds(np.array([np.nan])).value)


def test_seeds_that_agree_say_nothing_of_their_spread():
    same = mean_over_seeds(np.array([0.1, 0.1, 0.1]))
    assert np.isnan([same.low, same.high, same.p]).all()
    assert mean_over_seeds(np.zeros(3)).p == 1.0


def test_differences_that_rounding_makes_have_no_spread():
    found = mean_over_seeds(np.array([0.3 - 0.2, 0.4 - 0.3, 0.7 - 0.6]))
    assert found.value == pytest.approx(0.1)
    assert np.isnan([found.low, found.high, found.p]).all()
    assert mean_over_seeds(np.array([0.1 + 0.2 - 0.3, 0.0])).p == 1.0


def test_t_intervals_hold_the_truth_as_often_as_they_say():
    draws = np.random.default_rng(0).normal(0.04, 0.02, (2000, 4))
    found = [mean_over_seeds(row) for row in draws]
    assert np.mean([one.low <= 0.04 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)


def test_merged_p_is_twice_the_mean():
    assert merged_p(np.array([0.01, 0.03, np.nan])) == pytest.approx(0.04)
    assert merged_p(np.array([0.9, 0.8])) == 1.0
    assert merged_p(np.array([0.3])) == 0.3
    assert math.isnan(merged_p(np.array([np.nan])))


def test_merged_p_keeps_its_level_for_tests_that_share_their_images():
    rng = np.random.default_rng(1)
    shared, own = rng.normal(size=(4000, 1)), rng.normal(size=(4000, 3))
    p = 2 * stats.norm.sf(np.abs(np.sqrt(0.7) * shared + np.sqrt(0.3) * own))
    assert np.mean([merged_p(row) <= 0.05 for row in p]) <= 0.05
