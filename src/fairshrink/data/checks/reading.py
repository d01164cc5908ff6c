"""The table, read as far as it goes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.checks.findings import Finding
from fairshrink.data.checks.subject import Rows, Subject
from fairshrink.data.delimited import read_rows as read_cells
from fairshrink.data.table import need_column, read_csv
from fairshrink.errors import DataError

Table = tuple[pd.DataFrame, NDArray[np.int64]]


def read_rows(subject: Subject) -> tuple[Rows, list[Finding]]:
    """The rows of the table, and what keeps others from being read."""
    path, columns = subject.metadata, subject.columns
    (frame, rows), findings = _read(path, columns.in_file)
    needed = (columns.image, columns.label)
    if columns.complete is not None and set(columns.in_file) <= set(frame.columns):
        try:
            frame = columns.complete(frame, rows, path.name)
        except DataError as error:
            findings.append(Finding("unusable table", 0, "", str(error).rstrip(".")))
            needed = columns.in_file  # why the label is not there was just said
    cells = {column: [""] * len(frame) for column in (columns.image, columns.label)}
    for column in needed:
        findings += _missing_column(column, frame, path.name) if len(frame.columns) else []
        if column in frame.columns:
            cells[column] = frame[column].tolist()
    return Rows(frame, rows, cells[columns.image], cells[columns.label], path.name), findings


def _missing_column(column: str, frame: pd.DataFrame, where: str) -> Iterator[Finding]:
    try:
        need_column(column, frame.columns, f"'{where}'")
    except DataError as error:
        yield Finding("unusable table", 1, column, str(error).rstrip("."))


def _read(path: Path, needed: tuple[str, ...]) -> tuple[Table, list[Finding]]:
    for columns in (needed, ()):  # a column that is missing is reported apart
        try:
            return read_csv(path, columns), []
        except DataError as error:
            why = str(error)
    try:
        (_, header), *body = read_cells(path, needed)[0]
    except DataError:
        body, header = [], []
    whole = [(number, cells) for number, cells in body if len(cells) == len(header)]
    if not whole or len(whole) == len(body) or len(set(header)) < len(header):
        nothing = pd.DataFrame(), np.empty(0, dtype=np.int64)
        return nothing, [Finding("unusable table", 0, "", why.rstrip("."))]
    ragged = [
        Finding("ragged row", number, cells[0], f"{len(cells)} cells, but the header has {len(header)}")
        for number, cells in body
        if len(cells) != len(header)
    ]
    frame = pd.DataFrame([cells for _, cells in whole], columns=pd.Index(header), dtype=object)
    return (frame, np.array([number for number, _ in whole], dtype=np.int64)), ragged
