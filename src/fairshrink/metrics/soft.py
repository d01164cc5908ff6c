"""What probabilities say about a gap before they are rounded to a prediction: sums over samples, by group and class.

An image that moves from 0.49 to 0.51 changes a count by one and these sums by 0.02, so they vary less on few images.

| criterion | compared between groups |
|---|---|
| soft_eopp1 | mean probability of the true class, class by class; the mean over classes |
| loss_gap | mean loss of the group's samples, whatever their class |
| class_loss_gap | mean loss, class by class; the mean over classes |
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from fairshrink.errors import DataError
from fairshrink.metrics.gaps import spread
from fairshrink.metrics.rates import divide, macro

SOFT = ("soft_eopp1", "loss_gap", "class_loss_gap")
LEAST = float(np.finfo(np.float32).eps)  # below it a softmax in float32 says nothing: no image has a loss above 16


@dataclass(frozen=True)
class Soft:
    """Sums over the samples of known group, by group and true class; they add up over any cutting of the samples.

    Attributes:
        support: How many samples, (G, C).
        true_prob: Sum of the probability of the true class, (G, C).
        log_loss: Sum of its -log, in nats, (G, C).
    """

    support: Int[np.ndarray, "G C"]
    true_prob: Float[np.ndarray, "G C"]
    log_loss: Float[np.ndarray, "G C"]

    def __add__(self, other: "Soft") -> "Soft":
        """Sums over both sets of samples together.

        Raises:
            DataError: The two have different groups or classes.
        """
        if self.support.shape != other.support.shape:
            shapes = [f"{groups} groups x {classes} classes" for groups, classes in (_shape(self), _shape(other))]
            raise DataError(f"cannot add sums over {shapes[0]} and over {shapes[1]}: use the same groups and classes.")
        return Soft(self.support + other.support, self.true_prob + other.true_prob, self.log_loss + other.log_loss)


def soft_sums(
    prob: Float[np.ndarray, "N C"], y_true: Int[np.ndarray, " N"], groups: Int[np.ndarray, " N"], *, num_groups: int
) -> Soft:
    """Add up what probabilities give the true class; samples of unknown group (-1) are skipped.

    Args:
        prob: Probability of each class, (N, C).
        y_true: True classes, (N,), in [0, C).
        groups: Groups, (N,), in [0, G), or -1 where unknown.
        num_groups: G.

    Raises:
        DataError: A class or group is out of range.
    """
    shape = (num_groups, prob.shape[1])
    _check_range("y_true", y_true, (0, shape[1]))
    _check_range("groups", groups, (-1, num_groups))
    known = groups >= 0
    chance = np.take_along_axis(prob[known], y_true[known][:, None], axis=1)[:, 0].astype(np.float64)
    cells = groups[known] * shape[1] + y_true[known]
    support, true_prob, log_loss = (
        np.bincount(cells, weights=weights, minlength=shape[0] * shape[1]).reshape(shape)
        for weights in (None, chance, -np.log(np.maximum(chance, LEAST)))
    )
    return Soft(support.astype(np.int64), true_prob.astype(np.float64), log_loss.astype(np.float64))


def soft_criteria(soft: Soft) -> dict[str, float]:
    """The names in `SOFT` -> value; a class that a group lacks is left out, as in the strict convention; NaN if all are."""
    by_class = divide(soft.log_loss, soft.support)
    by_group = divide(soft.log_loss.sum(1), soft.support.sum(1))
    return {
        "soft_eopp1": _over_classes(divide(soft.true_prob, soft.support)),
        "loss_gap": float(spread(by_group[:, None])[0]),
        "class_loss_gap": _over_classes(by_class),
    }


def _over_classes(values: Float[np.ndarray, "G C"]) -> float:
    found = spread(values)
    return float(macro(found, ~np.isnan(found)))


def _check_range(name: str, values: np.ndarray, ends: tuple[int, int]) -> None:
    outside = np.flatnonzero((values < ends[0]) | (values >= ends[1]))
    if outside.size:
        first = int(outside[0])
        raise DataError(
            f"{name}[{first}] is {int(values[first])}, expected integers from {ends[0]} to {ends[1] - 1}; {outside.size:,} of "
            f"{values.size:,} are outside. Check num_groups and the columns of the probabilities."
        )


def _shape(soft: Soft) -> tuple[int, int]:
    return soft.support.shape[0], soft.support.shape[1]
