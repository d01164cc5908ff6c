"""What images are compared by: their groups and their classes, and the same drawn by lot, which is what chance gives."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.splits import TRAIN
from fairshrink.lab.work import Work

CLASS = "class"
DRAWS = 19  # One reading below all of these is the lowest of 20: 5 % by chance.
SHUFFLED, WITHIN = "shuffled", "within"


class Label(NamedTuple):
    """What some images are, by one attribute or by class.

    Attributes:
        name: Of the attribute; CLASS for the class.
        groups: The names by code.
        codes: Of each image, (n,); -1 = unknown.
        classes: Its class, (n,), where the groups are to be drawn within the classes as well.
    """

    name: str
    groups: tuple[str, ...]
    codes: NDArray[np.int64]
    classes: NDArray[np.int64] | None = None


def labels_of(work: Work, rows: NDArray[np.int64]) -> tuple[Label, ...]:
    """Every attribute of the data and, last, the class."""
    dataset = work.prepared.dataset
    classes = dataset.labels[rows]
    own = CLASS if CLASS not in dataset.attributes else f"{CLASS} (the label)"
    attributes = [Label(name, a.groups, a.codes[rows], classes) for name, a in dataset.attributes.items()]
    return (*attributes, Label(own, dataset.classes, classes))


def drawn_rows(work: Work, fold: int, samples: int, batch: int, *, known: bool = False) -> NDArray[np.int64]:
    """Training images of one fold in an order drawn from the seed, whole batches of them; one of each lesion or patient.

    Two images of one lesion are nearest neighbours and of one group, whatever the network makes of groups.

    Args:
        work: What every stage needs.
        fold: Which fold.
        samples: How many at most; all of them where there are fewer than one batch.
        batch: Images that are compared with each other at once.
        known: Only those whose group is known, for the attribute that was shrunk for.
    """
    dataset, rows = work.prepared.dataset, work.prepared.rows(fold, TRAIN)
    order = np.random.default_rng([work.experiment.train.seed, fold]).permutation(rows)
    order = order[dataset.attribute().codes[order] >= 0] if known else order
    if dataset.clusters is not None:
        _, first = np.unique(dataset.clusters[order], return_index=True)
        order = order[np.sort(first)]
    least = min(samples, len(order))
    return order[: max(batch * (least // batch), min(least, batch))]


def tells(codes: NDArray[np.int64]) -> bool:
    """Whether there are two groups or more, and somebody with a partner."""
    sizes = np.bincount(codes[codes >= 0])
    return int((sizes > 0).sum()) > 1 and int(sizes.max()) > 1


def draw(label: Label, part: slice, keys: Sequence[int], draws: int = DRAWS) -> dict[str, NDArray[np.int64]]:
    """The labellings of some of the images by lot, each (draws, n): over all of them, and within the classes if they are there.

    Args:
        label: Who is what.
        part: Which images; they stay among themselves, and who is unknown stays unknown.
        keys: Of the random numbers.
        draws: How many.
    """
    random = np.random.default_rng([*keys])
    codes = label.codes[part]
    known = codes >= 0
    within = (
        {}
        if label.classes is None
        else {WITHIN: [_mixed(codes, label.classes[part], known, random) for _ in range(draws)]}
    )
    none = np.zeros_like(codes)
    found = {SHUFFLED: [_mixed(codes, none, known, random) for _ in range(draws)], **within}
    return {name: np.stack(rows) for name, rows in found.items()}


def _mixed(
    codes: NDArray[np.int64], strata: NDArray[np.int64], known: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.int64]:
    """The known codes in another order within each stratum."""
    mixed = codes.copy()
    for stratum in np.unique(strata[known]):
        place = np.flatnonzero(known & (strata == stratum))
        mixed[place] = random.permutation(codes[place])
    return mixed
