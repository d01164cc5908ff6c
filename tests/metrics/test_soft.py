import math

import numpy as np
import pytest

from fairshrink.errors import DataError
from fairshrink.metrics.soft import SOFT, Soft, soft_criteria, soft_sums
from oracles.soft import soft_criteria as slow


def drawn(seed: int, count: int = 60, groups: int = 3, classes: int = 4):
    rng = np.random.default_rng(seed)
    prob = rng.dirichlet(np.full(classes, 0.3), count).astype(np.float32)
    return prob, rng.integers(0, classes, count), rng.integers(-1, groups, count)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("groups", [2, 3])
def test_criteria_equal_the_oracle(seed, groups):
    prob, y, g = drawn(seed, count=[9, 20, 60, 200][seed], groups=groups)
    found = soft_criteria(soft_sums(prob, y, g, num_groups=groups))
    assert tuple(found) == SOFT
    assert found == pytest.approx(slow(prob, y, g), rel=1e-12, nan_ok=True)


def test_sums_add_up_over_any_cutting():
    prob, y, g = drawn(7)
    whole = soft_sums(prob, y, g, num_groups=3)
    parts = soft_sums(prob[:13], y[:13], g[:13], num_groups=3) + soft_sums(prob[13:], y[13:], g[13:], num_groups=3)
    assert np.array_equal(whole.support, parts.support)
    np.testing.assert_allclose(whole.true_prob, parts.true_prob, rtol=1e-12)
    np.testing.assert_allclose(whole.log_loss, parts.log_loss, rtol=1e-12)
    assert whole.support.sum() == (g >= 0).sum()


def test_certain_and_right_or_wrong_predictions_give_the_gap_of_counts():
    """Two groups, one class of two: 3 of 4 and 1 of 4 right, with probabilities of 1 and 0."""
    right = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=np.float32)
    found = soft_sums(np.stack([right, 1 - right], 1), np.zeros(8, dtype=np.int64), np.arange(8) // 4, num_groups=2)
    assert soft_criteria(found)["soft_eopp1"] == 0.5
    assert soft_criteria(found)["loss_gap"] == pytest.approx(0.5 * 23 * math.log(2))


def test_an_impossible_true_class_has_a_finite_loss():
    sums = soft_sums(np.array([[0.0, 1.0]], dtype=np.float32), np.array([0]), np.array([0]), num_groups=1)
    assert sums.log_loss[0, 0] == pytest.approx(23 * math.log(2))


def test_relabelling_the_groups_changes_nothing():
    prob, y, g = drawn(3, groups=2)
    other = np.where(g < 0, g, 1 - g)
    assert soft_criteria(soft_sums(prob, y, g, num_groups=2)) == soft_criteria(soft_sums(prob, y, other, num_groups=2))


def test_without_a_second_group_there_is_no_gap():
    prob, y, _ = drawn(1)
    found = soft_criteria(soft_sums(prob, y, np.zeros(60, dtype=np.int64), num_groups=2))
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize(
    ("y", "g", "message"),
    [
        ([0, 2], [0, 1], r"y_true\[1\] is 2, expected integers from 0 to 1; 1 of 2 are outside"),
        ([0, 1], [-2, 2], r"groups\[0\] is -2, expected integers from -1 to 1; 2 of 2 are outside"),
    ],
)
def test_what_is_out_of_range_is_refused(y, g, message):
    with pytest.raises(DataError, match=message):
        soft_sums(np.full((2, 2), 0.5, dtype=np.float32), np.array(y), np.array(g), num_groups=2)


def test_sums_of_other_shapes_do_not_add_up():
    one, two = (Soft(np.zeros(s, dtype=np.int64), np.zeros(s), np.zeros(s)) for s in ((2, 3), (2, 4)))
    with pytest.raises(DataError, match="sums over 2 groups x 3 classes and over 2 groups x 4 classes"):
        one.__add__(two)
