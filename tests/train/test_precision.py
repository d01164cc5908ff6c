import pytest
import torch
from torch import nn

from fairshrink.errors import ConfigError
from fairshrink.train import precision
from fairshrink.train.precision import autocast, device_of, to_device, usable

CPU = torch.device("cpu")


def test_bf16_without_fast_kernels_becomes_fp32_and_says_so(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: False)
    with pytest.warns(UserWarning, match="precision is 'bf16', but this cpu has no fast bfloat16: computing in fp32"):
        assert usable("bf16", CPU) == "fp32"
    assert usable("fp32", CPU) == "fp32"


def test_bf16_with_fast_kernels_is_used(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: True)
    assert usable("bf16", CPU) == "bf16"


def test_unknown_precisions_are_refused():
    with pytest.raises(ConfigError, match="there is no precision called 'half'"):
        usable("half", CPU)


def test_layers_compute_in_what_is_asked_and_weights_stay():
    layer = nn.Linear(2, 2)
    with autocast("bf16", CPU):
        assert layer(torch.zeros(1, 2)).dtype == torch.bfloat16
    with autocast("fp32", CPU):
        assert layer(torch.zeros(1, 2)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_images_get_their_channels_innermost_and_other_inputs_stay():
    assert to_device(torch.zeros(2, 3, 4, 4), CPU).is_contiguous(memory_format=torch.channels_last)
    assert to_device(torch.zeros(2, 3), CPU).is_contiguous()


def test_a_model_without_parameters_is_on_the_cpu():
    assert device_of(nn.Flatten()) == CPU
    assert device_of(nn.Linear(1, 1)) == CPU
