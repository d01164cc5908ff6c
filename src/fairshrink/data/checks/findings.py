"""What a check found: a list of problems, each of a kind, with its row."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fairshrink.data.checks.kinds import KINDS, SEVERITIES, Severity
from fairshrink.data.table import first_few


class Finding(NamedTuple):
    """One problem.

    Attributes:
        kind: A key of KINDS.
        row: Row in the file, its header being row 1; 0 = no single row.
        id: The image or whatever else it is about.
        what: What was found, without a full stop.
        rows: All the rows that it takes, in order, where it takes several.
        severity: Of the kind, unless  missing = "exclude"  makes it a warning.
    """

    kind: str
    row: int
    id: str
    what: str
    rows: tuple[int, ...] = ()
    severity: Severity = "error"

    @property
    def do(self) -> str:
        """What to do about it."""
        return KINDS[self.kind].do


@dataclass(frozen=True)
class Report:
    """Everything that a check found.

    Attributes:
        name: Of the data set.
        metadata: Name of the table.
        rows: Rows of the table.
        images: Image files that were decoded; 0 without images.
        split: How the parts came about: "split file", "dealt", or "none" where they could not be made.
        findings: Sorted by severity, kind and row.
        stored: Folder of the decoded store, or "" where none was written.
    """

    name: str
    metadata: str
    rows: int
    images: int
    split: str
    findings: tuple[Finding, ...]
    stored: str = ""

    @property
    def errors(self) -> int:
        """Findings that are errors."""
        return self.counts()["error"]

    def counts(self) -> dict[str, int]:
        """Findings by severity, in order."""
        found = Counter(finding.severity for finding in self.findings)
        return {severity: found[severity] for severity in SEVERITIES}

    def of(self, kind: str) -> list[Finding]:
        """The findings of a kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def kinds(self) -> dict[str, int]:
        """Findings by kind, the gravest first; kinds without any are left out."""
        return dict(Counter(finding.kind for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the counts first, then every finding."""
        kinds = {
            kind: {"severity": self.of(kind)[0].severity, "count": count, "do": KINDS[kind].do}
            for kind, count in self.kinds().items()
        }
        known = {"name": self.name, "metadata": self.metadata, "rows": self.rows, "images": self.images}
        findings = [finding._asdict() | {"rows": list(finding.rows), "do": finding.do} for finding in self.findings]
        rest = {"split": self.split, "stored": self.stored or None}
        return known | rest | {"counts": self.counts(), "kinds": kinds, "findings": findings}

    def lines(self, most: int | None = 10) -> list[str]:
        """As text: counts by kind, then of each kind at most `most` findings (None: all)."""
        counts = ", ".join(f"{count:,} {_plural(severity, count)}" for severity, count in self.counts().items())
        lines = [f"{self.metadata}: {self.rows:,} rows, {self.images:,} images decoded: {counts}"]
        width = max([len(kind) for kind in self.kinds()], default=0)
        lines += [
            f"  {self.of(kind)[0].severity:<7}  {kind:<{width}}  {count:>7,}" for kind, count in self.kinds().items()
        ]
        for kind, count in self.kinds().items():
            found = self.of(kind)
            lines += ["", f"{found[0].severity}: {kind} ({count:,}). {KINDS[kind].do}"]
            lines += [f"  {line_of(finding)}" for finding in found[:most]]
            if most is not None and count > most:
                lines.append(f"  and {count - most:,} more")
        return lines


def line_of(finding: Finding) -> str:
    """A finding in one line, whatever line ends a name holds."""
    place = f"row {finding.row:,} " if finding.row else ""
    text = f"{place}'{finding.id}': {finding.what}" if finding.id else f"{place}{finding.what}"
    return " ".join(text.split())


def graded(findings: Iterable[Finding], *, exclude: bool) -> tuple[Finding, ...]:
    """The findings with their severity, sorted.

    Args:
        findings: In any order.
        exclude: Whether  missing = "exclude"  holds.
    """
    order = list(KINDS)
    done = []
    for finding in findings:
        kind = KINDS[finding.kind]
        done.append(finding._replace(severity="warning" if exclude and kind.left_out else kind.severity))
    return tuple(sorted(done, key=lambda f: (SEVERITIES.index(f.severity), order.index(f.kind), f.row, f.id, f.what)))


def listed(rows: Sequence[int]) -> str:
    """Rows for a sentence."""
    return f"rows {first_few(rows)}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
