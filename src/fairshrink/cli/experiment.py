"""`fairshrink demo` and `fairshrink run`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fairshrink.cli.stopping import kept
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.demo import demo_experiment
from fairshrink.lab.plan import plan
from fairshrink.lab.run import run as run_experiment
from fairshrink.report.page import write_report
from fairshrink.report.tables import summary_rows
from fairshrink.terminal import Screen, plain, table


def demo(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A few hundred images and two epochs: only to see that it works.")
    ] = False,
) -> None:
    """Synthetic lesions: train, audit, shrink, report; no data, no network."""
    _run(demo_experiment(quick=quick), out, beside=Path.cwd())


def run(
    experiment: Annotated[Path, typer.Argument(help="An experiment file (TOML), such as examples/ham10000.toml.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, as section.key=value; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME-DIGEST by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would be done.")] = False,
) -> None:
    """A whole experiment into a run folder; started again, it goes on where it was."""
    settings = load_experiment(experiment, overrides or [])
    folder = out or Path("runs") / f"{experiment.stem}-{settings.digest()}"
    if dry_run:
        plan(settings, folder, experiment.parent, Screen(Console()))
        return
    _run(settings, folder, beside=experiment.parent)


def _run(experiment: Experiment, folder: Path, *, beside: Path) -> None:
    console = Console()
    words = f"Finished epochs, settings and stages are kept in {folder}; the same command goes on from there."
    with kept(words), Screen(console) as screen:
        paths = run_experiment(experiment, folder, beside=beside, observer=screen, then=write_report)
    console.print(table("On test images", summary_rows(paths.root)))
    console.print(plain(f"report: {paths.report}"), soft_wrap=True)
