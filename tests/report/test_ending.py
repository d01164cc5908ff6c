from dataclasses import replace

import pytest

from fairshrink.report import ending
from fairshrink.report.records import End
from report.fake_run import named


def test_the_step_whose_model_was_kept_is_the_one_that_is_written_down(channels):
    stage = named(channels, "scp-random")
    assert [ending.taken(stage, fold, 0).step for fold in range(3)] == [3, 2, 1]
    assert {fold: step.step for fold, step in ending.models(stage).items()} == {0: 3, 1: 2, 2: 1}
    assert [ending.end_of(stage, fold, 0).stopped is None for fold in range(3)] == [True, True, False]


def test_where_no_end_is_written_it_is_the_last_step(channels, mapped):
    stage = named(channels, "scp")._replace(ends=())
    assert [ending.taken(stage, fold, 1).step for fold in range(3)] == [3, 3, 2]
    assert ending.end_of(stage, 0, 1) == End()
    assert ending.sentences(stage) == []
    assert ending.sentences(named(mapped, "fairprune")) == []


def test_a_fold_that_took_no_candidate_has_the_start(channels):
    stage = named(channels, "scp")
    chosen = [replace(one, candidate=None) if one.fold == 1 else one for one in stage.choice.chosen]
    stage = stage._replace(choice=replace(stage.choice, chosen=chosen))
    assert ending.picked(stage) == {0: 1, 2: 1}
    assert {fold: step.step for fold, step in ending.models(stage).items()} == {0: 2, 1: 0, 2: 0}
    assert "fold 1" not in " ".join(ending.sentences(stage))


def test_without_a_choice_there_is_one_candidate(channels):
    stage = named(channels, "scp-random")._replace(choice=None)
    assert ending.picked(stage) == {0: 0, 1: 0, 2: 0}
    assert ending.taken(stage._replace(steps=[]), 0, 0) is None
    assert ending.models(stage._replace(steps=[])) == {}


def test_what_was_taken_and_why_it_stopped_is_said_fold_by_fold(channels):
    (text,) = ending.sentences(named(channels, "scp"))
    assert text == (
        "Taken was: fold 0, step 2 of the 3 that were done; fold 1, step 1 of the 3 that were done; fold 2, the start, with 2 "
        "steps done (stopped: macro F1 0.410 is more than 0.01 below the start's 0.440)."
    )


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        (3, "All 3 folds took step 1 of the 2 that were done (stopped: low)."),
        (1, "Taken was step 1 of the 2 that were done"),
    ],
)
def test_folds_that_agree_are_one_sentence(channels, folds, said):
    stage = named(channels, "scp-random")
    steps = [step for step in stage.steps if step.step < 3 and step.fold < folds]
    ends = ((End("low", 1),),) * folds
    chosen = [one for one in stage.choice.chosen if one.fold < folds]
    stage = stage._replace(steps=steps, ends=ends, choice=replace(stage.choice, chosen=chosen))
    assert ending.sentences(stage)[0].startswith(said)
