"""What a model's outputs mean: their loss, their predictions and the curvature of the loss."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from fairshrink.maths.factors import Factor, Outputs, one_logits, softmax_factor


class Task(NamedTuple):
    """How to read a model's outputs.

    Attributes:
        loss: (outputs, classes (N,)) -> the mean loss over the N samples, a scalar.
        predict: outputs -> the predicted classes, (N,).
        factor: outputs -> a square root of the loss's Hessian in the outputs, sample by sample.
    """

    loss: Callable[[Outputs, Tensor], Tensor]
    predict: Callable[[Outputs], Tensor]
    factor: Callable[[Outputs], Factor]


def _cross_entropy(outputs: Outputs, y: Int[Tensor, "N"]) -> Float[Tensor, ""]:
    return functional.cross_entropy(one_logits(outputs), y)


def _largest(outputs: Outputs) -> Int[Tensor, "N"]:
    return one_logits(outputs).argmax(1)


classify = Task(loss=_cross_entropy, predict=_largest, factor=softmax_factor)
"""One label of C for each sample: outputs are logits (N, C), the loss is the mean cross-entropy, the largest logit wins."""
