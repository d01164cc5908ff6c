"""Where ways end: which step of a candidate was kept, which models a stage has, and why a way went no further."""

from fairshrink.report.records import End, Stage, Step
from fairshrink.report.words import plural


def end_of(stage: Stage, fold: int, candidate: int) -> End:
    """How a candidate ended in a fold; where that is not written down, at its last step."""
    known = stage.ends[fold] if fold < len(stage.ends) else ()
    return known[candidate] if candidate < len(known) else End()


def taken(stage: Stage, fold: int, candidate: int) -> Step | None:
    """The step of a candidate whose model was kept; None where it has no steps."""
    own = [step for step in stage.steps if (step.fold, step.candidate) == (fold, candidate)]
    number = end_of(stage, fold, candidate).taken
    return next((step for step in own if step.step == number), own[-1] if own else None)


def picked(stage: Stage) -> dict[int, int]:
    """Fold -> the candidate that was taken there; the only one without a choice. Folds that took none are left out."""
    if stage.choice is None:
        return {step.fold: 0 for step in stage.steps}
    return {one.fold: one.candidate for one in stage.choice.chosen if one.candidate is not None}


def models(stage: Stage) -> dict[int, Step]:
    """Fold -> the step that its model is of; of a fold that took no candidate, the start."""
    chosen, found = picked(stage), {}
    for fold in sorted({step.fold for step in stage.steps}):
        begun = [step for step in stage.steps if step.fold == fold]
        kept = taken(stage, fold, chosen[fold]) if fold in chosen else begun[0]
        found[fold] = kept or begun[0]
    return found


def sentences(stage: Stage) -> list[str]:
    """Which step of its way each fold took, and why it went no further; nothing where no ends were written."""
    chosen = {fold: number for fold, number in picked(stage).items() if fold < len(stage.ends)}
    if not chosen:
        return []
    said = {fold: _said(stage, fold, number) for fold, number in chosen.items()}
    if len(set(said.values())) == 1 and len(said) > 1:
        return [f"All {len(said)} folds took {next(iter(said.values()))}."]
    if len(said) == 1:
        return [f"Taken was {next(iter(said.values()))}."]
    return [f"Taken was: {'; '.join(f'fold {fold}, {text}' for fold, text in said.items())}."]


def _said(stage: Stage, fold: int, number: int) -> str:
    """The step of one fold's way, and its end."""
    steps = [step.step for step in stage.steps if (step.fold, step.candidate) == (fold, number)]
    kept, last = taken(stage, fold, number), max(steps, default=0)
    at = 0 if kept is None else kept.step
    which = f"step {at} of the {last} that were done" if at else f"the start, with {plural(last, 'step')} done"
    stopped = end_of(stage, fold, number).stopped
    return f"{which} (stopped: {stopped})" if stopped else which
