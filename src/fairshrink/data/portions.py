"""One process's images of a batch that several work on."""

from typing import NamedTuple

from fairshrink.maths.sharing import Share
from fairshrink.types import GroupBatch

ALONE = Share()  # One process, which has all.


class Portion(NamedTuple):
    """What one process has of a batch.

    Attributes:
        batch: Its own samples; none of a batch that is too small for all.
        whole: Samples of the batch in all processes, N.
    """

    batch: GroupBatch
    whole: int


def own_samples(size: int, share: Share) -> slice:
    """The own samples of a batch: each belongs to one process, and none has a single one where another could take it.

    Batch norm has no variance of a single image. A batch too small for two each is shared out among the first processes,
    and the others have none of it.

    Args:
        size: Samples in the batch.
        share: Which process of how many.
    """
    working = max(1, min(share.count, size // 2))
    return slice(share.rank, None, working) if share.rank < working else slice(0)


def portion_of(batch: GroupBatch, share: Share) -> Portion:
    """The own samples of a batch that has been read whole."""
    own = own_samples(len(batch.y), share)
    return Portion(GroupBatch(batch.x[own], batch.y[own], batch.g[own]), len(batch.y))
