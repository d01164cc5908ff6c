import json
from dataclasses import replace

import numpy as np
import pytest

from fairshrink.report import style
from fairshrink.report.channels import channel_parts
from fairshrink.report.page import render
from fairshrink.report.reading import read_run
from report.fake_analysis import fake_channels
from report.fake_run import mapped_grid, write_fake_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_fake_run(tmp_path_factory.mktemp("channels") / "run", mapped_grid())
    stage = folder / "stages/02-fairprune"
    record = json.loads((stage / "stage.json").read_text(encoding="utf-8"))
    (stage / "stage.json").write_text(json.dumps(record | {"unit": "channels"}), encoding="utf-8")
    for fold in range(3):
        place = stage / f"fold-{fold}"
        place.mkdir()
        (place / "channels.json").write_text(json.dumps(fake_channels(seed=fold)), encoding="utf-8")
    return read_run(folder)


def test_a_stage_that_removes_channels_has_their_picture(run):
    with style.drawing():
        (part,) = channel_parts(run)
    assert part.label == "FairPrune"
    assert len(part.picture.panels) == 1
    assert "layer4.1.conv2: 2 of 40 removed" in part.picture.panels[0]
    assert "Thin: the 3 folds" in part.picture.caption
    assert "512 training images a fold, 128 compared at once, read before the activation" in part.picture.caption


def test_the_caption_says_whether_the_channels_that_stayed_moved(run):
    with style.drawing():
        (part,) = channel_parts(run)
    layers = [one.layers[0] for one in run.stages[2].channels]
    stayed = [np.mean([np.delete(side, layer.removed).mean() for side, layer in zip(sides, layers, strict=True)])
              for sides in ([one.before for one in layers], [one.after for one in layers])]  # fmt: skip
    assert f"Of those that stayed: {stayed[0]:.4f} before, {stayed[1]:.4f} after" in part.picture.caption


def test_many_layers_are_folded_away(run):
    stage = run.stages[2]
    first = stage.channels[0].layers[0]
    many = [replace(first, name=f"conv{n}") for n in range(8)]
    one = stage.channels[0]
    wide = replace(one, layers=many)
    changed = run._replace(stages=[*run.stages[:2], stage._replace(channels=(wide,))])
    with style.drawing():
        (part,) = channel_parts(changed)
    assert (len(part.picture.panels), len(part.further.panels)) == (6, 2)
    assert part.more == "The channels of 2 more layers"
    assert "Of those that stayed" not in part.picture.caption


def test_the_page_of_the_run_shows_it(run):
    assert "What happened to the channels" in render(run)


def test_the_same_channels_of_the_control_are_named_beside(run):
    stage = run.stages[2]
    controlled = stage._replace(record=replace(stage.record, control="obd"))
    beside = run.stages[1]._replace(channels=stage.channels)
    with style.drawing():
        (part, _) = sorted(
            channel_parts(run._replace(stages=[run.stages[0], beside, controlled])), key=lambda one: one.label
        )
    layers = [one.layers[0] for one in stage.channels]
    after = np.mean([np.delete(layer.after, layer.removed).mean() for layer in layers])
    assert f"The same channels after the control, which removed none: {after:.4f}." in part.picture.caption
    others = tuple(replace(one, layers=[replace(one.layers[0], name="conv1")]) for one in stage.channels)
    strange = run._replace(stages=[run.stages[0], beside._replace(channels=others), controlled])
    with style.drawing():
        assert not any("after the control" in one.picture.caption for one in channel_parts(strange))


@pytest.mark.parametrize(
    ("cuttable", "said"),
    [
        ((True, True), "Removed channels can be cut out of the file (fairshrink export --cut)."),
        ((False, False), "Removed channels cannot be cut out of the file, because"),
        ((True, False), "Of conv1 removed channels cannot be cut out of the file, because"),
        ((None, None), None),
    ],
)
def test_the_caption_says_what_can_be_cut_out(run, cuttable, said):
    stage = run.stages[2]
    one = stage.channels[0]
    layers = [replace(one.layers[0], name=f"conv{n}", cuttable=known) for n, known in enumerate(cuttable)]
    changed = run._replace(stages=[*run.stages[:2], stage._replace(channels=(replace(one, layers=layers),))])
    with style.drawing():
        (part,) = channel_parts(changed)
    assert (said or "") in part.picture.caption
    assert ("cut out" in part.picture.caption) == (said is not None)


def test_the_caption_counts_what_no_score_saw(run):
    stage = run.stages[2]
    assert "Not in the mean" not in _caption(run, stage.channels)
    alone = tuple(replace(one, alone=1, skipped=2) for one in stage.channels)
    said = "Not in the mean: 3 images without a partner of the same group and 6 batches with one group only."
    assert said in _caption(run, alone)


def _caption(run, channels):
    changed = run._replace(stages=[*run.stages[:2], run.stages[2]._replace(channels=channels)])
    with style.drawing():
        (part,) = channel_parts(changed)
    return part.picture.caption
