"""The GGN diagonal the slow way: the Jacobian of every sample, one output at a time, in float64."""

import copy

import torch
from torch import Tensor, nn

from fairshrink.types import Batches


def ggn_diagonal_by_jacobians(model: nn.Module, batches: Batches, num_groups: int) -> dict[str, Tensor]:
    """Per group, the mean over its samples of diag(J^T (diag(p) - p p^T) J), with J the Jacobian of the logits.

    For one weight that is the variance, under p, of its column of J.
    """
    model = copy.deepcopy(model).double().eval()
    params = dict(model.named_parameters())
    for p in params.values():
        p.requires_grad_(True)
    sums = {name: torch.zeros(num_groups, *p.shape, dtype=torch.float64) for name, p in params.items()}
    sizes = torch.zeros(num_groups, dtype=torch.int64)
    for batch in batches:
        for x, g in zip(batch.x, batch.g.tolist(), strict=True):
            if g == -1:
                continue
            sizes[g] += 1
            logits = model(x[None].double())[0]
            p = logits.detach().softmax(0)
            rows = [torch.autograd.grad(logit, list(params.values()), retain_graph=True) for logit in logits]
            for name, jacobian in zip(params, map(torch.stack, zip(*rows, strict=True)), strict=True):
                mean = torch.tensordot(p, jacobian, dims=1)
                sums[name][g] += torch.tensordot(p, (jacobian - mean).square(), dims=1)
    return {name: torch.stack([s / n for s, n in zip(total, sizes, strict=True)]) for name, total in sums.items()}
