"""From `[data]` to decoded images, groups and splits."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.dataset import Dataset, open_dataset
from fairshrink.data.sources import SOURCES
from fairshrink.data.splits import TEST, TRAIN, VAL, assign_splits, read_split_file
from fairshrink.data.table import Manifest
from fairshrink.errors import DataError
from fairshrink.lab.config import DataSettings
from fairshrink.lab.observer import Observer

DATA_VARIABLE = "FAIRSHRINK_DATA"
CACHE_VARIABLE = "FAIRSHRINK_CACHE"


@dataclass(frozen=True)
class Prepared:
    """A data set with its splits.

    Attributes:
        dataset: Decoded images, classes, groups.
        splits: (F, N): TRAIN, VAL or TEST of each sample in each fold; -1 = left out by the split file.
    """

    dataset: Dataset
    splits: NDArray[np.int8]

    def rows(self, fold: int, part: int) -> NDArray[np.int64]:
        """The samples of one part of one fold."""
        return np.flatnonzero(self.splits[fold] == part)


def prepare(settings: DataSettings, beside: Path, cache: Path, observer: Observer) -> Prepared:
    """Read the table, decode the images once, assign groups and splits.

    Args:
        settings: `[data]`.
        beside: The folder of the experiment file, one of the places where relative paths are looked for.
        cache: Where the decoded images go.
        observer: Told about decoding.

    Raises:
        DataError: Anything about the data that cannot be used.
        StoreError: The decoded images cannot be written or read.
    """
    dataset = open_dataset(
        open_source(settings, beside),
        size=settings.size,
        groups=settings.groups,
        unknown=settings.unknown,
        split_by=settings.split_by,
        cache=cache,
        observer=lambda done, total: observer.advance("decoding images", done, total),
    )
    return Prepared(dataset, _splits(settings, dataset, beside))


def open_source(settings: DataSettings, beside: Path) -> Manifest:
    """The table of a source, its files found.

    Raises:
        DataError: A file is not there, or the table cannot be used.
    """
    if settings.source == "lesions":
        return SOURCES["lesions"](settings.count, seed=settings.seed)
    images, metadata = (find(str(name), beside, settings.source) for name in (settings.images, settings.metadata))
    if settings.source == "table":
        names = {"image": settings.image, "label": settings.label, "classes": settings.classes or None}
        return SOURCES["table"](images, metadata, **names, missing=settings.missing)
    return SOURCES[settings.source](images, metadata, missing=settings.missing)


def find(name: str, beside: Path, source: str) -> Path:
    """A file or folder by absolute path, or relative to: here, the experiment file, $FAIRSHRINK_DATA, its folder SOURCE.

    Raises:
        DataError: It is in none of them; all are listed.
    """
    places = [Path.cwd(), beside]
    if root := os.environ.get(DATA_VARIABLE):
        places += [Path(root), Path(root) / source]
    for place in places:
        if (found := place / Path(name).expanduser()).exists():
            return found.resolve()
    looked = "".join(f"\n    {place}" for place in dict.fromkeys(str(place.resolve()) for place in places))
    raise DataError(
        f"'{name}' is not there. Looked in{looked}\n"
        f"  Give an absolute path, or set {DATA_VARIABLE} to the folder that holds it (or holds {source}/)."
    )


def cache_folder(paths_store: Path) -> Path:
    """Where decoded images go: $FAIRSHRINK_CACHE, shared by runs, or the run's own folder."""
    shared = os.environ.get(CACHE_VARIABLE)
    return Path(shared).expanduser() if shared else paths_store


def _splits(settings: DataSettings, dataset: Dataset, beside: Path) -> NDArray[np.int8]:
    if settings.split_file:
        splits = read_split_file(
            find(settings.split_file, beside, settings.source), dataset.ids, missing=settings.missing
        )
    else:
        first = dataset.attribute()
        splits = assign_splits(dataset.labels, first.codes, dataset.clusters, folds=settings.folds, seed=settings.seed)
    for part, name in ((TRAIN, "train"), (VAL, "val"), (TEST, "test")):
        if empty := [fold for fold in range(len(splits)) if not (splits[fold] == part).any()]:
            raise DataError(f"the {name} part of fold {empty[0]} is empty. Give more samples, or fewer folds.")
    _check_groups(dataset, splits)
    return splits


def _check_groups(dataset: Dataset, splits: NDArray[np.int8]) -> None:
    """Every group that is shrunk for is trained and validated on in every fold; every attribute has two groups to audit."""
    first = dataset.attribute()
    for fold, parts in enumerate(splits):
        for part, name in ((TRAIN, "train"), (VAL, "val")):
            there = set(first.codes[parts == part].tolist())
            if lacking := [group for code, group in enumerate(first.groups) if code not in there]:
                raise DataError(
                    f"the {name} part of fold {fold} has no image of group '{lacking[0]}' ({first.name}). "
                    "Give more images of it, fewer folds, or wider groups."
                )
    tested = (splits == TEST).any(axis=0)
    for attribute in dataset.attributes.values():
        if len(set(attribute.codes[tested & (attribute.codes >= 0)].tolist())) < 2:
            raise DataError(
                f"the test images have fewer than two groups of '{attribute.name}', so no gap can be measured. "
                "Give more images, wider groups, or leave the attribute out."
            )
