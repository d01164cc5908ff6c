"""A data set ready for use: decoded images, classes, groups, and a list of everything that was left out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.groups import UNKNOWN, Attribute, GroupRule, parse_group
from fairshrink.data.store import Observer, Store, open_store
from fairshrink.data.table import Coverage, Manifest, excluded_rows, need_column
from fairshrink.errors import ConfigError, DataError, suggest

POLICIES = ("train", "exclude")
BY_IMAGE = "image"


@dataclass(frozen=True)
class Dataset:
    """N images with what is known about them.

    Attributes:
        name: For reports.
        ids: (N,), unique text.
        images: (N, size, size, 3) bytes; mapped from the store as long as no row was left out.
        labels: Class codes, (N,).
        classes: Names of the classes.
        attributes: Sensitive attributes by name, in the order they were asked for; the first is shrunk for.
        clusters: Name of each row's lesion or patient, (N,), or None: every image is its own.
        excluded: Rows that were left out: row (in the file; 0 = no row), id, reason.
        digest: SHA-256 of everything above but the name and the excluded.
        coverage: How much of a published set can be read; None = it is no published set.
    """

    name: str
    ids: NDArray[np.str_]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    attributes: dict[str, Attribute]
    clusters: NDArray[np.str_] | None
    excluded: pd.DataFrame
    digest: str
    coverage: Coverage | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.images.shape[1]

    def attribute(self, name: str | None = None) -> Attribute:
        """One attribute; None is the first.

        Raises:
            ConfigError: There is none of this name.
        """
        if name is None and self.attributes:
            return next(iter(self.attributes.values()))
        if name not in self.attributes:
            raise ConfigError(f"there is no attribute '{name}'.{suggest(str(name), self.attributes)}")
        return self.attributes[name]

    def counts(self, name: str | None = None) -> NDArray[np.int64]:
        """Images by class and group, (C, G); unknown groups are not in it."""
        attribute = self.attribute(name)
        table = np.zeros((len(self.classes), len(attribute.groups)), dtype=np.int64)
        known = attribute.codes >= 0
        np.add.at(table, (self.labels[known], attribute.codes[known]), 1)
        return table


def open_dataset(
    manifest: Manifest,
    *,
    size: int,
    groups: Sequence[str],
    unknown: str = "train",
    split_by: str | None = None,
    cache: Path,
    observer: Observer | None = None,
) -> Dataset:
    """Decodes (once) and brings pixels, classes and groups together.

    Args:
        manifest: What a source returned.
        size: Pixels a side.
        groups: Rules such as "sex", "age >= 60" or "age bins 40, 60"; the first is the one that is shrunk for.
        unknown: What happens to rows whose first attribute is unknown: "train" keeps them with group -1 (they are
            trained on and count in overall numbers), "exclude" leaves them out and lists them.
        split_by: Column of the lesion or patient; None or "image": every image is its own. A row with no value here is
            its own cluster.
        cache: Folder for decoded stores.
        observer: Told (done, total) while images are decoded.

    Raises:
        ConfigError: A rule or policy that cannot be read.
        DataError: Something in the data that the rules or the decoder cannot use.
        StoreError: The cache cannot be written.
    """
    rules = _rules(groups)
    if unknown not in POLICIES:
        raise ConfigError(f"unknown is '{unknown}'.{suggest(unknown, POLICIES)}")
    clusters = _clusters(manifest, split_by)
    keep, out = np.ones(len(manifest.frame), dtype=bool), [manifest.excluded]
    attributes = _attributes(rules, manifest, keep)
    if unknown == "exclude":
        first = rules[0].name
        out.append(_leave_out(manifest, keep, {int(row): f"{first} is unknown" for row in _unknown(attributes, first)}))
    store = open_store(manifest, size, cache, observer)
    out.append(_leave_out(manifest, keep, {row: f"unreadable image {why}" for row, why in store.unreadable.items()}))
    return _assemble(manifest, store, keep, (_attributes(rules, manifest, keep), clusters, out))


def _rules(groups: Sequence[str]) -> list[GroupRule]:
    if isinstance(groups, str) or not groups:
        raise ConfigError(f'groups is {groups!r}, but a list was expected, such as  groups = ["sex", "age >= 60"].')
    rules = [parse_group(text) for text in groups]
    names = [rule.name for rule in rules]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"the group '{twice[0]}' is named {len(twice)} times. Once is enough.")
    return rules


def _attributes(rules: list[GroupRule], manifest: Manifest, keep: NDArray[np.bool_]) -> dict[str, Attribute]:
    frame, rows = manifest.frame[keep], manifest.file_rows[keep]
    return {rule.name: rule.assign(frame, rows=rows, where=manifest.where) for rule in rules}


def _unknown(attributes: dict[str, Attribute], name: str) -> NDArray[np.int64]:
    return np.flatnonzero(attributes[name].codes < 0)


def _clusters(manifest: Manifest, split_by: str | None) -> NDArray[np.str_] | None:
    columns = manifest.frame.columns
    if split_by is None or (split_by == BY_IMAGE and BY_IMAGE not in columns):
        return None
    need_column(split_by, columns, f"'{manifest.where or manifest.name}'")
    return cluster_names(manifest.frame[split_by].tolist(), manifest.frame["id"].tolist(), split_by)


def cluster_names(cells: Sequence[object], ids: Sequence[str], column: str) -> NDArray[np.str_]:
    """The lesion or patient of each row, (N,); a row with an unknown one is its own."""
    named = [str(cell).strip() for cell in cells]
    return np.array(
        [
            cell if cell.casefold() not in UNKNOWN else f"(no {column}) {name}"
            for cell, name in zip(named, ids, strict=True)
        ]
    )


def _leave_out(manifest: Manifest, keep: NDArray[np.bool_], reasons: dict[int, str]) -> pd.DataFrame:
    """Marks rows as left out and lists those that were not left out before."""
    rows = [row for row in sorted(reasons) if keep[row]]
    keep[rows] = False
    if not keep.any():
        raise DataError(
            f"no row of '{manifest.where or manifest.name}' is left: the last went as '{reasons[rows[-1]]}'."
        )
    ids, numbers = manifest.frame["id"], manifest.file_rows
    return excluded_rows((int(numbers[row]), str(ids.iloc[row]), reasons[row]) for row in rows)


def _assemble(
    manifest: Manifest,
    store: Store,
    keep: NDArray[np.bool_],
    parts: tuple[dict[str, Attribute], NDArray[np.str_] | None, list[pd.DataFrame]],
) -> Dataset:
    attributes, clusters, out = parts
    frame = manifest.frame[keep]
    code = {name: at for at, name in enumerate(manifest.classes)}
    labels = np.array([code[label] for label in frame["label"]], dtype=np.int64)
    ids = np.array(frame["id"].tolist(), dtype=np.str_)
    excluded = pd.concat([part for part in out if len(part)] or out[:1], ignore_index=True)
    clusters = None if clusters is None else clusters[keep]
    # A copy in memory is the price of a gap: rows must go on meaning images.
    images = store.images if keep.all() else store.images[keep]
    digest = _digest(store.digest, ids, (labels, manifest.classes), attributes, clusters)
    made = Dataset(manifest.name, ids, images, labels, manifest.classes, attributes, clusters, excluded, digest)
    if manifest.published is None:
        return made
    return replace(made, coverage=Coverage(len(manifest.frame) - len(store.unreadable), manifest.published))


def _digest(
    pixels: str,
    ids: NDArray[np.str_],
    classes: tuple[NDArray[np.int64], tuple[str, ...]],
    attributes: dict[str, Attribute],
    clusters: NDArray[np.str_] | None,
) -> str:
    known = [pixels, ids.tolist(), classes[0].tolist(), classes[1]]
    known += [(each.name, each.groups, each.codes.tolist()) for each in attributes.values()]
    known.append(None if clusters is None else clusters.tolist())
    return hashlib.sha256(repr(known).encode()).hexdigest()
