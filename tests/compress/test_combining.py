"""FairQuantize after other methods, and on other models: the order is the caller's, what is fixed stays."""

import pytest
import torch
from torch import nn

from cases import EXIT_WEIGHTS, TwoExits, weighted_exits
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.methods import fairprune, fairquantize, obd, retrain
from fairshrink.compress.recipe import compress
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import GroupBatch, Splits
from toys import toy_model, toy_splits

HARD = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "epochs": 2}


def is_level(weights: torch.Tensor) -> torch.Tensor:
    mantissa, _ = torch.frexp(weights)
    return (mantissa.abs() == 0.5) | (weights == 0)


def exits_task() -> Task:
    a, b = EXIT_WEIGHTS
    return Task(
        loss=lambda outputs, y: a * classify.loss(outputs[0], y) + b * classify.loss(outputs[1], y),
        predict=lambda outputs: outputs[1].argmax(1),
        factor=weighted_exits,
    )


def exit_batches(seed: int) -> list[GroupBatch]:
    torch.manual_seed(seed)
    return [GroupBatch(torch.randn(6, 4), torch.arange(6) % 3, torch.arange(6) % 2) for _ in range(4)]


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_model_with_several_exits(epochs):
    torch.manual_seed(0)
    data = Splits(exit_batches(1), exit_batches(2))
    done = compress(TwoExits(), data, fairquantize(1.0, 0.5, 0.5, **(HARD | {"epochs": epochs})), task=exits_task())
    assert set(done.frozen.mask) == {"body.weight", "early.weight", "late.weight"}
    assert all(is_level(weight.detach()).all() for name, weight in done.model.named_parameters() if "weight" in name)


def removed_channel() -> tuple[nn.Module, Frozen]:
    """The toy model with its first channel gone: weight, bias, norm scale and shift."""
    model, mask = toy_model(), {}
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        parameter = model.get_parameter(name)
        mask[name] = torch.zeros_like(parameter, dtype=torch.bool)
        mask[name][0] = True
    return model, Frozen().fix(mask, {name: torch.zeros_like(model.get_parameter(name)) for name in mask})


def test_a_removed_channel_stays_removed():
    model, frozen = removed_channel()
    recipe = fairquantize(0.5, 0.5, 0.25, bits=4, **HARD)
    done = compress(model, toy_splits(), recipe, frozen=frozen)
    assert done.steps[0].fixed == round(0.25 * done.steps[0].total)
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        assert (done.model.get_parameter(name)[0] == 0).all()
        assert (done.model.get_parameter(name)[1:] != 0).any()
    x = torch.randn(3, 2, 4, 4)
    assert (done.model[:3](x)[:, 0] == 0).all()
    assert (done.model[:3](x)[:, 1:] != 0).any()


def test_the_scales_of_norms_are_quantised_where_that_is_asked_for():
    done = compress(toy_model(), toy_splits(), fairquantize(1.0, 0.5, 0.5, include="scales", **HARD))
    assert set(done.frozen.mask) == {"0.weight", "1.weight", "4.weight"}
    assert is_level(done.model[1].weight.detach()).all()
    assert not is_level(done.model[1].bias.detach()).all()


def test_pruned_then_quantised_then_pruned_again():
    first = compress(toy_model(), toy_splits(), fairprune(0.2))
    second = compress(first.model, toy_splits(), fairquantize(0.6, 0.5, 0.2, **HARD), frozen=first.frozen)
    third = compress(second.model, toy_splits(), obd(0.8), frozen=second.frozen)
    total = third.steps[-1].total
    counts = [done.frozen.count() for done in (first, second, third)]
    assert counts == [round(ratio * total) for ratio in (0.2, 0.6, 0.8)]
    for name, mask in second.frozen.mask.items():
        weight = third.model.get_parameter(name).detach()
        assert torch.equal(weight[mask], second.frozen.value[name][mask])
        assert (weight[third.frozen.mask[name] & ~mask] == 0).all()


@pytest.mark.parametrize("settings", [{"leave": "4"}, {"include": "all"}, {}])
def test_after_a_pruning_the_control_has_as_many_rounds(settings):
    first = compress(toy_model(), toy_splits(), fairprune(0.2, step=0.2, **settings))
    recipes = fairquantize(1.0, step=0.2, epochs=1, **settings), retrain(1.0, step=0.2, epochs=1, **settings)
    method, control = (compress(first.model, toy_splits(), recipe, frozen=first.frozen) for recipe in recipes)
    assert (
        [step.ratio for step in method.steps]
        == [step.ratio for step in control.steps]
        == pytest.approx([0.4, 0.6, 0.8, 1.0])
    )
