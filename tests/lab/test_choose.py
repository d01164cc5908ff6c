import inspect
from dataclasses import fields, replace

import numpy as np
import pytest

from fairshrink.compress.steps import Step, mean_f1
from fairshrink.data.splits import TEST, VAL, assign_splits
from fairshrink.errors import ConfigError
from fairshrink.lab.choose import Candidate, choose, may_see, rule, together
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.soft import Soft
from oracles import rules


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
    best, values, within, front, _ = choose("fate:eopp1", [same, smaller_gap, worse])
    assert (best, front) == (1, None)
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


def test_an_undefined_value_is_never_taken():
    no_gap = step(5, 5)  # FATE divides by the gap at the start
    assert choose("fate:eopp1", [Candidate(no_gap, step(9, 5)), Candidate(START, step(9, 3))]).best == 1
    assert choose("fate:eopp1", [Candidate(no_gap, step(9, 5)), Candidate(no_gap, step(5, 5))]).best is None
    assert choose("pareto:soft_eopp1", [Candidate(replace(START, soft=None), replace(START, soft=None))]).best is None
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


def test_the_front_is_marked_and_its_point_of_the_largest_area_is_taken():
    ends = [step(8, 6), step(2, 2), step(9, 3), step(10, 7)]
    found = choose("pareto:eopp1", [Candidate(START, end) for end in ends])
    assert found.front == [True, True, False, True]
    assert not found.start_on_front
    assert found.within == [True] * 4
    assert found.values == pytest.approx([mean_f1(end) * (1 - end.criteria["eopp1"]) for end in ends])
    assert found.best == 3


def test_the_start_is_a_point_of_the_front_too():
    found = choose("pareto:eopp1", [Candidate(START, step(2, 2)), Candidate(START, step(9, 3))])
    assert (found.best, found.front, found.start_on_front) == (None, [True, False], True)
    same = choose("pareto:eopp1", [Candidate(START, step(2, 2)), Candidate(START, START)])
    assert (same.best, same.front, same.start_on_front) == (1, [True, True], True)


def test_a_far_point_does_not_move_the_choice():
    near = [step(8, 6), step(9, 6), step(7, 6)]
    for far in (step(0, 0), step(1, 1), step(10, 0)):
        before, after = (
            choose("pareto:eopp1", [Candidate(START, end) for end in ends]) for ends in (near, [*near, far])
        )
        assert before.best == after.best


def test_a_gap_of_losses_has_no_largest_value():
    wide, narrow = step(9, 5, (0.9, 0.1)), step(8, 5, (0.5, 0.5))
    found = choose("pareto:loss_gap", [Candidate(START, wide), Candidate(START, narrow)])
    assert found.values == pytest.approx([mean_f1(wide) / 9, mean_f1(narrow)])  # 0.9 / 0.1
    assert found.best is None  # the start has no gap of losses, and a higher macro F1
    assert found.front == [False, False]


@pytest.mark.parametrize(("score", "best"), [("accuracy", 1), ("f1", 1)])
def test_the_worst_group_decides(score, best):
    found = choose(f"worst-group:{score}", [Candidate(START, step(10, 3)), Candidate(START, step(6, 5))])
    assert (found.best, found.front) == (best, None)
    assert found.values[0] < found.values[1]
    if score == "accuracy":
        assert found.values == [0.65, 0.75]


def test_the_worst_group_is_one_that_has_images():
    counts = np.array([[[8, 2], [0, 10]], [[0, 0], [0, 0]]])
    found = choose("worst-group:accuracy", [Candidate(START, Step(0.1, 1, 10, 0.0, GroupCounts(counts)))])
    assert found.values == [0.9]


@pytest.mark.parametrize("seed", range(12))
def test_every_rule_takes_what_its_slow_twin_takes(seed):
    rng = np.random.default_rng(seed)
    tables = [
        np.stack([rng.multinomial(25, rng.dirichlet(np.ones(9))).reshape(3, 3) for _ in range(2)]) for _ in range(20)
    ]
    steps = [
        Step(0.1, 1, 10, 0.0, GroupCounts(table + np.eye(3, dtype=int))) for table in tables[: rng.integers(3, 21)]
    ]
    start, *ends = steps
    slow_start, *slow = [rules.model_of(one.counts.counts) for one in steps]
    candidates = [Candidate(start, end) for end in ends]
    assert choose("gap:eopp1:0.05", candidates).best == rules.best_by_gap(slow_start, slow, 0.05)
    assert choose("fate:eopp1", candidates).best == rules.best_by_fate(slow_start, slow)
    for score in ("accuracy", "f1"):
        found = choose(f"worst-group:{score}", candidates)
        assert found.best == rules.best_by_worst_group(slow, score)
        assert found.values == pytest.approx([rules.worst(model, score) for model in slow], rel=1e-12)
    found = choose("pareto:eopp1", candidates)
    assert [*(found.front or []), found.start_on_front] == rules.front_of([*slow, slow_start])
    assert found.best == rules.best_by_area(slow_start, slow)


def test_a_rule_is_given_counts_and_sums_and_nothing_to_look_further():
    assert list(inspect.signature(choose).parameters) == ["name", "candidates"]
    assert [field.name for field in fields(Candidate)] == ["start", "end"]
    known = {"ratio", "fixed", "total", "seconds", "counts", "soft", "start"}
    assert {field.name for field in fields(Step)} == known


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
        ("pareto:eodd", "of the Pareto front of macro F1 and eodd, the point that covers the largest area"),
        ("worst-group:f1", "the largest f1 of the group that has the lowest"),
    ],
)
def test_a_rule_in_words(name, words):
    assert rule(name).words() == words


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "fat:eopp1",
            r"no rule 'fat:eopp1' to choose by. Did you mean 'fate:eopp1'\?",
        ),
        ("parto:eopp1", r"no rule 'parto:eopp1' to choose by. Did you mean 'pareto:eopp1'\?"),
        ("Worst_group", r"Did you mean 'worst-group:SCORE'\?"),
        ("rank:eopp1", "Known: gap:METRIC:LOSS, fate:METRIC, pareto:METRIC, worst-group:SCORE"),
        ("fate:", "needs a gap"),
        ("fate", "needs a gap"),
        ("fate:eop1", r"Did you mean 'eopp1'\?"),
        ("gap:soft_eop1:0.1", r"Did you mean 'soft_eopp1'\?"),
        ("fate:eopp1:0.1", "has more than a gap: it knows no bound. Give 'fate:eopp1'"),
        ("pareto:eopp1:0.1", "has more than a gap: it knows no bound. Give 'pareto:eopp1'"),
        ("worst-group:f1:0.1", "has more than a score: it knows no bound"),
        ("worst-group:eopp1", "needs a score: there is none called 'eopp1'. Known: accuracy, f1"),
        ("pareto:f1", "needs a gap: there is none called 'f1'"),
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
