"""What a run would do, without doing it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.groups import Attribute, parse_group
from fairshrink.data.table import Coverage, Manifest, need_column
from fairshrink.deploy.card import Card
from fairshrink.lab.config import Experiment
from fairshrink.lab.data import find, images_not_there, open_source, said_folds, said_part
from fairshrink.lab.estimate import Pace, Sizes, passes, stage_seconds, trainings, weigh
from fairshrink.lab.exit_settings import AUTO
from fairshrink.lab.foresee import check_steps, foreseen_parts
from fairshrink.lab.grid import METHODS
from fairshrink.lab.networks import exits_of, network
from fairshrink.lab.observer import Observer
from fairshrink.lab.origins import load_checkpoint
from fairshrink.lab.pace import measure
from fairshrink.lab.store import RunPaths
from fairshrink.lab.teaching import teacher_digest, teacher_folder
from fairshrink.lab.work import said_too_few
from fairshrink.models.checkpoint import read_weights


def plan(experiment: Experiment, folder: Path, beside: Path, observer: Observer) -> None:
    """Check the experiment and its tables, and say each stage with the passes and the time that it costs.

    Where the images are not there (yet), it says so and goes by the tables.

    A few seconds go into measuring how fast this machine is; nothing is written.

    Raises:
        ConfigError: A step's settings do not fit the model or the groups.
        DataError: The tables, groups, splits or image files cannot be used, or a file is not there.
        ModelError: The checkpoint or the weights cannot be read, or the checkpoint fits another network or other classes.
    """
    data, train = experiment.data, experiment.train
    absent = images_not_there(data, beside)
    manifest = open_source(data, beside, tables_only=absent is not None)
    first = check_columns(experiment, manifest)
    check_models(experiment, manifest, beside)
    check_steps(experiment, len(manifest.classes), first.groups)
    parts = foreseen_parts(data, manifest, first, beside)
    count, left_out = len(manifest.frame), len(manifest.excluded)
    paths = RunPaths(folder)
    observer.say(f"into {folder}{' (begun before: what is done there stays)' if paths.config.exists() else ''}")
    observer.say(
        f"data: {count:,} images of {len(manifest.classes)} classes at {data.size} px, {left_out:,} rows left out"
    )
    fold = "first fold" if data.folds > 1 else "parts"
    observer.say(f"{fold}: {parts.words(first.name)}")
    sizes = parts.sizes(len(manifest.classes), len(first.groups))
    coverage = None if manifest.published is None else Coverage(count, manifest.published)
    for line in (_without_images(absent), said_part(coverage), said_folds(data, sizes.test, sum(sizes[:3]))):
        if line:
            observer.say(line)
    observer.say("measuring this machine ...")
    pace = measure(experiment, manifest, sizes)
    left = 0.0
    for number, name in enumerate(["train", *(step.name for step in experiment.shrink)]):
        stage = paths.stage(number, name, data.folds)
        done, seconds = stage.record.exists(), stage_seconds(experiment, number, sizes, pace)
        left += 0 if done else seconds
        cost = "done before" if done else f"about {duration(seconds)}"
        observer.say(f"{stage.root.name}: {_cost(experiment, number, sizes.train)}; {cost}")
        if number and (short := _short(experiment, number, parts.training, first)):
            observer.say(f"{stage.root.name}: {short}")
    observer.say(f"each on {data.folds} fold(s), with {train.threads} threads; then report.html")
    _say_estimate(experiment, observer, (count, sizes, pace), left)


def _without_images(absent: str | None) -> str | None:
    if absent is None:
        return None
    return f"images: not found, so only the tables were checked, as if every row had its image; a run would stop here: {absent}"


def duration(seconds: float) -> str:
    """Seconds in words, as roughly as they are known."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def amount(size: float) -> str:
    """Bytes in words."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1g}"


def _say_estimate(
    experiment: Experiment, observer: Observer, measured: tuple[int, Sizes, Pace], seconds: float
) -> None:
    count, sizes, pace = measured
    weight = weigh(experiment, count, sizes)
    decoding = "unknown (no image can be decoded)" if pace.decode is None else duration(count * pace.decode)
    speeds = {"trained": pace.train, "predicted": pace.predict, "scored": pace.score}
    said = ", ".join(f"{_rate(1 / each)} {name}" for name, each in speeds.items() if each)
    observer.say(
        f"time left: about {duration(seconds)}, and {decoding} to decode the images if that was not done before. This is an "
        f"estimate from a few seconds on this machine just now ({said} images a second); audits and the report are not in it, "
        "nor is whatever else runs beside."
    )
    observer.say(
        f"disk: about {amount(weight.disk)} (decoded images {amount(weight.store)}, each model {amount(weight.model)}); "
        f"memory: about {amount(weight.memory)} (worked out from the network's shapes)"
    )


def check_models(experiment: Experiment, manifest: Manifest, beside: Path) -> None:
    """The checkpoint fits the backbone, the classes and the size; the file with ImageNet weights and the teacher can be read."""
    model, data = experiment.model, experiment.data
    if model.checkpoint:
        exits = None if model.exits is None else exits_of(experiment, network(experiment, len(manifest.classes)))
        card = Card(model.backbone, manifest.classes, data.size, model.normalisation, exits=exits)
        load_checkpoint(find(model.checkpoint, beside, data.source), card)
    if model.weights:
        read_weights(find(model.weights, beside, data.source))
    if experiment.train.teacher:
        teacher_digest(teacher_folder(experiment.train.teacher, beside, data.source))


def check_columns(experiment: Experiment, manifest: Manifest) -> Attribute:
    """Every group can be told apart, and the column that the split keeps together is there; the first attribute."""
    found = [
        parse_group(text).assign(manifest.frame, rows=manifest.file_rows, where=manifest.where)
        for text in experiment.data.groups
    ]
    if experiment.data.split_by != "image":
        need_column(experiment.data.split_by, manifest.frame.columns, manifest.where or manifest.name)
    return found[0]


def _short(experiment: Experiment, number: int, training: NDArray[np.int64], first: Attribute) -> str | None:
    step = experiment.shrink[number - 1]
    return said_too_few(training, first.groups, step.samples, METHODS[step.method].by_group)


def _network(experiment: Experiment) -> str:
    model, train = experiment.model, experiment.train
    exits = (
        ""
        if model.exits is None
        else f" with exits at {model.exits if model.exits == AUTO else ', '.join(model.exits)}"
    )
    objective = "" if train.objective == "erm" else f" by {train.objective}"
    teacher = " and its teacher" if trainings(experiment) > 1 else ""
    return f"{model.backbone}{exits}{objective}{teacher}"


def _cost(experiment: Experiment, number: int, images: int) -> str:
    if number == 0:
        if experiment.model.checkpoint:
            return f"the checkpoint {experiment.model.checkpoint}, no training"
        epochs = trainings(experiment) * experiment.train.epochs
        what = _network(experiment)
        return f"{what}, {epochs} epochs of {images:,} images: {epochs * images:,} forward and backward"
    step = experiment.shrink[number - 1]
    candidates = step.candidates()
    drawn = "of each group" if METHODS[step.method].by_group else "per group, drawn plainly"
    samples = "all samples of known group" if step.samples == "all" else f"{step.samples:,} samples {drawn}"
    over = f" over the {step.choose_over}" if experiment.data.folds > 1 else ""
    chosen = f"{len(candidates)} settings, chosen by {step.choose}{over}" if len(candidates) > 1 else "1 setting"
    made = passes(step)
    trained = f"{made.epochs} epochs of {images:,} images" if made.epochs else ""
    scorings = made.scorings + made.readings
    scored = f"{scorings} scorings at most of {samples}" if scorings else ""
    return f"{step.method} on {step.parent}, {chosen}: {', '.join(part for part in (scored, trained) if part)}"
