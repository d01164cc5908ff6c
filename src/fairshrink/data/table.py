"""What a source hands over: a checked table of rows, their classes, and where the pixels come from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.delimited import read_rows, with_decimal_points
from fairshrink.errors import DataError, suggest

Missing = Literal["error", "exclude"]
SHOWN = 5
_SIGNS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class Images(Protocol):
    """Pixels by row of the manifest; the store decodes them once."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the pixels may have changed (sizes, checksums, dates or a seed)."""
        ...

    def read(self, indices: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """The images of these rows, squared to size x size pixels: (n, size, size, 3). Called from several threads.

        Raises:
            DataError: One of the images cannot be read; the message names it.
        """
        ...


class Coverage(NamedTuple):
    """How much of a published data set is there.

    Attributes:
        here: Images that can be used.
        published: Images of the whole set.
    """

    here: int
    published: int

    @property
    def whole(self) -> bool:
        """Whether it is all of it."""
        return self.here == self.published

    def words(self, what: str = "images") -> str:
        """10,015 of 25,331 images are here."""
        return f"{self.here:,} of {self.published:,} {what} are here"


def nothing_excluded() -> pd.DataFrame:
    """An empty list of excluded rows."""
    return excluded_rows([])


def excluded_rows(rows: Iterable[tuple[int, str, str]]) -> pd.DataFrame:
    """A list of excluded rows from (row in the file or 0, id, reason)."""
    return pd.DataFrame(list(rows), columns=["row", "id", "reason"]).astype({"row": np.int64, "id": str, "reason": str})


@dataclass(frozen=True)
class Manifest:
    """Everything about a data set but its pixels.

    Attributes:
        name: Name of the data set, for reports.
        frame: Index 0..N-1; columns "id" (unique text) and "label" (text), then the source's own columns.
        classes: Names of the classes; their order is the class code.
        images: Where the pixels come from; row i of the frame is image i.
        excluded: Rows that were left out: row (in the file, its header being row 1; 0 = no row), id, reason.
        rows: Row in the file of each row of the frame, (N,); None = the table was not read from a file.
        where: Name of that file for error messages.
        missing: "error", or "exclude": list what cannot be decoded in `excluded` and go on.
        published: Images of the whole published set; None = it is no published set.
    """

    name: str
    frame: pd.DataFrame
    classes: tuple[str, ...]
    images: Images
    excluded: pd.DataFrame = field(default_factory=nothing_excluded)
    rows: NDArray[np.int64] | None = None
    where: str = ""
    missing: Missing = "error"
    published: int | None = None

    @property
    def file_rows(self) -> NDArray[np.int64]:
        """Row in the file of each row of the frame, (N,); counted from 2 (under a header) without a file."""
        return np.arange(2, len(self.frame) + 2) if self.rows is None else self.rows


def first_few(things: Sequence[object]) -> str:
    """The first of a list for an error: 'a', 'b', 'c' and 7 more."""
    shown = ", ".join(f"'{thing}'" if isinstance(thing, str) else f"{thing:,}" for thing in things[:SHOWN])
    return shown if len(things) <= SHOWN else f"{shown} and {len(things) - SHOWN:,} more"


def read_csv(path: Path, needed: Sequence[str]) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """A table as text, with nothing guessed: '007' stays '007' and 'NA' stays 'NA'.

    UTF-8 (or UTF-16 with its mark); commas, or semicolons or tabs where the header shows them. In a file with semicolons or
    tabs, 45,5 in a column of numbers is read as 45.5. Columns without name and without content are left out.

    Args:
        path: The file; its first row names the columns.
        needed: Columns that must be there.

    Returns:
        The table (every cell stripped text) and each row's number in the file, the header being row 1.

    Raises:
        DataError: The file cannot be read, a column is missing or named twice, or a row has too few or too many cells.
    """
    numbered, separator = read_rows(path, needed)
    header, body = numbered[0][1], numbered[1:]
    ragged = [number for number, cells in body if len(cells) != len(header)]
    # A header that is wrong altogether says more than its rows do.
    kept = [at for at, name in enumerate(header) if name or any(len(cells) <= at or cells[at] for _, cells in body)]
    _check_header(path, [header[at] for at in kept], needed)
    if ragged:
        raise DataError(
            f"row {ragged[0]:,} of '{path.name}' does not have {len(header)} cells as the header does. "
            f"{len(ragged):,} rows are like this: {first_few(ragged)}. Quote cells that contain {_SIGNS[separator]}."
        )
    if not body:
        raise DataError(f"'{path.name}' has a header but no rows.")
    columns = {header[at]: with_decimal_points([cells[at] for _, cells in body], separator) for at in kept}
    return pd.DataFrame(columns, dtype=object), np.array([number for number, _ in body], dtype=np.int64)


def need_column(name: str, columns: Iterable[object], where: str) -> None:
    """Refuses a column that is not there.

    Raises:
        DataError: With the nearest column that is there.
    """
    known = [str(column) for column in columns]
    if name not in known:
        raise DataError(f"{where} has no column '{name}'.{suggest(name, known)}")


def _check_header(path: Path, header: list[str], needed: Sequence[str]) -> None:
    if header.count("") > 1:
        raise DataError(f"'{path.name}' has {header.count('')} columns without a name. Name them in its first row.")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"'{path.name}' names a column twice: {first_few(twice)}. Rename or delete one of them.")
    if len(header) == 1 and len(needed) > 1 and any(sign in header[0] for sign in ";\t|"):
        raise DataError(f"'{path.name}' has one column only: '{header[0]}'. Save it with commas between the cells.")
    for name in needed:
        need_column(name, header, f"'{path.name}'")
