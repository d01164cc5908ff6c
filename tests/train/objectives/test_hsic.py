import pytest
import torch
from torch import nn
from torch.nn import functional

from cases import TwoExits
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.dependence import hsic
from fairshrink.maths.tasks import multi_exit
from fairshrink.train.loop import fit
from fairshrink.train.objectives import Hsic, Objective, State, erm, with_features
from fairshrink.train.settings import TrainSettings
from fairshrink.types import GroupBatch
from oracles.objectives import hsic_by_classes

GROUPS = {
    "two": [0, 1, 1, 0] * 3,
    "three, some unknown": [0, 1, 2, -1, 0, 2, 1, 1, 0, 0, 2, -1],
    "one class alone": [0, 1, 1, 0, 0, -1, -1, 1, 1, -1, -1, 1],
    "one group": [1] * 12,
    "none known": [-1] * 12,
}
Y = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]


def batch(groups: list[int]) -> GroupBatch:
    x = torch.randn(12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return GroupBatch(2 * x, torch.tensor(Y), torch.tensor(groups))


def two_exits() -> nn.Module:
    torch.manual_seed(1)
    return TwoExits().double()


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_the_loss_is_the_task_s_and_the_dependence_of_each_exit(groups):
    model, given, weights = two_exits(), batch(groups), (0.3, 1.7)
    task = multi_exit(weights)
    loss = Hsic(task, weights, strength=0.7).step(model, given, State())
    features = with_features(model, given.x).features
    terms = [hsic_by_classes(found.tolist(), Y, groups, 3) for found in features]
    assert any(terms) == (max(groups) > min(groups) and max(groups) > -1)
    slow = task.loss(model(given.x), given.y).item() + 0.7 * (0.3 * terms[0] + 1.7 * terms[1])
    assert loss.item() == pytest.approx(slow, rel=1e-10)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_of_a_model_of_one_exit():
    model, given = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double(), batch(GROUPS["two"])
    loss = Hsic(strength=2.0).step(model, given, State())
    features = model[:2](given.x)
    slow = functional.cross_entropy(model(given.x), given.y) + 2 * hsic_by_classes(
        features.tolist(), Y, GROUPS["two"], 2
    )
    torch.testing.assert_close(loss, slow)
    assert torch.equal(Hsic(strength=0.0).step(model, given, State()), erm.step(model, given, State()))


def test_training_makes_the_features_say_less_of_the_group():
    draw = torch.Generator().manual_seed(3)
    y, g = torch.arange(64) % 2, torch.arange(64) // 2 % 2
    x = torch.randn(64, 4, generator=draw)
    x[:, 0], x[:, 1] = x[:, 0] / 4 + 4 * y, x[:, 1] / 4 + 4 * g
    ends = []
    for strength in (0.0, 20.0):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
        settings = TrainSettings(epochs=30, lr=0.02, schedule="constant", precision="fp32")
        fit(model, [GroupBatch(x, y, g)], settings, num_groups=2, objective=Hsic(strength=strength))
        right = (model(x).argmax(1) == y).float().mean()
        ends.append(hsic(model[0](x)[y == 0].detach(), g[y == 0], 2))
        assert right > 0.95
    assert ends[1] < ends[0] / 4


def test_it_compares_the_samples_of_a_batch():
    assert Hsic().begin(nn.Linear(2, 2), 2) == State(whole_batches=True)
    assert isinstance(Hsic(), Objective)


def test_weights_and_strength_are_checked():
    with pytest.raises(ConfigError, match=r"weights are \[0.0, 0.0\], expected a number of 0 or more for each exit"):
        Hsic(exit_weights=(0.0, 0.0))
    for strength in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"strength is .*, expected a number of 0 or more"):
            Hsic(strength=strength)
    with pytest.raises(ModelError, match="the model has 2 exits, but there are 1 exit_weights"):
        Hsic().step(two_exits(), batch(GROUPS["two"]), State())
