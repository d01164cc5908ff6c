import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import ConfigError
from fairshrink.maths.tasks import classify
from fairshrink.train.objectives import Objective, State, erm
from fairshrink.train.objectives.group_gap import GroupGap
from fairshrink.types import GroupBatch
from oracles.objectives import group_gap_by_samples

GROUPS = {
    "two": [0, 1, 0, 1, 1, 0, 1, 1],
    "three": [2, 1, 0, 1, 2, 0, 1, 1],
    "some unknown": [-1, 1, 0, -1, 2, 0, 1, 1],
    "u alone": [1, -1, 1, 1, 1, 1, 1, 1],
    "no u": [0, 2, 0, -1, 0, 0, 2, 0],
    "none known": [-1] * 8,
}


def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(4, 3).double()


def batch(groups: list[int]) -> GroupBatch:
    x = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return GroupBatch(3 * x, torch.arange(8) % 3, torch.tensor(groups))


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_loss_is_that_of_the_samples_one_by_one(groups, balanced, alpha):
    given, network = batch(groups), model()
    loss = GroupGap(alpha=alpha, balanced=balanced, unprivileged=1).step(network, given, State())
    slow = group_gap_by_samples(network(given.x), given.y, given.g, alpha=alpha, balanced=balanced, unprivileged=1)
    assert loss.item() == pytest.approx(slow, rel=1e-12)
    loss.backward()
    assert network.weight.grad.isfinite().all()


def test_without_alpha_and_balance_it_is_plain_training():
    given, network = batch(GROUPS["some unknown"]), model()
    assert GroupGap().step(network, given, State()).equal(erm.step(network, given, State()))
    assert GroupGap().begin(network, 2) == State()
    for compares in (GroupGap(alpha=0.1), GroupGap(balanced=True)):
        assert compares.begin(network, 2) == State(whole_batches=True)
    assert isinstance(GroupGap(), Objective)


def test_the_gap_alone_brings_the_groups_losses_together():
    given, network = batch(GROUPS["two"]), model()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    gaps = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = GroupGap(alpha=1.0).step(network, given, State())
        loss.backward()
        optimizer.step()
        gaps.append(loss.item())
    assert min(gaps) < 0.2 * gaps[0]


def test_outputs_of_several_exits():
    task = classify._replace(
        loss=lambda outputs, y: 0.3 * functional.cross_entropy(outputs[0], y) + functional.cross_entropy(outputs[1], y)
    )
    given, network = batch(GROUPS["some unknown"]), model()

    class Exits(nn.Module):
        def forward(self, x):
            return network(x), network(-x)

    loss = GroupGap(task, alpha=0.4, balanced=True, unprivileged=1).step(Exits(), given, State())
    # The task's loss over any samples is a weighted sum of the exits' means.
    logits = network(given.x), network(-given.x)
    per_sample = 0.3 * functional.cross_entropy(logits[0], given.y, reduction="none")
    per_sample = per_sample + functional.cross_entropy(logits[1], given.y, reduction="none")
    means = torch.stack([per_sample[given.g == group].mean() for group in (0, 1, 2)])
    gap = (means[1] - per_sample[(given.g == 0) | (given.g == 2)].mean()).abs()
    torch.testing.assert_close(loss, 0.6 * means.mean() + 0.4 * gap)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_0_to_1_is_refused(alpha):
    with pytest.raises(ConfigError, match=r"alpha is .*, expected a number from 0 \(the mean loss alone\) to 1"):
        GroupGap(alpha=alpha)


def test_an_unprivileged_group_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="unprivileged is -1, expected the number of a group, counted from 0"):
        GroupGap(unprivileged=-1)
    with pytest.raises(ConfigError, match="unprivileged is 2, but there are 2 groups: give one from 0 to 1"):
        GroupGap(unprivileged=2).begin(model(), 2)
