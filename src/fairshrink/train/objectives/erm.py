"""Plain training: the mean loss over all samples, whoever they are (empirical risk minimisation)."""

from dataclasses import dataclass

from torch import Tensor, nn

from fairshrink.maths.tasks import Task, classify
from fairshrink.train.objectives.base import State
from fairshrink.types import GroupBatch


@dataclass(frozen=True)
class Erm:
    """Minimise a task's loss; the groups play no part.

    Attributes:
        task: What the model's outputs mean.
    """

    task: Task = classify

    def begin(self, model: nn.Module, num_groups: int) -> State:
        """Nothing is kept."""
        return State()

    def step(self, model: nn.Module, batch: GroupBatch, state: State) -> Tensor:
        """The task's loss on the batch, a scalar."""
        return self.task.loss(model(batch.x), batch.y)


erm = Erm()
