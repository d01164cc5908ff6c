"""What a model says about images, and at which exit each of them left."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fairshrink.errors import ModelError
from fairshrink.maths.exits import leaving

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]
Logits = NDArray[np.float32]


class Answer(NamedTuple):
    """What a model says about N images.

    Attributes:
        probabilities: Those of the exit that each image leaves at, (N, C).
        exit: That exit, from 0, (N,), int64; None: the model has one, or the answer is the mean of several models.
    """

    probabilities: Probabilities
    exit: NDArray[np.int64] | None = None


Member = Callable[[Pixels], Answer]
"""Decoded images (N, size, size, 3) -> what one model says about them."""


def early(logits: Logits, threshold: float) -> Answer:
    """What a model says whose exits were all computed: each image leaves at the first that is sure.

    Args:
        logits: Of every exit, the final one last, (N, E, C).
        threshold: Least confidence at which an image leaves, in (0, 1].
    """
    left = leaving(tuple(torch.from_numpy(logits).unbind(1)), threshold)
    return Answer(left.logits.softmax(dim=1).numpy(), left.exit.numpy())


def mean(answers: list[Answer]) -> Answer:
    """The mean of several models' probabilities, of one model what it said."""
    if len(answers) == 1:
        return answers[0]
    each = np.stack([answer.probabilities for answer in answers]).astype(np.float64)
    return Answer(each.mean(axis=0).astype(np.float32))


def check_finite(outputs: NDArray[np.float32], whose: str, advice: str) -> None:
    """Refuse outputs, (N, ...), that hold NaN or infinity.

    Raises:
        ModelError: Some are not finite; the images are counted.
    """
    if wrong := int((~np.isfinite(outputs)).any(axis=tuple(range(1, outputs.ndim))).sum()):
        raise ModelError(f"the outputs of {whose} are not finite for {wrong} of {len(outputs)} images. {advice}")
