import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.errors import ConfigError
from fairshrink.metrics.counts import count, margins
from fairshrink.metrics.gaps import CONVENTIONS, GAPS, by_class, gaps, moments, statistics, tpr_gaps
from oracles import gaps as oracle

ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60)


def table(rows, num_groups=4, num_classes=3):
    y, p, g = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return count(y, p, g, num_groups=num_groups, num_classes=num_classes).counts


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from(CONVENTIONS))
def test_gaps_equal_loops_over_samples_classes_and_pairs(rows, convention):
    fast = gaps(table(rows), convention)
    for name in GAPS:
        value, undefined = oracle.gap(rows, 4, 3, name, convention)
        np.testing.assert_allclose(fast[name].value, value, rtol=1e-12, atol=1e-15)
        assert fast[name].undefined == undefined


@settings(max_examples=30, deadline=None)
@given(ROWS, st.permutations(range(4)), st.sampled_from(CONVENTIONS))
def test_the_order_of_the_groups_does_not_matter(rows, order, convention):
    counts = table(rows)
    for name, gap in gaps(counts[list(order)], convention).items():
        np.testing.assert_allclose(gap.value, gaps(counts, convention)[name].value, rtol=1e-12, atol=1e-15)


def test_two_groups_by_hand():
    counts = np.array([[[8, 2], [1, 9]], [[6, 4], [5, 5]]])
    found = {name: float(gap.value) for name, gap in gaps(counts).items()}
    # TPR 0.8, 0.9 against 0.6, 0.5; FPR 0.1, 0.2 against 0.5, 0.4.
    assert found == pytest.approx(
        {"eopp0": 0.3, "eopp1": 0.3, "eodd": (abs(0.2 - 0.4) + abs(0.4 - 0.2)) / 4, "eodd_max": (0.4 + 0.4) / 2}
    )


def test_a_class_that_a_group_lacks_is_left_out_or_counts_as_zero():
    counts = np.array([[[8, 2, 0], [1, 9, 0], [0, 0, 4]], [[6, 4, 0], [5, 5, 0], [0, 0, 0]]])
    strict, published = gaps(counts)["eopp1"], gaps(counts, "published")["eopp1"]
    assert (float(strict.value), int(strict.undefined)) == (pytest.approx(0.3), 1)
    assert (float(published.value), int(published.undefined)) == (pytest.approx((0.2 + 0.4 + 1.0) / 3), 1)
    np.testing.assert_array_equal(np.isnan(tpr_gaps(counts).value), [False, False, True])
    np.testing.assert_array_equal(tpr_gaps(counts).undefined, [False, False, True])


def test_of_three_groups_the_two_that_have_a_class_are_compared():
    counts = np.array([[[8, 2], [0, 0]], [[6, 4], [5, 5]], [[6, 4], [9, 1]]])
    gap = gaps(counts)["eopp1"]
    assert (float(gap.value), int(gap.undefined)) == (pytest.approx((0.2 + 0.4) / 2), 1)


def test_nothing_to_compare_is_nan():
    counts = np.zeros((2, 3, 3), dtype=np.int64)
    counts[0] = 1
    found = gaps(counts)
    assert all(np.isnan(gap.value) and gap.undefined == 3 for gap in found.values())


def test_statistics_are_gaps_then_tpr_gaps_over_any_batch():
    counts = np.random.default_rng(0).integers(0, 6, (5, 3, 4, 4))
    for convention in CONVENTIONS:
        found = statistics(margins(counts), convention)
        assert found.shape == (5, 4 + 4)
        for at, name in enumerate(GAPS):
            np.testing.assert_array_equal(found[:, at], gaps(counts, convention)[name].value)
        np.testing.assert_array_equal(found[:, 4:], tpr_gaps(counts, convention).value)


def test_moments_are_the_gaps_and_the_mean_squares_of_single_classes():
    counts = np.random.default_rng(0).integers(0, 6, (5, 3, 4, 4))
    counts[0, 1:, 2] = 0  # a class that one group has
    for convention in CONVENTIONS:
        first, second = np.moveaxis(moments(margins(counts), convention), 1, 0)
        np.testing.assert_array_equal(first, statistics(margins(counts), convention))
        table = by_class(margins(counts), convention)
        for column, name in enumerate(GAPS):
            slow = [[float(gap) ** 2 for gap in row if not np.isnan(gap)] for row in table[name].value]
            np.testing.assert_allclose(second[:, column], [sum(row) / len(row) for row in slow])
        np.testing.assert_array_equal(second[:, len(GAPS) :], table["eopp1"].value ** 2)


def test_an_unknown_convention_names_the_nearest():
    with pytest.raises(ConfigError, match="convention is 'publish'. Did you mean 'published'"):
        gaps(np.ones((2, 2, 2), dtype=np.int64), "publish")


# eopp0, eopp1, eodd as printed: FairPrune Table 1 (vanilla), the multi-exit paper's Table 1 (vanilla, AdvConf, FairPrune,
# ME-FairPrune), the channel-pruning paper's Tables 1 and 2 (SCP-FairPrune).
PRINTED = [
    (0.001331, 0.361, 0.182),
    (0.006, 0.044, 0.022),
    (0.008, 0.070, 0.037),
    (0.007, 0.026, 0.014),
    (0.006, 0.020, 0.010),
    (0.0012, 0.278, 0.139),
    (0.006, 0.015, 0.006),
]


@pytest.mark.parametrize("row", PRINTED, ids=str)
def test_published_rows_fit_the_halved_mean_of_signed_sums(row):
    """abs(dTPR + dFPR) lies between abs(dTPR) - abs(dFPR) and their sum; so must its mean, halved."""
    eopp0, eopp1, eodd = row
    rounding = 0.0011
    assert (eopp1 - eopp0) / 2 - rounding <= eodd <= (eopp1 + eopp0) / 2 + rounding


def test_published_rows_exclude_the_sum_of_absolute_differences():
    """Halved, it would always be the middle of EOpp0 and EOpp1: 0.0105 in the last row, where 0.006 is printed."""
    eopp0, eopp1, eodd = PRINTED[-1]
    assert abs((eopp0 + eopp1) / 2 - eodd) > 0.004
