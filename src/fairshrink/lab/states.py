"""How far a sweep is, read from the disk: units that are done, failed, blocked or missing, and the runs they make."""

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fairshrink.errors import StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.jobs import Failure
from fairshrink.lab.observer import Observer
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import Unit, is_done
from fairshrink.lab.variants import Variant

State = Literal["done", "failed", "missing", "blocked"]


@dataclass(frozen=True)
class RunState:
    """A run of a sweep.

    Attributes:
        run: What it is.
        state: failed: a unit of its own, or one that it was the first to need; blocked: it needs one that failed elsewhere.
        error: Why.
        unit: Which unit failed.
    """

    run: Variant
    state: State
    error: str | None = None
    unit: str | None = None


def run_unit(run: Variant) -> str:
    """The unit that puts a run together."""
    return f"run-{run.name}"


def needed(names: Iterable[str], units: Mapping[str, Unit], done: set[str]) -> set[str]:
    """Units that have to be done for some others, these included; what only leads to something done is not needed."""
    found: set[str] = set()
    left = [name for name in names if name not in done]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [need for need in units[name].needs if need not in done]
    return found


def done_units(units: Mapping[str, Unit], paths: SweepPaths) -> set[str]:
    """Names of the units whose results are there."""
    return {name for name, unit in units.items() if is_done(unit, paths)}


def known_failures(
    units: Iterable[str], paths: SweepPaths, observer: Observer, *, retry: bool, look_only: bool = False
) -> dict[str, Failure]:
    """Failures of earlier starts that still stand: those of processes that died, and all with `retry`, are tried again.

    Args:
        units: Names of units that are not done.
        paths: The sweep folder.
        observer: Told of records that cannot be read: what they are about is tried again.
        retry: Forget all of them.
        look_only: Leave the records of those that are tried again.
    """
    found = {}
    for name in units:
        path = paths.failure(name)
        if path.exists():
            failure = _read(path, observer)
            if failure is not None and not retry and not failure.died:
                found[name] = failure
            elif not look_only:
                path.unlink()
    return found


def _read(path: Path, observer: Observer) -> Failure | None:
    try:
        return Failure(**read_json(path))
    except (StoreError, TypeError):
        observer.say(f"'{path}', why a unit failed, is damaged: the unit is tried again")
        return None


def keep(failure: Failure, path: Path) -> None:
    """Write a failure down."""
    write_json(path, asdict(failure))


def unforeseen(error: Exception) -> Failure:
    """An error of the sweep itself over one unit."""
    return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())


def run_states(
    runs: Sequence[Variant], units: Mapping[str, Unit], done: set[str], failures: Mapping[str, Failure]
) -> list[RunState]:
    """The state of every run."""
    return list(_states(runs, units, done, failures))


def write_states(path: Path, name: str, states: Iterable[RunState]) -> None:
    """`sweep.json`."""
    write_json(path, {"name": name, "runs": [_record(state) for state in states]})


def _states(
    runs: Sequence[Variant], units: Mapping[str, Unit], done: set[str], failures: Mapping[str, Failure]
) -> Iterator[RunState]:
    owners: dict[str, str] = {}
    for run in runs:
        wanted = needed([run_unit(run)], units, done)
        bad = [name for name in units if name in wanted and name in failures]
        if not wanted:
            yield RunState(run, "done")
        elif not bad:
            yield RunState(run, "missing")
        else:
            mine = owners.setdefault(bad[0], run.name) == run.name
            said = failures[bad[0]].message if mine else f"needs {bad[0]}, which failed: {failures[bad[0]].message}"
            yield RunState(run, "failed" if mine else "blocked", said, bad[0])


def _record(state: RunState) -> dict[str, Any]:
    run = state.run
    return {
        "name": run.name,
        "folder": f"runs/{run.name}",
        "digest": run.experiment.digest(),
        "varied": dict(run.varied),
        "seed": run.seed,
        "state": state.state,
        "error": state.error,
    }
