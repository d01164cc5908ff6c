from dataclasses import replace

import pytest

from fairshrink.report import paired, twins


def with_change(run, **values):
    """The run, EOpp1 of FairQuantize against its control changed."""
    beside = run.stages[4]
    of = beside.twin.attributes["sex"]
    scores = of.scores | {"average_f1": replace(of.scores["average_f1"], change=-0.01, low=-0.03, high=0.01)}
    gaps = of.gaps | {"eopp1": replace(of.gaps["eopp1"], **values)}
    record = replace(beside.twin, attributes={"sex": replace(of, gaps=gaps, scores=scores)})
    return run._replace(stages=[*run.stages[:4], beside._replace(twin=record)])


NARROWER = {"change": -0.04, "low": -0.06, "high": -0.02, "p": 1e-6}
WITHIN = {"change": -0.01, "low": -0.03, "high": 0.01, "p": 0.4}


def test_a_difference_from_the_control_is_said(quantised):
    run = with_change(quantised, **NARROWER)
    assert (
        twins.headline(run) == "Against the same re-training without quantisation, FairQuantize narrows EOpp1 in sex."
    )
    text = twins.changes(run, run.stages[3], "sex")
    assert text.startswith(
        "Against the same re-training without quantisation, on the same images: EOpp1 −0.040 (interval"
    )
    assert ", narrower; macro F1 −0.010 (interval −0.030\u00a0to\u00a0+0.010), no difference is shown." in text


def test_an_interval_that_holds_no_change_shows_no_difference(quantised):
    run = with_change(quantised, **WITHIN)
    assert twins.headline(run) == (
        "Against the same re-training without quantisation, no difference in EOpp1 is shown for FairQuantize."
    )
    assert "after Holm), no difference is shown; macro F1" in twins.changes(run, run.stages[3], "sex")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"change": 0.04, "low": 0.02, "high": 0.06, "p": 1e-6}, "wider;"),
        (NARROWER | {"p": 0.04}, "narrower, but among all changes on this page it does not hold"),
        ({"change": None, "low": None, "high": None, "p": None}, "EOpp1 undefined;"),
    ],
)
def test_it_is_said_only_as_firmly_as_it_holds(quantised, values, words):
    run = with_change(quantised, **values)
    assert words in twins.changes(run, run.stages[3], "sex")
    assert ("widens" in twins.headline(run)) is (words == "wider;")


def test_another_selection_is_named(quantised):
    beside = quantised.stages[4]
    lots = beside._replace(
        record=replace(beside.record, method="fairquantize", name="lots", params={"select": ["random"]}), label="By lot"
    )
    run = with_change(quantised._replace(stages=[*quantised.stages[:4], lots]), **NARROWER)
    assert (
        twins.headline(run) == "Against By lot (chosen alike, its weights by lot), FairQuantize narrows EOpp1 in sex."
    )
    assert paired.name(paired.pairs(run)[0]) == "FairQuantize − By lot"


def test_without_a_twin_there_is_nothing_to_say(uncontrolled, quantised):
    assert twins.headline(uncontrolled) == ""
    assert twins.changes(quantised, quantised.stages[2], "sex") == ""


def test_removed_channels_have_their_own_control_and_selections(channels):
    control, random = [twins.against(pair) for pair in paired.pairs(channels)]
    assert control == "re-training by the same settings with no channel removed"
    assert random == "SCP random (chosen alike, its channels by lot)"
    assert twins.headline(channels).startswith("Against re-training by the same settings with no channel removed, ")
    size = [replace(stage.record, params={"select": "magnitude"}) for stage in channels.stages[-1:]]
    by_size = channels.stages[-1]._replace(record=size[0])
    pairs = paired.pairs(channels._replace(stages=[*channels.stages[:-1], by_size]))
    assert twins.against(pairs[1]) == "SCP random (chosen alike, its smallest channels first)"
