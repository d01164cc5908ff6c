"""Who does the units of a sweep: processes on this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple, Protocol

import torch

from fairshrink.lab.jobs import Failure, Job, attempt

GONE = 1  # exit status of a worker whose sweep is not there any more


class Ended(NamedTuple):
    """A unit that is not under way any more, and why it failed if it did."""

    unit: str
    failure: Failure | None


class Engine(Protocol):
    """Does units, several at a time."""

    @property
    def slots(self) -> int:
        """How many units it does at a time."""
        ...

    def start(self, job: Job) -> None:
        """Begin a unit; there must be a free slot."""
        ...

    def wait(self, seconds: float) -> list[Ended]:
        """Units that have ended; waits for the first one, but not longer than that."""
        ...

    def stop(self) -> None:
        """End whatever is under way; its epochs and settings are kept in its folder."""
        ...


def local(jobs: int | None, threads: int) -> "Local":
    """Processes on this machine: by default one for each GPU, or as many as have their threads to themselves.

    Args:
        jobs: How many; None: by default.
        threads: How many each of them computes with.
    """
    devices = _devices()
    cores = len(os.sched_getaffinity(0))
    return Local(jobs or len(devices) or max(1, cores // threads), devices)


@dataclass(frozen=True)
class _Worker:
    """A process that does one unit after the other; importing torch takes it seconds, once."""

    process: SpawnProcess
    pipe: Connection
    device: str | None


class Local:
    """Processes on this machine. One that dies, killed for its memory perhaps, takes its own unit with it and no other."""

    def __init__(self, jobs: int, devices: Sequence[str] = ()) -> None:
        """Nothing starts yet.

        Args:
            jobs: How many processes.
            devices: What CUDA_VISIBLE_DEVICES is in each, in turn; empty: as it is here.
        """
        self.jobs = jobs
        self.devices = [devices[number % len(devices)] if devices else None for number in range(jobs)]
        self.idle: list[_Worker] = []
        self.busy: dict[str, _Worker] = {}

    @property
    def slots(self) -> int:
        """How many units it does at a time."""
        return self.jobs

    def start(self, job: Job) -> None:
        """Begin a unit in a process that is free, or in a new one."""
        worker = self.idle.pop() if self.idle else _begin(self._free_device())
        self.busy[job.unit] = worker
        try:
            worker.pipe.send(job)
        except OSError:  # It has died; `wait` finds that out.
            return

    def wait(self, seconds: float) -> list[Ended]:
        """Units that have ended; waits for the first one, but not longer than that."""
        places = [place for worker in self.busy.values() for place in (worker.pipe, worker.process.sentinel)]
        ready = wait(places, timeout=seconds) if places else []
        ended = [unit for unit, one in self.busy.items() if one.pipe in ready or one.process.sentinel in ready]
        return [self._end(unit) for unit in ended]

    def stop(self) -> None:
        """End all processes."""
        for worker in (*self.idle, *self.busy.values()):
            worker.process.kill()
            worker.process.join()
        self.idle, self.busy = [], {}

    def _free_device(self) -> str | None:
        taken = [worker.device for worker in (*self.idle, *self.busy.values())]
        left = list(self.devices)
        for device in taken:
            left.remove(device)
        return left[0]

    def _end(self, unit: str) -> Ended:
        worker = self.busy.pop(unit)
        try:
            failure = worker.pipe.recv() if worker.pipe.poll() else _died(worker.process)
        except (EOFError, OSError):
            failure = _died(worker.process)
        if failure is None or not failure.died:
            self.idle.append(worker)
        return Ended(unit, failure)


def _begin(device: str | None) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ends: Any = context.Pipe()  # Its type depends on the system.
    here, there = ends
    process = context.Process(target=serve, args=(there, device), daemon=True)
    process.start()
    there.close()  # So that the pipe ends with the process.
    return _Worker(process, here, device)


def serve(pipe: Connection, device: str | None) -> None:
    """What a process does: units, until there are no more or the sweep has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the sweep decides.
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device  # before CUDA starts in this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(job))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(GONE)  # A process that works on for nobody would hold its folder against the sweep's next start.


def _devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]


def _died(process: SpawnProcess) -> Failure:
    process.kill()
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return Failure(f"its process ended with status {code} without a word", died=True)
    name = signal.Signals(-code).name
    why = ": out of memory? Give fewer --jobs, or smaller batches" if -code == signal.SIGKILL else ""
    return Failure(f"its process died of {name}{why}", died=True)
