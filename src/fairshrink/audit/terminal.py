"""An audit on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fairshrink.audit.record import Audit
from fairshrink.audit.text import Sheet, attribute_heading, heading, left_out, legend, printable, sheets, widths
from fairshrink.audit.words import sentences

_ABOVE = ("above", "above chance")
_LEGEND = (
    "by chance, up to: the null floor, what a model without any gap would show on as many images: its mean, and what it "
    "exceeds in 2.5 % of cases at most. The interval is corrected for the same effect and can lie below the value.",
    "for 0.05: on so many images of the same mix a true gap of 0.05 would be above chance in four of five cases.",
    "single classes: 'up to' is corrected for their number, 'alone' is not; 'if named' is above chance only for a class "
    "that was named before looking.",
)


def show(audit: Audit, console: Console) -> None:
    """Print scores, gaps, single classes and sentences of every attribute."""
    data = audit.to_dict()
    console.print(Text(heading(data)))
    for name, found in data["attributes"].items():
        console.print()
        console.print(Text(attribute_heading(name, found), style="bold"))
        for sheet in sheets(found, console.width):
            console.print(sheet_table(sheet, console.width))
        if more := left_out(found):
            console.print(Text(f"{more} more classes are in the JSON (--json FILE).", style="dim"))
        console.print()
        for text in sentences(found, data["convention"]):
            console.print(Padding(Text(text), (0, 0, 0, 2)))
        for note in found["notes"]:
            console.print(Text(f"note: {printable(note)}", style="dim"))
    console.print()
    for text in legend(list(data["attributes"].values())):
        console.print(Text(text, style="dim"))
    for note in (*data["notes"], *_LEGEND):
        console.print(Text(f"note: {printable(note)}", style="dim"))


def sheet_table(sheet: Sheet, width: int, strong: Sequence[str] = _ABOVE) -> Table:
    """A table for so many columns of text; rows with one of the `strong` words are bold."""
    between = 2 if sum(widths(sheet)) + 2 * len(sheet.head) <= width else 1
    table = Table(box=None, pad_edge=False, padding=(0, between, 0, 0), header_style="dim")
    for at, title in enumerate(sheet.head):
        table.add_column(Text(title), justify="left" if at == 0 else "right", no_wrap=at > 0 and title != "")
    for row in sheet.rows:
        # Text, not str: brackets in a name are no markup.
        table.add_row(*map(Text, row), style="bold" if any(cell in strong for cell in row[1:]) else None)
    return table
