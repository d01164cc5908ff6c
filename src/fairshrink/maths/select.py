"""Exactly the k lowest scores over many tensors, with stable ties."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fairshrink.errors import DataError


def lowest(
    scores: dict[str, Tensor], k: int, *, taken: dict[str, Tensor] | None = None
) -> dict[str, Bool[Tensor, "..."]]:
    """Marks the k lowest scores of all tensors together.

    Ties go to what comes first: the order of the dictionary, then the place in the flattened tensor.

    Args:
        scores: Parameter name -> score, any shapes, floating point; low goes first.
        k: How many to choose, in total and exactly.
        taken: Parameter name -> bool mask of the same shape: what is True cannot be chosen (again). A name that is left
            out has nothing taken.

    Returns:
        Parameter name -> bool mask of the score's shape, k True in total.

    Raises:
        DataError: A score is NaN, a mask does not fit its score, k is negative or larger than what is free.
    """
    flat = torch.cat([_checked(name, score) for name, score in scores.items()]) if scores else torch.zeros(0)
    free = ~_flat_taken(scores, taken or {}, flat)
    available = int(free.sum())
    if not 0 <= k <= available:
        raise DataError(
            f"{k:,} weights are to be chosen, but {available:,} of {flat.numel():,} are free.\n"
            "  Choose between 0 and what is free."
        )
    chosen = _lowest_of(flat, free, k)
    parts = chosen.split([score.numel() for score in scores.values()])
    return {
        name: part.view(score.shape).to(score.device) for (name, score), part in zip(scores.items(), parts, strict=True)
    }


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
