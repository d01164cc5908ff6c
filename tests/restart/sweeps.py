"""Kill a small sweep at random times, start it again, and compare: python -m tests.restart.sweeps --kills 20 --jobs 2.

The whole process group is killed, workers included, as a batch system or a power cut does it.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fairshrink.files import LOCK, TEMPORARY, read_json
from fairshrink.lab.engines import Engine, Local
from fairshrink.lab.sweep import Options, sweep
from fairshrink.lab.sweep_file import SweepFile, parse_sweep
from sweeping import Here, mark, outputs

from .experiment import experiment_in

OPTIONS = Options(then=mark, leaves=("report.html",))


@dataclass
class Killed:
    """What became of a sweep that was killed several times.

    Attributes:
        kills: Units that had begun when each kill came.
        faults: Everything that should not be.
    """

    kills: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Alone:
    """A sweep left alone: the files of its runs, how many units it has, and how long it took."""

    files: dict[str, bytes]
    units: int
    seconds: float


@dataclass(frozen=True)
class Stop:
    """A kill: some seconds after so many units of the sweep have begun, so that it comes in the middle on any machine."""

    begun: int
    after: float


def sweep_in(folder: Path) -> SweepFile:
    """Two runs on three folds that share their training and one of two shrink steps."""
    experiment = experiment_in(folder)
    base = experiment.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    for step in base["shrink"]:
        step |= {key: values[0] if len(values) == 1 else values for key, values in step.pop("settings").items()}
    return SweepFile(parse_sweep({"base": base, "grid": {"shrink.0.ratio": [0.2, 0.3]}}, "restart"), folder, "restart")


def one_session(file: SweepFile, root: Path, jobs: int, stop: Stop | None) -> int:
    """Fork, sweep, and kill its whole process group where it is to stop; the exit status."""
    child = os.fork()
    if child == 0:
        status = 4
        try:
            os.setpgid(0, 0)
            torch.set_num_threads(1)
            engine: Engine = Local(jobs) if jobs else Here()
            states = sweep(file, root, engine, options=OPTIONS)
            status = 0 if all(state.state == "done" for state in states) else 5
        finally:
            os._exit(status)
    if stop is not None:
        while _is_alive(child) and _begun(root) < stop.begun:
            time.sleep(0.01)
        time.sleep(stop.after)
        with suppress(ProcessLookupError):  # It has not made its group yet.
            os.killpg(child, signal.SIGKILL)  # not yet waited for, so that its number is still its own
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _is_alive(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _begun(root: Path) -> int:
    return len(list(root.glob("log/*")))


def killed(file: SweepFile, root: Path, jobs: int, options: argparse.Namespace, alone: Alone) -> Killed:
    """Kill it again and again, let it end, and compare its runs with those of a sweep that was left alone."""
    found, draw = Killed(), random.Random(options.seed)
    for _ in range(options.kills):
        there = _begun(root)
        begun = there + draw.randint(1, max(1, (alone.units - there) // 2))
        status = one_session(file, root, jobs, Stop(begun, draw.uniform(0, 2) * alone.seconds / alone.units))
        if status not in (0, -signal.SIGKILL):
            found.faults.append(f"ended with {status} instead of being killed")
        if status == -signal.SIGKILL:
            found.kills.append(_begun(root))
    if (status := one_session(file, root, jobs, None)) != 0:
        found.faults.append(f"ended with {status}")
    found.faults += differences(alone.files, outputs(root / "runs"))
    if any(run["state"] != "done" for run in read_json(root / "sweep.json")["runs"]):
        found.faults.append("sweep.json does not say that all is done")
    left = [path for path in root.rglob("*") if path.name.startswith(TEMPORARY) or path.name == "candidates"]
    found.faults += [f"{path.relative_to(root)} is left over" for path in left]
    found.faults += [f"folds/{path.name} is left over" for path in root.glob("folds/*") if path.name != LOCK]
    return found


def differences(alone: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """Files that are missing, too many, or not the same to the last byte."""
    names = sorted(alone.keys() | found.keys())
    return [f"{name} differs" for name in names if alone.get(name) != found.get(name)]


def main() -> int:
    """Print one line of JSON; exit status 1 if it found a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.restart.sweeps", description=__doc__)
    parser.add_argument("--kills", type=int, default=3)
    jobs = "processes; 0: the units run in the sweep's own process; several: a sweep of each kind, against the first kind's"
    parser.add_argument("--jobs", type=int, nargs="+", default=[0], help=jobs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where the sweeps go; the system's folder for temporary files by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        file = sweep_in(folder)
        began = time.monotonic()
        if one_session(file, folder / "alone", options.jobs[0], None) != 0:
            raise RuntimeError(f"the sweep that was left alone failed: {(folder / 'alone' / 'sweep.json').read_text()}")
        seconds = time.monotonic() - began
        alone = Alone(outputs(folder / "alone" / "runs"), _begun(folder / "alone"), seconds)
        found = [killed(file, folder / f"killed-{jobs}", jobs, options, alone) for jobs in options.jobs]
    faults = [fault for one in found for fault in one.faults]
    print(
        json.dumps({"kills": [one.kills for one in found], "faults": faults, "seconds": round(seconds, 1)}), flush=True
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
