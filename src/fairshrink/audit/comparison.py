"""What changed between two models on the same rows; as objects, as JSON, as text."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from fairshrink.audit.changed import GAP_WORDS, LEVEL, NO_CHANGE, SCORE_WORDS, comparison_text, p_value, signed, word
from fairshrink.audit.text import number, printable
from fairshrink.metrics.holm import holm

Family = Literal["scores", "gaps", "classes"]
_UNDEFINED = {
    "scores": "nobody is there",
    "gaps": "no class has such a rate in two groups",
    "classes": "fewer than two groups have images of the class",
}
_WORDS = {"scores": SCORE_WORDS, "gaps": GAP_WORDS, "classes": GAP_WORDS}


@dataclass(frozen=True)
class Change:
    """One number of A and of B, and how sure their difference is.

    Attributes:
        name: "eopp1", "tpr[mel]", "accuracy of 'female'".
        family: Comparisons that are adjusted together: scores, gaps (means over classes), gaps of single classes.
        images: Rows that it rests on.
        a: A's value; NaN where undefined.
        b: B's value.
        low: Lower end of the paired 95 % interval of the change.
        high: Upper end.
        p: Two-sided p-value of no change, for this comparison alone.
        p_holm: The same, adjusted for all of its family.
        family_size: Comparisons that it was adjusted for.
    """

    name: str
    family: Family
    images: int
    a: float
    b: float
    low: float
    high: float
    p: float
    p_holm: float = math.nan
    family_size: int = 1

    @property
    def change(self) -> float:
        """B - A: below 0 for a gap that narrows."""
        return self.b - self.a

    @property
    def word(self) -> str:
        """Narrower, wider (gaps), lower, higher (scores), "none shown", or undefined."""
        return word(self._numbers(), _WORDS[self.family])

    @property
    def holds(self) -> bool:
        """Whether it can be told from no change among all comparisons of its family."""
        return self.word in _WORDS[self.family] and self.p_holm <= LEVEL

    @property
    def verdict(self) -> str:
        """One sentence for a reader who is no statistician."""
        name = printable(self.name)
        if math.isnan(self.change):
            return f"{name} cannot be compared: {_UNDEFINED[self.family]}."
        sure = f"95 % interval {signed(self.low)} to {signed(self.high)}"
        on = f"on {self.images:,} image{'s' if self.images != 1 else ''}"
        if self.word == NO_CHANGE:
            return f"{name} is not distinguishable from no change ({signed(self.change)}, {sure}) {on}."
        values = f"{number(self.a)} became {number(self.b)} ({signed(self.change)}, {sure})"
        alone = f"; among {self.family_size:,} comparisons it does not hold (p {p_value(self.p_holm)} by Holm)"
        return f"{name} is {self.word}: {values} {on}{'' if self.holds else alone}."

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON: NaN is None."""
        return self._numbers() | {"verdict": self.verdict}

    def _numbers(self) -> dict[str, Any]:
        numbers = {key: getattr(self, key) for key in ("a", "b", "change", "low", "high", "p", "p_holm")}
        return {key: None if math.isnan(value) else value for key, value in numbers.items()}


Named = dict[str, Change]


@dataclass(frozen=True)
class AttributeComparison:
    """Changes of one sensitive attribute.

    Attributes:
        groups: Group -> accuracy, precision, recall, f1.
        scores: average_f1 (over groups), worst_group_accuracy.
        gaps: eopp0, eopp1, eodd, eodd_max.
        class_gaps: "tpr[CLASS]".
    """

    groups: dict[str, Named]
    scores: Named
    gaps: Named
    class_gaps: Named

    def parts(self) -> list[Named]:
        """All changes, in the order of the JSON."""
        return [*self.groups.values(), self.scores, self.gaps, self.class_gaps]

    def to_dict(self) -> dict[str, Any]:
        """The attribute's part of the comparison's JSON."""
        return {
            "groups": {group: _plain(found) for group, found in self.groups.items()},
            "scores": _plain(self.scores),
            "gaps": _plain(self.gaps),
            "class_gaps": _plain(self.class_gaps),
        }


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` found; prints as a small table.

    Attributes:
        models: Names of A, the baseline, and of B.
        overall: accuracy, precision, recall, f1 over all rows, known group or not.
        attributes: Name -> what changed for it.
        convention: "strict" or "published".
        num_classes: C.
        n_boot: Paired draws.
        seed: Of the draws.
        clusters: Number of clusters that were resampled as wholes; None: rows were.
        notes: What a reader should know.
    """

    models: tuple[str, str]
    overall: Named
    attributes: dict[str, AttributeComparison]
    convention: str
    num_classes: int
    n_boot: int
    seed: int
    clusters: int | None
    notes: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        """Every change, of all rows first."""
        yield from self.overall.values()
        for attribute in self.attributes.values():
            for named in attribute.parts():
                yield from named.values()

    def map(self, function: Callable[[Change], Change]) -> "Comparison":
        """The same comparison with every change replaced, in the order of `changes`."""

        def mapped(named: Named) -> Named:
            return {name: function(change) for name, change in named.items()}

        overall = mapped(self.overall)
        attributes = {
            name: AttributeComparison(
                groups={group: mapped(named) for group, named in found.groups.items()},
                scores=mapped(found.scores),
                gaps=mapped(found.gaps),
                class_gaps=mapped(found.class_gaps),
            )
            for name, found in self.attributes.items()
        }
        return replace(self, overall=overall, attributes=attributes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON: NaN is None."""
        return {
            "models": list(self.models),
            "overall": _plain(self.overall),
            "attributes": {name: found.to_dict() for name, found in self.attributes.items()},
            "convention": self.convention,
            "num_classes": self.num_classes,
            "n_boot": self.n_boot,
            "seed": self.seed,
            "clusters": self.clusters,
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The comparison as JSON text; NaN is null."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        return comparison_text(self.to_dict())

    __repr__ = __str__


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with `p_holm` adjusted over all of them together, family by family."""
    changes = [change for comparison in comparisons for change in comparison.changes()]
    adjusted: dict[Family, Iterator[tuple[float, int]]] = {}
    for family in ("scores", "gaps", "classes"):
        p = np.array([change.p for change in changes if change.family == family], dtype=np.float64)
        size = int((~np.isnan(p)).sum())
        adjusted[family] = iter([(value, size) for value in holm(p).tolist()])

    def with_holm(change: Change) -> Change:
        p_holm, size = next(adjusted[change.family])
        return replace(change, p_holm=p_holm, family_size=size)

    return [comparison.map(with_holm) for comparison in comparisons]


def _plain(named: Named) -> dict[str, Any]:
    return {name: change.to_dict() for name, change in named.items()}
