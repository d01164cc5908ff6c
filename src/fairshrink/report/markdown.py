"""Markdown whose every text stays text: names from tables of data make no markup, no cell, no link and no heading."""

import re
from collections.abc import Iterable, Mapping, Sequence

from fairshrink.report.cells import Cell, Table
from fairshrink.report.templates import shown

_MARKS = re.compile(r"([\\`*\[\]<|~$@]|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w]))")
_LINKS = re.compile(r"(://|www\.)", re.IGNORECASE)  # what GitHub makes a link of without being asked
# A heading, a quotation, a list, a rule: what a block may begin with.
_BLOCKS = re.compile(r"^(\d{1,9})?((?<=\d)[.)](?=\s|$)|(?<!\d)(?:[#>=]|[-+](?=[\s-]|$)))")
_NUMBER = re.compile(r"[●(]?[−+–]?\d|–?$")


def escape(text: object) -> str:
    r"""Text as it is to be read, on one line.

    >>> print(escape("a|b\n<c>"), escape("lesion_id"), escape("# x"))
    a\|b \<c> lesion_id \# x
    """
    line = " ".join(str(shown(str(text))).split())
    marked = _LINKS.sub(_apart, _MARKS.sub(r"\\\1", line))
    return _BLOCKS.sub(r"\1\\\2", marked)


def _apart(found: re.Match[str]) -> str:
    return "\\" + found[0] if found[0].startswith(":") else found[0].replace(".", "\\.")


def heading(level: int, text: str) -> str:
    """A heading of a level from 1 on."""
    return f"{'#' * level} {escape(text)}"


def paragraph(text: str) -> str:
    """Sentences."""
    return escape(text)


def bullets(texts: Iterable[str]) -> str:
    """A list of sentences."""
    return "\n".join(f"- {escape(text)}" for text in texts)


def named(texts: Mapping[str, str]) -> str:
    """A list of sentences, each with its name in bold."""
    return "\n".join(f"- **{escape(name)}**: {escape(text)}" for name, text in texts.items())


def open_items(texts: Iterable[str]) -> str:
    """A list of boxes to tick."""
    return "\n".join(f"- [ ] {escape(text)}" for text in texts)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; columns of numbers are set to the right."""
    body = [list(row) for row in rows]
    numbers = [bool(body) and all(_NUMBER.match(row[at]) for row in body) for at in range(len(heads))]
    ruler = " | ".join("---:" if right else "---" for right in numbers)
    return "\n".join([_row(heads), f"| {ruler} |", *map(_row, body)])


def of_cells(found: Table) -> list[str]:
    """A table of the page, its caption above and its note below; small lines under a number stand behind it."""
    columns = [cell.text for cell in found.heads] or [""] * len(found.bodies[0][0])
    rows = [[_text(cell) for cell in row] for body in found.bodies for row in body]
    around = [paragraph(text) if text else "" for text in (f"{found.caption}:" if found.caption else "", found.note)]
    return [block for block in (around[0], table(columns, rows), around[1]) if block]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"


def _text(cell: Cell) -> str:
    return f"{cell.text} ({'; '.join(cell.notes)})" if cell.notes else cell.text
