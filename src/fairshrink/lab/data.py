"""From `[data]` to decoded images, groups and splits."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.dataset import Dataset, open_dataset
from fairshrink.data.sources import SOURCES
from fairshrink.data.splits import TEST, TRAIN, VAL, assign_splits, read_split_file
from fairshrink.data.table import Coverage, Manifest
from fairshrink.errors import DataError
from fairshrink.lab.config import DataSettings
from fairshrink.lab.observer import Observer

DATA_VARIABLE = "FAIRSHRINK_DATA"
CACHE_VARIABLE = "FAIRSHRINK_CACHE"
LARGE = 20_000  # images: from here on a fifth of them is a test set
FOLDS = 5


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
        observer: Told about decoding, and what is worth knowing about the data.

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
    splits = _splits(settings, dataset, beside)
    tested = int((splits == TEST).any(axis=0).sum())
    for line in (said_part(dataset.coverage), said_folds(settings, tested, len(dataset))):
        if line:
            observer.say(line)
    return Prepared(dataset, splits)


def said_part(coverage: Coverage | None) -> str | None:
    """That a part of a published set is here; None where it is all of it, or no published set."""
    return (
        None if coverage is None or coverage.whole else f"data: {coverage.words()}; the others are listed in data.json"
    )


def said_folds(settings: DataSettings, tested: int, count: int) -> str | None:
    """That a small set is better cross-fitted; None where it is, or is large, or comes with its split.

    Args:
        settings: `[data]`.
        tested: Images to test on.
        count: All images.
    """
    if settings.folds > 1 or settings.split_file or count >= LARGE:
        return None
    return (
        f"data: {tested:,} of {count:,} images test: folds = {FOLDS} tests every image once, see docs/cross-fitting.md"
    )


def images_not_there(settings: DataSettings, beside: Path) -> str | None:
    """Where the images were looked for in vain; None where they are, or are drawn."""
    try:
        _ = settings.images and find(settings.images, beside, settings.source)
    except DataError as error:
        return str(error)
    return None


def open_source(settings: DataSettings, beside: Path, *, tables_only: bool = False) -> Manifest:
    """The table of a source, its files found.

    Args:
        settings: `[data]`.
        beside: The folder of the experiment file.
        tables_only: Do not look at the images: every row that has a label has one.

    Raises:
        DataError: A file is not there, or the table cannot be used.
    """
    if settings.source == "lesions":
        return SOURCES["lesions"](settings.count, seed=settings.seed)
    metadata = find(str(settings.metadata), beside, settings.source)
    images = None if tables_only else find(str(settings.images), beside, settings.source)
    return SOURCES[settings.source](images, metadata, **own_settings(settings, beside), missing=settings.missing)


def own_settings(settings: DataSettings, beside: Path) -> dict[str, Any]:
    """What one source takes and others do not.

    Raises:
        DataError: A file is not there.
    """
    if settings.source == "table":
        return {"image": settings.image, "label": settings.label, "classes": settings.classes or None}
    if settings.source == "isic2019":
        named = settings.ground_truth
        return {"ground_truth": find(named, beside, settings.source) if named else None}
    return {"level": settings.level} if settings.source == "fitzpatrick17k" else {}


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
