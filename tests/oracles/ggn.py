"""The GGN diagonal the slow way: the Jacobian of every sample, one output at a time, in float64."""

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from fairshrink.types import GroupBatch


def ggn_diagonal_by_jacobians(model: nn.Module, batches: Iterable[GroupBatch], num_groups: int) -> dict[str, Tensor]:
    """Per group, the mean over its samples of diag(J^T (diag(p) - p p^T) J), with J the Jacobian of the logits.

    For one weight that is the variance, under p, of its column of J.
    """
    return ggn_diagonal_of_exits(model, batches, num_groups, (1.0,))


def ggn_diagonal_of_exits(
    model: nn.Module, batches: Iterable[GroupBatch], num_groups: int, weights: tuple[float, ...]
) -> dict[str, Tensor]:
    """The same of several outputs: the weighted sum of what each exit's logits give."""
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
            outputs = model(x[None].double())
            exits = outputs if isinstance(outputs, tuple) else (outputs,)
            for weight, (logits,) in zip(weights, exits, strict=True):
                for name, value in _one_exit(logits, params).items():
                    sums[name][g] += weight * value
    return {name: torch.stack([s / n for s, n in zip(total, sizes, strict=True)]) for name, total in sums.items()}


def _one_exit(logits: Tensor, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    p = logits.detach().softmax(0)
    inputs = list(params.values())
    rows = [torch.autograd.grad(logit, inputs, retain_graph=True, materialize_grads=True) for logit in logits]
    found = {}
    for name, jacobian in zip(params, map(torch.stack, zip(*rows, strict=True)), strict=True):
        mean = torch.tensordot(p, jacobian, dims=1)
        found[name] = torch.tensordot(p, (jacobian - mean).square(), dims=1)
    return found


def gradient_by_samples(model: nn.Module, batches: Iterable[GroupBatch], num_groups: int) -> dict[str, Tensor]:
    """Per group, the mean over its samples of the gradient of -log p(true class), one sample at a time."""
    model = copy.deepcopy(model).double().eval()
    params = dict(model.named_parameters())
    for p in params.values():
        p.requires_grad_(True)
    sums = {name: torch.zeros(num_groups, *p.shape, dtype=torch.float64) for name, p in params.items()}
    sizes = torch.zeros(num_groups, dtype=torch.int64)
    for batch in batches:
        for x, y, g in zip(batch.x, batch.y.tolist(), batch.g.tolist(), strict=True):
            if g == -1:
                continue
            sizes[g] += 1
            loss = -model(x[None].double())[0].log_softmax(0)[y]
            for name, part in zip(params, torch.autograd.grad(loss, list(params.values())), strict=True):
                sums[name][g] += part
    return {name: torch.stack([s / n for s, n in zip(total, sizes, strict=True)]) for name, total in sums.items()}
