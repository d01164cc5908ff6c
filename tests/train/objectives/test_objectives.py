import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import ConfigError
from fairshrink.maths.tasks import classify
from fairshrink.train.objectives import OBJECTIVES, Erm, Objective, State, erm, find_objective
from fairshrink.types import GroupBatch


def test_names_lead_to_objectives():
    assert find_objective("erm") is erm is OBJECTIVES["erm"]
    assert all(isinstance(objective, Objective) for objective in OBJECTIVES.values())
    with pytest.raises(ConfigError, match="there is no objective called 'emr'. Did you mean 'erm'?"):
        find_objective("emr")


def test_erm_is_the_mean_loss_whatever_the_groups():
    model = nn.Linear(4, 3)
    x, y = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    state = erm.begin(model, 2)
    assert state == State()
    losses = [erm.step(model, GroupBatch(x, y, g), state) for g in (torch.zeros(6).long(), torch.full((6,), -1))]
    assert losses[0] == losses[1] == functional.cross_entropy(model(x), y)


def test_erm_takes_any_task():
    twice = classify._replace(loss=lambda outputs, y: 2 * classify.loss(outputs, y))
    model = nn.Linear(4, 3)
    batch = GroupBatch(torch.randn(2, 4), torch.tensor([0, 1]), torch.zeros(2).long())
    assert Erm(twice).step(model, batch, State()) == 2 * erm.step(model, batch, State())
