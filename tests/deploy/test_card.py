import json
from dataclasses import replace

import pytest

from fairshrink.deploy.card import Card, Exits, read_card
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


EXITS = Exits(("layer1", "layer3"), "conv", (0.3, 0.6, 0.9), 0.95)


def test_exits_come_back_as_they_were_written(card):
    early = replace(card, exits=EXITS)
    assert read_card(json.loads(json.dumps(early.to_dict())), "m.json") == early
    assert early.to_dict()["exits"]["taps"] == ["layer1", "layer3"]
    assert EXITS.names == ("layer1", "layer3", "final")


def test_a_model_with_exits_is_another_one_than_without(card):
    assert replace(card, exits=EXITS) != card
    assert "exits" not in card.to_dict()
    assert read_card(card.to_dict() | {"exits": None}, "m.json") == card


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taps": []}, r"exits.taps is '\[\]', but a list of different names of layers is expected"),
        ({"taps": ["layer1", "layer1"]}, "exits.taps"),
        ({"taps": "layer1"}, "exits.taps"),
        ({"taps": ["layer1", "final"]}, "exits.taps"),
        ({"taps": None}, "exits.taps is 'None'"),
        ({"heads": "deep"}, "exits.heads is 'deep', but linear or conv is expected"),
        (
            {"weights": [0.3, 0.9]},
            r"exits.weights is '\[0.3, 0.9\]', but 3 numbers of 0 or more, not all 0, is expected",
        ),
        ({"weights": [0, 0, 0]}, "exits.weights"),
        ({"weights": [0.3, -0.6, 0.9]}, "exits.weights"),
        ({"weights": [0.3, float("nan"), 0.9]}, "exits.weights"),
        ({"weights": [True, 0.6, 0.9]}, "exits.weights"),
        ({"weights": "300"}, "exits.weights is '300'"),
        ({"threshold": 0}, "exits.threshold is '0', but a number above 0, at most 1, is expected"),
        ({"threshold": 1.01}, "exits.threshold"),
        ({"threshold": "0.9"}, "exits.threshold"),
        ({"threshold": 10**400}, "exits.threshold is '1000"),
        ({"weights": [0.3, 0.6, 10**400]}, "exits.weights"),
    ],
)
def test_exits_that_cannot_be_meant_are_refused(card, change, message):
    with pytest.raises(ModelError, match=message):
        read_card(card.to_dict() | {"exits": EXITS.to_dict() | change}, "m.json")


def test_exits_are_a_table(card):
    with pytest.raises(
        ModelError, match="'m.json': exits is '4', but a table of taps, heads, weights and threshold is exp"
    ):
        read_card(card.to_dict() | {"exits": 4}, "m.json")
