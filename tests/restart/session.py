"""One session of a run in a process of its own, which ends where it is told to: killed, or out of room on the disk.

Progress is counted in events: what the session does to files of the run folder (open for writing, flush, rename, remove,
make a folder), and what it tells its observer. A point is a phase and an event in it, so that it does not depend on the
machine's speed.
"""

import errno
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from fairshrink.errors import StoreError
from fairshrink.lab import records
from fairshrink.lab import run as lab
from fairshrink.lab.config import Experiment
from fairshrink.report.writing import write_all
from fairshrink.train import loop

PHASES = ("import", "train", "shrink", "report")
ANY = "session"
WRITING = ("open", "rename", "flush")
ENDED = {"full": 3, "limit": 3, "interrupt": 130, "fault": 4, "kill": -signal.SIGKILL, "clock": -signal.SIGKILL}


@dataclass(frozen=True)
class Stop:
    """How a session ends before its time.

    Attributes:
        how: "kill": SIGKILL at an event; "interrupt": Ctrl-C at an event; "full": the disk is full at an event that
            writes; "limit": no file may grow beyond `at` bytes; "clock": SIGKILL after `at` milliseconds, from outside.
        phase: Whose events are counted; "session": all of them.
        at: Which of them, from 1.
    """

    how: Literal["kill", "interrupt", "full", "limit", "clock"]
    phase: str
    at: int


@dataclass
class Watch:
    """Counts events and does at the right one what the stop says; also the session's observer."""

    root: str
    stop: Stop | None
    tell: int  # file descriptor for what happened
    phase: str = PHASES[0]
    seen: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)  # events that need room on the disk

    def say(self, message: str) -> None:
        self.event("say", message)

    def advance(self, what: str, done: int, total: int) -> None:
        self.event("advance", f"{what.partition(',')[0]} {done} of {total}")

    def hook(self, name: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook of Python: told before anything happens to a file."""
        if name == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and str(path).startswith(self.root):
                self.event("open", str(path))
        elif name in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") and self._is_ours(str(arguments[0])):
            self.event(name.removeprefix("os."), str(arguments[1] if name == "os.rename" else arguments[0]))

    def _is_ours(self, path: str) -> bool:
        # shutil.rmtree gives names relative to an open folder; nothing else here does.
        return path.startswith(self.root) or not os.path.isabs(path)

    def event(self, kind: str, what: str) -> None:
        self.phase = max(self.phase, _phase(what.removeprefix(self.root)) or self.phase, key=PHASES.index)
        self.seen.update((self.phase, ANY))
        if kind in WRITING:
            self.written.update((self.phase, ANY))
        if self.stop is not None and self._is_now(self.stop, kind):
            _end(self.stop.how, self.tell, f"{self.phase}: {kind} {what.removeprefix(self.root)}")

    def _is_now(self, stop: Stop, kind: str) -> bool:
        if stop.how == "full":
            return kind in WRITING and self.written[stop.phase] == stop.at
        return stop.how in ("kill", "interrupt") and self.seen[stop.phase] == stop.at


def _phase(path: str) -> str | None:
    if "/stages/" in path:
        return "train" if "/stages/00-train" in path else "shrink"
    return "report" if path.endswith("report.html") else None


def _end(how: str, tell: int, where: str) -> None:
    os.write(tell, f"{json.dumps({'where': where})}\n".encode())
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "interrupt":
        raise KeyboardInterrupt
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def session(experiment: Experiment, root: Path, stop: Stop | None, tell: int) -> int:
    """Do the run in this process, which is a fork and ends with it; the exit status is 0, or one of ENDED."""
    watch = Watch(str(root), stop, tell)
    _stand_still()
    _count_flushes(watch)
    sys.addaudithook(watch.hook)
    if stop is not None and stop.how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (stop.at, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    def report(folder: Path) -> None:
        watch.event("report", "report.html")
        write_all(folder)

    try:
        lab.run(experiment, root, observer=watch, then=report)
    except StoreError as error:
        os.write(tell, f"{json.dumps({'error': str(error)})}\n".encode())
        return ENDED["full"]
    except KeyboardInterrupt:
        return ENDED["interrupt"]
    except BaseException:
        os.write(tell, f"{json.dumps({'error': traceback.format_exc()})}\n".encode())
        return ENDED["fault"]
    os.write(tell, f"{json.dumps({'kill': watch.seen, 'full': watch.written})}\n".encode())
    return 0


def _stand_still() -> None:
    """Clocks that always say the same, so that every file of two runs can be compared to the last byte."""
    time.perf_counter = lambda: 0.0
    loop.time = SimpleNamespace(perf_counter=count().__next__)  # an epoch takes one second: it is divided by
    for module in (lab, records):
        module.now = lambda: "2000-01-01T00:00:00+00:00"


def _count_flushes(watch: Watch) -> None:
    flush = os.fsync

    def counted(handle: int) -> None:
        watch.event("flush", os.readlink(f"/proc/self/fd/{handle}"))
        flush(handle)

    os.fsync = counted
