"""What is read from a model, against the double loop over the maps of its own layers."""

import numpy as np
import pytest
import torch
from torch import nn

from fairshrink.compress.channels import find_layers
from fairshrink.compress.frozen import Frozen
from fairshrink.errors import DataError, ModelError
from fairshrink.lab.analysis_labels import DRAWS, SHUFFLED, WITHIN, Label, draw
from fairshrink.lab.analysis_reading import Looked, read_model
from fairshrink.types import GroupBatch
from oracles.snnl import snnl_by_pairs

SIZES = (12, 9)
CODES = np.array([0, 1, 1, -1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, -1, 1, 0, 1])
CLASSES = np.arange(21) % 3


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3, bias=True),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 3),
    ).double()


def looked(network, codes=CODES, depths=("3", "6")):
    torch.manual_seed(1)
    x = torch.randn(21, 2, 6, 6, dtype=torch.float64)
    groups = torch.from_numpy(codes)
    batches = [GroupBatch(x[part], groups[part], groups[part]) for part in (slice(0, 12), slice(12, 21))]
    labels = (Label("sex", ("f", "m"), codes, CLASSES), Label("class", ("a", "b", "c"), CLASSES))
    return Looked(batches, labels, find_layers(network, "all", x[:2]), depths, seed=5)


def removing(network):
    """The second channel of the first convolution is gone."""
    (layer, *_) = find_layers(network, "all", torch.zeros(2, 2, 6, 6)).values()
    gone = {}
    for name in layer.parameters:
        parameter = dict(network.named_parameters())[name]
        gone[name] = torch.zeros_like(parameter, dtype=torch.bool)
        gone[name][1] = True
    frozen = Frozen().fix(gone, {name: torch.zeros(mask.shape, dtype=torch.float64) for name, mask in gone.items()})
    frozen.apply_(network)
    return frozen


@pytest.fixture(scope="module")
def read():
    network = model().eval()
    frozen = removing(network)
    given = looked(network)
    return network, given, read_model(network, frozen, given)


def by_hand(network, given, stop, codes):
    """The mean of the batches' SNNL of what the first `stop` modules put out; codes by batch."""
    found = [
        snnl_by_pairs(network[:stop](batch.x).detach(), one.tolist())
        for batch, one in zip(given.batches, codes, strict=True)
    ]
    return np.mean(found, axis=0)


def test_every_channel_has_the_mean_of_its_batches_before_the_activation(read):
    network, given, found = read
    real = [CODES[:12], CODES[12:]]
    assert [(layer["name"], layer["channels"], layer["removed"]) for layer in found["layers"]] == [
        ("0", 4, [1]),
        ("4", 3, []),
    ]
    for layer, stop in zip(found["layers"], (2, 5), strict=True):
        wanted = by_hand(network, given, stop, real)
        np.testing.assert_allclose(layer["labels"]["sex"]["scores"], wanted, atol=1e-6)
    there = np.delete(by_hand(network, given, 2, real), 1)
    assert found["layers"][0]["labels"]["sex"]["mean"] == pytest.approx(there.mean(), abs=1e-6)


def test_chance_is_what_the_draws_give(read):
    network, given, found = read
    label = given.labels[0]
    parts = [draw(label, part, (5, number, 0)) for number, part in enumerate((slice(0, 12), slice(12, 21)))]
    one = found["layers"][0]["labels"]["sex"]
    drawn = {
        kind: np.delete(
            [by_hand(network, given, 2, [part[kind][n] for part in parts]) for n in range(DRAWS)], 1, axis=1
        )
        for kind in (SHUFFLED, WITHIN)
    }
    left = np.delete(one["scores"], 1)
    np.testing.assert_allclose(one["chance"], np.sort(drawn[SHUFFLED], axis=1).mean(0), atol=1e-6)
    np.testing.assert_allclose(one["chance_means"], drawn[SHUFFLED].mean(1), atol=1e-6)
    np.testing.assert_allclose(one["within_means"], drawn[WITHIN].mean(1), atol=1e-6)
    np.testing.assert_allclose(one["excess"][2], np.median(left - drawn[SHUFFLED].mean(0)), atol=2e-6)
    assert one["below"] == (left < drawn[SHUFFLED].min(0)).sum()
    assert one["below_within"] == (left < drawn[WITHIN].min(0)).sum()
    assert found["layers"][0]["labels"]["class"]["below_within"] is None


def test_the_whole_feature_by_depth_is_one_channel(read):
    network, given, found = read
    assert [place["name"] for place in found["depth"]] == ["3", "6"]
    for place, stop in zip(found["depth"], (4, 7), strict=True):
        whole = [network[:stop](batch.x).detach().flatten(1)[:, None] for batch in given.batches]
        wanted = np.mean(
            [snnl_by_pairs(x, c.tolist())[0] for x, c in zip(whole, (CODES[:12], CODES[12:]), strict=True)]
        )
        one = place["labels"]["sex"]
        assert one["value"] == pytest.approx(wanted, abs=1e-6)
        assert (len(one["chance"]), len(one["within"])) == (DRAWS, DRAWS)
        assert place["labels"]["class"]["within"] == []


def test_a_batch_of_one_group_does_not_count_for_it():
    network, codes = model().eval(), CODES.copy()
    codes[12:] = 1
    found = read_model(network, Frozen(), looked(network, codes))
    assert [label["batches"] for label in found["labels"]] == [1, 2]
    alone = snnl_by_pairs(network[:2](looked(network).batches[0].x).detach(), codes[:12].tolist())
    np.testing.assert_allclose(found["layers"][0]["labels"]["sex"]["scores"], alone, atol=1e-6)


def test_a_label_that_never_tells_is_refused():
    network = model().eval()
    with pytest.raises(DataError, match="no batch holds two groups of 'sex'.*--samples"):
        read_model(network, Frozen(), looked(network, np.zeros(21, dtype=np.int64)))


def test_maps_that_overflow_are_refused():
    network = model().eval()
    with torch.no_grad():
        network[4].bias[0] = torch.inf
    with pytest.raises(ModelError, match="'4' puts out has overflowed"):
        read_model(network, Frozen(), looked(network))


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class First(nn.Module):
    def forward(self, pair):
        return pair[0]


def test_a_depth_that_puts_out_no_tensor_is_refused():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), Pair(), First()).double().eval()
    with pytest.raises(ModelError, match="'depth 1' puts out tuple, but one tensor is needed"):
        read_model(network, Frozen(), looked(network, depths=("1",)))
