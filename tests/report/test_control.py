from dataclasses import replace

import pytest

from fairshrink.report import control


def test_the_control_stands_where_its_stage_had_fixed_so_many(quantised):
    stage, beside = quantised.stages[3], quantised.stages[4]
    found = control.steps_of(quantised, stage)
    assert sorted(found) == [0, 1, 2]
    for fold, steps in found.items():
        assert list(steps) == pytest.approx([0.05 * number for number in range(8)])
        assert list(steps.values()) == [step for step in beside.steps if step.fold == fold]
    assert {step.ratio for step in beside.steps} == {0.0}


def test_of_several_ways_it_is_the_one_that_was_chosen(quantised):
    stage, beside = quantised.stages[3], quantised.stages[4]
    ways = [replace(step, params={"epochs": n}, candidate=n - 1) for n in (1, 2) for step in beside.steps]
    choice = replace(stage.choice, candidates=[], chosen=[replace(one, candidate=1) for one in stage.choice.chosen])
    both = beside._replace(steps=ways, choice=choice)
    run = quantised._replace(stages=[*quantised.stages[:4], both])
    assert {step.params["epochs"] for of in control.steps_of(run, stage).values() for step in of.values()} == {2}


def test_a_fold_that_kept_its_model_has_the_first_way(quantised):
    stage = quantised.stages[3]
    none = [replace(one, candidate=None) for one in stage.choice.chosen]
    kept = stage._replace(choice=replace(stage.choice, chosen=none))
    run = quantised._replace(stages=[*quantised.stages[:3], kept, quantised.stages[4]])
    assert len(control.steps_of(run, kept)[0]) == 8


def test_without_a_control_there_are_no_steps(quantised, uncontrolled):
    assert control.steps_of(uncontrolled, uncontrolled.stages[3]) == {}
    assert control.steps_of(quantised, quantised.stages[2]) == {}


def test_the_caption_says_what_the_control_is(quantised, channels):
    assert "the same re-training with nothing fixed (the control)" in control.caption(quantised.stages[3])
    assert "the same re-training with no channel removed (the control)" in control.caption(channels.stages[3])


def test_a_control_that_removes_no_channel_stands_by_the_number_of_its_steps(channels):
    found = control.steps_of(channels, channels.stages[3])
    assert {fold: [step.step for step in steps.values()] for fold, steps in found.items()} == {
        0: [0, 1, 2, 3],
        1: [0, 1, 2, 3],
        2: [0, 1, 2],
    }
    assert list(found[0]) == pytest.approx([0.0, 0.02, 0.04, 0.06])
