import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cases import CASES, case_named
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.units import compressible
from fairshrink.deploy import packed
from fairshrink.deploy.packed import card_of, is_packed, load_packed, read_packed, save_packed
from fairshrink.deploy.predictor import Predictor, load_network
from fairshrink.errors import ModelError, StoreError
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model
from toys import toy_model


def fix(model, pruned=0.0, quantised=1.0):
    """Fix these shares of a model's weights: the first at 0, the second at powers of two."""
    draw, frozen = torch.Generator().manual_seed(0), Frozen()
    for name, weight in compressible(model).items():
        where = torch.rand(weight.shape, generator=draw)
        levels = torch.ldexp(weight.detach().sign(), weight.detach().abs().log2().round().clamp(-8, -1))
        values = torch.where(where < pruned, 0, levels)
        frozen = frozen.fix({name: where < pruned + quantised}, {name: values})
    frozen.apply_(model)
    return frozen


def bits(model):
    return {name: bytes(tensor.reshape(-1).view(torch.uint8).numpy()) for name, tensor in model.state_dict().items()}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "m.packed.safetensors"


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("shares", [None, (0.35, 0.0), (0.0, 1.0), (0.35, 0.4)], ids=str)
def test_every_model_comes_back_bit_for_bit(case, shares, file, monkeypatch):
    monkeypatch.setattr(packed, "STRETCH", 50)
    model = case.model
    save_packed(file, model, Frozen() if shares is None else fix(model, *shares))
    other = case.model
    for parameter in other.parameters():
        torch.nn.init.normal_(parameter)
    load_packed(file, other)
    assert bits(other) == bits(model)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_types_come_back_too(dtype, file):
    model = toy_model().to(dtype)
    model[1].num_batches_tracked.fill_(2**40 + 1)
    save_packed(file, model, fix(model))
    again = toy_model(seed=1).to(dtype)
    load_packed(file, again)
    assert bits(again) == bits(model)


def test_quantised_and_pruned_files_are_small(file):
    model = build("small_cnn", num_classes=7, size=32)
    full = sum(tensor.nbytes for tensor in model.state_dict().values())
    for shares, limit in (((0.35, 0.0), 0.70), ((0.0, 1.0), 0.165), ((0.35, 0.65), 0.165)):
        model = build("small_cnn", num_classes=7, size=32)
        save_packed(file, model, fix(model, *shares))
        assert file.stat().st_size < limit * full


def test_the_same_model_gives_the_same_bytes(tmp_path, file):
    model = toy_model()
    frozen = fix(model)
    other = save_packed(tmp_path / "b", model, frozen)
    assert save_packed(file, model, frozen).read_bytes() == other.read_bytes()


def test_what_is_not_packed_can_be_read_by_any_program(file):
    model = toy_model()
    save_packed(file, model, Frozen())
    assert torch.equal(load_file(file)["4.weight"], model[4].weight)


def test_counts_are_those_of_the_record(file):
    model = build("small_cnn", num_classes=7, size=32)
    frozen = fix(model, 0.3, 0.5)
    save_packed(file, model, frozen)
    for name, entry in read_packed(file).about.tensors.items():
        mask, value = frozen.mask.get(name, torch.zeros(1, dtype=torch.bool)), frozen.value.get(name, torch.zeros(1))
        assert entry.pruned == int((mask & (value == 0)).sum())
        assert entry.quantised == int((mask & (value != 0)).sum())


def test_weights_that_moved_are_refused(file):
    model = toy_model()
    frozen = fix(model)
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] += 1
    with pytest.raises(ModelError, match=r"1 fixed weights of '0.weight' are not at the values of the record"):
        save_packed(file, model, frozen)
    with pytest.raises(ModelError, match="the record belongs to another model"):
        save_packed(file, case_named("mlp").model, frozen)
    assert not file.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value, file):
    model = toy_model()
    model[4].bias.data[1] = value
    with pytest.raises(ModelError, match=r"'4.bias' cannot be packed: 1 of 3 values are NaN or infinite"):
        save_packed(file, model, Frozen())


def test_tensors_of_another_type_are_refused(file):
    model = toy_model()
    model.register_buffer("where", torch.zeros(2, dtype=torch.bool))
    with pytest.raises(ModelError, match=r"'where' cannot be packed: it is torch.bool, but one of torch.float16"):
        save_packed(file, model, Frozen())


def test_what_does_not_come_back_is_not_written(file, monkeypatch):
    model = build("small_cnn", num_classes=7, size=32)
    frozen = fix(model)
    monkeypatch.setattr(packed, "decode", lambda layout, content, length, dtype: np.ones(length, dtype=np.int32))
    with pytest.raises(ModelError, match=r"did not come back from its packed form as it was. Nothing was written"):
        save_packed(file, model, frozen)
    assert not file.exists()


def test_another_model_stays_as_it_was(file):
    save_packed(file, toy_model(), Frozen())
    other = toy_model(classes=4)
    before = bits(other)
    with pytest.raises(ModelError, match=r"does not fit the model, which was left as it was.*another shape"):
        load_packed(file, other)
    with pytest.raises(ModelError, match=r"does not fit the model.*\n.*missing"):
        load_packed(file, case_named("mlp").model)
    assert bits(other) == before


def test_a_file_that_is_not_there_and_one_that_is_none_of_ours(tmp_path, file):
    with pytest.raises(ModelError, match=r"the packed model '.*nowhere' could not be read: No such file"):
        load_packed(tmp_path / "nowhere", toy_model())
    save_file(toy_model().state_dict(), file)
    with pytest.raises(ModelError, match=r"it is a safetensors file, but was never packed"):
        load_packed(file, toy_model())
    assert not is_packed(file)
    assert not is_packed(tmp_path)
    save_packed(file, toy_model(), Frozen())
    assert is_packed(file)


def test_codes_out_of_range_are_refused_even_where_the_checksum_fits(file, rewrite):
    model = toy_model(classes=30)
    weight = model[4].weight
    with torch.no_grad():
        weight.copy_(torch.tensor([0.5, 1.0, 2.0])[torch.arange(weight.numel()) % 3].reshape(weight.shape))
    mask = {"4.weight": torch.ones_like(weight, dtype=torch.bool)}
    save_packed(file, model, Frozen().fix(mask, {"4.weight": weight.detach()}))
    rewrite(file, stored={"4.weight": torch.full_like(load_file(file)["4.weight"], 255)})
    with pytest.raises(ModelError, match="'4.weight': a code is out of range: there are 3 levels"):
        load_packed(file, model)


def test_a_changed_payload(file):
    save_packed(file, toy_model(), Frozen())
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"its checksum is not the one.*fairshrink export --packed"):
        load_packed(file, toy_model())


def test_nowhere_to_write(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        save_packed(tmp_path, toy_model(), Frozen())


def test_a_packed_file_predicts_the_same_to_the_last_bit(file, tmp_path, card, pixels):
    model = build("small_cnn", num_classes=3, size=32, seed=3).eval()
    frozen = fix(model, 0.3, 0.4)
    whole = save_model(tmp_path / "model.safetensors", model, card.to_dict())
    save_packed(file, model, frozen, card)
    assert load_network(file)[0] == card
    assert np.array_equal(Predictor.load(file)(pixels), Predictor.load(whole)(pixels))


def test_a_card_that_cannot_be_used(file, card, rewrite):
    model = build("small_cnn", num_classes=3, size=32)
    save_packed(file, model, Frozen())
    with pytest.raises(ModelError, match=r"holds weights, but not how they are used.*export --packed"):
        Predictor.load(file)
    many = card.to_dict() | {"classes": [str(k) for k in range(5000)], "num_classes": 5000}
    rewrite(file, lambda about: about | {"card": many})
    with pytest.raises(ModelError, match="its card names 5,000 classes, but its weights are not for as many"):
        card_of(file, read_packed(file).about)
