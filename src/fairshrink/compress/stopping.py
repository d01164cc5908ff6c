"""When to stop before the schedule ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, isnan

from fairshrink.compress.steps import Step, mean_f1
from fairshrink.errors import ConfigError, DataError, suggest
from fairshrink.metrics.gaps import GAPS

__all__ = ["F1Lost", "FirstOf", "GapReached", "Step", "StopRule", "f1_lost", "first_of", "gap_reached", "never"]

StopRule = Callable[[Sequence[Step]], str | None]
"""What has been measured so far -> the reason to stop, in words, or None.

`steps[-1]` is the step just done, `steps[-1].start` the model before the first step: a rule may compare them. The step at
which a rule stops is the last one and is kept.
"""


def never(steps: Sequence[Step]) -> None:
    """Go on to the end of the schedule."""


@dataclass(frozen=True)
class GapReached:
    """Stop as soon as a gap on validation is at most the target."""

    metric: str
    target: float

    def __post_init__(self) -> None:
        if self.metric not in GAPS:
            raise ConfigError(f"there is no gap called '{self.metric}'.{suggest(str(self.metric), GAPS)}")
        if isinstance(self.target, bool) or not isinstance(self.target, (int, float)) or isnan(self.target):
            raise ConfigError(f"target is {self.target!r}, but it is a gap: give a number, such as 0.05.")

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """The reason to stop, or None.

        Raises:
            DataError: The gap is undefined, as it will be after every step: the images of validation do not change.
        """
        value = steps[-1].gaps[self.metric]
        if isnan(value):
            raise DataError(
                f"the target {self.target:g} of {self.metric} cannot be reached: on the validation data it is undefined, because "
                "no class has images in two groups. Give validation data that have some, or leave the target out."
            )
        return f"{self.metric} {value:.3f} reached the target {self.target:.3f}" if value <= self.target else None


def gap_reached(metric: str, target: float | None) -> StopRule:
    """Stop at the first step whose gap on validation is at most the target; without a target, never (Wu et al. 2022, 3.2).

    Raises:
        ConfigError: There is no gap of that name.
    """
    rule = GapReached(metric, 0.0 if target is None else target)
    return never if target is None else rule


@dataclass(frozen=True)
class F1Lost:
    """Stop as soon as macro F1 on validation, averaged over the groups, is more than `most` below the start."""

    most: float

    def __post_init__(self) -> None:
        number = isinstance(self.most, (int, float)) and not isinstance(self.most, bool)
        if not number or not isfinite(self.most) or self.most < 0:
            raise ConfigError(
                f"max_f1_loss is {self.most!r}, but it is how far macro F1 may fall: give 0 or more, such as 0.01."
            )

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """The reason to stop, or None.

        Raises:
            DataError: A group has no samples on validation, so that there is no average over the groups.
        """
        start = steps[-1].start or steps[0]
        before, now = mean_f1(start), mean_f1(steps[-1])
        if isnan(before):
            raise DataError(
                "max_f1_loss needs the macro F1 of every group, but a group has no samples in the validation data. Give "
                "validation data with every group, or leave max_f1_loss out."
            )
        lost = before - now
        if lost <= self.most:
            return None
        return f"macro F1 {now:.3f} is {lost:.3f} below the start, more than {self.most:.3f}"


def f1_lost(most: float | None) -> StopRule:
    """Stop at the first step whose macro F1 on validation (average of the groups) is more than `most` below the start.

    Without a number, never. The step that crossed the line is kept, so with small steps it lies just beyond.

    Raises:
        ConfigError: `most` is negative or not a number.
    """
    return never if most is None else F1Lost(most)


@dataclass(frozen=True)
class FirstOf:
    """Stop as soon as one of several rules says so; when several do, each gives its reason."""

    rules: tuple[StopRule, ...]

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """The reasons to stop, or None."""
        return "; ".join(reason for rule in self.rules if (reason := rule(steps)) is not None) or None


def first_of(*rules: StopRule) -> StopRule:
    """Stop when the first of several rules does; rules that never stop are left out."""
    asked = tuple(rule for rule in rules if rule is not never)
    if len(asked) < 2:
        return next(iter(asked), never)
    return FirstOf(asked)
