import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from fairshrink.data.normalise import network_inputs
from fairshrink.deploy.tracing import Deployed, Mean, Staged, cut_out, deployed, outputs_of
from fairshrink.errors import ModelError


def test_a_classifier_takes_bytes_and_gives_probabilities(network, card, scenes):
    whole = deployed(network, card.normalisation)
    assert isinstance(whole, Deployed)
    with torch.inference_mode():
        logits, probabilities = whole(torch.from_numpy(scenes))
        expected = network(network_inputs(scenes, card.normalisation))
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()
    assert torch.equal(probabilities, logits.softmax(1))
    assert outputs_of(whole) == ["logits", "probabilities"]


def test_a_model_with_exits_gives_all_of_them_and_what_its_stages_pass_on(early_model, card, scenes):
    whole = deployed(early_model.network, card.normalisation)
    assert isinstance(whole, Staged)
    with torch.inference_mode():
        found = dict(zip(outputs_of(whole), whole(torch.from_numpy(scenes)), strict=True))
        expected = torch.stack(early_model.network(network_inputs(scenes, card.normalisation)), dim=1)
    assert list(found) == [
        "logits", "probabilities", "passed_on_0", "passed_on_1", "logits_0", "logits_1", "logits_2",
    ]  # fmt: skip
    assert (found["logits"] - expected).abs().max() < 1e-4 * expected.abs().max()
    assert torch.equal(found["probabilities"], found["logits"].softmax(2))
    assert all(torch.equal(found[f"logits_{exit}"], found["logits"][:, exit]) for exit in range(3))
    assert [found[f"passed_on_{stage}"].shape[1:] for stage in range(2)] == [(32, 8, 8), (64, 4, 4)]


def test_pools_over_the_whole_map_become_means_of_a_copy(early_model, card):
    whole = deployed(early_model.network.train(), card.normalisation)
    early_model.network.eval()
    assert not any(isinstance(module, nn.AdaptiveAvgPool2d) for module in whole.modules())
    assert any(isinstance(module, nn.AdaptiveAvgPool2d) for module in early_model.network.modules())
    assert not any(module.training for module in whole.modules())
    maps = torch.randn(2, 3, 4, 5)
    assert torch.allclose(Mean()(maps), nn.AdaptiveAvgPool2d(1)(maps))


@pytest.mark.parametrize(("given", "left"), [(["b"], ["Neg"]), (["c"], ["Neg", "Abs"])])
def test_what_lies_between_two_places_is_cut_out(given, left):
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in "xbc"}
    nodes = [
        helper.make_node("Neg", ["x"], ["b"], doc_string="/home/me/secret.py"),
        helper.make_node("Abs", ["b"], ["c"]),
    ]
    proto = helper.make_model(helper.make_graph(nodes, "g", [values["x"]], [values["b"], values["c"]]))
    found = cut_out(proto, "x", given, "m")
    assert [node.op_type for node in found.graph.node] == left
    assert [value.name for value in found.graph.output] == given
    assert b"secret" not in found.SerializeToString()
    assert len(proto.graph.node) == 2


def test_a_part_that_is_no_model_by_itself_is_refused_by_its_name():
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in "xb"}
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "g", [values["x"]], [values["b"]])
    with pytest.raises(
        ModelError, match=r"stage 1, from a to b, cannot be exported: \S.* train the model with only one"
    ):
        cut_out(helper.make_model(graph), "x", ["missing"], "stage 1, from a to b,")
