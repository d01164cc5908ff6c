"""What a step found on validation."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import nn

from fairshrink.maths.tasks import Task
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.metrics.gaps import GAPS, gaps
from fairshrink.metrics.rates import f1
from fairshrink.metrics.soft import SOFT, Soft, soft_criteria, soft_sums
from fairshrink.train.evaluate import predict
from fairshrink.types import Batches

CRITERIA = (*GAPS, *SOFT)


@dataclass(frozen=True)
class Step:
    """One step of a method, measured on validation.

    Attributes:
        ratio: The share of weights that the schedule asked for, cumulative.
        fixed: How many weights are fixed after the step.
        total: How many could be.
        seconds: Scoring, fixing, recovery and evaluation.
        counts: Predictions on validation by group, (G, C, C); samples of unknown group are not in it.
        soft: What the probabilities of the true class add up to, for the same samples; None where nobody measured it.
        start: The model before the first step; None in that one itself, and in a step that was read back from a file.
    """

    ratio: float
    fixed: int
    total: int
    seconds: float
    counts: GroupCounts
    soft: Soft | None = None
    start: "Step | None" = None

    @property
    def gaps(self) -> dict[str, float]:
        """Every gap between the groups, by name; NaN where it is undefined."""
        return {name: float(gap.value) for name, gap in gaps(self.counts.counts).items()}

    @property
    def criteria(self) -> dict[str, float]:
        """What a choice may go by: the gaps, and, where they were measured, their soft forms; NaN where undefined."""
        return self.gaps | (soft_criteria(self.soft) if self.soft is not None else {})


def mean_f1(step: Step) -> float:
    """Macro F1, averaged over the groups; NaN where a group has no samples."""
    return float(np.mean(f1(step.counts.counts)))


class Seen(NamedTuple):
    """A model on validation: its predictions counted, its probabilities added up."""

    counts: GroupCounts
    soft: Soft


def look(model: nn.Module, batches: Batches, task: Task, num_groups: int) -> Seen:
    """One pass over validation.

    Raises:
        DataError: There are no batches, or a class or group is out of range.
        ModelError: An output is not finite.
    """
    seen = predict(model, batches, task=task)
    counts = count(seen.y, seen.pred, seen.g, num_groups=num_groups, num_classes=seen.prob.shape[1])
    return Seen(counts, soft_sums(seen.prob, seen.y, seen.g, num_groups=num_groups))
