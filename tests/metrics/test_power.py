import numpy as np
import pytest

from fairshrink.metrics.counts import GroupCounts, margins
from fairshrink.metrics.gaps import GAPS, statistics
from fairshrink.metrics.power import Floors, images_needed
from fairshrink.metrics.uncertainty import uncertainty
from fairshrink.metrics.units import units_of_rows
from oracles import power as oracle

RIGHT = np.array([0.9, 0.5, 0.7])


def table(sizes, right=RIGHT):
    """Expected counts: right in these parts, the errors spread evenly."""
    sizes = np.asarray(sizes)
    wrong = (1 - right) / (right.size - 1)
    rates = np.where(np.eye(right.size, dtype=bool), right[:, None], wrong[:, None])
    return np.rint(sizes[:, :, None] * rates).astype(np.int64)


TWO = table([[600, 100, 60], [500, 120, 40]])
FOUR = table([[300, 60, 40], [200, 60, 30], [300, 40, 30], [250, 60, 20]])


def rates_of(counts):
    parts = margins(counts)
    others = parts.support.sum(-1, keepdims=True) - parts.support
    false = (parts.predicted - parts.hits).sum(0) / others.sum(0)
    return parts.support, others, parts.hits.sum(0) / parts.support.sum(0), false


def unsaid(counts):
    """Floors that say nothing: the normal ones stand."""
    size = len(GAPS) + counts.shape[1]
    return Floors(np.zeros(size), np.zeros(size))


@pytest.mark.parametrize("counts", [TWO, FOUR], ids=["two groups", "four groups"])
@pytest.mark.parametrize("name", [*GAPS, ("tpr", 1)], ids=str)
def test_at_the_number_returned_the_gap_is_seen_in_four_of_five_cases(counts, name):
    at = GAPS.index(name) if name in GAPS else len(GAPS) + name[1]
    needed = images_needed(counts, unsaid(counts))[at]
    seen = oracle.detection(rates_of(counts), name, 0.05, needed / counts.sum(), 400)
    assert 0.72 <= seen <= 0.88


def test_at_the_number_returned_an_audit_sees_it():
    """From the measured floor of few images to permutations of the many."""
    rng = np.random.default_rng(0)
    few = uncertainty(units_of_rows(GroupCounts(TWO)), n_boot=400)
    needed = images_needed(TWO, Floors(few.null_high, few.null_alone))[GAPS.index("eopp1")]
    support = np.rint(TWO.sum(-1) * needed / TWO.sum()).astype(int)
    seen = 0
    for seed in range(60):
        counts = np.zeros_like(TWO)
        for g, k in np.ndindex(2, 3):
            right = RIGHT[k] + 0.025 * (1 - 2 * g) * (-1) ** k
            chances = np.full(3, (1 - right) / 2)
            chances[k] = right
            counts[g, k] = rng.multinomial(support[g, k], chances)
        found = uncertainty(units_of_rows(GroupCounts(counts)), n_boot=79, seed=seed)
        seen += found.value[1] > found.null_high[1]
    assert 0.62 <= seen / 60 <= 0.95


def test_a_floor_twice_as_high_takes_four_times_the_images():
    """Clusters: the same counts say less."""
    plain = np.array([oracle.floor(rates_of(TWO), name, 2000) for name in GAPS])
    plain = np.concatenate([plain, [oracle.floor(rates_of(TWO), ("tpr", k), 2000) for k in range(3)]])
    once, twice = (images_needed(TWO, Floors(by * plain, by * plain)) for by in (1, 2))
    np.testing.assert_allclose(twice[1:] / once[1:], 4, rtol=0.15)


def test_a_correction_for_many_classes_takes_more_images():
    alone = np.full(7, 0.05)
    high = np.append(alone[:4], np.full(3, 0.07))
    named, any_of = (images_needed(TWO, Floors(level, alone)) for level in (alone, high))
    assert (any_of[:4] == named[:4]).all()
    assert (any_of[4:] > 1.2 * named[4:]).all()


def test_more_images_of_the_same_mix_do_not_change_the_answer():
    np.testing.assert_allclose(images_needed(10 * TWO, unsaid(TWO)), images_needed(TWO, unsaid(TWO)), rtol=0.05)


def test_a_smaller_gap_takes_more_and_what_is_beyond_ten_million_is_infinite():
    assert (images_needed(TWO, unsaid(TWO), gap=0.025) > images_needed(TWO, unsaid(TWO))).all()
    assert np.isinf(images_needed(TWO, unsaid(TWO), gap=0.0005)[1])


def test_rates_of_nought_and_one_are_noisy_too():
    needed = images_needed(table([[50, 40, 20], [40, 40, 30]], np.ones(3)), unsaid(TWO))
    assert np.isfinite(needed).all()
    assert (needed > 50).all()


def test_numbers_have_two_digits_and_are_at_least_one_image_a_cell():
    needed = images_needed(TWO, unsaid(TWO))
    assert all(f"{number:.1e}" == f"{number:e}".replace("00000e", "e") for number in needed)
    large = table(np.full((2, 3), 10), np.full(3, 0.5))
    assert images_needed(large, unsaid(large), gap=0.9)[0] >= 6


def test_what_cannot_be_compared_is_nan_in_either_convention():
    lacking = TWO.copy()
    lacking[1, 2] = 0
    strict, published = (images_needed(lacking, unsaid(TWO), convention) for convention in ("strict", "published"))
    assert np.isnan(strict).tolist() == [False] * 6 + [True]
    assert np.isnan(published).tolist() == [False, True, True, True, False, False, True]
    assert np.isnan(images_needed(0 * TWO, unsaid(TWO))).all()


def test_one_number_for_each_statistic_and_the_same_for_the_same_seed():
    assert images_needed(FOUR, unsaid(FOUR)).shape == statistics(margins(FOUR), "strict").shape
    assert (images_needed(FOUR, unsaid(FOUR), seed=3) == images_needed(FOUR, unsaid(FOUR), seed=3)).all()
