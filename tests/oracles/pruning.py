"""Pruning with no tricks: Python loops over single weights, float64."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fairshrink.types import GroupBatch


def group_hessian_diagonal(model: nn.Module, batches: list[GroupBatch], name: str, group: int) -> Tensor:
    """The Hessian diagonal of one group's mean cross-entropy in one weight tensor, by differentiating twice."""
    loss, weight = _group_loss(model, batches, name, group)
    return torch.func.hessian(loss)(weight.flatten()).diagonal().view_as(weight).detach()


def group_gradient(model: nn.Module, batches: list[GroupBatch], name: str, group: int) -> Tensor:
    """The gradient of one group's mean cross-entropy in one weight tensor, all samples at once."""
    loss, weight = _group_loss(model, batches, name, group)
    return torch.func.grad(loss)(weight.flatten()).view_as(weight).detach()


def _group_loss(
    model: nn.Module, batches: list[GroupBatch], name: str, group: int
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    model = copy.deepcopy(model).double().eval()
    x = torch.cat([b.x[b.g == group] for b in batches]).double()
    y = torch.cat([b.y[b.g == group] for b in batches])
    fixed = dict(model.named_parameters()) | dict(model.named_buffers())

    def loss(flat: Tensor) -> Tensor:
        weights = fixed | {name: flat.view_as(fixed[name])}
        return nn.functional.cross_entropy(torch.func.functional_call(model, weights, (x,)), y)

    return loss, fixed[name].detach()


def saliency(
    weight: Tensor, curvature: list[Tensor], coefficients: list[float], slopes: list[Tensor] | None = None
) -> Tensor:
    """sum over groups of c_g * (1/2 * h_g * w^2 - d_g * w), weight by weight; without slopes d_g is 0."""
    slopes = slopes or [torch.zeros_like(h) for h in curvature]
    out = torch.zeros(weight.numel(), dtype=torch.float64)
    for i, w in enumerate(weight.flatten().double().tolist()):
        for c, h, d in zip(coefficients, curvature, slopes, strict=True):
            out[i] += c * (0.5 * float(h.flatten()[i]) * w * w + float(d.flatten()[i]) * (0.0 - w))
    return out.view_as(weight)


def batch_statistics(inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Running mean and variance of a batch-norm from its inputs (N, K, *space): the mean over batches of each batch's own.

    The variance of a batch is the unbiased one, as torch keeps it.
    """
    means, variances = [], []
    for x in inputs:
        channels = [x[:, k].flatten().double() for k in range(x.shape[1])]
        means.append([float(values.sum()) / len(values) for values in channels])
        variances.append(
            [sum((float(v) - m) ** 2 for v in vs) / (len(vs) - 1) for vs, m in zip(channels, means[-1], strict=True)]
        )
    return tuple(torch.tensor(rows, dtype=torch.float64).mean(0) for rows in (means, variances))
