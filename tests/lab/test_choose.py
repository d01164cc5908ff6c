from dataclasses import replace

import numpy as np
import pytest

from fairshrink.compress.steps import Step, mean_f1
from fairshrink.data.splits import TEST, VAL, assign_splits
from fairshrink.errors import ConfigError
from fairshrink.lab.choose import Candidate, choose, may_see, rule, together
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.soft import Soft


def step(first: int, second: int, chances: tuple[float, float] = (0.5, 0.5)) -> Step:
    """Two groups, two classes; `first` and `second` of 10 of class 0 are found in each group, all of class 1.

    The mean probability of the true class is `chances` by group, in either class.
    """
    counts = np.array([[[first, 10 - first], [0, 10]], [[second, 10 - second], [0, 10]]])
    prob = np.array([[10 * chance] * 2 for chance in chances])
    return Step(0.1, 1, 10, 0.0, GroupCounts(counts), Soft(np.full((2, 2), 10), prob, -10 * np.log(prob / 10)))


START = step(9, 5)


def test_the_largest_fate_is_taken():
    smaller_gap, same, worse = Candidate(START, step(8, 6)), Candidate(START, START), Candidate(START, step(9, 3))
    best, values, within = choose("fate:eopp1", [same, smaller_gap, worse])
    assert best == 1
    f1 = mean_f1(START)
    expected = (mean_f1(step(8, 6)) - f1) / f1 - (0.1 - 0.2) / 0.2
    assert values[1] == pytest.approx(expected)
    assert values[0] == 0
    assert within == [True] * 3


def test_the_smallest_gap_within_the_bound_is_taken():
    narrow_but_bad, best, wide = (Candidate(START, end) for end in (step(2, 2), step(8, 6), step(9, 5)))
    loss = mean_f1(START) - mean_f1(step(8, 6)) + 1e-9
    chosen = choose(f"gap:eopp1:{max(loss, 0)}", [narrow_but_bad, wide, best])
    assert chosen.best == 2
    assert chosen.values == pytest.approx([0.0, 0.2, 0.1])
    assert chosen.within == [False, True, True]
    assert choose("gap:eopp1:1", [narrow_but_bad, wide, best]).best == 0


def test_soft_criteria_see_what_counts_do_not():
    equal, narrower = Candidate(START, step(9, 5, (0.8, 0.5))), Candidate(START, step(9, 5, (0.6, 0.5)))
    assert choose("gap:eopp1:0.01", [equal, narrower]).best == 0
    for metric in ("soft_eopp1", "loss_gap", "class_loss_gap"):
        assert choose(f"gap:{metric}:0.01", [equal, narrower]).best == 1
    assert choose("gap:soft_eopp1:0.01", [equal, narrower]).values == pytest.approx([0.3, 0.1])
    before = Candidate(step(9, 5, (0.9, 0.5)), step(9, 5, (0.6, 0.5)))
    assert choose("fate:soft_eopp1", [before]).values == pytest.approx([0.75])


def test_nothing_within_the_bound_leaves_the_start():
    assert choose("gap:eopp1:0.001", [Candidate(START, step(5, 5))]).best is None
    assert choose("gap:eopp1:0.001", [Candidate(START, step(5, 5)), Candidate(START, START)]).best == 1


def test_the_first_of_equals_is_taken():
    assert choose("fate:eopp1", [Candidate(START, START)] * 3).best == 0
    assert choose("gap:eopp1:0", [Candidate(START, START)] * 3).best == 0


def test_an_undefined_value_is_the_worst():
    no_gap = step(5, 5)  # FATE divides by the gap at the start
    assert choose("fate:eopp1", [Candidate(no_gap, step(9, 5)), Candidate(START, step(9, 3))]).best == 1
    old = Candidate(START, replace(step(9, 5), soft=None))
    assert choose("gap:soft_eopp1:0", [old, Candidate(START, START)]).best == 1
    assert choose("gap:soft_eopp1:0", [old]).best is None


def test_folds_together_are_all_their_images():
    one, two = Candidate(START, step(8, 6, (0.9, 0.3))), Candidate(step(7, 5), step(4, 8, (0.5, 0.5)))
    both = together([one, two])
    assert both.end.counts.counts[0, 0].tolist() == [12, 8]
    assert both.start.counts.counts[1, 0].tolist() == [10, 10]
    assert both.end.criteria["soft_eopp1"] == pytest.approx(0.7 - 0.4)
    assert together([one]).end.criteria == one.end.criteria
    assert together([one, Candidate(START, replace(START, soft=None))]).end.soft is None


@pytest.mark.parametrize("folds", [3, 4, 5])
def test_no_fold_sees_the_images_that_it_is_tested_on(folds):
    rng = np.random.default_rng(folds)
    splits = assign_splits(rng.integers(0, 3, 200), rng.integers(0, 2, 200), folds=folds)
    for fold in range(folds):
        tested = set(np.flatnonzero(splits[fold] == TEST))
        seen = [set(np.flatnonzero(splits[other] == VAL)) for other in may_see(fold, folds)]
        assert len(seen) == folds - 1
        assert all(not tested & images for images in seen)
        assert sum(map(len, seen)) == 200 - len(tested)
        left_out = next(other for other in range(folds) if other not in may_see(fold, folds))
        assert set(np.flatnonzero(splits[left_out] == VAL)) == tested


def test_one_split_sees_its_own_validation():
    assert may_see(0, 1) == [0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fate:eopp1", "the largest FATE of macro F1 against eopp1"),
        ("gap:loss_gap:0.02", "the smallest loss_gap with macro F1 at most 0.02 below the start"),
    ],
)
def test_a_rule_in_words(name, words):
    assert rule(name).words() == words


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fat:eopp1", "no rule 'fat:eopp1' to choose by. Known: fate:METRIC, gap:METRIC:LOSS"),
        ("fate:", "needs a gap"),
        ("fate", "needs a gap"),
        ("fate:eop1", r"Did you mean 'eopp1'\?"),
        ("gap:soft_eop1:0.1", r"Did you mean 'soft_eopp1'\?"),
        ("fate:eopp1:0.1", "has more than a gap: FATE knows no bound"),
        ("gap:eopp1", "needs how far macro F1 may fall, a number from 0 on"),
        ("gap:eopp1:", "needs how far macro F1 may fall"),
        ("gap:eopp1:0.1:0.2", "needs how far macro F1 may fall"),
        ("gap:eopp1:-0.1", "needs how far macro F1 may fall"),
        ("gap:eopp1:nan", "needs how far macro F1 may fall"),
    ],
)
def test_an_unknown_rule_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        rule(name)
