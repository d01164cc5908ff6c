import sys
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fairshrink.deploy.card import Exits
from fairshrink.deploy.onnx_file import label, open_onnx, session
from fairshrink.errors import ConfigError, ModelError

FLOAT, BYTES = TensorProto.FLOAT, TensorProto.UINT8
WEIGHT = np.random.default_rng(0).normal(size=(32 * 32 * 3, 3)).astype(np.float32) / 1000


def by_hand(*, classes=3, size=32, nodes=(), outputs=("logits", "probabilities")):
    """A linear classifier in ONNX, written without torch."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=FLOAT),
            helper.make_node("Flatten", ["floats"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
            *nodes,
        ],
        "linear",
        [helper.make_tensor_value_info("pixels", BYTES, ["N", size, size, 3])],
        [helper.make_tensor_value_info(name, FLOAT, ["N", classes]) for name in outputs],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def written(path, proto, card):
    label(proto, card, {})
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture
def refused(tmp_path, card):
    """Writes a labelled model and expects these words when it is opened."""

    def check(proto, words):
        with pytest.raises(ModelError, match=words):
            open_onnx(written(tmp_path / "m.onnx", proto, card))

    return check


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_good_file_gives_probabilities_for_any_number_of_images(tmp_path, card, pixels, count):
    found, member = open_onnx(written(tmp_path / "m.onnx", by_hand(), card), threads=1)
    assert found == card
    logits = pixels[:count].reshape(count, len(WEIGHT)).astype(np.float64) @ WEIGHT
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answer = member(pixels[:count])
    assert (answer.probabilities.shape, answer.exit) == ((count, 3), None)
    assert np.abs(answer.probabilities - expected).max(initial=0) < 1e-5


def test_a_file_of_another_program_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(by_hand().SerializeToString())
    with pytest.raises(ModelError, match="was not exported by fairshrink"):
        open_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x08\x0a" + b"\xff" * 50])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="is damaged or not an ONNX file|was not exported by fairshrink"):
        open_onnx(tmp_path / "m.onnx")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"the model '.*m\.onnx' could not be read: No such file"):
        open_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_one_flipped_bit_is_found(tmp_path, card, share):
    path = written(tmp_path / "m.onnx", by_hand(), card)
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is damaged or was changed since fairshrink exported it"):
        open_onnx(path)


def test_a_file_that_was_cut_short_is_refused(tmp_path, card):
    path = written(tmp_path / "m.onnx", by_hand(), card)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ModelError, match="damaged"):
        open_onnx(path)


def test_classes_that_were_lost_are_an_error(tmp_path, card):
    proto = by_hand()
    label(proto, card, {})
    kept = [prop for prop in proto.metadata_props if prop.key not in ("classes", "num_classes")]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="it lacks classes"):
        open_onnx(tmp_path / "m.onnx")


def test_weights_in_another_file_are_refused(refused):
    proto = by_hand()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    refused(proto, r"it has weights in another file \('weight'\)")


def test_weights_in_another_file_are_found_in_attributes(refused):
    hidden = TensorProto(name="hidden", data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    hidden.external_data.add(key="location", value="/etc/passwd")
    refused(by_hand(nodes=[helper.make_node("Constant", [], ["c"], value=hidden)]), "weights in another file")


def test_operators_from_elsewhere_are_refused(refused):
    node = helper.make_node("Shell", ["logits"], ["x"], domain="com.example")
    refused(by_hand(nodes=[node]), "it has the operator com.example.Shell")


def test_graphs_inside_the_graph_are_refused(refused):
    inner = helper.make_graph([], "inner", [], [])
    node = helper.make_node("If", ["logits"], ["x"], then_branch=inner, else_branch=inner)
    refused(by_hand(nodes=[node]), "it has If with a graph inside")


def test_functions_and_sparse_weights_are_refused(refused):
    proto = by_hand()
    proto.functions.add(name="f", domain="")
    refused(proto, "it has functions of its own")
    proto = by_hand()
    proto.graph.sparse_initializer.add()
    refused(proto, "it has sparse weights")


@pytest.mark.parametrize("other", [{"classes": 4}, {"size": 16}, {"outputs": ("probabilities", "logits")}])
def test_a_model_of_another_form_is_refused(refused, other):
    refused(
        by_hand(**other), r"but pixels \(N, 32, 32, 3\) and logits \(N, 3\) and probabilities \(N, 3\) are expected"
    )


def test_what_the_runtime_refuses_is_said(refused):
    node = helper.make_node("MatMul", ["nowhere", "weight"], ["x"])
    refused(by_hand(nodes=[node]), "could not be opened by onnxruntime")


def test_outputs_that_are_not_finite_are_refused(tmp_path, card, pixels):
    proto = by_hand()
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full_like(WEIGHT, np.nan), "weight"))
    _, member = open_onnx(written(tmp_path / "m.onnx", proto, card))
    with pytest.raises(ModelError, match="are not finite for 5 of 5 images"):
        member(pixels)


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_without_the_packages_the_command_that_installs_them_is_named(tmp_path, card, monkeypatch, name):
    path = written(tmp_path / "m.onnx", by_hand(), card)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"need the package {name}, .*: pip install 'fairshrink\[onnx\]'"):
        open_onnx(path)


def test_the_session_itself_names_whose_model_it_is():
    with pytest.raises(ModelError, match="the exported model could not be opened"):
        session(b"nothing", None, "the exported model")


def test_a_stage_alone_is_no_model(tmp_path, card):
    proto = by_hand()
    label(proto, card, {"stage": "0"})
    (tmp_path / "stage-0.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=r"stage-0.onnx' is only a stage of a model. Give the folder that it lies in"):
        open_onnx(tmp_path / "stage-0.onnx")


def test_of_a_model_with_exits_every_exit_is_expected(tmp_path, card):
    early = replace(card, exits=Exits(("a",), "linear", (0.3, 0.9), 0.8))
    with pytest.raises(ModelError, match=r"but .* and logits \(N, 2, 3\) and probabilities \(N, 2, 3\) are expected"):
        open_onnx(written(tmp_path / "m.onnx", by_hand(), early))
