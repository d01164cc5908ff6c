from dataclasses import replace

import numpy as np
import pytest

from fairshrink.compress.steps import Step
from fairshrink.lab.choose import Candidate, choose, rule
from fairshrink.lab.said import Asked, said
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.soft import Soft


def step(first: int, second: int) -> Step:
    """Two groups, two classes; `first` and `second` of 10 of class 0 are found in each group, all of class 1."""
    counts = np.array([[[first, 10 - first], [0, 10]], [[second, 10 - second], [0, 10]]])
    return Step(
        0.1, 1, 10, 0.0, GroupCounts(counts), Soft(np.full((2, 2), 10), np.full((2, 2), 5.0), np.full((2, 2), 7.0))
    )


START = step(9, 5)


def sentence(name: str, *ends: Step, start: Step = START, over: tuple[int, ...] = (0,)) -> str:
    candidates = [Candidate(start, end) for end in ends]
    return said(
        Asked(rule(name), name, [f"ratio 0.{at}" for at in range(len(ends))], candidates, over),
        choose(name, candidates),
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "gap:eopp1:0.1",
            "ratio 0.1 chosen of 2 settings (2 are within the bound): the smallest eopp1 with macro F1 at most 0.1 below the "
            "start, on the validation part of folds 0, 2: its eopp1 there is 0.100, narrower than the start's 0.200",
        ),
        (
            "fate:eopp1",
            "ratio 0.1 chosen of 2 settings: the largest FATE of macro F1 against eopp1, on the validation part of folds 0, 2: "
            "its eopp1 there is 0.100, narrower than the start's 0.200",
        ),
        (
            "pareto:eopp1",
            "ratio 0.1 chosen of 2 settings (1 is on the Pareto front; the start is not): of the Pareto front of macro F1 and "
            "eopp1, the point that covers the largest area, on the validation part of folds 0, 2: its eopp1 there is 0.100, "
            "narrower than the start's 0.200",
        ),
        (
            "worst-group:accuracy",
            "ratio 0.1 chosen of 2 settings: the largest accuracy of the group that has the lowest, on the validation part of "
            "folds 0, 2: its worst_accuracy there is 0.850, above the start's 0.750",
        ),
    ],
)
def test_a_choice_names_rule_data_and_start(name, words):
    assert sentence(name, step(9, 4), step(9, 7), over=(0, 2)) == words


def test_one_and_none_are_said_as_one_says_them():
    assert "of 2 settings (1 is within the bound)" in sentence("gap:eopp1:0.01", step(9, 6), step(1, 1))
    alone = sentence("pareto:eopp1", step(9, 4), step(8, 3))
    assert "of the Pareto front on the validation part of fold 0 (only the start is on the Pareto front)" in alone


def test_a_choice_may_be_worse_than_the_start():
    assert sentence("gap:eopp1:1", step(9, 3), step(9, 4)).endswith("0.250, wider than the start's 0.200")
    assert sentence("gap:eopp1:1", step(9, 3), START).endswith("0.200, beside the start's 0.200")
    assert sentence("worst-group:accuracy", step(9, 3), step(9, 4)).endswith("0.700, below the start's 0.750")


def test_a_single_setting_is_no_choice():
    assert sentence("gap:eopp1:0", step(1, 1)) == "one setting, nothing to choose: ratio 0.0"


@pytest.mark.parametrize(
    ("name", "start", "words"),
    [
        ("gap:eopp1:0.01", START, "none of 2 setting(s) is within 0.01 of the start's macro F1 on the validation part of fold 0"),
        ("gap:eopp1:0", START, "none of 2 setting(s) is within 0 of the start's macro F1 on the validation part of fold 0"),
        ("fate:eopp1", step(5, 5), "FATE is undefined for all 2 setting(s) on the validation part of fold 0: the start's "
         "eopp1 is 0, and FATE is relative to it"),
        ("pareto:eopp1", START, "the start covers the largest area of the Pareto front on the validation part of fold 0 (2 are "
         "on the Pareto front; the start is, too)"),
    ],
)  # fmt: skip
def test_where_nothing_is_taken_it_says_why(name, start, words):
    assert (
        sentence(name, step(2, 2), step(3, 2), start=start)
        == f"{words}, so nothing is pruned: the model is the start's ({name})"
    )


def test_what_is_undefined_is_called_so_and_not_a_loss_of_f1():
    bare = [replace(one, soft=None) for one in (START, START)]
    reason = "(no class that two groups have, or a group without images), so nothing is pruned"
    assert (
        f"soft_eopp1 is undefined for all 2 setting(s) within the bound on the validation part of fold 0 {reason}"
        in sentence("gap:soft_eopp1:0.1", *bare)
    )
    assert f"FATE is undefined for all 2 setting(s) on the validation part of fold 0 {reason}" in sentence(
        "fate:soft_eopp1", *bare, start=bare[0]
    )
    assert f"soft_eopp1 is undefined for all 2 setting(s) on the validation part of fold 0 {reason}" in sentence(
        "pareto:soft_eopp1", *bare, start=bare[0]
    )
    never_right = replace(START, counts=GroupCounts(np.array([[[0, 5], [5, 0]]] * 2)))
    assert "the start's eopp1 is 0" in sentence("fate:eopp1", START, START, start=never_right)
    apart = replace(never_right, soft=Soft(np.full((2, 2), 5), np.array([[1.0, 1.0], [2.0, 2.0]]), np.ones((2, 2))))
    assert "the start's macro F1 is 0 or undefined" in sentence("fate:soft_eopp1", START, START, start=apart)
