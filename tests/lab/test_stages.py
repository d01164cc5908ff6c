"""What steps are called in reports."""

import pytest

from fairshrink.lab.grid import METHODS
from fairshrink.lab.stages import TITLES, title


def test_every_method_has_a_title():
    assert set(TITLES) == set(METHODS)


@pytest.mark.parametrize(
    ("method", "name", "words"),
    [
        ("scp", "scp", "SCP"),
        ("scp", "scp-2", "SCP 2"),
        ("scp", "layers", "SCP (layers)"),
        ("scp", "scp-random", "SCP random"),
        ("fairprune_channels", "fairprune_channels", "FairPrune channels"),
        ("retrain", "retrain", "Re-training only"),
    ],
)
def test_a_step_is_called_by_its_method_and_what_its_name_adds(method, name, words):
    assert title(method, name) == words


@pytest.mark.parametrize(
    ("method", "name", "words"),
    [
        ("scp", "scp-control", "SCP control"),
        ("scp", "layers-control", "SCP (layers) control"),
        ("scp", "idle", "SCP (idle)"),
        ("retrain", "fairprune_channels-control", "FairPrune channels control"),
        ("retrain", "fairquantize-2-control", "FairQuantize 2 control"),
        ("retrain", "mine-control", "Re-training only (mine-control)"),
        ("retrain", "retrain-control", "Re-training only control"),
    ],
)
def test_a_control_is_called_by_the_step_that_it_controls(method, name, words):
    assert title(method, name, control=True) == words
