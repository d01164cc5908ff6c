"""The commands. Exit status: 0 done, 1 only for a --fail-if that holds, 2 for errors, 130 for Ctrl-C."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fairshrink.audit.file import AuditRequest, run_audit_command
from fairshrink.errors import FairshrinkError
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.demo import demo_experiment
from fairshrink.lab.plan import plan
from fairshrink.lab.run import run as run_experiment
from fairshrink.report.page import write_report
from fairshrink.report.tables import summary_rows
from fairshrink.terminal import Screen, plain, table

app = typer.Typer(
    name="fairshrink",
    help="Measures how differently an image classifier treats groups of people and narrows the gap by shrinking it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A few hundred images and two epochs: only to see that it works.")
    ] = False,
) -> None:
    """Synthetic lesions: train, audit, shrink, report; no data, no network."""
    _run(demo_experiment(quick=quick), out, beside=Path.cwd(), again=f"fairshrink demo --out {out}")


@app.command()
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
    _run(settings, folder, beside=experiment.parent, again="the same command")


@app.command()
def audit(
    predictions: Annotated[Path, typer.Argument(help="A CSV file with one row per image.")],
    label: Annotated[str, typer.Option(help="Column with the true class.")],
    group: Annotated[list[str], typer.Option(help="Column, 'age >= 60' or 'age bins 40, 60'; may be repeated.")],
    prediction: Annotated[
        str | None, typer.Option(help="Column with the predicted class; without it, columns prob_<class>.")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Column whose rows belong together: lesion, patient.")] = None,
    classes: Annotated[str | None, typer.Option(help="All classes, separated by commas.")] = None,
    convention: Annotated[str, typer.Option(help="strict, or published (as the papers' code counts).")] = "strict",
    n_boot: Annotated[int, typer.Option(help="Resamples for intervals and null floors.")] = 1000,
    seed: Annotated[int, typer.Option(help="For the resamples.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the audit as JSON.")] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Exit with status 1 when it holds: 'eopp1>0.2', 'sex:tpr[mel]>0.1'.")
    ] = None,
) -> None:
    """An audit of a predictions file, without a model."""
    request = AuditRequest(
        predictions=predictions,
        label=label,
        groups=group,
        prediction=prediction,
        cluster=cluster,
        classes=[name.strip() for name in classes.split(",")] if classes else (),
        convention=convention,
        n_boot=n_boot,
        seed=seed,
        json=json,
        fail_if=fail_if or (),
    )
    raise typer.Exit(run_audit_command(request, Console()))


def main() -> None:
    """The program; errors that a user can mend are shown without a traceback."""
    errors = Console(stderr=True)
    try:
        app()
    except FairshrinkError as error:
        errors.print(plain(f"{type(error).__name__}: {error}"), soft_wrap=True)
        sys.exit(2)


def _run(experiment: Experiment, folder: Path, *, beside: Path, again: str) -> None:
    console = Console()
    try:
        with Screen(console) as screen:
            paths = run_experiment(experiment, folder, beside=beside, observer=screen)
    except KeyboardInterrupt:
        console.print(plain(f"\nStopped. What is done lies in {folder}; {again} goes on from there."), soft_wrap=True)
        sys.exit(130)
    page = write_report(paths.root)
    console.print(table("On test images", summary_rows(paths.root)))
    console.print(plain(f"report: {page}"), soft_wrap=True)
