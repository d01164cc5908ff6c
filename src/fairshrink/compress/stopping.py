"""What a step found on validation, and when to stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairshrink.errors import ConfigError, suggest
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.gaps import GAPS, gaps


@dataclass(frozen=True)
class Step:
    """One step of a method, measured on validation.

    Attributes:
        ratio: The share of weights that the schedule asked for, cumulative.
        fixed: How many weights are fixed after the step.
        total: How many could be.
        seconds: Scoring, fixing, recovery and evaluation.
        counts: Predictions on validation by group, (G, C, C); samples of unknown group are not in it.
    """

    ratio: float
    fixed: int
    total: int
    seconds: float
    counts: GroupCounts

    @property
    def gaps(self) -> dict[str, float]:
        """Every gap between the groups, by name; NaN where it is undefined."""
        return {name: float(gap.value) for name, gap in gaps(self.counts.counts).items()}


StopRule = Callable[[Sequence[Step]], str | None]


def never(steps: Sequence[Step]) -> None:
    """Go on to the end of the schedule."""


@dataclass(frozen=True)
class GapReached:
    """Stop as soon as a gap on validation is at most the target."""

    metric: str
    target: float

    def __post_init__(self) -> None:
        if self.metric not in GAPS:
            raise ConfigError(f"there is no gap called '{self.metric}'.{suggest(self.metric, GAPS)}")

    def __call__(self, steps: Sequence[Step]) -> str | None:
        """The reason to stop, or None."""
        value = steps[-1].gaps[self.metric]
        return f"{self.metric} {value:.3f} reached the target {self.target:.3f}" if value <= self.target else None


def gap_reached(metric: str, target: float | None) -> StopRule:
    """Stop at the first step whose gap on validation is at most the target; without a target, never (Wu et al. 2022, 3.2).

    Raises:
        ConfigError: There is no gap of that name.
    """
    return never if target is None else GapReached(metric, target)
