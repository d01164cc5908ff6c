"""Where a path is put down between two steps, so that it can be gone on with."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.steps import Step


class Best(NamedTuple):
    """The step of a path that would be returned, if it ended now.

    Attributes:
        step: Its number, from 0.
        weights: The model's state_dict after it.
        frozen: What was fixed then.
    """

    step: int
    weights: dict[str, Tensor]
    frozen: Frozen


class Halfway(NamedTuple):
    """A path after some of its steps.

    Attributes:
        weights: The model's state_dict.
        frozen: What is fixed in it.
        steps: What was measured so far, the first step first.
        memory: What the recovery hands on to its next round; None where it hands on nothing.
        best: The step that would be returned; None where that is the last one.
    """

    weights: dict[str, Tensor]
    frozen: Frozen
    steps: tuple[Step, ...]
    memory: dict[str, Any] | None
    best: Best | None = None


@runtime_checkable
class Keeper(Protocol):
    """Keeps a path that re-trains. Taken up again with the same model, data and recipe, it ends with the same bits."""

    def load(self) -> Halfway | None:
        """What was kept last; None where nothing was."""
        ...

    def save(self, halfway: Halfway) -> None:
        """Keep this in place of what was kept before."""
        ...

    @property
    def training(self) -> Path | None:
        """Where a re-training keeps its state from epoch to epoch; None: nowhere."""
        ...

    def batch(self, step: int, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Told of every batch of a re-training: of which step, from 0, and epoch of it, from 0."""
        ...


class Nowhere:
    """The keeper that keeps nothing."""

    @property
    def training(self) -> None:
        """None."""
        return

    def load(self) -> None:
        """Nothing."""

    def save(self, halfway: Halfway) -> None:
        """Does nothing."""

    def batch(self, step: int, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Does nothing."""
