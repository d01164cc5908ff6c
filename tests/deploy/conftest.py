import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from fairshrink.data.normalise import Normalisation, network_inputs
from fairshrink.deploy import export
from fairshrink.deploy.card import Card, Exits
from fairshrink.deploy.export import Exported, export_onnx, export_stages
from fairshrink.deploy.packed_header import KEY, digest
from fairshrink.maths.exits import confidence
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model
from fairshrink.models.multi_exit import MultiExit, build_multi_exit

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


@pytest.fixture(scope="session")
def scenes():
    """Images that differ enough to leave at different exits."""
    rng = np.random.default_rng(2)
    colours = rng.integers(0, 256, (24, 1, 1, 3))
    return (colours + rng.integers(-60, 60, (24, 32, 32, 3))).clip(0, 255).astype(np.uint8)


class Early(NamedTuple):
    """A model with three exits, where it is saved, and a threshold that some scenes reach and none comes near."""

    network: MultiExit
    card: Card
    file: Path


@pytest.fixture(scope="session")
def early_model(scenes, tmp_path_factory) -> Early:
    taps = ("features.6", "features.10")
    network = build_multi_exit("small_cnn", taps, num_classes=3, size=32, seed=3)
    x = network_inputs(scenes, CARD.normalisation)
    with torch.no_grad():
        for _ in range(20):
            network.train()(x)
        for number, layer in enumerate((*network.heads, network.backbone)):
            layer.classifier.weight.mul_(4 * (number + 1))
        sure = torch.cat([confidence(logits) for logits in network.eval()(x)[:-1]]).sort().values[16:32]
    gap = sure.diff().argmax()
    card = replace(CARD, exits=Exits(taps, "linear", (0.3, 0.6, 0.9), round(float(sure[gap : gap + 2].mean()), 6)))
    file = save_model(tmp_path_factory.mktemp("early") / "model.safetensors", network, card.to_dict())
    return Early(network, card, file)


@pytest.fixture(scope="session")
def early_exports(early_model, tmp_path_factory) -> tuple[Exported, Exported]:
    """As one file and as stages, from one trace."""
    folder, traced, found = tmp_path_factory.mktemp("early-onnx"), export.traced, []

    def once(whole, size):
        found.extend([] if found else [traced(whole, size)])
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "traced", once)
        return export_onnx(early_model.file, folder / "m.onnx"), export_stages(early_model.file, folder / "stages")


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
