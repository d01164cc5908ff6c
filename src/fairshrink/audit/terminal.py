"""An audit on the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fairshrink.audit.record import Audit
from fairshrink.audit.text import Sheet, attribute_heading, classes_sheet, gaps_sheet, heading, printable, scores_sheet

_LEGEND = (
    "by chance, up to: the null floor, what a model without any gap would show on as many images: its mean, and what it "
    "exceeds in 2.5 % of cases. The interval is corrected for the same effect and can lie below the value."
)


def show(audit: Audit, console: Console) -> None:
    """Print scores, gaps and single classes of every attribute."""
    data = audit.to_dict()
    console.print(Text(heading(data)))
    for name, found in data["attributes"].items():
        console.print()
        console.print(Text(attribute_heading(name, found), style="bold"))
        console.print(_table(scores_sheet(found)))
        console.print(_table(gaps_sheet(found)))
        sheet, left_out = classes_sheet(found)
        console.print(_table(sheet))
        if left_out:
            console.print(Text(f"{left_out} more classes are in the JSON (--json FILE).", style="dim"))
        for note in found["notes"]:
            console.print(Text(f"note: {printable(note)}", style="dim"))
    console.print()
    for note in (*data["notes"], _LEGEND):
        console.print(Text(f"note: {printable(note)}", style="dim"))


def _table(sheet: Sheet) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for at, title in enumerate(sheet.head):
        table.add_column(Text(title), justify="left" if at == 0 else "right")
    for row in sheet.rows:
        # Text, not str: brackets in a name are no markup.
        table.add_row(*map(Text, row), style="bold" if row[-1].startswith("above") else None)
    return table
