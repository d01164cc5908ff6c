"""Tables of what the run was: data, folds, choices, machine."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fairshrink.report import fixing, grids, splitting, words
from fairshrink.report.cells import Cell, Table, head, heads
from fairshrink.report.cells import words as word
from fairshrink.report.grids import candidate_names, metric_of
from fairshrink.report.records import Candidate, Choice, Run, Stage, Unprivileged
from fairshrink.report.tables import average
from fairshrink.report.words import count, gap_name, number, percent, signed

FIRST_ROWS = 12  # of what was left out; the rest is counted


def class_counts(run: Run, attribute: str) -> Table:
    """Images by class and group: who is in the data."""
    record = run.data.attributes[attribute]
    rows = [
        [word(name), *(Cell(count(n)) for n in row), Cell(count(sum(row)), strong=True)]
        for name, row in zip(run.data.classes, record.counts, strict=True)
    ]
    totals = [sum(column) for column in zip(*record.counts, strict=True)]
    known = sum(totals)
    last = [
        [
            word("all classes", strong=True),
            *(Cell(count(n), strong=True) for n in totals),
            Cell(count(known), strong=True),
        ],
        [word("share"), *(Cell(percent(n / known if known else None)) for n in totals), Cell("")],
    ]
    unknown = f"{count(record.unknown)} more images have no known group: they count in no column and in no gap."
    note = unknown if record.unknown else "Every image has a known group."
    return Table(
        f"Images by class and group: {attribute}", [head("class"), *heads(*record.groups, "known")], [rows, last], note
    )


def splits(run: Run) -> Table:
    """Sizes of training, validation and test in each fold; folds count from 0 here as in the run folder."""
    parts = list(dict.fromkeys(part for split in run.data.splits for part in split))
    bodies = [
        [[word(f"fold {number_}"), *(Cell(count(split.get(part, 0))) for part in parts)]]
        for number_, split in enumerate(run.data.splits)
    ]
    return Table("Splits", [head(""), *heads(*(PARTS.get(part, part) for part in parts))], bodies, _how_split(run))


def _how_split(run: Run) -> str:
    if told := splitting.as_file_says(run):
        return f"{told[0].upper()}{told[1:]}."
    by = run.data.split_by
    together = f" Images that share a {by} stay together." if by and by != "image" else ""
    return f"Stratified by class and group.{together}"


PARTS = {"train": "training", "val": "validation", "test": "test"}


def excluded(run: Run) -> list[Table]:
    """What was left out: counts by reason, then the first rows; nothing when nothing was."""
    rows = run.data.excluded
    if not rows:
        return []
    reasons = Counter(row.reason for row in rows).most_common()
    by_reason = [[[word(reason), Cell(count(times))]] for reason, times in reasons]
    first = [
        [[Cell("–" if row.row is None else count(row.row)), word(row.id or "–"), word(row.reason)]]
        for row in rows[:FIRST_ROWS]
    ]
    rest = len(rows) - len(first)
    note = f"{count(rest)} more rows are in data.json." if rest else ""
    shown = "Rows left out" if not rest else f"The first {len(first)} of {count(len(rows))} rows left out"
    return [
        Table("Left out, by reason", [head("reason"), *heads("rows")], by_reason),
        Table(shown, [*heads("row"), head("id"), head("reason")], first, note),
    ]


def unprivileged(run: Run) -> list[Table]:
    """Which group each fold favours and what says so; one table for all steps that agree."""
    found: dict[str, tuple[list[Unprivileged], list[str]]] = {}
    for stage in fixing.shrunk(run) or run.stages:
        if stage.record.unprivileged:
            labels = found.setdefault(repr(stage.record.unprivileged), (stage.record.unprivileged, []))[1]
            labels += [stage.label] if fixing.favours(stage) else []
    return [_unprivileged(run, records, labels) for records, labels in found.values()]


def _unprivileged(run: Run, records: Sequence[Unprivileged], labels: Sequence[str]) -> Table:
    groups = run.data.attributes[run.data.shrunk_for].groups
    bodies = []
    for one in records:
        values = [Cell(number(one.f1.get(group)), strong=group == one.group) for group in groups]
        how = "measured" if one.measured else "set in the experiment"
        bodies.append([[word(f"fold {one.fold}"), *values, word(one.group, strong=True), word(how)]])
    columns = [head(""), *heads(*(f"F1, {group}" for group in groups)), head("unprivileged"), head("how")]
    used = f", as used by {', '.join(labels)}" if labels else "; no step of this run goes by it"
    return Table(
        f"The unprivileged group{used}",
        columns,
        bodies,
        "Macro F1 of the model before shrinking on validation. The group with the lowest is the unprivileged one.",
    )


def candidates(stage: Stage) -> Table | None:
    """The grid: each candidate's value in each fold, the chosen ones marked; None without a grid."""
    choice = stage.choice
    names = candidate_names(stage)
    if choice is None or len(names) < 2 or words.read_rule(choice.rule).kind == "as":
        return None
    folds = sorted({candidate.fold for candidate in choice.candidates})
    params, ways = grids.all_params(stage), {}
    for number_, name in names.items():
        way = ways.setdefault(repr(grids.without_ratio(params[number_])), [])
        way.append(_candidate(stage, choice, number_, name))
    name, rule = gap_name(metric_of(stage)), words.read_rule(choice.rule)
    others = "Macro" if rule.direct else f"{name}, macro"
    marked = "◇ what is on the Pareto front" if rule.kind == "pareto" else "brackets what is beyond the rule's bound"
    columns = [
        *(f"fold {fold}" for fold in folds),
        "mean",
        *([] if rule.direct else [name]),
        "macro F1",
        "its change",
    ]
    return Table(
        f"The grid of {stage.label}",
        [head("candidate"), *heads(*columns, "chosen in")],
        list(ways.values()),
        f"{rule.value_name[0].upper()}{rule.value_name[1:]} in each fold, on validation; ● marks what was chosen there, "
        f"{marked}. {others} F1 (average of the groups) and its change from the start are means over the folds. Validation "
        "values carry no interval here.",
    )


def _candidate(stage: Stage, choice: Choice, number_: int, name: str) -> list[Cell]:
    folds = sorted({candidate.fold for candidate in choice.candidates})
    mine = {c.fold: c for c in choice.candidates if c.candidate == number_}
    taken = {c.fold for c in choice.chosen if c.candidate == number_}
    of, cell = list(mine.values()), grids.cell(stage, list(mine.values()))
    values = [Cell(_value(stage, mine.get(fold), taken=fold in taken), strong=fold in taken) for fold in folds]
    direct = words.read_rule(choice.rule).direct
    means = [average([c.value for c in of]), *([] if direct else [cell.value]), average([c.f1 for c in of])]
    return [
        word(name, strong=True),
        *values,
        *(Cell(number(value)) for value in means),
        Cell(signed(cell.change)),
        Cell(f"{len(taken)} of {len(folds)}"),
    ]


def _value(stage: Stage, one: Candidate | None, *, taken: bool) -> str:
    if one is None:
        return "–"
    value = f"({number(one.value)})" if grids.is_excluded(stage, one) else number(one.value)
    marks = [*(["●"] if taken else []), *(["◇"] if one.front else [])]
    return " ".join([*marks, value])


def environment(run: Run) -> Table:
    """The machine and the versions."""
    return Table("", [], [[[word(str(key)), word(_fact(value))] for key, value in run.environment.items()]])


def seeds(run: Run) -> Mapping[str, Any]:
    """Every seed of the settings, by its key."""
    found = {"data.seed": run.data.seed, "audit": run.vanilla.audit.seed}
    for section, values in run.settings.items():
        if isinstance(values, dict) and "seed" in values:
            found[f"{section}.seed"] = values["seed"]
    return found


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return number(value, 1)
    return "–" if value is None else str(value)
