from dataclasses import replace

import numpy as np

from fairshrink.report import curves, grids, style
from fairshrink.report.audited import Scores


def test_the_thick_line_is_the_mean_of_what_each_fold_chose(five):
    stage = five.stages[2]
    chosen = {c.fold: c.candidate for c in stage.choice.chosen}
    with style.drawing():
        top = curves.along_ratio(stage).axes[0]
    thick = next(line for line in top.lines if line.get_label() == "chosen (mean of folds)")
    folds = [[s.gaps["eopp1"] for s in stage.steps if s.fold == f and s.candidate == chosen[f]] for f in range(5)]
    np.testing.assert_allclose(thick.get_ydata(), np.mean(folds, axis=0))
    np.testing.assert_allclose(thick.get_xdata(), 0.05 * np.arange(8))


def test_every_candidate_has_its_line_and_name(five):
    with style.drawing():
        top = curves.along_ratio(five.stages[2]).axes[0]
    assert [line.get_label() for line in top.lines][:4] == ["beta 0.2", "beta 0.33", "beta 0.5", "beta 0.7"]


def test_one_candidate_and_one_fold_is_one_line(three):
    with style.drawing():
        top = curves.along_ratio(three.stages[1]).axes[0]
    assert [line.get_label() for line in top.lines] == ["chosen"]


def test_the_grid_rings_what_was_chosen(five):
    with style.drawing():
        axes = curves.grid(five.stages[2]).axes[0]
    ring = next(line for line in axes.lines if line.get_label() == "chosen in its fold")
    assert len(ring.get_xdata()) == 5


def test_the_training_curve_is_the_mean_of_the_folds(five):
    with style.drawing():
        loss = curves.training(five.vanilla.history).axes[0]
    by_epoch = [np.mean([e.loss for e in five.vanilla.history if e.epoch == epoch]) for epoch in range(1, 13)]
    np.testing.assert_allclose(loss.lines[-1].get_ydata(), by_epoch)


def test_the_gap_of_a_stage_is_that_of_its_rule(five):
    rule = five.stages[2].record.rule
    assert rule == "fate:eopp1"
    assert grids.metric_of(five.stages[0]) == "eopp1"


def test_an_average_with_an_undefined_group_is_undefined(five):
    step = five.stages[1].steps[0]
    assert grids.average_step_f1(step) is not None
    undefined = replace(step, groups=step.groups | {"female": Scores(5, None, None, None, None)})
    assert grids.average_step_f1(undefined) is None


def test_candidates_that_differ_in_the_ratio_share_a_line(mapped):
    with style.drawing():
        top = curves.along_ratio(mapped.stages[2]).axes[0]
    assert [line.get_label() for line in top.lines][:3] == ["beta 0", "beta 0.33", "beta 0.8"]
    assert [len(line.get_xdata()) for line in top.lines][:3] == [8, 8, 8]
    assert top.get_title(loc="left") == "soft EOpp1 between groups"


def test_one_way_of_several_lengths_is_drawn_past_the_choice(mapped):
    stage = mapped.stages[1]
    with style.drawing():
        top = curves.along_ratio(stage).axes[0]
    assert top.lines[0].get_label() == "as far as tried"
    assert len(top.lines[0].get_xdata()) == 8


def test_many_ways_are_drawn_without_names(mapped, monkeypatch):
    monkeypatch.setattr(curves, "MOST_NAMED", 2)
    with style.drawing():
        lines = curves.along_ratio(mapped.stages[2]).axes[0].lines
        grid = curves.grid(mapped.stages[2])
    assert not [line for line in lines if line.get_label().startswith("beta")]
    assert [text.get_text() for text in grid.legends[0].get_texts()] == ["chosen in its fold"]


def test_the_front_has_marks_of_its_own(mapped):
    stage = mapped.stages[2]
    marked = [replace(c, front=c.candidate == 0) for c in stage.choice.candidates]
    with style.drawing():
        axes = curves.grid(stage._replace(choice=replace(stage.choice, candidates=marked))).axes[0]
    front = next(line for line in axes.lines if line.get_label() == "on the Pareto front of its fold")
    np.testing.assert_allclose(front.get_xdata(), [c.f1 for c in marked if c.front])


def test_the_worst_group_is_read_off_the_groups_of_each_step(mapped):
    stage = mapped.stages[2]
    rule = "worst-group:f1"
    stage = stage._replace(choice=replace(stage.choice, rule=rule), record=replace(stage.record, rule=rule))
    with style.drawing():
        top, grid = curves.along_ratio(stage).axes[0], curves.grid(stage).axes[0]
    assert top.get_title(loc="left") == "lowest macro F1 of a group"
    way = [s for s in stage.steps if s.candidate == 2]  # beta 0 to the end
    lowest = [[min(g.f1 for g in s.groups.values()) for s in way if s.fold == fold] for fold in range(3)]
    np.testing.assert_allclose(top.lines[0].get_ydata(), np.mean(lowest, axis=0))
    assert grid.get_ylabel() == "lowest macro F1 of a group (higher: better)"
