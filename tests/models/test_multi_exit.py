"""A network with exits: its outputs, its names, and that leaving early changes nothing but the cost."""

import copy
import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fairshrink.errors import ConfigError, ModelError
from fairshrink.models.backbones import build
from fairshrink.models.multi_exit import MultiExit, build_multi_exit, default_taps

CLASSES = 3
MARGIN = 1e-6  # how far thresholds stay away from confidences: batches of other sizes round otherwise


def slowly(outputs, threshold):
    """The rule, sample by sample, in float64: the earliest exit that is sure enough, else the final one."""
    logits, exits = [], []
    for sample in zip(*outputs, strict=True):
        sure = [k for k, one in enumerate(sample[:-1]) if float(one.double().softmax(0).max()) >= threshold]
        exits.append(min([*sure, len(sample) - 1]))
        logits.append(sample[exits[-1]])
    return logits, exits


def images(samples, seed):
    """Noise of various colours: what is averaged over an image tells the images apart."""
    draw = torch.Generator().manual_seed(seed)
    colours = 3 * torch.randn(samples, 3, 1, 1, generator=draw)
    return colours + torch.randn(samples, 3, 32, 32, generator=draw)


def confidences(outputs):
    return torch.cat([one.double().softmax(1).amax(1) for one in outputs[:-1]])


def toy(seed=0, heads="linear"):
    """A network with a shortcut inside, batch norms with statistics, and exits that are sure of different samples."""
    torch.manual_seed(seed)
    model = build_multi_exit("small_cnn", heads=heads, num_classes=CLASSES, size=32, seed=seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    for std, head in zip((0.5, 0.5, 4), model.heads, strict=True):
        nn.init.normal_(head.classifier.weight, std=std)
    return model.eval()


TOYS = {heads: toy(heads=heads) for heads in ("linear", "conv")}


@settings(max_examples=40, deadline=None)
@given(
    heads=st.sampled_from(["linear", "conv"]),
    samples=st.integers(0, 9),
    seed=st.integers(0, 10**6),
    threshold=st.floats(0, 1, exclude_min=True) | st.sampled_from([0.34, 0.5, 0.9, 0.99, 0.999, 1.0]),
    scale=st.sampled_from([0.2, 1.0, 5.0]),
)
def test_leaving_early_gives_what_the_whole_network_gives(heads, samples, seed, threshold, scale):
    model = TOYS[heads]
    x = scale * images(samples, seed)
    with torch.no_grad():
        outputs = model(x)
    if samples and float((confidences(outputs) - threshold).abs().min()) < MARGIN:
        return
    logits, exits = model.exit_early(x, threshold)
    expected, places = slowly(outputs, threshold)
    assert exits.tolist() == places
    assert exits.dtype == torch.int64
    assert logits.shape == (samples, CLASSES)
    if samples:
        torch.testing.assert_close(logits, torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_every_exit_is_left_at_by_some_in_one_batch():
    """So that the property above is not one of batches that leave together; and each runs what is still there."""
    model, seen = toy(), []
    for name in ("features.6", "features.10", "pool", "classifier"):
        model.backbone.get_submodule(name).register_forward_hook(lambda _, __, out: seen.append(len(out)))
    x = images(40, seed=1)
    with torch.no_grad():
        outputs = model(x)
    known = confidences(outputs).sort().values
    threshold = next(t for t in ((known[1:] + known[:-1]) / 2).tolist() if set(slowly(outputs, t)[1]) == {0, 1, 2, 3})
    seen.clear()
    logits, exits = model.exit_early(x, threshold)
    assert exits.tolist() == slowly(outputs, threshold)[1]
    assert seen == [int((exits >= k).sum()) for k in range(4)]
    for row, (one, at) in enumerate(zip(logits, exits.tolist(), strict=True)):
        torch.testing.assert_close(one, outputs[at][row], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 4])
def test_all_may_leave_at_the_first_exit_or_none_before_the_last(samples):
    x = torch.randn(samples, 3, 32, 32)
    assert TOYS["linear"].exit_early(x, 0.3)[1].tolist() == [0] * samples
    assert TOYS["linear"].exit_early(0 * x, 1.0)[1].tolist() == [3] * samples


def test_nothing_runs_behind_the_exit_that_all_have_left_at():
    model, ran = toy(), []
    for name in ("features.6", "features.7", "classifier"):
        model.backbone.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: ran.append((name, len(out)))
        )
    model.exit_early(torch.randn(4, 3, 32, 32), 0.3)
    assert ran == [("features.6", 4)]


def test_the_final_exit_is_the_backbones_own():
    model, x = toy(), torch.randn(3, 3, 32, 32)
    outputs = model(x)
    assert isinstance(outputs, tuple)
    assert [logits.shape for logits in outputs] == [(3, CLASSES)] * 4
    assert torch.equal(outputs[-1], model.backbone(x))


@pytest.mark.parametrize("heads", ["linear", "conv"])
def test_a_head_reads_what_its_tap_puts_out(heads):
    model, x = toy(heads=heads), torch.randn(3, 3, 32, 32)
    maps = {}
    for tap in model.taps:
        model.backbone.get_submodule(tap).register_forward_hook(
            lambda _, __, out, tap=tap: maps.update({tap: out.clone()})
        )
    model.backbone(x)
    for tap, head, logits in zip(model.taps, model.heads, model(x), strict=False):
        assert torch.equal(head(maps[tap]), logits)


def test_the_kinds_of_heads():
    linear, conv = (toy(heads=heads).heads for heads in ("linear", "conv"))
    assert [type(layer) for layer in linear[0]] == [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]
    assert [type(layer) for layer in conv[0]][:3] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    wide = build_multi_exit("resnet18", ["layer3"], "conv", num_classes=2, size=32).heads[0]
    assert wide.conv.weight.shape == (128, 256, 3, 3)


def test_names_and_copies():
    model = toy()
    state = model.state_dict()
    own = {f"backbone.{name}" for name in model.backbone.state_dict()}
    assert set(state) - own == {f"heads.{k}.classifier.{part}" for k in range(3) for part in ("weight", "bias")}
    assert len({tensor.data_ptr() for name, tensor in state.items() if "num_batches" not in name}) == len(
        [name for name in state if "num_batches" not in name]
    )
    x, twin = torch.randn(2, 3, 32, 32), copy.deepcopy(model)
    before = model(x)
    for parameter in twin.parameters():
        nn.init.zeros_(parameter)
    assert all(torch.equal(a, b) for a, b in zip(before, model(x), strict=True))
    assert all(not logits.any() for logits in twin(x))
    twin.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(before, twin(x), strict=True))


def test_it_survives_pickling_another_precision_and_a_functional_call():
    model, x = toy(), torch.randn(2, 3, 32, 32)
    stored = io.BytesIO()
    torch.save(model, stored)
    stored.seek(0)
    again = torch.load(stored, weights_only=False)
    assert all(torch.equal(a, b) for a, b in zip(model(x), again(x), strict=True))
    double = copy.deepcopy(model).double()
    assert [logits.dtype for logits in double(x.double())] == [torch.float64] * 4
    zeros = {name: torch.zeros_like(tensor) for name, tensor in model.named_parameters()}
    assert not any(logits.any() for logits in torch.func.functional_call(model, zeros, (x,)))


def test_training_reaches_every_parameter():
    model = build_multi_exit("small_cnn", heads="conv", num_classes=2, size=32).train()
    before = model.backbone.get_submodule("features.1").running_mean.clone()
    torch.stack([logits.square().sum() for logits in model(torch.randn(4, 3, 32, 32))]).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not torch.equal(before, model.backbone.get_submodule("features.1").running_mean)


@pytest.mark.parametrize("name", ["resnet18", "vgg11"])
def test_the_papers_networks(name):
    """Every stage by itself, the costs counted by hand, and the places of the paper."""
    model = build_multi_exit(name, num_classes=CLASSES, size=32).eval()
    assert model.taps == default_taps(build(name, num_classes=2, size=32))
    x = passed = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        outputs = model(x)
        assert torch.equal(outputs[-1], model.backbone(x))
        for stage, logits in zip(model.stages(), outputs, strict=True):
            passed, found = stage(passed)
            assert torch.equal(found, logits)
    assert passed is None
    costs = model.costs(x)
    assert costs[:-1] == tuple(sorted(costs[:-1]))
    first = {  # convolutions of the first stage and its head: outputs * inputs of each
        "resnet18": 64 * 32 * 32 * 9 * (3 + 4 * 64) + 64 * CLASSES,
        "vgg11": 64 * 32 * 32 * 9 * 3 + 128 * 16 * 16 * 9 * 64 + 128 * CLASSES,
    }
    assert costs[0] == first[name]
    rest = {"resnet18": 512 * CLASSES, "vgg11": 512 * 4096 + 4096 * 4096 + 4096 * CLASSES}
    assert costs[-1] - costs[-2] == rest[name]


def test_stages_hold_what_they_use_and_share_it():
    model = toy()
    stages = model.stages()
    held = [parameter for stage in stages for parameter in stage.parameters()]
    assert {id(parameter) for parameter in held} == {id(parameter) for parameter in model.parameters()}
    assert len(held) == len(list(model.parameters()))
    assert "backbone.features.0.weight" in stages[0].state_dict()
    assert list(stages[-1].state_dict()) == ["backbone.classifier.weight", "backbone.classifier.bias"]


def test_seeds_and_the_callers_random_numbers():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    one, same, other = (build_multi_exit("small_cnn", num_classes=2, size=32, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(one.heads[0].classifier.weight, same.heads[0].classifier.weight)
    assert not torch.equal(one.heads[0].classifier.weight, other.heads[0].classifier.weight)
    fewer = build_multi_exit("small_cnn", ["features.10"], num_classes=2, size=32, seed=1)
    assert torch.equal(one.heads[1].classifier.weight, fewer.heads[0].classifier.weight)


def test_the_trial_changes_nothing():
    backbone = build("small_cnn", num_classes=2, size=32).train()
    before = copy.deepcopy(backbone.state_dict())
    MultiExit(backbone, ["features.6"], 2)
    assert all(module.training for module in backbone.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan"), float("inf")])
def test_thresholds_outside_are_refused(threshold):
    with pytest.raises(ConfigError, match="threshold is .* above 0, at most 1"):
        TOYS["linear"].exit_early(torch.zeros(1, 3, 32, 32), threshold)


def test_leaving_early_is_refused_where_samples_are_not_apart():
    model = toy().train()
    with pytest.raises(ModelError, match="(?s)BatchNorm2d.*by its batch or by chance.*model.eval"):
        model.exit_early(torch.zeros(2, 3, 32, 32), 0.5)
    without = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    with pytest.raises(ModelError, match="(?s)layer 'backbone.1' .*running statistics"):
        MultiExit(without, ["1"], 2).eval().exit_early(torch.zeros(2, 3, 8, 8), 0.5)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert MultiExit(plain, ["1"], 2).train().exit_early(torch.zeros(2, 3, 8, 8), 1.0)[1].tolist() == [1, 1]
