"""What `audit` takes, turned into codes: labels and predictions of any kind, groups, clusters."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.errors import DataError
from fairshrink.metrics.uncertainty import check_whole

Codes = NDArray[np.int64]
MOST_GROUPS = 100


@dataclass(frozen=True)
class Coded:
    """Values as codes into their names.

    Attributes:
        name: What the values are: an attribute's name.
        names: Their names; the order is the code.
        codes: (N,), -1 where unknown.
        empty: Categories that were declared but nobody is in; they have no code.
    """

    name: str
    names: tuple[str, ...]
    codes: Codes
    empty: tuple[str, ...] = ()


def encode_labels(y_true: Any, y_pred: Any, num_classes: int | None) -> tuple[Codes, Codes, tuple[str, ...]]:
    """Codes of labels and predictions, and the names of the classes.

    The classes are the categories of `y_true` when it is categorical, 0 to num_classes - 1 when that is given, else
    everything that occurs in either, sorted.

    Raises:
        ConfigError: num_classes is no whole number of 1 or more.
        DataError: Lengths differ, nothing there, missing values, text against numbers, a value that is no class.
    """
    true, (pred,), names = encode_predictions(y_true, {"y_pred": y_pred}, num_classes)
    return true, pred, names


def encode_predictions(
    y_true: Any, predictions: Mapping[str, Any], num_classes: int | None
) -> tuple[Codes, list[Codes], tuple[str, ...]]:
    """The same for the predictions of several models on the same rows: argument's name -> what came.

    Raises:
        ConfigError, DataError: As `encode_labels`; the argument is named.
    """
    num_classes = None if num_classes is None else check_whole("num_classes", num_classes, 1)
    true, preds = _labels("y_true", y_true), {name: _labels(name, values) for name, values in predictions.items()}
    for name, pred in preds.items():
        if len(true) != len(pred):
            raise DataError(
                f"y_true has {len(true):,} entries and {name} {len(pred):,}: they must be of the same rows."
            )
        if not len(true):
            raise DataError(f"y_true and {name} are empty: there is nothing to audit.")
        _same_kind(true, name, pred)
    classes = _declared(y_true)
    if classes is not None and num_classes not in (None, len(classes)):
        raise DataError(
            f"num_classes is {num_classes}, but y_true has {len(classes)} categories: leave one of them out."
        )
    if classes is None:
        classes = _counted([true, *preds.values()], num_classes)
    index = _distinct("classes", classes)
    codes = [_look_up(name, pred, index) for name, pred in preds.items()]
    return _look_up("y_true", true, index), codes, tuple(str(value) for value in classes)


def encode_groups(sensitive_features: Any, rows: int) -> list[Coded]:
    """One attribute per column, and, for two or more, their intersection as one more, named "a & b".

    Raises:
        DataError: There is no list of groups, a length differs from the labels', or an attribute has one group only.
    """
    if isinstance(sensitive_features, pd.DataFrame | Mapping):
        columns = {str(name): values for name, values in sensitive_features.items()}
        if len(columns) < len(sensitive_features.keys()):
            raise DataError(f"sensitive_features names a column twice: {first_few(list(sensitive_features.keys()))}.")
    else:
        _check_list("sensitive_features", sensitive_features)
        name = sensitive_features.name if isinstance(sensitive_features, pd.Series) else None
        columns = {"group" if name is None else str(name): sensitive_features}
    if not columns:
        raise DataError("sensitive_features has no column: at least one attribute is needed.")
    attributes = [_encode_group(name, values, rows) for name, values in columns.items()]
    return [*attributes, _intersect(attributes)] if len(attributes) > 1 else attributes


def encode_clusters(clusters: Any, rows: int) -> tuple[Codes | None, int]:
    """Cluster of each row as an integer, and how many rows had none: each of these is a cluster of its own.

    Raises:
        DataError: The length differs from the labels'.
    """
    if clusters is None:
        return None, 0
    values = _column("clusters", clusters)
    _check_rows("clusters", values, rows)
    codes, names = pd.factorize(values.mask(_missing(values)), use_na_sentinel=True)
    alone = codes < 0
    codes = codes.astype(np.int64)
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes, int(alone.sum())


def _labels(name: str, values: Any) -> pd.Series:
    column = _column(name, values)
    missing = np.flatnonzero(_missing(column))
    if missing.size:
        raise DataError(
            f"{name} has no value in {missing.size:,} of {len(column):,} entries, the first is entry {missing[0]:,} "
            "(counted from 0): leave these rows out, or give them a class."
        )
    if pd.api.types.is_float_dtype(column.dtype):
        broken = np.flatnonzero(column % 1 != 0)
        if broken.size:
            raise DataError(
                f"{name}[{broken[0]}] is {column.iloc[broken[0]]}, expected a class: {broken.size:,} entries are not "
                "whole numbers. Turn probabilities into predictions first."
            )
        return column.astype(np.int64)
    return column.astype(np.int64) if pd.api.types.is_bool_dtype(column.dtype) else column


def _column(name: str, values: Any) -> pd.Series:
    if isinstance(values, pd.Series):
        column = values.reset_index(drop=True)
        if not isinstance(column.dtype, pd.CategoricalDtype):
            return column.infer_objects()
        values = column.array
    if isinstance(values, pd.Categorical):
        names = [*values.categories, None]  # code -1 is the last: missing
        return pd.Series([names[code] for code in values.codes.tolist()])
    _check_list(name, values)
    try:
        table = values if isinstance(values, pd.Index) else np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{name} is not a list of single values: {error}.") from error
    if table.ndim != 1:
        raise DataError(
            f"{name} has {table.ndim} axes, expected one entry per row. Several attributes: give a dict or a DataFrame."
        )
    # NumPy turns [1, "a"] and ["a", None] into text; pandas keeps what was given.
    return pd.Series(list(values) if table.dtype.kind in "USO" else table, dtype=None if len(table) else object)


def _check_list(name: str, values: Any) -> None:
    """Refuses what has no entries to look at: None, a single value, a set, a generator."""
    single = values is None or np.isscalar(values)
    if single or isinstance(values, Mapping | Set | Iterator):
        came = repr(values) if single else f"of type {type(values).__name__}"
        way_out = " Make it a list first: list(...)." if isinstance(values, Iterator) else ""
        raise DataError(f"{name} is {came}, expected a list, an array or a column with one entry per row.{way_out}")


def _missing(column: pd.Series) -> NDArray[np.bool_]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.isna().to_numpy(dtype=bool)
    blank = column.map(lambda value: isinstance(value, str) and not value.strip()).to_numpy(dtype=bool)
    return column.isna().to_numpy(dtype=bool) | (blank if len(column) else False)


def _same_kind(true: pd.Series, name: str, pred: pd.Series) -> None:
    kinds = [bool(pd.api.types.is_numeric_dtype(column.dtype)) for column in (true, pred)]
    if kinds[0] != kinds[1]:
        words = ["numbers" if kind else "text" for kind in kinds]
        raise DataError(
            f"y_true holds {words[0]} ({_plain(true.iloc[0])!r}) and {name} {words[1]} ({_plain(pred.iloc[0])!r}): "
            "give both in the same form."
        )


def _declared(y_true: Any) -> list[Any] | None:
    holder = y_true.array if isinstance(y_true, pd.Series | pd.Index) else y_true
    return list(holder.categories) if isinstance(holder, pd.Categorical) else None


def _counted(columns: list[pd.Series], num_classes: int | None) -> list[Any]:
    found = _sorted(pd.unique(pd.concat(columns, ignore_index=True)))
    if num_classes is None:
        return found
    if pd.api.types.is_numeric_dtype(columns[0].dtype):
        return list(range(num_classes))
    if len(found) != num_classes:
        raise DataError(
            f"num_classes is {num_classes}, but {len(found)} different labels occur: {first_few(found)}. With labels that "
            "are text, name the classes instead: y_true = pd.Categorical(labels, categories=[...])."
        )
    return found


def _sorted(values: Any) -> list[Any]:
    plain = [_plain(value) for value in values]
    try:
        return sorted(plain)
    except TypeError:  # kinds that do not compare, as (1, 2) and "a"
        return sorted(plain, key=lambda value: (type(value).__name__, str(value)))


def _distinct(what: str, values: list[Any]) -> pd.Index:
    if len({str(value) for value in values}) < len(values):
        raise DataError(f"two {what} are written alike: {first_few([repr(v) for v in values])}. Rename one.")
    return pd.Index(values, dtype=object)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _look_up(name: str, column: pd.Series, classes: pd.Index) -> Codes:
    codes = classes.get_indexer(pd.Index(column, dtype=object)).astype(np.int64)
    outside = np.flatnonzero(codes < 0)
    if outside.size:
        raise DataError(
            f"{name}[{outside[0]}] is {_plain(column.iloc[outside[0]])!r}, expected one of the {len(classes)} classes "
            f"{first_few(list(classes))}; {outside.size:,} of {len(column):,} entries are not among them."
        )
    return codes


def _encode_group(name: str, values: Any, rows: int) -> Coded:
    column = _column(name, values)
    _check_rows(name, column, rows)
    missing = _unknown(column)
    known = column[~missing]
    if pd.api.types.is_float_dtype(known.dtype) and (known % 1 == 0).all():
        known = known.astype(np.int64)  # a missing value had turned integers into floats
    there, declared = set(known), _declared(values) or []
    found = [value for value in declared or _sorted(there) if value in there]
    none_in = _unknown(pd.Series(declared, dtype=None if declared else object))
    empty = tuple(str(v) for v, unknown in zip(declared, none_in, strict=True) if not unknown and v not in there)
    if len(found) < 2:
        held = f"one group only, '{found[0]}'" if found else "no known group"
        also = f", nobody in {first_few(quoted(empty))}" if empty else ""
        raise DataError(
            f"'{name}' has {held}, in {rows:,} rows ({int(missing.sum()):,} unknown{also}): a gap needs two groups."
        )
    if len(found) > MOST_GROUPS:
        raise DataError(
            f"'{name}' has {len(found):,} different values, more than {MOST_GROUPS} groups: is it an identifier? "
            "Cut numbers into a few bins first."
        )
    codes = np.full(rows, -1, dtype=np.int64)
    codes[~missing] = _distinct(f"groups of '{name}'", found).get_indexer(pd.Index(known, dtype=object))
    return Coded(name, tuple(str(value) for value in found), codes, empty)


def _unknown(column: pd.Series) -> NDArray[np.bool_]:
    missing = _missing(column)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return missing
    return missing | (column == -1).to_numpy(dtype=bool, na_value=False)


def _intersect(attributes: list[Coded]) -> Coded:
    table = np.stack([attribute.codes for attribute in attributes])
    known = (table >= 0).all(0)
    found, inverse = np.unique(table[:, known], axis=1, return_inverse=True)
    name = " & ".join(attribute.name for attribute in attributes)
    if found.shape[1] < 2:
        raise DataError(
            f"'{name}' has {found.shape[1]} groups in the rows where all are known: a gap needs two groups."
        )
    codes = np.full(known.size, -1, dtype=np.int64)
    codes[known] = inverse.reshape(-1)
    names = [" & ".join(part.names[code] for part, code in zip(attributes, column, strict=True)) for column in found.T]
    return Coded(name, tuple(names), codes)


def _check_rows(name: str, column: pd.Series, rows: int) -> None:
    if len(column) != rows:
        raise DataError(
            f"'{name}' has {len(column):,} entries, but there are {rows:,} labels: they must be of the same rows."
        )


def quoted(names: Iterable[str]) -> list[str]:
    """Names in quotes, for a sentence."""
    return [f"'{name}'" for name in names]


def first_few(values: list[Any], most: int = 8) -> str:
    """The first of a list, and how many more there are."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(str(value) for value in values[:most]) + more
