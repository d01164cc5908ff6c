from dataclasses import replace

import pytest

from fairshrink.report import removing
from report.fake_run import named


def test_how_many_channels_a_stage_removed_is_that_of_the_steps_that_were_taken(channels):
    random = named(channels, "scp-random")
    assert removing.removed(random) == (10, 31, 512)
    assert removing.clause(random) == "removed 10 to 31 of 512 channels of layer4.1.conv2"
    assert removing.brief(random) == "10 to 31 of 512 channels removed"
    one = random._replace(steps=[step for step in random.steps if step.fold == 0])
    assert str(removing.removed(one)) == "31 of 512 channels"
    assert removing.notes(one) == ("31 of 512 channels",)


def test_several_models_of_a_method_are_counted_together(channels):
    found = removing.removed(named(channels, "scp"), named(channels, "scp-random"))
    assert found == (0, 31, 512)


def test_a_control_and_a_stage_of_weights_have_removed_none(channels):
    control, obd = named(channels, "scp-control"), named(channels, "obd")
    assert removing.removes(control)
    assert removing.notes(control) == ()
    assert not removing.removes(obd)
    assert removing.removed(obd) is None
    assert removing.notes(obd) == ()
    assert removing.any_in(channels)
    assert not removing.any_in(channels._replace(stages=[obd]))


def test_without_steps_channels_are_not_counted(channels):
    bare = named(channels, "scp")._replace(steps=[])
    assert removing.clause(bare) == "removed channels of layer4.1.conv2"
    assert removing.brief(bare) == "channels removed"


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("scp", {}, "the last convolution"),
        ("scp", {"layer": "features.18"}, "features.18"),
        ("fairprune_channels", {}, "the convolutions that can be cut alone"),
        ("fairprune_channels", {"layers": ["conv1", "layer1.0.conv1"]}, "conv1 and layer1.0.conv1"),
    ],
)
def test_where_no_names_were_written_the_settings_say_which_layers(channels, method, params, said):
    stage = named(channels, "scp-random")
    steps = [replace(step, params=params) for step in stage.steps]
    scored = stage.channels[0]
    stage = stage._replace(steps=steps, channels=(), record=replace(stage.record, method=method))
    assert removing.where(stage) == said
    for count, wanted in ((2, "layer0 and layer1"), (4, said)):
        layers = [replace(scored.layers[0], name=f"layer{number}") for number in range(count)]
        assert removing.where(stage._replace(channels=(replace(scored, layers=layers),))) == wanted


def test_layers_that_differ_between_candidates_are_those_that_were_chosen(channels):
    stage = named(channels, "scp")._replace(channels=())
    steps = [replace(step, params={"layer": ("first", "second")[step.candidate]}) for step in stage.steps]
    assert removing.where(stage._replace(steps=steps)) == "second"
