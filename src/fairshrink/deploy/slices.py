"""A model's tensors without some of its channels."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fairshrink.compress.streams import depthwise

BY_CHANNEL = ("weight", "bias", "running_mean", "running_var")


class Keep(NamedTuple):
    """Which channels of a module stay, in ascending order; None: all of them.

    Attributes:
        outputs: Numbers of its outputs; of a norm and of a depthwise convolution, of its channels.
        inputs: Numbers of its inputs.
    """

    outputs: Tensor | None = None
    inputs: Tensor | None = None


def without(tensors: Mapping[str, Tensor], model: nn.Module, keep: Mapping[str, Keep]) -> dict[str, Tensor]:
    """What is left of tensors that have the shapes of a model's parameters and buffers: weights, or masks over them.

    Args:
        tensors: By name, as in the model's state.
        model: Whose they are, whole.
        keep: By module; of a grouped convolution as many channels stay in each group.
    """
    found = dict(tensors)
    for name, kept in keep.items():
        module = model.get_submodule(name)
        for local in BY_CHANNEL:
            key = f"{name}.{local}".lstrip(".")
            if key in found and found[key] is not None:
                found[key] = _sliced(found[key], module, kept if local == "weight" else kept._replace(inputs=None))
    return found


def _sliced(tensor: Tensor, module: nn.Module, keep: Keep) -> Tensor:
    if keep.inputs is not None and not depthwise(module):
        groups = module.groups if isinstance(module, nn.modules.conv._ConvNd) else 1
        blocks, width = tensor.chunk(groups), tensor.shape[1]
        kept = keep.inputs.to(tensor.device).chunk(groups)
        tensor = torch.cat([block.index_select(1, own % width) for block, own in zip(blocks, kept, strict=True)])
    if keep.outputs is None:
        return tensor
    return tensor.index_select(0, keep.outputs.to(tensor.device))
