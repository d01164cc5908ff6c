"""What the objectives that add a term on features have in common."""

from math import isfinite

from torch import Tensor

from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.factors import Outputs

STRENGTH = 0.01  # Chiu et al. 2023, section 4.2


def check_strength(strength: float | int) -> None:
    """Refuse a strength that makes no loss.

    Raises:
        ConfigError: It is negative or not finite.
    """
    if not (isfinite(strength) and strength >= 0):
        raise ConfigError(
            f"strength is {strength}, expected a number of 0 or more: what the term on the features counts."
        )


def check_exits(exits: int, weights: tuple[float | int, ...]) -> None:
    """Refuse a model of another number of exits than there are weights.

    Raises:
        ModelError: It has more or fewer.
    """
    if exits != len(weights):
        raise ModelError(
            f"the model has {exits} exits, but there are {len(weights)} exit_weights: give one number for each exit, the final "
            "exit's last."
        )


def outputs_of(logits: tuple[Tensor, ...]) -> Outputs:
    """Logits by exit in the form that a task reads."""
    return logits[0] if len(logits) == 1 else logits
