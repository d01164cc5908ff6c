import dataclasses

import pytest

from fairshrink.report import paired


def slow_holm(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    out, highest = [0.0] * len(p), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, p[i] * (len(p) - place)))
        out[i] = highest
    return out


def places(run):
    return [(stage, name, gap) for stage in run.stages[1:] for name in run.attributes for gap in paired.GAPS]


def test_all_changes_of_the_page_are_adjusted_together(five):
    found = [paired.change(five, *place) for place in places(five)]
    plain = [stage.comparison.attributes[name].gaps[gap].p for stage, name, gap in places(five)]
    assert len(found) == 12
    assert [change.p for change in found] == plain
    assert [change.p_holm for change in found] == pytest.approx(slow_holm(plain))


def test_what_is_undefined_is_no_member_of_the_family(five):
    stage = five.stages[1]
    of = stage.comparison.attributes["sex"]
    gone = dataclasses.replace(of.gaps["eopp1"], change=None, p=None)
    attributes = stage.comparison.attributes | {"sex": dataclasses.replace(of, gaps=of.gaps | {"eopp1": gone})}
    bare = stage._replace(comparison=dataclasses.replace(stage.comparison, attributes=attributes))
    run = five._replace(stages=[five.vanilla, bare, five.stages[2]])
    rest = [place for place in places(run) if place != (bare, "sex", "eopp1")]
    plain = [stage.comparison.attributes[name].gaps[gap].p for stage, name, gap in rest]
    assert paired.change(run, bare, "sex", "eopp1").p_holm is None
    assert [paired.change(run, *place).p_holm for place in rest] == pytest.approx(slow_holm(plain))


def test_a_model_that_was_not_compared_has_no_change(five):
    bare = five.stages[1]._replace(comparison=None)
    run = five._replace(stages=[five.vanilla, bare, five.stages[2]])
    assert paired.compared(run) == [five.stages[2]]
    assert paired.change(run, bare, "sex", "eopp1") is None


def test_changes_against_a_control_are_adjusted_with_the_others(quantised):
    (pair,) = paired.pairs(quantised)
    assert (pair.stage.label, pair.twin.label) == ("FairQuantize", "Re-training only")
    assert paired.twins(quantised, pair.stage) == [pair]
    assert paired.twins(quantised, pair.twin) == []
    assert paired.name(pair) == "FairQuantize − control"
    found = [paired.change(quantised, stage, "sex", gap) for stage in quantised.stages[1:] for gap in paired.GAPS]
    found += [paired.change(quantised, pair.stage, "sex", gap, twin=pair.twin) for gap in paired.GAPS]
    assert paired.family(quantised) == len(found) == 15
    plain = [pair.record.attributes["sex"].gaps[gap].p for gap in paired.GAPS]
    assert [change.p for change in found[-3:]] == plain
    assert [change.p_holm for change in found] == pytest.approx(slow_holm([change.p for change in found]))
