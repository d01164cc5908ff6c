import re
import warnings

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from fairshrink.errors import ConfigError, ModelError
from fairshrink.models.backbones import BACKBONES, build


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", ["small_cnn", "resnet18"])
@pytest.mark.parametrize("size", [32, 33, 48, 63, 64, 112, 128, 256])
def test_every_size_gives_one_logit_a_class(name, size):
    model = build(name, num_classes=5, size=size).eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, size, size)).shape == (1, 5)


@pytest.mark.parametrize(("name", "size"), [("vgg11", 32), ("vgg11", 95), ("vgg11_bn", 64), ("vgg11_bn", 100)])
def test_vgg_takes_its_feature_map_whole(name, size):
    model = build(name, num_classes=5, size=size).eval()
    assert model.classifier[0].in_features == 512 * (size // 32) ** 2
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, size, size)).shape == (1, 5)


def test_vgg11_has_as_many_weights_as_in_fairquantize():
    """112 px, 114 classes: a 3x3 map, Linear(512 * 9, 4096), 45.3 million weights."""
    model = build("vgg11", num_classes=114, size=112)
    convolutions = [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)]
    linears = [(512 * 9, 4096), (4096, 4096), (4096, 114)]
    assert count(model) == sum(9 * i * o + o for i, o in convolutions) + sum(i * o + o for i, o in linears)
    assert count(model) == 45_347_314


def test_resnet18_keeps_the_resolution_below_64_pixels():
    small, standard = build("resnet18", num_classes=7, size=63), build("resnet18", num_classes=7, size=64)
    assert small.conv1.weight.shape == (64, 3, 3, 3)
    assert small.layer1(small.maxpool(small.conv1(torch.zeros(1, 3, 32, 32)))).shape[-1] == 32
    assert standard.conv1.weight.shape == (64, 3, 7, 7)
    assert (
        standard.state_dict().keys() == models.resnet18(num_classes=7).state_dict().keys() == small.state_dict().keys()
    )


def test_small_cnn_is_small():
    assert count(build("small_cnn", num_classes=5, size=48)) < 100_000


@pytest.mark.parametrize("name", list(BACKBONES))
def test_the_seed_gives_the_weights_and_nobody_elses_numbers_move(name):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = build(name, num_classes=3, size=32, seed=1).state_dict()
    assert torch.equal(torch.rand(2), expected)
    again = build(name, num_classes=3, size=32, seed=1).state_dict()
    other = build(name, num_classes=3, size=32, seed=2).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "resnet8"}, "no backbone called 'resnet8'. Did you mean 'resnet18'?"),
        ({"name": "inception"}, "Known: small_cnn, resnet18, vgg11, vgg11_bn."),
        ({"size": 31}, "size is 31, but images must have 32 to 256 pixels a side"),
        ({"size": 257}, "size is 257"),
        ({"num_classes": 1}, "num_classes is 1, but a classifier needs 2 classes or more"),
    ],
)
def test_what_cannot_be_built_is_said(given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build(**({"name": "small_cnn", "num_classes": 5, "size": 32} | given))


def test_imagenet_weights_come_in_and_the_classifier_stays(tmp_path):
    torch.manual_seed(0)
    there = models.resnet18(num_classes=1000)
    torch.save(there.state_dict(), tmp_path / "resnet18.pth")
    with pytest.warns(UserWarning, match=r"resnet18: fc left as initialised, .*fc\.bias \(1000,\) there, \(7,\) here"):
        here = build("resnet18", num_classes=7, size=64, weights=tmp_path / "resnet18.pth", seed=4).state_dict()
    fresh = build("resnet18", num_classes=7, size=64, seed=4).state_dict()
    for name, tensor in here.items():
        assert torch.equal(tensor, fresh[name] if name.startswith("fc.") else there.state_dict()[name])


def test_weights_of_the_same_form_come_in_whole_and_without_a_word(tmp_path):
    there = build("small_cnn", num_classes=3, size=32, seed=1)
    save_file(there.state_dict(), tmp_path / "weights.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here = build("small_cnn", num_classes=3, size=64, weights=tmp_path / "weights.safetensors")
    assert all(torch.equal(here.state_dict()[name], tensor) for name, tensor in there.state_dict().items())


def test_vgg_weights_of_another_size_leave_the_first_and_last_linear_layer(tmp_path):
    there = build("vgg11", num_classes=4, size=64).state_dict()
    save_file(there, tmp_path / "vgg.safetensors")
    with pytest.warns(UserWarning, match=r"vgg11: classifier\.0 and classifier\.6 left .*; the other 18 tensors come"):
        here = build("vgg11", num_classes=3, size=32, weights=tmp_path / "vgg.safetensors", seed=9).state_dict()
    fresh = build("vgg11", num_classes=3, size=32, seed=9).state_dict()
    for name, tensor in here.items():
        left = name.startswith(("classifier.0.", "classifier.6."))
        assert torch.equal(tensor, fresh[name] if left else there[name])


def test_imagenet_weights_do_not_fit_the_small_stem(tmp_path):
    torch.save(models.resnet18().state_dict(), tmp_path / "resnet18.pth")
    message = r"first convolution of \(64, 3, 7, 7\), this resnet18 one of \(64, 3, 3, 3\)\.\n.*size 64 or more"
    with pytest.raises(ModelError, match=message):
        build("resnet18", num_classes=7, size=48, weights=tmp_path / "resnet18.pth")


def test_weights_of_another_backbone_are_refused(tmp_path):
    save_file(build("vgg11", num_classes=3, size=32).state_dict(), tmp_path / "vgg.safetensors")
    with pytest.raises(ModelError, match=r"(?s)names differ\..*missing \(102\): 'conv1.weight'.*unexpected \(22\)"):
        build("resnet18", num_classes=3, size=64, weights=tmp_path / "vgg.safetensors")
