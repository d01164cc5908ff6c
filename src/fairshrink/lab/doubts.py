"""Signs that a user's checkpoint is not used as it was trained: its outputs in another order, its inputs prepared otherwise."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BETTER = 0.2  # of the images: so much more has to be right under another order of the classes before it is suggested


def doubts(counts: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """What to check before a checkpoint's numbers are believed; empty when nothing is strange.

    Args:
        counts: Validation images by true and predicted class, (C, C).
        classes: Names of the classes in the data's order.
    """
    total = counts.sum()
    right, most = counts.trace() / total, counts.sum(axis=1)
    order = _likely_order(counts)
    reordered = counts[order, np.arange(len(order))].sum() / total
    if reordered >= right + BETTER:
        names = ", ".join(f'"{classes[k]}"' for k in order)
        return [
            f"the checkpoint is right on {right:.1%} of the validation images, and would be on {reordered:.1%} if its outputs "
            f"were in another order, such as {names}. Look up the order that it was trained with and set it as data.classes; "
            "and see that model.mean, model.std and data.size are those of its training."
        ]
    if right < most.max() / total:
        return [
            f"the checkpoint is right on {right:.1%} of the validation images; always '{classes[most.argmax()]}' would be right "
            f"on {most.max() / total:.1%}. Check data.classes (the order of its outputs), model.mean and model.std, and "
            "data.size against its training."
        ]
    return []


def _likely_order(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class that each output seems to mean, (C,): the largest counts first, each class and output once."""
    order = np.full(len(counts), -1)
    for flat in np.argsort(-counts, axis=None, kind="stable"):
        true, output = np.unravel_index(flat, counts.shape)
        if order[output] < 0 and true not in order:
            order[output] = true
    return order
