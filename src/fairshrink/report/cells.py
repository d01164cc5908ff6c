"""Tables as cells ready to be set; a gap never stands without its interval and floor."""

from collections.abc import Sequence
from typing import NamedTuple

from fairshrink.report.audited import Gap
from fairshrink.report.words import interval, number

LONGEST_HEAD = 40


class Cell(NamedTuple):
    """One cell: a text, smaller lines below it, and how it is set."""

    text: str
    notes: tuple[str, ...] = ()
    kind: str = "number"  # number | word | prose | head
    strong: bool = False
    rows: int = 1


class Table(NamedTuple):
    """A table: heads, and bodies of rows that belong together."""

    caption: str
    heads: Sequence[Cell]
    bodies: Sequence[Sequence[Sequence[Cell]]]
    note: str = ""


def words(text: str, *notes: str, strong: bool = False) -> Cell:
    """A cell of text."""
    return Cell(text, notes, "word", strong)


def prose(text: str) -> Cell:
    """A cell of whole sentences, the last of its row: it takes the width that the others leave, or a line of its own."""
    return Cell(text, kind="prose")


def prose_head() -> Cell:
    """The head of a column of sentences."""
    return Cell("in words", kind="head prose")


def head(text: str) -> Cell:
    """The head of a column of words."""
    return Cell(text, kind="head")


def heads(*texts: str) -> list[Cell]:
    """Heads of columns of numbers; a very long name is cut, its own row has it whole."""
    return [Cell(text if len(text) <= LONGEST_HEAD else f"{text[: LONGEST_HEAD - 1]}…") for text in texts]


def gap_cell(gap: Gap) -> Cell:
    """A gap with its interval and floor; bold when it is above chance."""
    if gap.value is None:
        return Cell(number(None), ("undefined",))
    notes = (interval(gap), f"chance {number(gap.null_high)}")
    undefined = (f"{gap.undefined} undefined",) if gap.undefined else ()
    return Cell(number(gap.value), notes + undefined, strong=gap.above_chance)
