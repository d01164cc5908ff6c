import pytest
import torch
from torch import nn

from cases import TwoExits
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.tasks import classify, multi_exit
from fairshrink.train.loop import fit
from fairshrink.train.objectives import Mfd, Objective, with_features
from fairshrink.train.settings import TrainSettings
from fairshrink.types import GroupBatch
from oracles.objectives import mmd2_by_classes_and_groups

GROUPS = {
    "two": [0, 1, 1, 0] * 3,
    "three, some unknown": [0, 1, 2, -1, 0, 2, 1, 1, 0, 0, 2, -1],
    "none known": [-1] * 12,
}
Y = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]


def batch(groups: list[int], dtype: torch.dtype = torch.float64) -> GroupBatch:
    x = torch.randn(12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return GroupBatch((2 * x).to(dtype), torch.tensor(Y), torch.tensor(groups))


def two_exits(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return TwoExits().double()


def plain(seed: int, width: int = 5) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, width), nn.Dropout(0.5), nn.Linear(width, 3)).double().eval()


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_the_loss_is_the_task_s_and_the_distances_of_each_exit(groups):
    model, teacher, given, weights = two_exits(1), two_exits(9), batch(groups), (0.3, 1.7)
    task = multi_exit(weights)
    objective = Mfd(teacher, task, weights, strength=0.7)
    loss = objective.step(model, given, objective.begin(model, 3))
    own, theirs = (with_features(network, given.x).features for network in (model, teacher))
    terms = [mmd2_by_classes_and_groups(a.tolist(), b.tolist(), Y, groups) for a, b in zip(theirs, own, strict=True)]
    assert any(terms) == (max(groups) > -1)
    slow = task.loss(model(given.x), given.y).item() + 0.35 * (0.3 * terms[0] + 1.7 * terms[1])
    assert loss.item() == pytest.approx(slow, rel=1e-10)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert all(p.grad is None for p in teacher.parameters())


def test_of_a_model_of_one_exit():
    model, teacher, given = plain(1), plain(9), batch(GROUPS["two"])
    objective = Mfd(teacher, strength=3.0)
    loss = objective.step(model, given, objective.begin(model, 2))
    term = mmd2_by_classes_and_groups(teacher[0](given.x).tolist(), model[0](given.x).tolist(), Y, GROUPS["two"])
    torch.testing.assert_close(loss, classify.loss(model(given.x), given.y) + 1.5 * term)


def test_the_teacher_is_a_copy_that_stays_as_it_is():
    model, teacher = plain(1).float(), plain(9).float().train()
    before = [p.clone() for p in teacher.parameters()]
    objective = Mfd(teacher, strength=5.0)
    state = objective.begin(model, 2)
    kept = state.modules["teacher"]
    assert state.whole_batches
    assert kept is not teacher
    assert not kept.training
    assert not any(p.requires_grad for p in kept.parameters())
    assert teacher.training
    assert all(p.requires_grad for p in teacher.parameters())
    settings = TrainSettings(epochs=2, schedule="constant", precision="fp32")
    fit(model, [batch(GROUPS["two"], torch.float32)], settings, num_groups=2, objective=objective)
    assert all(torch.equal(*pair) for pair in zip(before, teacher.parameters(), strict=True))
    assert isinstance(objective, Objective)


def test_training_brings_the_groups_features_to_the_teacher_s():
    given = batch(GROUPS["two"], torch.float32)
    ends = []
    for strength in (0.0, 5.0):
        model, teacher = plain(1).float(), plain(9).float()
        settings = TrainSettings(epochs=15, lr=0.05, schedule="constant", precision="fp32")
        fit(model, [given], settings, num_groups=2, objective=Mfd(teacher, strength=strength))
        found = (network[0](given.x).tolist() for network in (teacher, model))
        ends.append(mmd2_by_classes_and_groups(*found, Y, GROUPS["two"]))
    assert ends[1] < ends[0] / 2


def test_an_interrupted_training_has_its_teacher_again(tmp_path):
    given, settings = [batch(GROUPS["two"], torch.float32)], TrainSettings(epochs=3, precision="fp32")
    straight, stopped = plain(1).float(), plain(1).float()
    fit(straight, given, settings, num_groups=2, objective=Mfd(plain(9).float(), strength=5.0))

    def stop(epoch: int, *_: float) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    how = {"num_groups": 2, "objective": Mfd(plain(9).float(), strength=5.0), "state_file": tmp_path / "state"}
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, given, settings, observer=stop, **how)
    fit(stopped, given, settings, **how)
    assert all(torch.equal(*pair) for pair in zip(straight.parameters(), stopped.parameters(), strict=True))


def test_a_teacher_of_another_form_is_refused():
    given = batch(GROUPS["two"])
    one = Mfd(plain(9), multi_exit([1.0, 1.0]), (1.0, 1.0))
    with pytest.raises(ModelError, match="the teacher has 1 exits, but the model has 2"):
        one.step(two_exits(1), given, one.begin(two_exits(1), 2))
    wide = Mfd(plain(9, width=6))
    with pytest.raises(DataError, match="features of 6 numbers are compared with features of 5"):
        wide.step(plain(1), given, wide.begin(plain(1), 2))


def test_weights_and_strength_are_checked():
    with pytest.raises(ConfigError, match=r"weights are \[\], expected a number of 0 or more for each exit"):
        Mfd(plain(1), exit_weights=())
    with pytest.raises(ConfigError, match=r"strength is -1, expected a number of 0 or more"):
        Mfd(plain(1), strength=-1)
    objective = Mfd(two_exits(9))
    with pytest.raises(ModelError, match="the model has 2 exits, but there are 1 exit_weights"):
        objective.step(two_exits(1), batch(GROUPS["two"]), objective.begin(two_exits(1), 2))
