"""A stage, once its folds are there: predictions of all folds together, their audit, and its record."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairshrink.audit import audit
from fairshrink.compress.units import compressible
from fairshrink.files import read_json, write_json, write_text
from fairshrink.lab.grid import RETRAIN, not_default
from fairshrink.lab.settings import ShrinkSettings
from fairshrink.lab.store import FoldPaths, StagePaths, read_lines, write_lines
from fairshrink.lab.twins import control_name, is_control, twin_of
from fairshrink.lab.work import Work
from fairshrink.tables import read_safe_csv, safe_csv

TRAININGS = {"erm": ("vanilla", "Vanilla"), "hsic": ("hsic", "HSIC"), "mfd": ("mfd", "MFD")}  # methods and titles
WITH_EXITS = "ME-"
TITLES = {
    "obd": "OBD",
    "fairprune": "FairPrune",
    "fairprune_channels": "FairPrune channels",
    "fairquantize": "FairQuantize",
    "scp": "SCP",
    "retrain": "Re-training only",
}


def do_stage(
    work: Work,
    stage: StagePaths,
    folds: Callable[[], object],
    record: Callable[[], dict[str, Any]],
    *,
    also: Sequence[Path] = (),
    spent: float = 0.0,
) -> None:
    """One stage, unless it is complete: its folds, the predictions of all folds together, their audit, and last its record.

    Args:
        work: What every stage needs.
        stage: Where it goes.
        folds: Does what is missing of the folds.
        record: What the stage was.
        also: What has to be there too for it to count as complete.
        spent: Seconds that other processes have worked for it before.
    """
    if stage.complete(also):
        work.observer.say(f"{stage.root.name}: done before")
        return
    began = time.perf_counter()
    folds()
    tables = [read_safe_csv(stage.fold(number).predictions) for number in range(stage.folds)]
    table = pd.concat(tables, ignore_index=True)
    write_text(stage.predictions, safe_csv(table))
    write_json(stage.audit, _audit(work, table))
    write_json(stage.record, record() | {"seconds": round(spent + time.perf_counter() - began, 1)})


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


def train_record(work: Work, stage: StagePaths) -> dict[str, Any]:
    """What a training was; the epochs of its folds are put together on the way."""
    folders = [stage.fold(fold) for fold in range(stage.folds)]
    if all(folder.history.exists() for folder in folders):
        write_lines(stage.history, [line for folder in folders for line in read_lines(folder.history)])
    method, name = TRAININGS[work.experiment.train.objective]
    return {
        "name": "train",
        "method": method,
        "title": f"{WITH_EXITS}{name.replace('Vanilla', 'vanilla')}" if work.exits is not None else name,
        "parent": None,
        "params": {},
        "rule": None,
        "unprivileged": [read_json(folder.result) for folder in folders],
        **_sparsity(work, folders),
    }


def shrink_record(work: Work, stage: StagePaths, step: ShrinkSettings, training: StagePaths) -> dict[str, Any]:
    """What a shrink step was; steps and choices of its folds are put together on the way."""
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
        "title": (WITH_EXITS if work.exits is not None else "")
        + title(step.method, step.name, control=is_control(step)),
        "parent": step.parent,
        "params": not_default(step.method, step.settings),
        "samples": step.samples,
        "batch": step.batch,
        "preset": step.preset,
        "rule": step.choose if len(step.candidates()) > 1 else None,
        "over": step.choose_over,
        "unit": step.recipe(step.candidates()[0]).unit,
        "controls": is_control(step),
        "of": twin_of(step.choose),
        "control": control_name(work.experiment.shrink, step),
        "chosen": [one["said"] for one in chosen],
        "unprivileged": [read_json(training.fold(fold).result) for fold in range(stage.folds)],
        **_sparsity(work, folders),
    }


def title(method: str, name: str, *, control: bool = False) -> str:
    """A step's name for reports: the method's, and what the step's own name adds to it; of a control those of its step."""
    of = name.removesuffix("-control")
    if control and of != name:
        # Of "fairprune" and "fairprune_channels" the longer one is meant.
        own = max((known for known in TITLES if of.startswith(known)), key=len, default=method)
        if own != RETRAIN:
            return f"{title(own, of)} control"
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
    """How many of the weights that could be fixed are 0 in the model, and how many are fixed, on average over folds."""
    names = list(compressible(work.new_model()))
    zeros, fixed, total = 0, 0, 0
    for folder in folders:
        model, frozen = work.load(folder)
        weights = dict(model.named_parameters())
        zeros += sum(int((weights[name] == 0).sum()) for name in names)
        fixed += sum(int(frozen.mask[name].sum()) for name in names if name in frozen.mask)
        total += sum(weights[name].numel() for name in names)
    return {"parameters": total // len(folders), "zero_fraction": zeros / total, "fixed_fraction": fixed / total}
