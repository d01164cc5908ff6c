"""Weights that a training leaves alone: neither gradient, nor momentum, nor weight decay reaches them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fairshrink.errors import ModelError, suggest

# Bits and not numbers: several times faster than `masked_fill_` and `where`, and NaN and -0.0 are as good as any.
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Held(NamedTuple):
    """One parameter, some weights of which are held.

    Attributes:
        weight: The parameter itself.
        free: All bits set where it is free, none where it is held; whole numbers of its size, shape and layout.
        value: The bits of its value where it is held, none where it is free.
    """

    weight: nn.Parameter
    free: Tensor
    value: Tensor


def check_held(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Refuse masks that belong to another model.

    Raises:
        ModelError: The model has no such parameter, or a mask is not a bool of its shape.
    """
    weights = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in weights:
            raise ModelError(
                f"held: the model has no parameter '{name}'.{suggest(name, weights)}\n"
                "  The masks belong to another model: give those that were made from this one."
            )
        shape = tuple(weights[name].shape)
        if mask.dtype != torch.bool or tuple(mask.shape) != shape:
            raise ModelError(
                f"held['{name}'] is {mask.dtype} of shape {tuple(mask.shape)}, but its weights need a bool mask of shape "
                f"{shape}.\n  The masks belong to another model: give those that were made from this one."
            )


def hold(model: nn.Module, masks: Mapping[str, Tensor]) -> list[Held]:
    """Note what the held weights are now.

    Args:
        model: Whose parameters; where and how they lie in memory must not change while they are held.
        masks: Parameter name -> True where its weights are held, as `check_held` takes them.
    """
    weights = dict(model.named_parameters())
    return [_held(weights[name], mask) for name, mask in masks.items() if mask.any()]


def mask_gradients_(held: Sequence[Held]) -> None:
    """No gradient where a weight is held."""
    for weight, free, _ in held:
        if weight.grad is not None:
            _bits(weight.grad).bitwise_and_(free)


def put_back_(held: Sequence[Held], optimizer: Optimizer) -> None:
    """The held weights are what they were, bit by bit, and the optimiser remembers nothing of them.

    Args:
        held: The weights.
        optimizer: Momentum, running squares and all else of it that has a weight's shape become 0 there.
    """
    for weight, free, value in held:
        _bits(weight).bitwise_and_(free).bitwise_or_(value)
        for kept in optimizer.state.get(weight, {}).values():
            if isinstance(kept, Tensor) and kept.dim() and kept.shape == weight.shape:  # Adam counts steps in one
                bits = _bits(kept)
                bits.bitwise_and_(free.to(bits))  # -1 has all bits set in any size.


def in_words(masks: Mapping[str, Tensor]) -> str:
    """How many weights are held, and a digest of which; the empty text for none."""
    digest, count = hashlib.sha256(), 0
    for name in sorted(masks):
        marked = masks[name].cpu().contiguous()
        count += int(marked.sum())
        digest.update(name.encode() + b"\0" + marked.numpy().tobytes())
    return f"{count} weights ({digest.hexdigest()[:12]})" if count else ""


def _held(weight: nn.Parameter, mask: Tensor) -> Held:
    bits = _bits(weight)
    free = torch.empty_like(bits).copy_(~mask).neg_()
    return Held(weight, free, bits & ~free)


def _bits(tensor: Tensor) -> Tensor:
    """The same memory, read as whole numbers."""
    return tensor.detach().view(_BITS[tensor.element_size()])
