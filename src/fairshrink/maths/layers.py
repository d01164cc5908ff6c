"""The layers whose curvature is known: how a sample's weight gradient follows from its input and its output's gradient.

Every layer is brought to one form. The gradient of its output becomes rows (N, L, F): L positions, F output features. Then
bias gradient = sum over L of the rows; a weight gradient is either a matrix product of rows and patches (linear,
convolution), or a sum over L of rows times the normalised input (norms).
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


class Kind(NamedTuple):
    """One kind of layer.

    Attributes:
        rows: (layer, gradient of its output) -> (N, L, F).
        features: (layer, its input) -> (N, Q, K, L) patches when `matrix`, with Q convolution groups of K inputs; else
            the normalised input, (N, L, F).
        matrix: The weight gradient is a matrix product, and the weight holds Q * (F / Q) * K numbers in that order.
    """

    rows: Callable[[Any, Tensor], Tensor]
    features: Callable[[Any, Tensor], Tensor]
    matrix: bool


def kind_of(module: nn.Module) -> Kind | None:
    """The kind of a layer, or None when its curvature is not known.

    A subclass counts only as long as it runs the forward pass of the layer that it refines: with another one its name says
    nothing about its gradient.
    """
    for base, kind in KINDS.items():
        if isinstance(module, base):
            same = all(getattr(type(module), method) is getattr(base, method) for method in _METHODS[base])
            return kind if same and "forward" not in vars(module) else None
    return None


def mixes_samples(module: nn.Module) -> bool:
    """Whether a layer normalises by the batch even in evaluation mode, so that no sample has a gradient of its own."""
    return isinstance(module, BatchNorm) and (module.running_mean is None or module.running_var is None)


def covered_names() -> str:
    """The covered layers, for messages."""
    return ", ".join(base.__name__ for base in KINDS)


def _linear_rows(layer: nn.Linear, gradient: Float[Tensor, "N *dims F"]) -> Float[Tensor, "N L F"]:
    return gradient.reshape(len(gradient), -1, layer.out_features)


def _linear_patches(layer: nn.Linear, x: Float[Tensor, "N *dims K"]) -> Float[Tensor, "N 1 K L"]:
    return x.reshape(len(x), 1, -1, layer.in_features).mT


def _channel_rows(_: nn.Module, gradient: Float[Tensor, "N F *space"]) -> Float[Tensor, "N L F"]:
    return gradient.reshape(*gradient.shape[:2], -1).mT


def _convolution_patches(layer: Convolution, x: Float[Tensor, "N I *space"]) -> Float[Tensor, "N Q K L"]:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = functional.pad(x, _padding(layer), mode=mode)
    for axis, (size, stride, dilation) in enumerate(zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)):
        x = x.unfold(2 + axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
    # (N, I, *positions, *kernel), all of it views of the padded input; one copy makes the patches.
    dims = len(layer.kernel_size)
    x = x.permute(0, 1, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims))
    size = layer.in_channels // layer.groups * prod(layer.kernel_size)
    return x.reshape(len(x), layer.groups, size, -1)


def _padding(layer: Convolution) -> list[int]:
    """Padding as functional.pad takes it: the last axis first, before and after."""
    if layer.padding == "valid":
        return [0] * (2 * len(layer.kernel_size))
    sides = []
    for axis in reversed(range(len(layer.kernel_size))):
        if isinstance(layer.padding, str):  # "same": what is odd goes behind, as in torch
            total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            sides += [total // 2, total - total // 2]
        else:
            sides += [layer.padding[axis], layer.padding[axis]]
    return sides


def _batch_normalised(layer: BatchNorm, x: Float[Tensor, "N F *space"]) -> Float[Tensor, "N L F"]:
    normal = functional.batch_norm(x, layer.running_mean, layer.running_var, training=False, eps=layer.eps)
    return _channel_rows(layer, normal)


def _layer_rows(layer: nn.LayerNorm, gradient: Float[Tensor, "N *dims"]) -> Float[Tensor, "N L F"]:
    return gradient.reshape(len(gradient), -1, prod(layer.normalized_shape))


def _layer_normalised(layer: nn.LayerNorm, x: Float[Tensor, "N *dims"]) -> Float[Tensor, "N L F"]:
    return _layer_rows(layer, functional.layer_norm(x, layer.normalized_shape, eps=layer.eps))


_LINEAR = Kind(_linear_rows, _linear_patches, matrix=True)
_CONVOLUTION = Kind(_channel_rows, _convolution_patches, matrix=True)
_BATCH_NORM = Kind(_channel_rows, _batch_normalised, matrix=False)
_LAYER_NORM = Kind(_layer_rows, _layer_normalised, matrix=False)

KINDS: dict[type[nn.Module], Kind] = {
    nn.Linear: _LINEAR,
    nn.Conv1d: _CONVOLUTION,
    nn.Conv2d: _CONVOLUTION,
    nn.Conv3d: _CONVOLUTION,
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    nn.BatchNorm3d: _BATCH_NORM,
    nn.LayerNorm: _LAYER_NORM,
}
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_METHODS = {base: ("forward", "_conv_forward") if base in _CONVOLUTIONS else ("forward",) for base in KINDS}
