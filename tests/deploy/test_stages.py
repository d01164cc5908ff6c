import json
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fairshrink.deploy.card import Exits
from fairshrink.deploy.onnx_file import label
from fairshrink.deploy.predictor import Predictor
from fairshrink.deploy.stages import by_stages, digest, is_stages, open_stages, stage_file
from fairshrink.errors import ModelError

FLOAT, BYTES = TensorProto.FLOAT, TensorProto.UINT8
MAP = [32, 32, 3]
WEIGHTS = np.random.default_rng(0).normal(size=(2, 32 * 32 * 3, 3)).astype(np.float32) / 10000


def value(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, ["N", *shape])


def by_hand(number):
    """Two linear classifiers in a row, the second on the squares of what the first passes on."""
    taken, passed, logits = ("pixels", "passed_on_0")[number], ["passed_on_0", "squares"][number], f"logits_{number}"
    first = helper.make_node("Cast", [taken], [passed], to=FLOAT)
    nodes = [
        helper.make_node("Mul", [taken, taken], [passed]) if number else first,
        helper.make_node("Flatten", [passed], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], [logits]),
    ]
    weight = WEIGHTS[number] / (200 if number else 1)
    graph = helper.make_graph(
        nodes,
        "stage",
        [value(taken, FLOAT if number else BYTES, *MAP)],
        [*([] if number else [value(passed, FLOAT, *MAP)]), value(logits, FLOAT, 3)],
        [numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def written(folder, card, protos=None):
    """A folder of stages as the export writes it."""
    folder.mkdir(exist_ok=True)
    digests = []
    for number, proto in enumerate(protos or [by_hand(0), by_hand(1)]):
        label(proto, card, {"stage": str(number)})
        stage_file(folder, number).write_bytes(proto.SerializeToString())
        digests.append(digest(stage_file(folder, number).read_bytes()))
    (folder / "stages.json").write_text(json.dumps(card.to_dict() | {"stages_sha256": digests}))
    return folder


@pytest.fixture
def two(card):
    return replace(card, exits=Exits(("a",), "linear", (0.3, 0.9), 0.67))


@pytest.fixture
def folder(tmp_path, two):
    return written(tmp_path / "stages", two)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_images_that_are_sure_leave_and_the_others_go_on(folder, two, scenes):
    card, member = open_stages(folder, threads=1)
    flat = scenes.reshape(len(scenes), -1).astype(np.float64)
    first, second = softmax(flat @ WEIGHTS[0]), softmax(flat**2 @ (WEIGHTS[1] / 200))
    sure = first.max(axis=1) >= 0.67
    assert 4 < sure.sum() < 20
    assert np.abs(first.max(axis=1) - 0.67).min() > 1e-3
    answer = member(scenes)
    assert card == two
    assert np.array_equal(answer.exit, np.where(sure, 0, 1))
    assert np.abs(answer.probabilities - np.where(sure[:, None], first, second)).max() < 1e-5


def test_a_predictor_takes_the_folder(folder, two, scenes):
    predictor = Predictor.load(folder)
    assert predictor.card == two
    assert np.array_equal(predictor.answer(scenes).exit, open_stages(folder)[1](scenes).exit)
    assert is_stages(folder)
    assert not is_stages(folder.parent)


def stage(number, logits, seen):
    """A stage that notes which images reach it: image i is the number i, whatever the stage."""

    def run(values):
        seen.append(values.tolist())
        return {f"passed_on_{number}": values, f"logits_{number}": np.log(np.float32(logits))[values]}

    return run


def test_a_stage_sees_only_those_that_nobody_before_it_was_sure_of():
    seen: list[list[int]] = []
    sure, unsure = [0.9, 0.1], [0.5, 0.5]
    runs = [
        stage(0, [unsure, sure, unsure, unsure], seen),
        stage(1, [sure, unsure, unsure, sure], seen),
        stage(2, [unsure, unsure, [0.3, 0.7], unsure], seen),
    ]
    answer = by_stages(runs, np.arange(4, dtype=np.uint8), 0.8, "m")
    assert seen == [[0, 1, 2, 3], [0, 2, 3], [2]]
    assert answer.exit is not None
    assert answer.exit.tolist() == [1, 0, 2, 1]
    assert np.abs(answer.probabilities - [sure, sure, [0.3, 0.7], sure]).max() < 1e-6


def test_where_all_leave_no_later_stage_runs():
    seen: list[list[int]] = []
    runs = [stage(0, [[0.9, 0.1]] * 3, seen), stage(1, [[0.9, 0.1]] * 3, seen)]
    assert by_stages(runs, np.arange(3, dtype=np.uint8), 0.9 - 1e-6, "m").exit.tolist() == [0, 0, 0]
    assert seen == [[0, 1, 2]]


def test_no_images(folder, scenes):
    answer = open_stages(folder)[1](scenes[:0])
    assert (answer.probabilities.shape, answer.exit.tolist()) == ((0, 3), [])


def test_outputs_that_are_not_finite_are_refused():
    with pytest.raises(
        ModelError, match=r"the outputs of 'm' are not finite for 1 of 2 images. Export the model again"
    ):
        by_stages([stage(0, [[np.nan, 1], [1, 1]], [])], np.arange(2, dtype=np.uint8), 0.8, "'m'")


def test_a_stage_that_is_missing_or_damaged_is_named(folder):
    content = stage_file(folder, 1).read_bytes()
    stage_file(folder, 1).unlink()
    with pytest.raises(ModelError, match=r"stage-1.onnx' could not be read"):
        open_stages(folder)
    stage_file(folder, 1).write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(ModelError, match=r"stage-1.onnx' is"):
        open_stages(folder)


def test_a_stage_of_another_export_is_refused(folder, two, tmp_path):
    other = by_hand(1)
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(-WEIGHTS[1], "weight"))
    other = written(tmp_path / "other", two, [by_hand(0), other])
    stage_file(folder, 1).write_bytes(stage_file(other, 1).read_bytes())
    with pytest.raises(ModelError, match=r"stage-1.onnx' is not the file that 'stages.json' beside it was written for"):
        open_stages(folder)


def test_stages_in_another_order_are_refused(folder):
    path = folder / "stages.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {"stages_sha256": meta["stages_sha256"][::-1]}))
    with pytest.raises(ModelError, match=r"stage-0.onnx' is not the file that"):
        open_stages(folder)


@pytest.mark.parametrize(
    "change",
    [{"stages_sha256": ["x"]}, {"stages_sha256": None}, {"stages_sha256": {"0": "x", "1": "y"}}, {"exits": None}],
)
def test_a_record_that_does_not_name_its_files_is_refused(folder, change):
    path = folder / "stages.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=r"stages.json' does not name one file for each exit of its model. Export"):
        open_stages(folder)


def test_a_record_that_is_no_json_is_refused(folder):
    (folder / "stages.json").write_text("{")
    with pytest.raises(
        ModelError, match=r"the stages in '.*' cannot be used: (.|\n)*is not a JSON file(.|\n)*Export the model"
    ):
        open_stages(folder)


def test_a_stage_that_takes_something_else_than_the_one_before_it_gives_is_refused(tmp_path, two):
    second = by_hand(1)
    second.graph.input[0].CopyFrom(value("passed_on_0", FLOAT, 16, 32, 6))
    with pytest.raises(
        ModelError, match=r"takes passed_on_0 \(N, 16, 32, 6\) and gives .*, but passed_on_0 \(N, 32, 32, 3\)"
    ):
        open_stages(written(tmp_path / "stages", two, [by_hand(0), second]))


def test_a_stage_that_passes_on_maps_of_no_size_is_refused(tmp_path, two):
    first = by_hand(0)
    first.graph.output[0].CopyFrom(value("passed_on_0", FLOAT, "K", 32, 3))
    with pytest.raises(ModelError, match=r"gives passed_on_0 \(N, 0, 32, 3\) and logits_0 \(N, 3\), but"):
        open_stages(written(tmp_path / "stages", two, [first, by_hand(1)]))


def test_weights_in_another_file_are_refused_here_too(tmp_path, two):
    second = by_hand(1)
    tensor = second.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    with pytest.raises(ModelError, match="stage-1.onnx' is not run, .* weights in another file"):
        open_stages(written(tmp_path / "stages", two, [by_hand(0), second]))


@pytest.mark.parametrize("change", [{"classes": ["x", "y", "z"]}, {"threshold": 0.5}])
def test_a_record_that_was_changed_is_refused(folder, change):
    path = folder / "stages.json"
    meta = json.loads(path.read_text())
    exits = meta["exits"] | {key: new for key, new in change.items() if key == "threshold"}
    path.write_text(json.dumps(meta | change | {"exits": exits}))
    with pytest.raises(ModelError, match=r"'stages.json' says otherwise than '.*stage-0.onnx' how the model is used"):
        open_stages(folder)
