"""The teacher of a training that compares its features with another model's: trained first, or taken from a finished run."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from fairshrink.deploy.card import Card, read_card
from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json
from fairshrink.lab.data import find
from fairshrink.lab.exit_settings import TAUGHT
from fairshrink.lab.models import find_models
from fairshrink.lab.store import TRAINING, FoldPaths, RunPaths
from fairshrink.lab.work import Work
from fairshrink.models.checkpoint import DIGEST, load_into, read_meta, read_weights, save_model

VANILLA = "erm"
ORIGIN = "teacher"  # in the card of a teacher that was taken from a run: that run's digest


def teacher_of(
    work: Work, fold: int, folder: FoldPaths, train: Callable[[FoldPaths, str], nn.Module]
) -> nn.Module | None:
    """A fold's teacher, on the run's device, kept in its folder; None where the objective has none.

    Args:
        work: What every stage needs.
        fold: Which fold.
        folder: Where it is kept.
        train: Trains a model with the objective of a name, with its state in a folder.

    Raises:
        ConfigError: What is named as the teacher is no run, or one on other data.
        ModelError: It is another network.
        StoreError: Its training is not finished, or the fold began with another one.
    """
    settings = work.experiment.train
    if settings.objective != TAUGHT:
        return None
    source = (
        None if settings.teacher is None else teacher_folder(settings.teacher, work.beside, work.experiment.data.source)
    )
    origin = {} if source is None else {ORIGIN: teacher_digest(source)}
    if not folder.teacher.exists():
        if source is None:
            work.observer.say(f"fold {fold}: the teacher is trained first")
        model = train(folder.taught, VANILLA) if source is None else _taken(work, fold, source)
        save_model(folder.teacher, model, work.card.to_dict() | origin)
    elif read_meta(folder.teacher).get(ORIGIN) != origin.get(ORIGIN):
        raise StoreError(
            f"the teacher '{settings.teacher}' is not the one that fold {fold} began with.\n"
            "  Restore it, or give another folder with --out: results of two models must not be mixed."
        )
    folder.taught.state.unlink(missing_ok=True)
    model = work.new_model()
    load_into(model, read_weights(folder.teacher))
    return model.to(work.device).eval()


def teacher_folder(path: str, beside: Path, source: str) -> RunPaths:
    """The run that a path means.

    Raises:
        ConfigError: It is no run folder.
        DataError: There is nothing.
    """
    paths = RunPaths(find(path, beside, source))
    if not paths.config.is_file():
        raise ConfigError(
            f"train.teacher is '{path}', which is no run folder: it has no config.toml. Give the folder of a finished run of "
            "the same data and model, or leave it out: then a teacher is trained first."
        )
    return paths


def teacher_digest(paths: RunPaths) -> str:
    """SHA-256 over the trained models of all folds of a run."""
    files = find_models(paths.root, TRAINING).files
    return hashlib.sha256("".join(read_meta(file)[DIGEST] for file in files).encode()).hexdigest()


def _taken(work: Work, fold: int, paths: RunPaths) -> nn.Module:
    here, there = read_json(work.paths.data), read_json(paths.data)
    for name, what in (("digest", "data"), ("split_digest", "splits")):
        if here[name] != there.get(name):
            raise StoreError(
                f"the teacher '{paths.root}' was trained on other {what} than this run's: it may have seen the images that a "
                "fold tests. Give a run of the same [data], or leave train.teacher out."
            )
    file = find_models(paths.root, TRAINING, fold).files[0]
    card = read_card(read_meta(file), str(file))
    if _use(card) != _use(work.card):
        raise ConfigError(
            f"the teacher '{paths.root}' has another backbone, exits, size or normalisation than [model] and [data] here, so "
            "their features cannot be compared. Give a run of the same [model], or leave train.teacher out."
        )
    model = work.new_model()
    load_into(model, read_weights(file))
    return model


def _use(card: Card) -> Card:
    """What two networks must have in common for their features to be compared."""
    exits = card.exits
    return card if exits is None else replace(card, exits=replace(exits, weights=(), threshold=1.0))
