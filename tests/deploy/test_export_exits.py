import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fairshrink.data.normalise import network_inputs
from fairshrink.deploy import export
from fairshrink.deploy.answers import early
from fairshrink.deploy.export import export_stages
from fairshrink.deploy.predictor import Predictor
from fairshrink.deploy.stages import by_stages, given_by, stage_file, taken_by
from fairshrink.errors import ConfigError, ModelError, StoreError
from fairshrink.maths.exits import confidence, leaving

DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"


@pytest.fixture(scope="module")
def one(early_exports):
    return early_exports[0]


@pytest.fixture(scope="module")
def staged(early_exports):
    return early_exports[1]


def logits(early_model, images):
    with torch.inference_mode():
        return early_model.network(network_inputs(images, early_model.card.normalisation))


def test_both_give_the_decisions_of_the_model(early_model, early_exports, scenes):
    expected = Predictor.load(early_model.file).answer(scenes)
    assert set(expected.exit.tolist()) == {0, 1, 2}
    for done in early_exports:
        predictor = Predictor.load(done.path)
        answer = predictor.answer(scenes)
        assert predictor.card == done.card == early_model.card
        assert answer.exit.tolist() == expected.exit.tolist()
        assert np.abs(answer.probabilities - expected.probabilities).max() < 1e-5
        assert done.difference < 1e-5


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 5, 24])
def test_so_they_do_at_other_thresholds(early_model, early_exports, scenes, share, count):
    """Halfway between two confidences, or above or below all: rounding decides nothing."""
    outputs = logits(early_model, scenes)
    sure = torch.cat([torch.tensor([0.34], dtype=torch.float64), *map(confidence, outputs)]).clamp(max=1).sort().values
    gaps = sure.diff()
    at = int(share * (len(gaps) - 1))
    at = max(range(max(0, at - 3), min(len(gaps), at + 4)), key=lambda place: float(gaps[place]))
    assert gaps[at] > 1e-4
    threshold = float(sure[at : at + 2].mean())
    expected = leaving(tuple(each[:count] for each in outputs), threshold)
    session = onnxruntime.InferenceSession(str(early_exports[0].path))
    found = early(session.run(["logits"], {"pixels": scenes[:count]})[0], threshold)
    again = by_stages(runs_of(early_exports[1]), scenes[:count], threshold, "m")
    assert found.exit.tolist() == again.exit.tolist() == expected.exit.tolist()


def runs_of(staged):
    last = len(staged.macs) - 1
    sessions = [onnxruntime.InferenceSession(str(stage_file(staged.path, number))) for number in range(last + 1)]

    def run_of(number):
        given = given_by(number, last)
        return lambda x: dict(zip(given, sessions[number].run(given, {taken_by(number): x}), strict=True))

    return [run_of(number) for number in range(last + 1)]


@pytest.mark.parametrize("count", [1, 3, 20])
def test_one_file_gives_every_exit(early_model, one, count, scenes):
    session = onnxruntime.InferenceSession(str(one.path))
    found, probabilities = session.run(["logits", "probabilities"], {"pixels": scenes[:count]})
    expected = torch.stack(logits(early_model, scenes[:count]), dim=1)
    assert found.shape == probabilities.shape == (count, 3, 3)
    assert np.abs(found - expected.numpy()).max() < 1e-4 * float(expected.abs().max())
    assert np.abs(probabilities - expected.softmax(2).numpy()).max() < 1e-5


def test_each_stage_holds_its_own_part_alone(early_model, staged, one):
    names = [
        {tensor.name for tensor in onnx.load(stage_file(staged.path, number)).graph.initializer} for number in range(3)
    ]
    weights = [{name for name in own if name.startswith("stages.")} for own in names]
    assert "stages.0.head.classifier.weight" in weights[0]
    assert "stages.1.backbone.features.7.weight" in weights[1]
    assert "stages.2.backbone.classifier.weight" in weights[2]
    assert not weights[0] & weights[1] | weights[1] & weights[2] | weights[0] & weights[2]
    total = sum(stage_file(staged.path, number).stat().st_size for number in range(3))
    assert abs(total / one.path.stat().st_size - 1) < 0.05
    assert staged.macs == early_model.network.costs(torch.zeros(1, 3, 32, 32))
    assert sorted(path.name for path in staged.path.iterdir()) == [
        "stage-0.onnx", "stage-1.onnx", "stage-2.onnx", "stages.json",
    ]  # fmt: skip


def test_zeros_are_counted_over_all_stages(early_model, staged, one):
    weights = [p for p in early_model.network.parameters() if p.ndim in (2, 4)]
    assert one.weights == staged.weights == sum(w.numel() for w in weights)
    assert one.zeros == staged.zeros == sum(int((w == 0).sum()) for w in weights)


def test_nothing_about_the_machine_stands_inside(early_exports):
    files = [early_exports[0].path, *sorted(early_exports[1].path.iterdir())]
    for content in (path.read_bytes() for path in files):
        assert b"stack_trace" not in content
        assert b".py" not in content
        assert str(Path(export.__file__).parents[2]).encode() not in content


def test_the_record_says_how_the_model_is_used(early_model, staged):
    meta = json.loads((staged.path / "stages.json").read_text())
    assert early_model.card.to_dict().items() <= meta.items()
    assert meta["weights_sha256"] == json.loads(early_model.file.with_suffix(".json").read_text())["weights_sha256"]


@pytest.fixture
def no_trace(monkeypatch):
    monkeypatch.setattr(export, "traced", lambda *given: pytest.fail("traced before it was known that there is a need"))


@pytest.mark.usefixtures("no_trace")
def test_a_model_with_one_exit_has_no_stages(model_file, tmp_path):
    with pytest.raises(ConfigError, match=r"has one exit, so there are no stages. Export it with  --onnx model.onnx"):
        export_stages(model_file, tmp_path / "stages")
    assert not (tmp_path / "stages").exists()


@pytest.mark.usefixtures("no_trace")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_there_is_not_overwritten(early_model, tmp_path, what):
    place = tmp_path / "stages"
    if what == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"stages' is there and is no folder of stages. Name a new folder."):
        export_stages(early_model.file, place)


def written(monkeypatch, change, early_model, target):
    """An export whose parts are changed on the way."""
    monkeypatch.setattr(export, "traced", lambda *given: None)
    monkeypatch.setattr(export, "zeros_in", lambda *given: (0, 1))
    monkeypatch.setattr(export, "_content", lambda source, taken, given, facts: change(int(facts["stage"])))
    return export_stages(early_model.file, target)


def test_an_earlier_export_is_replaced_and_stages_that_it_had_more_of_go(early_model, staged, tmp_path, monkeypatch):
    place = tmp_path / "stages"
    shutil.copytree(staged.path, place)
    stage_file(place, 3).write_bytes(b"of a model with more exits")
    written(monkeypatch, lambda number: stage_file(staged.path, number).read_bytes(), early_model, place)
    assert sorted(path.name for path in place.iterdir()) == sorted(path.name for path in staged.path.iterdir())
    assert (place / "stages.json").read_bytes() == (staged.path / "stages.json").read_bytes()


def test_stages_that_compute_something_else_are_not_written(early_model, staged, tmp_path, monkeypatch):
    def shifted(number):
        proto = onnx.load(stage_file(staged.path, number))
        for tensor in proto.graph.initializer:
            if tensor.name == "stages.1.head.classifier.bias":
                values = onnx.numpy_helper.to_array(tensor) + np.float32([1, 0, 0])
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return proto.SerializeToString()

    with pytest.raises(ModelError, match=r"differs from PyTorch by 0\.\d+ in a probability.*Nothing was written"):
        written(monkeypatch, shifted, early_model, tmp_path / "stages")
    assert list(tmp_path.iterdir()) == []


def test_the_lines_of_the_document_classify_alike(early_model, staged, scenes, tmp_path, monkeypatch):
    (block,) = re.findall(r"```python\n(import json[^`]*stages[^`]*)```", DOCUMENT.read_text(encoding="utf-8"))
    shutil.copytree(staged.path, tmp_path / "stages")
    monkeypatch.chdir(tmp_path)
    exec(block, names := {})
    answer = Predictor.load(early_model.file).answer(scenes)
    card = early_model.card
    expected = [(card.classes[p.argmax()], card.exits.names[k]) for p, k in zip(*answer, strict=True)]
    assert [names["classify"](image[None]) for image in scenes] == expected


def test_what_a_stopped_export_left_is_written_over(early_model, staged, tmp_path, monkeypatch):
    place = tmp_path / "stages"
    place.mkdir()
    stage_file(place, 0).write_bytes(b"half")
    (place / ".tmp-0123abcd-stage-1.onnx").write_bytes(b"half")
    written(monkeypatch, lambda number: stage_file(staged.path, number).read_bytes(), early_model, place)
    assert sorted(path.name for path in place.iterdir()) == sorted(path.name for path in staged.path.iterdir())


@pytest.mark.usefixtures("no_trace")
def test_a_folder_that_the_system_refuses_is_named(early_model, tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(StoreError, match=r"cannot be written to '.*': Permission denied. Name a new folder, or make"):
        export_stages(early_model.file, tmp_path)


def test_taps_that_are_one_place_are_named(early_model, tmp_path, monkeypatch):
    def refused(proto):
        raise onnx.checker.ValidationError("Graph must be in single static assignment (SSA) form")

    whole = onnx.helper.make_graph([], "g", [], [])
    monkeypatch.setattr(export, "traced", lambda *given: onnx.helper.make_model(whole))
    monkeypatch.setattr(export, "zeros_in", lambda *given: (0, 1))
    monkeypatch.setattr(onnx.utils.Extractor, "extract_model", lambda self, taken, given: self.model)
    monkeypatch.setattr(onnx.checker, "check_model", refused)
    with pytest.raises(ModelError, match=r"stage 0 of the model, from the input to features.6, cannot .*single static"):
        export_stages(early_model.file, tmp_path / "stages")
    with pytest.raises(ModelError, match=r"the model with taps features.6, features.10 cannot be exported: Graph"):
        export.export_onnx(early_model.file, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
