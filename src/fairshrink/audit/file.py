"""Audit a file of predictions: what `fairshrink audit` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fairshrink.audit.core import audit
from fairshrink.audit.reading import Columns, read_predictions
from fairshrink.audit.record import Audit
from fairshrink.audit.rules import check_rule, parse_rule
from fairshrink.audit.terminal import show
from fairshrink.files import write_json


@dataclass(frozen=True)
class AuditRequest:
    """The command's arguments.

    Attributes:
        predictions: The CSV file.
        columns: What its columns mean.
        convention: "strict" or "published".
        n_boot: Draws for each floor and interval.
        seed: Of the draws.
        json: Where to write the audit as JSON.
        fail_if: Conditions that make the exit status 1.
    """

    predictions: Path
    columns: Columns
    convention: str = "strict"
    n_boot: int = 1000
    seed: int = 0
    json: Path | None = None
    fail_if: Sequence[str] = ()


def run_audit_command(request: AuditRequest, console: Console) -> int:
    """Audit the file, print the tables, write the JSON, check the conditions.

    Returns:
        Exit status: 1 when a condition of `fail_if` holds, else 0.

    Raises:
        FairshrinkError: Anything that cannot be used as it is; the command's exit status for it is 2.
    """
    rules = [parse_rule(text) for text in request.fail_if]
    found = audit_file(request)
    show(found, console)
    if request.json is not None:
        write_json(request.json, found.to_dict())
    # Every condition is looked at before any speaks: one that cannot be decided is an error, whatever the others say.
    held = [sentence for rule in rules for sentence in check_rule(rule, found)]
    for sentence in held:
        console.print(f"--fail-if {sentence}", style="bold red", markup=False, highlight=False)
    return 1 if held else 0


def audit_file(request: AuditRequest) -> Audit:
    """Read a CSV file of predictions and audit it.

    Raises:
        DataError: The file, a column, a cell or a row of probabilities cannot be used; rows are named.
        ConfigError: A group, the convention or a number of draws cannot be used.
    """
    read = read_predictions(request.predictions, request.columns)
    return audit(
        read.y_true,
        read.y_pred,
        read.attributes,
        clusters=read.clusters,
        convention=request.convention,
        n_boot=request.n_boot,
        seed=request.seed,
    )
