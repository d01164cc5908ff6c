"""The check of a whole data set."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.checks.findings import Finding, Report, graded
from fairshrink.data.checks.fitting import fit
from fairshrink.data.checks.groups import attributes_of
from fairshrink.data.checks.parts import Parts, cluster_findings, parts_of
from fairshrink.data.checks.pixels import image_findings, inspect, same_pixels
from fairshrink.data.checks.reading import read_rows
from fairshrink.data.checks.subject import Rows, Subject
from fairshrink.data.groups import Attribute
from fairshrink.data.sources.table import no_label
from fairshrink.data.splits import PARTS
from fairshrink.data.store import Observer
from fairshrink.data.table import Coverage


def check(subject: Subject, *, cache: Path | None = None, observer: Observer | None = None) -> Report:
    """Everything that is wrong with a data set.

    Args:
        subject: The table, the images, and how they are to be used.
        cache: Also write the decoded images here, as a run finds them; nothing is written where a run would refuse them.
        observer: Told (done, total) while images are decoded, from the calling thread.

    Raises:
        ConfigError: A group's rule or another setting cannot be read.
        StoreError: The cache cannot be written.
    """
    rows, findings = read_rows(subject)
    fitted, found = fit(subject, rows)
    findings += found
    attributes, found = attributes_of(subject, rows)
    findings += found
    seen, stored = inspect(subject, rows, fitted, cache, observer)
    findings += image_findings(rows, fitted, seen)
    read = [member is None or not seen[member].trouble for member in fitted.members]
    usable = fitted.usable & np.array(read, dtype=bool)
    findings += _coverage(subject, rows, usable)
    parts, found = parts_of(subject, rows, usable, attributes)
    findings += found
    findings += cluster_findings(subject, rows, parts, attributes)
    for members in same_pixels(fitted, seen):
        findings += _alike(members, rows, parts, attributes)
    for attribute in attributes:
        findings += _cells(subject, rows, usable, (parts, attribute))
    return Report(
        name=subject.name,
        metadata=rows.where,
        rows=len(rows),
        images=len(seen),
        split=parts.made,
        findings=graded(findings, exclude=subject.missing == "exclude"),
        stored=stored,
    )


def _coverage(subject: Subject, rows: Rows, usable: NDArray[np.bool_]) -> Iterator[Finding]:
    """How much of a published set is there; images that cannot be decoded are not."""
    if subject.columns.published is not None and len(rows):
        coverage = Coverage(int(usable.sum()), subject.columns.published)
        if not coverage.whole:
            yield Finding("part of a published set", 0, "", coverage.words("images" if subject.images else "rows"))


def _alike(members: list[int], rows: Rows, parts: Parts, attributes: list[Attribute]) -> Iterator[Finding]:
    """Images that show exactly the same: told by what that spoils, or noted."""
    numbers = tuple(int(rows.rows[at]) for at in members)
    others = ", ".join(f"row {rows.rows[at]:,} '{rows.ids[at]}'" for at in members[1:])
    row, name, start, harmless = numbers[0], rows.ids[members[0]], f"the same pixels as {others}", True
    if parts.crossed(members):
        harmless = False
        yield Finding("same pixels across parts", row, name, f"{start}: {parts.named(members, rows.rows)}", numbers)
    labels = [rows.labels[at] for at in members]
    if len({label for label in labels if not no_label(label)}) > 1:
        harmless = False
        yield Finding("same pixels, another label", row, name, f"{start}: {', '.join(labels)}", numbers)
    for attribute in attributes:
        codes = [int(attribute.codes[at]) for at in members]
        if len({code for code in codes if code >= 0}) > 1:
            harmless = False
            groups = ", ".join(attribute.groups[code] if code >= 0 else "unknown" for code in codes)
            yield Finding("same pixels, another group", row, name, f"{start}: {groups}", numbers)
    if harmless:
        same = parts.clusters is not None and len({parts.clusters[at] for at in members}) == 1
        yield Finding("same pixels", row, name, start + (", of the same cluster" if same else ""), numbers)


def _cells(subject: Subject, rows: Rows, usable: NDArray[np.bool_], of: tuple[Parts, Attribute]) -> Iterator[Finding]:
    """Classes of which a group has few images, in all or else in a part of a fold."""
    parts, attribute = of
    classes = subject.columns.classes or tuple(sorted({rows.labels[at] for at in np.flatnonzero(usable)}))
    code = {label: at for at, label in enumerate(classes)}
    labels = np.array([code.get(label, -1) for label in rows.labels])
    counted = usable & (attribute.codes >= 0)
    whole = _count(labels, attribute, counted, len(classes))
    for label, group in np.argwhere(whole < subject.min_cell):
        what = f"{whole[label, group]} images, fewer than {subject.min_cell}"
        yield Finding("few images", 0, f"{attribute.name}: {attribute.groups[group]}, {classes[label]}", what)
    for fold, split in enumerate(parts.splits if parts.made != "none" else ()):
        for part, called in enumerate(PARTS):
            cells = _count(labels, attribute, counted & (split == part), len(classes))
            where = called if len(parts.splits) == 1 else f"{called} of fold {fold}"
            for label, group in np.argwhere((cells < subject.min_cell) & (whole >= subject.min_cell)):
                name = f"{attribute.name}: {attribute.groups[group]}, {classes[label]}"
                yield Finding("few images in a part", 0, name, f"{cells[label, group]} images in {where}")


def _count(labels: NDArray[np.int64], attribute: Attribute, rows: NDArray[np.bool_], classes: int) -> NDArray[np.int64]:
    """Images by class and group, (C, G)."""
    table = np.zeros((classes, len(attribute.groups)), dtype=np.int64)
    np.add.at(table, (labels[rows], attribute.codes[rows]), 1)
    return table
