"""When to stop before the schedule ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, isnan

from fairshrink.compress.steps import Step, mean_f1
from fairshrink.errors import ConfigError, DataError, suggest
from fairshrink.metrics.gaps import GAPS
from fairshrink.metrics.tradeoff import fate

__all__ = [
    "F1Lost",
    "FirstOf",
    "GapReached",
    "LargestFate",
    "Stalled",
    "Step",
    "StopRule",
    "Worth",
    "f1_lost",
    "first_of",
    "gap_reached",
    "never",
    "stalled",
    "stopping",
    "taking",
]

StopRule = Callable[[Sequence[Step]], str | None]
"""What has been measured so far -> the reason to stop, in words, or None.

`steps[-1]` is the step just done, `steps[-1].start` the model before the first step: a rule may compare them. The step at
which a rule stops is the last one and is kept.
"""

Worth = Callable[[Step], tuple[bool, float]]
"""A step -> what it is worth; of two, the larger one is worth more."""


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
    """Stop as soon as macro F1 on validation, averaged over the groups, is more than `most` below the start.

    Attributes:
        most: How far it may fall.
        setting: What the method calls this, for messages.
    """

    most: float
    setting: str = "max_f1_loss"

    def __post_init__(self) -> None:
        number = isinstance(self.most, (int, float)) and not isinstance(self.most, bool)
        if not number or not isfinite(self.most) or self.most < 0:
            raise ConfigError(
                f"{self.setting} is {self.most!r}, but it is how far macro F1 may fall: give 0 or more, such as 0.01."
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
                f"{self.setting} needs the macro F1 of every group, but a group has no samples in the validation data. Give "
                f"validation data with every group, or leave {self.setting} out."
            )
        lost = before - now
        if lost <= self.most:
            return None
        return f"macro F1 {now:.3f} is {lost:.3f} below the start, more than {self.most:g}"


def stalled(metric: str, least: float | None, patience: int) -> StopRule:
    """Stop when a gap on validation no longer falls by at least `least` a step; without a number, never.

    Raises:
        ConfigError: There is no such gap, or a number cannot be used.
    """
    rule = Stalled(metric, 0.0 if least is None else least, patience)
    return never if least is None else rule


def f1_lost(most: float | None, setting: str = "max_f1_loss") -> StopRule:
    """Stop at the first step whose macro F1 on validation (average of the groups) is more than `most` below the start.

    Without a number, never. The step that crossed the line is kept, so with small steps it lies just beyond.

    Raises:
        ConfigError: `most` is negative or not a number.
    """
    return never if most is None else F1Lost(most, setting)


@dataclass(frozen=True)
class Stalled:
    """Stop as soon as a gap has fallen by less than `least`, each from one step to the next, `patience` times in a row.

    With `least` 0 a gap that stays the same is no reason to stop, one that grows is.
    """

    metric: str
    least: float
    patience: int

    def __post_init__(self) -> None:
        if self.metric not in GAPS:
            raise ConfigError(f"there is no gap called '{self.metric}'.{suggest(str(self.metric), GAPS)}")
        number = isinstance(self.least, (int, float)) and not isinstance(self.least, bool)
        if not number or not isfinite(self.least):
            raise ConfigError(
                f"th_fair is {self.least!r}, but it is how much a gap has to fall: give a number, such as 0."
            )
        if isinstance(self.patience, bool) or not isinstance(self.patience, int) or self.patience < 1:
            raise ConfigError(f"patience is {self.patience!r}, but it is a number of steps: give 1 or more.")

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """The reason to stop, or None.

        Raises:
            DataError: The gap is undefined.
        """
        start = steps[0].start
        values = [step.gaps[self.metric] for step in ([start] if start is not None else []) + list(steps)]
        if isnan(values[-1]):
            raise DataError(
                f"th_fair needs {self.metric}, but on the validation data it is undefined, because no class has images in two "
                "groups. Give validation data that have some, or leave th_fair out."
            )
        gains = [before - after for before, after in pairwise(values)][-self.patience :]
        if len(gains) < self.patience or any(gain >= self.least for gain in gains):
            return None
        often = "the last step" if self.patience == 1 else f"each of the last {self.patience} steps"
        fell = "grew" if self.least == 0 else f"fell by less than {self.least:g}"
        return f"{self.metric} {fell} in {often}, to {values[-1]:.3f}"


@dataclass(frozen=True)
class LargestFate:
    """Of the steps of a path, the one with the largest FATE of macro F1 against a gap is returned, the first of several.

    FATE is relative to the start. Steps whose macro F1 is more than `most_lost` below that of the start come behind all
    others; steps without a FATE (the start has no gap) behind all that have one.

    Attributes:
        metric: The gap.
        most_lost: How far macro F1 may fall; None: any distance.

    Source: Xu et al. 2023 (FairAdaBN), the FATE metric, on validation.
    """

    metric: str
    most_lost: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in GAPS:
            raise ConfigError(f"there is no gap called '{self.metric}'.{suggest(str(self.metric), GAPS)}")

    def __call__(self, step: Step) -> tuple[bool, float]:
        """Whether macro F1 is within the bound, and FATE: the larger, the better."""
        start = step.start
        if start is None:
            return True, -inf
        before, now = mean_f1(start), mean_f1(step)
        gap_before, gap = start.gaps[self.metric], step.gaps[self.metric]
        defined = before > 0 and gap_before > 0 and not isnan(gap) and not isnan(now)
        value = fate(now, before, gap, gap_before) if defined else -inf
        return self.most_lost is None or before - now <= self.most_lost, value


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


STOPS, TAKES = ("thresholds", "none"), ("fate", "last")


def stopping(stop: str, metric: str, thresholds: tuple[float | None, float | None, int]) -> StopRule:
    """The rule of SCP: "thresholds" are th_acc, th_fair and the patience with it; "none" never stops.

    Raises:
        ConfigError: There is no such choice or gap, or a number cannot be used.

    Source: Kong et al. 2024 (SCP), Sec. 2.2; the values are not published.
    """
    if stop not in STOPS:
        raise ConfigError(f"stop is {stop!r}, but there is no such choice.{suggest(str(stop), STOPS)}")
    th_acc, th_fair, patience = thresholds
    rule = first_of(f1_lost(th_acc, "th_acc"), stalled(metric, th_fair, patience))
    return rule if stop == "thresholds" else never


def taking(take: str, stop: str, metric: str, th_acc: float | None) -> Worth | None:
    """What a step of SCP is worth: "fate" is FATE, within th_acc where that stops; "last" takes the last one.

    Raises:
        ConfigError: There is no such choice or gap.
    """
    if take not in TAKES:
        raise ConfigError(f"take is {take!r}, but there is no such choice.{suggest(str(take), TAKES)}")
    worth = LargestFate(metric, th_acc if stop == "thresholds" else None)
    return worth if take == "fate" else None
