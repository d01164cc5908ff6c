import numpy as np
import pytest

from fairshrink.errors import DataError
from fairshrink.metrics.counts import GroupCounts, count, margins

Y = np.array([0, 1, 2, 1, 0, 2])
P = np.array([0, 1, 1, 2, 1, 2])
G = np.array([0, 0, 0, 1, 1, -1])


def test_counts_are_group_true_predicted_and_skip_unknown_groups():
    table = count(Y, P, G, num_groups=2, num_classes=3)
    expected = np.zeros((2, 3, 3), dtype=int)
    for y, p, g in zip(Y[:5], P[:5], G[:5], strict=True):
        expected[g, y, p] += 1
    assert table.counts.dtype == np.int64
    np.testing.assert_array_equal(table.counts, expected)
    assert (table.num_groups, table.num_classes) == (2, 3)


@pytest.mark.parametrize("cut", range(7))
def test_counts_add_up_over_any_cutting(cut):
    parts = [count(Y[s], P[s], G[s], num_groups=2, num_classes=3) for s in (slice(None, cut), slice(cut, None))]
    np.testing.assert_array_equal((parts[0] + parts[1]).counts, count(Y, P, G, num_groups=2, num_classes=3).counts)


def test_margins_are_diagonal_rows_and_columns():
    table = np.arange(18).reshape(2, 3, 3)
    parts = margins(table)
    np.testing.assert_array_equal(parts.hits[1], [9, 13, 17])
    np.testing.assert_array_equal(parts.support[0], [3, 12, 21])
    np.testing.assert_array_equal(parts.predicted[0], [9, 12, 15])


def test_counts_of_other_shapes_do_not_add():
    small, large = (GroupCounts(np.zeros((2, size, size), dtype=np.int64)) for size in (2, 3))
    with pytest.raises(DataError, match="cannot add counts of 2 groups x 2 classes and of 2 groups x 3 classes"):
        small + large


@pytest.mark.parametrize(
    ("name", "at", "value", "text"),
    [
        ("y_true", 0, 3, r"y_true\[2\] is 3, expected integers from 0 to 2; 1 of 6"),
        ("y_pred", 1, -1, r"y_pred\[2\] is -1, expected integers from 0 to 2"),
        ("groups", 2, 2, r"groups\[2\] is 2, expected integers from -1 to 1"),
    ],
)
def test_out_of_range_is_refused(name, at, value, text):
    arrays = [Y.copy(), P.copy(), G.copy()]
    arrays[at][2] = value
    with pytest.raises(DataError, match=text):
        count(*arrays, num_groups=2, num_classes=3)
