"""What a run would do, without doing it."""

from pathlib import Path

from fairshrink.lab.config import METHODS, Experiment
from fairshrink.lab.data import open_source
from fairshrink.lab.observer import Observer
from fairshrink.lab.store import RunPaths


def plan(experiment: Experiment, folder: Path, beside: Path, observer: Observer) -> None:
    """Check the experiment and its tables, and say each stage with the passes that it costs.

    Raises:
        DataError: The tables or the image files cannot be used.
    """
    data, train = experiment.data, experiment.train
    manifest = open_source(data, beside)
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
