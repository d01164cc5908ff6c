from dataclasses import replace

from fairshrink.report import fate_gallery
from fairshrink.report.style import drawing
from report.fake_run import named


def test_the_caption_says_how_to_read_it(channels):
    with drawing():
        (picture,) = fate_gallery.pictures(channels)
    text = picture.caption
    assert text.startswith(
        "SCP and SCP random on Vanilla, iteration by iteration. FATE is against the model that was started"
    )
    for words in ("mean of the 3 folds as far as all of them went", "A ring marks the iteration", "th_acc",
                  "Grey crosses: re-training by the same settings with no channel removed"):  # fmt: skip
        assert words in text
    assert "undefined" not in text
    (svg,) = picture.panels
    assert "FATE of EOdd and EOpp1 by iteration, from Vanilla. SCP, channel_ratio 0.01: EOdd" in svg
    assert "SCP random: EOdd" in svg


def test_one_fold_without_control_and_bound_has_a_short_caption(channels):
    stage = named(channels, "scp-random")
    steps = [step for step in stage.steps if step.fold == 0]
    record = replace(stage.record, method="fairprune_channels", of=None)
    run = channels._replace(stages=[channels.vanilla, stage._replace(steps=steps, record=record)])
    with drawing():
        (picture,) = fate_gallery.pictures(run)
    assert picture.caption.endswith("A ring marks the step whose model each way kept (step 0 is the start).")


def test_what_is_undefined_is_counted(channels):
    stage = named(channels, "scp-random")
    steps = [
        replace(step, gaps=step.gaps | {"eodd": 0.0}) if step.step == 0 < step.fold else step for step in stage.steps
    ]
    run = channels._replace(stages=[channels.vanilla, stage._replace(steps=steps)])
    with drawing():
        (picture,) = fate_gallery.pictures(run)
    assert picture.caption.endswith(
        "FATE is undefined and left out: for EOdd in 2 of 3 (ways times folds, the control's among them)."
    )


def test_too_many_ways_are_counted(channels):
    stage = named(channels, "scp-random")
    steps = [replace(step, params={"layer": str(n)}, candidate=n) for n in range(13) for step in stage.steps]
    record = replace(stage.record, of=None)
    many = stage._replace(steps=steps, choice=None, ends=(), record=record)
    run = channels._replace(stages=[channels.vanilla, many])
    with drawing():
        (picture,) = fate_gallery.pictures(run)
    assert "13 ways are too many to be told apart, and have neither name nor rings." in picture.caption
    assert "A ring marks" not in picture.caption


def test_a_stage_without_steps_is_named_and_others_have_no_picture(channels, mapped):
    bare = named(channels, "scp")._replace(steps=[])
    (picture,) = fate_gallery.pictures(channels._replace(stages=[channels.vanilla, bare]))
    assert picture == ([], "FATE along the steps is left out for SCP: there is no steps.jsonl.", False)
    assert fate_gallery.pictures(mapped) == []
