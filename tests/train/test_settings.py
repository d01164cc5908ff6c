import re
from dataclasses import FrozenInstanceError

import pytest

from fairshrink.errors import ConfigError
from fairshrink.train.settings import TrainSettings


def test_defaults_are_those_of_the_experiment_file():
    assert TrainSettings() == TrainSettings(
        epochs=12,
        optimizer="sgd",
        lr=0.05,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        schedule="onecycle",
        precision="bf16",
    )
    with pytest.raises(FrozenInstanceError):
        TrainSettings().lr = 1.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"optimizer": "adamw"}, "there is no optimizer called 'adamw'. Did you mean 'adam'?"),
        ({"schedule": "onecycel"}, "there is no schedule called 'onecycel'. Did you mean 'onecycle'?"),
        ({"precision": "fp16"}, "there is no precision called 'fp16'. Did you mean 'bf16'?"),
        ({"epochs": 0}, "epochs is 0, expected 1 or more."),
        ({"lr": 0.0}, "lr is 0.0, expected a number above 0."),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": float("inf")}, "lr is inf"),
        ({"momentum": 1.0}, "momentum is 1.0, expected at least 0 and below 1."),
        ({"weight_decay": -1e-4}, "weight_decay is -0.0001, expected 0 or more."),
        ({"seed": -1}, "seed is -1, expected 0 or more."),
        ({"schedule": "step", "step_epochs": 0}, "step_epochs is 0, expected 1 or more, or none."),
        ({"schedule": "step", "step_factor": 0.0}, "step_factor is 0.0, expected a number above 0, at most 1."),
        ({"schedule": "step", "step_factor": 1.5}, "step_factor is 1.5, expected a number above 0, at most 1."),
        ({"step_epochs": 4}, "step_epochs is 4, but the schedule is 'onecycle', which has no steps."),
        ({"schedule": "cosine", "step_factor": 0.5}, "Set schedule = 'step', or leave step_factor out."),
        ({"momentum": 0.0}, "nesterov is true, but momentum is 0"),
    ],
)
def test_what_cannot_be_is_said(given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        TrainSettings(**given)


def test_adam_needs_no_momentum():
    assert TrainSettings(optimizer="adam", momentum=0.0).nesterov
