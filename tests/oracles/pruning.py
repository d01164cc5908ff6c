"""Pruning with no tricks: Python loops over single weights, float64."""

import copy

import torch
from torch import nn

from fairshrink.types import GroupBatch


def group_hessian_diagonal(model: nn.Module, batches: list[GroupBatch], name: str, group: int) -> torch.Tensor:
    """The Hessian diagonal of one group's mean cross-entropy in one weight tensor, by differentiating twice."""
    model = copy.deepcopy(model).double().eval()
    x = torch.cat([b.x[b.g == group] for b in batches]).double()
    y = torch.cat([b.y[b.g == group] for b in batches])
    fixed = dict(model.named_parameters()) | dict(model.named_buffers())

    def loss(flat: torch.Tensor) -> torch.Tensor:
        weights = fixed | {name: flat.view_as(fixed[name])}
        return nn.functional.cross_entropy(torch.func.functional_call(model, weights, (x,)), y)

    return torch.func.hessian(loss)(fixed[name].detach().flatten()).diagonal().view_as(fixed[name])


def saliency(weight: torch.Tensor, curvature: list[torch.Tensor], coefficients: list[float]) -> torch.Tensor:
    """sum over groups of c_g * 1/2 * h_g * w^2, weight by weight."""
    out = torch.zeros(weight.numel(), dtype=torch.float64)
    for i, w in enumerate(weight.flatten().double().tolist()):
        out[i] = sum(c * 0.5 * float(h.flatten()[i]) * w * w for c, h in zip(coefficients, curvature, strict=True))
    return out.view_as(weight)
