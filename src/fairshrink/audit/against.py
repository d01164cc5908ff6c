"""Compare predictions files: what `fairshrink audit A.csv --against B.csv` does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from fairshrink.audit.changed import LEGEND, TOLD, Found, gaps_sheet, groups_sheet, overall_sheet, title
from fairshrink.audit.compare import compare
from fairshrink.audit.comparison import Comparison, adjust
from fairshrink.audit.pairing import FileRows, pair_rows
from fairshrink.audit.reading import Columns, Predictions, as_predictions, group_rules, read_predictions
from fairshrink.audit.terminal import sheet_table
from fairshrink.audit.text import printable
from fairshrink.data.table import read_csv
from fairshrink.errors import DataError


@dataclass(frozen=True)
class AgainstRequest:
    """What is to be compared.

    Attributes:
        baseline: The CSV file of A.
        others: The files of the other models, each compared with A.
        columns: What the columns mean. B may lack group and cluster columns, and the labels, when rows are found by id.
        id_column: Names the rows; None: "id", "image" or "image_id", if both files have it, or else the position.
        convention: "strict" or "published".
        n_boot: Paired draws.
        seed: Of the draws.
    """

    baseline: Path
    others: Sequence[Path]
    columns: Columns
    id_column: str | None = None
    convention: str = "strict"
    n_boot: int = 1000
    seed: int = 0


def run_against(request: AgainstRequest, console: Console) -> list[dict[str, Any]]:
    """Compare the files and print tables and sentences.

    Returns:
        One comparison per other file, ready for JSON.

    Raises:
        FairshrinkError: As `compare_files`.
    """
    found = [comparison.to_dict() for comparison in compare_files(request)]
    for data in found:
        show_comparison(data, console)
    return found


def compare_files(request: AgainstRequest) -> list[Comparison]:
    """Compare each of the other files with the baseline; p-values are adjusted over all of them together.

    Raises:
        DataError: A file, a column or a cell cannot be used, or the rows are not the same; rows are named.
        ConfigError: A group, the convention or a number of draws cannot be used.
    """
    a = read_predictions(request.baseline, request.columns)
    names = _short_names([request.baseline, *request.others])
    found = []
    for path, name in zip(request.others, names[1:], strict=True):
        b = _read_other(path, a, request)
        try:
            compared = compare(
                _labels(a, b),
                a.y_pred,
                b.y_pred,
                a.attributes,
                clusters=a.clusters,
                convention=request.convention,
                n_boot=request.n_boot,
                seed=request.seed,
            )
        except DataError as error:
            raise DataError(f"'{path.name}' cannot be compared with '{a.where}': {error}") from error
        found.append(replace(compared, models=(names[0], name)))
    return adjust(found)


def show_comparison(data: Found, console: Console) -> None:
    """Print a comparison's tables, and a sentence for each gap."""
    console.print()
    console.print(Text(title(data), style="bold"))
    console.print(sheet_table(overall_sheet(data), console.width, TOLD))
    for name, found in data["attributes"].items():
        console.print()
        console.print(Text(printable(name), style="bold"))
        for sheet in (gaps_sheet(found), groups_sheet(found)):
            console.print(sheet_table(sheet, console.width, TOLD))
        console.print()
        for change in found["gaps"].values():
            console.print(Padding(Text(change["verdict"]), (0, 0, 0, 2)))
    console.print()
    for note in (*data["notes"], *LEGEND):
        console.print(Text(f"note: {printable(note)}", style="dim"))


def _read_other(path: Path, a: Predictions, request: AgainstRequest) -> Predictions:
    """B in A's order, with A's labels, groups and clusters: B's own, where it has them, say the same."""
    columns = request.columns
    frame, rows = read_csv(path, [columns.prediction] if columns.prediction else [])
    named = [columns.label, *(rule.column for rule in group_rules(columns.groups, a.frame)), columns.cluster]
    shared: list[str] = list(dict.fromkeys(name for name in named if name))
    mine, theirs = FileRows(f"'{a.where}'", a.frame, a.rows), FileRows(f"'{path.name}'", frame, rows)
    order = pair_rows(mine, theirs, shared, request.id_column)
    ordered = frame.iloc[order].reset_index(drop=True)
    ordered = ordered.drop(columns=[name for name in shared if name in ordered.columns])
    return as_predictions(path.name, pd.concat([ordered, a.frame[shared]], axis=1), rows[order], columns)


def _labels(a: Predictions, b: Predictions) -> Any:
    """A's labels; where its classes are declared, with those that only B knows behind them."""
    if not isinstance(a.y_true, pd.Categorical):
        return a.y_true
    known = list(a.y_true.categories)
    theirs = list(b.y_true.categories) if isinstance(b.y_true, pd.Categorical) else sorted(set(b.y_pred.tolist()))
    return pd.Categorical(list(a.y_true), categories=[*known, *(name for name in theirs if name not in known)])


def _short_names(paths: Sequence[Path]) -> list[str]:
    """File names, with as many folders before them as it takes to tell them apart."""
    longest = max(len(path.parts) for path in paths)
    for parts in range(1, longest):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
