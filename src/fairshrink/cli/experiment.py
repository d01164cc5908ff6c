"""`fairshrink demo` and `fairshrink run`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fairshrink.cli.stopping import Terminated, kept
from fairshrink.errors import FairshrinkError
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.demo import demo_experiment
from fairshrink.lab.following import follow
from fairshrink.lab.plan import plan
from fairshrink.lab.run import run as run_experiment
from fairshrink.lab.together import leading
from fairshrink.report.tables import summary_rows
from fairshrink.report.writing import write_all
from fairshrink.terminal import Screen, plain, table
from fairshrink.train.processes import crew


def demo(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A few hundred images and two epochs: only to see that it works.")
    ] = False,
) -> None:
    """Synthetic lesions: train, audit, shrink, report; no data, no network."""
    _run(lambda: (demo_experiment(quick=quick), out), beside=Path.cwd())


def run(
    experiment: Annotated[Path, typer.Argument(help="An experiment file (TOML), such as examples/ham10000.toml.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, as section.key=value; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME-DIGEST by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would be done.")] = False,
) -> None:
    """A whole experiment into a run folder; started again, it goes on where it was."""

    def load() -> tuple[Experiment, Path]:
        settings = load_experiment(experiment, overrides or [])
        return settings, out or Path("runs") / f"{experiment.stem}-{settings.digest()}"

    if not dry_run:
        _run(load, beside=experiment.parent)
    elif crew().rank == 0:
        settings, folder = load()
        plan(settings, folder, experiment.parent, Screen(Console()))


def _run(load: Callable[[], tuple[Experiment, Path]], *, beside: Path) -> None:
    """The whole run; in a process that `torchrun` started beside the first one, its part in the training."""
    if crew().rank > 0:
        _take_part(load, beside)
        return
    console = Console()
    with leading():
        experiment, folder = load()
        words = f"Finished epochs, settings and stages are kept in {folder}; the same command goes on from there."
        with kept(words), Screen(console) as screen:
            paths = run_experiment(experiment, folder, beside=beside, observer=screen, then=write_all)
    console.print(table("On test images", summary_rows(paths.root)))
    console.print(plain(f"report: {paths.report}"), soft_wrap=True)


def _take_part(load: Callable[[], tuple[Experiment, Path]], beside: Path) -> None:
    """What stops all is said once, by process 0; the exit status is the same."""
    try:
        follow(load, beside)
    except KeyboardInterrupt as stop:
        raise typer.Exit(143 if isinstance(stop, Terminated) else 130) from stop
    except FairshrinkError as error:
        raise typer.Exit(2) from error
