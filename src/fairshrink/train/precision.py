"""Numbers that layers compute in, and where a model's tensors live."""

import warnings

import torch
from torch import nn

from fairshrink.train.settings import PRECISIONS, check_name


def usable(precision: str, device: torch.device) -> str:
    """The precision that is really used on a device: "fp32" in place of "bf16", with a warning, where that has no fast kernels.

    A processor without them computes in plain loops, thirty times slower than fp32 (ResNet-18, 64 px: 4 images a second).

    Raises:
        ConfigError: The precision is unknown.
    """
    check_name("precision", precision, PRECISIONS)
    if precision == "fp32" or _has_bfloat16(device):
        return precision
    warnings.warn(
        f"precision is '{precision}', but this {device.type} has no fast bfloat16: computing in fp32.", stacklevel=3
    )
    return "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which layers compute in a precision, as it comes from `usable`; parameters keep theirs."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU when it has none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def to_device(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Inputs on a device; images with their channels innermost, which convolutions read faster."""
    if x.dim() == 4:
        return x.to(device, memory_format=torch.channels_last)
    return x.to(device)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # What PyTorch itself asks before it hands a bfloat16 convolution to oneDNN; it has no public name.
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
