"""The user's own checkpoint: how it must be used, and signs that it is not used so."""

import numpy as np
import pandas as pd
import pytest
import torch

from fairshrink.data.normalise import Normalisation
from fairshrink.deploy.card import Card, Exits
from fairshrink.deploy.predictor import network_of
from fairshrink.errors import ConfigError, ModelError
from fairshrink.files import read_json
from fairshrink.lab.run import run
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model
from tiny import tiny

CLASSES = ("naevus-like", "melanoma-like", "keratosis-like", "carcinoma-like", "angioma-like")


class Listens:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def advance(self, what: str, done: int, total: int) -> None:
        pass


@pytest.fixture
def saved(tmp_path):
    """Writes a checkpoint as fairshrink does, used in some way; returns an experiment that takes it."""

    def save(card: Card, **model):
        path = save_model(tmp_path / "mine.safetensors", build("small_cnn", num_classes=5, size=32), card.to_dict())
        return tiny(model={"checkpoint": str(path)} | model, shrink=[])

    return save


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": CLASSES[::-1]}, "was trained for the classes angioma-like, .* but the data have naevus-like"),
        (
            {"cut": {"features.0": (2,)}},
            "channels were cut out of the checkpoint '.*mine.safetensors'.* Give the whole model",
        ),
        ({"backbone": "resnet18"}, "was trained with model.backbone = 'resnet18', but the experiment has 'small_cnn'"),
        (
            {"exits": Exits(("features.6",), "linear", (0.3, 0.9), 0.9)},
            r"was trained with model.exits = \['features.6'\], but the experiment has 'none'.* Set model.exits = \[",
        ),
        ({"size": 64}, "was trained with data.size = 64, but the experiment has 32.*Set data.size = 64"),
        (
            {"normalisation": Normalisation((0.5, 0.5, 0.5), (0.229, 0.224, 0.225))},
            r"Set model.mean = \[0.5, 0.5, 0.5\]",
        ),
        (
            {"normalisation": Normalisation((0.485, 0.456, 0.406), (0.5, 0.5, 0.5))},
            r"Set model.std = \[0.5, 0.5, 0.5\]",
        ),
    ],
)
def test_a_checkpoint_of_ours_must_be_used_as_it_was_trained(saved, tmp_path, change, message):
    known = {"backbone": "small_cnn", "classes": CLASSES, "size": 32} | change
    with pytest.raises(ModelError, match=message):
        run(saved(Card(**known)), tmp_path / "run")


def test_its_own_normalisation_is_used_and_written_down(saved, tmp_path):
    """The same weights under another normalisation give other probabilities."""
    own = Normalisation((0.5, 0.5, 0.5), (0.1, 0.1, 0.1))
    experiment = saved(Card("small_cnn", CLASSES, 32, own), mean=list(own.mean), std=list(own.std))
    stage = run(experiment, tmp_path / "run").root / "stages" / "00-train"
    assert read_json(stage / "model.json")["std"] == [0.1, 0.1, 0.1]
    other = run(saved(Card("small_cnn", CLASSES, 32)), tmp_path / "other").root / "stages" / "00-train"
    tables = [pd.read_csv(folder / "predictions.csv").filter(like="prob_") for folder in (stage, other)]
    assert np.abs(tables[0] - tables[1]).to_numpy().max() > 1e-3


def test_a_checkpoint_with_exits_keeps_its_weights_and_gets_a_threshold_of_its_own(tmp_path):
    exits = Exits(("features.6",), "linear", (0.3, 0.9), 0.123)
    card = Card("small_cnn", CLASSES, 32, exits=exits)
    path = save_model(tmp_path / "mine.safetensors", network_of(card), card.to_dict())
    model = {"checkpoint": str(path), "exits": ["features.6"]}
    stage = run(tiny(model=model, shrink=[]), tmp_path / "run").root / "stages" / "00-train"
    before, now = read_json(path.with_suffix(".json")), read_json(stage / "model.json")
    assert now["weights_sha256"] == before["weights_sha256"]
    assert now["exits"]["threshold"] == read_json(stage / "exits.json")["theta"]
    with pytest.raises(ModelError, match="was trained with model.heads = 'linear', but the experiment has 'conv'"):
        run(tiny(model=model | {"heads": "conv"}, shrink=[]), tmp_path / "other")


def test_a_checkpoint_that_seems_misused_is_said_and_written_down(tmp_path):
    weights = build("small_cnn", num_classes=5, size=32).state_dict()
    weights["classifier.bias"] = torch.tensor([0.0, 0, 0, 0, 100])  # always the smallest class
    torch.save(weights, tmp_path / "mine.pt")
    observer = Listens()
    experiment = tiny(model={"checkpoint": str(tmp_path / "mine.pt")}, shrink=[])
    stage = run(experiment, tmp_path / "run", observer=observer).root / "stages" / "00-train"
    (note,) = read_json(stage / "result.json")["notes"]
    assert "always 'naevus-like' would be right on" in note
    assert f"fold 0: note: {note}" in observer.lines


def test_the_normalisation_of_a_training_is_the_one_that_is_asked_for(tmp_path):
    one, other = (
        run(tiny(model={"std": std}, train={"epochs": 1}, shrink=[]), tmp_path / name).root / "stages" / "00-train"
        for name, std in (("a", [0.229, 0.224, 0.225]), ("b", [0.9, 0.9, 0.9]))
    )
    assert (one / "model.safetensors").read_bytes() != (other / "model.safetensors").read_bytes()


def test_a_batch_that_is_too_small_for_all_processes_is_refused(tmp_path, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "17", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ConfigError, match=r"batch_size is 32, and shared out among 17 .*\n  Start at most 16 processes"
    ):
        run(tiny(), tmp_path / "run")
