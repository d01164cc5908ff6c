"""`fairshrink audit`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fairshrink.audit.file import AuditRequest, run_audit_command
from fairshrink.audit.reading import Columns


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
        columns=Columns(label, group, prediction, cluster, classes.split(",") if classes else ()),
        convention=convention,
        n_boot=n_boot,
        seed=seed,
        json=json,
        fail_if=fail_if or (),
    )
    raise typer.Exit(run_audit_command(request, Console()))
