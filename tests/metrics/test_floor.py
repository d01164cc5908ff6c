import numpy as np
import pytest

from fairshrink.metrics.floor import family_point, null_point
from oracles.floor import family_points, point


def some_draws(num_draws, seed=0):
    """Discrete and of many shapes, as gaps are: a coarse one, a rare one, a fine one, a constant one, an absent one."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, 4, num_draws) / 4, 0.5 * (rng.random(num_draws) < 0.05), rng.beta(2, 9, num_draws)]
    draws = np.stack([*columns, np.full(num_draws, 0.7), np.full(num_draws, np.nan)], axis=1)
    draws[rng.random(num_draws) < 0.1, 0] = np.nan
    return draws


@pytest.mark.parametrize("num_draws", [1, 38, 39, 40, 78, 79, 119, 999, 1000])
def test_the_point_is_an_order_statistic(num_draws):
    draws = some_draws(num_draws)
    np.testing.assert_array_equal(null_point(draws), [point(column) for column in draws.T])


def test_the_rank_by_hand():
    draws = np.arange(1, 80)[::-1, None] / 100
    assert null_point(draws) == 0.78  # of 79, the 78th
    assert null_point(draws[:39]) == 0.79  # of 39, the largest
    assert null_point(draws[:38]) == 1.0  # nothing exceeds it
    assert null_point(draws[:38], most=np.inf) == np.inf


@pytest.mark.parametrize("num_draws", [10, 39, 60, 100, 199])
def test_no_more_than_one_false_alarm_in_forty(num_draws):
    """Each of n + 1 different numbers is the value once, the others the draws: exactly the level of the rank."""
    numbers = np.random.default_rng(1).random(num_draws + 1)
    alarms = [numbers[at] > null_point(np.delete(numbers, at)[:, None])[0] for at in range(num_draws + 1)]
    assert np.mean(alarms) <= 0.025
    assert sum(alarms) == (num_draws + 1) // 40


@pytest.mark.parametrize("num_draws", [20, 39, 200])
def test_floors_of_a_family_are_those_of_loops(num_draws):
    draws = some_draws(num_draws)
    for value in ([0.5, 0.0, 0.2, 0.7, np.nan], [np.nan, 0.5, 0.9, 0.7, np.nan], [1.0, np.nan, 0.0, 0.7, np.nan]):
        found = family_point(draws, np.array(value))
        np.testing.assert_allclose(found, family_points(draws.tolist(), value), atol=1e-11)


def test_a_family_of_one_and_one_of_none_keep_their_own_points():
    draws = some_draws(100)
    for value in ([np.nan, np.nan, 0.3, 0.7, np.nan], [np.nan, np.nan, np.nan, 0.7, np.nan]):
        np.testing.assert_allclose(family_point(draws, np.array(value)), null_point(draws), atol=1e-11)


def test_a_statistic_that_does_not_vary_is_no_member():
    draws = np.concatenate([np.full((100, 1), 0.5), some_draws(100)[:, 2:3]], axis=1)
    with np.errstate(all="raise"):
        found = family_point(draws, np.array([0.5, 0.3]))
    np.testing.assert_allclose(found, null_point(draws), atol=1e-11)


def test_no_floor_is_below_its_own_point():
    """Draws in which it is undefined are none of its own, but draws of the family."""
    draws = np.random.default_rng(0).random((200, 1))
    draws[45:] = np.nan
    assert family_point(draws, np.array([0.99])) == null_point(draws) == np.sort(draws[:45, 0])[44]


def test_rounding_lifts_no_value_above_a_floor_that_it_ties_with():
    """The largest of the draws is the second statistic's, the one that counts is the first's and equals the value."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pool = 0.3 * rng.beta(2, 5, (80, 2))
        pool[:2, 0], pool[2, 1] = 0.3 + 0.3 * rng.random(), 1.0
        floor = family_point(pool[1:], pool[0])
        assert null_point(pool[1:])[0] < pool[0, 0] <= floor[0] < pool[0, 0] + 1e-9


def pool_of_unlike_shapes(seed):
    """80 draws of five statistics, with many ties."""
    rng = np.random.default_rng(seed)
    coarse, rare = rng.integers(0, 9, (80, 2)) / np.array([7.0, 11.0]), 0.3 * (rng.random((80, 1)) < 0.1)
    return np.concatenate([coarse / 2, rare, rng.beta(1, 9, (80, 2))], axis=1)


@pytest.mark.parametrize("seed", range(8))
def test_any_of_a_family_is_above_its_floor_in_one_of_forty_cases(seed):
    """Each draw is the value once; rounding must not lift one above a floor that it ties with."""
    pool = pool_of_unlike_shapes(seed)
    alarms = [(pool[at] > family_point(np.delete(pool, at, axis=0), pool[at])).any() for at in range(80)]
    assert sum(alarms) <= 80 // 40


def test_points_of_single_statistics_give_more_false_alarms_than_that():
    pools = [pool_of_unlike_shapes(seed) for seed in range(8)]
    alarms = [(pool[at] > null_point(np.delete(pool, at, axis=0))).any() for pool in pools for at in range(80)]
    assert np.mean(alarms) > 1.5 * 0.025
    found = [
        (pool[at] > family_point(np.delete(pool, at, axis=0), pool[at])).any() for pool in pools for at in range(80)
    ]
    assert np.mean(found) >= 0.01  # not by never being above it
