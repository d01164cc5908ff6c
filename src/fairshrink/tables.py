"""Tables as CSV that no spreadsheet takes for formulas."""

from pathlib import Path
from typing import Any

import pandas as pd

GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")


def safe_csv(frame: pd.DataFrame, *, header: bool = True) -> str:
    """CSV whose text cells no spreadsheet takes for a formula: an apostrophe stands before one that begins like one.

    It stands before cells that begin with an apostrophe, too, so that `read_safe_csv` can undo it.

    Args:
        frame: The table.
        header: Begin with the names of the columns; False for a part that follows another.
    """
    guarded = frame.copy()
    for name in guarded.columns:
        if guarded[name].dtype == object or pd.api.types.is_string_dtype(guarded[name]):
            guarded[name] = [_guard(cell) for cell in guarded[name]]
    guarded.columns = [_guard(name) for name in guarded.columns]
    # Python quotes a cell for the line end that it was told, but others take \r alone for one, too: told both, then undone
    # outside of quotes, where every second piece lies.
    pieces = guarded.to_csv(index=False, header=header, lineterminator="\r\n").split('"')
    return '"'.join(piece if at % 2 else piece.replace("\r\n", "\n") for at, piece in enumerate(pieces))


def read_safe_csv(path: Path) -> pd.DataFrame:
    """What `safe_csv` wrote, as text, without the apostrophes."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.map(lambda cell: cell.removeprefix("'")).rename(columns=lambda name: name.removeprefix("'"))


def _guard(cell: Any) -> Any:
    return f"'{cell}" if str(cell).startswith(GUARDED) else cell
