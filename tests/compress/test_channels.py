import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from fairshrink.compress.channels import ConvLayer, conv_layers, example_of, find_layers, removed, spread
from fairshrink.compress.frozen import Frozen
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.models.backbones import build
from toys import toy_batches, toy_model

X = torch.zeros(2, 2, 4, 4)


class Wired(nn.Module):
    """A norm that reads an activation, a norm that reads the convolution itself, and one convolution that runs twice."""

    def __init__(self):
        super().__init__()
        self.late = nn.BatchNorm2d(3)
        self.first, self.second = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 1, bias=False)
        self.a, self.b = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.unused = nn.Conv2d(2, 3, 1)

    def forward(self, x):
        x = self.late(self.first(x).relu_())
        return (self.a(self.second(x)) + self.b(self.second(x.neg()))).mean((2, 3))


def test_a_layer_comes_with_its_bias_and_its_norm():
    assert find_layers(toy_model(), "last", X) == {
        "0": ConvLayer("0", "0.weight", ("0.bias", "1.weight", "1.bias"), 4, "1")
    }


def test_only_a_norm_that_reads_the_very_output_belongs_to_it():
    found = find_layers(Wired(), ("first", "second"), X)
    assert found["first"] == ConvLayer("first", "first.weight", ("first.bias",), 3, "first")
    assert found["second"].others == ("a.weight", "a.bias", "b.weight", "b.bias")
    assert found["second"].tap == "second"


def test_layers_by_name_and_by_kind():
    model, x = build("resnet18", num_classes=3, size=32), torch.zeros(2, 3, 32, 32)
    convolutions = conv_layers(model)
    assert len(convolutions) == 20
    assert list(find_layers(model, "all", x)) == convolutions
    assert list(find_layers(model, "last", x)) == ["layer4.1.conv2"]
    inner = find_layers(model, "inner", x)
    assert list(inner) == [f"layer{i}.{j}.conv1" for i in (1, 2, 3, 4) for j in (0, 1)]
    assert inner["layer2.0.conv1"].others == ("layer2.0.bn1.weight", "layer2.0.bn1.bias")
    assert model.training


def test_a_name_that_is_not_there_lists_the_near_ones():
    with pytest.raises(
        ConfigError, match=r"layer 'layer4\.1\.conv9' is not in the model\. Did you mean 'layer4\.1\.conv"
    ):
        find_layers(build("resnet18", num_classes=3, size=32), "layer4.1.conv9", torch.zeros(2, 3, 32, 32))
    with pytest.raises(ConfigError, match="layer '4' is no convolution"):
        find_layers(toy_model(), ("0", "4"), X)
    with pytest.raises(ConfigError, match="no layer is named. Give 'last', 'all', 'inner', or names, such as '0'"):
        find_layers(toy_model(), (), X)


def test_a_model_without_convolutions_has_no_channels():
    with pytest.raises(ModelError, match=r"the model \(Sequential\) has no convolution, so it has no channels"):
        find_layers(nn.Sequential(nn.Linear(2, 2)), "last", torch.zeros(2, 2))


def test_a_model_may_have_no_inner_convolution():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(2, 2)

        def forward(self, x):
            return self.head((x + self.body(x)).mean((2, 3)))

    with pytest.raises(
        ModelError, match="layers: the model .Shortcut. has no convolution whose channels can be cut out"
    ):
        find_layers(Shortcut(), "inner", X)


def test_a_weight_that_is_worked_out_cannot_be_kept_at_0():
    model = toy_model()
    parametrizations.weight_norm(model[0])
    with pytest.raises(ModelError, match="the weight of layer '0' is worked out from other parameters"):
        find_layers(model, "last", X)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4, affine=False), nn.LayerNorm([4, 4, 4])])
def test_a_norm_without_a_scale_for_each_channel_is_refused(norm):
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), norm, nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(
        ModelError, match="the norm '1' behind layer '0' needs a scale for each of its 4 channels, but has"
    ):
        find_layers(model, "last", X)


def test_the_channels_of_a_record():
    model = toy_model()
    layer, parameters = find_layers(model, "last", X)["0"], dict(model.named_parameters())
    assert not removed(layer, Frozen()).any()
    chosen = torch.tensor([False, True, False, True])
    masks = spread(layer, chosen, parameters)
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == {n: tuple(parameters[n].shape) for n in masks}
    frozen = Frozen().remove(masks, parameters)
    assert torch.equal(removed(layer, frozen), chosen)
    frozen.apply_(model)
    assert (model[:2](torch.randn(3, 2, 4, 4))[:, chosen] == 0).all()
    assert (model[:2](torch.randn(3, 2, 4, 4))[:, ~chosen] != 0).any()


def test_a_channel_with_anything_left_is_not_removed():
    model = toy_model()
    layer, parameters = find_layers(model, "last", X)["0"], dict(model.named_parameters())
    masks = spread(layer, torch.tensor([True, True, True, True]), parameters)
    masks["0.weight"][0, 0, 0, 0], masks["1.bias"][1] = False, False
    assert removed(layer, Frozen().remove(masks, parameters)).tolist() == [False, False, True, True]
    values = {name: torch.zeros_like(parameters[name]) for name in masks}
    values["0.bias"][2] = 0.5
    all_fixed = {name: torch.ones_like(mask) for name, mask in masks.items()}
    assert removed(layer, Frozen().fix(all_fixed, values)).tolist() == [True, True, False, True]


def test_an_example_needs_a_batch():
    assert example_of(toy_batches()).shape == (2, 2, 4, 4)
    with pytest.raises(DataError, match="there are no batches, so the model cannot be run on one"):
        example_of([])
