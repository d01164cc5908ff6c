"""Audit a file of predictions: what `fairshrink audit` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fairshrink.audit.against import AgainstRequest, run_against
from fairshrink.audit.core import audit
from fairshrink.audit.reading import Columns, read_predictions
from fairshrink.audit.record import Audit
from fairshrink.audit.rules import check_rule, parse_rule
from fairshrink.audit.terminal import show
from fairshrink.errors import ConfigError
from fairshrink.files import write_json

_UNNAMED = "the probabilities are not used: they cannot be, as an audit without min_cell says in detail."


@dataclass(frozen=True)
class AuditRequest:
    """The command's arguments.

    Attributes:
        predictions: The CSV file.
        columns: What its columns mean.
        convention: "strict" or "published".
        min_cell: Cells of a group and a class with fewer rows are suppressed; None: none is.
        n_boot: Draws for each floor and interval.
        seed: Of the draws.
        json: Where to write the audit as JSON.
        html: Where `write_page` writes; checked against the other files.
        fail_if: Conditions that make the exit status 1.
        against: Other models' files on the same rows; the audited file is the baseline.
        id_column: Names the rows of these files; None: found by itself.
    """

    predictions: Path
    columns: Columns
    convention: str = "strict"
    min_cell: int | None = None
    n_boot: int = 1000
    seed: int = 0
    json: Path | None = None
    html: Path | None = None
    fail_if: Sequence[str] = ()
    against: Sequence[Path] = ()
    id_column: str | None = None


def run_audit_command(
    request: AuditRequest,
    console: Console,
    write_page: Callable[[Audit, Sequence[dict[str, Any]]], object] | None = None,
) -> int:
    """Audit the file, compare it with others, print the tables, write the JSON and the page, check the conditions.

    Args:
        request: What was asked for.
        console: Where the tables go.
        write_page: Given the audit and the comparisons; writes the HTML page.

    Returns:
        Exit status: 1 when a condition of `fail_if` holds, else 0.

    Raises:
        FairshrinkError: Anything that cannot be used as it is; the command's exit status for it is 2.
    """
    rules = [parse_rule(text) for text in request.fail_if]
    if request.against and request.min_cell is not None:
        raise ConfigError("--against cannot be used with --min-cell: a comparison would give away the hidden cells.")
    _check_outputs(request)
    found = audit_file(request)
    show(found, console)
    comparisons = _compare(request, console)
    if request.json is not None:
        write_json(request.json, found.to_dict() | ({"comparisons": comparisons} if comparisons else {}))
    if write_page is not None:
        write_page(found, comparisons)
    # Every condition is looked at before any speaks: one that cannot be decided is an error, whatever the others say.
    held = [sentence for rule in rules for sentence in check_rule(rule, found)]
    for sentence in held:
        console.print(f"--fail-if {sentence}", style="bold red", markup=False, highlight=False)
    return 1 if held else 0


def _compare(request: AuditRequest, console: Console) -> list[dict[str, Any]]:
    if not request.against:
        return []
    how = {"convention": request.convention, "n_boot": request.n_boot, "seed": request.seed}
    asked = AgainstRequest(request.predictions, request.against, request.columns, request.id_column, **how)
    return run_against(asked, console)


def _check_outputs(request: AuditRequest) -> None:
    """No file that is read is written, and none is written twice."""
    inputs = {path.resolve() for path in (request.predictions, *request.against)}
    outputs = [path.resolve() for path in (request.json, request.html) if path is not None]
    for at, path in enumerate(outputs):
        if path in inputs or path in outputs[:at]:
            used = "one of the files to audit" if path in inputs else "the other output"
            raise ConfigError(f"'{path.name}' would be overwritten: it is {used} as well. Give another name.")


def audit_file(request: AuditRequest) -> Audit:
    """Read a CSV file of predictions and audit it.

    Raises:
        DataError: The file, a column, a cell or a row of probabilities cannot be used; rows are named.
        ConfigError: A group, the convention or a number of draws cannot be used.
    """
    read = read_predictions(request.predictions, request.columns)
    found = audit(
        read.y_true,
        read.y_pred,
        read.attributes,
        y_prob=read.y_prob,
        clusters=read.clusters,
        convention=request.convention,
        min_cell=request.min_cell,
        n_boot=request.n_boot,
        seed=request.seed,
    )
    # The notes name rows and values; with min_cell these may be of hidden images.
    notes = read.notes if request.min_cell is None else tuple(_UNNAMED for _ in read.notes)
    return replace(found, notes=(*notes, *found.notes))
