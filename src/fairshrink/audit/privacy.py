"""Cells that are too small to be shown: which rows an audit must not use, so that nothing about them can be worked out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairshrink.audit.inputs import Coded, Codes
from fairshrink.errors import DataError


@dataclass(frozen=True)
class Suppressed:
    """What is left, and what is hidden.

    Attributes:
        keep: Rows that may be used, (N,).
        hidden: Attribute -> cells whose rows are all left out although there are some, (G, C).
    """

    keep: NDArray[np.bool_]
    hidden: dict[str, NDArray[np.bool_]]


def nothing_suppressed(attributes: Sequence[Coded], rows: int, num_classes: int) -> Suppressed:
    """All rows, nothing hidden."""
    hidden = {a.name: np.zeros((len(a.names), num_classes), dtype=bool) for a in attributes}
    return Suppressed(np.ones(rows, dtype=bool), hidden)


def suppress(true: Codes, attributes: Sequence[Coded], num_classes: int, least: int) -> Suppressed:
    """Leaves out the rows of cells (a group's samples of a class) with fewer than `least` rows.

    All of an audit is then computed from the other rows: no score, mean or gap contains a hidden row, so that
    none can be solved for one. Rows of unknown group count as one more group; the intersection of attributes is an
    attribute; what is hidden for one attribute is left out of all, for else the difference between two tables would
    be the hidden cell. Where one cell of a group only is hidden, the next smallest is, too, for somebody who
    knows from elsewhere how many the group has.

    Not protected: that a cell is not empty; a cell of somebody who knows the size of the class, or of all other cells, from
    elsewhere; against the comparison of several audits of overlapping rows, or of one before and after somebody joined.
    It is suppression of small counts, not differential privacy.

    Args:
        true: True classes, (N,).
        attributes: Groups, with their intersection.
        num_classes: C.
        least: The smallest number of rows that is shown.

    Raises:
        DataError: No row is left.
    """
    there = [_cells(a, true, np.ones(true.size, dtype=bool), num_classes) > 0 for a in attributes]
    keep, before = np.ones(true.size, dtype=bool), -1
    while int(keep.sum()) != before:
        before = int(keep.sum())
        keep = _without_small(true, attributes, keep, (num_classes, least))
        tables = [_cells(a, true, keep, num_classes) for a in attributes]
        keep = _without(true, attributes, keep, [_beside(t, full) for t, full in zip(tables, there, strict=True)])
    if not keep.any():
        raise DataError(
            f"min_cell is {least:,}: every cell of a group and a class has fewer rows, or would give one away that has. "
            "Choose a smaller number, or fewer attributes."
        )
    tables = [_cells(a, true, keep, num_classes) for a in attributes]
    hidden = {a.name: (full & (t == 0))[:-1] for a, t, full in zip(attributes, tables, there, strict=True)}
    return Suppressed(keep, hidden)


def _without_small(
    true: Codes, attributes: Sequence[Coded], keep: NDArray[np.bool_], sizes: tuple[int, int]
) -> NDArray[np.bool_]:
    """The largest set of rows in which no cell is small: what goes for one attribute can make a cell of another small."""
    num_classes, least = sizes
    while True:
        tables = [_cells(a, true, keep, num_classes) for a in attributes]
        small = [(table > 0) & (table < least) for table in tables]
        if not any(table.any() for table in small):
            return keep
        keep = _without(true, attributes, keep, small)


def _beside(table: NDArray[np.int64], full: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The smallest cell of each group in which one cell is hidden."""
    alone = (full & (table == 0)).sum(1) == 1
    smallest = np.where(table > 0, table, np.iinfo(np.int64).max).argmin(1)
    out = np.zeros(table.shape, dtype=bool)
    out[np.flatnonzero(alone), smallest[alone]] = True
    return out & (table > 0)


def _without(
    true: Codes, attributes: Sequence[Coded], keep: NDArray[np.bool_], cells: Sequence[NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    hit = np.stack([table[a.codes, true] for a, table in zip(attributes, cells, strict=True)]).any(0)
    return keep & ~hit


def _cells(attribute: Coded, true: Codes, keep: NDArray[np.bool_], num_classes: int) -> NDArray[np.int64]:
    """Rows by group and class, (G + 1, C); the last group is the unknown one, which code -1 finds."""
    groups = len(attribute.names) + 1
    cell = (attribute.codes[keep] % groups) * num_classes + true[keep]
    return np.bincount(cell, minlength=groups * num_classes).reshape(groups, num_classes)
