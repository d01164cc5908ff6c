import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from fairshrink.errors import ConfigError, DataError
from fairshrink.maths.snnl import entangled, snnl
from oracles.snnl import snnl_by_pairs

GROUPS = {
    "two": [0, 1, 1, 0, 1, 0, 0, 1],
    "uneven": [0, 0, 0, 0, 0, 0, 1, 1],
    "three": [2, 0, 1, 2, 0, 1, 2, 0],
    "far numbers": [7, 7, 900, 900, 7, 900, 3, 3],
    "one": [4, 4, 4, 4, 4, 4, 4, 4],
    "unknown": [0, -1, 1, 0, 1, -1, -1, 1],
    "alone": [0, 5, 1, 0, 1, 9, 0, 1],
    "alone and unknown": [-1, 2, 2, 1, 3, -1, 2, 0],
}
HOWS = [(2.0, True), (0.3, True), (0.1, True), (0.001, True), (2.0, False), (50.0, False), (0.01, False)]


def some_maps(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def slow(maps, groups, *how) -> torch.Tensor:
    return torch.tensor(snnl_by_pairs(maps.detach(), groups, *how), dtype=torch.float64)


@pytest.mark.parametrize("how", HOWS, ids=str)
@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_every_channel_equals_the_double_loop(groups, how):
    for maps in (some_maps(8, 3, 2, 2), some_maps(8, 2), 100 + some_maps(8, 2, 5), some_maps(8, 1, 1, 2, 2)):
        assert_close(snnl(maps, torch.tensor(groups), *how), slow(maps, groups, *how), rtol=1e-10, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1, 4), min_size=2, max_size=12).filter(lambda g: any(g.count(c) > 1 for c in range(5))),
    st.integers(1, 4),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e3]),
    st.sampled_from(HOWS),
    st.integers(0, 99),
)
def test_whatever_the_groups_and_the_size_of_the_maps(groups, channels, size, how, seed):
    maps = size * some_maps(len(groups), channels, 3, seed=seed).round(decimals=1)  # some maps are 0, some equal
    found = entangled(maps, torch.tensor(groups), *how)
    assert_close(found.value, slow(maps, groups, *how), rtol=1e-10, atol=1e-10)
    known = [g for g in groups if g >= 0]
    assert found.alone == sum(known.count(g) == 1 for g in known)
    assert found.counted == len(known) - found.alone


def test_one_group_is_never_told_apart():
    found = entangled(some_maps(6, 4, 3, dtype=torch.float32), torch.full((6,), 2))
    assert found.value.tolist() == [0.0] * 4
    assert (found.counted, found.alone) == (6, 0)
    assert snnl(some_maps(6, 4, 3), torch.full((6,), 2), 0.001, False).tolist() == [0.0] * 4


def test_an_unknown_group_is_as_if_it_was_not_there_and_a_lone_sample_stays_a_neighbour():
    maps, groups = some_maps(8, 3, 4), torch.tensor(GROUPS["alone and unknown"])
    found, known = entangled(maps, groups), groups >= 0
    assert torch.equal(found.value, snnl(maps[known], groups[known]))
    assert (found.counted, found.alone) == (3, 3)
    partners = groups == 2
    assert snnl(maps[partners], groups[partners]).tolist() == [0.0] * 3
    assert bool((found.value > 0.1).all())


def test_all_maps_equal_give_what_the_sizes_give():
    groups = [0, 0, 0, 1, 1, 2]
    expected = (3 * np.log(5 / 2) + 2 * np.log(5 / 1)) / 5
    for maps in (torch.zeros(6, 2, 3), torch.full((6, 2, 3), -4.0), torch.full((6, 2, 3), 1e30)):
        for normalize in (True, False):
            found = snnl(maps, torch.tensor(groups), 2.0, normalize)
            assert_close(found, torch.full((2,), expected, dtype=torch.float32))


def test_maps_that_tell_the_groups_apart_score_low():
    groups = torch.arange(40) % 2
    maps = some_maps(40, 2, 4)
    maps[:, 0] += 10 * (groups * 2 - 1)[:, None]
    told, mixed = snnl(maps, groups).tolist()
    assert told < 0.3 < 0.6 < mixed


def test_a_map_of_zeros_is_as_far_from_every_other():
    maps = some_maps(8, 3, 4)
    maps[2] = maps[5] = 0
    groups = GROUPS["two"]
    assert_close(snnl(maps, torch.tensor(groups)), slow(maps, groups), rtol=1e-10, atol=1e-10)
    maps.requires_grad_()
    (grad,) = torch.autograd.grad(snnl(maps, torch.tensor(groups)).sum(), maps)
    assert bool(grad.isfinite().all())
    assert not grad[2].any()
    assert bool(grad[0].any())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_nothing_underflows_where_a_partner_is_far_behind_the_neighbours(dtype):
    # Each sample has a neighbour of the other group beside it, and its own group 1e4 temperatures away.
    maps = torch.tensor([0.0, 1e-3, 100.0, 100.001], dtype=dtype)[:, None]
    found = snnl(maps, torch.tensor([0, 1, 0, 1]), 1.0, False)
    assert found.dtype == dtype
    assert found.item() == pytest.approx(1e4, rel=1e-6)
    assert_close(
        found.double(), slow(maps, [0, 1, 0, 1], 1.0, False), rtol=1e-10 if dtype == torch.float64 else 1e-7, atol=0
    )
    close = snnl(maps, torch.tensor([0, 0, 1, 1]), 1.0, False)
    assert close.item() == 0
    maps = torch.tensor([[1.0, 0], [1, 1e-3], [-1, 0], [-1, 1e-3]], dtype=dtype)[:, None]
    found = snnl(maps, torch.tensor([0, 1, 0, 1]), 4e-4)
    assert_close(found.double(), slow(maps, [0, 1, 0, 1], 4e-4), rtol=1e-10 if dtype == torch.float64 else 1e-6, atol=0)


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_single_precision_is_accurate_far_from_the_origin_too(how):
    groups = [i % 3 for i in range(48)]
    for shift in (0.0, 30.0):
        maps = (some_maps(48, 4, 2, 2) + shift).float()
        found = snnl(maps, torch.tensor(groups), *how)
        assert found.dtype == torch.float32
        # What is computed in double precision comes out right to the last digit.
        rtol = 5e-6 if how[1] and how[0] >= 0.25 else 2e-7
        assert_close(found.double(), slow(maps, groups, *how), rtol=rtol, atol=1e-7)


def test_half_precision_is_computed_in_single_and_autocast_changes_nothing():
    maps, groups = some_maps(12, 3, 4), torch.arange(12) % 2
    for dtype in (torch.bfloat16, torch.float16):
        half = maps.to(dtype)
        found = snnl(half, groups)
        assert found.dtype == torch.float32
        assert torch.equal(found, snnl(half.float(), groups))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(snnl(half, groups), found)


class Largest(TorchDispatchMode):
    """The most bytes that one result has."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.bytes = max(self.bytes, result.numel() * result.element_size())
        return result


@pytest.mark.parametrize("normalize", [True, False])
def test_pieces_of_any_size_give_the_same_and_keep_to_the_memory(normalize):
    maps, groups = some_maps(20, 4, 2), torch.tensor([-1, 9, *(i % 2 for i in range(18))])
    maps.requires_grad_()
    whole = entangled(maps, groups, 2.0, normalize, memory=2**30)
    (slope,) = torch.autograd.grad(whole.value.square().sum(), maps)
    for memory in (0, 2_000, 9_000, 30_000):
        with Largest() as largest:
            found = entangled(maps, groups, 2.0, normalize, memory=memory)
            (grad,) = torch.autograd.grad(found.value.square().sum(), maps)
        # Maps and their sides are held whatever the memory; a row of one channel is the least.
        sides = 4 * 19 * 3 * 8
        assert largest.bytes <= max(memory, sides), memory
        assert_close(found.value, whole.value, rtol=1e-12, atol=1e-12)
        assert_close(grad, slope, rtol=1e-11, atol=1e-12)
        with torch.no_grad():
            assert_close(
                entangled(maps, groups, 2.0, normalize, memory=memory).value, whole.value, rtol=1e-12, atol=1e-12
            )
    assert (found.counted, found.alone) == (18, 1)


def test_maps_stay_as_they_were_and_order_does_not_matter():
    maps, groups = some_maps(20, 3, 2, 2), torch.arange(20) % 3
    copy, order = maps.clone(), torch.randperm(20, generator=torch.Generator().manual_seed(1))
    found = snnl(maps, groups)
    assert torch.equal(maps, copy)
    assert_close(snnl(maps[order], groups[order]), found, rtol=1e-12, atol=0)
    assert_close(snnl(maps, (groups + 1) % 3 * 10), found, rtol=1e-12, atol=0)
    assert_close(snnl(maps.to(memory_format=torch.channels_last), groups.to(torch.int8)), found, rtol=1e-12, atol=0)
    with torch.inference_mode():
        assert torch.equal(snnl(maps, groups), found)


def test_normalised_maps_at_2_are_the_cosine_distance_at_1_and_length_does_not_matter():
    maps, groups = some_maps(10, 3, 4), torch.arange(10) % 2
    unit = maps / maps.norm(dim=-1, keepdim=True)
    assert_close(snnl(unit, groups, 2.0, False), snnl(maps, groups), rtol=1e-12, atol=0)
    lengths = torch.logspace(-200, 200, 10, dtype=torch.float64)[:, None, None]
    assert_close(snnl(maps * lengths, groups), snnl(maps, groups), rtol=1e-12, atol=0)


def test_what_is_not_finite_shows_in_its_channel_only():
    for bad in (torch.nan, torch.inf):
        for normalize in (True, False):
            maps = some_maps(6, 3, 2)
            maps[5, 1, 0] = bad
            assert snnl(maps, torch.arange(6) % 2, 2.0, normalize).isnan().tolist() == [False, True, False]


def test_nobody_with_a_partner_is_refused():
    with pytest.raises(DataError, match=r"2 samples of known group, and no two of the same: .*\(1 more are of unknown"):
        snnl(torch.zeros(3, 2), torch.tensor([0, -1, 1]))
    with pytest.raises(DataError, match=r"0 samples of known group.*\n  Take larger batches"):
        snnl(torch.zeros(2, 2), torch.tensor([-1, -1]))


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (torch.zeros(4), r"maps are torch.float32 of shape \(4,\), but floating-point maps \(N, K"),
        (torch.zeros(4, 2, dtype=torch.int64), r"maps are torch.int64 of shape \(4, 2\)"),
        (torch.zeros(4, 0, 3), r"of shape \(4, 0, 3\), but .* with something in them"),
        (torch.zeros(0, 2), r"of shape \(0, 2\)"),
        (torch.zeros(4, 2, 0), r"of shape \(4, 2, 0\)"),
    ],
)
def test_maps_have_to_be_maps(maps, words):
    with pytest.raises(DataError, match=words):
        snnl(maps, torch.zeros(len(maps), dtype=torch.int64))


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (torch.zeros(3, dtype=torch.int64), r"shape \(3,\), but one integer for each of 4 samples"),
        (torch.zeros(4, 1, dtype=torch.int64), r"shape \(4, 1\)"),
        (torch.zeros(4), r"groups are torch.float32"),
        (torch.zeros(4, dtype=torch.bool), r"groups are torch.bool"),
        (torch.tensor([0, 0, -2, 1]), r"a group is -2, but groups count from 0, and -1 means unknown"),
    ],
)
def test_groups_have_to_be_whole_numbers_one_for_each_sample(groups, words):
    with pytest.raises(DataError, match=words):
        snnl(torch.zeros(4, 2), groups)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_the_temperature_is_above_0(temperature):
    with pytest.raises(ConfigError, match=rf"temperature is {temperature}, but a finite number above 0"):
        snnl(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), temperature)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_is_the_same():
    maps, groups = some_maps(64, 8, 2, 2), torch.arange(64) % 3
    for how in HOWS:
        found = entangled(maps.cuda(), groups, *how)
        assert found.value.is_cuda
        assert_close(found.value.cpu(), snnl(maps, groups, *how), rtol=1e-10, atol=1e-10)
        assert torch.equal(snnl(maps.cuda(), groups.cuda(), *how), found.value)
