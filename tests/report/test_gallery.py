import dataclasses
import io

import pytest
from PIL import Image

from fairshrink.report import gallery, style


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


def test_a_picture_without_records_says_what_is_missing(three):
    bare = [stage._replace(steps=[], history=[], choice=None, saliency=None) for stage in three.stages]
    run = three._replace(stages=bare, vanilla=bare[0])
    assert "no history.jsonl" in gallery.training(run).caption
    assert "no stage of this run has a saliency.json" in gallery.saliency(run).caption
    assert "no grid" in gallery.grid(run).caption
    assert ["no steps.jsonl" in picture.caption for picture in gallery.ratio(run)] == [True, True]
    assert not any(
        p.panels for p in (gallery.training(run), gallery.saliency(run), gallery.grid(run), *gallery.ratio(run))
    )


def test_what_the_spread_of_candidates_is_depends_on_what_each_fold_saw(five, mapped):
    assert gallery.grid(five).caption.endswith(
        "The spread between marks of one kind is the noise of a validation fold."
    )
    shared = gallery.grid(mapped).caption
    assert "Each fold looked at the validation images of all folds but those that it is tested on" in shared
    assert "noise of a validation fold" not in shared
    alone = dataclasses.replace(mapped.stages[1].choice, over="fold")
    both = gallery.grid(
        mapped._replace(stages=[mapped.vanilla, mapped.stages[1]._replace(choice=alone), mapped.stages[2]])
    )
    assert "is the noise of a validation fold; but for FairPrune each fold looked at" in both.caption


def test_the_classes_to_look_at_are_picked_openly(five):
    assert "stands out most in the vanilla model" in gallery.striking(five, "sex", 0).caption
    assert "expect a smaller gap" in gallery.striking(five, "sex", 0).caption


def test_a_saliency_without_unprivileged_group_has_no_ticks_to_explain(three):
    stages = [stage._replace(record=dataclasses.replace(stage.record, unprivileged=[])) for stage in three.stages]
    assert "Ticks below" not in gallery.saliency(three._replace(stages=stages)).caption
    assert "at least" in gallery.saliency(three).caption


def test_the_overview_is_one_png(three):
    image = Image.open(io.BytesIO(gallery.overview(three)))
    assert image.format == "PNG"
    assert image.width > image.height
    assert gallery.overview(three) == gallery.overview(three)


def test_changes_name_the_models_that_were_not_compared(five):
    bare = [*five.stages[:2], five.stages[2]._replace(comparison=None)]
    caption = gallery.changes(five._replace(stages=bare)).caption
    assert "after adjusting for all 6 changes shown here" in caption
    assert caption.endswith("For FairPrune there is no paired comparison: the stage has no comparison.json.")
    assert not gallery.changes(five._replace(stages=[five.vanilla])).panels
    assert "There is no shrunk model" in gallery.changes(five._replace(stages=[five.vanilla])).caption
