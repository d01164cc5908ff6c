"""Soft criteria by lists and loops, one sample at a time."""

import math


def soft_criteria(prob, y_true, groups) -> dict[str, float]:
    """soft_eopp1, loss_gap and class_loss_gap as plain sentences say them."""
    rows = [(g, y, float(p[y])) for p, y, g in zip(prob, y_true, groups, strict=True) if g >= 0]
    classes, present = range(len(prob[0])), sorted({g for g, _, _ in rows})

    def loss(chance: float) -> float:
        return -math.log(max(chance, 2.0**-23))

    def gap(values: list[float]) -> float:
        return max(values) - min(values) if len(values) >= 2 else math.nan

    def mean(values: list[float]) -> float:
        known = [value for value in values if not math.isnan(value)]
        return sum(known) / len(known) if known else math.nan

    def by_class(value) -> float:
        gaps = []
        for k in classes:
            cells = [[value(p) for g, y, p in rows if (g, y) == (group, k)] for group in present]
            gaps.append(gap([sum(cell) / len(cell) for cell in cells if cell]))
        return mean(gaps)

    losses = [[loss(p) for g, _, p in rows if g == group] for group in present]
    return {
        "soft_eopp1": by_class(lambda p: p),
        "loss_gap": gap([sum(values) / len(values) for values in losses]),
        "class_loss_gap": by_class(loss),
    }
