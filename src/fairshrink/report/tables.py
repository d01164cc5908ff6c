"""Tables of what was measured on test, as cells ready to be set; numbers never stand without their interval and floor."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fairshrink.audit.changed import LEVEL
from fairshrink.metrics.tradeoff import fate
from fairshrink.report import fixing, paired
from fairshrink.report.audited import AttributeAudit, Rates, Scores
from fairshrink.report.cells import Cell, Table, gap_cell, head, heads, words
from fairshrink.report.compared import Change
from fairshrink.report.paired import Pair
from fairshrink.report.reading import read_run
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import (
    GAP_NAMES,
    OF_GROUPS,
    count,
    counted,
    gap_name,
    interval,
    number,
    percent,
    probability,
    settings,
    signed,
    signed_interval,
)

FATE_GAPS = ("eopp0", "eopp1", "eodd")
SCORES: dict[str, Callable[[Scores], float | None]] = {
    "accuracy": lambda s: s.accuracy,
    "precision": lambda s: s.precision,
    "recall": lambda s: s.recall,
    "F1": lambda s: s.f1,
}


def average(values: Sequence[float | None]) -> float | None:
    """The mean of the groups' values; None when one of them is undefined."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def average_f1(audit: AttributeAudit) -> float | None:
    """Macro F1, average of the groups: the score of FATE."""
    return average([scores.f1 for scores in audit.groups.values()])


def difference(values: Sequence[float | None]) -> float | None:
    """Largest minus smallest; None when one of them is undefined."""
    known = [value for value in values if value is not None]
    return max(known) - min(known) if known and len(known) == len(values) else None


def fate_of(run: Run, stage: Stage, attribute: str, gap: str) -> float | None:
    """FATE of a stage against the vanilla model; None for that model, and where it is undefined."""
    after, before = stage.audit.attributes[attribute], run.vanilla.audit.attributes[attribute]
    values = (average_f1(after), average_f1(before), after.gaps[gap].value, before.gaps[gap].value)
    if stage is run.vanilla or None in values or not values[1] or not values[3]:
        return None
    acc, acc_baseline, value, baseline = (float(v) for v in values if v is not None)
    return float(fate(acc, acc_baseline, value, baseline))


def summary_rows(folder: Path) -> list[dict[str, str]]:
    """One row per model for the terminal: column -> cell, test values for the attribute that was shrunk for.

    Raises:
        StoreError: A record of the run folder is missing or damaged.
    """
    run = read_run(folder)
    return [_summary_row(run, stage, run.data.shrunk_for) for stage in run.stages]


def _summary_row(run: Run, stage: Stage, attribute: str) -> dict[str, str]:
    audit = stage.audit.attributes[attribute]
    gap, value = audit.gaps["eopp1"], fate_of(run, stage, attribute, "eopp1")
    return {
        "model": stage.label,
        "macro F1": number(average_f1(audit)),
        f"EOpp1, {attribute}": f"{number(gap.value)} ({interval(gap)})",
        "chance": number(gap.null_high),
        "FATE": "baseline" if stage is run.vanilla else signed(value),
        fixing.column(run).replace("zero weights", "zeros"): fixing.cell(run, stage).text,
    }


def glance(run: Run) -> Table:
    """The first screen's table: one row per model."""
    attribute, bodies = run.data.shrunk_for, []
    for stage in run.stages:
        cells = [words(stage.label, strong=True), fixing.cell(run, stage)]
        cells.append(Cell(number(average_f1(stage.audit.attributes[attribute]))))
        cells += [gap_cell(stage.audit.attributes[name].gaps["eopp1"]) for name in run.attributes]
        value = fate_of(run, stage, attribute, "eopp1")
        cells.append(Cell(signed(value) if stage is not run.vanilla else "baseline"))
        bodies.append([cells])
    return Table(
        "Every model at a glance, on test images",
        [head("model"), *heads(fixing.column(run), "macro F1", *(f"EOpp1, {name}" for name in run.attributes), "FATE")],
        bodies,
        f"Macro F1: average of the groups of {attribute}. FATE: in EOpp1 for {attribute} against the vanilla model; above 0, "
        "the gap shrank by a larger share than macro F1 did. "
        "Under each gap: its interval, then the largest gap that chance alone produces in "
        "39 of 40 cases. Bold: above that.",
    )


def scores(run: Run, attribute: str) -> Table:
    """Accuracy, macro precision, recall and F1 by group, their average and difference, for every model."""
    bodies = []
    for stage in run.stages:
        groups = stage.audit.attributes[attribute].groups
        columns = [[score(one) for one in groups.values()] for score in SCORES.values()]
        rows = [
            [words(group), Cell(counted(one.n, None)), *(Cell(number(values[i])) for values in columns)]
            for i, (group, one) in enumerate(groups.items())
        ]
        total = sum(one.n or 0 for one in groups.values())
        rows.append([words("average"), Cell(count(total)), *(Cell(number(average(v)), strong=True) for v in columns)])
        rows.append([words("difference"), Cell(""), *(Cell(number(difference(v))) for v in columns)])
        rows[0].insert(0, Cell(stage.label, kind="word", strong=True, rows=len(rows)))
        bodies.append(rows)
    return Table(
        f"How well each group is served: {attribute}",
        [head("model"), head("group"), *heads("n", *SCORES)],
        bodies,
        "Precision, recall and F1 are macro averages over the classes. Average: the mean of the groups' values; "
        "difference: largest minus smallest. These scores carry no interval; n says how many images are behind them.",
    )


def gaps(run: Run, attribute: str) -> Table:
    """Every gap with interval and floor, FATE against the vanilla model, and the share of zero weights."""
    names = [name for name in GAP_NAMES if all(name in s.audit.attributes[attribute].gaps for s in run.stages)]
    bodies = []
    for stage in run.stages:
        audit = stage.audit.attributes[attribute]
        rates = [fate_of(run, stage, attribute, name) for name in FATE_GAPS]
        cells = [words(stage.label, strong=True), *(gap_cell(audit.gaps[name]) for name in names)]
        cells += [Cell("baseline" if stage is run.vanilla else signed(value)) for value in rates]
        bodies.append([[*cells, fixing.cell(run, stage)]])
    return Table(
        f"Gaps between groups: {attribute}",
        [
            head("model"),
            *heads(*map(gap_name, names), *(f"FATE {gap_name(name)}" for name in FATE_GAPS), fixing.column(run)),
        ],
        bodies,
        "Under each gap: its 95\u00a0% interval, corrected for the noise that makes a gap look larger than it is (so a "
        "value can lie above its interval), and what chance alone reaches (97.5\u00a0% point of the null floor). "
        "Bold: above chance. "
        "FATE compares with the vanilla model: above 0, the gap shrank by more than macro F1 did; it has no interval here, "
        "so small values mean nothing.",
    )


def changes(run: Run, attribute: str) -> Table | None:
    """The paired change of every gap and of the scores over groups, per shrunk model; None without a comparison."""
    bodies = []
    for stage in paired.compared(run):
        rows = [[words(stage.label, strong=True), *_change_cells(run, stage, attribute)]]
        for pair in paired.twins(run, stage):
            name = words(f"− {pair.twin.label}", strong=True)
            rows.append([name, *_change_cells(run, stage, attribute, pair)])
        bodies.append(rows)
    beside = " A row that begins with − is against another model than the vanilla one." if paired.pairs(run) else ""
    return (
        Table(
            f"Changes against the vanilla model: {attribute}",
            [head("model"), *heads(*map(gap_name, paired.GAPS), *OF_GROUPS.values())],
            bodies,
            "Each change with its paired 95\u00a0% interval: both models are drawn on the same images. Under a gap its p, "
            f"adjusted (Holm) for all changes of gaps on this page; bold: at most {LEVEL}. Below 0 the gap is narrower, or "
            f"the score lower.{beside}",
        )
        if bodies
        else None
    )


def _change_cells(run: Run, stage: Stage, attribute: str, pair: Pair | None = None) -> list[Cell]:
    record, twin = (stage.comparison, None) if pair is None else (pair.record, pair.twin)
    scores_ = record.attributes[attribute].scores if record is not None else {}
    found = [paired.change(run, stage, attribute, name, twin=twin) for name in paired.GAPS]
    return [
        *(_change_cell(one, adjusted=True) for one in found),
        *(_change_cell(scores_.get(name), adjusted=False) for name in OF_GROUPS),
    ]


def _change_cell(change: Change | None, *, adjusted: bool) -> Cell:
    if change is None or change.change is None:
        return Cell(number(None), ("undefined",))
    p = (f"p {probability(change.p_holm)}",) if adjusted else ()
    return Cell(signed(change.change), (signed_interval(change), *p), strong=adjusted and change.told)


def classes(run: Run, attribute: str) -> Table:
    """True positive rate by class and group for every model, with the class's gap, interval and floor."""
    reference = run.vanilla.audit.attributes[attribute]
    groups = list(reference.groups)
    bodies = []
    for name, rates in reference.classes.items():
        sizes = " / ".join(counted(rates[group].n, None) if group in rates else "0" for group in groups)
        cells = [words(name, strong=True), Cell(sizes)]
        cells += [_class_cell(stage.audit.attributes[attribute], name, groups) for stage in run.stages]
        bodies.append([cells])
    return Table(
        f"True positive rate by class: {attribute}",
        [head("class"), *heads(f"n ({' / '.join(groups)})", *(stage.label for stage in run.stages))],
        bodies,
        f"In each cell: the share of the class's images that is recognised ({' / '.join(groups)}), the gap between them with "
        "its interval, and what chance alone reaches, corrected for the number of classes. Bold: above that.",
    )


def _class_cell(audit: AttributeAudit, name: str, groups: Sequence[str]) -> Cell:
    gap = audit.class_gaps.get(f"tpr[{name}]")
    found = audit.classes.get(name, {})
    rates: list[Rates | None] = [found.get(group) for group in groups]
    text = " / ".join(number(rate.tpr if rate else None) for rate in rates)
    if gap is None or gap.value is None:
        return Cell(text, ("gap undefined",))
    notes = (f"gap {number(gap.value)} ({interval(gap)})", f"chance {number(gap.null_high)}")
    return Cell(text, notes, strong=gap.above_chance)


def stages(run: Run) -> Table:
    """The models: settings, time, zeros."""
    labels = {stage.record.name: stage.label for stage in run.stages}
    bodies, kind = [], fixing.column(run).removesuffix(" weights")
    for stage in run.stages:
        record = stage.record
        row = [
            words(stage.label, strong=True),
            words(labels.get(record.parent or "", record.parent or "–")),
            words(settings(record.params) or "–"),
            Cell(count(record.parameters)),
            fixing.cell(run, stage),
            _time(run, stage),
        ]
        bodies.append([row])
    columns = [*(head(text) for text in ("model", "starts from", "settings")), *heads("weights", kind, "time")]
    note = (
        f"Weights: those of convolutions and linear layers, which can be fixed. {kind.title()}: the share of them that "
        f"is {kind}. Time: the "
        "whole stage with its test, a grid with all its candidates; below it the epochs, or the steps of what was chosen "
        "(saliency, pruning and a look at validation), as seconds and as a share of the epochs' time."
    )
    return Table("The models of this run", columns, bodies, note)


def _time(run: Run, stage: Stage) -> Cell:
    whole = stage.record.seconds.get("total") if isinstance(stage.record.seconds, dict) else stage.record.seconds
    epochs, steps = sum(epoch.seconds or 0.0 for epoch in run.vanilla.history), _step_seconds(stage)
    notes = (f"epochs {number(epochs, 0)} s",) if stage is run.vanilla and epochs else ()
    if steps:
        notes = (f"steps {number(steps, 1)} s", *((percent(steps / epochs),) if epochs else ()))
    return Cell("–" if whole is None else f"{number(whole, 0)} s", notes)


def _step_seconds(stage: Stage) -> float:
    """What the steps of the chosen candidates took, all folds together."""
    picked = {one.fold: one.candidate for one in stage.choice.chosen} if stage.choice is not None else {}
    return sum(step.seconds or 0.0 for step in stage.steps if step.candidate == picked.get(step.fold, 0))
