"""Chains: a run that is stopped, started again, stopped elsewhere, ..., and at last left to end."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from fairshrink.files import LOCK, TEMPORARY
from fairshrink.lab.config import Experiment

from .session import ANY, ENDED, PHASES, Stop, session

SPARE = 8  # events with which every session begins: the lock, leftovers, the environment, the store


@dataclass
class Chain:
    """What became of a chain.

    Attributes:
        planned: How many stops it was to have.
        ends: One line for each that came about: where it was.
        errors: What the sessions that ran out of room said.
        faults: Everything that should not be: empty when all is well.
    """

    planned: int
    ends: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """A run left alone: its files, and how many events each phase has at which it can be killed, or run out of room."""

    files: dict[str, bytes]
    events: dict[str, dict[str, int]]
    milliseconds: int


def reference(experiment: Experiment, root: Path) -> Reference:
    """A run that nobody stops."""
    began = time.monotonic()
    status, told = one_session(experiment, root, None)
    if status != 0:
        raise RuntimeError(f"the run that was left alone ended with {status}: {told}")
    return Reference(files_of(root), told[-1], round(1000 * (time.monotonic() - began)))


def chain(experiment: Experiment, root: Path, stops: Sequence[Stop], left_alone: Reference) -> Chain:
    """Stop a run at each point in turn, let it end, and compare it with the one that was left alone."""
    found = Chain(len(stops))
    for stop in (*stops, None):
        status, told = one_session(experiment, root, stop)
        found.ends += [message["where"] for message in told if "where" in message]
        found.errors += [message["error"] for message in told if "error" in message and status == ENDED["full"]]
        found.faults += [f"{stop}: status {status}: {told}" for _ in range(1) if not _as_expected(stop, status)]
        if stop is not None and stop.how in ("clock", "limit") and status != 0:
            found.ends.append(f"{stop.how} {stop.at}")
    found.faults += differences(left_alone.files, files_of(root))
    return found


def _as_expected(stop: Stop | None, status: int) -> bool:
    """Ended by itself; or as it was to be stopped."""
    return status == 0 or (stop is not None and status == ENDED[stop.how])


def one_session(experiment: Experiment, root: Path, stop: Stop | None) -> tuple[int, list[dict]]:
    """Fork, run, wait: the exit status (negative: the signal) and what the process told."""
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        status = 5
        try:
            os.close(hear)
            status = session(experiment, root, stop, tell)
        finally:
            os._exit(status)
    os.close(tell)
    if stop is not None and stop.how == "clock":
        time.sleep(stop.at / 1000)
        os.kill(child, signal.SIGKILL)  # not yet waited for, so that its number is still its own
    with os.fdopen(hear, encoding="utf-8") as lines:
        told = [json.loads(line) for line in lines]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def files_of(root: Path) -> dict[str, bytes]:
    """Every file of a run folder but its lock."""
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != LOCK]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def differences(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """Files that are missing, too many, left over, or not the same to the last byte."""
    lacking = [f"{name} is missing" for name in expected if name not in found]
    other = [f"{name} differs" for name in expected if name in found and expected[name] != found[name]]
    extra = [f"{name} is {'a leftover' if TEMPORARY in name else 'too many'}" for name in found if name not in expected]
    return lacking + other + extra


def points(events: dict[str, int], chains: int, seed: int, how: str = "kill") -> Iterator[list[Stop]]:
    """Stops for some chains: one in each phase, spread evenly over its events, and one early in some later session.

    A phase's events are counted from its first, which no earlier session of the chain has reached, so that each is hit.
    """
    draw = random.Random(seed)
    spread = {phase: _spread(draw, events[phase], chains) for phase in PHASES}
    for number in range(chains):
        stops = [Stop(how, phase, spread[phase][number]) for phase in PHASES]
        again = Stop(how, ANY, draw.randint(1, SPARE))
        stops.insert(draw.randint(1, len(stops)), again)
        yield stops


def every_point(events: dict[str, int], how: str = "kill") -> Iterator[list[Stop]]:
    """Stops at every event of every phase."""
    for at in range(1, max(events[phase] for phase in PHASES) + 1):
        yield [Stop(how, phase, at) for phase in PHASES if at <= events[phase]]


def by_the_clock(milliseconds: int, chains: int, seed: int) -> Iterator[list[Stop]]:
    """Kills after a random time, five to a chain; each starts from what the one before it left."""
    draw = random.Random(seed)
    for _ in range(chains):
        yield [Stop("clock", ANY, draw.randint(1, milliseconds // 2)) for _ in range(5)]


def _spread(draw: random.Random, events: int, chains: int) -> list[int]:
    """One event of each of `chains` equal stretches, in any order."""
    if chains == 0:
        return []
    edges = [round(events * number / chains) for number in range(chains + 1)]
    chosen = [draw.randint(min(low + 1, events), max(low + 1, high)) for low, high in pairwise(edges)]
    draw.shuffle(chosen)
    return chosen
