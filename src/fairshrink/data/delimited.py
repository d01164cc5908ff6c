"""Rows of cells from a text file: encodings, separators, quotation marks. What is unclear is refused, with its row."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fairshrink.errors import DataError

SEPARATORS = (",", ";", "\t")
NO_NUMBER = frozenset({"", "unknown", "nan", "na", "n/a", "null", "<na>"})
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_WHOLE = re.compile(r"[+-]?\d+")
_SAVE = "Save it as 'CSV UTF-8'."


def read_rows(path: Path, needed: Sequence[str]) -> tuple[list[tuple[int, list[str]]], str]:
    """The rows that are not blank, stripped, each with its number in the file, and the separator.

    The text is UTF-8, or UTF-16 with its mark. Cells are separated by commas, or by what else the header shows: if only
    semicolons or only tabs stand outside quotation marks there, by these; if several kinds do, by the one that gives the
    needed columns.

    Raises:
        DataError: The file cannot be read, is empty or no text, a quotation mark is left open, a cell is too long.
    """
    text = _text(path)
    separator = _separator(text, needed)
    rows = _parse(path.name, text, separator)
    if not rows:
        raise DataError(
            f"'{path.name}' has no cell with content. A first row with the names of the columns was expected."
        )
    return rows, separator


def with_decimal_points(column: Sequence[str], separator: str) -> list[str]:
    """Decimal commas made points: where commas do not separate cells, and all that is known in the column is a number.

    A column with points beside the commas stays as it is: 1.234 may be one thousand there.
    """
    if separator == ",":
        return list(column)
    known = [cell for cell in column if cell.casefold() not in NO_NUMBER]
    with_comma = [bool(_DECIMAL_COMMA.fullmatch(cell)) for cell in known]
    numbers = all(comma or _WHOLE.fullmatch(cell) for cell, comma in zip(known, with_comma, strict=True))
    if not any(with_comma) or not numbers:
        return list(column)
    return [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in column]


def _parse(name: str, text: str, separator: str) -> list[tuple[int, list[str]]]:
    rows: list[tuple[int, list[str]]] = []
    reader, number = _reader(text, separator), 0
    while True:
        number += 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return rows
        except csv.Error as error:
            raise DataError(
                f"row {number:,} of '{name}' is not a row of a table: {error}. Is a quotation mark left open there? "
                "Write one inside a cell twice."
            ) from error
        if any(cells):
            rows.append((number, cells))


def _reader(text: str, separator: str) -> Iterator[list[str]]:
    # Strict: without it a quotation mark that is left open swallows the rest of the file into one cell.
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _separator(text: str, needed: Sequence[str]) -> str:
    first = _QUOTED.sub("", text.lstrip("\r\n ").partition("\n")[0])
    there = [sign for sign in SEPARATORS if sign in first]
    if len(there) < 2:
        return there[0] if there else ","
    fitting = [sign for sign in there if set(needed) <= set(_header(text, sign))]
    return fitting[0] if len(fitting) == 1 else ","


def _header(text: str, separator: str) -> list[str]:
    """The first row that is not blank; nothing where it cannot be read."""
    try:
        return next(
            ([cell.strip() for cell in row] for row in _reader(text, separator) if any(map(str.strip, row))), []
        )
    except csv.Error:
        return []


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}. Give the path of a CSV file.") from error
    encoding = "utf-16" if raw.startswith(_UTF16) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        what = "UTF-16" if encoding == "utf-16" else "UTF-8"
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"'{path.name}' is not {what} text (byte {error.start:,}, line {line:,}). {_SAVE}") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"'{path.name}' is not a text file: it contains zero bytes, the first in line {line:,}. {_SAVE}"
        )
    if not text.strip():
        raise DataError(f"'{path.name}' is empty. A first row with the names of the columns was expected.")
    return text
