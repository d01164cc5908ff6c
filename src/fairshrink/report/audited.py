"""An audit as the pages see it: frozen records of audit.json, whoever wrote it."""

import math
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


Number = Annotated[float | None, AfterValidator(_finite)]
"""A number, or None where it is undefined (null in the records, NaN in memory)."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How well a set of rows is classified; precision, recall and F1 are macro averages, AUC is one against the rest.

    n is None where it was suppressed; auc and ece (with its null floor) are None where no probabilities were given.
    """

    n: int | None
    accuracy: Number
    precision: Number
    recall: Number
    f1: Number
    auc: Number = None
    ece: Number = None
    ece_null_mean: Number = None
    ece_null_high: Number = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A difference between groups, with its interval and what chance alone reaches.

    `null_high` of a single class is corrected for the number of classes; `null_alone` is that class's own.
    """

    value: Number
    low: Number
    high: Number
    null_mean: Number
    null_high: Number
    undefined: int = 0
    null_alone: Number = None
    needed: int | None = None
    verdict: str = ""

    @property
    def above_chance(self) -> bool:
        """Whether the value exceeds its null floor's 97.5 % point."""
        return self.value is not None and self.null_high is not None and self.value > self.null_high

    @property
    def excess(self) -> float:
        """How far the value lies above its floor; minus infinity where it cannot be said."""
        return -math.inf if self.value is None or self.null_high is None else self.value - self.null_high


@dataclass(frozen=True, slots=True)
class Rates:
    """One class in one group, one against the rest; n counts the class's own rows and is None where it was suppressed."""

    n: int | None
    tpr: Number
    tnr: Number
    fpr: Number
    auc: Number = None


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about the same confidence, and how many of them were right."""

    low: Number
    high: Number
    n: int | None
    confidence: Number
    accuracy: Number


@dataclass(frozen=True, slots=True)
class Reliability:
    """The reliability curve of a group."""

    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class SmallCell:
    """A group that has few images of a class."""

    group: str
    name: Annotated[str, Field(alias="class")]
    n: int | None


@dataclass(frozen=True, slots=True)
class AttributeAudit:
    """Everything measured about one attribute on the test rows."""

    groups: dict[str, Scores]
    gaps: dict[str, Gap]
    classes: dict[str, dict[str, Rates]]
    class_gaps: dict[str, Gap]
    unknown: int = 0
    notes: list[str] = field(default_factory=list)
    worst_group_accuracy: Number = None
    calibration: dict[str, Reliability] | None = None
    small_cells: list[SmallCell] = field(default_factory=list)
    min_cell: int | None = None

    def of_class(self, name: str) -> Gap | None:
        """The gap in the true positive rate of one class; None where the record has none."""
        return self.class_gaps.get(f"tpr[{name}]")


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """audit.json: of one stage of a run, or of a file of predictions."""

    overall: Scores
    attributes: dict[str, AttributeAudit]
    convention: str
    num_classes: int
    seed: int
    n_boot: int | None = None
    clusters: int | None = None
    notes: list[str] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    version: str | None = None
