import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fairshrink.metrics.probabilities import BINS, auc, auc_by_class, ece, ece_by_chance, macro, reliability
from oracles import calibration as oracle


@pytest.fixture(scope="module")
def rows():
    """Probabilities with two decimals, so that many are equal; group 2 has nobody of class 0."""
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.ones(4), 300).round(2)
    groups = rng.integers(-1, 3, 300)
    true = np.where(groups == 2, rng.integers(1, 4, 300), rng.integers(0, 4, 300))
    return prob, true, groups


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_auc_equals_scikit_learns_and_counts_ties_half(levels):
    rng = np.random.default_rng(levels)
    scores, positive = rng.integers(0, levels, 80) / levels, rng.random(80) < 0.3
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert auc(scores, positive) == pytest.approx(oracle.auc(scores, positive), abs=1e-12)


def test_auc_of_a_perfect_a_reversed_and_a_blind_score():
    positive = np.array([False, True, True])
    assert [auc(np.array(s), positive) for s in ([0.1, 0.5, 0.9], [0.9, 0.1, 0.2], [0.5, 0.5, 0.5])] == [1.0, 0.0, 0.5]
    assert np.isnan(auc(np.array([0.1, 0.2]), np.array([True, True])))


def test_auc_by_class_equals_scikit_learns_within_each_group(rows):
    prob, true, groups = rows
    found = auc_by_class(prob, true, groups, 3)
    for g in range(3):
        for k in range(4):
            mine = groups == g
            if (true[mine] == k).any():
                assert found[g, k] == pytest.approx(roc_auc_score(true[mine] == k, prob[mine, k]), abs=1e-12)
    assert np.isnan(found[2, 0])
    assert macro(found)[2] == pytest.approx(found[2, 1:].mean())
    assert np.isnan(auc_by_class(prob, true, groups, 4)[3]).all()


def test_curve_and_ece_equal_the_loops(rows):
    prob, true, groups = rows
    confidence, right = prob.max(1), prob.argmax(1) == true
    found = reliability(confidence, right, groups, 4)
    for g in range(3):
        mine = groups == g
        for b, (n, sure, hit) in enumerate(oracle.curve(confidence[mine], right[mine], BINS)):
            assert found.n[g, b] == n
            if n:
                assert (found.confidence[g, b], found.accuracy[g, b]) == pytest.approx((sure, hit), abs=1e-12)
            else:
                assert np.isnan(found.confidence[g, b])
        assert ece(found)[g] == pytest.approx(oracle.ece(confidence[mine], right[mine], BINS), abs=1e-12)
    assert np.isnan(ece(found)[3])


def test_an_edge_belongs_to_the_bin_below_it_and_nought_to_the_first():
    edges = np.linspace(0, 1, BINS + 1)
    found = reliability(edges, np.ones(BINS + 1, dtype=bool), np.zeros(BINS + 1, dtype=np.int64), 1)
    assert found.n[0].tolist() == [2] + [1] * (BINS - 1)


def test_chance_is_what_loops_over_drawn_labels_give():
    rng = np.random.default_rng(1)
    confidence, groups = rng.uniform(0.3, 1, 150), np.repeat([0, 1, -1], [100, 40, 10])
    mean, high = ece_by_chance(confidence, groups, 3)
    for g in range(2):
        slow = oracle.ece_draws(confidence[groups == g], BINS, 400, rng)
        assert mean[g] == pytest.approx(np.mean(slow), rel=0.06)
        assert high[g] == pytest.approx(np.quantile(slow, 0.975), rel=0.12)
    assert np.isnan([mean[2], high[2]]).all()
    assert np.isnan(ece_by_chance(confidence, np.full(150, -1), 2)).all()


def test_chance_is_larger_in_small_groups_and_holds_a_calibrated_model():
    rng = np.random.default_rng(2)
    confidence, groups = rng.uniform(0.3, 1, 2200), np.repeat([0, 1], [200, 2000])
    mean, high = ece_by_chance(confidence, groups, 2)
    assert mean[0] > 2 * mean[1]
    above = np.mean(
        [ece(reliability(confidence, rng.random(2200) < confidence, groups, 2)) > high for _ in range(200)], axis=0
    )
    assert (above <= 0.075).all()


def test_large_tables_are_drawn_in_parts(monkeypatch):
    confidence, groups = np.linspace(0.2, 1, 100), np.zeros(100, dtype=np.int64)
    whole = ece_by_chance(confidence, groups, 1)
    monkeypatch.setattr("fairshrink.metrics.probabilities._CHANCES_AT_ONCE", 700)
    assert ece_by_chance(confidence, groups, 1) == whole
