import pytest
import torch
from safetensors.numpy import save_file

from fairshrink.compress.frozen import Frozen
from fairshrink.errors import StoreError
from fairshrink.lab.masks import load_frozen, save_frozen
from toys import toy_model


def test_masks_come_back_with_the_models_values(tmp_path):
    model = toy_model()
    weight = dict(model.named_parameters())["0.weight"]
    mask = torch.rand(weight.shape) < 0.3
    frozen = Frozen().fix({"0.weight": mask}, {"0.weight": torch.zeros_like(weight)})
    frozen.apply_(model)
    save_frozen(tmp_path / "frozen.safetensors", frozen)
    again = load_frozen(tmp_path / "frozen.safetensors", model)
    assert torch.equal(again.mask["0.weight"], mask)
    assert torch.equal(again.value["0.weight"], frozen.value["0.weight"])


def test_nothing_fixed_is_a_file_too(tmp_path):
    save_frozen(tmp_path / "frozen.safetensors", Frozen())
    assert load_frozen(tmp_path / "frozen.safetensors", toy_model()).count() == 0


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "frozen.safetensors").write_bytes(b"nonsense")
    with pytest.raises(StoreError, match=r"frozen.safetensors' could not be read"):
        load_frozen(tmp_path / "frozen.safetensors", toy_model())


@pytest.mark.parametrize("name", ["1.weight.x", "0.weight"])
def test_masks_of_another_model_are_refused(tmp_path, name):
    import numpy as np

    save_file({name: np.zeros(3, dtype=np.uint8)}, tmp_path / "frozen.safetensors")
    with pytest.raises(StoreError, match=f"a mask for '{name}' that does not fit the model"):
        load_frozen(tmp_path / "frozen.safetensors", toy_model())
