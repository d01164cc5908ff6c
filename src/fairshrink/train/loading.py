"""What can be trained on: data in batches, epoch by epoch, whole or one process's samples of each."""

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor

from fairshrink.data.portions import Portion, portion_of
from fairshrink.maths.samples import check_parts
from fairshrink.maths.sharing import Share
from fairshrink.types import Batches, GroupBatch


@runtime_checkable
class EpochLoader(Protocol):
    """Data whose order and augmentation depend on the epoch's number and nothing else."""

    def epoch(self, number: int) -> Iterable[GroupBatch]:
        """The batches of an epoch, from 0."""
        ...

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...


@runtime_checkable
class Counted(Protocol):
    """Batches that say how many they are: a list, the same in every epoch; or a DataLoader, which may shuffle."""

    def __iter__(self) -> Iterator[GroupBatch | tuple[Tensor, Tensor, Tensor] | list[Tensor]]:
        """One batch after the other."""
        ...

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...


@runtime_checkable
class SharedLoader(EpochLoader, Protocol):
    """Data of which a process need read its own samples only."""

    def portions(self, number: int, share: Share) -> Iterator[Portion]:
        """The own samples of every batch of an epoch, from 0."""
        ...


def portions(loader: EpochLoader | Batches, number: int, share: Share) -> Iterator[Portion]:
    """One process's samples of every batch of an epoch; of a batch in which it has none, an empty portion.

    Args:
        loader: An EpochLoader; or batches, the same in every epoch.
        number: The epoch, from 0.
        share: Which process of how many.
    """
    if isinstance(loader, SharedLoader):
        yield from loader.portions(number, share)
        return
    batches = loader.epoch(number) if isinstance(loader, EpochLoader) else loader
    for place, batch in enumerate(batches, start=1):
        yield portion_of(batch if isinstance(batch, GroupBatch) else check_parts(place, batch), share)
