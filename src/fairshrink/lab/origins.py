"""What a training begins with that is not its own: the user's checkpoint, ImageNet's weights, a teacher."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from fairshrink.deploy.card import Card, read_card
from fairshrink.deploy.predictor import network_of
from fairshrink.errors import ModelError, StoreError
from fairshrink.files import read_json
from fairshrink.lab.config import Experiment
from fairshrink.lab.data import find
from fairshrink.lab.exit_settings import NONE
from fairshrink.lab.teaching import teacher_digest, teacher_folder
from fairshrink.models.checkpoint import DIGEST, load_into, read_weights


def load_checkpoint(path: Path, card: Card) -> nn.Module:
    """The user's trained model.

    Args:
        path: Its weights.
        card: How the experiment would use it.

    Raises:
        ModelError: The file cannot be read, its weights fit another network, or its own JSON says another use.
    """
    weights = read_weights(path)
    _check_card(path, card)
    model = network_of(card)
    load_into(model, weights)
    return model


def file_digests(experiment: Experiment, beside: Path) -> dict[str, str]:
    """SHA-256 of what the models start from ("checkpoint" or "weights"), and of their "teacher"; empty where there is none."""
    model, source, teacher = experiment.model, experiment.data.source, experiment.train.teacher
    files = {"checkpoint": model.checkpoint} if model.checkpoint else {"weights": model.weights}
    found = {name: _digest(find(file, beside, source)) for name, file in files.items() if file}
    return found | ({"teacher": teacher_digest(teacher_folder(teacher, beside, source))} if teacher else {})


def other_file(now: Mapping[str, str], record: Mapping[str, Any]) -> str | None:
    """Which file is not the one that a fold began with: "checkpoint", "weights" or "teacher"; None where all are the same.

    Args:
        now: From `file_digests`.
        record: The fold's result; one from before weights were written down says nothing of them.
    """
    before = {"weights": now.get("weights")} | dict(record)
    return next((name for name, digest in now.items() if before.get(name) != digest), None)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_card(path: Path, here: Card) -> None:
    """A checkpoint of ours knows how it is used: the experiment must use it in the same way."""
    card = _own_card(path.with_suffix(".json"))
    if card is None:
        return
    if card.cut is not None:
        raise ModelError(
            f"channels were cut out of the checkpoint '{path}', so it no longer has the form of the backbone. Give the "
            "whole model that it was exported from."
        )
    if card.classes != here.classes:
        raise ModelError(
            f"the checkpoint '{path}' was trained for the classes {', '.join(card.classes)}, but the data have "
            f"{', '.join(here.classes)}.\n  The outputs would be read as the wrong classes: give the data the checkpoint's "
            "classes (data.classes sets their order for the source 'table'), or train a new model."
        )
    ways = (
        ("model.backbone", card.backbone, here.backbone),
        ("data.size", card.size, here.size),
        ("model.exits", _taps(card), _taps(here)),
        ("model.heads", card.exits and card.exits.heads, here.exits and here.exits.heads),
        ("model.mean", list(card.normalisation.mean), list(here.normalisation.mean)),
        ("model.std", list(card.normalisation.std), list(here.normalisation.std)),
    )
    for setting, there, now in ways:
        if there != now:
            raise ModelError(
                f"the checkpoint '{path}' was trained with {setting} = {there!r}, but the experiment has {now!r}: it would see "
                f"other inputs than it knows. Set {setting} = {there!r}."
            )


def _taps(card: Card) -> list[str] | str:
    return NONE if card.exits is None else list(card.exits.taps)


def _own_card(path: Path) -> Card | None:
    """What a JSON file that fairshrink wrote says; None where there is no such file, or it is the user's own."""
    try:
        meta = read_json(path)
    except StoreError:
        return None
    return read_card(meta, str(path)) if isinstance(meta, dict) and DIGEST in meta else None
