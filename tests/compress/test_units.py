import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from fairshrink.compress.units import compressible, layer_names
from fairshrink.errors import ConfigError, ModelError
from toys import toy_model


def nested() -> nn.Module:
    inner = nn.Sequential(nn.Conv2d(2, 2, 1), nn.GroupNorm(1, 2), nn.LayerNorm(3))
    return nn.ModuleDict({"stem": nn.Conv2d(2, 2, 1), "layer1": inner, "layer10": nn.Linear(3, 2, bias=False)})


def test_conv_and_linear_weights_in_the_models_order():
    assert list(compressible(toy_model())) == ["0.weight", "4.weight"]


def test_all_has_biases_and_norms_in_the_models_order():
    assert list(compressible(toy_model(), "all")) == [name for name, _ in toy_model().named_parameters()]
    expected = ["stem.weight", "stem.bias", "layer1.0.weight", "layer1.0.bias", "layer1.1.weight", "layer1.1.bias"]
    assert list(compressible(nested(), "all")) == [*expected, "layer1.2.weight", "layer1.2.bias", "layer10.weight"]


def test_transposed_convolutions_and_embeddings_stay_in_any_case():
    model = nn.Sequential(nn.Embedding(2, 2), nn.ConvTranspose2d(2, 2, 1), nn.Linear(2, 2))
    assert list(compressible(model, "all")) == ["2.weight", "2.bias"]


def test_norms_without_parameters_are_no_obstacle():
    assert list(compressible(nn.Sequential(nn.LayerNorm(2, elementwise_affine=False), nn.Linear(2, 2)), "all"))


def test_a_single_layer_is_a_model():
    assert list(compressible(nn.Linear(2, 2))) == ["weight"]
    assert list(compressible(nn.Linear(2, 2), "all")) == ["weight", "bias"]


def test_a_layer_or_a_whole_part_may_be_left():
    assert list(compressible(nested(), leave="stem")) == ["layer1.0.weight", "layer10.weight"]
    assert list(compressible(nested(), leave=("layer1",))) == ["stem.weight", "layer10.weight"]
    assert list(compressible(nested(), "all", ["layer1.1", "stem", "layer10"])) == [
        *("layer1.0.weight", "layer1.0.bias", "layer1.2.weight", "layer1.2.bias")
    ]


def test_names_may_come_as_one_string_or_as_nothing():
    assert (layer_names("fc"), layer_names(["a", "b"]), layer_names(None)) == (("fc",), ("a", "b"), ())


def test_an_unknown_layer_is_refused():
    with pytest.raises(ConfigError, match=r"no layer 'layer2' \(1 of 2 names are unknown\)\. Did you mean 'layer1"):
        compressible(nested(), leave=("stem", "layer2"))


def test_an_unknown_choice_is_refused():
    with pytest.raises(ConfigError, match=r"include is 'weight', but there is no such choice\. Did you mean 'weights'"):
        compressible(toy_model(), "weight")


def test_a_model_with_nothing_to_shrink_is_refused():
    with pytest.raises(ModelError, match=r"\(ReLU\) has no convolution and no linear layer, so"):
        compressible(nn.ReLU())
    with pytest.raises(ModelError, match=r"no linear layer besides what leave = \['0', '4'\] leaves alone"):
        compressible(toy_model(), leave=("0", "4"))


def test_the_whole_model_is_no_layer():
    with pytest.raises(ConfigError, match=r"no layer '' \(1 of 1 names are unknown\)\. Known: stem, layer1,"):
        compressible(nested(), leave="")
    with pytest.raises(ConfigError, match=r"no layer 'fc' .* It is a single layer, without parts"):
        compressible(nn.Linear(2, 2), leave="fc")


@pytest.mark.parametrize(("leave", "wrong"), [(4, "4"), (("fc", 4), "4"), (True, "True")])
def test_names_are_texts(leave, wrong):
    with pytest.raises(ConfigError, match=rf"leave is .*, but names of layers are expected.*: {wrong} is of the type"):
        layer_names(leave)


def test_a_single_layer_cannot_be_left():
    layer = nn.Linear(4, 2)
    prune.l1_unstructured(layer, "weight", 0.3)
    with pytest.raises(ModelError, match=r"of layer '' is worked out (.|\n)*prune\.remove\.$"):
        compressible(layer)


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: parametrizations.weight_norm(layer),
        lambda layer: prune.l1_unstructured(layer, "weight", 0.3),
    ],
)
def test_weights_that_are_worked_out_from_others_are_refused_by_name(change):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    change(model[1])
    with pytest.raises(ModelError, match=r"the weight of layer '1' is worked out from (.|\n)*leave = \['1'\]"):
        compressible(model)
    assert list(compressible(model, leave="1")) == ["0.weight"]


def test_a_bias_that_is_worked_out_matters_only_when_biases_do():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    prune.l1_unstructured(model[0], "bias", 0.3)
    assert list(compressible(model)) == ["0.weight"]
    with pytest.raises(ModelError, match="the bias of layer '0' is worked out from other parameters"):
        compressible(model, "all")


def test_a_norm_channel_with_weight_0_puts_out_its_bias():
    norm = nn.BatchNorm2d(2).eval()
    with torch.no_grad():
        norm.weight[0], norm.bias[0] = 0.0, 0.7
    out = norm(torch.randn(3, 2, 4, 4))
    assert bool((out[:, 0] == norm.bias[0]).all())
    assert out[:, 1].std() > 0.1
