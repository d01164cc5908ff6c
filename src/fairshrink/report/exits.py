"""The early exits of a run's models on its page: how sure an exit has to be, what that costs, and who leaves where."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fairshrink.metrics.thresholds import exit_rule
from fairshrink.report import exit_figures
from fairshrink.report.cells import Cell, Table, head, heads
from fairshrink.report.cells import words as word
from fairshrink.report.exit_figures import average, left
from fairshrink.report.exited import ExitRecord
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import CRITERIA_ARE, gap_name, listed, number, percent, plural, signed

MOST = 3  # Models whose pictures are shown at once; the rest is folded away.


class ExitPart(NamedTuple):
    """The exits of one stage."""

    label: str
    picture: Picture


class ExitSection(NamedTuple):
    """Everything about early exits; `further` models are folded under the words `more`."""

    sentences: list[str]
    table: Table
    parts: list[ExitPart]
    further: list[ExitPart]
    more: str


def exit_section(run: Run) -> ExitSection | None:
    """The section of a run whose models have exits; None for any other run."""
    stages = [stage for stage in run.stages if stage.exits]
    if not stages:
        return None
    parts = [_part(stage, index) for index, stage in enumerate(stages)]
    more = f"The exits of {plural(max(len(parts) - MOST, 0), 'more model')}"
    return ExitSection(sentences(stages[0].exits[0]), table(stages), parts[:MOST], parts[MOST:], more)


def sentences(found: ExitRecord) -> list[str]:
    """What exits are, and how it was chosen who leaves."""
    return [
        f"A model answers at {listed(found.taps)} and at its end. An image leaves at the first of these whose largest "
        "probability reaches the threshold theta, otherwise at the end; its group is not needed for that. "
        f"{_chosen_by(found)} The test results of this page are of the answers that images leave with.",
    ]


def _chosen_by(found: ExitRecord) -> str:
    if len(found.grid) == 1:
        return f"Theta was given: {found.grid[0]:g}."
    rule = exit_rule(found.rule)
    what = gap_name(rule.metric) + (f" ({CRITERIA_ARE[rule.metric]})" if rule.metric in CRITERIA_ARE else "")
    thetas = listed([f"{theta:g}" for theta in sorted(found.grid)])
    if rule.kind == "fate":
        return f"Theta is, of {thetas}, the one with the largest FATE in {what} on validation, relative to running to the end."
    smallest = f"the one with the smallest {what}" if rule.kind == "gap" else "the cheapest"
    return (
        f"Theta is, of {thetas}, {smallest} on validation among those whose macro F1 there is at most "
        f"{rule.loss or 0:g} below running to the end."
    )


def table(stages: Sequence[Stage]) -> Table:
    """The models: thresholds, what they save on test, and on validation what they change against running to the end."""
    metric = exit_rule(stages[0].exits[0].rule).metric
    names = list(dict.fromkeys(("eodd", metric)))
    columns = [
        head("model"),
        *heads("theta", "cost on test", "macro F1 (val)", *(f"{gap_name(n)} (val)" for n in names)),
    ]
    note = (
        "Mean of the folds; under it running to the end, and the difference. Cost: multiplications (MACs) of an image up to "
        "where it leaves, the exits before that among them and channels that were removed as if they were there, as a share of "
        "running to the end. Validation has no interval and "
        "no floor here, and theta was chosen on it: the test results of each attribute are the ones to quote."
    )
    return Table("Early exits of the models of this run", columns, [[_row(stage, names)] for stage in stages], note)


def _row(stage: Stage, names: Sequence[str]) -> list[Cell]:
    folds = stage.exits
    taken = Counter(f"{one.theta:g}" for one in sorted(folds, key=lambda one: one.theta))
    times = tuple(f"in {plural(many, 'fold')}: {theta}" for theta, many in taken.items()) if len(taken) > 1 else ()
    theta = next(iter(taken)) if len(taken) == 1 else "differs"
    pairs = [([one.chosen.f1 for one in folds], [one.final.f1 for one in folds])]
    pairs += [([one.chosen.gaps.get(n) for one in folds], [one.final.gaps.get(n) for one in folds]) for n in names]
    return [
        word(stage.label, *_unruled(folds), strong=True),
        Cell(theta, times),
        Cell(percent(average([one.saved for one in folds]))),
        *(_beside(average(own), average(end)) for own, end in pairs),
    ]


def _beside(own: float, end: float) -> Cell:
    notes = (f"to the end {_number(end)}", signed(None if np.isnan(own - end) else own - end))
    return Cell(_number(own), notes)


def _unruled(folds: Sequence[ExitRecord]) -> tuple[str, ...]:
    """In how many folds the rule allowed no threshold."""
    count = sum(not one.ruled for one in folds if len(one.grid) > 1)
    return (f"in {count} of {len(folds)} no theta was within the rule: the largest was taken",) if count else ()


def _part(stage: Stage, index: int) -> ExitPart:
    folds = stage.exits
    panels = [
        panel(exit_figures.along_theta(folds), f"exits{index}-theta", _along(stage), "Along theta (validation)"),
        panel(exit_figures.single(folds), f"exits{index}-single", _alone(stage), "Each exit alone (validation)"),
        panel(exit_figures.leaving(folds), f"exits{index}-leave", _leaving(stage), "Who leaves where (test)"),
    ]
    return ExitPart(stage.label, Picture(panels, caption(folds)))


def _along(stage: Stage) -> str:
    thetas = listed([f"{theta:g}" for theta in sorted({one.theta for one in stage.exits})])
    own, end = (average([getattr(one, name).f1 for one in stage.exits]) for name in ("chosen", "final"))
    return (
        f"Macro F1, gaps and mean cost of {stage.label} along theta on validation. Chosen: {thetas}, with macro F1 "
        f"{_number(own)}; running to the end: {_number(end)}"
    )


def _alone(stage: Stage) -> str:
    rows = [
        f"{name}: {_number(average([one.val.single[k].f1 for one in stage.exits]))} and "
        f"{_number(average([one.val.single[k].gaps.get('eodd') for one in stage.exits]))}"
        for k, name in enumerate(stage.exits[0].names)
    ]
    return f"Macro F1 and EOdd of {stage.label} on validation with all images sent to one exit: {'; '.join(rows)}"


def _leaving(stage: Stage) -> str:
    names, shares = stage.exits[0].names, left(stage.exits)
    rows = [
        f"{group}: {listed([f'{_number(share, 0)} % at {name}' for name, share in zip(names, row.tolist(), strict=True)])}"
        for group, row in zip(stage.exits[0].groups, shares, strict=True)
    ]
    return f"Where the test images of each group leave {stage.label}. {'; '.join(rows)}"


def caption(folds: Sequence[ExitRecord]) -> str:
    """How to read the pictures of one model."""
    several = len(folds) > 1
    mean = "thick is the mean of the folds, thin are single folds; " if several else ""
    count = ", with the number of folds" if several else ""
    dots = " Pale: single folds." if several else ""
    hidden = f" Shares below {100 * exit_figures.NARROW:.3g}\u00a0% have no number." if _narrow(folds) else ""
    return (
        f"Along theta: {mean}a ring is what was chosen{count}; ticks below: what could be chosen; dashed: running to the end. "
        "The axis is stretched towards 1. Each exit alone: all images sent to one exit, and below the line early exits at the "
        f"chosen theta; in brackets the mean cost, as a share of running to the end.{dots} Who leaves where: test images of each "
        f"group in per cent{', mean of the folds' if several else ''}.{hidden} Validation has no floor here: read the trend, not "
        "the value."
    )


def _narrow(folds: Sequence[ExitRecord]) -> bool:
    shares = left(folds)
    return bool(((shares > 0) & (shares < 100 * exit_figures.NARROW)).any())


def _number(value: float, digits: int = 3) -> str:
    return number(None if np.isnan(value) else value, digits)
