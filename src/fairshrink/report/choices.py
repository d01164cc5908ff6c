"""What was chosen from a grid, in words: by which rule, on which images, how different the alternatives were."""

from collections import Counter
from collections.abc import Callable, Sequence

from fairshrink.report import grids, words
from fairshrink.report.grids import Cell
from fairshrink.report.records import Candidate, Choice, Stage
from fairshrink.report.tables import average
from fairshrink.report.words import gap_name, number, plural, signed

SEVERAL = (
    "Where folds disagree, noise of the validation images decided as much as the setting did: the test result is that of "
    "choosing in this way, not that of one setting."
)


def sentences(stage: Stage) -> list[str]:
    """The rule, its data, what it took, what else there was; one sentence where there was nothing to choose."""
    if stage.choice is None or len(grids.all_params(stage)) < 2:
        return ["One candidate, nothing to choose."]
    if words.read_rule(stage.choice.rule).kind == "as":
        return [f"Taken was {words.rule(stage.choice.rule)}.", _taken(stage, stage.choice)]
    texts = [f"Taken was {words.rule(stage.choice.rule)}; {_over(stage.choice)}.", _taken(stage, stage.choice)]
    return [text for text in [*texts, _bound(stage), _front(stage), _range(stage)] if text]


def warning(stage: Stage) -> str:
    """What to think of it when the folds chose differently; empty when they agree."""
    return SEVERAL if len(_counted(stage)) > 1 else ""


def _over(choice: Choice) -> str:
    folds = len({candidate.fold for candidate in choice.candidates})
    if folds < 2:
        return "there is one split, and its validation images decided"
    if choice.over == "folds":
        return (
            "each fold looked at the validation images of all folds together, but for those that it is tested on itself: more "
            "images decide than in one fold"
        )
    return "each fold looked at its own validation images alone"


def _counted(stage: Stage) -> Counter[str]:
    """What was chosen, in words -> in how many folds."""
    names = grids.candidate_names(stage)
    chosen = stage.choice.chosen if stage.choice is not None else []
    kept = "none of the candidates (the model stayed as it was)"
    return Counter(kept if one.candidate is None else names.get(one.candidate, "?") for one in chosen)


def _taken(stage: Stage, choice: Choice) -> str:
    counted, folds = _counted(stage), len(choice.chosen)
    candidates = plural(len(grids.all_params(stage)), "candidate")
    if len(counted) == 1:
        every = "" if folds == 1 else f"All {folds} folds chose the same of "
        return f"{every or 'Chosen of '}{candidates}: {next(iter(counted))}."
    parts = [f"{name} in {times} of {folds} folds" for name, times in counted.most_common()]
    return f"The folds chose differently among {candidates}: {'; '.join(parts)}."


def _bound(stage: Stage) -> str:
    """How many candidates the rule's bound leaves, fold by fold."""
    choice = stage.choice
    if choice is None or words.read_rule(choice.rule).most_lost is None:
        return ""
    left = _by_fold(choice, lambda one: not grids.is_excluded(stage, one))
    none = sum(not n for n in left)
    rest = f" In {plural(none, 'fold')} none was." if none and max(left) else ""
    return f"Within the bound on macro F1 {_few_to_most(left)}.{rest}"


def _front(stage: Stage) -> str:
    """How many candidates are on the Pareto front, fold by fold."""
    choice = stage.choice
    if choice is None or all(one.front is None for one in choice.candidates):
        return ""
    return f"On the Pareto front {_few_to_most(_by_fold(choice, lambda one: bool(one.front)))}."


def _by_fold(choice: Choice, counts: Callable[[Candidate], bool]) -> list[int]:
    """Of how many candidates something holds, fold by fold."""
    found = dict.fromkeys([one.fold for one in choice.candidates], 0)
    for one in choice.candidates:
        found[one.fold] += counts(one)
    return list(found.values())


def _few_to_most(found: Sequence[int]) -> str:
    few, most = min(found), max(found)
    several = f"{few} to {most}" if few < most else str(few)
    return f"{'was' if several == '1' else 'were'} {several} of them{' in each fold' if len(found) > 1 else ''}"


def _range(stage: Stage) -> str:
    """How different the candidates were: means over the folds, and how far single folds lie apart for one setting."""
    cells = every_cell(stage)
    values = [cell.value for cell in cells if cell.value is not None]
    changes = [cell.change for cell in cells if cell.change is not None]
    if not values:
        return ""
    name = gap_name(grids.metric_of(stage))
    text = f"Over the candidates, {name} goes from {number(min(values))} to {number(max(values))}"
    if changes:
        text += f" and the change of macro F1 from {signed(min(changes))} to {signed(max(changes))}"
    apart = [max(known) - min(known) for cell in cells if len(known := _known(cell)) > 1]
    if not apart:
        return f"{text}."
    if stage.choice is not None and stage.choice.over == "folds":
        return f"{text} (means of the folds, which share most of their images)."
    between = f"between folds, {name} of one and the same setting differs by {number(average(apart))} on average"
    return f"{text} (means of the folds); {between}."


def _known(cell: Cell) -> Sequence[float]:
    return [value for value in cell.values.values() if value is not None]


def every_cell(stage: Stage) -> list[Cell]:
    """What is known of each candidate, in order."""
    found = stage.choice.candidates if stage.choice is not None else []
    return [
        grids.cell(stage, [one for one in found if one.candidate == number_]) for number_ in grids.all_params(stage)
    ]
