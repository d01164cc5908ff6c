import numpy as np
import pytest
import torch
from torch.testing import assert_close

from fairshrink.compress.contrasts import BETA, Favour, Weighted, contrast, favour, in_order, pooled, weighted
from fairshrink.errors import ConfigError

SIZES = torch.tensor([10, 1, 3])


def test_pooled_is_the_share_of_each_group():
    assert pooled(torch.tensor([1, 3]), 0).tolist() == [0.25, 0.75]


def test_favour_spreads_minus_beta_over_the_others_by_size():
    assert_close(favour(0.5)(SIZES, 0), torch.tensor([1.0, -0.125, -0.375], dtype=torch.float64))


def test_favour_is_the_worst_group_against_the_mean_over_all_other_samples():
    means = torch.tensor([5.0, 7.0, 2.0], dtype=torch.float64)  # of something, by group
    others = (10 * 5.0 + 3 * 2.0) / 13
    assert float(favour(0.4)(SIZES, 1) @ means) == pytest.approx(7.0 - 0.4 * others)


@pytest.mark.parametrize("beta", [-1.0, float("nan"), float("inf")])
def test_a_beta_that_is_no_number_from_0_on_is_refused(beta):
    with pytest.raises(ConfigError, match="beta is .* give 0 or more"):
        favour(beta)


@pytest.mark.parametrize("weights", [(1.0, -0.5, 0.0), [1.0, -0.5, 0.0], {2: 0.0, 0: 1.0, 1: -0.5}])
def test_weights_are_the_coefficients_whoever_is_unprivileged(weights):
    for unprivileged in range(3):
        found = weighted(weights)(SIZES, unprivileged)
        assert found.dtype == torch.float64
        assert found.tolist() == [1.0, -0.5, 0.0]


def test_equal_weights_are_equal_contrasts():
    assert weighted({1: 2.0, 0: 1.0}) == weighted((1.0, 2.0))
    assert hash(weighted([1.0, 2.0])) == hash(weighted((1.0, 2.0)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_is_no_finite_number_is_refused(bad):
    with pytest.raises(ConfigError, match=r"the weight of group 1 is .*, but a finite number is expected"):
        weighted((1.0, bad))


@pytest.mark.parametrize("weights", [(), (0.0, 0.0), {}])
def test_weights_that_say_nothing_are_refused(weights):
    with pytest.raises(ConfigError, match="every score would be 0"):
        weighted(weights)


def test_a_mapping_names_groups_by_their_numbers():
    with pytest.raises(ConfigError, match=r"groups \['f', 'm'\], but groups are numbers here, 0 to 1.*number of 'f'"):
        in_order({"f": 1.0, "m": -1.0})
    assert in_order({np.int64(1): -1.0, np.int64(0): 1.0}) == (1.0, -1.0)


def test_a_mapping_names_every_group():
    with pytest.raises(ConfigError, match=r"of the groups \[0, 2\], but group 1 has none"):
        weighted({0: 1.0, 2: -1.0})


@pytest.mark.parametrize("weights", [(1.0, -1.0), (1.0, -1.0, 0.0, 0.0)])
def test_there_is_one_weight_for_each_group(weights):
    with pytest.raises(ConfigError, match=rf"there are {len(weights)} weights for 3 groups"):
        weighted(weights)(SIZES, 0)


def test_beta_or_weights_but_not_both():
    assert contrast(0.2, None) == Favour(0.2)
    assert contrast(BETA, (1.0, -1.0)) == Weighted((1.0, -1.0))
    with pytest.raises(ConfigError, match=r"beta = 0.2 and weights = \(1.0, -1.0\) both say how the groups count"):
        contrast(0.2, (1.0, -1.0))
