"""The one or two readings of the data that a curvature takes, as one process's share of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from fairshrink.errors import DataError
from fairshrink.maths.passes import Pass, add_, add_gradient_, chunk_size, weights_of
from fairshrink.maths.samples import counted, samples_of
from fairshrink.maths.sharing import Share, key_of
from fairshrink.maths.windows import Part, cut, gathered, rows_of
from fairshrink.types import Batches


@dataclass(frozen=True)
class Data:
    """The samples, who reads which of them, and with what they are measured."""

    work: Pass
    batches: Batches
    num_groups: int
    share: Share


@dataclass
class Log:
    """What a reading has seen so far, of all processes' samples: their groups, and a key of them all."""

    groups: list[Int[Tensor, "N"]] = field(default_factory=list)
    count: int = 0
    key: int = 0

    @property
    def members(self) -> Int[Tensor, "N"]:
        """The group of each sample."""
        return torch.cat(self.groups) if self.groups else torch.zeros(0, dtype=torch.int64)


def weigh(data: Data, slopes: dict[str, Tensor] | None) -> tuple[tuple[Float64[Tensor, "J N"], Log], int]:
    """The first reading when columns are left out: the weight of every column of the own samples, 0 for all others.

    Args:
        data: What to read.
        slopes: Sums of gradients that grow on the way, where they are wanted.

    Returns:
        The weights and what was seen, and the key of it.
    """
    log, found = Log(), []
    for part in _parts(data, log):
        weights = weights_of(data.work, part.x) if slopes is None else add_gradient_(data.work, slopes, part)
        found.append((part.places, weights.cpu()))
    counted(log.members, data.num_groups)
    result = torch.zeros(len(found[0][1]) if found else 0, log.count, dtype=torch.float64)
    for places, weights in found:
        result[:, places] = weights
    return (result, log), log.key


def add_kept_(
    data: Data, totals: dict[str, Tensor], scale: Float64[Tensor, "J N"], first: Log
) -> tuple[Int[Tensor, "G"], int]:
    """The second reading: samples with a kept column alone, the fullest together."""
    log, kept = Log(), scale > 0
    parts = (part.at(kept[:, part.places].any(0)) for part in _parts(data, log, first))
    for part in gathered(parts):
        samples, taken = rows_of(kept[:, part.places])
        for chunk in cut(taken.sum(0).tolist(), chunk_size(data.work, part.x)):
            few = part.at(samples[chunk])
            add_(data.work, totals, few, torch.where(taken[:, chunk], scale[:, few.places], 0.0))
    if (log.count, log.key) != (first.count, first.key):
        raise _changed()
    return counted(log.members, data.num_groups), log.key


def add_all_(data: Data, totals: dict[str, Tensor], slopes: dict[str, Tensor] | None) -> tuple[Int[Tensor, "G"], int]:
    """The only reading when no column is left out."""
    log = Log()
    for part in gathered(_sloped(data, log, slopes)):
        for rows in torch.arange(len(part.x)).split(chunk_size(data.work, part.x)):
            add_(data.work, totals, part.at(rows), None)
    return counted(log.members, data.num_groups), log.key


def _sloped(data: Data, log: Log, slopes: dict[str, Tensor] | None) -> Iterator[Part]:
    for part in _parts(data, log):
        if slopes is not None:
            add_gradient_(data.work, slopes, part)
        yield part


def _parts(data: Data, log: Log, before: Log | None = None) -> Iterator[Part]:
    """The own samples, batch by batch; all of them are logged, and compared with those of a reading before."""
    expected = None if before is None else before.members
    for x, y, g in samples_of(data.batches, num_groups=data.num_groups, like=data.work.tensors[data.work.names[0]]):
        start, groups = log.count, g.cpu()
        if expected is not None and not torch.equal(expected[start : start + len(g)], groups):
            raise _changed()
        log.groups.append(groups)
        log.count += len(g)
        log.key = int(key_of([x, y, g], start=start) + log.key)
        part = Part(x, y, groups, torch.arange(start, log.count)).at(data.share.own(start))
        if len(part.x):
            yield part


def _changed() -> DataError:
    return DataError(
        "the batches came in another order, number or form the second time, but columns = a number reads them twice.\n"
        "  Turn shuffling and augmentation off, or use  columns=None,  which reads them once."
    )
