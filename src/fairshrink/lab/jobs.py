"""What a process is handed, and how it does it: a unit of a sweep, its lines in a log, its failure kept."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fairshrink.errors import FairshrinkError, StoreError
from fairshrink.lab.config import Experiment
from fairshrink.lab.records import now
from fairshrink.lab.run import Part, run

PATIENCE = 60.0  # seconds that a folder may still be held by a process that is about to end
OFTEN = 20.0  # seconds between two lines of progress in a log


@dataclass(frozen=True)
class Job:
    """A unit, ready to be done by any process that sees the same files.

    Attributes:
        unit: Its name.
        experiment: What its folder is the run folder of.
        folder: That folder.
        part: What is to be done of the experiment.
        beside: Where relative paths of the experiment are looked for.
        store: Where decoded images go unless FAIRSHRINK_CACHE says so.
        log: Where its lines go.
        then: Called last with the folder; None for everything but whole runs.
    """

    unit: str
    experiment: Experiment
    folder: Path
    part: Part | None
    beside: Path
    store: Path
    log: Path
    then: Callable[[Path], object] | None = None

    @property
    def threads(self) -> int:
        """How many it computes with."""
        return self.experiment.train.threads


@dataclass(frozen=True)
class Failure:
    """Why a unit failed.

    Attributes:
        message: For people.
        trace: Where in the program it was.
        died: It may have come from outside (the process ended without a word, the machine lacked the folder): it is tried
            again at the next start.
    """

    message: str
    trace: str = ""
    died: bool = False


class Log:
    """An observer that writes lines to a file as they come."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.last = 0.0

    def say(self, message: str) -> None:
        """A line, with the time."""
        self.file.write(f"{now()} {message}\n")
        self.file.flush()

    def advance(self, what: str, done: int, total: int) -> None:
        """A line now and then."""
        if time.monotonic() - self.last > OFTEN:
            self.last = time.monotonic()
            self.say(f"{what}: {done} of {total}")


def attempt(job: Job) -> Failure | None:
    """Do a unit; what stops it is returned, not raised."""
    try:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            log = Log(file)
            log.say("begins")
            failure = _attempt(job, log)
            log.say(f"failed: {failure.message}\n{failure.trace}" if failure else "done")
            return failure
    except OSError as error:
        return Failure(f"StoreError: '{job.log}' could not be written: {error.strerror or error}.")


def _attempt(job: Job, log: Log) -> Failure | None:
    began = time.monotonic()
    while True:
        try:
            run(
                job.experiment,
                job.folder,
                beside=job.beside,
                observer=log,
                then=job.then,
                part=job.part,
                store=job.store,
            )
        except StoreError as error:
            if not isinstance(error.__cause__, BlockingIOError) or time.monotonic() - began > PATIENCE:
                return _failure(error)
            time.sleep(0.5)  # The process that was lost is not quite gone.
        except Exception as error:
            return _failure(error)
        else:
            return None


def _failure(error: Exception) -> Failure:
    name = type(error).__name__
    said = str(error) if isinstance(error, FairshrinkError) else f"{error} (a fault of fairshrink, or of what it uses)"
    return Failure(f"{name}: {said}", traceback.format_exc())
