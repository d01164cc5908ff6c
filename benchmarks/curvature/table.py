"""Records as text: a table that reads well on a terminal and in Markdown."""

from typing import Any

TITLES = (
    "",
    "samples",
    "ms a sample",
    "x faster",
    "x plain",
    "x backward",
    "error, pooled (worst)",
    "lowest 5 %",
    "peak MB",
)


def table(record: dict[str, Any]) -> str:
    """One setting: a title, the methods from slow to fast, and what else there is to say."""
    order = sorted(record["rows"], key=lambda row: -(row["seconds"] or float("inf")))
    lines = [TITLES, *(_line(row) for row in order)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(TITLES))]
    shown = [_joined(line, widths) for line in lines]
    rule = "|" + "|".join("-" * (width + 1) + (":" if at else "-") for at, width in enumerate(widths)) + "|"
    return "\n".join([_title(record), "", shown[0], rule, *shown[1:], "", *_remarks(record)])


def _title(record: dict[str, Any]) -> str:
    return f"### {record['name']}: {record['per_group']} samples in each of 2 groups, mean confidence {record['confidence']:.2f}"


def _joined(line: tuple[str, ...], widths: list[int]) -> str:
    first, *others = zip(line, widths, strict=True)
    return "| " + " | ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]) + " |"


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    error = "" if row["pooled"] is None else f"{_percent(row['pooled'])} ({_percent(row['worst'])})"
    if row["seconds"] is None:
        return (row["method"], "0", "does not fit", "", "", "", "", "", f"over what is free, batch {row['batch']}")
    return (
        row["method"],
        str(row["samples"]),
        _figures(1000 * row["seconds"]),
        "" if row["faster"] is None else _figures(row["faster"]),
        _figures(row["to_plain"]),
        "" if row["method"].startswith("plain") else _figures(row["to_backward"]),
        error,
        "" if row["overlap"] is None else f"{100 * row['overlap']:.1f} %",
        f"{row['memory'] / 1e6:,.0f} (batch {row['batch']})",
    )


def _remarks(record: dict[str, Any]) -> list[str]:
    found = {row["method"]: row for row in record["rows"]}
    one, four = found["ours, 1 column"]["seconds"], found["ours, 4 columns"]["seconds"]
    lines = [
        f"- One more column of ours: {(four - one) / 3 / record['backward']:.2f} plain backward passes (4 against 1)."
    ]
    reference = record["reference"]
    if reference["columns"] is None:
        lines.append(f"- Exact on all samples: {_figures(1000 * reference['seconds'])} ms a sample.")
    else:
        lines.append(
            f"- Held against {reference['columns']:g} columns, not the exact diagonal; they are {_percent(reference['error'])} "
            "from it on the few samples."
        )
    small = record["memory_of_small_batches"]
    if others := {name: value for name, value in small.items() if name != "batch"}:
        shown = ", ".join(
            f"{name}: {'too much' if value is None else f'{value / 1e6:,.0f}'}" for name, value in others.items()
        )
        lines.append(f"- Peak MB at batches of {small['batch']}: {shown}.")
    if record["unused"] >= 0.001:
        lines.append(
            f"- {_percent(record['unused'])} of the weights have no curvature at all: equally low, ties to the first."
        )
    return lines


def _percent(value: float) -> str:
    if value >= 0.1:
        return f"{100 * value:.0f} %"
    return f"{100 * value:.2g} %" if value == 0 or value >= 1e-6 else f"{100 * value:.0e} %"


def _figures(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
