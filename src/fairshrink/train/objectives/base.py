"""What an objective is, and what it may carry from batch to batch."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer

from fairshrink.types import GroupBatch


@dataclass
class State:
    """What an objective keeps beside the model. All of it is in the state file, so an interrupted training loses nothing.

    Attributes:
        modules: Heads, teachers. Parameters that need gradients and that no optimiser here owns are trained with the model's.
        optimizers: The objective's own; it steps them itself.
        tensors: Group weights, running means: replace or change them as training goes.
        epoch: Which pass over the data this is, from 0; the loop sets it.
        whole_batches: Whether the loss is no mean over samples, so that parts of a batch cannot be computed apart: several
            processes are refused.
    """

    modules: dict[str, nn.Module] = field(default_factory=dict)
    optimizers: dict[str, Optimizer] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    epoch: int = 0
    whole_batches: bool = False


@runtime_checkable
class Objective(Protocol):
    """One per training method; a frozen dataclass, so that its settings are part of what the state file checks."""

    def begin(self, model: nn.Module, num_groups: int) -> State:
        """Make what is kept beside the model, on the model's device."""
        ...

    def step(self, model: nn.Module, batch: GroupBatch, state: State) -> Tensor:
        """Run the model on a batch and return the loss, a scalar; the loop does the backward pass and the update.

        Where several processes train together, the model comes wrapped (its own layers are in `.module`), the batch is this
        process's part, and the loss must be a mean over it.
        """
        ...
