"""Probabilities of classes: checked, in the order of the classes, and what they say about groups."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.audit.inputs import Coded, Codes, first_few, quoted
from fairshrink.errors import DataError, suggest
from fairshrink.metrics.probabilities import Reliability, auc_by_class, ece, ece_by_chance, macro, reliability


class Trouble(NamedTuple):
    """The first row whose probabilities are none.

    Attributes:
        row: Counted from 0.
        column: Where in the row; None: the row as a whole.
        why: What is wrong, as the rest of a sentence.
        rows: How many rows are like this.
    """

    row: int
    column: int | None
    why: str
    rows: int


class Probabilistic(NamedTuple):
    """What probabilities say about an attribute.

    Attributes:
        scores: By group: auc (macro), ece, ece_null_mean, ece_null_high.
        auc: One against the rest, (G, C).
        curve: The reliability curve by group.
    """

    scores: pd.DataFrame
    auc: NDArray[np.float64]
    curve: Reliability


def trouble(table: NDArray[np.float64]) -> Trouble | None:
    """What is wrong with probabilities, (N, C); None when each row has numbers from 0 to 1 that add up to 1."""
    broken = ~(np.isfinite(table) & (table >= 0) & (table <= 1))
    if broken.any():
        row, column = (int(at) for at in np.argwhere(broken)[0])
        return Trouble(row, column, "expected a number from 0 to 1", int(broken.any(1).sum()))
    total = table.sum(1)
    off = np.flatnonzero(np.abs(total - 1) > 0.01 + 0.0005 * table.shape[1])  # room for rounding to three decimals
    if off.size:
        return Trouble(int(off[0]), None, f"the probabilities add up to {total[off[0]]:.3f}, expected 1", off.size)
    return None


def encode_probabilities(y_prob: Any, classes: tuple[str, ...], rows: int) -> NDArray[np.float64] | None:
    """Probabilities as an array (N, C) in the order of the classes; a DataFrame's columns are put in order.

    Raises:
        DataError: Another shape, a class missing or unknown, values that are no probabilities.
    """
    if y_prob is None:
        return None
    values = _ordered(y_prob, classes) if isinstance(y_prob, pd.DataFrame) else y_prob
    try:
        table = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"y_prob is not a table of numbers: {error}.") from error
    if table.shape != (rows, len(classes)):
        raise DataError(
            f"y_prob has the shape {table.shape}, expected {(rows, len(classes))}: a row for each label and a column for "
            f"each of the classes {first_few(list(classes))}. Name the classes by num_classes or a pandas Categorical."
        )
    if found := trouble(table):
        value = "" if found.column is None else f"[{found.column}] is {table[found.row, found.column]}"
        raise DataError(
            f"y_prob[{found.row}]{value}: {found.why}. {found.rows:,} of {rows:,} rows are like this. "
            "Give the softmax of the logits, over all classes."
        )
    return table


def by_group(prob: NDArray[np.float64], true: Codes, attribute: Coded, seed: int) -> Probabilistic:
    """AUC and calibration of each group."""
    size = len(attribute.names)
    confidence, right = prob.max(1), prob.argmax(1) == true
    areas = auc_by_class(prob, true, attribute.codes, size)
    curve = reliability(confidence, right, attribute.codes, size)
    mean, high = ece_by_chance(confidence, attribute.codes, size, seed=seed)
    scores = {"auc": macro(areas), "ece": ece(curve), "ece_null_mean": mean, "ece_null_high": high}
    return Probabilistic(pd.DataFrame(scores), areas, curve)


def bins(curve: Reliability, names: tuple[str, ...]) -> dict[str, dict[str, list[dict[str, float]]]]:
    """The reliability curve of each group as plain data."""
    edges = curve.edges.tolist()
    return {
        name: {
            "bins": [
                {"low": low, "high": high, "n": int(n), "confidence": float(confidence), "accuracy": float(accuracy)}
                for low, high, n, confidence, accuracy in zip(
                    edges[:-1], edges[1:], curve.n[g], curve.confidence[g], curve.accuracy[g], strict=True
                )
            ]
        }
        for g, name in enumerate(names)
    }


def _ordered(frame: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    known = [str(name) for name in frame.columns]
    if twice := sorted({name for name in known if known.count(name) > 1}):
        raise DataError(f"y_prob names a class twice: {first_few(quoted(twice))}. Leave one out.")
    for name in classes:
        if name not in known:
            raise DataError(f"y_prob has no column '{name}', but every class needs one.{suggest(name, known)}")
    if extra := [name for name in known if name not in classes]:
        raise DataError(
            f"y_prob has columns of classes that are not among the {len(classes)}: {first_few(quoted(extra))}. "
            "Name the classes by num_classes or a pandas Categorical."
        )
    return frame.set_axis(pd.Index(known), axis=1)[list(classes)]
