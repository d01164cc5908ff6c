import math

import pytest
import torch
from torch import nn

from fairshrink.errors import ModelError
from fairshrink.train.schedules import make_optimizer, make_schedule, taken_over
from fairshrink.train.settings import SCHEDULES, TrainSettings

BATCHES = 7


def rates(settings):
    """The learning rate of every batch, and the momentum beside it."""
    optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], settings)
    schedule = make_schedule(optimizer, settings, BATCHES)
    seen = []
    for _ in range(settings.epochs * BATCHES):
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0].get("momentum")))
        optimizer.step()
        schedule.step()
    return [lr for lr, _ in seen], {momentum for _, momentum in seen}


def test_step_divides_by_ten_after_four_fifths_of_the_epochs():
    """As FairPrune: epoch 160 of 200."""
    lr, _ = rates(TrainSettings(epochs=10, schedule="step", lr=0.1))
    assert lr == pytest.approx([0.1] * 8 * BATCHES + [0.01] * 2 * BATCHES)


def test_step_can_come_every_few_epochs_and_by_another_factor():
    """As FairQuantize's re-training: times 0.57 every 4 epochs."""
    lr, _ = rates(TrainSettings(epochs=10, schedule="step", lr=0.1, step_epochs=4, step_factor=0.57))
    expected = [0.1] * 4 * BATCHES + [0.057] * 4 * BATCHES + [0.03249] * 2 * BATCHES
    assert lr == pytest.approx(expected)
    lr, _ = rates(TrainSettings(epochs=5, schedule="step", lr=0.1, step_factor=0.5))
    assert lr == pytest.approx([0.1] * 4 * BATCHES + [0.05] * BATCHES)


def test_one_that_is_taken_over_has_the_rates_of_the_new_settings():
    parameter = nn.Parameter(torch.zeros(1))
    first = TrainSettings(lr=0.5, epochs=2, schedule="step", step_epochs=1)
    optimizer = make_optimizer([parameter], first)
    make_schedule(optimizer, first, BATCHES)
    second = TrainSettings(lr=0.1, epochs=2, schedule="step", step_epochs=1)
    schedule = make_schedule(taken_over(optimizer, [parameter], second), second, BATCHES)
    seen = []
    for _ in range(2 * BATCHES):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx([0.1] * BATCHES + [0.01] * BATCHES)


def test_an_optimizer_is_taken_over_with_its_state():
    parameter = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=3.0, momentum=0.5)
    parameter.grad = torch.ones(2)
    optimizer.step()
    make_schedule(optimizer, TrainSettings(lr=0.2), BATCHES)
    assert taken_over(optimizer, [parameter], TrainSettings(lr=0.1)) is optimizer
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["momentum"] == 0.5
    assert optimizer.state[parameter]["momentum_buffer"].equal(torch.ones(2))
    for others in ([], [parameter, nn.Parameter(torch.ones(1))], [nn.Parameter(torch.ones(2))]):
        with pytest.raises(ModelError, match=f"has 1 parameters, .* among the {len(others)} that are trained"):
            taken_over(optimizer, others, TrainSettings())


def test_cosine_goes_from_the_rate_to_nothing():
    lr, _ = rates(TrainSettings(epochs=3, schedule="cosine", lr=0.1))
    total = 3 * BATCHES
    assert lr == pytest.approx([0.05 * (1 + math.cos(math.pi * step / total)) for step in range(total)])


def test_constant_is():
    lr, _ = rates(TrainSettings(epochs=3, schedule="constant", lr=0.1))
    assert lr == [0.1] * 3 * BATCHES


def test_onecycle_rises_to_the_rate_and_falls_to_nearly_nothing():
    lr, _ = rates(TrainSettings(epochs=10, lr=0.1))
    top = lr.index(max(lr))
    assert max(lr) == pytest.approx(0.1)
    assert 0.25 < top / len(lr) < 0.35
    assert lr[0] == pytest.approx(0.1 / 25)
    assert lr[-1] < 1e-5
    assert lr[: top + 1] == sorted(lr[: top + 1])
    assert lr[top:] == sorted(lr[top:], reverse=True)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_schedule_changes_the_momentum_and_one_epoch_is_enough(schedule):
    lr, momentum = rates(TrainSettings(epochs=1, schedule=schedule, momentum=0.8))
    assert momentum == {0.8}
    assert all(0 <= rate <= 0.05 for rate in lr)


def test_optimizers_get_their_settings():
    parameter = nn.Parameter(torch.zeros(1))
    sgd = make_optimizer([parameter], TrainSettings(lr=0.1, momentum=0.5, nesterov=True, weight_decay=0.01))
    assert isinstance(sgd, torch.optim.SGD)
    assert {name: sgd.defaults[name] for name in ("lr", "momentum", "nesterov", "weight_decay")} == {
        "lr": 0.1,
        "momentum": 0.5,
        "nesterov": True,
        "weight_decay": 0.01,
    }
    adam = make_optimizer([parameter], TrainSettings(optimizer="adam", lr=1e-4, weight_decay=0.02))
    assert isinstance(adam, torch.optim.Adam)
    assert (adam.defaults["lr"], adam.defaults["weight_decay"]) == (1e-4, 0.02)
