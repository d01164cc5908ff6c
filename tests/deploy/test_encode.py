import numpy as np
import pytest
import torch

from fairshrink.deploy.encode import NAMES, encode, kinds, levels_in_use, narrowest
from fairshrink.deploy.layouts import bits_of, decode, from_bits

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
COUNT = 4000


def numbers(dtype=torch.float32, pruned=0.0, quantised=0.0):
    """Weights, and which of them are fixed at 0 and at powers of two; some have strange values."""
    draw = torch.Generator().manual_seed(0)
    w = torch.randn(COUNT, generator=draw, dtype=torch.float64)
    where = torch.rand(COUNT, generator=draw)
    levels = torch.ldexp(w.sign(), w.abs().log2().round().clamp(-6, 1))
    w = torch.where(where < pruned + quantised, levels, w)
    w[where < pruned] = 0
    w[-4:] = torch.tensor([-0.0, 2.0**-140, 2.0**-14, 0.75])
    return w.to(dtype), where < pruned + quantised


def there_and_back(w, fixed):
    layout, content = encode(kinds(bits_of(w), None if fixed is None else fixed.numpy(), NAMES[w.dtype]))
    assert len(content) == sum(layout.sizes(len(w)))
    assert np.array_equal(decode(layout, content, len(w), NAMES[w.dtype]), bits_of(w))
    return layout, len(content)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shares", [(0, 0), (0.35, 0), (0, 1), (0.35, 1), (0.2, 0.5), (0, 0.01), (1, 0)])
def test_the_same_bits_come_back(dtype, shares):
    there_and_back(*numbers(dtype, *shares))


@pytest.mark.parametrize("strange", [-0.0, 2.0**-149, 2.0**-130, -(2.0**-126), 3.4028234663852886e38, 2.0**127])
def test_strange_numbers_keep_their_bits_fixed_or_not(strange):
    w, fixed = numbers(quantised=1)
    w[5:9] = strange
    fixed[5:7] = False
    there_and_back(w, fixed)


def test_pruned_weights_cost_a_bit_at_most():
    layout, size = there_and_back(*numbers(pruned=0.5))
    assert layout.zeros.count == int((numbers(pruned=0.5)[0].view(torch.int32) == 0).sum())
    assert size <= COUNT / 8 + 4 * (COUNT - layout.zeros.count)


def test_few_zeros_cost_less_than_a_bit():
    layout, size = there_and_back(*numbers(pruned=0.01))
    assert layout.zeros.runs is not None
    assert size < 4 * (COUNT - layout.zeros.count) + COUNT / 60


def test_levels_in_use_decide_the_width():
    w, _ = numbers(quantised=1)
    w[-4:] = 0.5
    layout, size = there_and_back(w, torch.ones(COUNT, dtype=torch.bool))
    assert sorted(layout.levels) == sorted(w.unique().double().tolist())
    assert layout.width == (len(layout.levels) - 1).bit_length() == 4
    assert size == COUNT / 2


def test_one_level_needs_no_codes():
    layout, size = there_and_back(torch.full((50,), -0.25), torch.ones(50, dtype=torch.bool))
    assert (layout.levels, layout.width, size) == ((-0.25,), 0, 0)


def test_zeros_become_one_more_code_where_that_is_smaller():
    values = torch.tensor([0.0, 0.5, 0.25, 1.0, 2.0, -0.5, -1.0, 4.0] * 150)
    w = values[torch.randperm(1200, generator=torch.Generator().manual_seed(0))]
    layout, size = there_and_back(w, torch.ones(1200, dtype=torch.bool))
    assert layout.zeros is None
    assert set(layout.levels) == set(values.tolist())
    assert size == 1200 * 3 / 8


def test_without_a_record_powers_of_two_are_no_codes_but_zeros_are_apart():
    w, _ = numbers(pruned=0.3, quantised=0.7)
    layout, _ = there_and_back(w, None)
    assert layout.levels == ()
    assert layout.zeros is not None


def test_what_is_fixed_at_no_power_of_two_stays_as_it_is():
    w = torch.linspace(0.1, 0.2, 500)
    layout, size = there_and_back(w, torch.ones(500, dtype=torch.bool))
    assert (layout.levels, layout.free, size) == ((), None, 2000)


def test_nothing_random_is_narrowed_and_everything_that_fits_is():
    w, _ = numbers()
    assert narrowest(w).dtype == torch.float32
    halves = w[:100].half().float()
    assert narrowest(halves).dtype == torch.float16
    assert narrowest(torch.cat([halves, torch.tensor([70000.0])])).dtype == torch.float32
    late = torch.cat([torch.zeros(5000), torch.tensor([0.1])])
    assert narrowest(late).dtype == torch.float32
    assert narrowest(torch.tensor([1.0], dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_levels_are_those_that_are_marked():
    w = torch.tensor([0.5, -2.0, 4.0, 0.0])
    found = kinds(bits_of(w), np.array([True, True, False, True]), "F32")
    assert found.coded.tolist() == [True, True, False, False]
    assert from_bits(levels_in_use(found, found.coded), "F32").tolist() == [0.5, -2.0]


def test_rare_levels_stand_as_they_are_where_that_is_smaller():
    w = torch.tensor([0.5, 1.0, 2.0, 4.0] * 500)[torch.randperm(2000, generator=torch.Generator().manual_seed(0))]
    w[7], w[1500] = 2.0**-20, 2.0**-30
    layout, size = there_and_back(w, torch.ones(2000, dtype=torch.bool))
    assert set(layout.levels) == {0.5, 1.0, 2.0, 4.0}
    assert layout.free.count == 2
    assert size < 2000 * 2 / 8 + 2 * 4 + 20
