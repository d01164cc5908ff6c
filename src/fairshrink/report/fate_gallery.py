"""Which pictures of FATE along the steps a page has, with the captions that say how to read them."""

from collections.abc import Sequence

import numpy as np

from fairshrink.report import fate_figures, fates, fixing, removing
from fairshrink.report.fates import METRICS, Family, Line
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.records import Run
from fairshrink.report.words import gap_name, listed, signed

READ = (
    "FATE is against the model that was started from, on validation: above 0 the gap shrank by a larger share than macro F1 did. "
    "It divides by the start's gap and carries no interval here: read the trend, not the value."
)


def pictures(run: Run) -> list[Picture]:
    """One for each model that channels were removed from; stages without steps are named."""
    found = [_picture(family, index) for index, family in enumerate(fates.families(run))]
    bare = [stage.label for stage in fixing.shrunk(run) if removing.removes(stage) and not stage.steps]
    if bare:
        found.append(Picture([], f"FATE along the steps is left out for {listed(bare)}: there is no steps.jsonl."))
    return found


def _picture(family: Family, index: int) -> Picture:
    step = "iteration" if all(stage.record.method == "scp" for stage in family.stages) else "step"
    figure = fate_figures.along(family.lines, family.th_acc, step)
    what = listed([stage.label for stage in family.stages])
    which = listed([gap_name(name) for name in METRICS])
    label = f"FATE of {which} by {step}, from {family.parent}. {spoken(family.lines, step)}"
    return Picture([panel(figure, f"fate{index}", label)], _caption(family, what, step))


def _caption(family: Family, what: str, step: str) -> str:
    folds = max(len(line.folds) for line in family.lines)
    unnamed = sum(not line.label for line in family.lines)
    parts = [f"{what} on {family.parent}, {step} by {step}. {READ}"]
    parts += [f"Thick: mean of the {folds} folds as far as all of them went; faint: single folds."] if folds > 1 else []
    if unnamed:
        parts.append(f"{unnamed} ways are too many to be told apart, and have neither name nor rings.")
    else:
        times = ", and in how many folds" if folds > 1 else ""
        parts.append(f"A ring marks the {step} whose model each way kept{times} ({step} 0 is the start).")
    if family.th_acc:
        parts.append("Dotted: how much macro F1 may be lost (th_acc).")
    if any(line.control for line in family.lines):
        parts.append("Grey crosses: re-training by the same settings with no channel removed (the control).")
    return " ".join([*parts, *_undefined(family.lines)])


def _undefined(lines: Sequence[Line]) -> list[str]:
    """What is not drawn."""
    folds = [fold for line in lines for fold in line.folds]
    none = [
        f"for {gap_name(name)} in {count} of {len(folds)}"
        for name in METRICS
        if (count := sum(_has_none(fold, name) for fold in folds))
    ]
    why = "Where the start has no gap, FATE is undefined and left out:"
    return [f"{why} {listed(none)} (ways times folds, the control's among them)."] if none else []


def _has_none(fold: Sequence[fates.Spot], name: str) -> bool:
    return not fold or bool(np.isnan([spot.fates[name] for spot in fold]).all())


def spoken(lines: Sequence[Line], step: str) -> str:
    """The ends of the lines, for those who do not see them."""
    parts = []
    for line in lines:
        steps, means = fates.mean(line.folds, lambda spot: spot.fates[METRICS[0]])
        if line.label and len(steps):
            parts.append(f"{line.label}: {gap_name(METRICS[0])} {signed(float(means[-1]))} at {step} {steps[-1]}")
    return "; ".join(parts)
