"""What a network with exits is told about its backbone, and what is refused."""

import pytest
import torch
from torch import nn

from fairshrink.errors import ConfigError, ModelError
from fairshrink.models.backbones import build
from fairshrink.models.multi_exit import MultiExit


def small(**settings):
    given = {"taps": ["features.6"], "num_classes": 3} | settings
    return MultiExit(build("small_cnn", num_classes=3, size=32), **given)


def flat(side, channels=3):
    """A network for images of one size alone."""
    return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * side * side, 2))


@pytest.mark.parametrize(("side", "channels"), [(32, 3), (5, 1), (8, 2)])
def test_heads_fit_whatever_size_the_backbone_takes(side, channels):
    model = MultiExit(flat(side, channels), ["1"], 2).eval()
    assert model.heads[0].classifier.in_features == 4
    assert [logits.shape for logits in model(torch.zeros(3, channels, side, side))] == [(3, 2), (3, 2)]


def test_heads_stand_where_the_backbone_stands_in_its_precision():
    model = MultiExit(flat(8).double(), ["1"], 2, example=torch.zeros(1, 3, 8, 8))
    assert model.heads[0].classifier.weight.dtype == torch.float64


class Branches(nn.Module):
    def forward(self, x):
        return x, x


WRONG = [
    (lambda: small(taps=["features.66"]), ConfigError, "'features.66' is no module of the backbone.*Near: features.6"),
    (lambda: small(taps=["zzz"]), ConfigError, r"'zzz' is no module .*Near: features, pool, flatten, classifier\."),
    (lambda: small(taps=[]), ConfigError, "there are no taps.*Give at least one"),
    (lambda: small(taps=["pool", "pool"]), ConfigError, "'pool' is given twice"),
    (lambda: small(num_classes=1), ConfigError, "num_classes is 1, .* 2 classes or more"),
    (lambda: small(heads="liner"), ConfigError, "no heads called 'liner'. Did you mean 'linear'"),
    (lambda: small(num_classes=4), ModelError, r"puts out a tensor of \(1, 3\), .* logits \(N, 4\) are expected"),
    (
        lambda: small(taps=["flatten"]),
        ModelError,
        r"tap 'flatten' gives something of shape \(1, 128\), but a head reads a map",
    ),
    (
        lambda: small(example=torch.zeros(1, 1, 32, 32)),
        ModelError,
        r"not be run on inputs of \(1, 1, 32, 32\).*example = ",
    ),
    (
        lambda: MultiExit(nn.Sequential(nn.Flatten(), nn.Linear(7, 7), nn.Linear(7, 2)), ["1"], 2),
        ModelError,
        r"not be run on inputs of \(1, 3, 64, 64\), \(1, 3, 32, 32\)",
    ),
    (
        lambda: MultiExit(nn.Sequential(nn.Conv2d(3, 2, 1), Branches(), nn.Flatten()), ["1"], 2),
        ModelError,
        "'1' gives something of type tuple",
    ),
    (
        lambda: MultiExit(nn.Sequential(nn.Conv2d(3, 2, 1), Branches()), ["0"], 2),
        ModelError,
        "the backbone puts out a tuple",
    ),
]


@pytest.mark.parametrize(("make", "kind", "words"), WRONG)
def test_what_does_not_fit_is_refused(make, kind, words):
    with pytest.raises(kind, match=f"(?s){words}"):
        make()
