"""Which row of one predictions file is which row of another: by an id column, or by position when all else agrees."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.table import first_few, need_column
from fairshrink.errors import DataError

ID_COLUMNS = ("id", "image", "image_id")


class FileRows(NamedTuple):
    """A file's table.

    Attributes:
        where: Its name, in quotes.
        frame: All columns as text.
        rows: Row in the file of each row of the frame, (N,), the header being row 1.
    """

    where: str
    frame: pd.DataFrame
    rows: NDArray[np.int64]


def pair_rows(a: FileRows, b: FileRows, shared: Sequence[str], id_column: str | None = None) -> NDArray[np.int64]:
    """B's row for each row of A, (N,).

    Args:
        a: The baseline.
        b: The other model's file.
        shared: Columns of A that say the same of a row in both files: label, groups, clusters. B may lack some of them
            when rows are found by id.
        id_column: Names the rows; None: the first of `ID_COLUMNS` that both files have, or else the position.

    Raises:
        DataError: Rows that only one of the files has, an id that is empty or there twice, other labels or groups in the
            same row, or nothing to tell that the rows are the same. The first such row is named.
    """
    name = _id_column(a, b, id_column)
    order = np.arange(len(b.frame)) if name is None else _by_id(a, b, name)
    if name is None:
        _check_position(a, b, shared)
    for column in shared:
        if column in b.frame.columns:
            _check_same(a, b, order, column)
    return order


def _id_column(a: FileRows, b: FileRows, wanted: str | None) -> str | None:
    if wanted is not None:
        for table in (a, b):
            need_column(wanted, table.frame.columns, table.where)
        return wanted
    return next((name for name in ID_COLUMNS if name in a.frame.columns and name in b.frame.columns), None)


def _by_id(a: FileRows, b: FileRows, name: str) -> NDArray[np.int64]:
    found = pd.Index(_ids(b, name)).get_indexer(pd.Index(_ids(a, name)))
    _check_all(a, b, name, np.flatnonzero(found < 0))
    _check_all(b, a, name, np.setdiff1d(np.arange(len(b.frame)), found))
    return found.astype(np.int64)


def _ids(table: FileRows, name: str) -> pd.Series:
    ids = table.frame[name]
    empty = np.flatnonzero(ids == "")
    if empty.size:
        raise DataError(
            f"row {table.rows[empty[0]]:,} of {table.where} has no '{name}', by which rows are found: "
            f"{empty.size:,} rows are like this."
        )
    again = np.flatnonzero(ids.duplicated())
    if again.size:
        first = np.flatnonzero(ids == ids.iloc[again[0]])
        raise DataError(
            f"rows {table.rows[first[0]]:,} and {table.rows[again[0]]:,} of {table.where} have the same '{name}', "
            f"'{ids.iloc[again[0]]}': {again.size:,} rows repeat one. Name a column that tells rows apart: --id COLUMN."
        )
    return ids


def _check_all(one: FileRows, other: FileRows, name: str, missing: NDArray[np.int64]) -> None:
    if missing.size:
        raise DataError(
            f"row {one.rows[missing[0]]:,} of {one.where}: the {name} '{one.frame[name].iloc[missing[0]]}' is not in "
            f"{other.where}. {missing.size:,} of {len(one.frame):,} rows are like this: both models must have predicted "
            "the same images. Leave out of each file what the other has not."
        )


def _check_position(a: FileRows, b: FileRows, shared: Sequence[str]) -> None:
    """Without ids, rows are the same only if there are as many and everything else says so."""
    how = f"Add a column '{ID_COLUMNS[0]}' to both, or name one that both have: --id COLUMN."
    if len(a.frame) != len(b.frame):
        raise DataError(
            f"{a.where} has {len(a.frame):,} rows and {b.where} {len(b.frame):,}, and they have no id column in common "
            f"({first_few(ID_COLUMNS)}): which rows are the same cannot be told. {how}"
        )
    lacking = [column for column in shared if column not in b.frame.columns]
    if lacking:
        raise DataError(
            f"{a.where} and {b.where} have no id column in common, and {b.where} has no {first_few(lacking)} either: that "
            f"the rows are the same cannot be checked. {how}"
        )


def _check_same(a: FileRows, b: FileRows, order: NDArray[np.int64], column: str) -> None:
    mine, theirs = a.frame[column], b.frame[column].iloc[order].reset_index(drop=True)
    other = mine.ne(theirs)
    # 45 and 45.0 are one number.
    other &= ~pd.to_numeric(mine, errors="coerce").eq(pd.to_numeric(theirs, errors="coerce"))
    differs = np.flatnonzero(other)
    if differs.size:
        at = differs[0]
        raise DataError(
            f"row {a.rows[at]:,} of {a.where} and row {b.rows[order[at]]:,} of {b.where} are not the same image: "
            f"'{column}' is '{mine.iloc[at]}' there and '{theirs.iloc[at]}' here. {differs.size:,} rows are like this. "
            "Both files must be of the same images; without ids, in the same order."
        )
