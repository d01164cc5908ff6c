import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from fairshrink.compress import retraining
from fairshrink.compress.methods import fairprune, fairquantize, retrain
from fairshrink.compress.recipe import compress
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.types import Splits
from toys import toy_batches, toy_model, toy_splits

HARD = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "epochs": 2}
TOTAL = 4 * 2 * 9 + 64 * 3


def levels_only(weights: torch.Tensor) -> bool:
    mantissa, _ = torch.frexp(weights)
    return bool(((mantissa.abs() == 0.5) | (weights == 0)).all())


@pytest.mark.parametrize("keep_state", [False, True])
@pytest.mark.parametrize("bits", [None, 3])
def test_every_fixed_weight_is_a_level_and_stays_where_it_was_put(bits, keep_state):
    seen = {}

    def look(step):
        seen[step.ratio] = step.fixed

    recipe = fairquantize(1.0, 0.5, 0.25, bits=bits, round="linear", keep_state=keep_state, **HARD)
    done = compress(toy_model(), toy_splits(), recipe, on_step=look)
    assert seen == {0.25: round(0.25 * TOTAL), 0.5: TOTAL // 2, 0.75: round(0.75 * TOTAL), 1.0: TOTAL}
    for name, weight in compressible(done.model).items():
        assert done.frozen.mask[name].all()
        assert torch.equal(weight.detach(), done.frozen.value[name])
        assert levels_only(weight.detach())


def test_nothing_reaches_what_is_fixed_and_everything_else_moves():
    half = fairquantize(0.5, 0.5, 0.5, **HARD)
    before, done = toy_model(), compress(toy_model(), toy_splits(), half)
    idle = compress(toy_model(), toy_splits(), replace(half, recover=None))
    start, first, after = (dict(model.named_parameters()) for model in (before, idle.model, done.model))
    for name, mask in done.frozen.mask.items():
        assert torch.equal(after[name][mask], first[name][mask])
        assert (after[name][~mask] != start[name][~mask]).all()
    for name in ("0.bias", "1.weight", "1.bias", "4.bias"):
        assert (after[name] != start[name]).any()
    assert done.model[1].num_batches_tracked > before[1].num_batches_tracked


def test_the_window_is_that_of_the_weights_before_the_first_step():
    growing = {"lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "epochs": 3}
    done = compress(toy_model(), toy_splits(), fairquantize(1.0, 0.5, 0.5, bits=2, round="linear", **growing))
    for name, weight in compressible(toy_model()).items():
        largest = float(weight.detach().abs().max())
        level = 2.0 ** int(torch.floor(torch.log2(torch.tensor(4 * largest / 3))))
        assert set(compressible(done.model)[name].detach().abs().unique().tolist()) <= {0.0, level}


def test_it_trains_on_the_retraining_batches_and_on_train_where_there_are_none():
    splits, other = toy_splits(), toy_batches(9)
    recipe = fairquantize(0.5, 0.5, 0.5, **HARD)
    plain = compress(toy_model(), splits, recipe)
    same = compress(toy_model(), Splits(splits.train, splits.val, retrain=splits.train), recipe)
    others = compress(toy_model(), Splits(splits.train, splits.val, retrain=other), recipe)
    assert torch.equal(plain.model[4].weight, same.model[4].weight)
    assert not torch.equal(plain.model[4].weight, others.model[4].weight)


@pytest.mark.parametrize(
    "changed",
    [{"alpha": 0.5}, {"balanced": True}, {"keep_state": True}, {"lr_epochs": 1}, {"weight_decay": 0.0}, {"epochs": 1}],
)
def test_every_option_of_the_retraining_does_something(changed):
    one = compress(toy_model(), toy_splits(), fairquantize(1.0, 0.5, 0.5, **HARD))
    other = compress(toy_model(), toy_splits(), fairquantize(1.0, 0.5, 0.5, **(HARD | changed)))
    assert not torch.equal(one.model[4].bias, other.model[4].bias)


def test_of_several_groups_the_gap_is_that_of_the_unprivileged_one():
    recipe = fairquantize(0.5, 0.5, 0.5, **(HARD | {"alpha": 0.5}), select="random")
    ends = [compress(toy_model(), toy_splits(groups=3), recipe, unprivileged=group).model for group in (0, 2)]
    assert not torch.equal(ends[0][4].bias, ends[1][4].bias)


@pytest.mark.parametrize("make", [retrain, fairquantize])
def test_a_ratio_of_0_is_one_round_with_nothing_fixed(make):
    done = compress(toy_model(), toy_splits(), make(0.0, **HARD))
    beside = compress(toy_model(), toy_splits(), retrain(0.25, step=0.25, **HARD))
    assert [(step.ratio, step.fixed) for step in done.steps] == [(0.0, 0)]
    assert torch.equal(done.model[4].weight, beside.model[4].weight)
    assert not torch.equal(done.model[4].weight, toy_model()[4].weight)


def test_the_control_is_the_same_training_with_nothing_fixed():
    control = compress(toy_model(), toy_splits(), retrain(0.75, 0.25, **HARD))
    assert [(step.ratio, step.fixed) for step in control.steps] == [(0.25, 0), (0.5, 0), (0.75, 0)]
    assert control.frozen.count() == 0
    # Nothing fixed, so three rounds are the rounds that a recipe whose codebook moves nothing would have.
    one = compress(toy_model(), toy_splits(), retrain(0.25, 0.25, **HARD))
    assert not torch.equal(one.model[4].weight, control.model[4].weight)


def test_the_control_sees_the_rounds_that_its_method_sees(monkeypatch):
    calls = []
    fit = retraining.fit

    def recorded(model, batches, settings, **named):
        calls.append((settings, named["first"], type(named["objective"]), named["objective"].alpha))
        return fit(model, batches, settings, **named)

    monkeypatch.setattr(retraining, "fit", recorded)
    settings = HARD | {"alpha": 0.25}
    compress(toy_model(), toy_splits(), fairquantize(0.6, 0.5, 0.2, **settings), seed=4)
    method = list(calls)
    calls.clear()
    compress(toy_model(), toy_splits(), retrain(0.6, 0.2, **settings), seed=4)
    assert calls == method
    assert [call[1] for call in calls] == [0, 2, 4]


def test_after_pruning_what_is_zero_stays_zero_and_the_rest_is_quantised():
    pruned = compress(toy_model(), toy_splits(), fairprune(0.35))
    done = compress(pruned.model, toy_splits(), fairquantize(1.0, 0.5, 0.25, **HARD), frozen=pruned.frozen)
    assert [step.ratio for step in done.steps] == [0.5, 0.75, 1.0]
    for name, mask in pruned.frozen.mask.items():
        weight = dict(done.model.named_parameters())[name].detach()
        assert (weight[mask] == 0).all()
        assert (weight[~mask] != 0).all()
        assert levels_only(weight)


def test_a_layer_that_was_pruned_as_a_whole_needs_no_window():
    model = toy_model()
    with torch.no_grad():
        model[0].weight.zero_()
    with pytest.raises(ModelError, match=r"0\.weight"):
        compress(model, toy_splits(), fairquantize(1.0, bits=4, epochs=0))
    pruned = compress(toy_model(), toy_splits(), fairprune(72 / TOTAL, step=1.0, leave="4"))
    whole = compress(model, toy_splits(), fairprune(1.0, step=1.0, leave="4"))
    assert pruned.frozen.count() < whole.frozen.count()
    done = compress(whole.model, toy_splits(), fairquantize(1.0, bits=4, epochs=0), frozen=whole.frozen)
    assert (done.model[0].weight == 0).all()
    assert levels_only(done.model[4].weight.detach())


def test_the_callers_model_and_random_numbers_are_as_they_were():
    model, splits = toy_model(), toy_splits()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    done = compress(model, splits, fairquantize(0.5, 0.5, 0.25, **HARD))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not done.model.training
    assert all(parameter.grad is None for parameter in done.model.parameters())


def test_ratios_are_exact_and_the_chosen_are_the_lowest_of_the_free():
    done = [compress(toy_model(), toy_splits(), fairquantize(ratio, 0.5, 0.1, **HARD)) for ratio in (0.1, 0.2, 0.3)]
    for one, more in pairwise(done):
        for name, mask in one.frozen.mask.items():
            assert not (mask & ~more.frozen.mask[name]).any()
    assert [one.frozen.count() for one in done] == [round(ratio * TOTAL) for ratio in (0.1, 0.2, 0.3)]


def test_batches_that_cannot_be_counted_are_refused():
    class Endless:
        def __iter__(self):
            return iter(toy_batches())

    splits = Splits(toy_batches(1), toy_batches(2), retrain=Endless())
    with pytest.raises(DataError, match="of the type Endless, which does not say how many they are"):
        compress(toy_model(), splits, fairquantize(0.5))


def test_a_generator_to_retrain_on_is_refused_before_anything_is_done():
    splits = Splits(toy_batches(1), toy_batches(2), retrain=iter(toy_batches(3)))
    with pytest.raises(DataError, match="the retrain batches are a generator"):
        compress(toy_model(), splits, fairquantize(0.5))


@pytest.mark.parametrize(
    ("name", "value"), [("lr_epochs", 0), ("lr_epochs", True), ("lr_factor", 0.0), ("lr_factor", 1.5)]
)
def test_the_fall_of_the_learning_rate_is_refused_by_its_own_name(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        fairquantize(0.5, **{name: value})


@pytest.mark.parametrize("epochs", [-1, True])
def test_epochs_are_counted(epochs):
    with pytest.raises(ConfigError, match=r"epochs is .*from 0 on"):
        fairquantize(0.5, epochs=epochs)


def test_a_control_without_epochs_is_none():
    with pytest.raises(ConfigError, match=r"epochs is 0.*from 1 on"):
        retrain(0.5, epochs=0)


def test_settings_that_cannot_be_used_are_refused_also_where_nothing_is_trained():
    with pytest.raises(ConfigError, match="lr is -1"):
        fairquantize(0.5, lr=-1.0, epochs=0)
    with pytest.raises(ConfigError, match="alpha is 2"):
        fairquantize(0.5, alpha=2.0)


@pytest.mark.parametrize(("ratio", "step"), [(1.2, 0.1), (-0.1, 0.1), (0.5, 0.0)])
def test_ratio_and_step_are_shares(ratio, step):
    with pytest.raises(ConfigError, match=r"(ratio|step) is"):
        fairquantize(ratio, step=step)
