import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support

from fairshrink.metrics import rates
from fairshrink.metrics.counts import count
from oracles import gaps as oracle

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40)


def table(rows):
    y, p, g = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return count(y, p, g, num_groups=3, num_classes=4).counts


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_rates_and_scores_equal_loops(rows):
    counts = table(rows)
    for group in range(3):
        slow = [oracle.rates(rows, group, k) for k in range(4)]
        for at, rate in enumerate((rates.tpr, rates.tnr, rates.fpr)):
            np.testing.assert_allclose(rate(counts)[group], [of_class[at] for of_class in slow], rtol=1e-12)
        fast = [score(counts)[group] for score in (rates.accuracy, rates.precision, rates.recall, rates.f1)]
        np.testing.assert_allclose(fast, oracle.scores(rows, group), rtol=1e-12)


def test_scores_equal_scikit_learn_over_the_classes_that_are_there():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    counts = count(y, p, np.zeros_like(y), num_groups=1, num_classes=6).counts
    theirs = precision_recall_fscore_support(y, p, average="macro", zero_division=0)[:3]
    ours = [score(counts)[0] for score in (rates.precision, rates.recall, rates.f1)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_a_class_that_is_only_predicted_is_not_averaged():
    y, p = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 2])
    counts = count(y, p, np.zeros_like(y), num_groups=1, num_classes=3).counts
    theirs = precision_recall_fscore_support(y, p, average="macro", labels=[0, 1], zero_division=0)[:3]
    ours = [score(counts)[0] for score in (rates.precision, rates.recall, rates.f1)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert ours[1] == pytest.approx(balanced_accuracy_score(y, p))


def test_batches_are_one_call():
    counts = np.random.default_rng(1).integers(0, 5, (2, 3, 4, 5, 5))
    for function in (rates.tpr, rates.tnr, rates.fpr, rates.accuracy, rates.precision, rates.recall, rates.f1):
        whole = function(counts)
        np.testing.assert_array_equal(whole[1, 2], function(counts[1, 2]))
    assert rates.worst_group_accuracy(counts).shape == (2, 3)


def test_worst_group_leaves_out_empty_groups():
    counts = np.zeros((3, 2, 2), dtype=np.int64)
    assert np.isnan(rates.worst_group_accuracy(counts))
    counts[0] = [[3, 1], [0, 0]]
    counts[1] = [[1, 1], [0, 2]]
    assert rates.worst_group_accuracy(counts) == 0.75
