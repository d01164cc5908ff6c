import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from fairshrink.data.normalise import Normalisation
from fairshrink.deploy.card import Card
from fairshrink.deploy.export import Exported, export_onnx
from fairshrink.deploy.packed_header import KEY, digest
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model

CARD = Card("small_cnn", ("naevus", "=mel", "bkl"), 32, Normalisation((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)))


@pytest.fixture(scope="session")
def card() -> Card:
    return CARD


@pytest.fixture(scope="session")
def network():
    """A third of its weights is 0; its norms know such images, and its outputs tell them apart."""
    model = build("small_cnn", num_classes=3, size=32, seed=3)
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter[torch.rand(parameter.shape, generator=draws) < 0.35] = 0
        for _ in range(20):
            model.train()(torch.randn(16, 3, 32, 32, generator=draws))
        model.classifier.weight.mul_(30)
    return model.eval()


@pytest.fixture(scope="session")
def model_file(network, tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "model.safetensors", network, CARD.to_dict())


@pytest.fixture(scope="session")
def exported(model_file, tmp_path_factory) -> Exported:
    """The one export of a test file: torch takes many seconds for it."""
    return export_onnx(model_file, tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.fixture(scope="session")
def pixels():
    return np.random.default_rng(5).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path, pixels) -> Path:
    """Five images of noise, two of them in a folder of their own, and a file that is none."""
    for number, image in enumerate(pixels):
        path = tmp_path / "photos" / ("later" if number > 2 else "") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("...")
    return tmp_path / "photos"


@pytest.fixture
def rewrite():
    return rewritten


def rewritten(file, change=lambda about: about, stored=None):
    """The file with another description, and a checksum that fits it."""
    with safetensors.safe_open(file, "pt") as opened:
        about = json.loads(opened.metadata()[KEY].partition(" ")[2])
    stored = load_file(file) | (stored or {})
    text = json.dumps(change(about))
    save_file(stored, file, {KEY: f"{digest(text, stored)} {text}"})
