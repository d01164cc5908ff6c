"""Square-root factors of a loss's Hessian in the outputs: what the curvature sends backwards."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fairshrink.errors import ModelError

Outputs = Tensor | tuple[Tensor, ...]

# Columns of the softmax's factor that are rotated to eigenvectors.
_ROTATED = 16


class Factor(NamedTuple):
    """The Hessian of each sample's loss in the outputs, as a sum of outer products of columns.

    Attributes:
        columns: One column for each of J backward passes, shaped like the outputs with a leading axis: (J, N, C), or a
            tuple of such tensors when the outputs are a tuple. For a sample n, the sum over j of
            outer(columns[j, n], columns[j, n]) is the Hessian of that sample's loss.
        weights: Squared length of each sample's columns, (J, N), float64: what a column can contribute at all.
    """

    columns: Outputs
    weights: Float[Tensor, "J N"]


def softmax_factor(outputs: Outputs) -> Factor:
    """The Hessian of the cross-entropy in the logits, diag(p) - p p^T, as C - 1 columns, the heaviest first.

    The first columns are to hold as much of the weight as they can, so that the rest may be left out at random. Eigenvectors
    hold the most, but an eigendecomposition of all C classes costs about as much as a backward pass of a small network. So
    the classes are taken in descending order of p, and only the first columns of the triangular factor are rotated to their
    eigenvectors; with at most 17 classes these are all of them.

    Computed in float64, without differences: every row of the factor keeps its relative accuracy however saturated the
    logits are, also where 1 - p rounds to zero.

    Args:
        outputs: Logits, (N, C), finite.

    Returns:
        Columns (C - 1, N, C) in the dtype of the logits, and their weights (C - 1, N).

    Raises:
        ModelError: The outputs are not one tensor (N, C) with at least two classes.

    Source: Tanabe & Sagae 1992 (the closed-form Cholesky factor of a multinomial covariance).
    """
    logits = one_logits(outputs)
    p, classes = logits.detach().double().softmax(-1).sort(dim=-1, descending=True, stable=True)
    factor = _triangle(p)
    first = factor[..., :_ROTATED]
    # Any rotation of the columns gives the same Hessian; this one concentrates the weight.
    _, rotation = torch.linalg.eigh(first.mT @ first)
    factor[..., :_ROTATED] = first @ rotation.flip(-1)
    weights = factor.square().sum(1).T
    columns = torch.empty_like(factor).scatter_(1, classes.unsqueeze(2).expand_as(factor), factor)
    return Factor(columns.permute(2, 0, 1).to(logits.dtype), weights)


def exits_factor(outputs: Outputs, weights: tuple[float | int, ...]) -> Factor:
    """The Hessian of the weighted sum of several exits' cross-entropies: block by block, for no two exits share a logit.

    Args:
        outputs: Logits of E exits, (N, C) each.
        weights: What each exit's loss counts, (E,).

    Returns:
        E (C - 1) columns: for exit k a tensor (E (C - 1), N, C) which is 0 but for the exit's own C - 1 columns, those of
        `softmax_factor` times the root of its weight; the columns' weights are multiplied by the exit's weight.

    Raises:
        ModelError: The outputs are not a tuple of as many logits (N, C).
    """
    own = [softmax_factor(logits) for logits in exit_logits(outputs, len(weights))]
    scaled = [as_tuple(part.columns)[0] * weight**0.5 for part, weight in zip(own, weights, strict=True)]
    columns = tuple(
        torch.cat([mine if k == place else torch.zeros_like(mine) for k in range(len(own))])
        for place, mine in enumerate(scaled)
    )
    return Factor(columns, torch.cat([part.weights * weight for part, weight in zip(own, weights, strict=True)]))


def as_tuple(outputs: Outputs) -> tuple[Tensor, ...]:
    """Outputs as a tuple, whatever the task."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def one_logits(outputs: Outputs) -> Float[Tensor, "N C"]:
    """The outputs as one matrix of logits; anything else is refused by what came."""
    if not isinstance(outputs, Tensor):
        raise ModelError(
            f"the model returns {type(outputs).__name__}, but classify needs one tensor of logits, (N, C).\n"
            "  Wrap the model so that it returns its logits only."
        )
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ModelError(
            f"the model returns outputs of shape {tuple(outputs.shape)}, but classify needs logits (N, C) with C >= 2.\n"
            "  A classifier with a single output for two classes needs two: stack zeros and the output."
        )
    return outputs


def exit_logits(outputs: Outputs, exits: int) -> tuple[Float[Tensor, "N C"], ...]:
    """The outputs as so many matrices of logits, all of one shape; anything else is refused by what came."""
    if not isinstance(outputs, tuple) or not all(isinstance(logits, Tensor) for logits in outputs):
        raise ModelError(
            f"the model returns a {type(outputs).__name__}, but multi_exit needs a tuple of {exits} tensors, (N, C) each.\n"
            "  Give a model of several exits, or use the task classify for one of a single exit."
        )
    if len(outputs) != exits:
        raise ModelError(
            f"the model has {len(outputs)} exits, but there are {exits} weights: multi_exit needs one for each, the final exit's "
            "last."
        )
    shapes = [tuple(logits.shape) for logits in outputs]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2 or shapes[0][1] < 2:
        raise ModelError(
            f"the exits' outputs have the shapes {', '.join(map(str, shapes))}, but logits (N, C) with C >= 2 are expected, the "
            "same shape from every exit."
        )
    return outputs


def _triangle(p: Float[Tensor, "N C"]) -> Float[Tensor, "N C C-1"]:
    """Lower-triangular S with S S^T = diag(p) - p p^T: only products, quotients and sums of positive numbers."""
    tail = p.flip(-1).cumsum(-1).flip(-1)  # tail[k] = p[k] + p[k + 1] + ...
    here, rest = tail[:, :-1], tail[:, 1:]
    share = (p[:, :-1] / here).nan_to_num(0.0).sqrt()  # 0/0: all that is left underflows, and so does its curvature
    below = -p.unsqueeze(2) * (share * rest.rsqrt().nan_to_num(0.0, posinf=0.0)).unsqueeze(1)
    triangle = below.tril(-1)
    triangle.diagonal(dim1=1, dim2=2).copy_(share * rest.sqrt())
    return triangle
