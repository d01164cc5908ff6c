import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import ConfigError
from fairshrink.maths.tasks import classify, multi_exit
from fairshrink.train.objectives import (
    OBJECTIVES,
    STRENGTH,
    Erm,
    Hsic,
    Mfd,
    Objective,
    State,
    check_objective,
    erm,
    find_objective,
    make,
)
from fairshrink.types import GroupBatch


def test_names_lead_to_objectives():
    teacher = nn.Linear(4, 3)
    made = {name: make(name, weights=[0.5], strength=2, teacher=teacher) for name in OBJECTIVES}
    assert made == {"erm": erm, "hsic": Hsic(classify, (0.5,), 2), "mfd": Mfd(teacher, classify, (0.5,), 2)}
    assert all(isinstance(objective, Objective) for objective in made.values())
    assert find_objective("erm") is erm
    assert find_objective("hsic") == make("hsic") == Hsic()


def test_a_task_goes_with_the_name():
    task = multi_exit([0.4, 0.9])
    assert make("erm", task=task) == Erm(task)
    assert make("hsic", task=task, weights=(0.4, 0.9)) == Hsic(task, (0.4, 0.9), STRENGTH)


def test_a_name_that_is_none_is_refused():
    for ask in (find_objective, make, check_objective):
        with pytest.raises(ConfigError, match="there is no objective called 'emr'. Did you mean 'erm'?"):
            ask("emr")
    check_objective("mfd")


def test_a_missing_teacher_is_asked_for():
    for ask in (find_objective, make):
        with pytest.raises(ConfigError, match="the objective 'mfd' needs a teacher: a model of the same form"):
            ask("mfd")


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
