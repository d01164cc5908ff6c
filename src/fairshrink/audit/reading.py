"""A file of predictions: its labels, predictions, probabilities, groups and clusters, each row checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.groups import GroupRule, parse_group
from fairshrink.data.table import first_few, need_column, read_csv
from fairshrink.errors import ConfigError, DataError, suggest

PROBABILITY = "prob_"


@dataclass(frozen=True)
class Columns:
    """Which columns of a file mean what.

    Attributes:
        label: The true classes.
        groups: Columns, thresholds ("age >= 60") or bins ("age bins 40, 60"); at least one.
        prediction: The predicted classes; None: the largest of the `prob_<class>` columns.
        cluster: Lesions or patients, resampled as wholes.
        classes: Names of the classes, in order, commas allowed; or one number, for classes from 0 on.
    """

    label: str
    groups: Sequence[str]
    prediction: str | None = None
    cluster: str | None = None
    classes: Sequence[str] = ()


@dataclass(frozen=True)
class Predictions:
    """What a file says, row by row (N rows).

    Attributes:
        where: Name of the file, for messages.
        rows: Row in the file, the header being row 1, (N,).
        frame: All columns as text.
        y_true: True classes, (N,); categorical when the classes are known beforehand.
        y_pred: Predicted classes, (N,).
        attributes: Name -> group of each row, categorical, missing where unknown.
        clusters: Lesion or patient of each row, or None.
    """

    where: str
    rows: NDArray[np.int64]
    frame: pd.DataFrame
    y_true: Any
    y_pred: NDArray[Any]
    attributes: dict[str, Any]
    clusters: pd.Series | None


def read_predictions(path: Path, columns: Columns) -> Predictions:
    """Read and check a CSV file of predictions.

    Raises:
        DataError: The file, a column, a cell or a row of probabilities cannot be used; rows are named.
        ConfigError: A group or the classes cannot be used.
    """
    rules = _rules(columns.groups)
    named = [columns.label, *(name for name in (columns.prediction, columns.cluster) if name)]
    frame, rows = read_csv(path, named)
    # A run's own predictions have a column 'age >= 60': what it says is better than what could be worked out again.
    rules = [GroupRule(rule.name, rule.name) if rule.name in frame.columns else rule for rule in rules]
    for rule in rules:
        need_column(rule.column, frame.columns, f"'{path.name}'")
    true, pred = _read_classes(path.name, columns, frame, rows)
    found = [rule.assign(frame, rows=rows, where=path.name) for rule in rules]
    groups: dict[str, Any] = {
        one.name: pd.Categorical.from_codes(one.codes, categories=pd.Index(one.groups)) for one in found
    }
    clusters = frame[columns.cluster] if columns.cluster else None
    return Predictions(path.name, rows, frame, true, pred, groups, clusters)


def _rules(groups: Sequence[str]) -> list[GroupRule]:
    if not groups:
        raise ConfigError("no group was given: name at least one column with --group.")
    rules = [parse_group(text) for text in groups]
    names = [rule.name for rule in rules]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"the group '{repeated[0]}' was given twice: leave one out.")
    return rules


def _read_classes(
    file: str, request: Columns, frame: pd.DataFrame, rows: NDArray[np.int64]
) -> tuple[Any, NDArray[Any]]:
    """Labels and predictions; the labels are categorical when the classes are declared."""
    where = f"'{file}'"
    names = _declared(request.classes)
    labels = _filled(frame[request.label], names, rows, where)
    if request.prediction is None:
        columns = _probability_columns(frame, names, where)
        names = [column.removeprefix(PROBABILITY) for column in columns]
        pred = np.array(names, dtype=object)[_largest(frame[columns], rows, where)]
    else:
        pred = _filled(frame[request.prediction], names, rows, where)
    if all(_is_whole(value) for value in {*labels, *pred, *names}):  # 1, 1.0 and 01 are one class
        labels, pred = (np.array([int(float(value)) for value in values]) for values in (labels, pred))
        names = [int(float(name)) for name in names]
    if not names:
        return labels, pred
    if len(set(names)) < len(names):
        raise ConfigError(f"a class is named twice in {', '.join(map(str, names))}: leave one out.")
    _check_known(f"{request.label} is", labels, names, rows, where)
    _check_known(f"{request.prediction or 'the prediction'} is", pred, names, rows, where)
    return pd.Categorical(labels, categories=names), pred


def _declared(classes: Sequence[str]) -> list[str]:
    names = [name.strip() for text in classes for name in text.split(",") if name.strip()]
    if len(names) == 1 and names[0].isdecimal() and int(names[0]) >= 2:
        return [str(code) for code in range(int(names[0]))]
    return names


def _filled(column: pd.Series, names: list[str], rows: NDArray[np.int64], where: str) -> NDArray[Any]:
    values = column.to_numpy(dtype=object)
    # Writers of tables put "nan" where they had no value; "NA" and "None" can be classes.
    nan = np.array([value.casefold() == "nan" and value not in names for value in values], dtype=bool)
    empty = rows[nan | (values == "")]
    if empty.size:
        also = " 'nan' is read as empty unless --classes names it." if nan.any() else ""
        raise DataError(
            f"the column '{column.name}' of {where} is empty in {empty.size:,} of {values.size:,} rows: "
            f"{first_few(empty.tolist())}.{also} Fill them in, or leave these rows out of the file."
        )
    return values


def _check_known(what: str, values: NDArray[Any], names: list[Any], rows: NDArray[np.int64], where: str) -> None:
    known = set(names)
    outside = [(int(row), value) for row, value in zip(rows, values, strict=True) if value not in known]
    if outside:
        row, value = outside[0]
        raise DataError(
            f"row {row:,} of {where}: {what} '{value}', which is not among the {len(names)} classes."
            f"{suggest(str(value), map(str, names))} {len(outside):,} rows are like this."
        )


def _probability_columns(frame: pd.DataFrame, declared: list[str], where: str) -> list[str]:
    columns = [name for name in frame.columns if name.startswith(PROBABILITY) and name != PROBABILITY]
    if len(columns) < 2:
        raise DataError(
            f"{where} has {len(columns)} columns '{PROBABILITY}<class>', expected one for every class. "
            "Name the column with the predicted classes instead: --prediction COLUMN."
        )
    for name in declared:
        need_column(PROBABILITY + name, columns, where)
    extra = [name for name in columns if name.removeprefix(PROBABILITY) not in declared]
    if declared and extra:
        raise DataError(f"{where} has probabilities of classes that --classes does not name: {first_few(extra)}.")
    return [PROBABILITY + name for name in declared] or columns


def _largest(frame: pd.DataFrame, rows: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """Column of the largest probability of each row; the first of equal ones."""
    # Text that is no number becomes NaN, which fails the check below with its row.
    table = frame.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    broken = ~(np.isfinite(table) & (table >= 0) & (table <= 1))
    if broken.any():
        at, column = np.argwhere(broken)[0]
        raise DataError(
            f"row {rows[at]:,} of {where}: {frame.columns[column]} is '{frame.iat[at, column]}', expected a number from "
            f"0 to 1. {int(broken.any(1).sum()):,} rows are like this."
        )
    total = table.sum(1)
    off = np.flatnonzero(np.abs(total - 1) > 0.01 + 0.0005 * table.shape[1])  # room for rounding to three decimals
    if off.size:
        raise DataError(
            f"row {rows[off[0]]:,} of {where}: the probabilities add up to {total[off[0]]:.3f}, expected 1. "
            f"{off.size:,} rows are like this. Give the softmax of the logits, over all classes."
        )
    return table.argmax(1)


def _is_whole(text: Any) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return value.is_integer() and abs(value) < 2**53
