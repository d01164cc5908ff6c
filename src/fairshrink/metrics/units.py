"""What is resampled: rows, or clusters of rows (lesions, patients), counted by kind.

Two units of the same class with the same predictions are exchangeable, so it is enough to know how many of each kind
a group has: resampling 100,000 rows becomes a handful of multinomial draws, and permuting groups within a class
becomes hypergeometric draws. Both are exact, not approximations.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num

from fairshrink.metrics.counts import GroupCounts, Margins


@dataclass(frozen=True)
class Units:
    """Units by kind. A kind is a class (the stratum) and what a unit adds to the margins.

    Attributes:
        counts: (G, T): how many units of each kind a group has.
        strata: Start of each class's kinds and the end of the last, (S + 1,); kinds are sorted by class.
        parts: (T, 3 * C): a unit's hits, support and predictions per class.
    """

    counts: Int[np.ndarray, "G T"]
    strata: Int[np.ndarray, " bounds"]
    parts: Float[np.ndarray, "T parts"]

    def units_by_class(self) -> Float[np.ndarray, " C"]:
        """Units of each class in the smallest group that has any, (C,); 0 where fewer than two groups have some."""
        width = self.parts.shape[1] // 3
        held = self.counts @ (self.parts[:, width : 2 * width] > 0)
        smallest = np.where(held > 0, held, np.inf).min(0, initial=np.inf)
        return np.where((held > 0).sum(0) >= 2, smallest, 0.0)

    def margins(self, drawn: Num[np.ndarray, "*B G T"]) -> Margins:
        """Margins, (..., G, C), of so many units of each kind."""
        # Products of whole numbers below 2**53 are exact in float64, and matrix products are fast only there.
        flat = drawn.reshape(math.prod(drawn.shape[:-1]), drawn.shape[-1]).astype(
            np.float64
        )  # one large product, not many small ones
        total = (flat @ self.parts).reshape(*drawn.shape[:-1], -1)
        hits, support, predicted = np.split(total, 3, axis=-1)
        return Margins(hits, support, predicted)


def units_of_rows(counts: GroupCounts) -> Units:
    """Every row by itself: a kind for each pair of true and predicted class that occurs."""
    size = counts.num_classes
    true, pred = np.nonzero(counts.counts.sum(0))
    parts = np.zeros((true.size, 3, size))
    kinds = np.arange(true.size)
    parts[kinds, 0, true] = true == pred
    parts[kinds, 1, true] = 1
    parts[kinds, 2, pred] = 1
    return Units(counts.counts[:, true, pred], starts_of(true), parts.reshape(true.size, 3 * size))


def units_of_clusters(
    y_true: Int[np.ndarray, " N"],
    y_pred: Int[np.ndarray, " N"],
    groups: Int[np.ndarray, " N"],
    clusters: Int[np.ndarray, " N"],
    counts: GroupCounts,
) -> Units:
    """Clusters as wholes: rows that share a cluster are drawn, and permuted, together.

    A cluster with rows in several groups or of several classes is cut into one unit for each: groups are permuted, and
    units drawn, within a class. (Simulated with patients of several classes, whole units of the most frequent class gave
    more than twice as many false alarms.)

    Args:
        y_true: True classes, (N,).
        y_pred: Predicted classes, (N,).
        groups: Groups, (N,); rows of unknown group (-1) are skipped.
        clusters: Cluster of each row, (N,), integers.
        counts: The counts of the same rows, for their numbers of groups and classes.
    """
    size = counts.num_classes
    known = groups >= 0
    member = np.unique(clusters[known], return_inverse=True)[1] * counts.num_groups + groups[known]
    units, unit = np.unique(member * size + y_true[known], return_inverse=True)
    kinds, kind = kinds_of(unit, y_true[known] * size + y_pred[known], units.size)
    parts = _parts(kinds, size)
    classes = parts[:, 1].argmax(-1)
    order = np.argsort(classes, kind="stable")
    table = np.zeros((counts.num_groups, classes.size), dtype=np.int64)
    np.add.at(table, (units // size % counts.num_groups, kind), 1)
    return Units(table[:, order], starts_of(classes[order]), parts[order].reshape(classes.size, 3 * size))


def kinds_of(unit: np.ndarray, cells: np.ndarray, num_units: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The distinct multisets of cells that units consist of, and which of them each unit is.

    A unit's cells in ascending order are a path from the root of a tree; all units take one step at a time.
    """
    cells = cells[np.lexsort((cells, unit))]
    sizes = np.bincount(unit, minlength=num_units)
    starts = np.cumsum(sizes) - sizes
    node, nodes, width = np.zeros(num_units, dtype=np.int64), 1, int(cells.max(initial=0)) + 1
    left = np.arange(num_units)
    for depth in range(int(sizes.max(initial=0))):
        left = left[sizes[left] > depth]
        steps, step = np.unique(node[left] * width + cells[starts[left] + depth], return_inverse=True)
        node[left] = nodes + step
        nodes += steps.size
    _, examples, kind = np.unique(node, return_index=True, return_inverse=True)
    return [cells[starts[at] : starts[at] + sizes[at]] for at in examples.tolist()], kind


def _parts(kinds: list[np.ndarray], size: int) -> np.ndarray:
    """Hits, support and predictions per class of each kind, (T, 3, C)."""
    kind = np.repeat(np.arange(len(kinds)), np.array([cells.size for cells in kinds], dtype=np.int64))
    true, pred = np.divmod(np.concatenate([*kinds, np.zeros(0, dtype=np.int64)]), size)
    hit = np.flatnonzero(true == pred)
    pairs = ((kind[hit], true[hit]), (kind, true), (kind, pred))
    tallies = [np.bincount(of * size + label, minlength=len(kinds) * size) for of, label in pairs]
    return np.stack([tally.reshape(len(kinds), size) for tally in tallies], axis=1).astype(np.float64)


def starts_of(classes: np.ndarray) -> np.ndarray:
    """Start of each class's kinds and the end of the last, from the sorted classes of all kinds."""
    return np.append(np.unique(classes, return_index=True)[1], classes.size).astype(np.int64)
