"""Random tables: units drawn again within group and class, and groups permuted within class."""

import numpy as np
from jaxtyping import Float, Int

from fairshrink.metrics.units import Units

_UNITS_PER_KIND = 10  # below it a shuffle of units is faster than one hypergeometric draw per kind; both are exact


def kind_rates(units: Units) -> Float[np.ndarray, "G T"]:
    """How often each kind occurs among a group's units of its class; 0 where the group has none."""
    sizes = _by_kind(units, _sums(units, units.counts))
    return np.divide(units.counts, sizes, out=np.zeros(sizes.shape), where=sizes > 0)


def shrunken_rates(units: Units) -> Float[np.ndarray, "G T"]:
    """Rates drawn towards those of all groups together, class by class, by what noise contributes.

    The groups' rates of hits in a class scatter around their common rate by the true differences and by noise; they keep
    the part max(0, 1 - expected noise / observed scatter) of their distance from it.

    Source: James and Stein 1961, in the positive-part form, on the difference from the pooled rate.
    """
    rates, common = kind_rates(units), _by_kind(units, _sums(units, units.counts).sum(0, keepdims=True))
    pooled = units.counts.sum(0) / np.maximum(common, 1)
    factor = _by_kind(units, _shrinkage(units)[None])
    return np.where(rates.sum(0) > 0, pooled + factor * (rates - pooled), rates)


def resampled_sizes(units: Units) -> Int[np.ndarray, "G T"]:
    """Units drawn in a resample, per kind's class: one fewer than there are.

    The variance of n draws from n values is (n - 1) / n of the true one; n - 1 draws make up for it.
    """
    return _by_kind(units, _drawn(units))


def draw_within(
    units: Units, rates: Float[np.ndarray, "G T"], rng: np.random.Generator, size: int
) -> Int[np.ndarray, "B G T"]:
    """Units drawn anew with these rates, within group and class: one multinomial per group and class."""
    out = np.zeros((size, *units.counts.shape), dtype=np.int64)
    drawn = _drawn(units)
    for stratum, (start, end) in enumerate(_spans(units)):
        for group in np.flatnonzero(drawn[:, stratum]):
            there = start + np.flatnonzero(rates[group, start:end])  # most kinds of clusters occur in one group only
            chances = rates[group, there]
            out[:, group, there] = rng.multinomial(drawn[group, stratum], chances / chances.sum(), size=size)
    return out


def draw_permuted(units: Units, rng: np.random.Generator, size: int) -> Int[np.ndarray, "B G T"]:
    """Groups permuted over the units of each class: kind by kind where a kind has many units, else unit by unit."""
    out = np.zeros((size, *units.counts.shape), dtype=np.int64)
    for start, end in _spans(units):
        cells = units.counts[:, start:end]
        group_sizes, kind_sizes = cells.sum(1), cells.sum(0)
        permute = _shuffled if kind_sizes.sum() < _UNITS_PER_KIND * kind_sizes.size else _dealt
        out[:, :, start:end] = permute(group_sizes, kind_sizes, rng, size)
    return out


def _shuffled(group_sizes: np.ndarray, kind_sizes: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """Random tables with these margins, (size, G, T): the units in random order, the first to the first group."""
    units = np.tile(np.repeat(np.arange(kind_sizes.size), kind_sizes), (size, 1))
    kinds = rng.permuted(units, axis=1, out=units)
    tables, groups = np.arange(size)[:, None] * group_sizes.size, np.repeat(np.arange(group_sizes.size), group_sizes)
    cells = (tables + groups) * kind_sizes.size + kinds
    shape = (size, group_sizes.size, kind_sizes.size)
    return np.bincount(cells.ravel(), minlength=np.prod(shape)).reshape(shape)


def _dealt(group_sizes: np.ndarray, kind_sizes: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """The same by multivariate hypergeometric draws: deal the kinds out to one group after the other."""
    table = np.zeros((size, group_sizes.size, kind_sizes.size), dtype=np.int64)
    left = np.tile(kind_sizes, (size, 1))
    for group, needed in enumerate(group_sizes[:-1].tolist()):
        if needed:
            table[:, group] = _deal(left, needed, rng)
            left -= table[:, group]
    table[:, -1] = left
    return table


def _deal(left: np.ndarray, needed: int, rng: np.random.Generator) -> np.ndarray:
    """`needed` units without replacement from those left, (B, T), kind by kind."""
    dealt = np.zeros_like(left)
    missing = np.full(left.shape[0], needed, dtype=np.int64)
    later = left.sum(1)
    for kind in range(left.shape[1]):
        later = later - left[:, kind]
        dealt[:, kind] = rng.hypergeometric(left[:, kind], later, missing)
        missing -= dealt[:, kind]
    return dealt


def _shrinkage(units: Units) -> np.ndarray:
    """One factor in [0, 1] per stratum, (S,)."""
    sizes = _sums(units, units.counts)
    # A unit's rate of hits: that of its class, or of all its rows when it holds several.
    width = units.parts.shape[1] // 3
    hit = units.parts[:, :width].sum(1) / units.parts[:, width : 2 * width].sum(1)
    means = np.divide(_sums(units, units.counts * hit), sizes, out=np.zeros(sizes.shape), where=sizes > 0)
    total = np.maximum(sizes.sum(0), 1)
    common = (sizes * means).sum(0) / total
    squares = _sums(units, (units.counts * hit**2).sum(0, keepdims=True))[0] / total
    observed = (sizes * (means - common) ** 2).sum(0)
    noise = (squares - common**2) * ((sizes > 0).sum(0) - 1)
    kept = 1 - np.divide(noise, observed, out=np.ones(noise.shape), where=observed > 0)
    return np.clip(kept, 0.0, 1.0)


def _drawn(units: Units) -> np.ndarray:
    sizes = _sums(units, units.counts)
    return np.where(sizes > 1, sizes - 1, sizes)


def _sums(units: Units, per_kind: np.ndarray) -> np.ndarray:
    """Sums over the kinds of each class, (..., S)."""
    if units.strata.size < 2:
        return np.zeros((*per_kind.shape[:-1], 0), dtype=per_kind.dtype)
    return np.add.reduceat(per_kind, units.strata[:-1], axis=-1)


def _by_kind(units: Units, per_stratum: np.ndarray) -> np.ndarray:
    return np.repeat(per_stratum, np.diff(units.strata), axis=-1)


def _spans(units: Units) -> list[tuple[int, int]]:
    return list(zip(units.strata[:-1].tolist(), units.strata[1:].tolist(), strict=True))
