"""What is resampled when two models are compared: rows, or clusters of rows, with the predictions of both.

A unit's kind is its class and what both models said of it, so that a draw keeps the two together: what is hard for one
model is mostly hard for the other, and most of the noise cancels in the difference.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from fairshrink.metrics.counts import Margins
from fairshrink.metrics.units import Units, kinds_of, starts_of

MODELS = 2


class PairedRows(NamedTuple):
    """Rows that two models, A and B, predicted.

    Attributes:
        true: True classes, (N,), in [0, C).
        pred: Predicted classes of A and of B, (2, N), in [0, C).
        groups: Groups, (N,), in [0, G), or -1 where unknown.
        clusters: Cluster of each row, (N,), integers; None: every row is one.
    """

    true: Int[np.ndarray, " N"]
    pred: Int[np.ndarray, "2 N"]
    groups: Int[np.ndarray, " N"]
    clusters: Int[np.ndarray, " N"] | None = None


@dataclass(frozen=True)
class Pairs:
    """Units by joint kind.

    Attributes:
        units: `parts` holds A's margins, then B's: (T, 6 * C).
    """

    units: Units

    def margins(self, drawn: Num[np.ndarray, "*B G T"]) -> Float[np.ndarray, "2 3 *B G C"]:
        """Hits, support and predictions of A and of B, of so many units of each kind."""
        flat = drawn.reshape(-1, drawn.shape[-1]).astype(np.float64)
        total = (flat @ self.units.parts).reshape(*drawn.shape[:-1], MODELS, 3, -1)
        return np.ascontiguousarray(np.moveaxis(total, (-3, -2), (0, 1)))


def of_model(margins: Float[np.ndarray, "2 3 *B G C"], model: int) -> Margins:
    """One model's margins, as rates take them."""
    return Margins(*margins[model])


def pair(rows: PairedRows, *, num_groups: int, num_classes: int) -> Pairs:
    """Count rows, or clusters, by joint kind.

    As for a single model, a cluster with rows in several groups or of several classes is cut into one unit for each.
    Rows of unknown group are skipped.

    Args:
        rows: What both models said.
        num_groups: G.
        num_classes: C.
    """
    known = rows.groups >= 0
    groups, size = rows.groups[known], num_classes
    cells = np.ravel_multi_index((rows.true[known], *rows.pred[:, known]), (size,) * (1 + MODELS))
    if rows.clusters is None:
        found, kind = np.unique(cells, return_inverse=True)
        kinds, group = list(found[:, None]), groups
    else:
        member = np.unique(rows.clusters[known], return_inverse=True)[1] * num_groups + groups
        units, unit = np.unique(member * size + rows.true[known], return_inverse=True)
        kinds, kind = kinds_of(unit, cells, units.size)
        group = units // size % num_groups
    parts = _parts(kinds, size)
    classes = parts[:, 0, 1].argmax(-1)
    order = np.argsort(classes, kind="stable")
    table = np.zeros((num_groups, classes.size), dtype=np.int64)
    np.add.at(table, (group, kind), 1)
    return Pairs(Units(table[:, order], starts_of(classes[order]), parts[order].reshape(classes.size, -1)))


def _parts(kinds: list[np.ndarray], size: int) -> Float[np.ndarray, "T 2 3 C"]:
    """Hits, support and predictions per class of each kind, for both models."""
    parts = np.zeros((len(kinds), MODELS, 3, size))
    at = np.repeat(np.arange(len(kinds)), [cells.size for cells in kinds])
    cells = np.concatenate([*kinds, np.zeros(0, dtype=np.int64)])
    true, *preds = np.unravel_index(cells, (size,) * (1 + MODELS))
    for model, pred in enumerate(preds):
        hits, support, predicted = np.moveaxis(parts[:, model], 1, 0)
        np.add.at(hits, (at, true), true == pred)
        np.add.at(support, (at, true), 1)
        np.add.at(predicted, (at, pred), 1)
    return parts
