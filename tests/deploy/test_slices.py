import torch
from torch import nn

from fairshrink.deploy.slices import Keep, without


def test_rows_and_columns_are_taken_one_by_one():
    model = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), nn.Linear(6, 5))
    state = {name: torch.randn_like(tensor.float()) for name, tensor in model.state_dict().items()}
    outputs, inputs = [0, 2, 3, 5], [1, 2]
    stay = torch.tensor(outputs)
    keep = {"0": Keep(stay, torch.tensor(inputs)), "1": Keep(stay), "2": Keep(None, stay)}
    found = without(state, model, keep)
    for row, old in enumerate(outputs):
        group = old // 3
        # In its group of two inputs the one that stays: input 1 of the first, input 2 (the first there) of the second.
        assert torch.equal(found["0.weight"][row, 0], state["0.weight"][old, inputs[group] % 2])
        for name in ("0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"):
            assert found[name][row] == state[name][old]
        assert torch.equal(found["2.weight"][:, row], state["2.weight"][:, old])
    assert found["0.weight"].shape == (4, 1, 3, 3)
    assert torch.equal(found["2.bias"], state["2.bias"])
    assert found["1.num_batches_tracked"] is state["1.num_batches_tracked"]
    assert state["0.weight"].shape == (6, 2, 3, 3)


def test_a_single_module_and_masks_of_some_tensors_only():
    mask = torch.tensor([[True, False], [False, True], [True, True]])
    found = without({"weight": mask}, nn.Linear(2, 3), {"": Keep(torch.tensor([1, 2]), torch.tensor([1]))})
    assert found["weight"].tolist() == [[True], [True]]
