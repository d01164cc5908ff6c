from dataclasses import replace

import pytest

from fairshrink.report import ablation, grids, trading


def choosing(run, numbers):
    stage = run.stages[2]
    chosen = [replace(one, candidate=number) for one, number in zip(stage.choice.chosen, numbers, strict=True)]
    return run._replace(stages=[*run.stages[:2], stage._replace(choice=replace(stage.choice, chosen=chosen))])


def traded(run):
    return trading.trade(run, ablation.families(run)[0])


def test_beta_is_followed_where_most_folds_stopped(mapped):
    found = traded(choosing(mapped, [4, 4, 8]))
    (line,) = found.lines
    assert (found.ratio, line.setting, line.rest) == (0.2, "beta", {})
    assert [value for value, _ in line.points] == [0.0, 0.33, 0.8]
    assert line.chosen == {0.33, 0.8}
    way = grids.ways(mapped.stages[2])[2]
    assert line.points[2][1] == ablation.point(0.2, [steps[0.2] for steps in way.steps.values()], sure=True)


def test_a_stage_without_beta_is_a_point_at_the_same_ratio(mapped):
    found = traded(choosing(mapped, [4, 4, 4]))
    ((label, point, _),) = found.others
    assert (label, point.ratio) == ("OBD", 0.2)


def test_a_stage_of_other_steps_is_taken_where_it_comes_nearest(mapped):
    obd = mapped.stages[1]
    two = obd._replace(steps=[step for step in obd.steps if step.step in (0, 7)])
    run = choosing(mapped._replace(stages=[mapped.stages[0], two, mapped.stages[2]]), [4, 4, 4])
    assert [(label, point.ratio) for label, point, _ in traded(run).others] == [("OBD at 35\u00a0%", 0.35)]
    start = obd._replace(steps=[step for step in obd.steps if step.step == 0])
    assert traded(choosing(mapped._replace(stages=[mapped.stages[0], start, mapped.stages[2]]), [4] * 3)).others == []


def test_without_a_choice_it_is_as_far_as_all_went(mapped):
    assert traded(choosing(mapped, [None, None, None])).ratio == 0.35


def test_further_settings_are_held_and_named(mapped):
    stage = mapped.stages[2]

    def ranked(one):
        return one.params | {"ranking": "layer" if one.params["beta"] == 0.8 else "global"}

    choice = replace(stage.choice, candidates=[replace(c, params=ranked(c)) for c in stage.choice.candidates])
    other = stage._replace(choice=choice, steps=[replace(s, params=ranked(s)) for s in stage.steps])
    (line,) = traded(choosing(mapped._replace(stages=[*mapped.stages[:2], other]), [4, 4, 4])).lines
    assert [value for value, _ in line.points] == [0.0, 0.33]
    assert line.rest == {"ranking": "global"}


@pytest.mark.parametrize("run", ["three", "mapped"])
def test_without_such_a_setting_there_is_nothing_to_trade(run, request):
    whole = request.getfixturevalue(run)
    alone = whole._replace(stages=whole.stages[:2])
    assert traded(alone) is None


def test_a_grid_of_models_that_never_moved_trades_nothing(mapped):
    stage = mapped.stages[2]
    still = stage._replace(steps=[step for step in stage.steps if step.step == 0])
    assert traded(mapped._replace(stages=[*mapped.stages[:2], still])) is None
