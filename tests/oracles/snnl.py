"""The soft nearest-neighbour loss as Eq. 1 reads: every sample, every neighbour, one number at a time, in float64."""

import math

import numpy as np


def snnl_by_pairs(maps, groups, temperature: float = 2.0, normalize: bool = True) -> list[float]:
    """One value per channel; maps (N, K, *spatial) and groups (N,), anything that numpy reads."""
    maps = np.asarray(maps, dtype=np.float64)
    known = [i for i, group in enumerate(groups) if group != -1]
    return [
        _one_channel(
            [maps[i, k].flatten().tolist() for i in known], [int(groups[i]) for i in known], temperature, normalize
        )
        for k in range(maps.shape[1])
    ]


def _one_channel(points: list[list[float]], groups: list[int], temperature: float, normalize: bool) -> float:
    if normalize:
        points = [_unit(point) for point in points]
    losses = []
    for i, group in enumerate(groups):
        others = [j for j in range(len(groups)) if j != i]
        same = [j for j in others if groups[j] == group]
        if same:
            exponents = {j: -_distance(points[i], points[j]) / temperature for j in others}
            losses.append(_log_sum([exponents[j] for j in others]) - _log_sum([exponents[j] for j in same]))
    return math.fsum(losses) / len(losses)


def _unit(point: list[float]) -> list[float]:
    length = math.hypot(*point)
    return [number / length for number in point] if length else point


def _distance(a: list[float], b: list[float]) -> float:
    return math.fsum((p - q) ** 2 for p, q in zip(a, b, strict=True))


def _log_sum(exponents: list[float]) -> float:
    largest = max(exponents)
    return largest + math.log(math.fsum(math.exp(exponent - largest) for exponent in exponents))
