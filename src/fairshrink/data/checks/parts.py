"""Parts of the data: from a split file or dealt, and what crosses them that should not."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.checks.findings import Finding, listed
from fairshrink.data.checks.subject import Rows, Subject
from fairshrink.data.dataset import BY_IMAGE, cluster_names
from fairshrink.data.groups import UNKNOWN, Attribute
from fairshrink.data.splits import NOWHERE, PARTS, assign_splits, names_in, survey_split_file
from fairshrink.data.table import need_column
from fairshrink.errors import DataError

PERSONS = ("lesion", "patient", "subject", "person", "case_id")  # columns that seem to name what split_by is for


@dataclass(frozen=True)
class Parts:
    """Where each row is.

    Attributes:
        splits: (F, N): index in PARTS, or NOWHERE.
        made: "split file", "dealt" or "none".
        clusters: The lesion or patient of each row, (N,); None = each is its own.
    """

    splits: NDArray[np.int8]
    made: str
    clusters: NDArray[np.str_] | None

    def crossed(self, members: Sequence[int]) -> bool:
        """Whether these rows are in different parts of one fold."""
        parts = self.splits[:, members]
        return any(len(set(fold[fold >= 0].tolist())) > 1 for fold in parts)

    def named(self, members: Sequence[int], numbers: NDArray[np.int64]) -> str:
        """The parts of these rows, in the first fold where they differ: rows 2 and 5 in train; row 9 in test."""
        fold = next(fold for fold in self.splits[:, members] if len(set(fold[fold >= 0].tolist())) > 1)
        texts = []
        for part, name in enumerate(PARTS):
            if there := [int(numbers[at]) for at, of in zip(members, fold, strict=True) if of == part]:
                texts.append(f"{listed(there)} in {name}")
        return "; ".join(texts)


def parts_of(
    subject: Subject, rows: Rows, usable: NDArray[np.bool_], attributes: list[Attribute]
) -> tuple[Parts, list[Finding]]:
    """The split as a run would have it, of the rows that can be used."""
    clusters, findings = _clusters(subject, rows)
    nowhere = Parts(np.full((1, len(rows)), NOWHERE, dtype=np.int8), "none", clusters)
    if subject.unknown == "exclude" and attributes:
        usable = usable & (attributes[0].codes >= 0)
    if subject.split_file is not None:
        splits, found = _from_file(subject.split_file, rows)
    else:
        splits, found = _dealt(subject, rows, usable, attributes, clusters)
    findings += found
    if splits is None:
        return nowhere, findings
    splits = np.where(usable, splits, np.int8(NOWHERE)).astype(np.int8)
    for part, name in enumerate(PARTS):
        if len(rows) and not (splits == part).any():
            findings.append(Finding("empty part", 0, name, f"no usable row is in {name}"))
    return Parts(splits, "dealt" if subject.split_file is None else "split file", clusters), findings


def _clusters(subject: Subject, rows: Rows) -> tuple[NDArray[np.str_] | None, list[Finding]]:
    column = subject.split_by
    if not len(rows) or column in (None, BY_IMAGE):
        return None, []
    try:
        need_column(column, rows.frame.columns, f"'{rows.where}'")
    except DataError as error:
        return None, [Finding("unusable split_by", 0, column, str(error).rstrip("."))]
    cells = rows.frame[column].tolist()
    findings = [
        Finding("row without cluster", row, name, f"{column} is '{cell}'")
        for name, cell, row in zip(rows.ids, cells, rows.rows.tolist(), strict=True)
        if cell.casefold() in UNKNOWN
    ]
    return cluster_names(cells, [f"row {row}" for row in rows.rows], column), findings


def _from_file(path: Path, rows: Rows) -> tuple[NDArray[np.int8] | None, list[Finding]]:
    where = path.name
    try:
        part, troubles = survey_split_file(path)
    except DataError as error:
        return None, [Finding("unusable split file", 0, where, str(error).rstrip("."))]
    findings = [Finding(kind, row, name, why.rstrip(".")) for kind, row, name, why in troubles]
    called = names_in(part, rows.ids)
    named = set(called.values())
    findings += [
        Finding("split of no row", row, name, f"in row {row:,} of '{where}', but not in '{rows.where}'")
        for name, (_, row) in part.items()
        if name not in named
    ]
    findings += [
        Finding("row without split", row, name, f"'{where}' does not name it")
        for name, row in zip(rows.ids, rows.rows.tolist(), strict=True)
        if name not in called
    ]
    splits = [part[called[name]][0] if name in called else NOWHERE for name in rows.ids]
    return np.array([splits], dtype=np.int8), findings


def _dealt(
    subject: Subject,
    rows: Rows,
    usable: NDArray[np.bool_],
    attributes: list[Attribute],
    clusters: NDArray[np.str_] | None,
) -> tuple[NDArray[np.int8] | None, list[Finding]]:
    if not usable.any():
        return None, []
    labels = np.unique(rows.labels, return_inverse=True)[1][usable]
    groups = attributes[0].codes[usable] if attributes else np.full(len(labels), -1)
    try:
        dealt = assign_splits(
            labels, groups, None if clusters is None else clusters[usable], folds=subject.folds, seed=subject.seed
        )
    except DataError as error:
        return None, [Finding("empty part", 0, "", str(error).rstrip("."))]
    splits = np.full((len(dealt), len(rows)), NOWHERE, dtype=np.int8)
    splits[:, usable] = dealt
    return splits, []


def cluster_findings(subject: Subject, rows: Rows, parts: Parts, attributes: list[Attribute]) -> Iterator[Finding]:
    """Lesions or patients with several images: whether they cross parts, and agree with themselves."""
    if parts.clusters is None:
        yield from _told_apart(rows, parts)
        return
    for name, members in _several(parts.clusters.tolist()).items():
        numbers = tuple(int(rows.rows[at]) for at in members)
        whole = {"row": numbers[0], "id": f"{subject.split_by} {name}", "rows": numbers}
        yield Finding("cluster with several images", what=f"{len(members)} images, {listed(numbers)}", **whole)
        if parts.crossed(members):
            yield Finding("cluster across parts", what=parts.named(members, rows.rows), **whole)
        labels = [rows.labels[at] for at in members]
        if len(set(labels)) > 1:
            what = f"{', '.join(sorted(set(labels)))} in {listed(numbers)}"
            yield Finding("cluster with several labels", what=what, **whole)
        for attribute in attributes:
            groups = sorted({int(attribute.codes[at]) for at in members if attribute.codes[at] >= 0})
            if len(groups) > 1:
                what = f"{', '.join(attribute.groups[code] for code in groups)} in {listed(numbers)}"
                yield Finding("cluster with several groups", what=what, **whole)


def _told_apart(rows: Rows, parts: Parts) -> Iterator[Finding]:
    for column in rows.frame.columns:
        if not any(word in str(column).casefold() for word in PERSONS):
            continue
        cells = rows.frame[column].tolist()
        found = [members for cell, members in _several(cells).items() if cell.casefold() not in UNKNOWN]
        if found:
            crossed = sum(parts.crossed(members) for members in found)
            what = f"{len(found):,} of its values have several images, and {crossed:,} of them are in several parts"
            yield Finding("images of a cluster told apart", 0, str(column), what)


def _several(names: Sequence[str]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for at, name in enumerate(names):
        members[name].append(at)
    return {name: found for name, found in members.items() if len(found) > 1}
