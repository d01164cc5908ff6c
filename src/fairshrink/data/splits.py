"""Which rows train, choose and test: stratified by label and group, without a lesion or patient on two sides."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairshrink.data.listing import plain
from fairshrink.data.table import Missing, excluded_rows, first_few, read_csv
from fairshrink.errors import ConfigError, DataError, suggest

TRAIN, VAL, TEST = 0, 1, 2
NOWHERE = -1  # not in a published split
PARTS = ("train", "val", "test")
PARTS_OF_FIVE = 5  # folds=1: 3 train, 1 val, 1 test

_SPELLINGS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": TEST,
    "testing": TEST,
}


class EmptyCell(NamedTuple):
    """A class that a group does not have in a part; its rates there are undefined."""

    fold: int
    part: str
    label: int
    group: int


class SplitTrouble(NamedTuple):
    """A row of a split file that cannot be used.

    Attributes:
        kind: "unknown part" or "split named twice".
        row: In the split file.
        name: The image.
        why: What it is and what to do.
    """

    kind: str
    row: int
    name: str
    why: str


def assign_splits(
    labels: ArrayLike, groups: ArrayLike, clusters: ArrayLike | None = None, *, folds: int = 1, seed: int = 0
) -> NDArray[np.int8]:
    """Deals whole clusters to train, val and test.

    Clusters are dealt one by one, the largest first, each to the part that has the least of its (label, group) pairs so
    far. The deal depends on the seed, the clusters' names and what is in them, not on the machine or the order of rows.

    Args:
        labels: Class of each row, (N,).
        groups: Group of each row, (N,); -1 (unknown) is a stratum of its own.
        clusters: Lesion or patient of each row, (N,); None = each row is its own.
        folds: 1: 60 % train, 20 % val, 20 % test. k of at least 3: fold i tests part i, part i + 1 chooses, the rest
            train; every row is tested once. folds=1 is the first fold of folds=5.
        seed: Another seed, another deal.

    Returns:
        (F, N) of TRAIN = 0, VAL = 1, TEST = 2.

    Raises:
        ConfigError: folds is neither 1 nor at least 3.
        DataError: Lengths differ, or there are fewer clusters than parts.
    """
    if folds != 1 and folds < 3:
        raise ConfigError(
            f"folds is {folds}. Use 1 (60/20/20) or at least 3: one part tests, one chooses, the rest train."
        )
    labels, groups = np.asarray(labels), np.asarray(groups)
    names = np.arange(len(labels)) if clusters is None else np.asarray(clusters)
    if not len(labels) == len(groups) == len(names):
        raise DataError(
            f"{len(labels):,} labels, {len(groups):,} groups and {len(names):,} clusters: one each per row."
        )
    parts = PARTS_OF_FIVE if folds == 1 else folds
    unique, cluster = np.unique(names, return_inverse=True)
    if len(unique) < parts:
        raise DataError(f"{len(unique):,} clusters cannot be dealt to {parts} parts. Use fewer folds, or more data.")
    label, group = (np.unique(codes, return_inverse=True)[1] for codes in (labels, groups))
    strata = np.unique(label * (int(group.max()) + 1) + group, return_inverse=True)[1]
    dealt = _deal(_contents(cluster, strata), _order(unique, np.bincount(cluster), seed), parts)[cluster]
    tests = np.arange(folds)[:, None]
    splits = np.full((folds, len(labels)), TRAIN, dtype=np.int8)
    splits[dealt == (tests + 1) % parts] = VAL
    splits[dealt == tests] = TEST
    return splits


def _order(unique: NDArray[np.generic], sizes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Clusters from the largest to the smallest, equal ones shuffled by a hash of (seed, name)."""
    ties = [hashlib.blake2b(f"{seed} split {name}".encode(), digest_size=8).digest() for name in unique]
    return np.array(sorted(range(len(unique)), key=lambda at: (-sizes[at], ties[at])), dtype=np.int64)


def _contents(
    cluster: NDArray[np.int64], strata: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Of each cluster: its strata and how many rows it has of each."""
    width = int(strata.max()) + 1
    pairs, counts = np.unique(cluster * width + strata, return_counts=True)
    starts = np.searchsorted(pairs // width, np.arange(1, int(cluster.max()) + 1))
    return list(zip(np.split(pairs % width, starts), np.split(counts, starts), strict=True))


def _deal(
    contents: list[tuple[NDArray[np.int64], NDArray[np.int64]]], order: NDArray[np.int64], parts: int
) -> NDArray[np.int64]:
    """Part of each cluster. Each goes where the sum of squared shares over strata and parts grows least."""
    width = max(int(strata.max()) for strata, _ in contents) + 1
    total = np.zeros(width)
    for strata, counts in contents:
        total[strata] += counts
    have, rows = np.zeros((parts, width)), np.zeros(parts)
    dealt = np.empty(len(contents), dtype=np.int64)
    for at in order:
        strata, counts = contents[at]
        cost = (have[:, strata] * (counts / total[strata])).sum(axis=1)
        # Equally good parts: the one with the fewest rows, so that rare strata do not pile up in the first part.
        best = np.flatnonzero(cost <= cost.min() + 1e-9)
        part = best[np.argmin(rows[best])]
        have[part, strata] += counts
        rows[part] += counts.sum()
        dealt[at] = part
    return dealt


def empty_cells(
    splits: NDArray[np.int8], labels: NDArray[np.int64], groups: NDArray[np.int64], *, shape: tuple[int, int]
) -> list[EmptyCell]:
    """Every class that a group lacks in a part: nothing to learn from or to measure there.

    Args:
        splits: (F, N), from `assign_splits` or `read_split_file`.
        labels: (N,).
        groups: (N,); -1 is skipped.
        shape: Number of classes and number of groups.
    """
    cells = []
    for fold, parts in enumerate(splits):
        for part, name in enumerate(PARTS):
            rows = (parts == part) & (groups >= 0)
            counts = np.zeros(shape, dtype=np.int64)
            np.add.at(counts, (labels[rows], groups[rows]), 1)
            cells += [EmptyCell(fold, name, int(label), int(group)) for label, group in np.argwhere(counts == 0)]
    return cells


def read_split_file(path: Path | str, ids: ArrayLike, *, missing: Missing = "error") -> NDArray[np.int8]:
    """A published split: a CSV with a column "split" (train, val or test) and one with the image ("image", "id" or any).

    Args:
        path: The file.
        ids: The rows' images, (N,).
        missing: "exclude" also takes a file with images that the data lacks.

    Returns:
        (1, N) of TRAIN, VAL, TEST, or NOWHERE = -1 for rows that the file does not mention. Names are compared as they are
        written; what then is left over, in lower case and without an image's ending or ISIC's '_downsampled'.

    Raises:
        DataError: A column is missing, a part is unknown or has no row, an image is named twice or not in the data.
    """
    path = Path(path)
    part, troubles = survey_split_file(path)
    if troubles:
        raise DataError(troubles[0].why)
    own = [str(name) for name in np.asarray(ids)]
    called = names_in(part, own)
    strange = sorted(set(part) - set(called.values()))
    if strange and missing != "exclude":
        raise DataError(
            f"'{path.name}' names {len(strange):,} images that the data does not have: {first_few(strange)}. "
            'Add them, or go on without them by  missing = "exclude".'
        )
    splits = np.array([[part[called[name]][0] if name in called else NOWHERE for name in own]], dtype=np.int8)
    bare = [name for at, name in enumerate(PARTS) if not (splits == at).any()]
    if bare:
        raise DataError(
            f"no row of the data is in {first_few(bare)} of '{path.name}'. Compare the names of the images."
        )
    return splits


def survey_split_file(path: Path) -> tuple[dict[str, tuple[int, int]], list[SplitTrouble]]:
    """The part and the row of each image that a split file names, and its rows that cannot be used.

    Raises:
        DataError: The file cannot be read, or a column is missing.
    """
    frame, rows = read_csv(path, ["split"])
    names = frame[_image_column(path, [str(column) for column in frame.columns])].tolist()
    part: dict[str, tuple[int, int]] = {}
    troubles: list[SplitTrouble] = []
    for name, split, row in zip(names, frame["split"], rows.tolist(), strict=True):
        if split.casefold() not in _SPELLINGS:
            why = f"row {row:,} of '{path.name}': split is '{split}'.{suggest(split.casefold(), PARTS)}"
            troubles.append(SplitTrouble("unknown part", row, name, why))
        elif name in part:
            why = f"row {row:,} of '{path.name}' names '{name}' a second time. Delete one of the rows."
            troubles.append(SplitTrouble("split named twice", row, name, why))
        else:
            part[name] = _SPELLINGS[split.casefold()], row
    return part, troubles


def names_in(part: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """What a split file calls each id that it names.

    An id that is not written there stands under the one other name that is the same in lower case and without an image's
    ending or '_downsampled'. Where several could be meant, none is.

    Args:
        part: The names in the split file.
        ids: The rows' images.
    """
    there, own = set(part), set(ids)
    named, bare = _by_plain_name(there), _by_plain_name(own)
    other = {found[0]: named[name][0] for name, found in bare.items() if len(found) == len(named.get(name, ())) == 1}
    return {name: name for name in there & own} | other


def _by_plain_name(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[plain(name)].append(name)
    return found


def unassigned(splits: NDArray[np.int8], ids: ArrayLike) -> pd.DataFrame:
    """The rows that a published split does not mention, as a list of excluded rows."""
    names = np.asarray(ids)[(splits == NOWHERE).all(axis=0)]
    return excluded_rows((0, str(name), "not in the split file") for name in names)


def _image_column(path: Path, columns: list[str]) -> str:
    others = [column for column in columns if column != "split"]
    named = [column for column in others if column in ("image", "id")]
    if len(named) != 1 and len(others) != 1:
        raise DataError(f"'{path.name}' should have the columns 'image' and 'split', but has: {', '.join(columns)}.")
    return named[0] if len(named) == 1 else others[0]
