"""The processes of a run that `torchrun` started: process 0 does everything, and calls the others for training only."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from fairshrink.errors import ConfigError, FairshrinkError, ModelError
from fairshrink.lab.observer import Observer
from fairshrink.maths.sharing import Share
from fairshrink.train.processes import crew, is_lost

CALL, OVER, READY = "fairshrink/call", "fairshrink/over", "fairshrink/ready"
LOOK = 0.1  # seconds between two looks at what the others have said; no signal has to wait for longer
LAST_WORDS = 1.0  # seconds that process 0 has to say why, before torchrun sees another one end and ends it, too
SIGNAL = 5.0  # what ended another process (Ctrl-C, a batch system) mostly comes here too, a moment later


@dataclass(frozen=True)
class Call:
    """What process 0 tells the others before training.

    Attributes:
        folds: Whose models are trained, in order.
        digest: Of the data.
        device: "cpu" or "cuda".
        precision: What is computed in.
    """

    folds: tuple[int, ...]
    digest: str
    device: str
    precision: str


def meet() -> Store:
    """Where the processes leave words for each other."""
    return PrefixStore("lab", next(rendezvous("env://"))[0])


def own_device() -> torch.device:
    """This process's GPU, by its number on this machine; the CPU where there is none.

    Raises:
        ConfigError: There are more processes on this machine than GPUs.
    """
    here, processes = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if processes > torch.cuda.device_count():
        raise ConfigError(
            f"there are {processes} processes on this machine, but {torch.cuda.device_count()} GPU(s).\n"
            "  Start one process for each GPU (--nproc-per-node), or hide the GPUs (CUDA_VISIBLE_DEVICES='') to train on the CPU."
        )
    return torch.device("cuda", here)


@contextmanager
def leading() -> Iterator[None]:
    """Process 0's whole run; at its end, however it ends, the others are let go."""
    if crew().count == 1:
        yield
        return
    store = meet()
    try:
        yield
    finally:
        with suppress(RuntimeError):  # Nobody is left to be told.
            store.set(OVER, "")


def call(what: Call, observer: Observer) -> None:
    """Call the other processes for training, and wait until all of them have their data.

    Raises:
        ConfigError: One of them cannot take part; its own message is in it.
    """
    store, share = meet(), crew()
    store.set(CALL, json.dumps(asdict(what)))
    observer.say(f"waiting for {share.count - 1} other process(es), to train together ({what.device})")
    for rank in range(1, share.count):
        while not store.check([f"{READY}/{rank}"]):
            time.sleep(LOOK)
        if problem := store.get(f"{READY}/{rank}").decode():
            raise ConfigError(f"process {rank} of {share.count} cannot take part: {problem}")


def called(store: Store) -> Call | None:
    """Wait for process 0's call; None where the run is over without one."""
    while not _is_over(store):
        if store.check([CALL]):
            break
        time.sleep(LOOK)
    else:
        return None
    told = json.loads(store.get(CALL))
    return Call(**told | {"folds": tuple(told["folds"])})


def answer(store: Store, problem: FairshrinkError | None) -> None:
    """Tell process 0 that this one is ready, or why not."""
    store.set(f"{READY}/{crew().rank}", str(problem or ""))


def wait_for_end(store: Store) -> None:
    """Until process 0 has ended: the first to leave would make `torchrun` on several machines count the seconds."""
    while not _is_over(store):
        time.sleep(LOOK)


def _is_over(store: Store) -> bool:
    try:
        return store.check([OVER])
    except RuntimeError:  # Process 0 kept the store, and is gone.
        return True


@contextmanager
def group(device: torch.device) -> Iterator[Share]:
    """A process group for as long as it is needed: outside of it, whoever computes does not wait for others.

    Raises:
        ModelError: Another process is gone.
    """
    share = crew()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        store = PrefixStore("group", meet())
        distributed.init_process_group(backend, store=store, rank=share.rank, world_size=share.count)
        yield share
    except RuntimeError as error:
        if not is_lost(error):
            raise
        time.sleep(SIGNAL)
        raise ModelError(
            f"process {share.rank} of {share.count} lost the others in the middle of the training: one of them was ended.\n"
            "  Finished epochs are kept: start the same command again, with as many processes as you like."
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
