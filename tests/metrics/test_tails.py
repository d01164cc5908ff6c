import numpy as np
import pytest

from fairshrink.metrics.tails import interval, mean_over_draws
from oracles import paired as oracle


@pytest.mark.parametrize("draws", [39, 100, 999])
def test_ends_and_p_equal_the_oracles(draws):
    rng = np.random.default_rng(draws)
    errors, value = rng.normal(size=(draws, 6)), rng.normal(size=6)
    found = interval(value, [errors])
    for at in range(6):
        low, high, p = oracle.ends(round(float(value[at]), 12), errors[:, at].round(12).tolist())
        assert (found.low[at], found.high[at]) == (low, high)
        if p > 2 / (draws + 1):  # beyond the last draw it is the normal tail's
            assert found.p[at] == pytest.approx(p)


def test_p_is_at_most_5_percent_exactly_where_the_interval_excludes_0():
    rng = np.random.default_rng(0)
    errors = [rng.normal(size=(199, 400)), rng.normal(0.3, 1.2, size=(199, 400))]
    found = interval(rng.normal(0, 2, size=400), errors)
    excludes = (found.low > 0) | (found.high < 0)
    assert 50 < excludes.sum() < 350
    np.testing.assert_array_equal(excludes, found.p <= 0.05)


def test_whatever_reaches_further_counts():
    rng = np.random.default_rng(1)
    value, narrow, shifted = np.array([0.5]), rng.normal(0, 0.1, (99, 1)), rng.normal(0.3, 0.1, (99, 1))
    both, first, second = (interval(value, errors) for errors in ([narrow, shifted], [narrow], [shifted]))
    assert both.low == second.low < first.low
    assert both.high == first.high > second.high
    assert both.p == max(first.p, second.p)


def test_draws_that_say_nothing_are_left_out():
    errors = np.random.default_rng(2).normal(size=(60, 2))
    holes = errors.copy()
    holes[:20, 1] = np.nan
    found, fewer = interval(np.array([0.1, 0.1]), [holes]), interval(np.array([0.1, 0.1]), [errors[20:]])
    assert found.low[1] == fewer.low[1]
    assert found.p[1] == pytest.approx(fewer.p[1])
    assert mean_over_draws(holes)[1] == pytest.approx(errors[20:, 1].mean())
    nothing = interval(np.array([np.nan, 0.1]), [np.full((60, 2), np.nan)])
    assert np.isnan([*nothing.low, *nothing.high, *nothing.p]).all()


def test_no_error_at_all_is_no_change_and_p_1():
    found = interval(np.zeros(1), [np.zeros((50, 1))])
    assert (found.low[0], found.high[0], found.p[0]) == (0.0, 0.0, 1.0)


def test_the_tail_beyond_the_last_draw_is_normal():
    errors = np.random.default_rng(3).normal(size=(999, 1))
    far = [float(interval(np.array([value]), [errors]).p[0]) for value in (4.0, 4.5, 100.0)]
    assert far[0] == pytest.approx(2 * 3.17e-5, rel=0.5)
    assert far[0] > far[1] > far[2] == pytest.approx(2e-6)
    # Without any spread there is no tail to speak of.
    assert interval(np.array([1.0]), [np.zeros((999, 1))]).p[0] == pytest.approx(0.002)


def test_fewer_than_39_draws_say_nothing():
    errors = np.random.default_rng(5).normal(0, 0.01, size=(39, 1))
    few, enough = interval(np.array([0.9]), [errors[:38]]), interval(np.array([0.9]), [errors])
    assert (few.low[0], few.high[0], few.p[0]) == (-1, 1, 1)
    assert enough.low[0] > 0.8


def test_no_p_is_below_the_least_and_the_interval_agrees():
    errors = np.random.default_rng(6).normal(0, 0.01, size=(999, 3))
    found = interval(np.array([0.5, -0.5, 0.5]), [errors], np.array([0.25, 0.25, 0.04]))
    np.testing.assert_allclose(found.p, [0.25, 0.25, 0.04])
    assert found.low[0] == 0 < found.high[0]
    assert found.high[1] == 0 > found.low[1]
    assert found.low[2] > 0.4
