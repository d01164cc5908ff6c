"""The rules of choice, read off lists of true and predicted classes, one candidate and one pair of points at a time."""

import math
from collections.abc import Sequence

import numpy as np

Model = Sequence[tuple[list[int], list[int]]]
"""One model: of each group, the true and the predicted classes of its images."""


def model_of(counts: np.ndarray) -> Model:
    """The images behind counts (G, C, C)."""
    found = []
    for table in counts:
        places = [(t, p) for t in range(len(table)) for p in range(len(table)) for _ in range(int(table[t, p]))]
        found.append(([t for t, _ in places], [p for _, p in places]))
    return found


def macro_f1(model: Model) -> float:
    """Average over the groups of the macro F1 over the classes that a group has."""
    return sum(group_f1(*group) for group in model) / len(model)


def group_f1(true: list[int], predicted: list[int]) -> float:
    values = []
    for label in set(true):
        hits = sum(t == label and p == label for t, p in zip(true, predicted, strict=True))
        values.append(2 * hits / (true.count(label) + predicted.count(label)))
    return sum(values) / len(values)


def group_accuracy(true: list[int], predicted: list[int]) -> float:
    return sum(t == p for t, p in zip(true, predicted, strict=True)) / len(true)


def eopp1(model: Model) -> float:
    """Mean over the classes that two groups have of the largest difference in their recall."""
    spreads = []
    for label in sorted({true for group in model for true in group[0]}):
        rates = []
        for true, predicted in model:
            mine = [p for t, p in zip(true, predicted, strict=True) if t == label]
            if mine:
                rates.append(mine.count(label) / len(mine))
        if len(rates) > 1:
            spreads.append(max(rates) - min(rates))
    return sum(spreads) / len(spreads) if spreads else math.nan


def worst(model: Model, score: str) -> float:
    """The lowest score of a group."""
    return min(group_f1(*group) if score == "f1" else group_accuracy(*group) for group in model)


def best_by_gap(start: Model, ends: Sequence[Model], loss: float) -> int | None:
    best = None
    for at, end in enumerate(ends):
        if macro_f1(end) < macro_f1(start) - loss:
            continue
        if best is None or eopp1(end) < eopp1(ends[best]):
            best = at
    return best


def best_by_fate(start: Model, ends: Sequence[Model]) -> int:
    def value(end: Model) -> float:
        return macro_f1(end) / macro_f1(start) - eopp1(end) / eopp1(start)

    best = 0
    for at, end in enumerate(ends):
        if value(end) > value(ends[best]):
            best = at
    return best


def best_by_worst_group(ends: Sequence[Model], score: str) -> int:
    best = 0
    for at, end in enumerate(ends):
        if worst(end, score) > worst(ends[best], score):
            best = at
    return best


def front_of(models: Sequence[Model]) -> list[bool]:
    """Whether no other model is as good in both and better in one."""
    points = [(macro_f1(model), eopp1(model)) for model in models]
    found = []
    for f1, gap in points:
        beaten = False
        for other_f1, other_gap in points:
            if other_f1 >= f1 and other_gap <= gap and (other_f1 > f1 or other_gap < gap):
                beaten = True
        found.append(not beaten)
    return found


def best_by_area(start: Model, ends: Sequence[Model]) -> int | None:
    """The rectangle from (macro F1 0, gap 1) to each point of the front, counted on its own; None: the start's is the largest."""
    models = [*ends, start]
    best, largest = None, -math.inf
    for at, on_front in enumerate(front_of(models)):
        width, height = macro_f1(models[at]), 1 - eopp1(models[at])
        if on_front and width * height > largest:
            best, largest = at, width * height
    return None if best == len(ends) else best
