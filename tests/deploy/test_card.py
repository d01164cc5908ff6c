import json
from dataclasses import replace

import pytest

from fairshrink.deploy.card import Card, read_card
from fairshrink.errors import ModelError


def test_it_comes_back_as_it_was_written(card):
    assert read_card(json.loads(json.dumps(card.to_dict())), "model.json") == card


@pytest.mark.parametrize("name", ["backbone", "classes", "size", "mean", "std"])
def test_what_is_needed_may_not_be_missing(card, name):
    with pytest.raises(ModelError, match=f"'m.json' does not say how its model is used: it lacks {name}"):
        read_card({key: value for key, value in card.to_dict().items() if key != name}, "m.json")


def test_another_json_is_no_card():
    with pytest.raises(ModelError, match="it lacks backbone, classes, size, mean, std"):
        read_card([1], "m.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a"]}, "classes is .* two or more different names"),
        ({"classes": ["a", "a"]}, "two or more different names"),
        ({"classes": "ab"}, "two or more different names"),
        ({"classes": [1, 2]}, "two or more different names"),
        ({"num_classes": 4}, "num_classes is '4', but 3"),
        ({"size": 32.0}, "size is '32.0', but a number of pixels"),
        ({"size": 0}, "size is '0'"),
        ({"backbone": 18}, "backbone is '18', but a name"),
        ({"mean": [0.5, 0.5]}, "mean is .* three numbers"),
        ({"mean": [0.5, 0.5, float("nan")]}, "three numbers"),
        ({"std": [0.2, 0.2, 0]}, "std is .* three numbers above 0"),
        ({"std": [0.2, 0.2, "x"]}, "three numbers above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(card, change, message):
    with pytest.raises(ModelError, match=message):
        read_card(card.to_dict() | change, "m.json")


def test_a_cut_model_says_which_channels_are_gone_and_is_still_the_same_use():
    whole = Card("small_cnn", ("a", "b"), 32)
    cut = replace(whole, cut={"features.0": (1, 2)})
    assert "cut" not in whole.to_dict()
    assert cut.to_dict()["cut"] == {"features.0": [1, 2]}
    assert read_card(cut.to_dict(), "x").cut == {"features.0": [1, 2]}
    assert cut == whole


@pytest.mark.parametrize(
    "cut", [[1, 2], {"features.0": 3}, {"features.0": [True]}, {"features.0": [-1]}, {"features.0": ["1"]}]
)
def test_channels_are_lists_of_numbers_by_layer(cut):
    with pytest.raises(ModelError, match="'x': cut is .*, but a table of channel numbers by layer is expected"):
        read_card(Card("small_cnn", ("a", "b"), 32).to_dict() | {"cut": cut}, "x")
