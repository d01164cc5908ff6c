"""Which columns of which samples are sent backwards when not all of them are: an unbiased choice by weight."""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from fairshrink.maths.factors import Factor


def scales(
    weights: Float64[Tensor, "J N"], groups: Int[Tensor, "N"], *, num_groups: int, columns: int | float, seed: int
) -> Float64[Tensor, "J N"]:
    """What each column is multiplied by: 0 where it is left out, 1 / sqrt(probability) where it is kept.

    A pair of column j and sample n is kept with probability min(1, weight / tau). One tau for each group makes the expected
    number of kept pairs `columns` times the group's samples; when that is all of them, every scale is 1. Scaled columns
    give the exact curvature in the mean over seeds, whatever the budget.

    Args:
        weights: Squared length of each column, as Factor has them, for all samples of the pass.
        groups: Group of each sample; samples in no group (-1) get scale 0.
        num_groups: G.
        columns: Mean number of kept columns for each sample, above 0.
        seed: Draws are keyed by (seed, sample, column): neither batches nor processes change them.
    """
    drawn = draws(seed, torch.arange(weights.shape[1]), len(weights))
    result = torch.zeros_like(weights)
    for group in range(num_groups):
        members = groups == group
        mine = weights[:, members]
        tau = threshold(mine.flatten(), columns * mine.shape[1])
        # Below tau the quotient is below 1; a weight of 0 is never kept, and has nothing to give.
        chance = torch.where(mine >= tau, 1.0, mine / tau)
        result[:, members] = torch.where(drawn[:, members] < chance, chance.rsqrt(), 0.0)
    return result


def packed(factor: Factor, scale: Float64[Tensor, "J N"]) -> Factor:
    """Scaled columns, each sample's kept ones first, so that the passes over the rest are empty."""
    order = (scale > 0).int().argsort(dim=0, descending=True, stable=True)
    scale = scale.gather(0, order)

    def pack(columns: Tensor) -> Tensor:
        shape = (*order.shape, *[1] * (columns.ndim - 2))
        return columns.gather(0, order.view(shape).expand_as(columns)) * scale.view(shape).to(columns.dtype)

    columns = pack(factor.columns) if isinstance(factor.columns, Tensor) else tuple(map(pack, factor.columns))
    return Factor(columns, factor.weights.gather(0, order) * scale.square())


def threshold(weights: Float64[Tensor, "M"], budget: int | float) -> float:
    """The tau with sum(min(1, weights / tau)) = budget, or 0 when every weight fits the budget.

    In descending order, the k heaviest are kept for certain and share out k of the budget; the others share the rest in
    proportion to their weight. The right k is the first whose next weight is not above its tau.
    """
    if budget >= int((weights > 0).sum()):
        return 0.0
    ordered = weights.sort(descending=True).values
    tail = ordered.flip(0).cumsum(0).flip(0)
    rest = budget - torch.arange(len(ordered), dtype=torch.float64)
    fits = (rest > 0) & (ordered * rest <= tail)
    first = int(fits.int().argmax())
    return float(tail[first] / rest[first])


def draws(seed: int, samples: Int[Tensor, "N"], columns: int) -> Float64[Tensor, "columns N"]:
    """Uniform numbers in [0, 1), each a function of (seed, sample, column) alone."""
    key = mix(torch.tensor(seed % 2**63) + _GOLDEN)
    key = mix(key + samples * _GOLDEN)
    key = mix(key[None, :] + (torch.arange(columns)[:, None] + 1) * _GOLDEN)
    return _shift(key, 11).double() * 2.0**-53


# Steele, Lea & Flood 2014 (SplitMix64); the constants as signed 64-bit integers, whose products wrap around.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def mix(key: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
    """Scrambles 64 bits: close numbers in, unrelated numbers out."""
    key = (key ^ _shift(key, 30)) * _FIRST
    key = (key ^ _shift(key, 27)) * _SECOND
    return key ^ _shift(key, 31)


def _shift(key: Int[Tensor, "*any"], bits: int) -> Int[Tensor, "*any"]:
    """To the right, filled with zeros: torch's own shift repeats the sign."""
    return (key >> bits) & ((1 << (64 - bits)) - 1)
