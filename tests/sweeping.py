"""Small sweeps, and an engine that does their units in this process, one after the other."""

import copy
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairshrink.errors import DataError
from fairshrink.lab.engines import Ended
from fairshrink.lab.jobs import Job, attempt
from fairshrink.lab.sweep_file import SweepFile, parse_sweep
from tiny import TINY

SAME = (
    "*.safetensors",
    "model.json",
    "predictions.csv",
    "test.csv",
    "audit.json",
    "comparison.json",
    "choice.json",
    "saliency.json",
    "data.json",
    "config.toml",
)


class Here:
    """An engine in this process.

    Attributes:
        begun: Names of the units that were started.
        after: Called before each unit with its job.
    """

    def __init__(self, before: Callable[[Job], object] | None = None) -> None:
        self.begun: list[str] = []
        self.ended: list[Ended] = []
        self.before = before
        self.stopped = False

    @property
    def slots(self) -> int:
        return 1

    def start(self, job: Job) -> None:
        self.begun.append(job.unit)
        if self.before is not None:
            self.before(job)
        self.ended.append(Ended(job.unit, attempt(job)))

    def wait(self, seconds: float) -> list[Ended]:
        ended, self.ended = self.ended, []
        return ended

    def stop(self) -> None:
        self.stopped = True


class Lines:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.moved: list[tuple[str, int, int]] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, what: str, done: int, total: int) -> None:
        self.moved.append((what, done, total))


def sweep_file(base: dict[str, Any] | None = None, **parts: Any) -> SweepFile:
    """A sweep over the smallest experiment; `base` changes sections of it."""
    given = copy.deepcopy(TINY)
    for section, change in (base or {}).items():
        given[section] = given.get(section, {}) | change if isinstance(change, dict) else change
    return SweepFile(parse_sweep({"base": given} | parts, "tiny sweep"), Path.cwd(), "tiny sweep")


def outputs(root: Path) -> dict[str, bytes]:
    """Everything in a run folder that has to be the same again."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for name in SAME for path in sorted(root.rglob(name))}


def mark(folder: Path) -> None:
    """In place of a report."""
    (folder / "report.html").write_text("a page", encoding="utf-8")


def refuse_first(folder: Path) -> None:
    """A report that fails for one run."""
    if "ratio-0.2" in folder.name:
        raise DataError(f"'{folder.name}' cannot be drawn.")
    mark(folder)


def stumble(folder: Path) -> None:
    """A fault of the program's own."""
    raise ZeroDivisionError(folder.name)


def die(folder: Path) -> None:
    """As if the system had run out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
