import re

import pytest
import torch
from tests.cases import Lambda, case_named
from tests.chains import Other, chain, images
from torch import nn

from fairshrink.compress.graph import inner
from fairshrink.compress.streams import PASSES, READS, WRITES, Part, depthwise, streams
from fairshrink.errors import ModelError


def test_a_stream_tells_what_feeds_what():
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.MaxPool2d(3), nn.Flatten(), nn.Linear(12, 2))
    first, last = streams(model, images())
    assert (first.layer, first.width) == ("0", 3)
    assert first.parts[0] == Part("0", WRITES, (0, 1, 2), (0, 1, 2))
    assert [part.role for part in first.parts[1:]] == [PASSES, PASSES, READS]
    assert [part.inputs for part in first.parts] == [(), (0,), (1,), (2,)]
    assert first.parts[3].module == "3"
    assert first.parts[3].channels == tuple(range(12))
    assert first.parts[3].of == tuple(at // 4 for at in range(12))
    assert [(part.module, part.role) for part in last.parts] == [("3", WRITES), ("the model's output", "ends")]
    assert [stream.layer for stream in streams(model, images(), (nn.Conv2d,))] == ["0"]


def test_depthwise_is_one_input_for_one_output():
    assert depthwise(nn.Conv2d(4, 4, 3, groups=4))
    others = nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(4, 2, 3, groups=2), nn.Conv2d(1, 1, 3), nn.Linear(4, 4)
    assert not any(depthwise(other) for other in others)


def test_a_weight_with_two_names_is_not_a_layers_own():
    model = chain(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    assert inner(model, images()) == ["0", "1", "3"]
    model[3].weight = model[1].weight
    assert inner(model, images()) == []


def test_the_model_is_left_as_it_was():
    model = chain(nn.BatchNorm2d(4), nn.Dropout()).train()
    model[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.inference_mode():
        assert inner(model, images()) == ["0"]
    assert all(module.training for module in model.modules())
    assert not model[0].weight.requires_grad
    assert model[1].weight.requires_grad
    assert model[0].weight.grad is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model[0]._forward_hooks


def test_the_example_may_have_another_precision():
    case = case_named("resnet")
    assert inner(case.model, case.whole.x.float()) == ["4.conv1", "5.conv1"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (chain(), "channels, but got 3"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), Lambda(lambda x: x.detach())), "no gradient of its outputs reaches"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), Other(lambda x: "no tensor")), "'str' object"),
    ],
)
def test_a_model_that_cannot_be_traced_is_an_error_with_a_way_out(model, reason):
    with pytest.raises(ModelError, match=r"\(Sequential\) could not be traced, so that nobody knows") as caught:
        inner(model, images(6, 3))
    assert reason in str(caught.value)
    assert re.search(r"takes a batch such as \(2, 3, 6, 6\) and returns tensors", str(caught.value))
