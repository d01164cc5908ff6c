"""FATE along the steps of stages that remove channels, as Fig. 2 of Kong et al. 2024 asks; on validation, fold by fold."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fairshrink.metrics.tradeoff import fate
from fairshrink.report import ending, fixing, grids, removing, style
from fairshrink.report.records import Run, Stage, Step
from fairshrink.report.style import MUTED, Look, cycle

METRICS = ("eodd", "eopp1")  # The published figure has the first; the choices of this tool look at the second.
TH_ACC = 0.01  # How much macro F1 the method lets go where the experiment says nothing else.
MOST_TOGETHER = 6  # More lines than these want a panel for each stage,
MOST_NAMED = 12  # and of more than these in one panel nobody knows which is which.


class Spot(NamedTuple):
    """One step of one fold.

    Attributes:
        step: Its number; 0 is the start.
        fates: Metric -> FATE against the start; NaN where it is undefined.
        change: Macro F1 (average of the groups) less that of the start; NaN where it is undefined.
        taken: Whether its model was kept.
    """

    step: int
    fates: dict[str, float]
    change: float
    taken: bool


class Line(NamedTuple):
    """One way of one stage: what each fold found along it. Without a label it is one of too many."""

    label: str
    folds: list[list[Spot]]
    look: Look
    control: bool = False


class Family(NamedTuple):
    """The stages that remove channels of one model, and how much macro F1 they may lose; None where they are not bounded."""

    parent: str
    stages: list[Stage]
    lines: list[Line]
    th_acc: tuple[float, ...]


def families(run: Run) -> list[Family]:
    """One for each model that channels were removed from; one for each stage where their ways are many."""
    labels = {stage.record.name: stage.label for stage in run.stages}
    found: dict[str, list[Stage]] = {}
    for stage in fixing.shrunk(run):
        if removing.removes(stage) and stage.record.parent is not None and stage.steps:
            found.setdefault(stage.record.parent, []).append(stage)
    return [
        _family(run, labels.get(parent, parent), some)
        for parent, stages in found.items()
        for some in ([[stage] for stage in stages] if _ways(stages) > MOST_TOGETHER else [stages])
    ]


def _ways(stages: Sequence[Stage]) -> int:
    return sum(len(_lines(stage, Look(MUTED, "o"))) for stage in stages)


def _family(run: Run, parent: str, stages: list[Stage]) -> Family:
    lines = [line for stage in stages for line in _lines(stage, style.of_model(run.stages.index(stage)))]
    if len(lines) > MOST_NAMED:
        lines = [line._replace(label="", look=line.look._replace(colour=MUTED)) for line in lines]
    beside = {one.label: one for stage in stages if (one := fixing.control_of(run, stage)) is not None and one.steps}
    lines += [
        line._replace(control=True) for one in beside.values() for line in _lines(one, Look(MUTED, "x", filled=False))
    ]
    return Family(parent, stages, lines, tuple(sorted({value for stage in stages for value in bounds(stage)})))


def _lines(stage: Stage, look: Look) -> list[Line]:
    """The ways of a stage, one line each; of one that goes by another's choice, what was chosen."""
    if stage.record.of is not None:
        return [Line(stage.label, folds_of(stage), look)]
    ways = list({repr(params): params for params in map(_way, grids.all_params(stage).values())}.values())
    names, colours = grids.way_names(stage), style.ramp(len(ways))
    return [
        Line(
            f"{stage.label}, {name}" if len(ways) > 1 else stage.label,
            folds_of(stage, params),
            look if len(ways) == 1 else Look(colours[place], cycle(style.METHOD_MARKERS, place)),
        )
        for place, (params, name) in enumerate(zip(ways, names, strict=True))
    ]


def _way(params: Mapping[str, Any]) -> dict[str, Any]:
    return grids.without_ratio(params)


def folds_of(stage: Stage, way: Mapping[str, Any] | None = None) -> list[list[Spot]]:
    """What each fold found along a way.

    Args:
        stage: Whose steps.
        way: The settings that decide it; None: those that each fold chose.
    """
    chosen, found = ending.picked(stage), []
    for fold in sorted({step.fold for step in stage.steps}):
        own = [step for step in stage.steps if step.fold == fold]
        mine = [
            step for step in own if (step.candidate == chosen.get(fold) if way is None else _way(step.params) == way)
        ]
        if mine:
            found.append(_spots(stage, mine))
    return found


def _spots(stage: Stage, steps: Sequence[Step]) -> list[Spot]:
    """Steps of candidates of one fold that share their way, each once."""
    every = {step.step: step for step in reversed(steps)}
    kept = {one.step for step in steps if (one := ending.taken(stage, step.fold, step.candidate)) is not None}
    if not every or min(every) > 0:
        return []
    start = every[min(every)]
    return [
        Spot(number, {name: _fate(step, start, name) for name in METRICS}, _change(step, start), number in kept)
        for number, step in sorted(every.items())
    ]


def _fate(step: Step, start: Step, metric: str) -> float:
    values = [grids.average_step_f1(step), grids.average_step_f1(start), step.gaps.get(metric), start.gaps.get(metric)]
    f1, before, gap, wide = (np.nan if value is None else float(value) for value in values)
    return float(fate(f1, before, gap, wide)) if before and wide else np.nan  # it divides by both


def _change(step: Step, start: Step) -> float:
    after, before = grids.average_step_f1(step), grids.average_step_f1(start)
    return np.nan if after is None or before is None else after - before


def bounds(stage: Stage) -> list[float]:
    """How much macro F1 a stage lets go; nothing where it goes on past its thresholds."""
    params = stage.record.params
    if stage.record.method != "scp" or set(fixing.values(params.get("stop"))) == {"none"}:
        return []
    return [float(value) for value in fixing.values(params.get("th_acc", TH_ACC)) if value is not None]


def mean(folds: Sequence[Sequence[Spot]], value: Any) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and the mean of a value of a spot over the folds, as far as all of them went.

    Folds in which it is undefined from the start on are left out.
    """
    known = [[(spot.step, value(spot)) for spot in fold] for fold in folds if fold]
    known = [fold for fold in known if not np.isnan([y for _, y in fold]).all()]
    shared = set.intersection(*({x for x, _ in fold} for fold in known)) if known else set()
    steps = sorted(shared)
    rows = [[dict(fold)[step] for step in steps] for fold in known]
    return np.array(steps), np.mean(rows, axis=0) if rows else np.array([])
