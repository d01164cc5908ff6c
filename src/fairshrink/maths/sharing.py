"""One pass over the data by several processes: each takes its share of the samples, and all end with the sums of all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor, distributed

from fairshrink.errors import DataError
from fairshrink.maths.columns import mix

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Which process of how many this is; samples rank, rank + count, ... of the data are its own."""

    rank: int = 0
    count: int = 1

    def own(self, start: int) -> slice:
        """The own samples of a batch whose first one has this place in the data."""
        return slice((self.rank - start) % self.count, None, self.count)


def share_of_process() -> Share:
    """Of torch.distributed's default group, where there is one."""
    if distributed.is_available() and distributed.is_initialized():
        return Share(distributed.get_rank(), distributed.get_world_size())
    return Share()


def together(share: Share, device: torch.device, read: Callable[[], tuple[T, int]]) -> T:
    """Runs one process's part of a reading; then all processes learn how it went, so that none waits for another in vain.

    Args:
        share: Of this process.
        device: Where numbers are exchanged: the model's.
        read: Returns the result and a key of what was read; it must not exchange anything itself.

    Raises:
        DataError: Another process failed, or read something else. Whatever `read` raises goes on to the caller.
    """
    if share.count == 1:
        return read()[0]
    result, key, failure = None, 0, None
    try:
        result, key = read()
    except Exception as error:  # Told to the others before it goes on.
        failure = error
    told = torch.tensor([failure is not None, key], dtype=torch.int64, device=device)
    heard = [torch.empty_like(told) for _ in range(share.count)]
    distributed.all_gather(heard, told)
    if failure is not None:
        raise failure
    _check(share, torch.stack(heard).tolist())
    return result  # pyright: ignore[reportReturnType]  # set, or there was a failure


def summed_(share: Share, *tensors: Tensor) -> None:
    """Adds up tensors over the processes, in place."""
    if share.count > 1:
        for tensor in tensors:
            distributed.all_reduce(tensor)


def largest(share: Share, number: int, device: torch.device) -> int:
    """The largest of the processes' numbers."""
    if share.count == 1:
        return number
    told = torch.tensor(number, device=device)
    distributed.all_reduce(told, distributed.ReduceOp.MAX)
    return int(told)


def key_of(tensors: list[Tensor], *, start: int) -> Int[Tensor, ""]:
    """A number that tells samples from others, and their order: the same bits give the same number on any machine.

    Args:
        tensors: Each (N, ...), of any dtype.
        start: Place of the first sample in the data.
    """
    places = torch.arange(start, start + len(tensors[0]), device=tensors[0].device)
    key = mix(places + 1)
    for tensor in tensors:
        bits = _bits(tensor.detach()).reshape(len(tensor), -1).to(torch.int64)
        odd = 2 * torch.arange(bits.shape[1], device=bits.device) + 1
        key = mix(key + (bits * odd).sum(1).to(key.device))
    return key.sum()


def _bits(tensor: Tensor) -> Tensor:
    sizes = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.contiguous().view(sizes[tensor.element_size()]) if tensor.is_floating_point() else tensor


def _check(share: Share, heard: list[list[int]]) -> None:
    if failed := [rank for rank, (wrong, _) in enumerate(heard) if wrong]:
        raise DataError(
            f"process {share.rank} of {share.count} stops, because process {failed[0]} could not go on; its own message says why."
        )
    if others := [rank for rank, (_, key) in enumerate(heard) if key != heard[0][1]]:
        raise DataError(
            f"processes 0 and {others[0]} of {share.count} were given different batches, models or settings, but the work on the "
            "same data is shared out among them.\n  Give every process all the batches, in the same order (without a "
            "DistributedSampler, shuffling or augmentation), and the same columns, seed and params."
        )
