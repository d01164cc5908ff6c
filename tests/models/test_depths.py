import pytest
from torch import nn

from fairshrink.errors import ModelError
from fairshrink.models.backbones import build
from fairshrink.models.depths import depth_taps
from fairshrink.models.multi_exit import build_multi_exit


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("resnet18", ("layer1", "layer2", "layer3", "layer4")),
        ("small_cnn", ("features.6", "features.10", "pool")),
        ("vgg11", ("features.5", "features.10", "features.15", "features.20")),
        ("vgg11_bn", ("features.7", "features.14", "features.21", "features.28")),
    ],
)
def test_the_backbones_are_looked_at_where_the_paper_does(name, taps):
    model = build(name, num_classes=3, size=32)
    assert depth_taps(model) == taps
    kinds = {type(dict(model.named_modules())[tap]) for tap in taps}
    assert kinds <= {nn.Sequential, nn.MaxPool2d, nn.AdaptiveAvgPool2d}


def test_a_model_with_exits_is_looked_at_in_its_backbone():
    model = build_multi_exit("small_cnn", ["features.6"], "conv", num_classes=3, size=32)
    assert depth_taps(model) == ("backbone.features.6", "backbone.features.10", "backbone.pool")


def test_any_other_model_is_looked_at_after_every_convolution():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1))
    assert depth_taps(model) == ("0", "2")


def test_a_model_without_convolutions_is_refused():
    with pytest.raises(ModelError, match="neither pools nor convolutions.*Give a convolutional network"):
        depth_taps(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
