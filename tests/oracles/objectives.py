"""What a training minimises, sample by sample."""

import math

from torch import Tensor


def cross_entropy_of_one(logits: list[float], y: int) -> float:
    return math.log(sum(math.exp(value) for value in logits)) - logits[y]


def group_gap_by_samples(
    logits: Tensor, y: Tensor, g: Tensor, *, alpha: float, balanced: bool, unprivileged: int
) -> float:
    """(1 - alpha) * mean + alpha * |mean of u - mean of the rest|, with plain lists."""
    losses = [cross_entropy_of_one(row, label) for row, label in zip(logits.tolist(), y.tolist(), strict=True)]
    by_group: dict[int, list[float]] = {}
    for loss, group in zip(losses, g.tolist(), strict=True):
        if group >= 0:
            by_group.setdefault(group, []).append(loss)
    parts = [_mean(own) for own in by_group.values()] if balanced and by_group else losses
    whole = _mean(parts)
    rest = [loss for group, own in by_group.items() if group != unprivileged for loss in own]
    gap = abs(_mean(by_group[unprivileged]) - _mean(rest)) if unprivileged in by_group and rest else 0.0
    return (1 - alpha) * whole + alpha * gap


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
