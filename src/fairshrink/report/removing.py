"""Stages that remove whole channels, in words: how many, of which layer, and what their control is."""

from typing import NamedTuple

from fairshrink.report import ending
from fairshrink.report.records import CHANNELS, Run, Stage
from fairshrink.report.words import count, listed

WHERE = {"last": "the last convolution", "inner": "the convolutions that can be cut alone", "all": "all convolutions"}
SELECTED = {"random": ", its channels by lot", "magnitude": ", its smallest channels first"}
MOST_LAYERS = 3  # More names than these are not read.
LAYERS = {"scp": ("layer", "last"), "fairprune_channels": ("layers", "inner")}  # the setting, and its default
LIMIT = (
    " A removed channel is 0 in these models, which are as large and as slow as before: fairshrink export --cut takes it out of "
    "the files wherever the outputs stay the same, and says where they would not."
)


class Removed(NamedTuple):
    """How many channels the models of a stage lack, the least and the most of its folds, and of how many."""

    least: int
    most: int
    total: int

    def __str__(self) -> str:
        several = f"{count(self.least)} to {count(self.most)}" if self.least < self.most else count(self.least)
        return f"{several} of {count(self.total)} channels"


def removes(stage: Stage) -> bool:
    """Whether the steps of a stage remove whole channels, or those that it is the control of do."""
    return stage.record.unit == CHANNELS


def removed(*stages: Stage) -> Removed | None:
    """How many channels the models of stages lack; None where their steps are not there."""
    found = [step for stage in stages if removes(stage) for step in ending.models(stage).values()]
    if not found:
        return None
    fixed = [step.fixed for step in found]
    return Removed(min(fixed), max(fixed), max(step.total for step in found))


def where(stage: Stage) -> str:
    """The layers that channels are removed from, by name where these are known and few; else as the chosen settings say it."""
    found = list(dict.fromkeys(layer.name for fold in stage.channels for layer in fold.layers))
    if 0 < len(found) <= MOST_LAYERS:
        return listed(found)
    setting, default = LAYERS.get(stage.record.method, ("layer", "last"))
    chosen = ending.picked(stage)
    params = [step.params for step in stage.steps if step.candidate == chosen.get(step.fold)] or [stage.record.params]
    names = list(dict.fromkeys(name for one in params for name in _names(one.get(setting, default))))
    return listed([WHERE.get(name, name) for name in names])


def _names(given: object) -> list[str]:
    return [str(name) for name in given] if isinstance(given, list | tuple) else [str(given)]


def clause(stage: Stage) -> str:
    """What a stage removed, after its name."""
    found = removed(stage)
    return f"removed {'channels' if found is None else found} of {where(stage)}"


def brief(stage: Stage) -> str:
    """The same in as few words as there are."""
    found = removed(stage)
    return "channels removed" if found is None else f"{found} removed"


def notes(stage: Stage) -> tuple[str, ...]:
    """How many channels, under a share of weights."""
    found = removed(stage) if removes(stage) else None
    return (str(found),) if found is not None and found.most else ()


def any_in(run: Run) -> bool:
    """Whether any stage of a run removes channels."""
    return any(map(removes, run.stages))
