import json
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fairshrink.deploy import export, tracing
from fairshrink.deploy.predictor import Predictor
from fairshrink.errors import ConfigError, ModelError
from fairshrink.files import read_json

DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"


@pytest.fixture(scope="module")
def proto(exported):
    return onnx.load(exported.path)


def test_the_file_predicts_what_the_model_predicts(exported, model_file, pixels):
    found, expected = Predictor.load(exported.path)(pixels), Predictor.load(model_file)(pixels)
    assert np.abs(found - expected).max() < 1e-6
    assert exported.difference < 1e-5


@pytest.mark.parametrize("count", [1, 3, 20])
def test_it_takes_any_number_of_images(exported, count):
    session = onnxruntime.InferenceSession(str(exported.path))
    pixels = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    assert logits.shape == probabilities.shape == (count, 3)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(probabilities - softmax).max() < 1e-6


def test_what_is_needed_to_use_it_stands_inside(exported, model_file, card):
    facts = onnxruntime.InferenceSession(str(exported.path)).get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == list(card.classes)
    assert json.loads(facts["size"]) == 32
    assert facts["backbone"] == "small_cnn"
    assert (json.loads(facts["mean"]), json.loads(facts["std"])) == tuple(map(list, card.normalisation))
    assert facts["fairshrink_version"] == version("fairshrink")
    assert facts["weights_sha256"] == read_json(model_file.with_suffix(".json"))["weights_sha256"]


def test_zeros_of_a_pruned_model_are_zeros_in_the_file(exported, network, proto):
    weights = [p for p in network.parameters() if p.ndim in (2, 4)]
    zeros = sum(int((w == 0).sum()) for w in weights)
    tensors = [numpy_helper.to_array(t) for t in proto.graph.initializer if len(t.dims) in (2, 4)]
    assert sum(int((tensor == 0).sum()) for tensor in tensors) == zeros == exported.zeros > 30_000
    assert exported.weights == sum(w.numel() for w in weights)


def test_nothing_about_the_machine_stands_inside(exported):
    content = exported.path.read_bytes()
    assert b"stack_trace" not in content
    assert b".py" not in content
    assert str(Path(export.__file__).parents[2]).encode() not in content


def test_it_is_a_plain_graph(proto):
    assert {node.op_type for node in proto.graph.node} == {
        "Cast", "Conv", "Div", "Gemm", "MaxPool", "ReduceMean", "Relu", "Reshape", "Softmax", "Sub", "Transpose"
    }  # fmt: skip


def fake_trace(monkeypatch, proto, change):
    """An export that goes wrong in some way, without torch's ten seconds."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    del changed.metadata_props[:]
    change({tensor.name: tensor for tensor in changed.graph.initializer})
    monkeypatch.setattr(export, "traced", lambda *given: changed)


def test_a_file_that_computes_something_else_is_not_written(model_file, tmp_path, monkeypatch, proto):
    def other(tensors):
        bias = tensors["network.classifier.bias"]
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32([1, 0, 0]), bias.name))

    fake_trace(monkeypatch, proto, other)
    with pytest.raises(ModelError, match=r"differs from PyTorch by 0\.\d+ in a probability.*Nothing was written"):
        export.export_onnx(model_file, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_zero_that_came_back_to_life_is_refused(model_file, tmp_path, monkeypatch, proto):
    def alive(tensors):
        weight = tensors["network.classifier.weight"]
        values = numpy_helper.to_array(weight).copy()
        values[values == 0] = 1e-9
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    fake_trace(monkeypatch, proto, alive)
    with pytest.raises(
        ModelError, match=r"'network.classifier.weight' has \d+ weights of 0, and 0 are in the exported model"
    ):
        export.export_onnx(model_file, tmp_path / "m.onnx")


def test_an_export_under_other_names_is_refused(model_file, tmp_path, monkeypatch, proto):
    def renamed(tensors):
        tensors["network.classifier.weight"].name = "w"

    fake_trace(monkeypatch, proto, renamed)
    with pytest.raises(ModelError, match="none of it is in the exported model"):
        export.export_onnx(model_file, tmp_path / "m.onnx")


def test_a_trace_of_nothing_is_an_error(model_file, tmp_path, monkeypatch):
    monkeypatch.setattr(tracing.torch.onnx, "export", lambda *given, **options: None)
    with pytest.raises(ModelError, match="torch exported nothing"):
        export.export_onnx(model_file, tmp_path / "m.onnx")


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_packages_the_command_that_installs_them_is_named(model_file, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"need the package {name}, .*: pip install 'fairshrink\[onnx\]'"):
        export.export_onnx(model_file, tmp_path / "m.onnx")


def test_the_ten_lines_of_the_document_give_the_same(exported, photos, tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(import json[^`]*ImageOps[^`]*)```", DOCUMENT.read_text(encoding="utf-8"))
    shutil.copy(exported.path, tmp_path / "model.onnx")
    shutil.copy(photos / "1.png", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(block, names := {})
    expected = Predictor.load(exported.path)([tmp_path / "photo.jpg"])
    assert np.abs(names["probabilities"] - expected).max() < 1e-6
    assert exported.card.classes[expected[0].argmax()] in capsys.readouterr().out
