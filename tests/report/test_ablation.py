from dataclasses import replace

import pytest

from fairshrink.report import ablation, control, grids


def choosing(run, number):
    """The run, every fold's FairPrune choosing the same candidate."""
    stage = run.stages[2]
    chosen = [replace(one, candidate=number) for one in stage.choice.chosen]
    return run._replace(stages=[*run.stages[:2], stage._replace(choice=replace(stage.choice, chosen=chosen))])


def test_stages_of_one_start_are_a_family(mapped):
    (family,) = ablation.families(mapped)
    assert family.parent == "Vanilla"
    assert [stage.label for stage in family.stages] == ["OBD", "FairPrune"]
    assert ablation.longest(family) == 7
    assert family.start.ratio == 0.0
    assert family.start.recall.value == ablation.curves(mapped, family)[0].points[0].recall.value


def test_another_start_is_another_family(mapped):
    record = replace(mapped.stages[2].record, parent="obd")
    chained = mapped._replace(stages=[*mapped.stages[:2], mapped.stages[2]._replace(record=record)])
    assert [(f.parent, len(f.stages)) for f in ablation.families(chained)] == [("Vanilla", 1), ("OBD", 1)]


def test_the_chosen_way_is_thick_and_goes_past_the_choice(mapped):
    run = choosing(mapped, 4)
    found = ablation.curves(run, ablation.families(run)[0])
    assert [(curve.label, curve.thick) for curve in found] == [
        ("FairPrune, beta 0", False),
        ("FairPrune, beta 0.8", False),
        ("OBD", True),
        ("FairPrune, beta 0.33", True),
    ]
    assert found[-1].ends == {0.2}
    assert [point.ratio for point in found[-1].points] == pytest.approx([0.05 * step for step in range(8)])


def test_folds_that_differ_are_pooled_as_they_chose(mapped):
    stage = mapped.stages[2]
    chosen = [replace(one, candidate=number) for one, number in zip(stage.choice.chosen, [2, 5, 8], strict=True)]
    apart = stage._replace(choice=replace(stage.choice, chosen=chosen))
    run = mapped._replace(stages=[*mapped.stages[:2], apart])
    found = ablation.curves(run, ablation.families(run)[0])
    assert [curve.label for curve in found if curve.thick] == ["OBD", "FairPrune, as chosen"]
    assert sum(not curve.thick for curve in found) == 3
    assert found[-1].points == ablation.points(grids.chosen_way(apart), sure=True)


def test_a_fold_that_kept_its_model_leaves_no_thick_line(mapped):
    stage = mapped.stages[2]
    chosen = [replace(one, candidate=number) for one, number in zip(stage.choice.chosen, [None, 5, 8], strict=True)]
    run = mapped._replace(stages=[*mapped.stages[:2], stage._replace(choice=replace(stage.choice, chosen=chosen))])
    assert [c.label for c in ablation.curves(run, ablation.families(run)[0]) if c.thick] == ["OBD"]


def test_many_ways_have_no_names(mapped):
    stage = mapped.stages[2]
    steps = [replace(s, params={"beta": s.candidate}) for s in stage.steps]
    candidates = [replace(c, params={"beta": c.candidate}) for c in stage.choice.candidates]
    many = stage._replace(steps=steps, choice=replace(stage.choice, candidates=candidates))
    run = choosing(mapped._replace(stages=[*mapped.stages[:2], many]), 0)
    thin = [c for c in ablation.curves(run, ablation.families(run)[0]) if not c.thick]
    assert [c.label for c in thin] == [""] * 8
    assert len({c.look.colour for c in thin}) == 1


def test_two_stages_have_bands_one_of_each_method_first(mapped):
    obd, fairprune = mapped.stages[1:]
    further = [
        fairprune._replace(label="Norms"),
        obd._replace(label="Again"),
        obd._replace(record=replace(obd.record, method="other"), label="Other"),
    ]
    for stages, banded in [
        ([obd, fairprune], {"OBD", "FairPrune"}),
        ([*further, fairprune, obd], {"Norms", "Again"}),
        ([further[2], further[1], obd], {"Other", "Again"}),
        ([further[2], obd, fairprune], {"OBD", "FairPrune"}),
    ]:
        run = mapped._replace(stages=[mapped.stages[0], *stages])
        found = ablation.curves(run, ablation.families(run)[0])
        assert {curve.label.partition(", ")[0] for curve in found if curve.banded} == banded
        assert all(curve.thick for curve in found if curve.banded)
        assert sum(curve.thick for curve in found) == len(stages)


def test_a_stage_without_a_thick_line_takes_no_band(mapped):
    obd, fairprune = mapped.stages[1:]
    chosen = [replace(one, candidate=None) for one in obd.choice.chosen]
    kept = obd._replace(choice=replace(obd.choice, chosen=chosen), label="Kept")
    run = mapped._replace(stages=[mapped.stages[0], kept, fairprune, obd])
    found = ablation.curves(run, ablation.families(run)[0])
    assert {curve.label.partition(", ")[0] for curve in found if curve.banded} == {"FairPrune", "OBD"}


def test_what_cannot_be_drawn_has_a_reason(mapped):
    stage = mapped.stages[2]
    assert ablation.missing(stage) == ""
    assert ablation.missing(stage._replace(steps=[])) == "the stage has no steps.jsonl"
    bare = stage._replace(steps=[replace(step, counts=None) for step in stage.steps])
    assert "has no counts" in ablation.missing(bare)
    late = stage._replace(steps=[step for step in stage.steps if step.fold or step.step])
    assert "lacks the start of a fold" in ablation.missing(late)
    assert len(ablation.families(mapped._replace(stages=[mapped.stages[0], bare]))) == 0


def test_quantising_is_a_family_of_its_own_with_its_control_beside(quantised):
    pruned, two = ablation.families(quantised)
    assert [stage.label for stage in pruned.stages] == ["OBD", "FairPrune"]
    assert [stage.label for stage in two.stages] == ["FairQuantize"]
    assert (pruned.quantises, two.quantises) == (False, True)
    assert not any(curve.control for curve in ablation.curves(quantised, pruned))
    (beside,) = [curve for curve in ablation.curves(quantised, two) if curve.control]
    assert (beside.label, beside.thick) == ("Re-training only", False)
    steps = control.steps_of(quantised, quantised.stages[3])
    assert beside.points == ablation.points(steps, sure=False)
    assert [point.ratio for point in beside.points] == pytest.approx([0.05 * step for step in range(8)])


def test_a_control_that_lacks_a_fold_is_not_drawn(quantised):
    beside = quantised.stages[4]
    short = beside._replace(steps=[step for step in beside.steps if step.fold])
    run = quantised._replace(stages=[*quantised.stages[:4], short])
    assert not any(curve.control for curve in ablation.curves(run, ablation.families(run)[1]))
