"""One additive table of counts, from which every number comes: (group, true class, predicted class)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Integer, Num

from fairshrink.errors import DataError


@dataclass(frozen=True)
class GroupCounts:
    """How often each class was predicted for each true class, per group.

    Attributes:
        counts: (G, C, C) int64: [group, true class, predicted class].
    """

    counts: Int[np.ndarray, "G C C"]

    def __add__(self, other: "GroupCounts") -> "GroupCounts":
        """Counts of both sets of samples together.

        Raises:
            DataError: The two have different groups or classes.
        """
        if self.counts.shape != other.counts.shape:
            raise DataError(
                f"cannot add counts of {_size(self)} and of {_size(other)}: count both with the same groups and classes."
            )
        return GroupCounts(self.counts + other.counts)

    @property
    def num_groups(self) -> int:
        """G."""
        return self.counts.shape[0]

    @property
    def num_classes(self) -> int:
        """C."""
        return self.counts.shape[1]


class Margins(NamedTuple):
    """What rates need of a table of counts; any leading batch axes, then groups and classes.

    Whole numbers, or expected ones when rates are given instead of samples.

    Attributes:
        hits: Samples of the class that were predicted as it.
        support: Samples of the class.
        predicted: Samples that were predicted as the class, rightly or wrongly.
    """

    hits: Num[np.ndarray, "*B G C"]
    support: Num[np.ndarray, "*B G C"]
    predicted: Num[np.ndarray, "*B G C"]


def margins(counts: Integer[np.ndarray, "*B G C C"]) -> Margins:
    """The diagonal, the row sums and the column sums of each group's table."""
    return Margins(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2))


def count(
    y_true: Integer[np.ndarray, " N"],
    y_pred: Integer[np.ndarray, " N"],
    groups: Integer[np.ndarray, " N"],
    *,
    num_groups: int,
    num_classes: int,
) -> GroupCounts:
    """Count predictions; samples of unknown group (-1) are skipped.

    Args:
        y_true: True classes, (N,), in [0, C).
        y_pred: Predicted classes, (N,), in [0, C).
        groups: Groups, (N,), in [0, G), or -1 where unknown.
        num_groups: G.
        num_classes: C, declared, so that it does not depend on what happened to be predicted.

    Raises:
        DataError: A class or group is out of range.
    """
    _check_range("y_true", y_true, 0, num_classes)
    _check_range("y_pred", y_pred, 0, num_classes)
    _check_range("groups", groups, -1, num_groups)
    known = groups >= 0
    shape = (num_groups, num_classes, num_classes)
    cells = np.ravel_multi_index((groups[known], y_true[known], y_pred[known]), shape)
    return GroupCounts(np.bincount(cells, minlength=int(np.prod(shape))).astype(np.int64).reshape(shape))


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
    outside = np.flatnonzero((values < low) | (values >= high))
    if outside.size:
        first = int(outside[0])
        raise DataError(
            f"{name}[{first}] is {int(values[first])}, expected integers from {low} to {high - 1}; "
            f"{outside.size:,} of {values.size:,} are outside. Check num_classes and num_groups."
        )


def _size(counts: GroupCounts) -> str:
    return f"{counts.num_groups} groups x {counts.num_classes} classes"
