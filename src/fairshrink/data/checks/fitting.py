"""Table against images: names, labels, and what has no counterpart."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from fairshrink.data.archive import Archive, survey
from fairshrink.data.checks.findings import Finding
from fairshrink.data.checks.subject import Fit, Rows, Subject
from fairshrink.data.listing import bare, leaves_root, match, names_of
from fairshrink.data.sources.table import no_label
from fairshrink.data.table import first_few
from fairshrink.errors import DataError, suggest

HARMLESS = ("names differ in case or ending", "file named differently")  # the row can be used all the same


def fit(subject: Subject, rows: Rows) -> tuple[Fit, list[Finding]]:
    """The image of each row, and everything about names and labels that does not fit."""
    named = subject.columns.image in rows.frame.columns
    findings = [*(_names(rows) if named else ()), *_labels(subject, rows)]
    archive: Archive | None = None
    members: list[str | None] = [None] * len(rows)
    if subject.images is not None:
        try:
            archive, troubles, others = survey(subject.images)
        except DataError as error:
            findings.append(Finding("unusable images", 0, "", str(error).rstrip(".")))
        else:
            findings += [Finding(kind, 0, name, why.rstrip(".")) for kind, name, why in troubles]
            if named:
                members, matched = _match(rows, archive, others)
                findings += matched
    bad = {finding.row for finding in findings if finding.kind not in HARMLESS}
    usable = np.array([int(row) not in bad for row in rows.rows], dtype=bool)
    if subject.images is not None:
        usable &= np.array([member is not None for member in members], dtype=bool)
    return Fit(archive, members, usable), findings


def _names(rows: Rows) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for name, row in zip(rows.ids, rows.rows.tolist(), strict=True):
        if not name:
            yield Finding("row without name", row, "", "names no image")
        elif leaves_root(name):
            yield Finding("outside the root", row, name, "the name points out of the folder of images")
        elif name in first:
            yield Finding("repeated name", row, name, f"named before in row {first[name]:,}", (first[name], row))
        first.setdefault(name, row)


def _labels(subject: Subject, rows: Rows) -> Iterator[Finding]:
    column, classes = subject.columns.label, subject.columns.classes
    if column not in rows.frame.columns:
        return
    for name, label, row in zip(rows.ids, rows.labels, rows.rows.tolist(), strict=True):
        if no_label(label):
            yield Finding("row without label", row, name, f"{column} is empty")
        elif classes is not None and label not in classes:
            yield Finding("unknown label", row, name, f"{column} is '{label}'.{suggest(label, classes)}".rstrip("."))
    there = {label for label in rows.labels if not no_label(label)}
    if classes is None and len(there) == 1:
        yield Finding("one class only", 0, "", f"column '{column}' holds one class only, '{there.pop()}'")


def _match(rows: Rows, archive: Archive, others: list[str]) -> tuple[list[str | None], list[Finding]]:
    matches = match(archive.members, rows.ids)
    findings = [*_without_image(rows, matches, others), *_same_image(rows, matches)]
    findings += [
        Finding("image without row", 0, member, f"an image in {archive.where} that no row names")
        for member in sorted(set(archive.members) - {member for fits in matches for member in fits})
    ]
    return [fits[0] if len(fits) == 1 else None for fits in matches], findings


def _without_image(rows: Rows, matches: list[tuple[str, ...]], others: list[str]) -> Iterator[Finding]:
    by_stem = {bare(PurePosixPath(name).stem): name for name in others}
    for name, fits, row in zip(rows.ids, matches, rows.rows.tolist(), strict=True):
        if not name or leaves_root(name):
            continue
        if len(fits) > 1:
            yield Finding("two images for one name", row, name, f"can mean {first_few(fits)}")
        elif fits and name not in names_of(fits[0]):
            yield Finding("file named differently", row, name, f"the image is '{fits[0]}'")
        elif not fits and (other := by_stem.get(bare(PurePosixPath(name).stem))):
            yield Finding("row without image", row, name, f"there is only '{other}', which is no JPEG or PNG")
        elif not fits:
            yield Finding("row without image", row, name, "no image of this name")


def _same_image(rows: Rows, matches: list[tuple[str, ...]]) -> Iterator[Finding]:
    """Rows with different names for one file; and files that a system which ignores case would take for one."""
    by_member: dict[str, int] = {}
    by_bare: dict[str, list[int]] = defaultdict(list)
    for at, (name, fits) in enumerate(zip(rows.ids, matches, strict=True)):
        if len(fits) != 1 or name in (rows.ids[before] for before in by_bare[bare(name)]):
            continue
        before = by_member.setdefault(fits[0], at)
        pair = int(rows.rows[before]), int(rows.rows[at])
        if before != at:
            what = f"the image '{fits[0]}' is also row {pair[0]:,} '{rows.ids[before]}'"
            yield Finding("two names for one image", pair[1], name, what, pair)
        elif by_bare[bare(name)]:
            other = by_bare[bare(name)][0]
            pair = int(rows.rows[other]), int(rows.rows[at])
            what = f"differs from row {pair[0]:,} '{rows.ids[other]}' in case or ending only"
            yield Finding("names differ in case or ending", pair[1], name, what, pair)
        by_bare[bare(name)].append(at)
