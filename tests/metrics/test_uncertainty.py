import re

import numpy as np
import pytest

from fairshrink.errors import ConfigError
from fairshrink.metrics import uncertainty as module
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.metrics.gaps import gaps
from fairshrink.metrics.uncertainty import check_whole, uncertainty
from fairshrink.metrics.units import units_of_clusters, units_of_rows
from oracles.floor import permuted_within

SIZES = np.array([[610, 101, 100, 47, 30, 13, 10], [724, 120, 119, 56, 35, 15, 13]])  # HAM10000, 20 %, by sex
RIGHT = np.array([0.93, 0.40, 0.55, 0.60, 0.40, 0.70, 0.40])
EOPP1 = 1


def simulate(rng, gap=0.0):
    """Counts of a model whose true EOpp1 is `gap`, alternately in favour of one group and the other."""
    sign = np.where(np.arange(7) % 2, 0.5, -0.5)
    right = np.clip(RIGHT, gap / 2 + 0.01, 0.99 - gap / 2) + np.array([[1], [-1]]) * sign * gap
    wrong = (1 - right) / 6
    counts = np.zeros((2, 7, 7), dtype=np.int64)
    for g, c in np.ndindex(2, 7):
        chances = np.full(7, wrong[g, c])
        chances[c] = right[g, c]
        counts[g, c] = rng.multinomial(SIZES[g, c], chances)
    return units_of_rows(GroupCounts(counts))


def test_the_floor_is_that_of_rows_shuffled_within_their_class():
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 3, 300), rng.integers(0, 2, 300)
    p = np.where(rng.random(300) < 0.6, y, rng.integers(0, 3, 300))
    slow = [
        float(gaps(count(y, p, permuted_within(y, g, rng), num_groups=2, num_classes=3).counts)["eopp1"].value)
        for _ in range(2000)
    ]
    found = uncertainty(units_of_rows(count(y, p, g, num_groups=2, num_classes=3)), n_boot=2000)
    assert found.null_mean[EOPP1] == pytest.approx(np.mean(slow), rel=0.04)
    assert found.null_high[EOPP1] == pytest.approx(np.quantile(slow, 0.975), rel=0.06)


@pytest.mark.parametrize("gap", [0.0, 0.1, 0.2])
def test_coverage_at_the_cells_of_a_ham10000_test_split(gap):
    """A small run of the table in docs/metrics.md; a plain percentile interval would cover 0 to 70 %."""
    rng = np.random.default_rng(1)
    found = [uncertainty(simulate(rng, gap), n_boot=200, seed=run) for run in range(120)]
    covered = np.mean([f.low[EOPP1] - 1e-12 <= gap <= f.high[EOPP1] for f in found])
    assert covered >= 0.87
    if gap == 0.0:
        assert np.mean([f.value[EOPP1] > f.null_high[EOPP1] for f in found]) <= 0.08


def test_every_statistic_is_ordered_and_in_range():
    found = uncertainty(simulate(np.random.default_rng(2), 0.15), n_boot=300)
    assert (found.low <= found.high).all()
    assert ((found.low >= 0) & (found.high <= 1)).all()
    assert (found.null_mean <= found.null_high).all()
    assert (found.low[found.value <= found.null_high] == 0).all()


def test_the_seed_fixes_the_draws_and_memory_does_not_matter(monkeypatch):
    units = simulate(np.random.default_rng(3))
    first, again, other = (uncertainty(units, n_boot=50, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.null_high, again.null_high)
    assert (first.null_high != other.null_high).any()
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 7 * units.counts.size)
    pieces = uncertainty(units, n_boot=50, seed=4)
    assert pieces.null_mean[EOPP1] == pytest.approx(first.null_mean[EOPP1], rel=0.5)


def test_rows_that_repeat_their_cluster_widen_everything():
    rng = np.random.default_rng(5)
    y, g = rng.integers(0, 3, 150), rng.integers(0, 2, 150)
    p = np.where(rng.random(150) < 0.6, y, (y + 1) % 3)
    y, p, g = (np.repeat(column, 4) for column in (y, p, g))
    counts = count(y, p, g, num_groups=2, num_classes=3)
    rows = uncertainty(units_of_rows(counts))
    clusters = uncertainty(units_of_clusters(y, p, g, np.repeat(np.arange(150), 4), counts))
    np.testing.assert_allclose(rows.value, clusters.value)
    # Four times the same row is one observation: half the precision.
    assert clusters.null_mean[EOPP1] == pytest.approx(2 * rows.null_mean[EOPP1], rel=0.1)


def test_what_cannot_be_compared_stays_nan():
    counts = np.array([[[8, 2, 0], [1, 9, 0], [0, 0, 4]], [[6, 4, 0], [5, 5, 0], [0, 0, 0]]])
    found = uncertainty(units_of_rows(GroupCounts(counts)), n_boot=20)
    for ends in (found.value, found.low, found.high, found.null_mean, found.null_high):
        np.testing.assert_array_equal(np.isnan(ends), [False] * 6 + [True])


def test_a_statistic_that_vanishes_in_some_draws_uses_the_others():
    """Group 1 has class 1 only inside a mixed cluster, which a resample may not draw."""
    y, p = np.array([0, 1, 0, 0, 1, 0, 0, 0, 0, 0]), np.array([0, 1, 0, 1, 0, 0, 0, 1, 0, 1])
    g, clusters = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1]), np.array([0, 1, 2, 3, 4, 4, 4, 5, 6, 7])
    counts = count(y, p, g, num_groups=2, num_classes=2)
    found = uncertainty(units_of_clusters(y, p, g, clusters, counts), n_boot=200)
    for ends in (found.low, found.high, found.null_mean, found.null_high):
        assert np.isfinite(ends).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_boot": 0}, "n_boot is 0, expected a whole number of 1 or more"),
        ({"seed": -1}, "seed is -1, expected a whole number of 0 or more"),
        ({"convention": "strickt"}, "Did you mean 'strict'"),
    ],
)
def test_settings_that_cannot_be_used(settings, text):
    with pytest.raises(ConfigError, match=text):
        uncertainty(units_of_rows(GroupCounts(np.ones((2, 2, 2), dtype=np.int64))), **settings)


@pytest.mark.parametrize("value", ["10", 10.5, 10.0, None, True, np.float64(10), -1, 0])
def test_a_setting_that_is_no_whole_number(value):
    with pytest.raises(
        ConfigError, match=rf"^n_boot is {re.escape(repr(value))}, expected a whole number of 1 or more"
    ):
        check_whole("n_boot", value, 1)


def test_whole_numbers_of_any_kind_become_plain():
    assert type(check_whole("seed", np.int64(3), 0)) is int
