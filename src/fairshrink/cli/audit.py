"""`fairshrink audit`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fairshrink.audit.file import AuditRequest, run_audit_command
from fairshrink.audit.reading import Columns
from fairshrink.audit.record import Audit
from fairshrink.report.audit_page import write_audit_page


def audit(
    predictions: Annotated[Path, typer.Argument(help="A CSV file with one row per image.")],
    label: Annotated[str, typer.Option(help="Column with the true class.")],
    group: Annotated[list[str], typer.Option(help="Column, 'age >= 60' or 'age bins 40, 60'; may be repeated.")],
    prediction: Annotated[
        str | None,
        typer.Option(help="Column with the predicted class; without it, the largest of the columns prob_<class>."),
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Column whose rows belong together: lesion, patient.")] = None,
    classes: Annotated[str | None, typer.Option(help="All classes, separated by commas.")] = None,
    convention: Annotated[str, typer.Option(help="strict, or published (as the papers' code counts).")] = "strict",
    min_cell: Annotated[
        int | None,
        typer.Option(help="For privacy: a group's images of a class that are fewer than this are not shown."),
    ] = None,
    n_boot: Annotated[int, typer.Option(help="Resamples for intervals and null floors.")] = 1000,
    seed: Annotated[int, typer.Option(help="For the resamples.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the audit as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the audit as a page for a browser.")] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another model's file on the same rows: what changed from PREDICTIONS to it; may be repeated."
        ),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(help="For --against: column that names the rows; else 'id', 'image' or 'image_id', or the order."),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(help="Exit with status 1 when it holds: 'eopp1>0.2', 'sex:tpr[mel]>0.1', 'tpr[mel]>chance'."),
    ] = None,
) -> None:
    """An audit of a predictions file, without a model.

    Columns prob_<class> add AUC and calibration by group.
    """

    def write_page(found: Audit, comparisons: Sequence[Mapping[str, Any]]) -> None:
        if html is not None:
            write_audit_page(found, html, f"Audit of {predictions.name}", comparisons)

    request = AuditRequest(
        predictions=predictions,
        columns=Columns(label, group, prediction, cluster, classes.split(",") if classes else ()),
        convention=convention,
        min_cell=min_cell,
        n_boot=n_boot,
        seed=seed,
        json=json,
        html=html,
        fail_if=fail_if or (),
        against=against or (),
        id_column=id,
    )
    raise typer.Exit(run_audit_command(request, Console(), write_page))
