import re

import numpy as np
import pytest

from fairshrink.errors import ConfigError
from fairshrink.metrics import uncertainty as module
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.metrics.draws import draw_permuted
from fairshrink.metrics.gaps import GAPS, gaps, statistics, tpr_gaps
from fairshrink.metrics.uncertainty import check_whole, interval, uncertainty, unseen
from fairshrink.metrics.units import units_of_clusters, units_of_rows
from oracles import interval as oracle
from oracles.floor import family_points, permuted_within, point

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
    shuffled = [count(y, p, permuted_within(y, g, rng), num_groups=2, num_classes=3).counts for _ in range(2000)]
    slow = [float(gaps(counts)["eopp1"].value) for counts in shuffled]
    by_class = [tpr_gaps(counts).value.tolist() for counts in shuffled]
    found = uncertainty(units_of_rows(count(y, p, g, num_groups=2, num_classes=3)), n_boot=2000)
    assert found.null_mean[EOPP1] == pytest.approx(np.mean(slow), rel=0.04)
    assert found.null_high[EOPP1] == pytest.approx(point(slow), rel=0.06)
    np.testing.assert_allclose(found.null_high[4:], family_points(by_class, found.value[4:].tolist()), rtol=0.08)
    alone = [point([draw[k] for draw in by_class]) for k in range(3)]
    np.testing.assert_allclose(found.null_alone[4:], alone, rtol=0.08)


def test_floors_of_single_classes_are_corrected_and_those_of_means_are_not():
    found = uncertainty(simulate(np.random.default_rng(2)), n_boot=400)
    np.testing.assert_array_equal(found.null_high[:4], found.null_alone[:4])
    assert (found.null_high[4:] > found.null_alone[4:]).all()


def test_a_class_above_its_own_floor_only_has_an_interval_from_0():
    rng = np.random.default_rng(7)
    found = [uncertainty(simulate(rng, 0.2), n_boot=79, seed=run) for run in range(10)]
    between = [(f.value > f.null_alone) & (f.value <= f.null_high) for f in found]
    assert np.sum(between) > 5
    assert all((f.low[some] == 0).all() for f, some in zip(found, between, strict=True))


def test_errors_are_those_around_the_observed_and_around_the_shrunken_table(monkeypatch):
    """Differences that noise explains are shrunk away: around a table without gap no error is negative."""
    counts = np.array([[[5, 5, 0], [0, 6, 4], [1, 0, 9]], [[6, 4, 0], [0, 5, 5], [2, 0, 8]]])
    seen = []

    def recorded(measured, as_is, shrunken):
        seen.append((measured, as_is, shrunken))
        return interval(measured, as_is, shrunken)

    monkeypatch.setattr(module, "interval", recorded)
    found = uncertainty(units_of_rows(GroupCounts(counts)), n_boot=200)
    ((value, square), (as_is, square_bias), shrunken), *_ = seen
    np.testing.assert_array_equal(value, found.value)
    assert square[EOPP1] == pytest.approx(3 * 0.1**2 / 3)
    assert (shrunken[:, EOPP1] >= 0).all()
    assert (as_is[:, EOPP1] < 0).any()
    # Nine rows are drawn of ten.
    variances = [p * (1 - p) / 9 for p in (0.5, 0.6, 0.6, 0.5, 0.9, 0.8)]
    assert square_bias[EOPP1] == pytest.approx(sum(variances) / 3, rel=0.15)


def test_too_few_draws_show_nothing():
    units = simulate(np.random.default_rng(2), 0.5)
    few, enough = (uncertainty(units, n_boot=n) for n in (38, 39))
    np.testing.assert_array_equal(few.null_high, 1.0)
    np.testing.assert_array_equal(few.null_alone, 1.0)
    np.testing.assert_array_equal(few.low, 0.0)
    assert enough.value[EOPP1] > enough.null_high[EOPP1]
    assert enough.low[EOPP1] > 0


def test_one_of_forty_models_without_gap_has_a_class_above_its_floor():
    rng = np.random.default_rng(6)
    found = [uncertainty(simulate(rng), n_boot=79, seed=run) for run in range(150)]
    assert np.mean([(f.value > f.null_high)[4:].any() for f in found]) <= 0.06
    assert np.mean([(f.value > f.null_alone)[4:].any() for f in found]) > 0.08


def some_errors(seed, bias, spread):
    """Errors of 200 draws of six statistics, some undefined."""
    rng = np.random.default_rng(seed)
    errors = bias + spread * (rng.gamma(2.0, size=(200, 6)) - 2)
    errors[rng.random(200) < 0.1, 5] = np.nan
    return errors


# Which of its three the upper end reaches: the shrunken table's, the observed table's, the root of the mean square.
@pytest.mark.parametrize(
    ("bias", "spread", "shrunken", "square", "ends"),
    [
        (0.08, 0.01, (0.02, 0.03), 0.01, "shrunken"),
        (0.02, 0.04, (0.09, 0.02), 0.01, "observed"),
        (0.08, 0.04, (0.09, 0.01), 0.07, "root"),
        (0.08, 0.04, (0.09, 0.01), 9.0, "value"),
    ],
)
def test_the_ends_of_the_interval_are_those_of_plain_python(bias, spread, shrunken, square, ends):
    value, squares = np.linspace(0.28, 0.33, 6), np.full(6, square)
    errors, square_errors, shrunken_errors = (
        some_errors(0, bias, spread),
        some_errors(1, 0.004, 0.01),
        some_errors(2, *shrunken),
    )
    low, high = interval((value, squares), (errors, np.nanmean(square_errors, axis=0)), shrunken_errors)
    columns = zip(value, squares, errors.T, square_errors.T, shrunken_errors.T, strict=True)
    np.testing.assert_allclose(np.stack([low, high], axis=1), [oracle.interval(*column) for column in columns])
    reach = oracle.widened(errors[:, 0], 0.975) - errors[:, 0].mean()
    reached = {
        "shrunken": value[0] - oracle.widened(shrunken_errors[:, 0], 0.025),
        "observed": value[0] - errors[:, 0].mean() + reach,
        "root": np.sqrt(square - square_errors[:, 0].mean()) + reach,
        "value": value[0] + reach,
    }
    assert high[0] == pytest.approx(reached[ends])


def test_ends_stay_between_0_and_1():
    errors = np.linspace(-2, 2, 50)[:, None]
    low, high = interval((np.array([0.5]), np.array([0.25])), (errors, np.zeros(1)), errors)
    assert (low, high) == (0.0, 1.0)


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


def test_the_seed_fixes_the_draws():
    units = simulate(np.random.default_rng(3))
    first, again, other = (uncertainty(units, n_boot=50, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.null_mean, again.null_mean)
    np.testing.assert_array_equal(first.high, again.high)
    assert (first.null_mean != other.null_mean).any()


def test_a_bounded_number_of_draws_is_in_memory_at_a_time(monkeypatch):
    units = simulate(np.random.default_rng(3))
    sizes, tables = [], []

    def recorded(of, rng, size):
        drawn = draw_permuted(of, rng, size)
        sizes.append(size)
        tables.extend(drawn)
        return drawn

    monkeypatch.setattr(module, "draw_permuted", recorded)
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 7 * units.counts.size)
    pieces = uncertainty(units, n_boot=50, seed=4)
    assert sizes == [7] * 7 + [1]
    # All pieces count, and none is another one again.
    assert len({table.tobytes() for table in tables}) == 50
    slow = [float(statistics(units.margins(table), "strict")[EOPP1]) for table in tables]
    assert pieces.null_mean[EOPP1] == pytest.approx(np.mean(slow))
    assert pieces.null_high[EOPP1] == point(slow)
    monkeypatch.undo()
    whole = uncertainty(units, n_boot=50, seed=4)
    np.testing.assert_array_equal(pieces.value, whole.value)
    np.testing.assert_allclose(pieces.null_mean, whole.null_mean, rtol=0.25)


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
    for ends in (found.value, found.low, found.high, found.null_mean, found.null_high, found.null_alone):
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


def test_cells_without_a_miss_say_what_they_cannot_exclude():
    """Class 0 is all right in 6 and 11 images, class 1 all wrong in 20 and 20, class 2 mixed, class 3 in one group only."""
    y = np.repeat([0, 1, 2, 3], [17, 40, 80, 5])
    g = np.concatenate([np.repeat([0, 1], [6, 11]), np.repeat([0, 1], 20), np.arange(80) % 2, np.zeros(5, int)])
    p = np.where(y == 1, 2, y)
    p[57:137:3] = 0
    counts = count(y, p, g, num_groups=2, num_classes=4)
    units = units_of_rows(counts)
    np.testing.assert_array_equal(units.units_by_class(), [6, 20, 40, 0])
    np.testing.assert_allclose(unseen(units), [binom_upper(6), binom_upper(20), 0, 0])
    found = uncertainty(units, n_boot=100)
    np.testing.assert_allclose(found.high[len(GAPS) :][:2], [binom_upper(6), binom_upper(20)])
    assert found.low[len(GAPS)] == found.value[len(GAPS)] == 0


def test_a_model_that_is_always_right_may_still_have_a_gap():
    y, g = np.repeat([0, 1], 40), np.arange(80) % 2
    found = uncertainty(units_of_rows(count(y, y, g, num_groups=2, num_classes=2)), n_boot=100)
    assert found.high[GAPS.index("eopp1")] == pytest.approx(binom_upper(20))


def binom_upper(n):
    """The rate at which n images show no miss in 2.5 % of cases, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        low, high = ((low + high) / 2, high) if (1 - (low + high) / 2) ** n > 0.025 else (low, (low + high) / 2)
    return low
