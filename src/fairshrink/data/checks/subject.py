"""What is checked, and what is known about its rows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.archive import Archive
from fairshrink.data.sources.table import Columns
from fairshrink.data.table import Missing


@dataclass(frozen=True)
class Subject:
    """A data set as an experiment names it; nothing of it has been read.

    Attributes:
        name: For the report and the decoded store.
        metadata: The table, a CSV file.
        images: Folder or zip archive; None = check the table only.
        columns: Which columns hold the image's name and the label, and the classes if they are declared.
        groups: Rules such as "sex" or "age >= 60".
        split_by: Column of the lesion or patient; None or "image": every image is its own.
        split_file: A published split.
        folds: How the rows are dealt where there is no split file.
        seed: The same.
        size: Pixels a side of the decoded store.
        missing: "exclude": what cannot be used is left out, so that it is a warning and no error.
        unknown: "exclude": rows of unknown first group are in no part.
        min_cell: Fewer images of a class in a group than this are reported.
    """

    name: str
    metadata: Path
    images: Path | None
    columns: Columns
    groups: tuple[str, ...] = ()
    split_by: str | None = None
    split_file: Path | None = None
    folds: int = 1
    seed: int = 0
    size: int = 64
    missing: Missing = "error"
    unknown: str = "train"
    min_cell: int = 10


@dataclass(frozen=True)
class Rows:
    """The table, as far as it can be read, N rows.

    Attributes:
        frame: All columns, text.
        rows: Row in the file, (N,).
        ids: The image's name, (N,); "" without such a column.
        labels: The class, (N,); "" without such a column.
        where: Name of the file.
    """

    frame: pd.DataFrame
    rows: NDArray[np.int64]
    ids: list[str]
    labels: list[str]
    where: str

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Fit:
    """Which image belongs to which row.

    Attributes:
        archive: The images; None where there are none.
        members: The image of each row, (N,); None where there is none, or no single one.
        usable: Rows that can be in the data set, (N,).
    """

    archive: Archive | None
    members: list[str | None]
    usable: NDArray[np.bool_]
