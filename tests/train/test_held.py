import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import ModelError
from fairshrink.train.held import check_held, hold, in_words, mask_gradients_, put_back_
from fairshrink.train.loop import TrainSettings, fit
from fairshrink.train.schedules import make_optimizer, make_schedule
from fairshrink.types import GroupBatch


def tiny() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def batches() -> list[GroupBatch]:
    draw = torch.Generator().manual_seed(5)
    x = torch.randn(12, 2, 2, 2, generator=draw, dtype=torch.float64)
    return [GroupBatch(x[i : i + 4], (torch.arange(4) + i) % 3, torch.arange(4) % 2) for i in (0, 4, 8)]


def some(model: nn.Module, *names: str, share: float = 0.5) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(7)
    return {name: torch.rand(model.get_parameter(name).shape, generator=draw) < share for name in names}


HELD = ("1.weight", "3.weight", "3.bias")
SETTINGS = {
    "sgd": TrainSettings(epochs=3, lr=0.2, momentum=0.9, weight_decay=0.05, schedule="cosine", precision="fp32"),
    "heavy ball": TrainSettings(epochs=3, lr=0.2, nesterov=False, weight_decay=0.05, precision="fp32"),
    "adam": TrainSettings(epochs=3, optimizer="adam", lr=0.05, weight_decay=0.05, schedule="step", precision="fp32"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_held_weights_stay_and_the_free_ones_are_trained_as_if_the_others_were_constants(name):
    """The slow twin: the optimiser has other parameters, and the model reads them only where a weight is free."""
    model, settings = tiny(), SETTINGS[name]
    masks, before = some(model, *HELD), {name: w.detach().clone() for name, w in model.named_parameters()}
    free = {name: nn.Parameter(w.clone()) for name, w in before.items()}
    twin = tiny()
    history = fit(model, batches(), settings, num_groups=2, held=masks)

    sgd = torch.optim.SGD(free.values(), lr=1.0, momentum=0.9, nesterov=settings.nesterov, weight_decay=0.05)
    optimizer = torch.optim.Adam(free.values(), lr=1.0, weight_decay=0.05) if name == "adam" else sgd
    rates = iter(_rates(settings))
    for _ in range(settings.epochs):
        for batch in batches():
            for group in optimizer.param_groups:
                group["lr"] = next(rates)
            used = {name: torch.where(masks[name], before[name], w) if name in masks else w for name, w in free.items()}
            optimizer.zero_grad()
            functional.cross_entropy(torch.func.functional_call(twin, used, (batch.x,)), batch.y).backward()
            optimizer.step()
    for name, weight in model.named_parameters():
        mask = masks.get(name, torch.zeros_like(weight, dtype=torch.bool))
        assert weight[mask].equal(before[name][mask])
        torch.testing.assert_close(weight[~mask], free[name][~mask], rtol=1e-9, atol=1e-13)
        assert not weight[~mask].equal(before[name][~mask])
    assert len(history) == 3


def _rates(settings: TrainSettings) -> list[float]:
    optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], settings)
    schedule, seen = make_schedule(optimizer, settings, len(batches())), []
    for _ in range(settings.epochs * len(batches())):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimizer_forgets_what_becomes_held(kind):
    """It has momentum for every weight from an earlier training."""
    model = tiny()
    how = {"lr": 0.1, "weight_decay": 0.1}
    optimizer = (
        torch.optim.SGD(model.parameters(), momentum=0.9, **how)
        if kind == "sgd"
        else torch.optim.Adam(model.parameters(), amsgrad=True, **how)
    )
    fit(model, batches(), SETTINGS[kind], num_groups=2, optimizer=optimizer)
    masks, before = some(model, *HELD), {name: w.detach().clone() for name, w in model.named_parameters()}
    fit(model, batches(), SETTINGS[kind], num_groups=2, optimizer=optimizer, held=masks)
    seen = 0
    for name in HELD:
        weight, mask = model.get_parameter(name), masks[name]
        assert weight[mask].equal(before[name][mask])
        assert not weight[~mask].equal(before[name][~mask])
        for kept in optimizer.state[weight].values():
            if isinstance(kept, torch.Tensor) and kept.shape == weight.shape:
                assert not kept[mask].any()
                assert kept[~mask].all()
                seen += 1
    assert seen == len(HELD) * (1 if kind == "sgd" else 3)


def test_the_bits_of_every_value_stay_and_layouts_play_no_part():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 3)).double()
    with torch.no_grad():
        model[0].weight[0, 0, 0] = torch.tensor([0.0, -0.0, 5e-324])
    mask = some(model, "0.weight")["0.weight"]
    mask[0, 0, 0] = True
    before = model[0].weight.detach().clone()
    data = [GroupBatch(torch.randn(3, 2, 4, 4, dtype=torch.float64), torch.arange(3), torch.zeros(3).long())]
    fit(model, data, SETTINGS["sgd"], num_groups=1, held={"0.weight": mask})
    assert model[0].weight[mask].equal(before[mask])
    assert model[0].weight[mask].signbit().equal(before[mask].signbit())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_gradients_and_values_one_by_one(dtype):
    layer = nn.Linear(3, 1, dtype=dtype)
    mask = torch.tensor([[True, False, True]])
    (held,) = hold(layer, {"weight": mask, "bias": torch.tensor([False])})
    mask_gradients_([held])  # There is no gradient yet.
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.tensor([[float("nan"), 2.0, 3.0]], dtype=dtype)
    mask_gradients_([held])
    assert layer.weight.grad.tolist() == [[0.0, 2.0, 0.0]]
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, weight_decay=0.5)
    optimizer.step()
    assert not layer.weight[mask].equal(before[mask])
    put_back_([held], optimizer)
    assert layer.weight[mask].equal(before[mask])
    assert layer.weight[0, 1].item() == pytest.approx(0.5 * before[0, 1].item() - 2.0, rel=1e-2)
    with torch.no_grad():
        layer.weight.fill_(float("nan"))
    put_back_([held], optimizer)
    assert layer.weight[mask].equal(before[mask])


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            {"1.weigth": torch.ones(5, 8).bool()},
            "held: the model has no parameter '1.weigth'. Did you mean '1.weight'?",
        ),
        (
            {"1.weight": torch.ones(8, 5).bool()},
            "held['1.weight'] is torch.bool of shape (8, 5), but its weights need a bool mask of shape (5, 8).",
        ),
        ({"3.bias": torch.ones(3)}, "held['3.bias'] is torch.float32 of shape (3,), but its weights need a bool mask"),
    ],
)
def test_masks_of_another_model_are_refused(tmp_path, masks, message):
    with pytest.raises(ModelError, match=re.escape(message) + r"(.|\n)*The masks belong to another model"):
        check_held(tiny(), masks)
    with pytest.raises(ModelError, match=re.escape(message)):
        fit(tiny(), batches(), SETTINGS["sgd"], num_groups=2, held=masks, state_file=tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_masks_in_words_tell_which_weights_are_held():
    mask = torch.tensor([[True, False, False]])
    said = in_words({"a": mask, "b": mask})
    assert re.fullmatch(r"2 weights \([0-9a-f]{12}\)", said)
    assert in_words({"b": mask, "a": mask}) == said
    assert in_words({"a": mask, "b": mask.roll(1)}) != said != in_words({"a": mask, "c": mask})
    assert in_words({}) == in_words({"a": torch.zeros(3).bool()}) == ""
