"""A whole experiment, stage by stage, into a run folder; started again, it goes on where it was."""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairshrink.audit import audit
from fairshrink.compress.units import compressible
from fairshrink.errors import StoreError
from fairshrink.files import read_json, write_json, write_text
from fairshrink.lab.claim import claimed
from fairshrink.lab.comparing import compare_stage
from fairshrink.lab.config import Experiment, ShrinkSettings
from fairshrink.lab.data import cache_folder, prepare
from fairshrink.lab.foresee import check_steps
from fairshrink.lab.grid import not_default
from fairshrink.lab.observer import Observer, Quiet
from fairshrink.lab.records import data_card, environment, now
from fairshrink.lab.shrinking import Shrinking, shrink_folds
from fairshrink.lab.store import FoldPaths, RunPaths, StagePaths, read_lines, write_lines
from fairshrink.lab.training import first_layer_saliency, train_fold
from fairshrink.lab.work import Work
from fairshrink.models.checkpoint import read_weights
from fairshrink.tables import read_safe_csv, safe_csv
from fairshrink.train.precision import usable

SALIENCY_SAMPLES = 64
TITLES = {"obd": "OBD", "fairprune": "FairPrune"}


def run(
    experiment: Experiment,
    out: Path,
    *,
    beside: Path | None = None,
    observer: Observer | None = None,
    then: Callable[[Path], object] | None = None,
) -> RunPaths:
    """Do everything that an experiment asks for and that the folder does not hold yet.

    Args:
        experiment: What to do.
        out: The run folder; made if need be.
        beside: Where relative paths of the experiment are looked for as well; the current folder by default.
        observer: Told how far it has got.
        then: Called last with the run folder, while no other process can work in it: the report.

    Returns:
        The folder's paths.

    Raises:
        ConfigError: The folder holds another experiment's run.
        StoreError: Another process is at work in the folder.
        DataError, ModelError, StoreError: As the stages raise them.
    """
    with claimed(experiment, out) as paths:
        _everything(experiment, paths, beside or Path.cwd(), observer or Quiet())
        if then is not None:
            then(paths.root)
    return paths


def _everything(experiment: Experiment, paths: RunPaths, beside: Path, observer: Observer) -> None:
    torch.set_num_threads(experiment.train.threads)
    note = _clock(paths.environment, environment(experiment.train.threads))
    note({})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prepared = prepare(experiment.data, beside, cache_folder(paths.store), observer)
    write_json(paths.data, _same_data(paths.data, data_card(experiment, prepared)))
    precision = _precision(experiment.train.precision, device, observer)
    work = Work(experiment, prepared, paths, beside, observer, device, precision)
    check_steps(experiment, work.num_classes, work.groups)
    training = _stage(work, 0, "train")
    _do(work, training, lambda: _train(work, training), _train_record)
    note({})
    if not training.saliency.exists():
        write_json(training.saliency, first_layer_saliency(work, training.fold(0), SALIENCY_SAMPLES))
    stages = {"train": training}
    for number, step in enumerate(experiment.shrink, start=1):
        stages[step.name] = _shrink(work, number, step, stages)
        note({})
    note({"precision": precision, "finished": now()})


def _clock(path: Path, place: dict[str, Any]) -> Callable[[dict[str, str]], Path]:
    """Writes down where the run takes place and how long it has taken, earlier sessions included as far as noted."""
    began = time.perf_counter()
    before = read_json(path) if path.exists() else {}
    place = place | {"started": before.get("started", place["started"])}

    def note(more: dict[str, str]) -> Path:
        seconds = before.get("seconds", 0.0) + time.perf_counter() - began
        return write_json(path, place | more | {"seconds": round(seconds, 1)})

    return note


def _same_data(path: Path, card: dict[str, Any]) -> dict[str, Any]:
    """The data card, unless the folder holds results on other data.

    Raises:
        StoreError: Pixels, labels, groups or lesions are not those that the run began with.
    """
    if path.exists() and (before := read_json(path)["digest"]) != card["digest"]:
        raise StoreError(
            f"the data changed since this run began: their digest is {card['digest'][:12]}, and was {before[:12]}.\n"
            "  Restore them, or give another folder with --out: results on two sets of data must not be mixed."
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


def _stage(work: Work, number: int, name: str) -> StagePaths:
    return work.paths.stage(number, name, work.experiment.data.folds)


def _train(work: Work, stage: StagePaths) -> None:
    for fold in range(stage.folds):
        work.observer.say(stage.title(fold))
        train_fold(work, fold, stage.fold(fold))


def _shrink(work: Work, number: int, step: ShrinkSettings, stages: dict[str, StagePaths]) -> StagePaths:
    stage, parent, training = _stage(work, number, step.name), stages[step.parent], stages["train"]

    def record(work: Work, stage: StagePaths) -> dict[str, Any]:
        return _shrink_record(work, stage, step, training)

    frozen = [stage.fold(fold).frozen for fold in range(stage.folds)]
    shrinking = Shrinking(work, step, stage, parent, training)
    _do(work, stage, lambda: shrink_folds(shrinking), record, also=(stage.steps, stage.choice, *frozen))
    compare_stage(work, stage, training)
    return stage


def _do(
    work: Work,
    stage: StagePaths,
    folds: Callable[[], None],
    record: Callable[[Work, StagePaths], dict[str, Any]],
    also: Sequence[Path] = (),
) -> None:
    """One stage: its folds, then the predictions of all folds together, their audit, and last its record."""
    if stage.complete(also):
        work.observer.say(f"{stage.root.name}: done before")
        return
    began = time.perf_counter()
    folds()
    tables = [read_safe_csv(stage.fold(number).predictions) for number in range(stage.folds)]
    table = pd.concat(tables, ignore_index=True)
    write_text(stage.predictions, safe_csv(table))
    write_json(stage.audit, _audit(work, table))
    write_json(stage.record, record(work, stage) | {"seconds": round(time.perf_counter() - began, 1)})


def _audit(work: Work, table: pd.DataFrame) -> dict[str, Any]:
    dataset = work.prepared.dataset
    groups = {name: pd.Categorical(table[name], categories=list(a.groups)) for name, a in dataset.attributes.items()}
    return audit(
        pd.Categorical(table["label"], categories=list(dataset.classes)),
        pd.Categorical(table["prediction"], categories=list(dataset.classes)),
        pd.DataFrame(groups),
        clusters=table.get("cluster"),
        y_prob=table[[f"prob_{name}" for name in dataset.classes]].to_numpy(dtype=np.float64),
        seed=work.experiment.data.seed,
    ).to_dict()


def _train_record(work: Work, stage: StagePaths) -> dict[str, Any]:
    folders = [stage.fold(fold) for fold in range(stage.folds)]
    if all(folder.history.exists() for folder in folders):
        write_lines(stage.history, [line for folder in folders for line in read_lines(folder.history)])
    return {
        "name": "train",
        "method": "vanilla",
        "title": "Vanilla",
        "parent": None,
        "params": {},
        "rule": None,
        "unprivileged": [read_json(folder.result) for folder in folders],
        **_sparsity(work, folders),
    }


def _shrink_record(work: Work, stage: StagePaths, step: ShrinkSettings, training: StagePaths) -> dict[str, Any]:
    folders = [stage.fold(fold) for fold in range(stage.folds)]
    results = [read_json(folder.result) for folder in folders]
    write_lines(stage.steps, _step_lines(results))
    chosen = [_chosen(fold, result) for fold, result in enumerate(results)]
    table = [row for result in results for row in result["candidates"]]
    choice = {"rule": step.choose, "over": step.choose_over, "candidates": table, "chosen": chosen}
    write_json(stage.choice, choice)
    return {
        "name": step.name,
        "method": step.method,
        "title": title(step.method, step.name),
        "parent": step.parent,
        "params": not_default(step.method, step.settings),
        "samples": step.samples,
        "batch": step.batch,
        "preset": step.preset,
        "rule": step.choose if len(step.candidates()) > 1 else None,
        "over": step.choose_over,
        "chosen": [one["said"] for one in chosen],
        "unprivileged": [read_json(training.fold(fold).result) for fold in range(stage.folds)],
        **_sparsity(work, folders),
    }


def title(method: str, name: str) -> str:
    """A step's name for reports: the method's, and what the step's own name adds to it."""
    if not name.startswith(method):
        return f"{TITLES[method]} ({name})"
    return TITLES[method] + name.removeprefix(method).replace("-", " ")


def _chosen(fold: int, result: dict[str, Any]) -> dict[str, Any]:
    best = result["chosen"]
    params = {} if best is None else result["candidates"][best]["params"]
    return {"fold": fold, "candidate": best, "params": params, "said": result.get("said", "")}


def _step_lines(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"fold": fold, "candidate": number, "params": record["params"], "step": index}
        | {key: value for key, value in step.items() if key != "soft"}
        for fold, result in enumerate(results)
        for number, record in enumerate(result["runs"])
        for index, step in enumerate(record["steps"])
    ]


def _sparsity(work: Work, folders: Sequence[FoldPaths]) -> dict[str, Any]:
    """How many of the weights that could be fixed are 0 in the model, on average over folds."""
    names = list(compressible(work.new_model()))
    zeros, total = 0, 0
    for folder in folders:
        weights = read_weights(folder.model)
        zeros += sum(int((weights[name] == 0).sum()) for name in names)
        total += sum(weights[name].numel() for name in names)
    return {"parameters": total // len(folders), "zero_fraction": zeros / total}
