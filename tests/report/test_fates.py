import inspect
from dataclasses import replace

import numpy as np
import pytest

from fairshrink.compress.methods import scp
from fairshrink.metrics.tradeoff import fate
from fairshrink.report import fates
from fairshrink.report.fates import Spot
from fairshrink.report.grids import average_step_f1
from report.fake_run import named


def test_fate_is_against_the_start_of_the_same_fold(channels):
    stage = named(channels, "scp")
    folds = fates.folds_of(stage, {"channel_ratio": 0.02})
    steps = [step for step in stage.steps if (step.fold, step.candidate) == (1, 1)]
    assert [spot.step for spot in folds[1]] == [0, 1, 2, 3]
    for spot, step in zip(folds[1], steps, strict=True):
        f1 = [average_step_f1(one) for one in (step, steps[0])]
        for name in ("eodd", "eopp1"):
            assert spot.fates[name] == pytest.approx(fate(*f1, step.gaps[name], steps[0].gaps[name]))
        assert spot.change == pytest.approx(f1[0] - f1[1])
    assert [[spot.step for spot in fold if spot.taken] for fold in folds] == [[2], [1], [0]]


def test_each_way_is_a_line_and_the_control_is_beside(channels):
    (family,) = fates.families(channels)
    assert family.parent == "Vanilla"
    assert [stage.record.name for stage in family.stages] == ["scp", "scp-random"]
    assert [(line.label, line.control) for line in family.lines] == [
        ("SCP, channel_ratio 0.01", False),
        ("SCP, channel_ratio 0.02", False),
        ("SCP random", False),
        ("SCP control", True),
    ]
    assert [len(line.folds) for line in family.lines] == [3, 3, 3, 3]
    assert family.th_acc == (0.01,)
    assert fates.families(channels._replace(stages=channels.stages[:3])) == []


def test_what_each_fold_chose_is_a_way_too(channels):
    stage = named(channels, "scp")
    assert fates.folds_of(stage) == fates.folds_of(stage, {"channel_ratio": 0.02})


def test_a_stage_that_goes_by_anothers_choice_is_one_line(channels):
    stage = named(channels, "scp")
    twin = stage._replace(record=replace(stage.record, of="scp-random"))
    (family,) = fates.families(channels._replace(stages=[channels.vanilla, twin]))
    (line,) = family.lines
    assert (line.label, line.folds) == ("SCP", fates.folds_of(stage, {"channel_ratio": 0.02}))


def test_candidates_that_differ_in_how_far_they_go_are_one_line(channels):
    stage = named(channels, "scp")
    steps = [replace(step, params={"iterations": step.candidate + 1}) for step in stage.steps]
    rows = [replace(row, params={"iterations": row.candidate + 1}) for row in stage.choice.candidates]
    stage = stage._replace(steps=steps, choice=replace(stage.choice, candidates=rows))
    (family,) = fates.families(channels._replace(stages=[channels.vanilla, stage]))
    (line,) = family.lines
    assert line.label == "SCP"
    assert [[spot.step for spot in fold if spot.taken] for fold in line.folds] == [[2, 3], [1, 2], [0, 1]]


def test_more_lines_than_can_be_told_apart_have_no_name(channels):
    stage = named(channels, "scp")
    steps = [replace(step, params={"layer": f"{step.candidate}-{n}"}, candidate=10 * n + step.candidate)
             for n in range(7) for step in stage.steps]  # fmt: skip
    many = stage._replace(steps=steps, choice=None)
    (family,) = fates.families(channels._replace(stages=[channels.vanilla, many]))
    assert [line.label for line in family.lines] == [""] * 14
    assert {line.look.colour for line in family.lines} == {fates.MUTED}


def test_the_eight_layers_of_an_ablation_are_told_apart_and_other_stages_have_a_picture_of_their_own(channels):
    stage = named(channels, "scp")
    steps = [replace(step, params={"layer": f"features.{n}"}, candidate=n) for n in range(8) for step in stage.steps]
    layers = stage._replace(steps=steps, choice=None, record=replace(stage.record, name="scp-layers"))
    by_layer, other = fates.families(channels._replace(stages=[channels.vanilla, layers, stage]))
    assert [line.label.endswith(f"features.{n}") for n, line in enumerate(by_layer.lines)] == [True] * 8
    assert len({line.look.colour for line in by_layer.lines}) == 8
    assert len({line.look.marker for line in by_layer.lines}) == 7
    assert [one.record.name for one in other.stages] == ["scp"]


@pytest.mark.parametrize("values", [{"eodd": 0.0, "eopp1": 0.1}, {"eodd": None, "eopp1": 0.1}])
def test_a_start_without_a_gap_has_no_fate(channels, values):
    stage = named(channels, "scp-random")
    steps = [replace(step, gaps=values) if step.step == 0 else step for step in stage.steps]
    for fold in fates.folds_of(stage._replace(steps=steps)):
        assert np.isnan([spot.fates["eodd"] for spot in fold]).all()
        assert not np.isnan([spot.fates["eopp1"] for spot in fold]).any()
        assert not np.isnan([spot.change for spot in fold]).any()


def test_a_group_without_images_has_neither_fate_nor_change(channels):
    stage = named(channels, "scp-random")
    none = {name: replace(scores, f1=None) for name, scores in stage.steps[0].groups.items()}
    found = fates.folds_of(stage._replace(steps=[replace(step, groups=none) for step in stage.steps]))
    assert all(np.isnan([spot.change, *spot.fates.values()]).all() for fold in found for spot in fold)


def test_without_a_start_there_is_nothing_to_compare_with(channels):
    stage = named(channels, "scp-random")
    assert fates.folds_of(stage._replace(steps=[step for step in stage.steps if step.step])) == [[], [], []]


@pytest.mark.parametrize(
    ("method", "params", "found"),
    [
        ("scp", {}, [0.01]),
        ("scp", {"th_acc": [0.02, 0.05]}, [0.02, 0.05]),
        ("scp", {"stop": ["none"]}, []),
        ("scp", {"stop": ["none", "thresholds"], "th_acc": 0.03}, [0.03]),
        ("fairprune_channels", {}, []),
    ],
)
def test_the_bound_is_there_where_it_is_looked_at(channels, method, params, found):
    stage = named(channels, "scp")
    record = replace(stage.record, method=method, params=params)
    assert fates.bounds(stage._replace(record=record)) == found


def test_the_bound_by_default_is_that_of_the_method():
    assert inspect.signature(scp).parameters["th_acc"].default == fates.TH_ACC


def test_the_mean_goes_as_far_as_all_folds_do():
    folds = [[Spot(n, {"eodd": value}, 0.0, False) for n, value in enumerate(row)]
             for row in ([0.0, 1.0, 2.0], [0.0, 3.0], [np.nan, np.nan, np.nan])]  # fmt: skip
    steps, means = fates.mean([*folds, []], lambda spot: spot.fates["eodd"])
    assert steps.tolist() == [0, 1]
    assert means.tolist() == [0.0, 2.0]
    assert [len(part) for part in fates.mean([], lambda spot: spot.change)] == [0, 0]
