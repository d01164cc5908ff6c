"""Groups of people from columns of a table: a column's values, a threshold or bins."""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.table import first_few, need_column
from fairshrink.errors import ConfigError, DataError

UNKNOWN = frozenset({"", "unknown", "nan", "na", "n/a", "null", "<na>"})  # in any case; a source maps its own signs
MOST_GROUPS = 100
OPPOSITE = {">=": "<", ">": "<=", "<": ">=", "<=": ">"}

_THRESHOLD = re.compile(r"^(?P<column>.*?)\s*(?P<sign>[<>=!]+)\s*(?P<value>.*)$")
_BINS = re.compile(r"^(?P<column>.+?)\s+bins\b\s*(?P<edges>.*)$")


@dataclass(frozen=True)
class Attribute:
    """A sensitive attribute of every row.

    Attributes:
        name: As it was asked for: "sex", "age >= 60".
        groups: Names of the groups; their order is the group code.
        codes: Group of each row, (N,), -1 where it is unknown.
    """

    name: str
    groups: tuple[str, ...]
    codes: NDArray[np.int64]

    @property
    def unknown(self) -> int:
        """Rows whose group is not known."""
        return int((self.codes < 0).sum())


@dataclass(frozen=True)
class GroupRule:
    """How a row's group follows from a column.

    Attributes:
        name: The rule as it was written, with single blanks.
        column: The column it needs.
        kind: "column" (every value is a group), "threshold" or "bins".
        sign: Of a threshold: >=, >, < or <=.
        edges: The threshold, or the edges between the bins, rising.
    """

    name: str
    column: str
    kind: Literal["column", "threshold", "bins"] = "column"
    sign: str = ">="
    edges: tuple[float, ...] = ()

    def assign(self, frame: pd.DataFrame, *, rows: NDArray[np.int64] | None = None, where: str = "") -> Attribute:
        """The group of every row. Empty cells, 'unknown' and, among whole numbers only, -1 are unknown.

        Args:
            frame: The table, N rows.
            rows: Row numbers for error messages, (N,).
            where: Name of the table for error messages.

        Raises:
            DataError: No such column, text where a number is needed, one group only, an empty bin, or too many groups.
        """
        table = f"'{where}'" if where else "the table"
        need_column(self.column, frame.columns, table)
        cells = [_cell(value) for value in frame[self.column]]
        known = _known(cells)
        if self.kind == "column":
            groups, codes = self._by_value(cells, known)
        else:
            numbers = self._numbers(cells, known, np.arange(2, len(cells) + 2) if rows is None else rows, table)
            groups, codes = self._labels(), np.where(known, self._sort(numbers), -1)
        self._check(groups, codes, table)
        return Attribute(self.name, groups, codes.astype(np.int64))

    def not_numbers(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Rows with text where the rule needs a number, (N,)."""
        cells = [_cell(value) for value in frame[self.column]]
        if self.kind == "column":
            return np.zeros(len(cells), dtype=bool)
        return _known(cells) & ~np.isfinite(np.array([_number(cell) for cell in cells], dtype=np.float64))

    def _by_value(self, cells: list[str], known: NDArray[np.bool_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        values = {cell for cell, is_known in zip(cells, known, strict=True) if is_known}
        numeric = all(math.isfinite(_number(value)) for value in values)
        groups = tuple(sorted(values, key=lambda value: (_number(value) if numeric else 0.0, value)))
        code = {group: at for at, group in enumerate(groups)}
        return groups, np.array([code.get(cell, -1) for cell in cells], dtype=np.int64)

    def _numbers(
        self, cells: list[str], known: NDArray[np.bool_], rows: NDArray[np.int64], table: str
    ) -> NDArray[np.float64]:
        numbers = np.array([_number(cell) for cell in cells], dtype=np.float64)
        bad = np.flatnonzero(known & ~np.isfinite(numbers))
        if len(bad):
            at = int(bad[0])
            raise DataError(
                f"row {int(rows[at]):,} of {table}: {self.column} is '{cells[at]}', but the group '{self.name}' needs a "
                f"number.\n  {len(bad):,} rows are like this. Correct them, or empty the cells: rows of unknown group are "
                'left out with  unknown = "exclude";  with  unknown = "train"  they are trained on and count in overall '
                "numbers, but in no group."
            )
        return numbers

    def _sort(self, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        # >= and < put the edge itself into the upper group, > and <= into the lower one.
        upper = self.kind == "bins" or self.sign in (">=", "<")
        return np.searchsorted(np.array(self.edges), numbers, side="right" if upper else "left").astype(np.int64)

    def _labels(self) -> tuple[str, ...]:
        edges = [f"{edge:.12g}" for edge in self.edges]
        if self.kind == "threshold":
            low = self.sign if self.sign.startswith("<") else OPPOSITE[self.sign]
            return f"{self.column} {low} {edges[0]}", f"{self.column} {OPPOSITE[low]} {edges[0]}"
        between = [f"{low} to < {high}" for low, high in pairwise(edges)]
        return f"< {edges[0]}", *between, f">= {edges[-1]}"

    def _check(self, groups: tuple[str, ...], codes: NDArray[np.int64], table: str) -> None:
        sizes = np.bincount(codes[codes >= 0], minlength=len(groups))
        filled = [group for group, size in zip(groups, sizes, strict=True) if size]
        unknown = int((codes < 0).sum())
        if len(filled) < 2:
            held = f"one group only, '{filled[0]}'" if filled else "no known value"
            raise DataError(
                f"'{self.name}' has {held} in the {len(codes):,} rows of {table} ({unknown:,} unknown). "
                "A gap needs at least two groups: choose another column or threshold."
            )
        if len(filled) < len(groups):
            empty = [group for group in groups if group not in filled]
            raise DataError(f"'{self.name}' has no row in {first_few(empty)}. Choose other edges.")
        if len(groups) > MOST_GROUPS:
            raise DataError(
                f"'{self.name}' has {len(groups):,} different values, more than {MOST_GROUPS} groups. "
                f"Cut numbers into a few:  '{self.column} >= 60'  or  '{self.column} bins 40, 60'."
            )


def parse_group(text: str) -> GroupRule:
    """Reads a rule: 'sex', 'age >= 60' or 'age bins 40, 60'.

    Raises:
        ConfigError: It is none of the three.
    """
    name = " ".join(text.replace("≥", ">=").replace("≤", "<=").split())
    if found := _BINS.match(name):
        edges = _edges(name, found["edges"])
        column = found["column"]
        return GroupRule(f"{column} bins {', '.join(f'{edge:.12g}' for edge in edges)}", column, "bins", edges=edges)
    if found := _THRESHOLD.match(name):
        value = _number(found["value"])
        if not found["column"] or found["sign"] not in OPPOSITE or not math.isfinite(value):
            raise ConfigError(f"cannot read the group '{text}'.{_HOW}")
        written = f"{found['column']} {found['sign']} {value:.12g}"
        return GroupRule(written, found["column"], "threshold", found["sign"], (value,))
    if not name:
        raise ConfigError(f"a group is empty.{_HOW}")
    return GroupRule(name, name)


_HOW = " Write a column ('sex'), a threshold ('age >= 60'; also >, <, <=) or bins ('age bins 40, 60')."


def _edges(name: str, text: str) -> tuple[float, ...]:
    edges = tuple(_number(edge) for edge in text.split(","))
    rising = all(low < high for low, high in pairwise(edges))
    if not all(math.isfinite(edge) for edge in edges) or not rising:
        raise ConfigError(f"the edges of '{name}' are not rising numbers: '{text}'.{_HOW}")
    return edges


def _cell(value: object) -> str:
    return "" if value is None else str(value).strip()


def _known(cells: list[str]) -> NDArray[np.bool_]:
    values = {cell: _number(cell) for cell in set(cells) if cell.casefold() not in UNKNOWN}
    if all(number.is_integer() for number in values.values()):
        # Data sets that code groups as whole numbers write -1 for unknown, as Fitzpatrick-17k does.
        values = {cell: number for cell, number in values.items() if number != -1}
    return np.array([cell in values for cell in cells], dtype=bool)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
