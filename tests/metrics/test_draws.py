import numpy as np
import pytest

from fairshrink.metrics import draws as module
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.metrics.draws import draw_permuted, draw_within, kind_rates, resampled_sizes, shrunken_rates
from fairshrink.metrics.units import units_of_rows
from oracles.floor import permuted_within, resampled_rows
from oracles.interval import shrunken_hit_rates

SIZES = np.array([[30, 12, 5], [14, 20, 2], [6, 1, 0]])
DRAWS = 4000


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    g, y = (axis.ravel() for axis in np.indices(SIZES.shape))
    y, g = np.repeat(y, SIZES.ravel()), np.repeat(g, SIZES.ravel())
    p = np.where(rng.random(y.size) < 0.6, y, rng.integers(0, 3, y.size))
    return y, p, g


@pytest.fixture(scope="module")
def units(rows):
    return units_of_rows(count(*rows, num_groups=3, num_classes=3))


@pytest.fixture(scope="module")
def shuffled(rows):
    y, p, g = rows
    rng = np.random.default_rng(1)
    tables = [count(y, p, permuted_within(y, g, rng), num_groups=3, num_classes=3) for _ in range(DRAWS)]
    return np.stack([units_of_rows(table).counts for table in tables])


def sums(units, table):
    return np.add.reduceat(table, units.strata[:-1], axis=-1)


@pytest.fixture(params=[0, 10, 10**9], ids=["kind by kind", "as is", "unit by unit"])
def _either_way(request, monkeypatch):
    monkeypatch.setattr(module, "_UNITS_PER_KIND", request.param)


@pytest.mark.usefixtures("_either_way")
def test_permuted_tables_keep_both_margins_of_every_class(units):
    drawn = draw_permuted(units, np.random.default_rng(0), 50)
    assert (drawn >= 0).all()
    np.testing.assert_array_equal(drawn.sum(1), np.tile(units.counts.sum(0), (50, 1)))
    np.testing.assert_array_equal(sums(units, drawn), np.tile(SIZES, (50, 1, 1)))


@pytest.mark.usefixtures("_either_way")
def test_permuted_tables_are_distributed_as_shuffled_rows(shuffled, units):
    slow = shuffled
    fast = draw_permuted(units, np.random.default_rng(2), DRAWS)
    np.testing.assert_allclose(fast.mean(0), slow.mean(0), atol=0.2)
    np.testing.assert_allclose(fast.std(0), slow.std(0), atol=0.12)


def test_resampled_tables_are_distributed_as_drawn_rows(rows, units):
    y, p, g = rows
    rng = np.random.default_rng(1)
    kinds = {kind: at for at, kind in enumerate(zip(*np.nonzero(kinds_of(units)), strict=True))}
    slow = np.zeros((DRAWS, *units.counts.shape))
    for draw in slow:
        for row in resampled_rows(g * 3 + y, rng):
            draw[g[row], kinds[y[row], p[row]]] += 1
    fast = draw_within(units, kind_rates(units), np.random.default_rng(2), DRAWS)
    np.testing.assert_allclose(fast.mean(0), slow.mean(0), atol=0.2)
    np.testing.assert_allclose(fast.std(0), slow.std(0), atol=0.12)


def kinds_of(units):
    """Which (true, predicted) pairs occur, in the order of the kinds."""
    table = np.zeros((3, 3), dtype=int)
    for kind in units.parts.reshape(-1, 3, 3):
        table[kind[1].argmax(), kind[2].argmax()] = 1
    return table


def test_a_resample_has_one_unit_fewer_in_every_cell_but_never_none(units):
    drawn = draw_within(units, kind_rates(units), np.random.default_rng(0), 20)
    expected = np.where(SIZES > 1, SIZES - 1, SIZES)
    np.testing.assert_array_equal(sums(units, drawn), np.tile(expected, (20, 1, 1)))
    np.testing.assert_array_equal(resampled_sizes(units)[:, units.strata[:-1]], expected)


def test_rates_are_the_parts_of_each_class(units):
    np.testing.assert_allclose(sums(units, kind_rates(units)), (SIZES > 0).astype(float))


def test_shrunken_rates_are_rates_and_keep_what_is_certain():
    # Class 0: the same in both groups; class 1: a difference far beyond noise.
    counts = GroupCounts(np.array([[[500, 500], [1000, 9000]], [[250, 250], [9000, 1000]]]))
    units = units_of_rows(counts)
    rates = shrunken_rates(units)
    np.testing.assert_allclose(sums(units, rates), 1.0)
    np.testing.assert_allclose(rates[:, 0], 0.5)
    np.testing.assert_allclose(rates[:, 2], [0.1, 0.9], atol=1e-3)


def test_a_difference_like_noise_is_shrunk_away():
    units = units_of_rows(GroupCounts(np.array([[[5, 5], [0, 10]], [[6, 4], [0, 10]]])))
    rates = shrunken_rates(units)
    np.testing.assert_allclose(rates[0], rates[1])


@pytest.mark.parametrize("seed", range(5))
def test_shrunken_rates_are_those_of_loops(seed):
    """Hits and misses are the two kinds of every class, so that a rate of kinds is a rate of hits."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 40, (3, 4))
    hits = rng.binomial(sizes, rng.uniform(0.2, 0.8, (3, 4)))
    counts = np.zeros((3, 4, 4), dtype=np.int64)
    for g, c in np.ndindex(3, 4):
        counts[g, c, c], counts[g, c, (c + 1) % 4] = hits[g, c], sizes[g, c] - hits[g, c]
    units = units_of_rows(GroupCounts(counts))
    parts = units.parts.reshape(-1, 3, 4)
    found = (shrunken_rates(units)[:, :, None] * parts[:, 0]).sum(1)
    for c in range(4):
        rows = [(g, at < hits[g, c]) for g in range(3) for at in range(sizes[g, c])]
        for g, rate in shrunken_hit_rates(rows).items():
            assert found[g, c] == pytest.approx(rate, abs=1e-12)


def test_kinds_that_a_group_lacks_are_not_drawn_for_it(units):
    rates = kind_rates(units)
    drawn = draw_within(units, rates, np.random.default_rng(0), 200)
    assert (drawn.sum(0)[rates == 0] == 0).all()
    assert (drawn.sum(0)[rates > 0.1] > 0).all()
