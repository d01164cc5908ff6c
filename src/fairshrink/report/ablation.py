"""What the settings do, as Fig. 2 of Wu et al. 2022 asks: along beta at one ratio, and along the ratio; on validation."""

from collections.abc import Sequence
from typing import NamedTuple

from fairshrink.report import control, fixing, grids, removing, style
from fairshrink.report.pooled import Point, point, points, shared_ratios
from fairshrink.report.records import Run, Stage
from fairshrink.report.style import MUTED, Look, cycle

MOST_NAMED = 6  # More thin lines than these cannot be told apart.
MOST_BANDED = 2  # More bands than these hide the lines under them.
_FIRST = ("obd", "fairprune")  # The methods whose bands readers look for.


class Curve(NamedTuple):
    """A way of one stage, all folds together; `ends` are the shares of fixed weights that folds chose.

    What was chosen is thick, and of at most MOST_BANDED stages it has a band, its intervals. A control is neither: it fixes
    nothing, and stands where its stage had fixed so many.
    """

    label: str
    points: list[Point]
    look: Look
    thick: bool
    ends: frozenset[float] = frozenset()
    banded: bool = False
    control: bool = False


class Family(NamedTuple):
    """The stages of a run that start from one model and fix weights alike: at 0, or at powers of two."""

    parent: str
    start: Point
    stages: list[Stage]

    @property
    def quantises(self) -> bool:
        """Whether weights are fixed at something else than 0."""
        return fixing.quantises(self.stages[0])


def families(run: Run) -> list[Family]:
    """Stages whose way can be drawn, by the model that they start from and by what they do to weights.

    Stages that remove channels have pictures of their own (`fates`).
    """
    labels = {stage.record.name: stage.label for stage in run.stages}
    found: dict[tuple[str, bool], list[Stage]] = {}
    for stage in fixing.shrunk(run):
        if stage.record.parent is not None and not missing(stage) and not removing.removes(stage):
            found.setdefault((stage.record.parent, fixing.quantises(stage)), []).append(stage)
    return [Family(labels.get(parent, parent), _start(stages[0]), stages) for (parent, _), stages in found.items()]


def missing(stage: Stage) -> str:
    """Why a stage's way cannot be drawn; empty when it can."""
    if not stage.steps:
        return "the stage has no steps.jsonl"
    if any(step.counts is None for step in stage.steps):
        return "its steps.jsonl has no counts, an earlier version wrote it"
    begun = {step.fold for step in stage.steps if step.step == 0}
    return "" if begun == {step.fold for step in stage.steps} else "its steps.jsonl lacks the start of a fold"


def _start(stage: Stage) -> Point:
    """The model that a stage started from, all folds together."""
    first = list({step.fold: step for step in stage.steps if step.step == 0}.values())
    return point(first[0].ratio, first, sure=True)


def longest(family: Family) -> int:
    """Steps after the start of the longest way of a family."""
    return max((len(shared_ratios(way.steps)) - 1 for stage in family.stages for way in grids.ways(stage)), default=0)


def curves(run: Run, family: Family) -> list[Curve]:
    """Every way of every stage of a family; what was chosen comes last, and thick."""
    parts = [(stage, _stage(stage, style.of_model(run.stages.index(stage)))) for stage in family.stages]
    banded = _banded([stage for stage, part in parts if any(curve.thick for curve in part)])
    found = [curve._replace(banded=curve.thick and stage.label in banded) for stage, part in parts for curve in part]
    # Stages that go by one choice have one control: it is drawn once.
    beside = {curve.label: curve for stage in reversed(family.stages) for curve in _control(run, stage)}
    return sorted([*beside.values(), *found], key=lambda curve: curve.thick)


def _control(run: Run, stage: Stage) -> list[Curve]:
    """The same further training with nothing fixed, where it is beside the stage and has its counts."""
    steps, beside = control.steps_of(run, stage), fixing.control_of(run, stage)
    if beside is None or set(steps) != {step.fold for step in stage.steps}:
        return []
    found = points(steps, sure=False)
    return [Curve(beside.label, found, Look(MUTED, "x", filled=False), thick=False, control=True)] if found else []


def _banded(stages: Sequence[Stage]) -> set[str]:
    """Labels of the stages that have a band: one of each method first, OBD and FairPrune before others."""
    methods = [stage.record.method for stage in stages]
    order = sorted(
        range(len(stages)),
        key=lambda place: (
            methods[:place].count(methods[place]),
            _FIRST.index(methods[place]) if methods[place] in _FIRST else len(_FIRST),
        ),
    )
    return {stages[place].label for place in order[:MOST_BANDED]}


def _stage(stage: Stage, look: Look) -> list[Curve]:
    ways, names, chosen = grids.ways(stage), grids.way_names(stage), grids.chosen_way(stage)
    complete = set(chosen) == {step.fold for step in stage.steps}
    taken = {repr(grids.without_ratio(params)) for params in grids.chosen_params(stage).values()}
    same = [index for index, way in enumerate(ways) if complete and {repr(way.params)} == taken]
    others = [index for index in range(len(ways)) if index not in same]
    many = len(others) > MOST_NAMED
    found = [
        Curve(
            "" if many else f"{stage.label}, {names[index]}" if len(ways) > 1 else stage.label,
            points(ways[index].steps, sure=False),
            look._replace(colour=MUTED if many else cycle(style.CANDIDATE_COLOURS, place)),
            thick=False,
        )
        for place, index in enumerate(others)
    ]
    if complete:
        how = f", {names[same[0]]}" if same and len(ways) > 1 else "" if same else ", as chosen"
        ends = frozenset(grids.stops(stage).values())
        found.append(Curve(f"{stage.label}{how}", points(chosen, sure=True), look, thick=True, ends=ends))
    return found
