"""What a run would do, without doing it."""

from pathlib import Path

from fairshrink.data.groups import parse_group
from fairshrink.data.table import Manifest, need_column
from fairshrink.lab.config import Experiment
from fairshrink.lab.data import find, open_source
from fairshrink.lab.grid import METHODS
from fairshrink.lab.observer import Observer
from fairshrink.lab.store import RunPaths
from fairshrink.models.checkpoint import read_weights


def plan(experiment: Experiment, folder: Path, beside: Path, observer: Observer) -> None:
    """Check the experiment and its tables, and say each stage with the passes that it costs.

    Raises:
        DataError: The tables, groups or image files cannot be used, or a file is not there.
        ModelError: The checkpoint or the weights cannot be read.
    """
    data, train = experiment.data, experiment.train
    manifest = open_source(data, beside)
    _check_columns(experiment, manifest)
    for name in (experiment.model.checkpoint, experiment.model.weights):
        if name:
            read_weights(find(name, beside, data.source))
    if data.split_file:
        find(data.split_file, beside, data.source)
    count, left_out = len(manifest.frame), len(manifest.excluded)
    paths = RunPaths(folder)
    observer.say(f"into {folder}{' (begun before: what is done there stays)' if paths.config.exists() else ''}")
    observer.say(
        f"data: {count:,} images of {len(manifest.classes)} classes at {data.size} px, {left_out:,} rows left out"
    )
    share = (data.folds - 2) / data.folds if data.folds > 1 else 0.6
    for number, name in enumerate(["train", *(step.name for step in experiment.shrink)]):
        stage = paths.stage(number, name, data.folds)
        done = " (done before)" if stage.record.exists() else ""
        observer.say(f"{stage.root.name}{done}: {_cost(experiment, number, round(count * share))}")
    observer.say(f"each on {data.folds} fold(s), with {train.threads} threads; then report.html")


def _check_columns(experiment: Experiment, manifest: Manifest) -> None:
    """Every group can be told apart, and the column that the split keeps together is there."""
    for text in experiment.data.groups:
        parse_group(text).assign(manifest.frame, rows=manifest.file_rows, where=manifest.where)
    if experiment.data.split_by != "image":
        need_column(experiment.data.split_by, manifest.frame.columns, manifest.where or manifest.name)


def _cost(experiment: Experiment, number: int, images: int) -> str:
    if number == 0:
        if experiment.model.checkpoint:
            return f"the checkpoint {experiment.model.checkpoint}, no training"
        epochs = experiment.train.epochs
        return f"{experiment.model.backbone}, {epochs} epochs of {images:,} images: {epochs * images:,} forward and backward"
    step = experiment.shrink[number - 1]
    candidates = step.candidates()
    passes = sum(len(list(step.recipe(candidate).schedule())) for candidate in candidates)
    drawn = "of each group" if METHODS[step.method].by_group else "per group, drawn plainly"
    return (
        f"{step.method} on {step.parent}, {len(candidates)} setting(s) chosen by {step.choose}: {passes} scorings "
        f"of {step.samples} samples {drawn}"
    )
