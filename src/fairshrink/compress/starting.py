"""What has to hold before the first step: groups that are there, a group to favour, ratios that are ahead."""

from collections.abc import Iterable, Iterator

import numpy as np

from fairshrink.compress.steps import Step
from fairshrink.errors import ConfigError, DataError
from fairshrink.maths.samples import check_parts
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.rates import f1
from fairshrink.train.loading import EpochLoader
from fairshrink.types import Splits


def groups_of(data: Splits) -> int:
    """The number of groups in the scoring and validation data together.

    A validation set that lacks a group of the scoring data must not make that group vanish, nor the reverse.

    Raises:
        DataError: Batches cannot be iterated twice, are no batches, or hold fewer than two groups.
    """
    parts = {"train": data.train, "val": data.val} | ({"retrain": data.retrain} if data.retrain is not None else {})
    for name, batches in parts.items():
        if not isinstance(batches, Iterable | EpochLoader):
            raise DataError(f"the {name} batches are {batches!r}, but a list or a loader of GroupBatches is expected.")
        if isinstance(batches, Iterator):
            raise DataError(
                f"the {name} batches are a generator, which is empty after one pass, but every step needs a pass. "
                "Give a list or a loader."
            )
    largest = -1
    for batches in (data.train, data.val):
        for number, given in enumerate(batches):
            batch = check_parts(number, given)
            largest = max(largest, int(batch.g.max()) if batch.g.numel() else -1)
    if largest < 1:
        raise DataError(
            f"the data hold {largest + 1} group(s), but a gap needs two. Give each sample its group in g: 0, 1, ..., "
            "or -1 where it is unknown."
        )
    return largest + 1


def weakest_group(counts: GroupCounts) -> int:
    """The unprivileged group: the lowest macro F1; the first one when two are equal.

    Raises:
        DataError: A group has no samples.
    """
    sizes = counts.counts.sum(axis=(1, 2))
    if (sizes == 0).any():
        empty = ", ".join(str(g) for g in np.flatnonzero(sizes == 0))
        raise DataError(
            f"group {empty} has no samples in the validation data, so it cannot be measured which group is unprivileged. "
            "Give validation data with every group, or name the group with unprivileged=."
        )
    return int(np.argmin(f1(counts.counts)))


def check_group(group: object, num_groups: int) -> None:
    """Raise ConfigError unless it is the number of a group."""
    if isinstance(group, bool) or not isinstance(group, int | np.integer) or not 0 <= group < num_groups:
        raise ConfigError(
            f"unprivileged is {group!r}, but the groups of the data are 0 to {num_groups - 1}. Give one of them."
        )


def ahead(ratios: Iterable[float], start: Step, *, idle: bool = False, unit: str = "weights") -> list[float]:
    """The ratios that are still ahead of what is fixed already.

    Args:
        ratios: Of the schedule.
        start: The model before the first step.
        idle: Whether a ratio of 0 is a step, too, because something is done in it besides fixing: the control of a recovery.
        unit: What ratios count, for the message.

    Raises:
        ConfigError: All of them are behind.
    """
    ratios = list(ratios)
    coming = [
        ratio for ratio in ratios if round(ratio * start.total) > start.fixed or (idle and ratio == start.fixed == 0)
    ]
    if start.fixed and not coming:
        raise ConfigError(
            f"the ratio {max(ratios, default=0):g} is reached before the first step: {start.fixed:,} of {start.total:,} {unit} "
            f"({start.ratio:.3f}) are fixed already, and ratios are cumulative. Give a larger ratio (of scp: "
            "channel_ratio times iterations), or start from a model with less fixed."
        )
    return coming
