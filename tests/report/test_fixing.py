from dataclasses import replace

import pytest

from fairshrink.report import fixing
from fairshrink.report.records import Chosen


def changed(stage, **values):
    return stage._replace(record=replace(stage.record, **values))


def named(run, name):
    return next(stage for stage in run.stages if stage.record.name == name)


def test_a_control_is_neither_shrunk_nor_quantised(quantised):
    assert [stage.record.name for stage in fixing.shrunk(quantised)] == ["obd", "fairprune", "fairquantize"]
    control = named(quantised, "fairquantize-control")
    assert fixing.brief(control) == "nothing fixed"
    assert fixing.clause(quantised, control) == (
        "was re-trained just as FairQuantize was, with nothing fixed (its control)"
    )
    alone = quantised._replace(stages=[changed(control, of=None)])
    assert fixing.clause(alone, alone.stages[0]) == "was re-trained with nothing fixed"


def test_where_weights_are_fixed_is_said(quantised):
    stage = named(quantised, "fairquantize")
    assert fixing.clause(quantised, stage) == (
        "made 35.0\u00a0% of its weights powers of two, with re-training after each step"
    )
    assert fixing.brief(stage) == "35.0\u00a0% powers of two"
    assert fixing.sentence(stage).format(weights="9 weights") == "35.0\u00a0% of 9 weights are powers of two"
    assert fixing.cell(quantised, stage)[:2] == ("35.0\u00a0%", ("powers of two",))
    after_pruning = changed(stage, zero_fraction=0.2, fixed_fraction=0.9)
    assert fixing.clause(quantised, after_pruning).startswith(
        "fixed 90.0\u00a0% of its weights: 20.0\u00a0% are zero, 70.0\u00a0% other powers of two"
    )
    assert fixing.brief(after_pruning) == "70.0\u00a0% powers of two, 20.0\u00a0% zero"
    assert fixing.sentence(after_pruning).format(weights="9") == "20.0\u00a0% of 9 are 0, 70.0\u00a0% are powers of two"
    assert fixing.cell(quantised, after_pruning).notes == ("20.0\u00a0% zero", "70.0\u00a0% powers of two")


def test_pruning_is_said_as_before(quantised, mapped):
    stage = named(mapped, "obd")
    assert (fixing.column(mapped), fixing.column(quantised)) == ("zero weights", "fixed weights")
    assert fixing.cell(mapped, stage)[:2] == ("34.9\u00a0%", ())
    assert fixing.cell(quantised, stage)[:2] == ("34.9\u00a0%", ("zero",))
    assert fixing.cell(quantised, quantised.vanilla)[:2] == ("0.0\u00a0%", ())
    assert fixing.clause(mapped, stage) == "set 34.9\u00a0% of its weights to zero"
    assert fixing.sentence(stage).format(weights="9") == "34.9\u00a0% of 9 are 0"
    assert fixing.axis([stage]) == "share of weights fixed at zero"
    assert fixing.axis([stage, named(quantised, "fairquantize")]) == "share of weights fixed"


def test_re_training_without_a_control_is_warned_of(quantised, uncontrolled):
    assert fixing.warning(quantised) == ""
    text = fixing.warning(uncontrolled)
    assert text.startswith("FairQuantize was re-trained after each step and has no control")
    assert "may come from the re-training itself" in text
    stage = named(uncontrolled, "fairquantize")
    both = uncontrolled._replace(stages=[*uncontrolled.stages, stage._replace(label="Again")])
    assert fixing.warning(both).startswith("FairQuantize and Again were re-trained after each step and have no control")
    assert fixing.warning(both, uncontrolled.stages[1]) == ""


@pytest.mark.parametrize(("epochs", "warned"), [(0, False), ([0], False), ([0, 2], True), (3, True)])
def test_without_re_training_no_control_is_missed(uncontrolled, epochs, warned):
    stage = named(uncontrolled, "fairquantize")
    run = uncontrolled._replace(stages=[changed(stage, params={"epochs": epochs})])
    assert bool(fixing.warning(run)) is warned


def test_what_was_chosen_says_whether_it_was_re_trained(uncontrolled):
    stage = changed(named(uncontrolled, "fairquantize"), params={"epochs": [0, 2]})
    for epochs, wanted in ((0, False), (2, True)):
        chosen = [Chosen(0, 1, {"epochs": epochs})]
        assert fixing.retrained(stage._replace(choice=replace(stage.choice, chosen=chosen))) is wanted
    assert not fixing.retrained(named(uncontrolled, "fairprune"))


def test_another_selection_shares_the_control(quantised):
    other = changed(named(quantised, "fairquantize"), name="lots", of="fairquantize", control=None)
    run = quantised._replace(stages=[*quantised.stages, other])
    assert fixing.control_of(run, other).record.name == "fairquantize-control"
    assert fixing.control_of(run, named(run, "fairprune")) is None
    assert fixing.warning(run) == ""
