"""A paired comparison of two models as the pages see it: frozen records of comparison.json."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fairshrink.audit.changed import LEVEL
from fairshrink.report.audited import Number


@dataclass(frozen=True, slots=True)
class Change:
    """One number of two models on the same rows: b minus a, with its paired interval and p, plain and adjusted (Holm)."""

    a: Number
    b: Number
    change: Number
    low: Number
    high: Number
    p: Number = None
    p_holm: Number = None
    verdict: str = ""

    @property
    def told(self) -> bool:
        """Whether the change can be told from no change, after the adjustment for several comparisons too."""
        if self.low is None or self.high is None or self.p_holm is None:
            return False
        return self.p_holm <= LEVEL and self.alone

    @property
    def alone(self) -> bool:
        """Whether the interval excludes no change, as if there were no other comparison."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class AttributeComparison:
    """Changes of one attribute's scores and gaps."""

    groups: dict[str, dict[str, Change]]
    scores: dict[str, Change]
    gaps: dict[str, Change]
    class_gaps: dict[str, Change]


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """comparison.json: the second model against the first, on the same rows."""

    models: tuple[str, str]
    overall: dict[str, Change]
    attributes: dict[str, AttributeComparison]
    convention: str
    num_classes: int
    seed: int
    n_boot: int | None = None
    clusters: int | None = None
    notes: list[str] = field(default_factory=list)

    def changes(self) -> Iterator[Change]:
        """Every change, of all rows first."""
        yield from self.overall.values()
        for attribute in self.attributes.values():
            for scores in (*attribute.groups.values(), attribute.scores, attribute.gaps, attribute.class_gaps):
                yield from scores.values()
