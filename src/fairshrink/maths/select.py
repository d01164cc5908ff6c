"""Exactly the k lowest scores over many tensors, together or tensor by tensor, with stable ties."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fairshrink.errors import ConfigError, DataError, suggest

RANKINGS = ("global", "layer")


def lowest(
    scores: dict[str, Tensor], k: int, *, taken: dict[str, Tensor] | None = None, ranking: str = "global"
) -> dict[str, Bool[Tensor, "..."]]:
    """Marks k scores: the lowest of all tensors together, or the lowest of each tensor.

    Ties go to what comes first: the order of the dictionary, then the place in the flattened tensor.

    Args:
        scores: Parameter name -> score, any shapes, floating point; low goes first.
        k: How many to choose, in total and exactly.
        taken: Parameter name -> bool mask of the same shape: what is True cannot be chosen (again). A name that is left
            out has nothing taken.
        ranking: "global": the k lowest of all. "layer": each tensor gives the same share of its scores, what is taken
            counted in; the share is rounded by the largest remainders, so that k is met. A tensor of which more is taken
            gives nothing more, and the others share the rest.

    Returns:
        Parameter name -> bool mask of the score's shape, k True in total.

    Raises:
        DataError: A score is NaN, a mask does not fit its score, k is negative or larger than what is free.
        ConfigError: There is no such ranking.
    """
    check_ranking(ranking)
    flat = torch.cat([_checked(name, score) for name, score in scores.items()]) if scores else torch.zeros(0)
    free = ~_flat_taken(scores, taken or {}, flat)
    available = int(free.sum())
    if not 0 <= k <= available:
        raise DataError(
            f"{k:,} weights are to be chosen, but {available:,} of {flat.numel():,} are free.\n"
            "  Choose between 0 and what is free."
        )
    sizes = [score.numel() for score in scores.values()]
    spans = [flat.numel()] if ranking == "global" else sizes
    pieces = list(zip(flat.split(spans), free.split(spans), strict=True))
    wanted = [k] if ranking == "global" else shares(sizes, [int((~open_).sum()) for _, open_ in pieces], k)
    chosen = torch.cat([_lowest_of(part, open_, n) for (part, open_), n in zip(pieces, wanted, strict=True)] or [free])
    return {
        name: part.view(score.shape).to(score.device)
        for (name, score), part in zip(scores.items(), chosen.split(sizes), strict=True)
    }


def shares(sizes: Sequence[int], taken: Sequence[int], k: int) -> list[int]:
    """How many more each part gives, so that k more are given and all parts stand at the same share of their size.

    Args:
        sizes: Size of each part.
        taken: How much of each is gone already.
        k: How many more, at most what is left of all.

    Returns:
        One number for each part, k in total. A part that stands above the common share gives 0. Shares are rounded down, and
        the largest remainders, the first ones where they are equal, get one more.
    """
    sharing = [part for part, size in enumerate(sizes) if size > 0]
    while True:
        # The common share is whole / among; all in whole numbers, so that nothing is lost to rounding.
        whole, among = k + sum(taken[part] for part in sharing), sum(sizes[part] for part in sharing)
        above = [part for part in sharing if taken[part] * among > whole * sizes[part]]
        if not above:
            break
        sharing = [part for part in sharing if part not in above]
    given = [0] * len(sizes)
    for part in sharing:
        given[part] = sizes[part] * whole // among - taken[part]
    by_remainder = sorted(sharing, key=lambda part: -(sizes[part] * whole % among))
    for part in by_remainder[: k - sum(given)]:
        given[part] += 1
    return given


def check_ranking(ranking: object) -> None:
    """Raise ConfigError unless it is one of `RANKINGS`."""
    if ranking not in RANKINGS:
        raise ConfigError(f"ranking is {ranking!r}, but there is no such choice.{suggest(str(ranking), RANKINGS)}")


def _checked(name: str, score: Tensor) -> Float[Tensor, "n"]:
    if bad := int(score.isnan().sum()):
        raise DataError(
            f"scores of '{name}': {bad:,} of {score.numel():,} are NaN, and NaN has no rank.\n"
            "  Look for NaN in the weights or the data that the scores were computed from."
        )
    return score.detach().flatten().cpu()


def _flat_taken(scores: dict[str, Tensor], taken: dict[str, Tensor], flat: Tensor) -> Bool[Tensor, "n"]:
    if unknown := [name for name in taken if name not in scores]:
        raise DataError(
            f"taken: no scores for '{unknown[0]}' ({len(unknown)} such names). Score every name that is taken."
        )
    for name, mask in taken.items():
        if mask.shape != scores[name].shape or mask.dtype != torch.bool:
            raise DataError(
                f"taken['{name}'] is {mask.dtype} of shape {tuple(mask.shape)}, but its scores need a bool mask of shape "
                f"{tuple(scores[name].shape)}."
            )
    parts = [
        taken[name].flatten().cpu() if name in taken else torch.zeros(score.numel(), dtype=torch.bool)
        for name, score in scores.items()
    ]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.bool)


def _lowest_of(flat: Tensor, free: Tensor, k: int) -> Bool[Tensor, "n"]:
    """The k lowest among the free: everything below the k-th value, then the first of those that equal it."""
    if k == 0:
        return torch.zeros_like(free)
    border = flat[free].kthvalue(k).values
    below = free & (flat < border)
    equal = free & (flat == border)
    first = equal & (equal.cumsum(0) <= k - int(below.sum()))
    return below | first
