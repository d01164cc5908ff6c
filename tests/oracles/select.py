"""Selection the slow way: sort everything."""

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
