"""Any data set: a CSV with one row per image, and a folder or zip archive with the images."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.archive import Absent, Archive, FileImages, find, open_archive
from fairshrink.data.table import Coverage, Manifest, Missing, excluded_rows, first_few, need_column, read_csv
from fairshrink.errors import ConfigError, DataError, suggest

POLICIES = ("error", "exclude")
MANY = 20  # classes that are not listed one by one
Excluded = list[tuple[int, str, str]]
Complete = Callable[[pd.DataFrame, NDArray[np.int64], str], pd.DataFrame]


@dataclass(frozen=True)
class Columns:
    """Which columns of a table mean what.

    Attributes:
        image: File name of the image, with or without its ending.
        label: Name of the class.
        classes: The classes in order; None = those that occur, sorted.
        complete: What a source makes of its table (the rows, their numbers in the file, its name) before anything else looks
            at it: joins another table, gives columns one name; None = nothing.
        published: Images of the whole published set; None = it is nobody's but the user's.
    """

    image: str = "image"
    label: str = "label"
    classes: tuple[str, ...] | None = None
    complete: Complete | None = None
    published: int | None = None

    @property
    def in_file(self) -> tuple[str, ...]:
        """Columns that the file itself must have."""
        return (self.image,) if self.complete is not None else (self.image, self.label)


def table(
    images: Path | str | None,
    metadata: Path | str,
    *,
    image: str = "image",
    label: str = "label",
    classes: tuple[str, ...] | None = None,
    missing: Missing = "error",
) -> Manifest:
    """Any CSV with images beside it.

    Args:
        images: Folder (with any folders inside) or zip archive of JPEG and PNG images; None: look at the table only.
        metadata: CSV with one row per image.
        image: Its column with the image's file name, with or without its ending.
        label: Its column with the class.
        classes: The classes in the order of a model's outputs, also those that no row has; None: those that occur, sorted.
        missing: What to do with a row without image or label, an image without row, an image that cannot be read:
            stop with an error, or leave it out and list it.

    Raises:
        DataError: The table or the archive cannot be used, or something is missing.
    """
    metadata = Path(metadata)
    return read_manifest(metadata.stem, images, metadata, Columns(image, label, classes), missing=missing)


def read_manifest(
    name: str, images: Path | str | None, metadata: Path | str, columns: Columns, *, missing: Missing = "error"
) -> Manifest:
    """Brings table and images together; without images, the table is taken as if every row had its own.

    Raises:
        ConfigError: An unknown policy for what is missing.
        DataError: As for `table`; a class that is not among the declared ones; or not all of a published set is here.
    """
    if missing not in POLICIES:
        raise ConfigError(f"missing is '{missing}'.{suggest(str(missing), POLICIES)}")
    metadata = Path(metadata)
    frame, rows = read_table(metadata, columns)
    ids, labels = frame[columns.image].tolist(), frame[columns.label].tolist()
    _check_ids(ids, rows, metadata)
    archive = Absent(dict.fromkeys(ids, "")) if images is None else open_archive(Path(images))
    members = find(archive, ids)
    found = [member is not None for member in members]
    out: Excluded = _no_image(ids, members, rows) + _no_label(ids, labels, rows, found)
    out += _no_row(archive, members)
    keep = np.array([member is not None and not no_label(label) for member, label in zip(members, labels, strict=True)])
    coverage = None if columns.published is None else Coverage(int(keep.sum()), columns.published)
    if out and missing == "error":
        raise DataError(_complaint(out, metadata, archive, coverage))
    if missing == "error" and coverage is not None and not coverage.whole:
        raise DataError(f"{coverage.words()}: '{metadata.name}' has {len(frame):,} rows. {_GO_ON}")
    if not keep.any():
        raise DataError(f"no row of '{metadata.name}' has both an image in {archive.where} and a label.")
    kept = tuple(member for member, is_kept in zip(members, keep, strict=True) if is_kept and member is not None)
    canonical = _canonical(frame, columns)[keep].reset_index(drop=True)
    classes = _classes(canonical["label"].tolist(), columns, rows[keep], metadata)
    return Manifest(
        name=name,
        frame=canonical,
        classes=classes,
        images=FileImages(archive, kept),
        excluded=excluded_rows(sorted(out)),
        rows=rows[keep],
        where=metadata.name,
        missing=missing,
        published=columns.published,
    )


def read_table(metadata: Path, columns: Columns) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The rows as the source means them, and each row's number in the file.

    Raises:
        DataError: The file or one that belongs to it cannot be used, or a column is missing.
    """
    frame, rows = read_csv(metadata, columns.in_file)
    if columns.complete is None:
        return frame, rows
    frame = columns.complete(frame, rows, metadata.name)
    need_column(columns.label, frame.columns, f"'{metadata.name}'")
    return frame, rows


def _canonical(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Columns "id" and "label", then the table's own; one of these names that means something else is told apart."""
    own = frame.rename(columns={name: f"{name} (table)" for name in ("id", "label") if name in frame.columns})
    return pd.concat([pd.DataFrame({"id": frame[columns.image], "label": frame[columns.label]}), own], axis=1)


def _check_ids(ids: list[str], rows: NDArray[np.int64], metadata: Path) -> None:
    empty = [int(row) for name, row in zip(ids, rows, strict=True) if not name]
    if empty:
        raise DataError(f"{len(empty):,} rows of '{metadata.name}' name no image: rows {first_few(empty)}.")
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        at = [int(row) for name, row in zip(ids, rows, strict=True) if name == twice[0]]
        raise DataError(
            f"'{metadata.name}' names {len(twice):,} images more than once, such as '{twice[0]}' in rows {first_few(at)}. "
            "One row per image is expected: delete the others."
        )


def _no_image(ids: list[str], members: list[str | None], rows: NDArray[np.int64]) -> Excluded:
    return [
        (int(row), name, "row without image")
        for name, member, row in zip(ids, members, rows, strict=True)
        if member is None
    ]


def _no_label(ids: list[str], labels: list[str], rows: NDArray[np.int64], found: list[bool]) -> Excluded:
    """Only of rows with an image: a row is listed once."""
    return [
        (int(row), name, "row without label")
        for name, label, row, has_image in zip(ids, labels, rows, found, strict=True)
        if has_image and no_label(label)
    ]


def _no_row(archive: Archive, members: list[str | None]) -> Excluded:
    return [(0, member, "image without row") for member in sorted(set(archive.members) - set(members))]


def no_label(label: str) -> bool:
    """Empty, or what pandas writes for it; a class may well be called "unknown"."""
    return label.casefold() in ("", "nan")


_GO_ON = 'Get the whole set, or go on with what is here by  missing = "exclude".'


def _complaint(out: Excluded, metadata: Path, archive: Archive, coverage: Coverage | None) -> str:
    lines = [f"'{metadata.name}' and {archive.where} do not fit together."]
    for reason in ("row without image", "row without label", "image without row"):
        found = [(row, name) for row, name, why in out if why == reason]
        if found:
            shown = [f"row {row:,} ({name})" if row else name for row, name in found]
            lines.append(f"  {reason}: {len(found):,}: {first_few(shown)}.")
    if coverage is not None and not coverage.whole:
        lines.append(f"  {coverage.words()}.")
    example = next(iter(archive.members))
    lines.append(f"  The images have names such as '{example}'.")
    lines.append(
        '  Correct the table or the images, or leave these out and have them listed with  missing = "exclude".'
    )
    return "\n".join(lines)


def _among(label: str, classes: Sequence[str], count: int) -> str:
    """The end of an error about an unknown class: all classes, or the nearest where they are many."""
    like = f"{count:,} rows are like this."
    if len(classes) <= MANY:
        return f"{suggest(label, classes)} {like} The classes are {', '.join(classes)}."
    near = " or ".join(f"'{name}'" for name in get_close_matches(label, classes, n=3))
    meant = f" Did you mean {near}?" if near else ""
    return f"{meant} {like} There are {len(classes)} classes, such as {first_few(classes[:3])}."


def _classes(labels: Sequence[str], columns: Columns, rows: NDArray[np.int64], metadata: Path) -> tuple[str, ...]:
    found = sorted(set(labels))
    if columns.classes is not None:
        strange = [(label, int(row)) for label, row in zip(labels, rows, strict=True) if label not in columns.classes]
        if strange:
            label, row = strange[0]
            raise DataError(
                f"row {row:,} of '{metadata.name}': {columns.label} is '{label}'."
                f"{_among(label, columns.classes, len(strange))}"
            )
        return columns.classes
    if len(found) < 2:
        raise DataError(
            f"column '{columns.label}' of '{metadata.name}' has one class only, '{found[0]}'. Two at least are needed."
        )
    return tuple(found)
