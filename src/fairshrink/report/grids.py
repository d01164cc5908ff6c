"""A grid of settings, taken apart: which settings vary, who shares a way, what is known of each cell."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fairshrink.report import ending, words
from fairshrink.report.records import Candidate, Stage, Step
from fairshrink.report.tables import average

RATIO = "ratio"
HOW_FAR = (RATIO, "iterations")  # Settings that say how far a way goes, not which one.
_FIRST = (RATIO, "beta")  # The settings that readers look for, along x and along y.


class Way(NamedTuple):
    """Candidates that differ at most in how far they go: one way along the ratio.

    Attributes:
        params: Their settings without the ratio.
        steps: Fold -> share of fixed weights -> step, of all these candidates together.
    """

    params: dict[str, Any]
    steps: dict[int, dict[float, Step]]


class Cell(NamedTuple):
    """What validation says of one combination of settings.

    Attributes:
        values: Fold -> what the rule looks at; None where it is undefined.
        changes: Fold -> macro F1 less that of the start; None where it is undefined.
        chosen: In how many folds it was chosen.
        excluded: In how many folds its macro F1 is below the rule's bound.
    """

    values: dict[int, float | None]
    changes: dict[int, float | None]
    chosen: int
    excluded: int

    @property
    def value(self) -> float | None:
        """Mean over the folds; None where a fold lacks it."""
        return average(list(self.values.values()))

    @property
    def change(self) -> float | None:
        """Mean over the folds; None where a fold lacks it."""
        return average(list(self.changes.values()))


class Grid(NamedTuple):
    """Two settings that vary as numbers, or one (y is None); the other settings are the same in all cells."""

    x: str
    y: str | None
    xs: list[float]
    ys: list[float]
    rest: dict[str, Any]
    cells: dict[tuple[float, float], Cell]


def metric_of(stage: Stage) -> str:
    """The criterion that the choice looked at; EOpp1 when there was none."""
    rule = stage.record.rule or (stage.choice.rule if stage.choice is not None else None)
    return words.read_rule(rule).metric or "eopp1"


def criterion(candidate: Candidate, metric: str) -> float | None:
    """What the rule looked at; earlier versions wrote it as the gap alone."""
    return candidate.criteria.get(metric, candidate.gap)


def all_params(stage: Stage) -> dict[int, dict[str, Any]]:
    """Number of each candidate -> its settings, from its steps and its choice."""
    found = {step.candidate: step.params for step in stage.steps}
    if stage.choice is not None:
        found |= {candidate.candidate: candidate.params for candidate in stage.choice.candidates}
    return {number: found[number] for number in sorted(found)}


def candidate_names(stage: Stage) -> dict[int, str]:
    """A short name for each candidate number of a stage: the settings in which it differs from others."""
    params = all_params(stage)
    return dict(zip(params, words.varying(list(params.values())), strict=True))


def varying(stage: Stage) -> list[str]:
    """The settings in which candidates differ, in the order of the experiment."""
    params = list(all_params(stage).values())
    keys = dict.fromkeys(key for one in params for key in one)
    return [key for key in keys if len({repr(one.get(key)) for one in params}) > 1]


def numbers(stage: Stage) -> list[str]:
    """Those of `varying` that are numbers in every candidate, the ratio and beta first."""
    params = list(all_params(stage).values())
    found = [key for key in varying(stage) if all(_is_number(one.get(key)) for one in params)]
    return [key for key in _FIRST if key in found] + [key for key in found if key not in _FIRST]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def grids(stage: Stage) -> list[Grid]:
    """One grid for each combination of the settings that are on no axis; none where no setting varies as a number."""
    axes = numbers(stage)[:2]
    if stage.choice is None or not axes:
        return []
    others = [key for key in varying(stage) if key not in axes]
    parts: dict[str, list[Candidate]] = {}
    for candidate in stage.choice.candidates:
        parts.setdefault(repr([candidate.params.get(key) for key in others]), []).append(candidate)
    return [_grid(stage, axes, others, part) for part in parts.values()]


def _grid(stage: Stage, axes: Sequence[str], others: Sequence[str], part: Sequence[Candidate]) -> Grid:
    x, y = axes[0], axes[1] if len(axes) > 1 else None
    cells: dict[tuple[float, float], list[Candidate]] = {}
    for candidate in part:
        place = (float(candidate.params[x]), float(candidate.params[y]) if y else 0.0)
        cells.setdefault(place, []).append(candidate)
    return Grid(
        x=x,
        y=y,
        xs=sorted({place[0] for place in cells}),
        ys=sorted({place[1] for place in cells}),
        rest={key: part[0].params[key] for key in others if key in part[0].params},
        cells={place: cell(stage, found) for place, found in cells.items()},
    )


def cell(stage: Stage, found: Sequence[Candidate]) -> Cell:
    """What is known of candidates of one combination, one for each fold."""
    metric = metric_of(stage)
    taken = {(one.fold, one.candidate) for one in stage.choice.chosen} if stage.choice is not None else set()
    return Cell(
        values={one.fold: criterion(one, metric) for one in found},
        changes={one.fold: change(stage, one) for one in found},
        chosen=sum((one.fold, one.candidate) in taken for one in found),
        excluded=sum(is_excluded(stage, one) for one in found),
    )


def change(stage: Stage, one: Candidate) -> float | None:
    """Macro F1 of a candidate less that of the start, on the images that the rule saw; earlier versions wrote no start."""
    before = one.f1_before if one.f1_before is not None else start_f1(stage).get(one.fold)
    return None if one.f1 is None or before is None else one.f1 - before


def is_excluded(stage: Stage, one: Candidate) -> bool:
    """Whether macro F1 of a candidate is beyond the bound of the stage's rule."""
    if one.within is not None:
        return not one.within
    most = words.read_rule(stage.choice.rule).most_lost if stage.choice is not None else None
    lost = change(stage, one)
    return most is not None and lost is not None and lost < -most


def start_f1(stage: Stage) -> dict[int, float | None]:
    """Macro F1 (average of the groups) on validation of the model that each fold started from."""
    return {step.fold: average_step_f1(step) for step in reversed(stage.steps) if step.step == 0}


def average_step_f1(step: Step) -> float | None:
    """Macro F1 of a step, averaged over the groups; None when one of them has none."""
    return average([scores.f1 for scores in step.groups.values()])


def ways(stage: Stage) -> list[Way]:
    """The ways along the ratio, in the order of the candidates; those that differ in the ratio alone are one."""
    every = [without_ratio(params) for params in all_params(stage).values()]
    found = {repr(params): Way(params, {}) for params in every}
    for step in stage.steps:
        way = found[repr(without_ratio(step.params))]
        way.steps.setdefault(step.fold, {}).setdefault(round(step.ratio, 6), step)
    return list(found.values())


def without_ratio(params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide the way, not how far it goes."""
    return {key: value for key, value in params.items() if key not in HOW_FAR}


def way_names(stage: Stage) -> list[str]:
    """A short name for each of `ways`."""
    return words.varying([way.params for way in ways(stage)])


def chosen_params(stage: Stage) -> dict[int, dict[str, Any]]:
    """Fold -> the settings that it was shrunk with; those of the only candidate where nothing was chosen."""
    params = all_params(stage)
    if stage.choice is None:
        return {step.fold: step.params for step in stage.steps} if len(params) == 1 else {}
    return {one.fold: params[one.candidate] for one in stage.choice.chosen if one.candidate in params}


def chosen_way(stage: Stage) -> dict[int, dict[float, Step]]:
    """Fold -> the steps of the way that it chose, as far as any candidate went."""
    by_params = {repr(way.params): way for way in ways(stage)}
    picked = {fold: by_params.get(repr(without_ratio(params))) for fold, params in chosen_params(stage).items()}
    return {fold: way.steps[fold] for fold, way in picked.items() if way is not None and fold in way.steps}


def stops(stage: Stage) -> dict[int, float]:
    """Fold -> the share of fixed weights at which its chosen model ended."""
    if stage.choice is None:
        return {}
    kept = {fold: ending.taken(stage, fold, number) for fold, number in ending.picked(stage).items()}
    return {fold: round(step.ratio, 6) for fold, step in kept.items() if step is not None}


def most_chosen(stage: Stage) -> dict[str, Any] | None:
    """The settings that most folds chose, the first of several; None without a choice."""
    found = {repr(params): params for params in chosen_params(stage).values()}
    times = Counter(repr(params) for params in chosen_params(stage).values())
    return found[times.most_common(1)[0][0]] if times else None
