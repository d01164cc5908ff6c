import pytest
import torch
from torch import nn

from fairshrink.errors import ModelError
from fairshrink.maths.targets import layers_of


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))


def test_parameters_are_gathered_by_their_layer():
    layers = layers_of(small(), None)
    assert [(layer.name, layer.params) for layer in layers] == [
        ("0", {"weight": "0.weight", "bias": "0.bias"}),
        ("1", {"weight": "1.weight", "bias": "1.bias"}),
        ("3", {"weight": "3.weight", "bias": "3.bias"}),
    ]
    assert [layer.params for layer in layers_of(small(), ["3.bias", "0.weight", "3.bias"])] == [
        {"bias": "3.bias"},
        {"weight": "0.weight"},
    ]


def test_a_lone_layer_is_a_model():
    assert layers_of(nn.Linear(2, 2), None)[0].params == {"weight": "weight", "bias": "bias"}


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(
        ModelError, match=r"no parameter '3.weigth' \(1 of 2 names are unknown\). Did you mean '3.weight'\?"
    ):
        layers_of(small(), ["0.bias", "3.weigth"])


@pytest.mark.parametrize(("model", "params"), [(nn.ReLU(), None), (small(), [])])
def test_nothing_to_measure_is_said(model, params):
    with pytest.raises(ModelError, match="no parameters to measure"):
        layers_of(model, params)


class Scale(nn.Module):
    def __init__(self):
        nn.Module.__init__(self)
        self.scale = nn.Parameter(torch.ones(3))


class Doubling(nn.Linear):
    def forward(self, input):
        return 2 * nn.functional.linear(input, self.weight, self.bias)


class Standardised(nn.Conv2d):
    def _conv_forward(self, input, weight, bias):
        return nn.functional.conv2d(input, weight - weight.mean(), bias)


@pytest.mark.parametrize(
    "layer",
    [
        nn.MultiheadAttention(4, 2),
        nn.Embedding(5, 4),
        nn.GroupNorm(2, 4),
        nn.ConvTranspose2d(2, 2, 3),
        nn.LSTM(2, 2),
        nn.PReLU(),
        nn.Bilinear(2, 2, 2),
        nn.SyncBatchNorm(3),
        nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
        Scale(),
        Doubling(2, 2),
        Standardised(2, 2, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_that_is_not_covered_is_named(layer):
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(layer))
    with pytest.raises(ModelError, match=r"layer '1\.0.*is not covered"):
        layers_of(model, None)
    assert len(layers_of(model, ["0.weight"])) == 1


def test_a_parameter_of_the_model_itself_is_not_covered():
    with pytest.raises(ModelError, match=r"the model itself \(Scale\) is not covered: the curvature of scale"):
        layers_of(Scale(), None)


def test_a_forward_pass_put_onto_an_instance_is_noticed():
    layer = nn.Linear(2, 2)
    layer.forward = lambda x: x
    with pytest.raises(ModelError, match="layer '0' .Linear. is not covered"):
        layers_of(nn.Sequential(layer), None)


def test_half_precision_is_refused():
    with pytest.raises(ModelError, match=r"parameter '0.weight' is torch.bfloat16, too coarse"):
        layers_of(small().bfloat16(), None)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(2, track_running_stats=False), nn.BatchNorm2d(2, affine=False)])
def test_a_norm_by_the_batch_is_refused_wherever_it_stands(norm):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), norm)
    if norm.running_mean is not None:
        assert len(layers_of(model, None)) == 1
        return
    with pytest.raises(ModelError, match=r"layer '1' \(BatchNorm2d\) has no running statistics"):
        layers_of(model, ["0.weight"])


def test_tied_parameters_are_refused_with_all_their_names():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    with pytest.raises(ModelError, match=r"parameter '0.weight' is shared by 2 layers \(0.weight, 2.weight\)"):
        layers_of(model, None)
    assert layers_of(model, ["2.bias"])[0].name == "2"


def test_one_layer_under_two_names_is_one_layer():
    model = nn.Sequential(nn.Linear(3, 3))
    model.alias = model[0]
    assert [layer.name for layer in layers_of(model, None)] == ["0"]
