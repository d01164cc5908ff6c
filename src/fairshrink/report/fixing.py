"""What a stage fixed and where: zeros, powers of two, nothing; whether it was re-trained, and what was beside it."""

from collections.abc import Sequence
from typing import Any

from fairshrink.report.cells import Cell
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import listed, percent

QUANTISING, RETRAINED, CONTROL = ("fairquantize",), ("fairquantize",), "retrain"
SMALL = 5e-4  # a share that is printed as 0.0 %
UNCONTROLLED = (
    "{names} was re-trained after each step and has no control: what it gains may come from the re-training itself, not from the "
    "weights that were fixed. Run it with its control to tell them apart."
)


def quantises(stage: Stage) -> bool:
    """Whether a stage fixes weights at something else than 0."""
    return stage.record.method in QUANTISING


def is_control(stage: Stage) -> bool:
    """Whether a stage was only re-trained, with nothing fixed."""
    return stage.record.method == CONTROL


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
    if stage.record.method not in RETRAINED:
        return False
    chosen = [one.params for one in stage.choice.chosen] if stage.choice is not None else []
    found = [params["epochs"] for params in chosen if "epochs" in params]
    return any(epochs != 0 for epochs in found or values(stage.record.params.get("epochs")))


def values(given: Any) -> Sequence[Any]:
    """A setting's values: of a grid several."""
    return given if isinstance(given, list | tuple) else [given]


def warning(run: Run, only: Stage | None = None) -> str:
    """What to think of stages that were re-trained without a control, of one or of all; empty where there are none."""
    asked = shrunk(run) if only is None else [only]
    bare = [stage.label for stage in asked if retrained(stage) and control_of(run, stage) is None]
    if not bare:
        return ""
    text = UNCONTROLLED.format(names=listed(bare))
    return text if len(bare) == 1 else text.replace("was re-trained", "were re-trained").replace("has no", "have no")


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
    """How many of a model's weights are fixed, and where, unless all of the run are fixed at 0."""
    if not any(map(quantises, run.stages)):
        return Cell(percent(stage.record.zero_fraction))
    if not quantises(stage):
        return Cell(percent(fixed(stage)), ("zero",) if fixed(stage) > SMALL else ())
    if stage.record.zero_fraction <= SMALL:
        return Cell(percent(fixed(stage)), ("powers of two",))
    return Cell(
        percent(fixed(stage)),
        (f"{percent(stage.record.zero_fraction)} zero", f"{percent(powers(stage))} powers of two"),
    )


def brief(stage: Stage) -> str:
    """What a stage fixed, in as few words as there are."""
    if is_control(stage):
        return "nothing fixed"
    zeros = f"{percent(stage.record.zero_fraction)} zero"
    if not quantises(stage):
        return zeros
    two = f"{percent(powers(stage))} powers of two"
    return f"{two}, {zeros}" if stage.record.zero_fraction > SMALL else two


def clause(run: Run, stage: Stage) -> str:
    """What a stage did, after its name."""
    if is_control(stage):
        beside = next((one.label for one in run.stages if one.record.name == stage.record.of), None)
        how = f"just as {beside} was, with nothing fixed (its control)" if beside else "with nothing fixed"
        return f"was re-trained {how}"
    if not quantises(stage):
        return f"set {percent(stage.record.zero_fraction)} of its weights to zero"
    again = ", with re-training after each step" if retrained(stage) else ""
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
    return f"{zeros} of {{weights}} are 0"


def axis(stages: Sequence[Stage]) -> str:
    """What a share of fixed weights is, for an axis."""
    return "share of weights fixed" if any(map(quantises, stages)) else "share of weights fixed at zero"
