"""The rule by which a sample leaves a network of several exits: at the first that is sure enough, else at the last."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from fairshrink.errors import ConfigError


class Left(NamedTuple):
    """Where each sample leaves, and with what.

    Attributes:
        logits: Those of the exit that the sample leaves at, (N, C).
        exit: Which exit that is, (N,), int64, 0 for the first.
    """

    logits: Float[Tensor, "N C"]
    exit: Int[Tensor, "N"]


def confidence(logits: Float[Tensor, "N C"]) -> Float64[Tensor, "N"]:
    """The largest probability of each sample.

    In float64, whatever the logits are in: in float32 a probability of 0.99999998 is 1, and equals a threshold of 1.

    Args:
        logits: Scores, (N, C), finite.

    Source: Chiu et al. 2023 (multi-exit), section 3.2: the softmax maximum.
    """
    return logits.double().softmax(1).amax(1)


def leaving(outputs: tuple[Tensor, ...], threshold: float | int) -> Left:
    """The first exit whose confidence is at least the threshold, the final one for samples that no exit is sure of.

    Args:
        outputs: Logits of E exits, (N, C) each, the final exit last.
        threshold: Above 0, at most 1; see `check_threshold`.

    Source: Chiu et al. 2023 (multi-exit), section 3.2.
    """
    sure = torch.stack([confidence(logits) >= threshold for logits in outputs[:-1]] + [_everyone(outputs[-1])])
    place = sure.int().argmax(0)  # the first of equals
    return Left(torch.stack(outputs)[place, torch.arange(len(place), device=place.device)], place)


def check_threshold(threshold: float | int) -> None:
    """Refuse a threshold that no confidence can be compared with.

    Raises:
        ConfigError: It is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(
            f"threshold is {threshold}, expected a number above 0, at most 1: how sure an exit must be of its class for a sample "
            "to leave there. Below 1 divided by the number of classes all leave at the first exit."
        )


def _everyone(logits: Float[Tensor, "N C"]) -> Tensor:
    return torch.ones(len(logits), dtype=torch.bool, device=logits.device)
