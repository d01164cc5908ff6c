"""Places where a network with exits needs care: what is written over, drawn by chance, the same place twice, not finite."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import ModelError
from fairshrink.models.backbones import build
from fairshrink.models.multi_exit import MultiExit


def chain(*, inplace, drop=None):
    """A convolution, a batch norm, what may write over its result, and a classifier."""
    torch.manual_seed(0)
    dropout = [] if drop is None else [nn.Dropout(drop, inplace=inplace)]
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=inplace)),
        *(nn.Conv2d(4, 4, 3), *dropout, nn.ReLU(inplace=inplace)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    )


def gradients(model, x):
    """Of a sum in which every exit counts, by the parameter's name; and the exits' logits."""
    torch.manual_seed(1)
    outputs = model(x)
    torch.stack([(k + 1) * logits.square().sum() for k, logits in enumerate(outputs)]).sum().backward()
    return outputs, {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("heads", ["linear", "conv"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("taps", [["1"], ["3"], ["1", "2", "3"]])
@pytest.mark.parametrize("drop", [None, 0.5])
def test_what_is_written_over_behind_a_tap_is_kept_for_its_head(heads, training, taps, drop):
    """The gradients are those of the network which writes nothing over."""
    x = torch.randn(4, 3, 8, 8)
    model, plain = (
        MultiExit(chain(inplace=inplace, drop=drop), taps, 2, heads=heads).train(training) for inplace in (True, False)
    )
    (outputs, found), (expected, slow) = gradients(model, x), gradients(plain, x)
    assert [torch.equal(a, b) for a, b in zip(outputs, expected, strict=True)] == [True] * (len(taps) + 1)
    assert slow.keys() == found.keys() == dict(model.named_parameters()).keys()
    assert [name for name, gradient in slow.items() if not torch.equal(gradient, found[name])] == []


def test_functional_dropout_in_place_behind_a_tap_is_noticed():
    class Net(nn.Module):
        def __init__(self):
            nn.Module.__init__(self)
            self.conv, self.rest = nn.Conv2d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

        def forward(self, x):
            return self.rest(functional.dropout(self.conv(x), 0.5, self.training, inplace=True))

    model = MultiExit(Net(), ["conv"], 4, heads="conv").train()
    _, found = gradients(model, torch.randn(4, 3, 8, 8))
    assert found.keys() == dict(model.named_parameters()).keys()


def test_a_stage_by_itself_leaves_its_input_as_it_was():
    first, second = MultiExit(chain(inplace=True), ["1"], 2).eval().stages()
    with torch.no_grad():
        passed, _ = first(torch.randn(2, 3, 8, 8))
        before = passed.clone()
        second(passed)
    assert torch.equal(passed, before)
    assert (before < 0).any()


def test_nothing_is_copied_where_nothing_is_written_over():
    model = MultiExit(chain(inplace=True), ["0", "1", "2", "3"], 2)
    assert [part.copies for part in model.ways[True]] == [False, False, True, False, True]
    assert [part.copies for part in model.ways[False]] == [False, False, True, False, True]
    resnet = MultiExit(build("resnet18", num_classes=2, size=32), ["layer1", "layer2"], 2)
    assert not any(part.copies for part in resnet.ways[True])


def test_it_can_be_made_where_nobody_counts_writing():
    with torch.inference_mode():
        model = MultiExit(chain(inplace=True), ["1"], 2).eval()
        assert [logits.shape for logits in model(torch.zeros(2, 3, 8, 8))] == [(2, 2)] * 2


@pytest.mark.parametrize(
    ("make", "taps"),
    [
        (lambda: build("resnet18", num_classes=2, size=32), ["relu", "maxpool"]),
        (lambda: chain(inplace=False, drop=0.5), ["3", "4"]),
        (lambda: chain(inplace=True, drop=0.5), ["3", "4"]),
    ],
)
def test_two_taps_that_give_one_map_in_evaluation_are_refused(make, taps):
    with pytest.raises(ModelError, match=f"taps '{taps[0]}' and '{taps[1]}' give the same output.*Leave one out"):
        MultiExit(make(), taps, 2)


class Dropping(nn.Module):
    """Its dropout is no layer."""

    def __init__(self):
        nn.Module.__init__(self)
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(functional.dropout(self.conv(x).mean((2, 3)) + torch.tensor(1.0), 0.5, self.training))


def test_leaving_early_is_refused_where_the_code_draws_by_chance():
    model, x = MultiExit(Dropping(), ["conv"], 2), torch.zeros(2, 3, 8, 8)
    for same in (model, copy.deepcopy(model)):
        with pytest.raises(ModelError, match=r"(?s)\(Dropping\) runs other steps in train mode.*model\.eval"):
            same.train().exit_early(x, 0.5)
        assert same.eval().exit_early(x, 1.0)[1].tolist() == [1, 1]


def test_leaving_early_is_refused_where_a_slope_is_drawn_by_chance():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.RReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    model, x = MultiExit(net, ["1"], 2), torch.zeros(2, 3, 8, 8)
    with pytest.raises(ModelError, match=r"layer 'backbone.1' \(RReLU\) .* by chance"):
        model.train().exit_early(x, 0.5)
    assert model.eval().exit_early(x, 1.0)[1].tolist() == [1, 1]


def test_an_exit_that_is_not_finite_is_named():
    """The one at the tap would let its samples go on, and nobody would see it."""
    model, x = MultiExit(chain(inplace=True), ["1", "3"], 2).eval(), torch.randn(3, 3, 8, 8)
    with torch.no_grad():
        model.get_parameter("heads.1.classifier.bias")[0] = float("nan")
    with pytest.raises(
        ModelError, match=r"exit 1, at '3', are not finite for 3 of the 3 samples.*\n.*check the inputs"
    ):
        model.exit_early(x, 1.0)
    model = MultiExit(chain(inplace=True), ["1"], 2).eval()
    with torch.no_grad():
        model.get_parameter("backbone.7.bias")[0] = float("inf")
    with pytest.raises(ModelError, match="exit 1, the final one, are not finite for 3 of the 3 samples"):
        model.exit_early(x, 1.0)
    x[1, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="exit 0, at '1', are not finite for 1 of the 3 samples"):
        model.exit_early(x, 0.1)
