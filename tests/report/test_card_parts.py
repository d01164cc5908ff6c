import dataclasses

import pytest

from fairshrink.report import card_parts
from fairshrink.report.records import Coverage


def text(blocks):
    return "\n\n".join(blocks)


def test_the_model_is_described_from_its_settings(five, three):
    found = text(card_parts.details(five))
    assert (
        "- **What it is**: a resnet18 that gives every image, made 64 x 64 pixels, one of 7 classes: akiec, bcc,"
        in found
    )
    assert "- **Training**: from scratch; epochs 12, seed 0" in found
    assert "- **Input**: an image alone" in found
    assert "each model below is 5 models, one for each fold" in found
    assert "No model was trained on all images." in found
    assert "| FairPrune | Vanilla | ratio 0.35, beta 0.2 or 0.33 or 0.5 or 0.7 | 11,172,423 | 34.9 % |" in found
    assert "**Folds**" not in text(card_parts.details(three))
    assert "from scratch; the defaults of this version" in text(card_parts.details(three))


def test_what_the_settings_do_not_say_is_not_made_up(five):
    bare = five._replace(settings={"model": 3}, environment={})
    found = text(card_parts.details(bare))
    assert "a network (not stated which) that" in found
    assert "- **Made with**: fairshrink not stated" in found
    assert "- **Begun**: not stated" in found
    odd = five._replace(settings={"train": {"objective": "mine"}})
    assert "**Input**" not in text(card_parts.details(odd))


def test_weights_from_elsewhere_are_named_without_their_folder(five):
    taken = text(card_parts.details(five._replace(settings={"model": {"checkpoint": "/home/me/mine.safetensors"}})))
    assert "the weights are those of mine.safetensors. How they came about is not stated." in taken
    begun = text(card_parts.details(five._replace(settings={"model": {"weights": "net/imagenet.pth"}})))
    assert "begun with the weights in imagenet.pth; the defaults of this version" in begun
    assert "/home/me" not in taken


def test_groups_and_the_unprivileged_one(five):
    found = text(card_parts.factors(five))
    sizes = [sum(column) for column in zip(*five.data.attributes["sex"].counts, strict=True)]
    assert "- **Groups**: what the metadata say, by sex and age >= 60" in found
    assert f"- **By sex**: female ({sizes[0]:,} images) and male ({sizes[1]:,} images); " in found
    assert "- **Audited beside it**: age >= 60" in found
    assert "| fold 4 | 0.530 | 0.560 | female | measured |" in found


def test_one_attribute_has_none_beside_it(three):
    assert "Audited beside it" not in text(card_parts.factors(three))


def test_metrics_say_how_they_were_made(five):
    found = text(card_parts.metrics(five))
    assert "bias-corrected bootstrap, from 1,000 draws of 7,470 whole units (lesion_id); a value may lie above" in found
    audit = dataclasses.replace(five.vanilla.audit, n_boot=None, clusters=None)
    bare = text(card_parts.metrics(five._replace(vanilla=five.vanilla._replace(audit=audit))))
    assert "bias-corrected bootstrap; a value" in bare


def test_data_are_counted_and_what_was_left_out_is_said(five, three):
    found = text(card_parts.data(five))
    assert f"- **Data set**: ham10000, {five.data.count:,} images" in found
    assert "- **Left out**: 30 rows (no image of that name) and 1 row (the same picture as ISIC_0024777)" in found
    assert "images, all 5 folds together" in found
    assert "- **Kept on one side**: images that share a lesion_id" in found
    assert "| mel |" in found
    assert "all 1 folds" not in text(card_parts.data(three))
    alone = three._replace(data=dataclasses.replace(three.data, split_by="image", excluded=[]))
    assert "each image by itself" in text(card_parts.data(alone))
    assert "- **Left out**: no row" in text(card_parts.data(alone))


@pytest.mark.parametrize(
    ("here", "words"),
    [(10_015, "a part of the published set, 10,015 of 25,331"), (25_331, "the whole published set, 25,331 of 25,331")],
)
def test_how_much_of_a_published_set_it_is(five, here, words):
    part = five._replace(data=dataclasses.replace(five.data, coverage=Coverage(here, 25_331)))
    assert f"- **Data set**: ham10000, {five.data.count:,} images: {words}" in text(card_parts.data(part))


def test_a_licence_is_known_or_not_stated(five, three):
    assert card_parts.licence(five).startswith("CC BY-NC 4.0, as its publishers say")
    assert card_parts.licence(three).startswith("none is needed")
    assert card_parts.licence(five._replace(settings={"data": {"source": "table"}})) == "not stated"
