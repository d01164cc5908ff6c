import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from fairshrink.metrics.holm import holm
from oracles import paired as oracle


@pytest.mark.parametrize("size", [0, 1, 5, 40])
def test_equals_the_definition(size):
    p = np.random.default_rng(size).random(size) ** 3
    np.testing.assert_allclose(holm(p), oracle.holm(p.tolist()), rtol=1e-12)


def test_equals_statsmodels():
    p = np.random.default_rng(5).random(30) ** 4
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_a_textbook_family():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_what_could_not_be_compared_is_no_member():
    with_nan, without = holm(np.array([np.nan, 0.01, 0.2])), holm(np.array([0.01, 0.2]))
    assert np.isnan(with_nan[0])
    np.testing.assert_array_equal(with_nan[1:], without)


def test_order_does_not_matter_and_nothing_becomes_smaller():
    p = np.random.default_rng(1).random(20)
    order = np.random.default_rng(2).permutation(20)
    np.testing.assert_array_equal(holm(p)[order], holm(p[order]))
    assert (holm(p) >= p).all()
