"""`fairshrink report`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fairshrink.report.runs_page import summary_rows, write_comparison
from fairshrink.report.runs_words import headline
from fairshrink.terminal import plain, table


def report(
    paths: Annotated[list[Path], typer.Argument(help="Run folders and sweep folders.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write; the sweep folder if one is given, else report."),
    ] = None,
) -> None:
    """A page that compares the models of several runs, with its tables as CSV and Markdown."""
    written = write_comparison(paths, out)
    found, console = written.comparison, Console()
    for section in found.sections:
        console.print(table(f"{section.title}, on test images", summary_rows(section, found.differences)))
    console.print(plain(headline(found.sections, found.differences)), soft_wrap=True)
    for run in found.found.failed:
        console.print(plain(f"not compared: {run.name} ({run.state}): {run.error}"), soft_wrap=True)
    console.print(plain(f"tables: {written.tables[0].parent}"), soft_wrap=True)
    console.print(plain(f"picture: {written.picture}"), soft_wrap=True)
    console.print(plain(f"page: {written.page}"), soft_wrap=True)
