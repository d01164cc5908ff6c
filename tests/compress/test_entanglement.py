import pytest
import torch
from torch import nn

from fairshrink.compress.channels import ConvLayer, find_layers
from fairshrink.compress.criteria import Context
from fairshrink.compress.entanglement import Entanglement, read_channels, tells
from fairshrink.compress.frozen import Frozen
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.codebooks import zero
from fairshrink.maths.tasks import classify
from fairshrink.types import GroupBatch
from oracles.snnl import snnl_by_pairs
from toys import toy_batches, toy_model

X = torch.zeros(2, 2, 4, 4)
CONTEXT = Context(2, 0, Frozen(), zero, 0)


class Block(nn.Module):
    """A residual block with one activation for both sums, as torchvision writes it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.conv1, self.bn1 = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2)
        self.conv2, self.bn2 = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2)
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(2, 3)

    def branch(self, x):
        return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))

    def forward(self, x):
        return self.fc(self.relu(self.branch(x) + x).mean((2, 3)))


def mean_over_batches(maps_of, batches, **how) -> list[float]:
    per_batch = [snnl_by_pairs(maps_of(b.x.double()).detach(), b.g.tolist(), **how) for b in batches]
    return [sum(values) / len(values) for values in zip(*per_batch, strict=True)]


@pytest.mark.parametrize("how", [{}, {"temperature": 0.5}, {"temperature": 30.0, "normalize": False}])
def test_scores_are_the_mean_over_the_batches(how):
    model, batches = toy_model().double(), toy_batches()
    found = Entanglement(**how)(model, classify, batches, CONTEXT)
    assert list(found) == ["0.weight"]
    assert found["0.weight"].dtype == torch.float64
    # The last batch has one group, and tells nothing; the first has two of unknown group.
    assert [tells(batch.g[batch.g >= 0]) for batch in batches] == [True, True, True, False]
    assert found["0.weight"].tolist() == pytest.approx(mean_over_batches(model[:2], batches[:3], **how), abs=1e-10)


def test_behind_the_activation_and_before_it():
    model, batches = toy_model().double(), toy_batches()
    after = Entanglement(tap="after")(model, classify, batches, CONTEXT)["0.weight"]
    assert after.tolist() == pytest.approx(mean_over_batches(model[:3], batches[:3]), abs=1e-10)
    before = Entanglement()(model, classify, batches, CONTEXT)["0.weight"]
    assert (after != before).all()


def test_behind_a_shortcut_it_is_the_sum():
    model, batches = Block().eval().double(), toy_batches()
    after = Entanglement("conv2", tap="after")(model, classify, batches, CONTEXT)["conv2.weight"]
    expected = mean_over_batches(lambda x: (model.branch(x.double()) + x.double()).relu(), batches[:3])
    assert after.tolist() == pytest.approx(expected, abs=1e-10)
    before = Entanglement("conv2")(model, classify, batches, CONTEXT)["conv2.weight"]
    expected = mean_over_batches(lambda x: model.branch(x.double()), batches[:3])
    assert before.tolist() == pytest.approx(expected, abs=1e-10)


def test_all_layers_in_one_pass_are_as_each_by_itself():
    model, batches, how = Block().eval(), toy_batches(), Entanglement()
    layers, passes = find_layers(model, "all", X), []
    with model.register_forward_hook(lambda *_: passes.append(1)):
        found = read_channels(model, batches, layers, how)
    assert len(passes) == 3
    for name, layer in layers.items():
        alone = read_channels(model, batches, {name: layer}, how)
        assert torch.equal(found.scores[name], alone.scores[name])
    assert not model.training


def test_what_was_counted_is_told():
    found = read_channels(toy_model(), toy_batches(), find_layers(toy_model(), "last", X), Entanglement())
    # Groups by batch: 0 1 1 1 0 (two unknown), 0 1 1 1 0 0 0, 1 1 1 1 0 0 0 ..., and one group alone.
    assert (found.batches, found.skipped, found.unknown) == (3, 1, 2)
    batches = toy_batches()
    expected = sum(len(b.g[b.g >= 0]) for b in batches[:3])
    singles = sum(int((b.g[b.g >= 0].bincount() == 1).sum()) for b in batches[:3])
    assert (found.counted, found.alone) == (expected - singles, singles)


@pytest.mark.parametrize("sizes", [(24,), (7, 7, 7, 3), (1,) * 24, (20, 4)])
def test_how_many_are_compared_does_not_depend_on_the_batches(sizes):
    torch.manual_seed(0)
    x, g, model = torch.randn(24, 2, 4, 4), torch.arange(24) % 2, toy_model()
    batches = [GroupBatch(*parts) for parts in zip(x.split(sizes), g.split(sizes), g.split(sizes), strict=True)]
    found = read_channels(model, batches, find_layers(model, "last", X), Entanglement(compared=10))
    assert (found.batches, found.counted) == (2, 24)
    parts = [
        GroupBatch(x[:10], g[:10], g[:10]),
        GroupBatch(x[10:], g[10:], g[10:]),
    ]  # 14 are nearer to one batch than to two
    expected = mean_over_batches(model.double()[:2], parts)
    assert found.scores["0"].tolist() == pytest.approx(expected, rel=1e-5)


def test_the_last_images_make_no_tiny_batch():
    model, layers = toy_model(), find_layers(toy_model(), "last", X)
    for count, batches in ((5, 1), (14, 1), (16, 2), (20, 2), (26, 3)):
        data = [GroupBatch(torch.randn(count, 2, 4, 4), torch.arange(count) % 2, torch.arange(count) % 2)]
        found = read_channels(model, data, layers, Entanglement(compared=10))
        assert (found.batches, found.counted) == (batches, count)


def test_batches_of_one_group_tell_nothing():
    batches = [
        GroupBatch(torch.randn(4, 2, 4, 4), torch.zeros(4).long(), torch.tensor(g)) for g in ([0] * 4, [0, 1, 2, 3])
    ]
    with pytest.raises(
        DataError, match="none of 2 batches holds two groups and somebody with a partner of the same group"
    ):
        Entanglement()(toy_model(), classify, batches, CONTEXT)


def test_a_layer_that_runs_twice_is_averaged():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.fc = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(2, 2)

        def forward(self, x):
            return self.fc(self.conv(self.conv(x).relu()).mean((2, 3)))

    model = Twice().double()
    found = Entanglement()(model, classify, toy_batches(), CONTEXT)["conv.weight"]
    once = mean_over_batches(lambda x: model.conv(x.double()), toy_batches()[:3])
    twice = mean_over_batches(lambda x: model.conv(model.conv(x.double()).relu()), toy_batches()[:3])
    assert found.tolist() == pytest.approx([(a + b) / 2 for a, b in zip(once, twice, strict=True)], abs=1e-10)
    with pytest.raises(
        ConfigError, match=r"layer 'conv' cannot be read: no activation module follows it.*tap = \"before\""
    ):
        Entanglement(tap="after")(model, classify, toy_batches(), CONTEXT)


def test_a_layer_that_does_not_run_is_refused():
    model = toy_model()
    model.spare = nn.Conv2d(2, 2, 1)
    spare = {"spare": ConvLayer("spare", "spare.weight", (), 2, "spare")}
    model.forward = lambda x: model[:5](x)
    with pytest.raises(ConfigError, match="the channels of layer 'spare' cannot be read: it does not run"):
        read_channels(model, toy_batches(), spare, Entanglement())


def test_maps_that_overflow_are_refused():
    model = toy_model()
    nn.init.constant_(model[0].weight, 1e38)
    with pytest.raises((ModelError, DataError), match="finite"):
        Entanglement()(model, classify, toy_batches(), CONTEXT)
