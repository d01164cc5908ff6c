"""What a training minimises, sample by sample."""

import math

from torch import Tensor

from oracles.dependence import Rows, hsic_by_quadruples, mean_distance2, mmd2_by_pairs


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


def hsic_by_classes(features: Rows, y: list[int], g: list[int], num_groups: int) -> float:
    """The mean of HSIC over the classes with four samples of known group and two groups; 0 if there is none."""
    values = []
    for label in sorted(set(y)):
        own = [i for i, other in enumerate(y) if other == label and g[i] >= 0]
        if len(own) >= 4 and len({g[i] for i in own}) > 1:
            values.append(hsic_by_quadruples([features[i] for i in own], [g[i] for i in own], num_groups))
    return _mean(values) if values else 0.0


def mmd2_by_classes_and_groups(taught: Rows, features: Rows, y: list[int], g: list[int]) -> float:
    """The sum of MMD^2 over classes and groups, each of a teacher's rows of the class and the own rows of class and group."""
    scale = mean_distance2(taught, features)
    total = 0.0
    for label in set(y):
        theirs = [row for row, other in zip(taught, y, strict=True) if other == label]
        for group in set(g) - {-1}:
            own = [row for row, *place in zip(features, y, g, strict=True) if place == [label, group]]
            if len(theirs) >= 2 and len(own) >= 2:
                total += mmd2_by_pairs(theirs, own, scale)
    return total
