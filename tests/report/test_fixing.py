from dataclasses import replace

import pytest

from fairshrink.report import fixing
from fairshrink.report.records import Chosen
from report.fake_run import named


def changed(stage, **values):
    return stage._replace(record=replace(stage.record, **values))


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


def test_removed_channels_are_said_in_their_own_words(channels):
    scp, control = named(channels, "scp"), named(channels, "scp-control")
    assert [stage.record.name for stage in fixing.shrunk(channels)] == ["obd", "fairprune", "scp", "scp-random"]
    assert fixing.clause(channels, scp) == (
        "removed 0 to 20 of 512 channels of layer4.1.conv2, with re-training after each step"
    )
    assert fixing.brief(scp) == "0 to 20 of 512 channels removed"
    assert fixing.sentence(scp).format(weights="9 weights") == (
        "1.3\u00a0% of 9 weights are 0, those of 0 to 20 of 512 channels of layer4.1.conv2 among them"
    )
    assert fixing.cell(channels, scp)[:2] == ("1.3\u00a0%", ("0 to 20 of 512 channels",))
    assert fixing.axis([scp]) == "share of channels removed"
    assert fixing.axis([scp, named(channels, "obd")]) == "share of weights fixed at zero"
    assert fixing.brief(control) == "no channel removed"
    assert (
        fixing.clause(channels, control)
        == "was re-trained by the settings of SCP, with no channel removed (its control)"
    )
    assert fixing.cell(channels, control)[:2] == ("0.0\u00a0%", ())
    assert fixing.control_of(channels, scp) is fixing.control_of(channels, named(channels, "scp-random")) is control


def test_beside_powers_of_two_channels_are_still_counted(quantised, channels):
    run = quantised._replace(stages=[*quantised.stages, named(channels, "scp")])
    assert fixing.cell(run, run.stages[-1])[:2] == ("1.3\u00a0%", ("0 to 20 of 512 channels",))


def test_what_an_earlier_version_re_trained_only_is_a_control(quantised):
    control = named(quantised, "fairquantize-control")
    assert control.record.controls is None
    assert fixing.is_control(control)
    assert not fixing.is_control(changed(control, controls=False))


@pytest.mark.parametrize(
    ("method", "params", "warned"),
    [("scp", {}, True), ("scp", {"fine_tune": 0}, False), ("fairprune_channels", {"epochs": 0}, False),
     ("fairprune_channels", {}, True)],
)  # fmt: skip
def test_channels_without_a_control_are_warned_of(channels, method, params, warned):
    alone = changed(named(channels, "scp"), method=method, params=params)
    chosen = [replace(one, params=params) for one in alone.choice.chosen]
    alone = alone._replace(choice=replace(alone.choice, chosen=chosen))
    text = fixing.warning(channels._replace(stages=[alone]))
    assert ("not from the channels that were removed. Run it with its control" in text) is warned


def test_weights_and_channels_without_a_control_are_one_warning(channels, uncontrolled):
    stages = [named(channels, "scp"), named(uncontrolled, "fairquantize")]
    text = fixing.warning(channels._replace(stages=stages))
    assert text.startswith("SCP and FairQuantize were re-trained after each step and have no control")
    assert "not from what was fixed." in text


@pytest.mark.parametrize(("params", "wanted"), [({}, False), ({"alpha": [0.0]}, False), ({"alpha": 0.3}, True)])
def test_scp_favours_nobody_unless_its_loss_does(channels, params, wanted):
    assert fixing.favours(changed(named(channels, "scp"), params=params)) is wanted
    assert fixing.favours(named(channels, "fairprune"))
