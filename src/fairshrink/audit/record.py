"""What an audit found: scores by group, gaps, single classes; as an object, as JSON, as text."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from fairshrink.audit.plain import as_text


@dataclass(frozen=True)
class Gap:
    """A gap between groups with its 95 % interval and its null floor; also `gap["value"]`.

    Attributes:
        value: In [0, 1]; NaN when no class can be compared.
        low: Lower end of the interval; 0 when the value is not above the floor.
        high: Upper end of the interval. Noise makes the value too large, so it can lie above this end.
        null_mean: What a model without any gap would show on average, on as many samples.
        null_high: What it would exceed in 2.5 % of cases at most; for the gap of a single class, what any of the classes'
            gaps would: corrected for their number.
        null_alone: The same for this class by itself, for one that was named before looking; for the others null_high.
        undefined: Classes for which a group has no such rate: nobody to divide by.
        needed: Images of the same mix of classes and groups at which a true gap of 0.05 is above chance in four of five
            cases; None where nothing can be said, or beyond 10 million.
        verdict: All this in one sentence.
    """

    value: float
    low: float
    high: float
    null_mean: float
    null_high: float
    null_alone: float
    undefined: int
    needed: int | None = None
    verdict: str = ""

    @property
    def above_chance(self) -> bool:
        """Whether the value is larger than the null floor's 97.5 % point."""
        return self.value > self.null_high

    def __getitem__(self, name: str) -> Any:
        return asdict(self)[name]


@dataclass(frozen=True)
class AttributeAudit:
    """One sensitive attribute.

    Attributes:
        name: "sex"; of an intersection "sex & age >= 60".
        by_group: Indexed by group: n, accuracy, and macro precision, recall and f1 over the classes the group has. With
            probabilities also auc (macro, one against the rest), ece (calibration error) and what that would be by chance
            alone: ece_null_mean, ece_null_high.
        gaps: eopp0, eopp1, eodd, eodd_max.
        classes: Class -> group -> n (samples of the class), tpr, tnr, fpr, with probabilities auc; NaN where there is
            nobody to divide by, n too where the cell is suppressed.
        class_gaps: "tpr[CLASS]" -> the gap of this class alone.
        worst_group_accuracy: The lowest accuracy of a group.
        average: Mean of the groups' scores.
        difference: Largest minus smallest of the groups' scores.
        unknown: Rows whose group is unknown; they count in `overall` only.
        notes: What a reader should know: groups that nobody is in, classes that a group lacks.
        small_cells: Cells of a group and a class with 1 to 9 samples, and the suppressed ones, whose n is NaN.
        min_cell: Cells with fewer samples are suppressed; None: none is.
        calibration: Group -> bins of confidence (low, high, n, confidence, accuracy); None without probabilities, and
            where cells are suppressed.
    """

    name: str
    by_group: pd.DataFrame
    gaps: dict[str, Gap]
    classes: dict[str, dict[str, dict[str, float]]]
    class_gaps: dict[str, Gap]
    worst_group_accuracy: float
    average: dict[str, float]
    difference: dict[str, float]
    unknown: int
    notes: tuple[str, ...]
    small_cells: tuple[dict[str, Any], ...] = ()
    min_cell: int | None = None
    calibration: dict[str, dict[str, list[dict[str, float]]]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The attribute's part of the audit's JSON."""
        return {
            "groups": {str(group): record(row) for group, row in self.by_group.iterrows()},
            "gaps": {name: _without_alone(asdict(gap)) for name, gap in self.gaps.items()},
            "classes": self.classes,
            "class_gaps": {name: asdict(gap) for name, gap in self.class_gaps.items()},
            "worst_group_accuracy": self.worst_group_accuracy,
            "average": self.average,
            "difference": self.difference,
            "unknown": self.unknown,
            "small_cells": list(self.small_cells),
            "min_cell": self.min_cell,
            "calibration": self.calibration,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, repr=False)
class Audit:
    """What `audit` found; prints as a small table.

    `by_group`, `gaps`, `classes` and `class_gaps` are those of the first attribute; `attributes` has all of them.

    Attributes:
        overall: n, accuracy, macro precision, recall and f1 over all rows, known group or not.
        attributes: Name -> what was found for it.
        convention: "strict" or "published".
        num_classes: C.
        class_names: Names of the classes.
        n_boot: Draws for each floor and interval.
        seed: Of the draws.
        clusters: Number of clusters that were resampled as wholes; None: rows were.
        notes: What a reader should know: where the classes come from, rows without cluster.
    """

    overall: dict[str, float]
    attributes: dict[str, AttributeAudit]
    convention: str
    num_classes: int
    class_names: tuple[str, ...]
    n_boot: int
    seed: int
    clusters: int | None
    notes: tuple[str, ...]

    @property
    def _first(self) -> AttributeAudit:
        return next(iter(self.attributes.values()))

    @property
    def by_group(self) -> pd.DataFrame:
        """Scores of the first attribute's groups."""
        return self._first.by_group

    @property
    def gaps(self) -> dict[str, Gap]:
        """Gaps of the first attribute."""
        return self._first.gaps

    @property
    def classes(self) -> dict[str, dict[str, dict[str, float]]]:
        """Rates of the first attribute, by class and group."""
        return self._first.classes

    @property
    def class_gaps(self) -> dict[str, Gap]:
        """TPR gaps of single classes of the first attribute."""
        return self._first.class_gaps

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON: NaN is None."""
        return without_nan(
            {
                "overall": self.overall,
                "attributes": {name: found.to_dict() for name, found in self.attributes.items()},
                "convention": self.convention,
                "num_classes": self.num_classes,
                "class_names": list(self.class_names),
                "n_boot": self.n_boot,
                "seed": self.seed,
                "clusters": self.clusters,
                "notes": list(self.notes),
            }
        )

    def to_json(self) -> str:
        """The audit as JSON text; NaN is null."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        return as_text(self)

    __repr__ = __str__


def _without_alone(gap: dict[str, Any]) -> dict[str, Any]:
    """A mean over classes is not one of a family: it has one floor."""
    return {name: value for name, value in gap.items() if name != "null_alone"}


def without_nan(value: Any) -> Any:
    """Plain data with None in place of NaN."""
    if isinstance(value, dict):
        return {name: without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def record(row: pd.Series | Mapping[str, float]) -> dict[str, float]:
    """A row of scores as plain numbers; n is whole, or NaN where it is suppressed."""
    return {
        str(name): int(value) if name == "n" and not math.isnan(value) else float(value) for name, value in row.items()
    }
