"""A file of predictions: its labels, predictions, probabilities, groups and clusters, each row checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.audit.probabilities import trouble
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
        y_prob: Probabilities, a column for each class; None where there are none, or where they cannot be used.
        notes: What a reader should know: why probabilities are not used.
    """

    where: str
    rows: NDArray[np.int64]
    frame: pd.DataFrame
    y_true: Any
    y_pred: NDArray[Any]
    attributes: dict[str, Any]
    clusters: pd.Series | None
    y_prob: pd.DataFrame | None
    notes: tuple[str, ...]


class _Classes(NamedTuple):
    """Labels, predictions and probabilities; `y_true` is categorical when the classes are declared."""

    y_true: Any
    y_pred: NDArray[Any]
    y_prob: pd.DataFrame | None
    notes: tuple[str, ...]


class _Table(NamedTuple):
    """A file's rows, and how messages name it."""

    frame: pd.DataFrame
    rows: NDArray[np.int64]
    where: str


def read_predictions(path: Path, columns: Columns) -> Predictions:
    """Read and check a CSV file of predictions.

    Without a column of predictions the `prob_<class>` columns are needed, and a row of them that cannot be used is an error.
    Beside one they add AUC and calibration; where they do not fit the classes or a row cannot be used, a note says so, and
    they are not used.

    Raises:
        DataError: The file, a column, a cell or a row of probabilities cannot be used; rows are named.
        ConfigError: A group or the classes cannot be used.
    """
    _rules(columns.groups)  # before the file is read
    named = [columns.label, *(name for name in (columns.prediction, columns.cluster) if name)]
    frame, rows = read_csv(path, named)
    return as_predictions(path.name, frame, rows, columns)


def group_rules(groups: Sequence[str], frame: pd.DataFrame) -> list[GroupRule]:
    """How groups follow from the columns of a file.

    A run's own predictions have a column 'age >= 60': what it says is better than what could be worked out again.

    Raises:
        ConfigError: No group, one that cannot be read, or the same twice.
    """
    rules = _rules(groups)
    return [GroupRule(rule.name, rule.name) if rule.name in frame.columns else rule for rule in rules]


def as_predictions(file: str, frame: pd.DataFrame, rows: NDArray[np.int64], columns: Columns) -> Predictions:
    """Checks a table that has been read; see `read_predictions`.

    Args:
        file: Its name, for messages.
        frame: All columns as text.
        rows: Row in the file of each row of the frame.
        columns: What the columns mean.
    """
    rules = group_rules(columns.groups, frame)
    for rule in rules:
        need_column(rule.column, frame.columns, f"'{file}'")
    read = _read_classes(columns, _Table(frame, rows, f"'{file}'"))
    found = [rule.assign(frame, rows=rows, where=file) for rule in rules]
    groups: dict[str, Any] = {
        one.name: pd.Categorical.from_codes(one.codes, categories=pd.Index(one.groups)) for one in found
    }
    clusters = frame[columns.cluster] if columns.cluster else None
    return Predictions(file, rows, frame, read.y_true, read.y_pred, groups, clusters, read.y_prob, read.notes)


def _rules(groups: Sequence[str]) -> list[GroupRule]:
    if not groups:
        raise ConfigError("no group was given: name at least one column with --group.")
    rules = [parse_group(text) for text in groups]
    names = [rule.name for rule in rules]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"the group '{repeated[0]}' was given twice: leave one out.")
    return rules


def _read_classes(request: Columns, table: _Table) -> _Classes:
    names, frame = _declared(request.classes), table.frame
    labels = _filled(frame[request.label], names, table)
    if request.prediction is None:
        columns = _probability_columns(frame, names, table.where)
        prob, why = _probabilities(frame[columns], table)
        if prob is None:
            raise DataError(f"{why} Give the softmax of the logits, over all classes.")
        names = [column.removeprefix(PROBABILITY) for column in columns]
        pred = np.array(names, dtype=object)[prob.argmax(1)]
    else:
        pred = _filled(frame[request.prediction], names, table)
        columns, why = _optional_columns(frame, names, [*labels, *pred], table.where)
        prob, why = _probabilities(frame[columns], table) if columns else (None, why)
        names = names if prob is None else [column.removeprefix(PROBABILITY) for column in columns]
    notes = (f"the probabilities are not used: {why}",) if why else ()
    if all(_is_whole(value) for value in {*labels, *pred, *names}):  # 1, 1.0 and 01 are one class
        labels, pred = (np.array([int(float(value)) for value in values]) for values in (labels, pred))
        names = [int(float(name)) for name in names]
    if not names:
        return _Classes(labels, pred, None, notes)
    if len(set(names)) < len(names):
        raise ConfigError(f"a class is named twice in {', '.join(map(str, names))}: leave one out.")
    _check_known(f"{request.label} is", labels, names, table)
    _check_known(f"{request.prediction or 'the prediction'} is", pred, names, table)
    y_prob = None if prob is None else pd.DataFrame(prob, columns=pd.Index(map(str, names)))
    return _Classes(pd.Categorical(labels, categories=names), pred, y_prob, notes)


def _optional_columns(frame: pd.DataFrame, declared: list[str], values: list[Any], where: str) -> tuple[list[str], str]:
    """The columns of probabilities beside predictions, in order; or none, and why not where there are some."""
    columns = {_class_of(name): name for name in _starting(frame)}
    wanted = dict.fromkeys(map(_same, declared or sorted(set(values))))
    missing = [str(name) for name in wanted if name not in columns]
    extra = [str(name) for name in columns if name not in wanted] if declared else []
    if not columns:
        return [], ""
    if missing:
        return [], f"{where} has no column {first_few([PROBABILITY + name for name in missing])}."
    if extra:
        return [], f"{where} has probabilities of classes that --classes does not name: {first_few(extra)}."
    return [columns[name] for name in (wanted if declared else columns)], ""


def _class_of(column: str) -> Any:
    return _same(column.removeprefix(PROBABILITY))


def _same(name: str) -> Any:
    """1, 1.0 and 01 are one class."""
    return int(float(name)) if _is_whole(name) else name


def _declared(classes: Sequence[str]) -> list[str]:
    names = [name.strip() for text in classes for name in text.split(",") if name.strip()]
    if len(names) == 1 and names[0].isdecimal() and int(names[0]) >= 2:
        return [str(code) for code in range(int(names[0]))]
    return names


def _filled(column: pd.Series, names: list[str], table: _Table) -> NDArray[Any]:
    values = column.to_numpy(dtype=object)
    # Writers of tables put "nan" where they had no value; "NA" and "None" can be classes.
    nan = np.array([value.casefold() == "nan" and value not in names for value in values], dtype=bool)
    empty = table.rows[nan | (values == "")]
    if empty.size:
        also = " 'nan' is read as empty unless --classes names it." if nan.any() else ""
        raise DataError(
            f"the column '{column.name}' of {table.where} is empty in {empty.size:,} of {values.size:,} rows: "
            f"{first_few(empty.tolist())}.{also} Fill them in, or leave these rows out of the file."
        )
    return values


def _check_known(what: str, values: NDArray[Any], names: list[Any], table: _Table) -> None:
    known = set(names)
    outside = [(int(row), value) for row, value in zip(table.rows, values, strict=True) if value not in known]
    if outside:
        row, value = outside[0]
        raise DataError(
            f"row {row:,} of {table.where}: {what} '{value}', which is not among the {len(names)} classes."
            f"{suggest(str(value), map(str, names))} {len(outside):,} rows are like this."
        )


def _probability_columns(frame: pd.DataFrame, declared: list[str], where: str) -> list[str]:
    columns = _starting(frame)
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


def _starting(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame.columns if name.startswith(PROBABILITY) and name != PROBABILITY]


def _probabilities(cells: pd.DataFrame, table: _Table) -> tuple[NDArray[np.float64] | None, str]:
    """The numbers, (N, C); or none, and which row is wrong."""
    # Text that is no number becomes NaN, which is found below with its row.
    numbers = cells.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    found = trouble(numbers)
    if found is None:
        return numbers, ""
    what = "" if found.column is None else f"{cells.columns[found.column]} is '{cells.iat[found.row, found.column]}', "
    return None, (
        f"row {table.rows[found.row]:,} of {table.where}: {what}{found.why}. {found.rows:,} rows are like this."
    )


def _is_whole(text: Any) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return value.is_integer() and abs(value) < 2**53
