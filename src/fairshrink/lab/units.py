"""The pieces of work that a sweep consists of, and which of them need which.

A unit is the smallest thing that a process does: decode a data set, train one fold, shrink one fold with every candidate, finish
a stage (choice over the folds, predictions, audit, comparison), put a run together. Each has a run folder of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairshrink.errors import StoreError
from fairshrink.files import read_json
from fairshrink.lab.chains import Chain, chains
from fairshrink.lab.config import DataSettings, Experiment
from fairshrink.lab.run import Part
from fairshrink.lab.shrinking import kept
from fairshrink.lab.store import TRAINING, RunPaths
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.variants import Variant


@dataclass(frozen=True)
class Unit:
    """A piece of work.

    Attributes:
        name: Its own, which also names its log.
        kind: What it does; units of one kind on one experiment take about as long.
        experiment: What its folder is the run folder of.
        folder: Where it works.
        needs: Units that have to be done before.
        chain: The stage that it is a part of; None for data and runs.
        fold: Which fold of it; None: all of them.
        leaves: Of a run: what is written into its folder when all its stages are there.
    """

    name: str
    kind: str
    experiment: Experiment
    folder: RunPaths
    needs: tuple[str, ...] = ()
    chain: Chain | None = None
    fold: int | None = None
    leaves: tuple[str, ...] = ()

    @property
    def part(self) -> Part | None:
        """What `run` is to do of the experiment."""
        if self.kind == "data":
            return Part(None)
        return None if self.chain is None else Part(self.chain.name, self.fold)


def units(runs: Sequence[Variant], paths: SweepPaths, leaves: tuple[str, ...] = ()) -> dict[str, Unit]:
    """Every unit of a sweep by name, each after those that it needs; what runs share is there once.

    Args:
        runs: The runs.
        paths: Where the sweep lies.
        leaves: Files that a complete run has beside its stages: the report.
    """
    found: dict[str, Unit] = {}
    for run in runs:
        for unit in _of_a_run(run, paths, leaves):
            found.setdefault(unit.name, unit)
    return found


def is_done(unit: Unit, paths: SweepPaths) -> bool:
    """Whether a unit's result is on the disk, in its own folder or, of a fold, as part of its finished stage."""
    if unit.kind == "data":
        return unit.folder.data.exists()
    if unit.chain is None:
        return _run_is_done(unit)
    if unit.fold is None:
        return unit.chain.done(paths.stage(unit.chain))
    return any(fold_is_done(unit.chain, folder, unit.fold) for folder in (paths.stage(unit.chain), unit.folder))


def fold_is_done(chain: Chain, folder: RunPaths, fold: int) -> bool:
    """Whether a run folder holds everything of a fold that does not need the other folds."""
    place, step = chain.stage(folder).fold(fold), chain.step
    if chain.experiment.model.exits is not None and place.predictions.exists() and not place.exits.exists():
        return False
    if step is None:
        return all(path.exists() for path in (place.model, place.result, place.predictions))
    if kept(place):
        return step.choose_over == "folds" or place.predictions.exists()
    return step.choose_over == "folds" and all(
        kept(place.candidate(number)) for number in range(len(step.candidates()))
    )


def data_name(data: DataSettings) -> str:
    """The unit that decodes a data set."""
    return f"data-{Experiment(data=data).digest()}"


def _of_a_run(run: Variant, paths: SweepPaths, leaves: tuple[str, ...]) -> Iterator[Unit]:
    data = data_name(run.experiment.data)
    yield Unit(data, "data", Experiment(data=run.experiment.data), paths.data(data))
    stages = chains(run.experiment)
    for chain in stages:
        yield from _of_a_stage(chain, data, paths)
    needs = tuple(chain.key for chain in stages)
    yield Unit(f"run-{run.name}", "run", run.experiment, paths.run(run.name), needs, leaves=leaves)


def _of_a_stage(chain: Chain, data: str, paths: SweepPaths) -> Iterator[Unit]:
    parent, folds = chain.parent, ()
    above = (data,) if parent is None else (parent.key,)
    if chain.folds > 1:  # One fold alone is the whole stage.
        folds = tuple(fold_name(chain, fold) for fold in range(chain.folds))
        for fold, name in enumerate(folds):
            # The fold of a step on the training needs its own fold's model only, not that the training is complete.
            from_training = (fold_name(parent, fold),) if parent is not None and parent.name == TRAINING else above
            kind = f"{_kind(chain)}, fold"
            yield Unit(name, kind, chain.experiment, paths.fold(name), from_training, chain, fold)
    yield Unit(chain.key, _kind(chain), chain.experiment, paths.stage(chain), (*above, *folds), chain)


def fold_name(chain: Chain, fold: int) -> str:
    """The unit that does one fold of a stage."""
    return f"{chain.key}-fold-{fold}"


def _kind(chain: Chain) -> str:
    return f"stage {chain.name}"


def _run_is_done(unit: Unit) -> bool:
    stages = chains(unit.experiment)
    if not all(chain.done(unit.folder, number) for number, chain in enumerate(stages)):
        return False
    if not all((unit.folder.root / name).exists() for name in unit.leaves):
        return False
    try:
        return "finished" in read_json(unit.folder.environment)
    except StoreError:
        return False
