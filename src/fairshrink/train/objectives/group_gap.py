"""The mean loss, and how far the unprivileged group's lies from the rest's."""

from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor, nn

from fairshrink.errors import ConfigError
from fairshrink.maths.factors import Outputs
from fairshrink.maths.tasks import Task, classify
from fairshrink.train.objectives.base import State
from fairshrink.types import GroupBatch


@dataclass(frozen=True)
class GroupGap:
    """Minimise (1 - alpha) * L + alpha * |L_u - L_rest|, each L a mean of the task's loss over samples of the batch.

    The second term is 0 for a batch that lacks either side. Samples of unknown group count in L only. With alpha 0 and without
    balance this is plain training.

    Attributes:
        task: What the model's outputs mean.
        alpha: Weight of the gap between the losses, in [0, 1].
        balanced: L is the mean over the batch's groups of each group's mean loss, so that every group counts alike; samples of
            unknown group are left out of it, unless the batch has no others.
        unprivileged: Group u; all others whose group is known are the rest.

    Raises:
        ConfigError: alpha is not in [0, 1], or unprivileged is no group.

    Source: the published code of Guo et al. 2024 (FairQuantize), loss of the re-training; balance is ours.
    """

    task: Task = classify
    alpha: float = 0.0
    balanced: bool = False
    unprivileged: int = 0

    def __post_init__(self):
        if not 0 <= self.alpha <= 1:
            raise ConfigError(
                f"alpha is {self.alpha}, expected a number from 0 (the mean loss alone) to 1 (the gap between the losses alone)."
            )
        if self.unprivileged < 0:
            raise ConfigError(f"unprivileged is {self.unprivileged}, expected the number of a group, counted from 0.")

    def begin(self, model: nn.Module, num_groups: int) -> State:
        """Nothing is kept; but a part of a batch does not tell how far its groups' losses lie apart.

        Raises:
            ConfigError: There is no such group.
        """
        if self.unprivileged >= num_groups:
            raise ConfigError(
                f"unprivileged is {self.unprivileged}, but there are {num_groups} groups: give one from 0 to {num_groups - 1}."
            )
        return State(whole_batches=self.balanced or self.alpha > 0)

    def step(self, model: nn.Module, batch: GroupBatch, state: State) -> Tensor:
        """The loss of the batch, a scalar."""
        outputs = model(batch.x)
        unprivileged = batch.g == self.unprivileged
        rest = (batch.g >= 0) & ~unprivileged
        mean = self._mean(outputs, batch)
        if self.alpha == 0 or not (unprivileged.any() and rest.any()):
            return (1 - self.alpha) * mean
        gap = self._over(unprivileged, outputs, batch.y) - self._over(rest, outputs, batch.y)
        return (1 - self.alpha) * mean + self.alpha * gap.abs()

    def _mean(self, outputs: Outputs, batch: GroupBatch) -> Tensor:
        groups = batch.g[batch.g >= 0].unique().tolist() if self.balanced else []
        if not groups:
            return self.task.loss(outputs, batch.y)
        means = [self._over(batch.g == group, outputs, batch.y) for group in groups]
        return sum(means[1:], start=means[0]) / len(means)

    def _over(self, chosen: Bool[Tensor, " N"], outputs: Outputs, y: Int[Tensor, " N"]) -> Tensor:
        """The mean loss of some of the samples."""
        some = tuple(part[chosen] for part in outputs) if isinstance(outputs, tuple) else outputs[chosen]
        return self.task.loss(some, y[chosen])
