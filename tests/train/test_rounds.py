"""A training can be one round of several."""

import copy
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from fairshrink.errors import ConfigError, ModelError, StoreError
from fairshrink.train.loop import TrainSettings, fit
from fairshrink.train.objectives import Erm, State
from fairshrink.train.resume import describe
from fairshrink.train.schedules import make_optimizer
from fairshrink.types import GroupBatch

SETTINGS = TrainSettings(epochs=2, lr=0.05, schedule="constant", precision="fp32")
BATCHES = 3


class StoppedError(Exception):
    pass


class Noise:
    def __init__(self):
        self.asked = []

    def __len__(self):
        return BATCHES

    def epoch(self, number):
        self.asked.append(number)
        draw = torch.Generator().manual_seed(number)
        for _ in range(BATCHES):
            yield GroupBatch(torch.randn(6, 4, generator=draw), torch.arange(6) % 3, torch.arange(6) % 2)


class Counting:
    """The loss depends on the epoch."""

    def begin(self, model, num_groups):
        return State()

    def step(self, model, batch, state):
        return Erm().step(model, batch, state) * (1 + 0.1 * state.epoch)


def drawing() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))


def same(first, second) -> bool:
    return all(a.equal(b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_two_rounds_of_two_epochs_are_one_training_of_four(kind):
    settings = replace(SETTINGS, optimizer=kind)
    whole, parts, loader = drawing(), drawing(), Noise()
    expected = fit(whole, Noise(), replace(settings, epochs=4), num_groups=2, objective=Counting())
    optimizer = make_optimizer(parts.parameters(), settings)
    how = {"num_groups": 2, "objective": Counting(), "optimizer": optimizer}
    seen = [fit(parts, loader, settings, first=first, **how) for first in (0, 2)]
    assert loader.asked == [0, 1, 2, 3]
    assert same(whole, parts)
    assert [epoch.loss for history in seen for epoch in history] == [epoch.loss for epoch in expected]
    assert [epoch.epoch for history in seen for epoch in history] == [1, 2, 1, 2]


def test_rounds_differ_in_order_and_in_draws():
    models = [drawing() for _ in range(3)]
    for model, first in zip(models, (0, 0, 2), strict=True):
        fit(model, Noise(), SETTINGS, num_groups=2, first=first)
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    data = list(Noise().epoch(0))  # The same in every epoch: only the draws of dropout differ.
    for model, first in zip(models[1:], (0, 2), strict=True):
        model.load_state_dict(models[0].state_dict())
        fit(model, data, SETTINGS, num_groups=2, first=first)
    assert not same(models[1], models[2])


def test_the_learning_rate_is_that_of_the_settings_whatever_was_before():
    model = drawing()
    optimizer = torch.optim.SGD(model.parameters(), lr=3.0, momentum=0.9)
    for schedule, lr in (("onecycle", 0.05), ("cosine", 0.01), ("step", 0.02), ("onecycle", 0.03)):
        settings = replace(SETTINGS, schedule=schedule, lr=lr)
        rates = [epoch.lr for epoch in fit(model, Noise(), settings, num_groups=2, optimizer=optimizer)]
        assert rates == [epoch.lr for epoch in fit(drawing(), Noise(), settings, num_groups=2)]
        assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("stops", [(2,), (BATCHES + 1,), (1, BATCHES + 2)])
@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_interrupted_round_ends_with_the_same_bits(tmp_path, kind, stops):
    begun, settings = drawing(), replace(SETTINGS, optimizer=kind, schedule="step", step_epochs=1, step_factor=0.5)
    first = make_optimizer(begun.parameters(), settings)
    fit(begun, Noise(), settings, num_groups=2, optimizer=first)
    memory, held = copy.deepcopy(first.state_dict()), {"0.weight": torch.rand(8, 4) < 0.5}

    def go_on(state_file, stop=None):
        model = copy.deepcopy(begun)
        optimizer = make_optimizer(model.parameters(), settings)
        optimizer.load_state_dict(copy.deepcopy(memory))
        done = []

        def observer(*what):
            done.append(what)
            if len(done) == stop:
                raise StoppedError

        how = {"held": held, "first": 2, "optimizer": optimizer, "state_file": state_file, "observer": observer}
        return model, optimizer, fit(model, Noise(), settings, num_groups=2, **how)

    straight, straight_optimizer, history = go_on(None)
    for stop in stops:
        with pytest.raises(StoppedError):
            go_on(tmp_path / "state", stop)
    resumed, optimizer, again = go_on(tmp_path / "state")
    assert same(straight, resumed)
    assert resumed[0].weight[held["0.weight"]].equal(begun[0].weight[held["0.weight"]])
    assert [(epoch.epoch, epoch.loss) for epoch in again] == [(epoch.epoch, epoch.loss) for epoch in history]
    for one, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        for name, kept in straight_optimizer.state[one].items():
            assert kept is None or kept.equal(optimizer.state[other][name])


def test_the_state_of_another_round_is_refused(tmp_path):
    mask = torch.zeros(8, 4).bool()
    mask[0, 0] = True
    how = {"loader": Noise(), "settings": SETTINGS, "num_groups": 2, "state_file": tmp_path / "state"}
    fit(drawing(), **how, first=2, held={"0.weight": mask})
    fit(drawing(), **how, first=2, held={"0.weight": mask})
    for change, message in (
        ({"first": 4, "held": {"0.weight": mask}}, "first 2 (now 4)."),
        ({"held": {"0.weight": mask}}, "first 2 (now not set)."),
        ({"first": 2}, "held 1 weights ("),
        ({"first": 2, "held": {"0.weight": mask.roll(1)}}, "(now 1 weights ("),
    ):
        with pytest.raises(StoreError, match=f"other settings: .*{re.escape(message)}"):
            fit(drawing(), **how, **change)


def test_state_files_of_before_there_were_rounds_and_steps_stay_valid(tmp_path):
    assert set(describe(TrainSettings(schedule="step"), Erm(), 2, 3)) == {
        *("epochs", "optimizer", "lr", "momentum", "nesterov", "weight_decay", "schedule", "precision", "seed"),
        *("objective", "num_groups", "batches per epoch"),
    }
    stepped = describe(TrainSettings(schedule="step", step_epochs=4, step_factor=0.57), Erm(), 2, 3)
    assert (stepped["step_epochs"], stepped["step_factor"]) == ("4", "0.57")
    path = tmp_path / "state"
    fit(drawing(), Noise(), SETTINGS, num_groups=2, state_file=path, first=0, held={"0.bias": torch.zeros(8).bool()})
    assert set(torch.load(path)["described"]) == set(describe(SETTINGS, Erm(), 2, 3))


def test_what_is_no_epoch_and_no_optimizer_of_the_model_is_said():
    with pytest.raises(ConfigError, match="first is -1, expected the number of an epoch, counted from 0"):
        fit(drawing(), Noise(), SETTINGS, num_groups=2, first=-1)
    model = drawing()
    other = make_optimizer([*drawing().parameters(), model[0].weight], SETTINGS)
    with pytest.raises(ModelError, match=r"has 5 parameters, 1 of which are among the 4 that are trained.\n  Give one"):
        fit(model, Noise(), SETTINGS, num_groups=2, optimizer=other)
