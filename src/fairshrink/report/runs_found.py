"""Which runs a page is about: run folders, and what a sweep folder holds; what is not finished is listed, never dropped."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fairshrink.errors import StoreError
from fairshrink.report.parsing import from_json
from fairshrink.report.reading import read_run
from fairshrink.report.records import Run

AGAIN = "Start the sweep again: it writes the file anew."
STATES = {
    "failed": "failed",
    "missing": "not finished",
    "blocked": "waits for a run that failed",
    "unreadable": "cannot be read",
}
_WHY = {"missing": "The sweep has not come to its end yet: start it again, it goes on where it was."}
_UNSAID = "Nothing was written down about why."


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One run of a sweep, as sweep.json lists it."""

    name: str
    folder: str
    state: str
    error: str | None = None
    varied: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """sweep.json."""

    name: str
    runs: list[SweepRun]


class Failed(NamedTuple):
    """A run that is not compared, and why."""

    name: str
    folder: Path
    state: str
    error: str


class Found(NamedTuple):
    """Finished runs by a short name of their own, the others, and what a reader should know of both."""

    runs: dict[str, Run]
    failed: list[Failed]
    notes: list[str]


class _Place(NamedTuple):
    folder: Path
    name: str
    sweep: bool


def find_runs(paths: Sequence[Path]) -> Found:
    """Read every run.

    Args:
        paths: Run folders and sweep folders.

    Raises:
        StoreError: A path is neither, a run folder that was named cannot be read, or there is no finished run at all.
    """
    places: list[_Place] = []
    failed: list[Failed] = []
    for path in map(Path, paths):
        if is_sweep(path):
            found, lost = _of_sweep(path)
            places, failed = places + found, failed + lost
        else:
            places.append(_Place(_checked(path), _own_name(path), sweep=False))
    unique: dict[Path, _Place] = {}
    for place in places:
        unique.setdefault(place.folder.resolve(), place)
    notes = _twice(places)
    read = [(place, _read(place)) for place in unique.values()]
    failed += [run for _, run in read if isinstance(run, Failed)]
    named = _named([(place, run) for place, run in read if isinstance(run, Run)])
    if not named:
        raise StoreError(_nothing(paths, failed))
    return Found(named, failed, notes + [note for name, run in named.items() if (note := _unfinished(name, run))])


def is_sweep(path: Path) -> bool:
    """Whether a folder is that of a sweep: it lists runs, or has them in runs/, and is no run itself."""
    if (path / "config.toml").exists():
        return False
    return (path / "sweep.toml").exists() or (path / "sweep.json").exists() or (path / "runs").is_dir()


def _own_name(path: Path) -> str:
    return path.name or path.resolve().name


def _checked(path: Path) -> Path:
    if not path.is_dir():
        raise StoreError(f"'{path}' is no folder. Give run folders (config.toml, stages/) or sweep folders (runs/).")
    if not (path / "config.toml").exists():
        raise StoreError(
            f"'{path}' is neither a run folder (it has no config.toml) nor a sweep folder (it has no sweep.toml and no "
            "runs/). Give what `fairshrink run` or `fairshrink sweep` wrote."
        )
    return path


def _of_sweep(path: Path) -> tuple[list[_Place], list[Failed]]:
    """The runs of a sweep that are there to be read, and the others."""
    if not (path / "sweep.json").exists():
        root = path / "runs"
        folders = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
        return [_Place(folder, folder.name, sweep=True) for folder in folders if folder.name[0] != "."], []
    record = from_json(_bytes(path / "sweep.json"), str(path / "sweep.json"), SweepRecord, AGAIN)
    there = [_Place(path / run.folder, run.name, sweep=True) for run in record.runs if run.state == "done"]
    others = [
        Failed(run.name, path / run.folder, STATES.get(run.state, run.state), run.error or _WHY.get(run.state, _UNSAID))
        for run in record.runs
        if run.state != "done"
    ]
    return there, others


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"'{path}' cannot be read: {error.strerror or error}. {AGAIN}") from error


def _read(place: _Place) -> Run | Failed:
    """A run; one of a sweep that cannot be read stands on the page with the reason."""
    try:
        return read_run(place.folder)
    except StoreError as error:
        if not place.sweep:
            raise StoreError(f"{error}\n  Or leave '{place.folder}' out of the comparison.") from error
        return Failed(place.name, place.folder, STATES["unreadable"], str(error))


def _named(read: Sequence[tuple[_Place, Run]]) -> dict[str, Run]:
    """Names that tell the runs apart: the folder's, and the folders above it where that is not enough."""
    names = [place.name for place, _ in read]
    times = Counter(names)
    whole = [os.path.normpath(str(place.folder)) for place, _ in read]
    return {name if times[name] == 1 else path: run for name, path, (_, run) in zip(names, whole, read, strict=True)}


def _twice(places: Iterable[_Place]) -> list[str]:
    times = Counter(place.folder.resolve() for place in places)
    return [f"{folder.name} was given {n} times and is counted once." for folder, n in times.items() if n > 1]


def _unfinished(name: str, run: Run) -> str:
    """A run that was stopped between two stages can be read, but it is not whole."""
    steps = run.settings.get("shrink", [])
    missing = len(steps) - (len(run.stages) - 1)
    if not isinstance(steps, list) or missing <= 0:
        return ""
    return (
        f"{name} is not finished: {missing} of its {len(steps)} shrink steps have no stage yet, and stand in no table."
    )


def _nothing(paths: Sequence[Path], failed: Sequence[Failed]) -> str:
    given = ", ".join(f"'{path}'" for path in paths)
    why = "".join(f"\n  {run.name}: {run.state}: {run.error}" for run in failed[:5])
    more = f"\n  and {len(failed) - 5} more" if len(failed) > 5 else ""
    return f"there is no finished run in {given}, so there is nothing to compare.{why}{more}"
