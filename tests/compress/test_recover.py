import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.methods import fairprune, obd
from fairshrink.compress.recipe import compress
from fairshrink.compress.recover import recovery, reestimate, repeatable
from fairshrink.errors import ConfigError, DataError
from fairshrink.types import GroupBatch, Splits
from oracles.pruning import batch_statistics
from toys import toy_batches, toy_model, toy_splits


def deep() -> nn.Module:
    """Two batch-norms, of which the second sees what the first puts out; dropout; statistics that fit nothing."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, momentum=0.3), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(3, 2, 1),
        nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    for norm in (model[1], model[5]):
        norm.running_mean.fill_(9.0)
        norm.num_batches_tracked.fill_(7)
    return model.double()


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if "running" in name}


def test_statistics_are_the_plain_average_over_batches_of_what_the_norm_sees():
    model, seen = deep(), {1: [], 5: []}
    for place in seen:
        model[place].register_forward_pre_hook(lambda _, args, place=place: seen[place].append(args[0]))
    reestimate(model, toy_splits(), Frozen())
    assert len(seen[1]) == len(toy_splits().train)
    for place, inputs in seen.items():
        mean, var = batch_statistics(inputs)
        assert_close(model[place].running_mean, mean, rtol=1e-9, atol=1e-9)
        assert_close(model[place].running_var, var, rtol=1e-9, atol=1e-9)


def test_the_outcome_depends_on_the_weights_and_the_batches_alone():
    one, two, data = deep(), deep(), toy_splits()
    with torch.no_grad():
        two[1].running_var.fill_(0.01)
    for model, times in ((one, 1), (two, 3)):
        for _ in range(times):  # dropout is off, or each of these would draw other zeros
            reestimate(model, data, Frozen())
    assert all(torch.equal(value, statistics(two)[name]) for name, value in statistics(one).items())


def test_modes_momenta_and_weights_come_back():
    model = deep().eval()
    model[5].train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    reestimate(model, toy_splits(), Frozen())
    assert [module.training for module in model] == [False] * 5 + [True, False, False]
    assert (model[1].momentum, model[5].momentum) == (0.3, 0.1)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_modes_and_momenta_come_back_after_an_error():
    model = deep().train()
    with pytest.raises(DataError, match="but a GroupBatch"):
        reestimate(model, Splits([*toy_batches(), []], []), Frozen())
    assert all(module.training for module in model.modules())
    assert model[1].momentum == 0.3


class Unread:
    def __iter__(self):
        raise AssertionError("the data were read")


@pytest.mark.parametrize(
    "model", [nn.Linear(2, 2), nn.Sequential(nn.LayerNorm(2)), nn.BatchNorm1d(2, track_running_stats=False)], ids=str
)
def test_a_model_without_running_statistics_is_not_touched(model):
    before = copy.deepcopy(model.state_dict())
    reestimate(model, Splits(Unread(), Unread()), Frozen())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_batch_that_has_no_variance_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 3), nn.BatchNorm1d(3))
    batch = toy_batches()[0]
    single = GroupBatch(batch.x[:1], batch.y[:1], batch.g[:1])
    with pytest.raises(DataError, match=r"batch 1 of the train batches has 1 sample\(s\), too few"):
        reestimate(model, Splits([batch, single], []), Frozen())


def test_other_errors_of_the_model_are_its_own():
    with pytest.raises(ValueError, match="expected 4D input"):
        reestimate(nn.Sequential(nn.Flatten(), nn.BatchNorm2d(3)), toy_splits(), Frozen())


@pytest.mark.parametrize("recipe", [fairprune(0.3, step=0.15, norms="reestimate"), obd(0.3, norms="reestimate")])
def test_statistics_after_a_method_fit_the_weights_that_are_left(recipe):
    model = toy_model()
    kept = copy.deepcopy(model.state_dict())
    done = compress(model, toy_splits(), recipe)
    again = copy.deepcopy(done.model)
    reestimate(again, toy_splits(), done.frozen)
    assert all(torch.equal(value, statistics(again)[name]) for name, value in statistics(done.model).items())
    assert not torch.equal(done.model[1].running_mean, kept["1.running_mean"])
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_the_start_is_the_model_as_it_came():
    kept, anew = (
        compress(toy_model(), toy_splits(), fairprune(0.5, step=0.5, norms=norms)) for norms in ("keep", "reestimate")
    )
    assert kept.start.soft.log_loss.tolist() == anew.start.soft.log_loss.tolist()
    assert kept.steps[0].soft.log_loss.tolist() != anew.steps[0].soft.log_loss.tolist()


def test_recoveries_by_name():
    assert recovery("keep") is None
    assert recovery("reestimate") is reestimate
    with pytest.raises(
        ConfigError, match="norms is 'reestimated', but there is no such choice. Did you mean 'reestimate'"
    ):
        recovery("reestimated")


def test_only_known_recoveries_are_repeatable():
    assert repeatable(None)
    assert repeatable(reestimate)
    assert not repeatable(lambda model, data, frozen: None)


def test_a_ratio_of_0_is_the_control_measured_anew_and_nothing_pruned():
    data, model = toy_splits(), deep()
    found = compress(model, data, obd(0.0, norms="reestimate"))
    reestimate(model, data, Frozen())
    assert all(torch.equal(value, statistics(found.model)[name]) for name, value in statistics(model).items())
    assert [(step.ratio, step.fixed) for step in found.steps] == [(0.0, 0)]
    assert found.steps[0].soft.log_loss.tolist() != found.start.soft.log_loss.tolist()
    assert compress(model, data, obd(0.0)).steps == ()
