from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy import ready as ready_module
from fairshrink.deploy.card import Card, read_card
from fairshrink.deploy.export import export_onnx
from fairshrink.deploy.predictor import Predictor, load_network
from fairshrink.deploy.ready import make_ready, save_cut
from fairshrink.errors import ModelError
from fairshrink.files import read_json, write_json
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model


@pytest.fixture(scope="module")
def narrow_file(tmp_path_factory) -> Path:
    model: Any = build("small_cnn", num_classes=3, size=32, seed=3).eval()
    with torch.no_grad():
        for norm, channels in ((1, [2, 3]), (8, [0, 63])):
            model.features[norm].weight[channels] = 0
            model.features[norm].bias[channels] = 0
        model.classifier.weight.mul_(30)
    card = Card("small_cnn", ("a", "b", "c"), 32)
    return save_model(tmp_path_factory.mktemp("narrow") / "model.safetensors", model, card.to_dict())


def test_what_can_be_cut_is_cut_and_the_card_says_so(narrow_file, tmp_path, pixels):
    ready = make_ready(narrow_file)
    assert ready.cut is not None
    assert ready.card.cut == ready.cut.removed == {"features.0": (2, 3), "features.7": (0, 63)}
    assert not ready.was_cut
    small = save_cut(tmp_path / "small.safetensors", ready, narrow_file)
    assert small.stat().st_size < narrow_file.stat().st_size
    assert read_card(read_json(small.with_suffix(".json")), "").cut == {"features.0": [2, 3], "features.7": [0, 63]}
    expected = Predictor.load(narrow_file)(pixels)
    assert np.ptp(expected, axis=0).max() > 0.001
    assert np.abs(Predictor.load(small)(pixels) - expected).max() < 1e-6
    assert np.abs(Predictor.load(small, narrow_file)(pixels) - expected).max() < 1e-6
    again = make_ready(small)
    assert again.was_cut
    assert again.model is again.whole
    assert again.fixed(Frozen()) == Frozen()


def test_whole_leaves_every_channel(narrow_file):
    ready = make_ready(narrow_file, whole=True)
    assert (ready.cut, ready.card.cut, ready.was_cut) == (None, None, False)
    assert ready.model.state_dict()["features.0.weight"].shape == (16, 3, 3, 3)


def test_a_model_without_zeros_is_left_whole(tmp_path):
    card = Card("small_cnn", ("a", "b", "c"), 32)
    file = save_model(tmp_path / "m.safetensors", build("small_cnn", num_classes=3, size=32).eval(), card.to_dict())
    ready = make_ready(file)
    assert ready.cut is not None
    assert (ready.cut.removed, ready.card.cut, ready.model is ready.whole) == ({}, None, True)


def test_an_onnx_file_is_cut_by_itself(narrow_file, tmp_path, pixels):
    done = export_onnx(narrow_file, tmp_path / "m.onnx")
    assert done.cut is not None
    assert done.cut.removed == {"features.0": (2, 3), "features.7": (0, 63)}
    predictor = Predictor.load(done.path)
    assert predictor.card.cut == {"features.0": [2, 3], "features.7": [0, 63]}
    assert np.abs(predictor(pixels) - Predictor.load(narrow_file)(pixels)).max() < 1e-5


def changed(file: Path, target: Path, change: dict[str, object]) -> Path:
    target.write_bytes(file.read_bytes())
    write_json(target.with_suffix(".json"), read_json(file.with_suffix(".json")) | change)
    return target


def test_damaged_and_foreign_files_are_refused(narrow_file, tmp_path):
    small = save_cut(tmp_path / "small.safetensors", make_ready(narrow_file), narrow_file)
    unsaid = changed(small, tmp_path / "unsaid.safetensors", {"cut": None})
    with pytest.raises(ModelError, match=r"tensors have another shape: 'features.0.weight' is \(14, 3, 3, 3\)"):
        load_network(unsaid)
    wrong = changed(small, tmp_path / "wrong.safetensors", {"cut": {"features.0": [-1]}})
    with pytest.raises(ModelError, match="cut is .*, but a table of channel numbers by layer is expected"):
        load_network(wrong)
    other = changed(small, tmp_path / "other.safetensors", {"backbone": "resnet18"})
    with pytest.raises(ModelError, match="do not fit the model: names differ"):
        load_network(other)
    card, network = load_network(small)
    network.get_submodule("features.3").register_parameter("weight", torch.nn.Parameter(torch.zeros(32, 9, 3, 3)))
    broken = save_model(tmp_path / "broken.safetensors", network, card.to_dict())
    with pytest.raises(
        ModelError, match=r"broken.*says that channels were cut out of it, but .*'features.3': it has 9 inputs"
    ):
        load_network(broken)


def test_what_cannot_be_traced_can_be_exported_whole(narrow_file, monkeypatch):
    def untraced(*given):
        raise ModelError("the model could not be traced")

    monkeypatch.setattr(ready_module, "cut", untraced)
    with pytest.raises(ModelError, match="could not be traced\n  With --whole nothing is cut"):
        make_ready(narrow_file)
    assert make_ready(narrow_file, whole=True).cut is None
