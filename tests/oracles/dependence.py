"""HSIC and MMD^2 as means over all tuples of different samples, in float64, one pair of numbers at a time."""

import math
from itertools import permutations

Rows = list[list[float]]


def distance2(a: list[float], b: list[float]) -> float:
    return math.fsum((p - q) ** 2 for p, q in zip(a, b, strict=True))


def mean_distance2(a: Rows, b: Rows) -> float:
    return math.fsum(distance2(p, q) for p in a for q in b) / (len(a) * len(b))


def mean_distance2_of_different(rows: Rows) -> float:
    found = [distance2(rows[i], rows[j]) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    return math.fsum(found) / len(found)


def kernel(a: list[float], b: list[float], scale: float) -> float:
    return math.exp(-distance2(a, b) / (2 * scale)) if scale else 1.0


def hsic_by_quadruples(features: Rows, groups: list[int], num_groups: int, scale: float | None = None) -> float:
    """The mean over all four different samples i, j, q, r of k_ij (l_ij + l_qr - 2 l_iq): Song et al. 2012, HSIC_1."""
    known = [i for i, group in enumerate(groups) if group != -1]
    x = [features[i] for i in known]
    y = [[float(groups[i] == k) for k in range(num_groups)] for i in known]
    s = mean_distance2_of_different(x) if scale is None else scale
    t = mean_distance2_of_different(y)
    pairs = range(len(known))
    k = [[kernel(x[i], x[j], s) for j in pairs] for i in pairs]
    m = [[kernel(y[i], y[j], t) for j in pairs] for i in pairs]
    terms = [k[i][j] * (m[i][j] + m[q][r] - 2 * m[i][q]) for i, j, q, r in permutations(pairs, 4)]
    return math.fsum(terms) / len(terms)


def mmd2_by_pairs(a: Rows, b: Rows, scale: float | None = None) -> float:
    """Mean kernel within a, plus that within b, minus twice that between them; a sample meets not itself."""
    s = mean_distance2(a, b) if scale is None else scale
    between = math.fsum(kernel(p, q, s) for p in a for q in b) / (len(a) * len(b))
    return _within(a, s) + _within(b, s) - 2 * between


def _within(rows: Rows, scale: float) -> float:
    found = [kernel(rows[i], rows[j], scale) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    return math.fsum(found) / len(found)
