import pytest
import torch

from fairshrink.deploy.card import Card, Exits
from fairshrink.deploy.predictor import network_of
from fairshrink.errors import ConfigError
from fairshrink.lab.networks import exits_of, network, spaced, task_of
from fairshrink.maths.tasks import PAPER_THRESHOLD, PAPER_WEIGHTS, classify
from fairshrink.models.multi_exit import MultiExit
from tiny import tiny

WITH_EXITS = {"exits": "auto"}


def test_the_network_has_the_exits_that_are_asked_for():
    plain, exits = (network(tiny(model=model), 5) for model in ({}, WITH_EXITS))
    assert not isinstance(plain, MultiExit)
    assert isinstance(exits, MultiExit)
    own = plain.state_dict()
    assert all(torch.equal(own[name], weight) for name, weight in exits.backbone.state_dict().items())
    assert len(exits(torch.zeros(2, 3, 32, 32))) == len(exits.taps) + 1 == 4


def test_only_a_network_with_exits_has_some_and_its_task_is_theirs():
    experiment = tiny(model=WITH_EXITS)
    assert exits_of(tiny(), network(tiny(), 5)) is None
    assert task_of(None) is classify
    found = exits_of(experiment, network(experiment, 5))
    assert found is not None
    assert (found.heads, found.weights, found.threshold) == ("linear", (0.3, 0.5, 0.7, 0.9), PAPER_THRESHOLD)
    outputs = (torch.tensor([[2.0, 0.0]]), *[torch.tensor([[0.0, 9.0]])] * 3)
    assert task_of(found).predict(outputs).item() == 1
    assert task_of(found, 0.8).predict(outputs).item() == 0


def test_weights_of_exits_run_from_the_papers_first_to_its_last():
    assert spaced(5) == PAPER_WEIGHTS
    assert spaced(2) == (0.3, 0.9)
    assert spaced(4) == (0.3, 0.5, 0.7, 0.9)


def test_a_card_describes_the_same_network():
    experiment = tiny(model={"exits": ["features.5"], "heads": "conv"})
    classes = tuple("abcde")
    own = network(experiment, 5)
    exits = exits_of(experiment, own)
    again = network_of(Card("small_cnn", classes, 32, exits=exits))
    assert {name: w.shape for name, w in own.state_dict().items()} == {
        name: w.shape for name, w in again.state_dict().items()
    }
    assert not isinstance(network_of(Card("small_cnn", classes, 32)), MultiExit)
    assert isinstance(exits, Exits)


def test_as_many_weights_as_exits():
    experiment = tiny(model=WITH_EXITS, train={"exit_weights": [0.5, 1.0]})
    with pytest.raises(
        ConfigError, match=r"exit_weights has 2 numbers, but the model has 4 exits: features.*, the final"
    ):
        exits_of(experiment, network(experiment, 5))
    nothing = tiny(model=WITH_EXITS, train={"exit_weights": [0, 0, 0, 0]})
    with pytest.raises(ConfigError, match="weights are .*, expected a number of 0 or more for each exit, not all 0"):
        exits_of(nothing, network(nothing, 5))
