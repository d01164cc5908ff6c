"""Training by several processes (torch.distributed): who this one is, and what they exchange beside the gradients."""

import os
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from fairshrink.data.portions import ALONE
from fairshrink.errors import FairshrinkError, ModelError
from fairshrink.maths.sharing import Share

T = TypeVar("T")
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def crew(environment: Mapping[str, str] = os.environ) -> Share:
    """Which process of how many `torchrun` started this one as; the only one, if it did not."""
    if not all(name in environment for name in NEEDED):
        return ALONE
    return Share(int(environment["RANK"]), int(environment["WORLD_SIZE"]))


def parallel(model: nn.Module, share: Share) -> nn.Module:
    """The model in a form whose gradients are averaged over the processes; all begin as process 0, weights and buffers."""
    if share.count == 1:
        return model
    shared = DistributedDataParallel(model)
    shared.broadcast_buffers = False  # An exchange before each batch, in which a process that has failed has no part.
    return shared


def share_buffers_(model: nn.Module, share: Share) -> None:
    """Running statistics become process 0's, which has samples of every batch."""
    if share.count > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


def agreed(compute: Callable[[], tuple[T, float]], share: Share, device: torch.device) -> tuple[T, float]:
    """Run one process's part; then all learn whether all could, so that none waits for another in vain.

    Args:
        compute: Returns the part's result and a number; must not exchange anything itself.
        share: Which process of how many.
        device: Where numbers are exchanged: the model's.

    Returns:
        The own result, and the sum of all processes' numbers.

    Raises:
        ModelError: Another process failed; its own message is in it. Whatever `compute` raises goes on to the caller.
    """
    if share.count == 1:
        return compute()
    outcome, number, failure = None, 0.0, None
    try:
        outcome, number = compute()
    except Exception as error:  # Told to the others before it goes on.
        failure = error
    told = torch.tensor([number, failure is not None], dtype=torch.float64, device=device)
    distributed.all_reduce(told)
    if told[1] > 0:
        _stop(share, failure, device)
    return outcome, float(told[0])  # pyright: ignore[reportReturnType]  # set, or there was a failure


def spread(content: bytes | None, share: Share, device: torch.device, source: int = 0) -> bytes | None:
    """What one process has, in every process; nothing is unpickled on the way."""
    if share.count == 1:
        return content
    size = torch.tensor(-1 if content is None else len(content), device=device)
    distributed.broadcast(size, source)
    if size < 0:
        return None
    own = content if share.rank == source else None
    held = torch.frombuffer(bytearray(own), dtype=torch.uint8) if own else torch.empty(int(size), dtype=torch.uint8)
    here = held.to(device)
    distributed.broadcast(here, source)
    return here.cpu().numpy().tobytes()


def is_lost(error: BaseException) -> bool:
    """Whether an exchange broke off because another process is gone."""
    words = str(error).lower()
    broken = isinstance(error, distributed.DistError) or "gloo" in words or "nccl" in words
    return isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError) and broken


def _stop(share: Share, failure: Exception | None, device: torch.device) -> NoReturn:
    first = torch.tensor(share.count if failure is None else share.rank, device=device)
    distributed.all_reduce(first, distributed.ReduceOp.MIN)
    own = b"" if failure is None else _in_words(failure).encode("utf-8", "backslashreplace")
    words = spread(own, share, device, int(first)) or b""
    if failure is not None:
        raise failure
    raise ModelError(f"process {int(first)} of {share.count} could not go on: {words.decode()}")


def _in_words(failure: Exception) -> str:
    if isinstance(failure, FairshrinkError):
        return str(failure)
    return "".join(traceback.format_exception(failure))
