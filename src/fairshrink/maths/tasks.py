"""What a model's outputs mean: their loss, their predictions and the curvature of the loss."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from fairshrink.errors import ConfigError
from fairshrink.maths.exits import check_threshold, leaving
from fairshrink.maths.factors import Factor, Outputs, as_tuple, exit_logits, exits_factor, one_logits, softmax_factor

PAPER_WEIGHTS = (0.3, 0.45, 0.6, 0.75, 0.9)
PAPER_THRESHOLD = 0.999
LARGEST = sys.float_info.max  # a whole number above it has no float


def _last(outputs: Outputs) -> Float[Tensor, "N C"]:
    return as_tuple(outputs)[-1]


def _at_the_last(outputs: Outputs) -> Int[Tensor, "N"]:
    exits = as_tuple(outputs)
    return torch.full((len(exits[-1]),), len(exits) - 1, dtype=torch.int64, device=exits[-1].device)


class Task(NamedTuple):
    """How to read a model's outputs.

    Attributes:
        loss: (outputs, classes (N,)) -> the mean loss over the N samples, a scalar.
        predict: outputs -> the predicted classes, (N,).
        factor: outputs -> a square root of the loss's Hessian in the outputs, sample by sample.
        answer: outputs -> the logits that the prediction is read from, (N, C). By default the last exit's.
        leave: outputs -> the exit that each sample's answer comes from, (N,), int64, 0 for the first. By default the last.
    """

    loss: Callable[[Outputs, Tensor], Tensor]
    predict: Callable[[Outputs], Tensor]
    factor: Callable[[Outputs], Factor]
    answer: Callable[[Outputs], Tensor] = _last
    leave: Callable[[Outputs], Tensor] = _at_the_last


def _cross_entropy(outputs: Outputs, y: Int[Tensor, "N"]) -> Float[Tensor, ""]:
    return functional.cross_entropy(one_logits(outputs), y)


def _largest(outputs: Outputs) -> Int[Tensor, "N"]:
    return one_logits(outputs).argmax(1)


classify = Task(loss=_cross_entropy, predict=_largest, factor=softmax_factor)
"""One label of C for each sample: outputs are logits (N, C), the loss is the mean cross-entropy, the largest logit wins."""


def multi_exit(weights: Sequence[float | int] = PAPER_WEIGHTS, threshold: float | int = PAPER_THRESHOLD) -> Task:
    """One label of C for each sample, from a network of E exits; outputs are a tuple of E logits (N, C), the final exit last.

    The loss is the sum over exits of weight * mean cross-entropy. The prediction is that of the first exit whose largest
    probability is at least the threshold, otherwise that of the final exit.

    >>> multi_exit([0.3, 0.9]).predict((torch.tensor([[9.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])))
    tensor([0, 1])

    Args:
        weights: What each exit's loss counts, (E,): 0 or more, not all 0; the paper's for five exits by default.
        threshold: How sure an exit must be, above 0, at most 1; the paper's by default.

    Raises:
        ConfigError: A weight or the threshold is out of range. What the task's functions raise for outputs of another form is
            a ModelError.

    Source: Chiu et al. 2023 (multi-exit), section 3.2 (loss and policy), section 4.2 (weights and threshold).
    """
    check_weights(weights)
    used = tuple(float(weight) for weight in weights)
    check_threshold(threshold)
    how = {"exits": len(used), "threshold": float(threshold)}
    return Task(
        loss=partial(_weighted_loss, weights=used),
        predict=partial(_earliest, **how),
        factor=partial(exits_factor, weights=used),
        answer=partial(_answer, **how),
        leave=partial(_leave, **how),
    )


def check_weights(weights: Sequence[float | int]) -> None:
    """Refuse weights of exits that make no loss.

    Raises:
        ConfigError: There are none, one is negative or not finite, or all are 0.
    """
    if not weights or not any(weights) or not all(0 <= weight <= LARGEST for weight in weights):
        raise ConfigError(
            f"weights are {list(weights)}, expected a number of 0 or more for each exit, not all 0: what the exits' losses count."
        )


def _weighted_loss(outputs: Outputs, y: Int[Tensor, "N"], weights: tuple[float, ...]) -> Float[Tensor, ""]:
    exits = exit_logits(outputs, len(weights))
    return torch.stack(
        [w * functional.cross_entropy(logits, y) for w, logits in zip(weights, exits, strict=True)]
    ).sum()


def _earliest(outputs: Outputs, exits: int, threshold: float) -> Int[Tensor, "N"]:
    return _answer(outputs, exits, threshold).argmax(1)


def _answer(outputs: Outputs, exits: int, threshold: float) -> Float[Tensor, "N C"]:
    return leaving(exit_logits(outputs, exits), threshold).logits


def _leave(outputs: Outputs, exits: int, threshold: float) -> Int[Tensor, "N"]:
    return leaving(exit_logits(outputs, exits), threshold).exit
