"""Looking at the models of a finished run: what `fairshrink analyse` reads and writes."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairshrink.compress.channels import find_layers
from fairshrink.compress.entanglement import example_of
from fairshrink.data.loader import Loader
from fairshrink.data.splits import TRAIN
from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import alone_in, read_json, write_json
from fairshrink.lab.analysis_labels import DRAWS, drawn_rows, labels_of
from fairshrink.lab.analysis_reading import Looked, read_model
from fairshrink.lab.analysis_store import AnalysisPaths
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.data import Prepared, cache_folder, prepare
from fairshrink.lab.models import find_models
from fairshrink.lab.observer import Observer
from fairshrink.lab.records import data_card
from fairshrink.lab.store import TRAINING, RunPaths, StagePaths
from fairshrink.lab.work import Work
from fairshrink.models.checkpoint import DIGEST, read_meta
from fairshrink.models.depths import depth_taps
from fairshrink.models.multi_exit import MultiExit

COMPARED = 128  # images at once, as the authors of SCP did
SAMPLES = 512
FORM = 1  # of the records


@dataclass(frozen=True)
class Asked:
    """What is to be looked at.

    Attributes:
        stage: A stage by its name; None: the last that does not go by another one's choice.
        against: The stage that it is compared with; None: the one that it started from.
        fold: One fold; None: all of them.
        layers: Convolutions whose channels are drawn one by one, "last" or "all"; empty: those that lack channels, else the last.
        attribute: The only one that is drawn; None: all.
        samples: Training images of each fold.

    Raises:
        ConfigError: samples is too small to compare anything.
    """

    stage: str | None = None
    against: str | None = None
    fold: int | None = None
    layers: tuple[str, ...] = ()
    attribute: str | None = None
    samples: int = SAMPLES

    def __post_init__(self) -> None:
        if self.samples < 8:
            raise ConfigError(
                f"samples is {self.samples}, but at least 8 images are needed to compare them, and {SAMPLES:,} are usual."
            )


def analyse(folder: Path, asked: Asked, observer: Observer) -> AnalysisPaths:
    """Look at the models of a run and write what was found into its folder; what is there already is not read anew.

    Args:
        folder: What `fairshrink run` wrote; the stages that are looked at are finished.
        asked: At what.
        observer: Told how far it has got.

    Returns:
        Where it lies. `asked.json` says which readings belong to what was asked.

    Raises:
        ConfigError: It is no run folder, or has no such stage, fold, layer or attribute.
        DataError: The images are not there, or too few to tell groups apart.
        StoreError: A stage is not finished, the data changed since, or another process is at work in the folder.
        ModelError: The model cannot be read.
    """
    paths = RunPaths(Path(folder))
    if not paths.config.is_file():
        raise ConfigError(f"'{folder}' is no run folder: it has no config.toml. Give what `fairshrink run` wrote.")
    experiment = load_experiment(paths.config)
    stages = _stages(paths, experiment, asked)
    with alone_in(paths.root):
        work = _work(experiment, paths, observer)
        if asked.attribute is not None:
            work.prepared.dataset.attribute(asked.attribute)
        layers = _layers(work, stages[0], asked)
        folds = range(experiment.data.folds) if asked.fold is None else [asked.fold]
        places = _read_all(work, stages, folds, asked)
        write_json(AnalysisPaths(paths.root).asked, _record(work, stages, layers, asked) | {"readings": places})
    return AnalysisPaths(paths.root)


def _stages(paths: RunPaths, experiment: Experiment, asked: Asked) -> list[StagePaths]:
    """The stage, and before it the one that it is compared with, if there is one."""
    stage = _stage(paths, experiment, asked.stage, asked.fold)
    parents = {step.name: step.parent for step in experiment.shrink}
    before = asked.against if asked.against is not None else parents.get(_name(stage))
    if before is None:
        return [stage]
    found = _stage(paths, experiment, before, asked.fold)
    if found == stage:
        raise ConfigError(f"against is '{_name(stage)}', which is the stage itself. Name another one, or leave it out.")
    return [found, stage]


def _stage(paths: RunPaths, experiment: Experiment, name: str | None, fold: int | None) -> StagePaths:
    file, folds = find_models(paths.root, name, fold).files[0], experiment.data.folds
    return StagePaths(file.parent if folds == 1 else file.parent.parent, folds)


def _name(stage: StagePaths) -> str:
    return stage.root.name.partition("-")[2]


def _work(experiment: Experiment, paths: RunPaths, observer: Observer) -> Work:
    torch.set_num_threads(experiment.train.threads)
    prepared = prepare(experiment.data, paths.root, cache_folder(paths.store), observer)
    _same(experiment, prepared, paths)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Work(experiment, prepared, paths, paths.root, observer, device)


def _same(experiment: Experiment, prepared: Prepared, paths: RunPaths) -> None:
    """Raise StoreError unless images, groups and splits are those of the run."""
    before, now = read_json(paths.data), data_card(experiment, prepared)
    if changed := [name for name in ("digest", "split_digest") if before.get(name, now[name]) != now[name]]:
        raise StoreError(
            f"the data are not those of the run '{paths.root}': their {changed[0]} is {now[changed[0]][:12]}, and was "
            f"{before[changed[0]][:12]}. Restore them: the models would be shown images that they were tested on."
        )


def _layers(work: Work, stage: StagePaths, asked: Asked) -> tuple[str, ...]:
    """The layers that were asked for, by name."""
    model, _ = work.load(stage.fold(asked.fold or 0))
    example = example_of(work.loader(work.prepared.rows(0, TRAIN)[:2]))
    found: dict[str, None] = {}
    for name in asked.layers:
        found |= dict.fromkeys(find_layers(model, name, example))
    return tuple(found)


def _read_all(work: Work, stages: list[StagePaths], folds: Iterable[int], asked: Asked) -> dict[str, list[str]]:
    """The readings' files by stage, one for each fold, made where they are not there."""
    wanted = [(stage, fold) for fold in folds for stage in stages]
    found: dict[str, list[str]] = {_name(stage): [] for stage in stages}
    for done, (stage, fold) in enumerate(wanted):
        work.observer.advance("looking at models", done, len(wanted))
        settings = _settings(work, stage, fold, asked)
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        place = AnalysisPaths(work.paths.root).reading(stage, fold, digest)
        if not place.exists():
            record = _read(work, stage, fold, asked)
            write_json(place, {"stage": _name(stage), "fold": fold} | settings | record)
        found[_name(stage)].append(place.name)
    work.observer.advance("looking at models", len(wanted), len(wanted))
    return found


def _settings(work: Work, stage: StagePaths, fold: int, asked: Asked) -> dict[str, Any]:
    """All that a reading depends on."""
    rows = drawn_rows(work, fold, asked.samples, COMPARED)
    return {
        "form": FORM,
        "weights": read_meta(stage.fold(fold).model)[DIGEST],
        "data": work.prepared.dataset.digest,
        "images": len(rows),
        "compared": min(COMPARED, len(rows)),
        "rows": hashlib.sha256(rows.tobytes()).hexdigest()[:12],
        "draws": DRAWS,
        "temperature": 2.0,
    }


def _read(work: Work, stage: StagePaths, fold: int, asked: Asked) -> dict[str, Any]:
    model, frozen = work.load(stage.fold(fold))
    rows = drawn_rows(work, fold, asked.samples, COMPARED)
    loader: Loader = work.loader(rows, batch_size=COMPARED)
    looked = Looked(
        batches=loader,
        labels=labels_of(work, rows),
        layers=find_layers(model, "all", example_of(loader)),
        depths=_depths(model),
        seed=work.experiment.train.seed,
    )
    return read_model(model, frozen, looked)


def _depths(model: nn.Module) -> tuple[str, ...]:
    """Where a model is looked at by depth; of one with exits in its backbone, as of one without."""
    if isinstance(model, MultiExit):
        return tuple(f"backbone.{name}" for name in depth_taps(model.backbone))
    return depth_taps(model)


def _record(work: Work, stages: list[StagePaths], layers: tuple[str, ...], asked: Asked) -> dict[str, Any]:
    """What the page is to show."""
    labels = labels_of(work, work.prepared.rows(0, TRAIN)[:1])
    attributes = [label.name for label in labels[:-1]] if asked.attribute is None else [asked.attribute]
    return {
        "form": FORM,
        "backbone": work.experiment.model.backbone,
        "stage": _name(stages[-1]),
        "against": _name(stages[0]) if len(stages) > 1 else None,
        "trained": TRAINING,
        "layers": list(layers),
        "attributes": attributes,
        "classes": labels[-1].name,
        "by": work.experiment.data.split_by if work.prepared.dataset.clusters is not None else None,
        "fold": asked.fold,
    }
