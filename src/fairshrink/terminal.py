"""What a person sees in the terminal: progress, lines, a small table. Text from users is shown, never interpreted."""

import unicodedata
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


def plain(text: object) -> Text:
    """Text without markup and without control characters, so that a file name cannot steer the terminal."""
    shown = str(text).encode("utf-8", "backslashreplace").decode()  # bytes of a file's name may be no text
    return Text("".join(c for c in shown if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf")))


class Screen:
    """An observer that shows lines, and one progress bar at a time where there is a terminal."""

    def __init__(self, console: Console, *, guess: bool = True) -> None:
        """Nothing is shown yet.

        Args:
            console: Where.
            guess: Say how long the bar will take, from how fast it has moved; not where who moves it says that.
        """
        self.console = console
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            *([TimeRemainingColumn()] if guess else []),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task: TaskID | None = None
        self.phase = ""

    def __enter__(self) -> "Screen":
        self.progress.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.progress.stop()

    def say(self, message: str) -> None:
        """Show a line."""
        self.console.print(plain(message), soft_wrap=True)

    def advance(self, what: str, done: int, total: int) -> None:
        """Move the bar; a new one when the work before the first comma is another."""
        phase = what.partition(",")[0]
        if self.task is None or phase != self.phase:
            if self.task is not None:
                self.progress.remove_task(self.task)
            self.task, self.phase = self.progress.add_task(what, total=total), phase
        self.progress.update(self.task, description=str(plain(what)), completed=done, total=total)


def table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """Rows with the same keys as a table; the first column is text, the others are right-aligned."""
    shown = Table(title=plain(title), title_justify="left")
    for number, name in enumerate(rows[0] if rows else ()):
        shown.add_column(plain(name), justify="left" if number == 0 else "right")
    for row in rows:
        shown.add_row(*(plain(cell) for cell in row.values()))
    return shown
