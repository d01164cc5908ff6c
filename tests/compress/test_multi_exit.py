"""Curvature and the methods of this room on a network with exits."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from fairshrink.compress.channels import conv_layers, find_layers, removed
from fairshrink.compress.graph import couplings, inner
from fairshrink.compress.methods import fairprune, fairquantize, obd, scp
from fairshrink.compress.recipe import compress
from fairshrink.compress.units import compressible
from fairshrink.maths.curvature import curvature, ggn_diagonal
from fairshrink.maths.exits import confidence
from fairshrink.maths.tasks import multi_exit
from fairshrink.models.multi_exit import MultiExit
from oracles.ggn import ggn_diagonal_of_exits
from toys import toy_batches, toy_splits

WEIGHTS = (0.3, 1.7, 0.9)
TASK = multi_exit(WEIGHTS, threshold=0.6)
X = torch.zeros(2, 2, 4, 4)


def toy(heads: str = "linear") -> MultiExit:
    """Two taps, each behind an activation that works in place."""
    torch.manual_seed(0)
    backbone = nn.Sequential(
        *[nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)],
        *[nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True)],
        *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)],
    )
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
    model = MultiExit(backbone, ["2", "5"], 3, heads=heads, example=X).eval()
    for head in model.heads:
        nn.init.normal_(head.classifier.weight, std=1)
    return model


@pytest.mark.parametrize("heads", ["linear", "conv"])
def test_the_curvature_is_that_of_the_weighted_losses(heads):
    model, batches = toy(heads).double(), [_double(batch) for batch in toy_batches(samples=9)]
    fast, _ = ggn_diagonal(model, batches, num_groups=2, task=TASK)
    slow = ggn_diagonal_of_exits(model, batches, 2, WEIGHTS)
    assert set(fast) == set(slow)
    for name in slow:
        assert_close(fast[name], slow[name], rtol=1e-9, atol=1e-30)


def test_the_gradient_is_that_of_the_weighted_losses():
    model, batches = toy().double(), [_double(batch) for batch in toy_batches(samples=9)]
    found = curvature(model, batches, num_groups=2, task=TASK, gradient=True).gradient
    assert found is not None
    for group in range(2):
        x = torch.cat([batch.x[batch.g == group] for batch in batches])
        y = torch.cat([batch.y[batch.g == group] for batch in batches])
        model.zero_grad()
        TASK.loss(model(x), y).backward()
        for name, parameter in model.named_parameters():
            assert_close(found[name][group], parameter.grad, rtol=1e-9, atol=1e-14)


def test_as_many_columns_as_there_are_give_the_exact_curvature():
    model, batches = toy().double(), [_double(batch) for batch in toy_batches(samples=9)]
    exact, _ = ggn_diagonal(model, batches, num_groups=2, task=TASK)
    all_of_them, _ = ggn_diagonal(model, batches, num_groups=2, task=TASK, columns=len(WEIGHTS) * 2)
    fewer, _ = ggn_diagonal(model, batches, num_groups=2, task=TASK, columns=1.5)
    for name, value in exact.items():
        assert_close(all_of_them[name], value, rtol=1e-9, atol=1e-30)
    assert not torch.allclose(fewer["backbone.0.weight"], exact["backbone.0.weight"])


@pytest.mark.parametrize("heads", ["linear", "conv"])
@pytest.mark.parametrize(
    "recipe",
    [
        obd(0.3),
        fairprune(0.2, step=0.1),
        fairquantize(0.4, step=0.2),
    ],
    ids=["obd", "fairprune", "fairquantize"],
)
def test_weights_are_fixed_in_the_backbone_and_in_the_heads(recipe, heads):
    model = toy(heads)
    before = copy.deepcopy(model.state_dict())
    done = compress(model, toy_splits(), recipe, task=TASK, unprivileged=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert isinstance(done.model, MultiExit)
    assert set(done.frozen.mask) == set(compressible(model))
    assert {name.partition(".")[0] for name in done.frozen.mask} == {"backbone", "heads"}
    assert done.frozen.count() == done.steps[-1].fixed == round(done.steps[-1].ratio * done.steps[-1].total)
    own = dict(done.model.named_parameters())
    for name, mask in done.frozen.mask.items():
        assert torch.equal(own[name][mask], done.frozen.value[name][mask])


def test_the_counts_of_a_step_are_those_of_leaving_early():
    model, splits = toy(), toy_splits()
    x = torch.cat([batch.x[batch.g >= 0] for batch in splits.val])
    y = torch.cat([batch.y[batch.g >= 0] for batch in splits.val])
    small = compress(model, splits, obd(0.3), task=TASK, unprivileged=0).model
    with torch.no_grad():
        some = float(confidence(small(x)[0]).sort().values[-9:-7].mean())  # what is pruned does not depend on it
    done = compress(model, splits, obd(0.3), task=multi_exit(WEIGHTS, some), unprivileged=0)
    logits, exits = done.model.exit_early(x, some)
    assert sum(exits == 0) == 8
    counts = done.steps[-1].counts.counts.sum(0)
    for true in range(3):
        expected = torch.bincount(logits.argmax(1)[y == true], minlength=3)
        assert counts[true].tolist() == expected.tolist()


def test_the_last_convolution_is_the_backbones():
    model = toy("conv")
    assert conv_layers(model) == ["heads.0.conv", "heads.1.conv", "backbone.0", "backbone.3"]
    (layer,) = find_layers(model, "last", X).values()
    assert (layer.name, layer.others, layer.tap) == (
        "backbone.3",
        ("backbone.4.weight", "backbone.4.bias"),
        "backbone.4",
    )


@pytest.mark.parametrize("layer", ["last", "backbone.0"])
def test_scp_removes_whole_channels_of_a_layer_by_name(layer):
    how = {"iterations": 2, "fine_tune": 1, "compared": None, "stop": "none", "take": "last", "lr": 0.05}
    done = compress(toy("conv"), toy_splits(), scp(0.2, layer=layer, **how), task=TASK, unprivileged=0)
    name = "backbone.3" if layer == "last" else layer
    gone = removed(find_layers(done.model, name, X)[name], done.frozen)
    assert int(gone.sum()) == 2
    maps = []
    norm = {"backbone.3": "backbone.4", "backbone.0": "backbone.1"}[name]
    hook = done.model.get_submodule(norm).register_forward_hook(lambda _, __, out: maps.append(out.detach().clone()))
    done.model(torch.randn(3, 2, 4, 4))
    hook.remove()
    assert not maps[0][:, gone].any()
    assert maps[0][:, ~gone].any()


def test_heads_are_among_the_readers_of_a_tapped_layer():
    found = couplings(toy(), X, ["backbone.0", "backbone.3"])
    assert {reader.module for reader in found["backbone.0"].readers} == {"heads.0.classifier", "backbone.3"}
    assert {reader.module for reader in found["backbone.3"].readers} == {"heads.1.classifier", "backbone.8"}
    assert set(inner(toy("conv"), X)) == {"backbone.0", "backbone.3", "heads.0.conv", "heads.1.conv"}


def _double(batch):
    return type(batch)(batch.x.double(), batch.y, batch.g)
