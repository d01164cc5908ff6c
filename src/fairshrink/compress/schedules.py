"""How far each step goes: cumulative ratios."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fairshrink.errors import ConfigError

Schedule = Callable[[], Iterable[float]]


@dataclass(frozen=True)
class Linear:
    """Equal steps up to the ratio; the last one may be shorter. One step of the ratio's own size is one shot."""

    ratio: float
    step: float

    def __post_init__(self) -> None:
        if not isinstance(self.ratio, (int, float)) or not 0 <= self.ratio <= 1:
            raise ConfigError(f"ratio is {self.ratio!r}, but it is a share of the weights: give a number from 0 to 1.")
        if not isinstance(self.step, (int, float)) or not self.step > 0:
            raise ConfigError(
                f"step is {self.step!r}, but each step must fix something: give a number above 0, such as 0.05."
            )

    def __call__(self) -> Iterable[float]:
        """Cumulative ratios, one per step."""
        # Multiples, not a running sum: 0.05 added seven times is not 0.35, and the last ratio has to be exact.
        whole = int(self.ratio / self.step + 1e-9)
        ratios = [i * self.step for i in range(1, whole + 1)]
        if not ratios or self.ratio - ratios[-1] > 1e-9:
            return [*ratios, self.ratio]
        return [*ratios[:-1], self.ratio]


def linear(ratio: float, step: float) -> Schedule:
    """Steps of one size up to a ratio, such as .05, .10, .12 for a ratio of .12 and a step of .05.

    Raises:
        ConfigError: The ratio is outside [0, 1], or the step is not above 0.
    """
    return Linear(ratio, step)


def one_shot(ratio: float) -> Schedule:
    """All in one step.

    Raises:
        ConfigError: The ratio is outside [0, 1].
    """
    return Linear(ratio, 1.0)


def stepwise(ratio: float, step: float | None) -> Schedule:
    """`linear` when there is a step, else `one_shot`.

    Raises:
        ConfigError: The ratio is outside [0, 1], or the step is not above 0.
    """
    return one_shot(ratio) if step is None else linear(ratio, step)


def iterated(share: float, iterations: int) -> Schedule:
    """The same share again and again, such as .02, .04, .06 for three iterations; something has to be left at the end.

    Raises:
        ConfigError: The share is not above 0 and below 1, there is no iteration, or nothing would be left.
    """
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
        raise ConfigError(
            f"channel_ratio is {share!r}, but it is the share of a layer's channels that each iteration removes: give a number "
            "above 0 and below 1, such as 0.02."
        )
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
        raise ConfigError(f"iterations is {iterations!r}, but a number of iterations from 1 on is expected.")
    if share * iterations >= 1 - 1e-9:
        raise ConfigError(
            f"{iterations} iterations of channel_ratio {share:g} would remove all of the layer's channels. Give fewer, or less."
        )
    return Linear(share * iterations, share)
