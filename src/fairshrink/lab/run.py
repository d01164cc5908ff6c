"""A whole experiment, stage by stage, into a run folder; started again, it goes on where it was."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fairshrink.errors import StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.claim import claimed
from fairshrink.lab.comparing import compare_stage
from fairshrink.lab.config import Experiment
from fairshrink.lab.data import Prepared, cache_folder, prepare
from fairshrink.lab.foresee import check_steps
from fairshrink.lab.observer import Observer, Quiet
from fairshrink.lab.portraying import portray
from fairshrink.lab.records import data_card, environment, now
from fairshrink.lab.shrinking import Shrinking, shrink_fold, shrink_folds
from fairshrink.lab.stages import do_stage, shrink_record, train_record
from fairshrink.lab.store import TRAINING, RunPaths, StagePaths
from fairshrink.lab.training import first_layer_saliency, train_fold, train_folds
from fairshrink.lab.twins import twin_of
from fairshrink.lab.work import Work
from fairshrink.train.precision import usable

SALIENCY_SAMPLES = 64


@dataclass(frozen=True)
class Part:
    """A piece of a run that a process can do while others do other pieces, each in a folder of its own.

    Attributes:
        stage: "train", the name of a shrink step, or None: the images are decoded and the data card is written, no more.
        fold: Which fold of the stage; None: all of them, with everything that comes before and the stage's record.
        spent: Seconds that other processes have worked for this stage.
    """

    stage: str | None
    fold: int | None = None
    spent: float = 0.0


def run(
    experiment: Experiment,
    out: Path,
    *,
    beside: Path | None = None,
    observer: Observer | None = None,
    then: Callable[[Path], object] | None = None,
    part: Part | None = None,
    store: Path | None = None,
) -> RunPaths:
    """Do everything that an experiment asks for and that the folder does not hold yet.

    Args:
        experiment: What to do.
        out: The run folder; made if need be.
        beside: Where relative paths of the experiment are looked for as well; the current folder by default.
        observer: Told how far it has got.
        then: Called last with the run folder, while no other process can work in it: the report.
        part: Do a piece only; the whole experiment by default.
        store: Where decoded images go unless FAIRSHRINK_CACHE says so; into the run folder by default.

    Returns:
        The folder's paths.

    Raises:
        ConfigError: The folder holds another experiment's run.
        StoreError: Another process is at work in the folder.
        DataError, ModelError, StoreError: As the stages raise them.
    """
    with claimed(experiment, out) as paths:
        place = _Place(paths, beside or Path.cwd(), cache_folder(store or paths.store))
        _everything(experiment, place, observer or Quiet(), part)
        if then is not None:
            then(paths.root)
    return paths


@dataclass(frozen=True)
class _Place:
    """Where a run lies, where its files are looked for, and where decoded images go."""

    paths: RunPaths
    beside: Path
    cache: Path


def _everything(experiment: Experiment, place: _Place, observer: Observer, part: Part | None) -> None:
    torch.set_num_threads(experiment.train.threads)
    here = environment(experiment.train.threads)
    note = _clock(place.paths.environment, here, computed=_is_computed(experiment, place.paths, part))
    note({})
    prepared = prepare(experiment.data, place.beside, place.cache, observer)
    write_json(place.paths.data, _same_data(place.paths.data, data_card(experiment, prepared)))
    precision = {}
    if part is None or part.stage is not None:
        work = _work(experiment, prepared, place, observer)
        precision = {"precision": work.precision}
        if part is None or part.fold is None:
            _all_stages(work, part, lambda: note(precision))
        else:
            _one_fold(work, str(part.stage), part.fold)
    note(precision | {"finished": now()})


def _work(experiment: Experiment, prepared: Prepared, place: _Place, observer: Observer) -> Work:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = _precision(experiment.train.precision, device, observer)
    work = Work(experiment, prepared, place.paths, place.beside, observer, device, precision)
    check_steps(experiment, work.num_classes, work.groups)
    return work


def _all_stages(work: Work, part: Part | None, note: Callable[[], object]) -> None:
    """Training and every shrink step, each unless it is complete."""

    def spent(name: str) -> float:
        return part.spent if part is not None and part.stage == name else 0.0

    training, steps = _stage(work, 0), work.experiment.shrink
    do_stage(
        work,
        training,
        lambda: train_folds(work, training),
        lambda: train_record(work, training),
        also=_of_exits(work, training),
        spent=spent(TRAINING),
    )
    note()
    if not training.saliency.exists():
        write_json(training.saliency, first_layer_saliency(work, training.fold(0), SALIENCY_SAMPLES))
    for number, step in enumerate(steps, start=1):
        _shrink(work, number, spent(step.name))
        note()


def _of_exits(work: Work, stage: StagePaths) -> tuple[Path, ...]:
    return () if work.experiment.model.exits is None else stage.of_exits()


def _one_fold(work: Work, name: str, fold: int) -> None:
    names = [TRAINING, *(step.name for step in work.experiment.shrink)]
    number = names.index(name)
    if number == 0:
        train_fold(work, fold, _stage(work, 0).fold(fold))
    else:
        shrink_fold(_shrinking(work, number), fold)


def _is_computed(experiment: Experiment, paths: RunPaths, part: Part | None) -> bool:
    """Whether all models are there, with a word on where they were computed: what is left needs no training or shrinking."""
    names = [TRAINING, *(step.name for step in experiment.shrink)]
    asked = [name for name in names if part is None or part.stage == name]
    stages = [paths.stage(names.index(name), name, experiment.data.folds) for name in asked]
    folds = [stage.fold(number) for stage in stages for number in range(stage.folds)]
    there = paths.environment.exists() and "torch" in read_json(paths.environment)
    return bool(folds) and there and all(fold.model.exists() and fold.result.exists() for fold in folds)


def _clock(path: Path, here: dict[str, Any], *, computed: bool) -> Callable[[dict[str, str]], Path]:
    """Writes down where the run takes place and how long it has taken, earlier sessions included as far as noted.

    Where all was computed before, that place stays: this process only puts it together.
    """
    began = time.perf_counter()
    before = read_json(path) if path.exists() else {}
    there = {name: value for name, value in before.items() if name not in ("finished", "seconds")}
    place = there if computed else here | {"started": before.get("started", here["started"])}

    def note(more: dict[str, str]) -> Path:
        seconds = before.get("seconds", 0.0) + time.perf_counter() - began
        new = {name: value for name, value in more.items() if name not in place}
        return write_json(path, place | new | {"seconds": round(seconds, 1)})

    return note


def _same_data(path: Path, card: dict[str, Any]) -> dict[str, Any]:
    """The data card, unless the folder holds results on other data.

    Raises:
        StoreError: Pixels, labels, groups, lesions or splits are not those that the run began with.
    """
    before = read_json(path) if path.exists() else card
    if before["digest"] != card["digest"]:
        raise StoreError(
            f"the data changed since this run began: their digest is {card['digest'][:12]}, and was {before['digest'][:12]}.\n"
            "  Restore them, or give another folder with --out: results on two sets of data must not be mixed."
        )
    # A card from before it was written down says nothing of its splits.
    if (was := before.get("split_digest", card["split_digest"])) != card["split_digest"]:
        raise StoreError(
            f"the splits changed since this run began: their digest is {card['split_digest'][:12]}, and was {was[:12]}.\n"
            "  Restore data.split_file, or give another folder with --out: results on two splits must not be mixed."
        )
    return card


def _precision(wanted: str, device: torch.device, observer: Observer) -> str:
    """What training really computes in; said once where the machine cannot do what was asked for."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = usable(wanted, device)
    for warning in caught:
        observer.say(str(warning.message))
    return found


def _stage(work: Work, number: int) -> StagePaths:
    name = TRAINING if number == 0 else work.experiment.shrink[number - 1].name
    return work.paths.stage(number, name, work.experiment.data.folds)


def _shrinking(work: Work, number: int) -> Shrinking:
    step = work.experiment.shrink[number - 1]
    names = [TRAINING, *(earlier.name for earlier in work.experiment.shrink)]
    parent, name = _stage(work, names.index(step.parent)), twin_of(step.choose)
    twin = None if name is None else (work.experiment.shrink[names.index(name) - 1], _stage(work, names.index(name)))
    return Shrinking(work, step, _stage(work, number), parent, _stage(work, 0), twin)


def _shrink(work: Work, number: int, spent: float) -> None:
    shrinking = _shrinking(work, number)
    stage, training = shrinking.stage, shrinking.training
    do_stage(
        work,
        stage,
        lambda: shrink_folds(shrinking),
        lambda: shrink_record(work, stage, shrinking.step, training),
        also=(*stage.of_a_step(), *_of_exits(work, stage)),
        spent=spent,
    )
    compare_stage(work, stage, training, stage.comparison)
    if shrinking.twin is not None:
        compare_stage(work, shrinking.twin[1], stage, stage.twin)
    portray(shrinking)
