"""What a stage fixed and where: zeros, powers of two, channels, nothing; whether it was re-trained, and what was beside it."""

from collections.abc import Sequence
from typing import Any

from fairshrink.report import removing
from fairshrink.report.cells import Cell
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import listed, percent

QUANTISING, CONTROL = ("fairquantize",), "retrain"
RETRAINED = {
    "fairquantize": "epochs",
    "fairprune_channels": "epochs",
    "scp": "fine_tune",
}  # and the setting that says how long
SMALL = 5e-4  # a share that is printed as 0.0 %
UNCONTROLLED = (
    "{names} was re-trained after each step and has no control: what it gains may come from the re-training itself, not from "
    "{what}. Run it with its control to tell them apart."
)


def quantises(stage: Stage) -> bool:
    """Whether a stage fixes weights at something else than 0."""
    return stage.record.method in QUANTISING


def is_control(stage: Stage) -> bool:
    """Whether a stage was only re-trained, with nothing fixed; earlier versions knew one method alone that does so."""
    known = stage.record.controls
    return stage.record.method == CONTROL if known is None else known


def shrunk(run: Run) -> list[Stage]:
    """The stages that fixed weights: neither the vanilla model nor a control."""
    return [stage for stage in run.stages if stage is not run.vanilla and not is_control(stage)]


def control_of(run: Run, stage: Stage) -> Stage | None:
    """The stage beside a stage that was re-trained in the same way with nothing fixed.

    One that goes by another stage's choice has that one's: both took the same steps.
    """
    names = (stage.record.name, stage.record.of)
    return next((one for one in run.stages if is_control(one) and one.record.of and one.record.of in names), None)


def retrained(stage: Stage) -> bool:
    """Whether a stage was re-trained after its steps; by default a method that can do so does."""
    setting = RETRAINED.get(stage.record.method)
    if setting is None:
        return False
    chosen = [one.params for one in stage.choice.chosen] if stage.choice is not None else []
    found = [params[setting] for params in chosen if setting in params]
    return any(epochs != 0 for epochs in found or values(stage.record.params.get(setting)))


def favours(stage: Stage) -> bool:
    """Whether a stage goes by the unprivileged group: SCP treats all groups alike, unless its loss has their difference."""
    return stage.record.method != "scp" or any(values(stage.record.params.get("alpha", 0)))


def values(given: Any) -> Sequence[Any]:
    """A setting's values: of a grid several."""
    return given if isinstance(given, list | tuple) else [given]


def warning(run: Run, only: Stage | None = None) -> str:
    """What to think of stages that were re-trained without a control, of one or of all; empty where there are none."""
    asked = shrunk(run) if only is None else [only]
    found = [stage for stage in asked if retrained(stage) and control_of(run, stage) is None]
    bare = [stage.label for stage in found]
    if not bare:
        return ""
    text = UNCONTROLLED.format(names=listed(bare), what=_what(found))
    return text if len(bare) == 1 else text.replace("was re-trained", "were re-trained").replace("has no", "have no")


def _what(stages: Sequence[Stage]) -> str:
    """What was fixed in all of these."""
    units = {removing.removes(stage) for stage in stages}
    if len(units) > 1:
        return "what was fixed"
    return "the channels that were removed" if True in units else "the weights that were fixed"


def fixed(stage: Stage) -> float:
    """Share of the weights that is fixed; in records of earlier versions all that is fixed is 0."""
    found = stage.record.fixed_fraction
    return stage.record.zero_fraction if found is None else found


def powers(stage: Stage) -> float:
    """Share of the weights that is fixed at a power of two."""
    return max(fixed(stage) - stage.record.zero_fraction, 0.0) if quantises(stage) else 0.0


def column(run: Run) -> str:
    """The head of a column of `cell`."""
    return "fixed weights" if any(map(quantises, run.stages)) else "zero weights"


def cell(run: Run, stage: Stage) -> Cell:
    """How many of a model's weights are fixed, and where, unless all of the run are fixed at 0; how many channels are gone."""
    channels = removing.notes(stage)
    if not any(map(quantises, run.stages)):
        return Cell(percent(stage.record.zero_fraction), channels)
    if not quantises(stage):
        return Cell(percent(fixed(stage)), channels or (("zero",) if fixed(stage) > SMALL else ()))
    if stage.record.zero_fraction <= SMALL:
        return Cell(percent(fixed(stage)), ("powers of two",))
    return Cell(
        percent(fixed(stage)),
        (f"{percent(stage.record.zero_fraction)} zero", f"{percent(powers(stage))} powers of two"),
    )


def brief(stage: Stage) -> str:
    """What a stage fixed, in as few words as there are."""
    if is_control(stage):
        return "no channel removed" if removing.removes(stage) else "nothing fixed"
    if removing.removes(stage):
        return removing.brief(stage)
    zeros = f"{percent(stage.record.zero_fraction)} zero"
    if not quantises(stage):
        return zeros
    two = f"{percent(powers(stage))} powers of two"
    return f"{two}, {zeros}" if stage.record.zero_fraction > SMALL else two


def clause(run: Run, stage: Stage) -> str:
    """What a stage did, after its name."""
    if is_control(stage):
        beside = next((one.label for one in run.stages if one.record.name == stage.record.of), None)
        nothing = f"with {'no channel removed' if removing.removes(stage) else 'nothing fixed'}"
        # SCP and its control stop and choose their iterations each for itself.
        like = f"by the settings of {beside}" if removing.removes(stage) else f"just as {beside} was"
        return f"was re-trained {f'{like}, {nothing} (its control)' if beside else nothing}"
    again = ", with re-training after each step" if retrained(stage) else ""
    if removing.removes(stage):
        return f"{removing.clause(stage)}{again}"
    if not quantises(stage):
        return f"set {percent(stage.record.zero_fraction)} of its weights to zero"
    if stage.record.zero_fraction > SMALL:
        zeros = f"{percent(stage.record.zero_fraction)} are zero"
        return f"fixed {percent(fixed(stage))} of its weights: {zeros}, {percent(powers(stage))} other powers of two{again}"
    return f"made {percent(powers(stage))} of its weights powers of two{again}"


def sentence(stage: Stage) -> str:
    """How many of a model's weights are what, for a card."""
    zeros = f"{percent(stage.record.zero_fraction)}"
    if quantises(stage) and stage.record.zero_fraction > SMALL:
        return f"{zeros} of {{weights}} are 0, {percent(powers(stage))} are powers of two"
    if quantises(stage):
        return f"{percent(powers(stage))} of {{weights}} are powers of two"
    if gone := removing.notes(stage):
        return f"{zeros} of {{weights}} are 0, those of {gone[0]} of {removing.where(stage)} among them"
    return f"{zeros} of {{weights}} are 0"


def axis(stages: Sequence[Stage]) -> str:
    """What a share of fixed weights is, for an axis."""
    if stages and all(map(removing.removes, stages)):
        return "share of channels removed"
    return "share of weights fixed" if any(map(quantises, stages)) else "share of weights fixed at zero"
