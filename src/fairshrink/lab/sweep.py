"""A sweep: all its runs, what they share done once; started again, it does what is missing."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fairshrink.errors import StoreError
from fairshrink.lab.adoptable import check_sources
from fairshrink.lab.adopting import adopt
from fairshrink.lab.engines import Ended, Engine
from fairshrink.lab.gathering import gather, seconds_of_folds, tidy
from fairshrink.lab.jobs import Failure, Job
from fairshrink.lab.observer import Observer, Quiet
from fairshrink.lab.plan import duration
from fairshrink.lab.states import (
    RunState,
    done_units,
    keep,
    known_failures,
    needed,
    run_states,
    run_unit,
    unforeseen,
    write_states,
)
from fairshrink.lab.sweep_claim import claimed_for_sweep
from fairshrink.lab.sweep_file import SweepFile
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import Unit, data_name, is_done, units
from fairshrink.lab.variants import Variant, variants

LOOK = 1.0  # seconds between two looks at the clock while units are under way


@dataclass(frozen=True)
class Options:
    """How a sweep is done.

    Attributes:
        sources: Run or sweep folders whose finished stages are taken over where they are the same.
        retry_failed: Do what has failed before once more.
        then: Called last with each run's folder, in the process that put it together: the report. It can be pickled.
        leaves: The files that it writes there: a run without them is not complete.
    """

    sources: Sequence[Path] = ()
    retry_failed: bool = False
    then: Callable[[Path], object] | None = None
    leaves: tuple[str, ...] = ()


def sweep(
    file: SweepFile, out: Path, engine: Engine, *, observer: Observer | None = None, options: Options | None = None
) -> list[RunState]:
    """Do every run of a sweep that is not done yet.

    A unit that fails is kept with its error, and stops only what needs it.

    Args:
        file: The sweep.
        out: The sweep folder; made if need be.
        engine: Does the units; it is stopped at the end, however that comes.
        observer: Told how far it has got.
        options: See there.

    Returns:
        The state of every run.

    Raises:
        ConfigError: The folder holds another sweep, a source is no run or sweep folder, or a run cannot be read as an experiment.
        StoreError: Another process is at work in the folder, or it cannot be written.
    """
    try:
        runs, said = variants(file.sweep, file.name)
        chosen = options or Options()
        check_sources(chosen.sources)
        with claimed_for_sweep(file.sweep, runs, out) as paths:
            parts = units(runs, paths, chosen.leaves)
            plan = Sweeping(file, paths, runs, parts, engine, observer or Quiet(), chosen)
            for line in said:
                plan.observer.say(line)
            return plan.everything()
    finally:
        engine.stop()


@dataclass
class Sweeping:
    """A sweep that is under way."""

    file: SweepFile
    paths: SweepPaths
    runs: list[Variant]
    units: dict[str, Unit]
    engine: Engine
    observer: Observer
    options: Options
    done: set[str] = field(default_factory=set)
    failures: dict[str, Failure] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def everything(self) -> list[RunState]:
        """From what is on the disk to the states at the end."""
        tidy(self.units.values(), self.paths)
        self.done = done_units(self.units, self.paths)
        left = [name for name in self.units if name not in self.done]
        self.failures = known_failures(left, self.paths, self.observer, retry=self.options.retry_failed)
        wanted = needed(map(run_unit, self.runs), self.units, self.done)
        self.observer.say(
            f"runs: {len(self.runs)}; units to do: {len(wanted)} of {len(self.units)}, {self.engine.slots} at a time; what "
            f"each of them says is in {self.paths.root / 'log'}"
        )
        if self.options.sources:
            self._take_over()
            wanted = needed(map(run_unit, self.runs), self.units, self.done)
            self.observer.say(f"with what --from brought, units to do: {len(wanted)}")
        self._save()
        self._do([name for name in self.units if name in wanted])
        return self._save()

    def _take_over(self) -> None:
        """Finished stages of other folders, once it is known which data are here."""
        self._do([name for name, unit in self.units.items() if unit.kind == "data"])
        here = {
            unit.chain.key: unit.chain
            for unit in self.units.values()
            if unit.chain is not None and data_name(unit.experiment.data) in self.done
        }
        for source in self.options.sources:
            adopt(source, here, self.paths, self.file.beside.absolute(), self.observer)
        self.done = done_units(self.units, self.paths)

    def _do(self, wanted: Sequence[str]) -> None:
        """Units in their order, each as soon as what it needs is done, until nothing more can be done."""
        while True:
            for name in self._ready(wanted):
                self._start(self.units[name])
            if not self.began:
                return
            for ended in self.engine.wait(LOOK):
                self._end(ended)
            self._show(wanted)

    def _ready(self, wanted: Sequence[str]) -> list[str]:
        free = self.engine.slots - len(self.began)
        open_ = (n for n in wanted if n not in self.done and n not in self.failures and n not in self.began)
        return [name for name in open_ if self.done.issuperset(self.units[name].needs)][: max(0, free)]

    def _start(self, unit: Unit) -> None:
        self.observer.say(f"begins: {unit.name}")
        try:
            gather(unit, self.paths)
            self.engine.start(self._job(unit))
        except (StoreError, OSError) as error:
            self._fail(unit.name, unforeseen(error))
        else:
            self.began[unit.name] = time.monotonic()

    def _job(self, unit: Unit) -> Job:
        part = unit.part
        if part is not None and unit.chain is not None and unit.fold is None:
            part = replace(part, spent=seconds_of_folds(unit.chain, self.paths))
        return Job(
            unit=unit.name,
            experiment=unit.experiment,
            folder=unit.folder.root,
            part=part,
            beside=self.file.beside.absolute(),
            store=self.paths.store,
            log=self.paths.log(unit.name),
            then=self.options.then if unit.kind == "run" else None,
        )

    def _end(self, ended: Ended) -> None:
        unit, seconds = self.units[ended.unit], time.monotonic() - self.began.pop(ended.unit)
        if ended.failure is not None:
            self._fail(unit.name, ended.failure)
        elif not is_done(unit, self.paths):
            self._fail(unit.name, Failure(f"it ended without its results in '{unit.folder.root}'", died=True))
        else:
            self.done.add(unit.name)
            self.took[unit.kind].append(seconds)
            self.observer.say(f"done: {unit.name} ({seconds:.0f} s)")
            if unit.chain is not None and unit.fold is None:
                tidy((other for other in self.units.values() if other.chain == unit.chain), self.paths)
        self._save()

    def _fail(self, name: str, failure: Failure) -> None:
        self.failures[name] = failure
        keep(failure, self.paths.failure(name))
        self.observer.say(f"failed: {name}: {failure.message}\n  {self.paths.log(name)} says more.")

    def _save(self) -> list[RunState]:
        states = run_states(self.runs, self.units, self.done, self.failures)
        write_states(self.paths.states, self.file.name, states)
        return states

    def _show(self, wanted: Sequence[str]) -> None:
        words = [f"{len(self.began)} under way"]
        if failed := sum(name in self.failures for name in wanted):
            words.append(f"{failed} failed")
        if left := self._time_left(wanted):
            words.append(left)
        self.observer.advance(f"units, {', '.join(words)}", sum(name in self.done for name in wanted), len(wanted))

    def _time_left(self, wanted: Sequence[str]) -> str | None:
        """From how long units of the same kind took; None before anything is known."""
        known = {kind: sum(all_) / len(all_) for kind, all_ in self.took.items()}
        if not known:
            return None
        open_ = [name for name in wanted if name not in self.done and name not in self.failures]
        kinds = [self.units[name].kind for name in open_]
        already = sum(time.monotonic() - since for since in self.began.values())
        seconds = sum(known.get(kind, 0.0) for kind in kinds) - already
        more = " or more" if any(kind not in known for kind in kinds) else ""
        return f"{duration(max(seconds, 0.0) / self.engine.slots)} left{more}"
