"""Selection the slow way: sort everything, count one by one."""

from fractions import Fraction
from itertools import combinations

from torch import Tensor


def lowest_by_sorting(scores: dict[str, Tensor], k: int, taken: dict[str, Tensor]) -> set[tuple[str, int]]:
    """The k lowest as (name, flat index): a stable sort of all that is free, in the order of the dictionary."""
    free = [
        (value, name, index)
        for name, score in scores.items()
        for index, value in enumerate(score.flatten().tolist())
        if name not in taken or not taken[name].flatten()[index]
    ]
    return {(name, index) for _, name, index in sorted(free, key=lambda entry: entry[0])[:k]}


def shares_by_trying(sizes: list[int], taken: list[int], k: int) -> list[int]:
    """How many each part gives: of all choices of the parts that share, the one after which nobody stands above the level
    that the sharing parts reach, and everybody who stays out does; whole numbers by the largest remainders.
    """
    parts = [part for part, size in enumerate(sizes) if size]
    for count in range(len(parts), 0, -1):
        for sharing in combinations(parts, count):
            level = Fraction(k + sum(taken[p] for p in sharing), sum(sizes[p] for p in sharing))
            out = [p for p in parts if p not in sharing]
            inside = all(Fraction(taken[p], sizes[p]) <= level for p in sharing)
            if inside and all(Fraction(taken[p], sizes[p]) > level for p in out):
                return _rounded([level * size if p in sharing else taken[p] for p, size in enumerate(sizes)], taken, k)
    return [0] * len(sizes)


def _rounded(ends: list[Fraction | int], taken: list[int], k: int) -> list[int]:
    given = [int(end // 1) - gone for end, gone in zip(ends, taken, strict=True)]
    rests = [Fraction(end) - end // 1 for end in ends]
    while sum(given) < k:
        best = rests.index(max(rests))
        given[best] += 1
        rests[best] = Fraction(-1)
    return given
