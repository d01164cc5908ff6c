from math import log2

import pytest
import torch

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.inspect import in_short, inspect_packed, inspect_weights, theoretical_bits, together
from fairshrink.deploy.packed import save_packed
from toys import toy_model


@pytest.fixture
def model_and_record():
    """Half of the linear layer is 0, a quarter at -2 or 1."""
    model = toy_model(classes=40)
    weight = model[4].weight.detach()
    mixed = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(0))
    kind = mixed.reshape(weight.shape) % 8
    values = torch.tensor([0.0, 0.0, 0.0, 0.0, -2.0, 1.0, 0.0, 0.0])[kind]
    frozen = Frozen().fix({"4.weight": kind < 6}, {"4.weight": values})
    frozen.apply_(model)
    return model, frozen


def test_rows_of_a_packed_file_and_of_the_model_say_the_same(model_and_record, tmp_path):
    model, frozen = model_and_record
    path = save_packed(tmp_path / "p.safetensors", model, frozen)
    packed = inspect_packed(path)
    plain = inspect_weights(path, model.state_dict(), frozen)
    assert (packed.packed, plain.packed) == (True, False)
    assert (packed.full, packed.theory) == (plain.full, plain.theory)
    for one, other in zip(packed.rows, plain.rows, strict=True):
        assert (one.name, one.shape, one.pruned, one.quantised, one.free, one.levels) == (
            other.name, other.shape, other.pruned, other.quantised, other.free, other.levels,
        )  # fmt: skip
    row = {row.name: row for row in packed.rows}["4.weight"]
    assert (row.weights, row.pruned, row.quantised, row.free, row.levels) == (2560, 1280, 640, 640, 2)
    assert row.theory <= 8 * row.stored < 1.05 * row.theory
    assert packed.size == path.stat().st_size > sum(row.stored for row in packed.rows)


def test_the_theory_by_hand():
    assert theoretical_bits(0, 100, 0, 16, 32) == 400
    assert theoretical_bits(50, 0, 50, 0, 32) == 100 + 50 * 32
    shares = 0.5 * log2(2) + 0.25 * log2(4) + 0.25 * log2(4)
    assert theoretical_bits(4, 2, 2, 8, 16) == pytest.approx(8 * shares + 2 * 3 + 2 * 16)
    assert theoretical_bits(0, 0, 0, 0, 32) == 0


def test_without_a_record_nothing_is_fixed_and_zeros_are_counted(model_and_record, tmp_path):
    model, _ = model_and_record
    (tmp_path / "w").write_bytes(b"1234")
    found = inspect_weights(tmp_path / "w", model.state_dict(), None)
    assert sum(row.pruned + row.quantised for row in found.rows) == 0
    assert "nothing counts as fixed; 1,288 weights are 0" in found.notes[0]


def test_biases_norms_and_counters_stand_together(model_and_record, tmp_path):
    model, frozen = model_and_record
    path = save_packed(tmp_path / "p.safetensors", model, frozen)
    rows = inspect_packed(path).rows
    short = in_short(rows)
    assert [row.name for row in short] == ["0.weight", "4.weight", "7 other tensors"]
    assert (
        together("all", short).weights
        == together("all", rows).weights
        == sum(t.numel() for t in model.state_dict().values())
    )


def test_what_is_fixed_at_other_values_needs_its_whole_width(tmp_path):
    model = toy_model()
    weight = model[4].weight.detach()
    frozen = Frozen().fix({"4.weight": torch.ones_like(weight, dtype=torch.bool)}, {"4.weight": weight})
    row = {row.name: row for row in inspect_packed(save_packed(tmp_path / "p", model, frozen)).rows}["4.weight"]
    assert (row.quantised, row.levels, row.theory) == (192, 0, 192 * 32)
