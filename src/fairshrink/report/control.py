"""The control beside a way along the ratio: re-trained as much at each of its places, with nothing fixed."""

from collections.abc import Mapping
from typing import Any

from fairshrink.report import fixing, grids, removing
from fairshrink.report.records import Run, Stage, Step
from fairshrink.report.style import MUTED

CONTROL = "re-training only"
LINE: dict[str, Any] = {"color": MUTED, "lw": 1.3, "dashes": (6, 1.5, 1.5, 1.5), "marker": "x", "ms": 4, "zorder": 2}
CAPTION = "Grey crosses: the same re-training with {nothing} (the control), as far as its stage's choice goes."


def caption(stage: Stage) -> str:
    """What the control of a stage is drawn as."""
    return CAPTION.format(nothing="no channel removed" if removing.removes(stage) else "nothing fixed")


def steps_of(run: Run, stage: Stage) -> dict[int, dict[float, Step]]:
    """Fold -> share of weights that the stage had fixed -> its control after as many steps; empty without a control.

    Its steps are told by their number; of several ways that it took, the one that it chose.
    """
    beside = fixing.control_of(run, stage)
    if beside is None:
        return {}
    shares = _shares(stage)
    taken = grids.chosen_params(beside)
    found: dict[int, dict[float, Step]] = {}
    for step in beside.steps:
        way = grids.without_ratio(taken.get(step.fold, beside.steps[0].params))
        share = shares.get(step.fold, {}).get(step.step)
        if share is not None and grids.without_ratio(step.params) == way:
            found.setdefault(step.fold, {})[share] = step
    return found


def _shares(stage: Stage) -> dict[int, dict[int, float]]:
    """Fold -> number of the step -> share of fixed weights, on the way that was chosen; of a fold that chose none, the first."""
    ways: Mapping[int, Mapping[float, Step]] = {
        fold: steps for way in reversed(grids.ways(stage)) for fold, steps in way.steps.items()
    } | grids.chosen_way(stage)
    return {fold: {step.step: share for share, step in steps.items()} for fold, steps in ways.items()}
