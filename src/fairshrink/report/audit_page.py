"""A page of its own for an audit: no script, nothing fetched, the same bytes for the same record."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from fairshrink.audit.record import Audit
from fairshrink.files import write_text
from fairshrink.report import audit_gallery, audit_tables, audit_words, changes, templates, words
from fairshrink.report.audited import AttributeAudit
from fairshrink.report.cells import Table
from fairshrink.report.gallery import Picture
from fairshrink.report.parsing import audit_record, comparison_record
from fairshrink.report.style import drawing


class AttributePart(NamedTuple):
    """Everything about one attribute."""

    name: str
    about: str
    finding: audit_words.Finding
    overview: Picture
    scores: Table
    groups: Picture
    gaps: Table
    classes: Picture
    rates: Table
    calibration: Picture | None
    probabilities: Table | None
    notes: list[str]


def write_audit_page(audit: Audit, path: Path, title: str, comparisons: Sequence[Mapping[str, Any]] = ()) -> Path:
    """Write an audit as one self-contained HTML page.

    Args:
        audit: What `fairshrink.audit` found.
        path: The page; its folder is made if need be.
        title: The page's heading: what was audited.
        comparisons: `Comparison.to_dict()` of the audited model with others, shown beside the audit.

    Returns:
        The path. The same audit, title and comparisons give the same bytes.

    Raises:
        StoreError: The page cannot be written, or a comparison is not in the layout of comparison.json.
    """
    return write_text(Path(path), render_audit(audit.to_dict(), title, comparisons))


def render_audit(data: Mapping[str, Any], title: str, comparisons: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page of an audit, as HTML.

    Args:
        data: `Audit.to_dict()`, or what `fairshrink audit --json` wrote, read back.
        title: The page's heading.
        comparisons: As in `write_audit_page`.

    Raises:
        StoreError: The data has not the layout of an audit; the message names the place.
    """
    audit = audit_record(data)
    compared = [comparison_record(one) for one in comparisons]
    with drawing():
        attributes = [
            _part(name, audit_words.finding(name, found), found, at)
            for at, (name, found) in enumerate(audit.attributes.items())
        ]
        comparison_parts = [changes.part(one, at) for at, one in enumerate(compared)]
    return templates.page(
        "audit.html",
        title=title,
        facts=audit_words.facts(audit),
        lead=audit_words.lead(audit),
        attributes=attributes,
        comparisons=comparison_parts,
        limits=audit_words.limits(audit),
        settings=audit_words.settings(audit) | {"page written by": f"fairshrink {version('fairshrink')}"},
        words=words,
    )


def _part(name: str, finding: audit_words.Finding, found: AttributeAudit, index: int) -> AttributePart:
    return AttributePart(
        name=name,
        about=audit_words.about(found),
        finding=finding,
        overview=audit_gallery.gaps(name, found, index),
        scores=audit_tables.scores(found),
        groups=audit_gallery.scores(name, found, index),
        gaps=audit_tables.gaps(found),
        classes=audit_gallery.classes(name, found, index),
        rates=audit_tables.classes(found),
        calibration=audit_gallery.calibration(name, found, index),
        probabilities=audit_tables.probabilities(found),
        notes=found.notes,
    )
