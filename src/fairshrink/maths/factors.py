"""Square-root factors of a loss's Hessian in the outputs: what the curvature sends backwards."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fairshrink.errors import ModelError

Outputs = Tensor | tuple[Tensor, ...]


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
    """The Hessian of the cross-entropy in the logits, diag(p) - p p^T, as C - 1 eigen-columns, the heaviest first.

    Computed in float64, without differences: every row of the factor keeps its relative accuracy however saturated the
    logits are, also where 1 - p rounds to zero.

    Args:
        outputs: Logits, (N, C), finite.

    Returns:
        Columns (C - 1, N, C) in the dtype of the logits, and their weights (C - 1, N), descending. The weights are the
        eigenvalues.

    Raises:
        ModelError: The outputs are not one tensor (N, C) with at least two classes.

    Source: Tanabe & Sagae 1992 (the closed-form Cholesky factor of a multinomial covariance), rotated to its eigenvectors.
    """
    logits = one_logits(outputs)
    triangle = _triangle(logits.detach().double().softmax(-1))
    # Any rotation of the columns gives the same Hessian; this one concentrates the weight in the first columns.
    _, rotation = torch.linalg.eigh(triangle.mT @ triangle)
    columns = (triangle @ rotation.flip(-1)).permute(2, 0, 1)
    return Factor(columns.to(logits.dtype), columns.square().sum(-1))


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


def _triangle(p: Float[Tensor, "N C"]) -> Float[Tensor, "N C C-1"]:
    """Lower-triangular S with S S^T = diag(p) - p p^T: only products, quotients and sums of positive numbers."""
    tail = p.flip(-1).cumsum(-1).flip(-1)  # tail[k] = p[k] + p[k + 1] + ...
    here, rest = tail[:, :-1], tail[:, 1:]
    share = (p[:, :-1] / here).nan_to_num(0.0).sqrt()  # 0/0: all that is left underflows, and so does its curvature
    below = -p.unsqueeze(2) * (share * rest.rsqrt().nan_to_num(0.0, posinf=0.0)).unsqueeze(1)
    triangle = below.tril(-1)
    triangle.diagonal(dim1=1, dim2=2).copy_(share * rest.sqrt())
    return triangle
