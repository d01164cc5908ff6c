import pytest
import torch
from torch import nn

from fairshrink.compress.frozen import Frozen
from fairshrink.errors import ModelError

W = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
FIRST = torch.tensor([[True, False], [False, False]])
SECOND = torch.tensor([[True, True], [False, False]])


def linear_layer() -> nn.Linear:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data.copy_(W)
    return layer


def test_what_is_fixed_keeps_its_value():
    frozen = (
        Frozen()
        .fix({"weight": FIRST}, {"weight": torch.zeros(2, 2)})
        .fix({"weight": SECOND}, {"weight": torch.ones(2, 2)})
    )
    assert frozen.count() == 2
    layer = linear_layer()
    frozen.apply_(layer)
    assert layer.weight.tolist() == [[0.0, 1.0], [3.0, 4.0]]


def test_fixing_returns_a_new_record():
    before = Frozen().fix({"weight": FIRST}, {"weight": torch.zeros(2, 2)})
    before.fix({"weight": SECOND}, {"weight": torch.zeros(2, 2)})
    assert before.count() == 1


def test_applying_twice_changes_nothing():
    layer, frozen = linear_layer(), Frozen().fix({"weight": SECOND}, {"weight": torch.zeros(2, 2)})
    frozen.apply_(layer)
    once = layer.weight.detach().clone()
    frozen.apply_(layer)
    assert torch.equal(layer.weight, once)


def test_a_choice_without_values_is_refused():
    with pytest.raises(ModelError, match=r"'weight' was chosen, but there is no value.*Did you mean 'weights'"):
        Frozen().fix({"weight": FIRST}, {"weights": W})


def test_mask_and_values_of_different_shape_are_refused():
    with pytest.raises(ModelError, match=r"differ in shape: \(2, 2\) and \(4,\)"):
        Frozen().fix({"weight": FIRST}, {"weight": torch.zeros(4)})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(2, 2)), "the model has no such parameter: the record belongs to another model"),
        (nn.Linear(3, 3), r"fixed with shape \(2, 2\), but has shape \(3, 3\)"),
    ],
)
def test_another_models_record_is_refused(model, message):
    frozen = Frozen().fix({"weight": FIRST}, {"weight": torch.zeros(2, 2)})
    with pytest.raises(ModelError, match=message):
        frozen.apply_(model)


def test_what_is_removed_is_0_also_where_it_was_fixed_before():
    before = Frozen().fix({"weight": FIRST}, {"weight": torch.full((2, 2), 0.5)})
    chosen = {"weight": FIRST | torch.eye(2, dtype=torch.bool), "bias": torch.tensor([True, False])}
    after = before.remove(chosen, {"weight": W, "bias": torch.ones(2)})
    assert torch.equal(after.mask["weight"], chosen["weight"])
    assert (after.value["weight"][chosen["weight"]] == 0).all()
    assert torch.equal(after.mask["bias"], chosen["bias"])
    assert (before.value["weight"][FIRST] == 0.5).all()
