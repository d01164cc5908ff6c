from dataclasses import replace

import numpy as np
import pytest

from fairshrink.report import grids


@pytest.fixture
def stage(mapped):
    return mapped.stages[2]


def with_params(stage, edit):
    """The stage, the settings of its candidates and steps edited."""
    choice = replace(stage.choice, candidates=[replace(c, params=edit(c)) for c in stage.choice.candidates])
    return stage._replace(choice=choice, steps=[replace(s, params=edit(s)) for s in stage.steps])


def test_the_ratio_is_along_x_and_beta_along_y(stage):
    (grid,) = grids.grids(stage)
    assert (grid.x, grid.y, grid.rest) == ("ratio", "beta", {})
    assert (grid.xs, grid.ys) == ([0.1, 0.2, 0.35], [0.0, 0.33, 0.8])
    assert len(grid.cells) == 9


def test_a_cell_holds_the_means_of_its_folds(stage):
    cell = grids.grids(stage)[0].cells[0.2, 0.33]
    mine = [c for c in stage.choice.candidates if c.params == {"ratio": 0.2, "beta": 0.33}]
    assert cell.value == pytest.approx(np.mean([c.criteria["soft_eopp1"] for c in mine]))
    assert cell.change == pytest.approx(np.mean([c.f1 - c.f1_before for c in mine]))
    assert cell.excluded == sum(not c.within for c in mine)
    assert sum(cell.chosen for cell in grids.grids(stage)[0].cells.values()) == sum(
        c.candidate is not None for c in stage.choice.chosen
    )


def test_an_undefined_fold_leaves_the_mean_undefined(stage):
    one = replace(stage.choice.candidates[0], criteria={"soft_eopp1": None}, f1=None)
    cell = grids.cell(stage, [one, replace(stage.choice.candidates[1], fold=2)])
    assert cell.value is None
    assert cell.change is None


def test_records_of_an_earlier_version_are_read_for_the_same(stage):
    old = [replace(c, criteria={}, f1_before=None, within=None) for c in stage.choice.candidates]
    earlier = stage._replace(choice=replace(stage.choice, candidates=old))
    for before, after in zip(stage.choice.candidates, old, strict=True):
        assert grids.criterion(after, "soft_eopp1") == after.gap
        assert grids.change(earlier, after) == pytest.approx(grids.change(stage, before))
        assert grids.is_excluded(earlier, after) == grids.is_excluded(stage, before)


def test_other_settings_make_a_grid_each(stage):
    two = with_params(
        stage, lambda c: c.params | {"ranking": ["global", "layer"][c.candidate % 2], "deep": c.candidate > 4}
    )
    assert grids.varying(two) == ["ratio", "beta", "ranking", "deep"]
    assert grids.numbers(two) == ["ratio", "beta"]
    assert [grid.rest for grid in grids.grids(two)] == [
        {"ranking": "global", "deep": False},
        {"ranking": "layer", "deep": False},
        {"ranking": "layer", "deep": True},
        {"ranking": "global", "deep": True},
    ]


def test_words_lists_and_switches_are_no_axis(stage):
    names = with_params(stage, lambda c: {"leave": [["a"], ["b"]][c.candidate % 2], "deep": bool(c.candidate % 2)})
    assert grids.varying(names) == ["leave", "deep"]
    assert grids.grids(names) == []
    assert grids.grids(stage._replace(choice=None)) == []


def test_candidates_that_differ_in_the_ratio_share_a_way(stage):
    ways = grids.ways(stage)
    assert grids.way_names(stage) == ["beta 0", "beta 0.33", "beta 0.8"]
    assert [sorted(way.steps) for way in ways] == [[0, 1, 2]] * 3
    assert list(ways[0].steps[0]) == pytest.approx([0.05 * step for step in range(8)])


def test_the_chosen_way_goes_on_past_the_choice(stage):
    chosen, stops = grids.chosen_way(stage), grids.stops(stage)
    assert set(stops) == {c.fold for c in stage.choice.chosen if c.candidate is not None}
    params = grids.chosen_params(stage)
    assert stops == {fold: params[fold]["ratio"] for fold in stops}
    assert all(max(steps) == 0.35 for steps in chosen.values())


def test_the_settings_most_folds_chose(stage):
    first, second = stage.choice.candidates[0], stage.choice.candidates[4]
    picked = [
        replace(stage.choice.chosen[0], fold=f, candidate=c.candidate) for f, c in enumerate([first, second, second])
    ]
    assert grids.most_chosen(stage._replace(choice=replace(stage.choice, chosen=picked))) == second.params
    assert grids.most_chosen(stage._replace(choice=replace(stage.choice, chosen=[]))) is None


def test_a_stage_without_a_choice_has_its_only_candidate(three):
    stage = three.stages[2]._replace(choice=None)
    assert grids.chosen_params(stage) == {0: {"ratio": 0.35, "beta": 0.33}}
    assert grids.metric_of(stage) == "eopp1"


def test_how_far_a_way_goes_is_no_setting_of_its_own():
    assert grids.without_ratio({"channel_ratio": 0.02, "iterations": 3, "ratio": 0.1}) == {"channel_ratio": 0.02}


def test_a_model_ends_at_the_step_that_was_taken(channels, stage):
    scp = channels.stages[3]
    assert grids.stops(scp) == pytest.approx({0: 0.04, 1: 0.02, 2: 0.0})
    assert grids.stops(scp._replace(ends=())) == pytest.approx({0: 0.06, 1: 0.06, 2: 0.04})
    assert grids.stops(scp._replace(choice=None)) == {}
    chosen = {one.fold: one.params["ratio"] for one in stage.choice.chosen if one.candidate is not None}
    assert grids.stops(stage) == pytest.approx(chosen)
