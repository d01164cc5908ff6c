import numpy as np
import pytest

from fairshrink.metrics.counts import count, margins
from fairshrink.metrics.pairs import PairedRows, of_model, pair


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    true, groups = rng.integers(0, 4, 300), rng.integers(-1, 3, 300)
    pred = np.where(rng.random((2, 300)) < 0.6, true, rng.integers(0, 4, (2, 300)))
    return PairedRows(true, pred, groups, rng.integers(0, 120, 300))


@pytest.mark.parametrize("clustered", [False, True])
def test_all_units_together_have_each_models_margins(rows, clustered):
    rows = rows if clustered else rows._replace(clusters=None)
    pairs = pair(rows, num_groups=3, num_classes=4)
    together = pairs.margins(pairs.units.counts)
    for model in (0, 1):
        counts = count(rows.true, rows.pred[model], rows.groups, num_groups=3, num_classes=4).counts
        for ours, theirs in zip(of_model(together, model), margins(counts), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_rows_are_kinds_of_class_and_both_predictions(rows):
    units = pair(rows._replace(clusters=None), num_groups=3, num_classes=4).units
    known = rows.groups >= 0
    kinds = set(zip(rows.true[known], *rows.pred[:, known], strict=True))
    assert units.counts.shape == (3, len(kinds))
    assert units.counts.sum() == known.sum()
    assert units.strata.tolist() == [0, *np.cumsum([sum(kind[0] == k for kind in kinds) for k in range(4)])]


def test_every_row_in_a_cluster_of_its_own_is_the_same(rows):
    alone = pair(rows._replace(clusters=np.arange(300)), num_groups=3, num_classes=4).units
    none = pair(rows._replace(clusters=None), num_groups=3, num_classes=4).units
    np.testing.assert_array_equal(alone.counts, none.counts)
    np.testing.assert_array_equal(alone.parts, none.parts)


def test_a_cluster_is_cut_by_group_and_class():
    rows = PairedRows(
        np.array([0, 1, 1, 0]), np.array([[0, 1, 0, 0], [1, 1, 1, 0]]), np.array([0, 0, 0, 1]), np.zeros(4, int)
    )
    units = pair(rows, num_groups=2, num_classes=2).units
    assert units.counts.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert units.strata.tolist() == [0, 2, 3]
    assert units.parts[2].tolist() == [0, 1, 0, 2, 1, 1, 0, 2, 0, 2, 0, 2]
