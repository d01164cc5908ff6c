"""How much of the plane of score and gap a set of models covers."""

from collections.abc import Sequence

import numpy as np

from fairshrink.metrics.tradeoff import pareto_front

# The corner that no model can be worse than. It depends on no model, so numbers of different tables can be compared.
WORST = (0.0, 1.0)


def hypervolume(points: Sequence[tuple[float, float]], reference: tuple[float, float] = WORST) -> float:
    """Area of what is worse than at least one of the points and better than the reference.

    Args:
        points: (score, gap) pairs; a higher score and a lower gap are better. A pair with NaN, or one that is not better
            than the reference in both, covers nothing.
        reference: (score, gap) of the corner.

    Returns:
        The area, 0 without points; at most 1 for the default reference.

    Source: Zitzler and Thiele 1998, for two objectives.
    """
    corner_score, corner_gap = reference
    inside = [(score, gap) for score, gap in points if score > corner_score and gap < corner_gap]
    front = sorted({inside[index] for index in pareto_front(inside)}, reverse=True)  # from the highest score down
    area, gap_above = 0.0, corner_gap
    for score, gap in front:
        area += (score - corner_score) * (gap_above - gap)
        gap_above = gap
    return float(area)


def contributions(points: Sequence[tuple[float, float]], reference: tuple[float, float] = WORST) -> list[float]:
    """What the area would lose without each point; 0 for a point that another covers, NaN for one with NaN."""
    whole = hypervolume(points, reference)
    return [
        float("nan")
        if np.isnan(point).any()
        else whole - hypervolume([*points[:index], *points[index + 1 :]], reference)
        for index, point in enumerate(points)
    ]
