"""What was chosen, by which rule, on which data: the sentence that stands in the record and on the screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from fairshrink.lab.choose import Candidate, Choice, Rule


@dataclass(frozen=True)
class Asked:
    """What there was to choose from.

    Attributes:
        rule: The rule.
        name: Its name.
        settings: Every candidate's settings, in words.
        candidates: What the rule saw of each.
        over: The folds whose validation parts it saw.
    """

    rule: Rule
    name: str
    settings: Sequence[str]
    candidates: Sequence[Candidate]
    over: Sequence[int]


def said(asked: Asked, found: Choice) -> str:
    """The choice in a sentence."""
    if len(asked.settings) == 1:
        return f"one setting, nothing to choose: {asked.settings[0]}"
    if found.best is None:
        return f"{_nothing(asked, found)}, so nothing is pruned: the model is the start's ({asked.name})"
    notes = [f"{_are(sum(found.within))} within the bound"] if asked.rule.loss is not None else []
    notes += [_front(found)] if found.front is not None else []
    note = f" ({'; '.join(notes)})" if notes else ""
    return (
        f"{asked.settings[found.best]} chosen of {len(asked.settings)} settings{note}: {asked.rule.words()}, on "
        f"{_parts(asked)}: {_beside(asked.rule, asked.candidates[found.best])}"
    )


def _nothing(asked: Asked, found: Choice) -> str:
    """Why none is taken."""
    count, within = len(asked.settings), sum(found.within)
    if found.start_on_front:
        return f"the start covers the largest area of the Pareto front on {_parts(asked)} ({_front(found)})"
    if within:
        bound = " within the bound" if asked.rule.loss is not None else ""
        return f"{_undefined(asked)} for all {within} setting(s){bound} on {_parts(asked)}{_why(asked)}"
    return f"none of {count} setting(s) is within {asked.rule.loss or 0:g} of the start's macro F1 on {_parts(asked)}"


def _undefined(asked: Asked) -> str:
    return f"{'FATE' if asked.rule.kind == 'fate' else asked.rule.measure} is undefined"


def _why(asked: Asked) -> str:
    start = asked.rule.measured(asked.candidates[0].start)
    if asked.rule.kind == "fate" and start == 0:
        return f": the start's {asked.rule.metric} is 0, and FATE is relative to it"
    if asked.rule.kind == "fate" and not isnan(start):
        return ": the start's macro F1 is 0 or undefined, and FATE is relative to it"
    return " (no class that two groups have, or a group without images)"


def _front(found: Choice) -> str:
    count, start = sum(found.front or []), found.start_on_front
    if not count:
        return "only the start is on the Pareto front" if start else "none is on the Pareto front, nor is the start"
    return f"{_are(count)} on the Pareto front; {'the start is, too' if start else 'the start is not'}"


def _are(count: int) -> str:
    return "1 is" if count == 1 else f"{count} are"


def _parts(asked: Asked) -> str:
    several = len(asked.over) > 1
    return f"the validation part of fold{'s' if several else ''} {', '.join(map(str, asked.over))}"


def _beside(rule: Rule, taken: Candidate) -> str:
    """What the choice goes by, beside the start's: the best of several settings may still be worse than none."""
    after, before = rule.measured(taken.end), rule.measured(taken.start)
    more, less = ("above", "below") if rule.kind == "worst-group" else ("wider than", "narrower than")
    than = more if after > before else less if after < before else "beside"
    return f"its {rule.measure} there is {after:.3f}, {than} the start's {before:.3f}"
