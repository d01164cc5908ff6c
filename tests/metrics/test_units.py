import numpy as np
import pytest

from fairshrink.metrics.counts import count, margins
from fairshrink.metrics.units import units_of_clusters, units_of_rows


def sample(size=400, seed=0):
    rng = np.random.default_rng(seed)
    y, p, g = rng.integers(0, 4, size), rng.integers(0, 4, size), rng.integers(-1, 3, size)
    return y, p, g, count(y, p, g, num_groups=3, num_classes=4)


def assert_same_margins(found, counts):
    for ours, theirs in zip(found, margins(counts.counts), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_units_of_rows_have_the_margins_of_the_counts():
    *_, counts = sample()
    units = units_of_rows(counts)
    assert_same_margins(units.margins(units.counts), counts)
    assert units.counts.sum() == counts.counts.sum()


@pytest.mark.parametrize("rows_each", [1, 3])
def test_units_of_clusters_have_the_margins_of_the_counts(rows_each):
    y, p, g, counts = sample()
    clusters = np.random.default_rng(1).permutation(y.size) // rows_each
    units = units_of_clusters(y, p, g, clusters, counts)
    assert_same_margins(units.margins(units.counts), counts)
    pieces = {(cluster, group, true) for cluster, group, true in zip(clusters, g, y, strict=True) if group >= 0}
    assert units.counts.sum() == len(pieces)


def test_clusters_of_one_row_are_rows():
    y, p, g, counts = sample()
    rows, clusters = units_of_rows(counts), units_of_clusters(y, p, g, np.arange(y.size), counts)
    np.testing.assert_array_equal(rows.strata, clusters.strata)
    assert sorted(map(tuple, rows.parts)) == sorted(map(tuple, clusters.parts))


def test_a_cluster_of_several_classes_is_cut_into_one_unit_for_each():
    y, p, g = np.array([2, 1, 2, 0]), np.array([0, 0, 0, 0]), np.zeros(4, dtype=np.int64)
    counts = count(y, p, g, num_groups=1, num_classes=3)
    units = units_of_clusters(y, p, g, np.array([7, 7, 7, 5]), counts)
    np.testing.assert_array_equal(units.strata, [0, 1, 2, 3])
    np.testing.assert_array_equal(units.parts.reshape(3, 3, 3)[:, 1], [[1, 0, 0], [0, 1, 0], [0, 0, 2]])


def test_kinds_of_clusters_are_those_of_a_dictionary():
    """Clusters of one to nine rows, some alike, some of several classes, some in several groups."""
    rng = np.random.default_rng(4)
    y, p, g = (rng.integers(low, 2, 600) for low in (0, 0, -1))
    clusters = np.where(rng.random(600) < 0.8, rng.integers(-300, 0, 600), rng.integers(0, 8, 600))
    counts = count(y, p, g, num_groups=2, num_classes=3)
    members = {}
    for cluster, group, true, pred in zip(clusters.tolist(), g.tolist(), y.tolist(), p.tolist(), strict=True):
        if group >= 0:
            members.setdefault((cluster, group, true), []).append((true, pred))
    slow = {}
    for (_, group, _), cells in members.items():
        support = tuple(sum(true == k for true, _ in cells) for k in range(3))
        hits = tuple(sum(true == pred == k for true, pred in cells) for k in range(3))
        predicted = tuple(sum(pred == k for _, pred in cells) for k in range(3))
        key = (support.index(max(support)), tuple(sorted(cells)), hits + support + predicted)
        slow.setdefault(key, [0, 0])[group] += 1
    units = units_of_clusters(y, p, g, clusters, counts)
    stratum = np.repeat(np.arange(units.strata.size - 1), np.diff(units.strata))
    found = sorted(zip(stratum.tolist(), map(tuple, units.parts), units.counts.T.tolist(), strict=True))
    assert found == sorted((key[0], key[2], number) for key, number in slow.items())
    assert max(map(len, members.values())) > 5


def test_nobody_of_a_known_group_has_no_units():
    nobody = np.full(3, -1)
    counts = count(np.zeros(3, dtype=int), np.zeros(3, dtype=int), nobody, num_groups=2, num_classes=2)
    units = units_of_clusters(np.zeros(3, dtype=int), np.zeros(3, dtype=int), nobody, np.arange(3), counts)
    assert units.counts.shape == (2, 0)
    assert_same_margins(units.margins(units.counts), counts)
