"""The commands. Exit status: 0 done, 1 only for a --fail-if that holds, 2 for errors, 130 for Ctrl-C, 143 for SIGTERM."""

import sys
import traceback
from collections.abc import Callable

import typer
from rich.console import Console

from fairshrink.cli.analyse import analyse
from fairshrink.cli.audit import audit
from fairshrink.cli.data import app as data_app
from fairshrink.cli.experiment import demo, run
from fairshrink.cli.inspect import inspect
from fairshrink.cli.model import export, predict
from fairshrink.cli.report import report
from fairshrink.cli.stopping import stoppable
from fairshrink.cli.sweep import sweep
from fairshrink.errors import FairshrinkError
from fairshrink.terminal import plain

__all__ = ["app", "main"]

app = typer.Typer(
    name="fairshrink",
    help="Measures how differently an image classifier treats groups of people and narrows the gap by shrinking it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _add(command: Callable[..., None]) -> None:
    app.command()(stoppable(command))


for command in (demo, run, sweep, report, analyse, audit, predict, export, inspect):
    _add(command)
app.add_typer(data_app, name="data")


def main() -> None:
    """The program; errors that a user can mend are shown without a traceback."""
    errors = Console(stderr=True)
    try:
        app()
    except FairshrinkError as error:
        errors.print(plain(f"{type(error).__name__}: {error}"), soft_wrap=True)
        sys.exit(2)
    except Exception:
        # A fault of ours; Python's own status 1 would say that a --fail-if holds.
        traceback.print_exc()
        sys.exit(2)
