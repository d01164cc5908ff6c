import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.errors import ModelError
from fairshrink.maths import powers
from fairshrink.maths.powers import BOUNDARIES, check_weights, nearest_power, window_of
from oracles.codebooks import exponents_of, nearest_by_trying, window_by_trying

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
ROUNDINGS = st.sampled_from(sorted(BOUNDARIES))


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Bit by bit, so that -0.0 is not 0.0."""
    return a.dtype == b.dtype and a.shape == b.shape and a.equal(b) and a.signbit().equal(b.signbit())


@st.composite
def weights(draw: st.DrawFn) -> torch.Tensor:
    """Weights over the whole range of a dtype, subnormals and zeros of both signs too."""
    dtype = draw(st.sampled_from(DTYPES))
    low, high = exponents_of(dtype)
    near = draw(st.booleans())
    size = st.floats(0.5, 1, exclude_max=True).flatmap(
        lambda m: st.integers(*((-12, 3) if near else (low + 1, high))).map(lambda n: math.ldexp(m, n))
    )
    values = draw(st.lists(st.tuples(st.sampled_from([-1.0, 1.0]), size | st.just(0.0)), min_size=1, max_size=6))
    return torch.tensor([sign * value for sign, value in values], dtype=torch.float64).to(dtype)


@settings(max_examples=30, deadline=None)
@given(w=weights(), rounding=ROUNDINGS)
def test_any_exponent_equals_trying_every_level(w, rounding):
    assert _same(nearest_power(w, rounding), nearest_by_trying(w, rounding, None))


@settings(max_examples=30, deadline=None)
@given(w=weights(), rounding=ROUNDINGS, n1=st.integers(-20, 6), count=st.integers(0, 9))
def test_a_window_equals_trying_every_level(w, rounding, n1, count):
    if exponents_of(w.dtype)[0] > n1 - count:
        count = 0
    window = (n1, n1 - count)
    assert _same(nearest_power(w, rounding, window), nearest_by_trying(w, rounding, window))


@settings(max_examples=30, deadline=None)
@given(w=weights().filter(lambda w: bool(w.any())), bits=st.integers(2, 9))
def test_the_window_equals_trying_every_power(w, bits):
    assert window_of(w, bits) == window_by_trying(w, bits)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rounding", sorted(BOUNDARIES))
def test_the_neighbours_of_each_boundary_fall_to_its_two_sides(dtype, rounding):
    low, high = exponents_of(dtype)
    exponents = torch.arange(max(low + 12, -1000), high, 1 if high < 20 else 7).double()
    border = torch.exp2(exponents).mul(math.sqrt(2) if rounding == "log" else 1.5).to(dtype)
    below, above = (torch.nextafter(border, border * end) for end in (0, 2))
    assert nearest_power(below, rounding).double().equal(torch.exp2(exponents))
    assert nearest_power(above, rounding).double().equal(torch.exp2(exponents + 1))
    parts = [Fraction(value) / Fraction(2) ** int(n) for value, n in zip(border.tolist(), exponents, strict=True)]
    up = torch.tensor([part**2 > 2 if rounding == "log" else part >= Fraction(3, 2) for part in parts])
    assert nearest_power(border, rounding).double().equal(torch.exp2(exponents + up))


@pytest.mark.parametrize("rounding", sorted(BOUNDARIES))
def test_half_the_smallest_level_goes_up_and_its_neighbour_to_zero(rounding):
    half = torch.tensor([2.0**-5, -(2.0**-5)], dtype=torch.float64)
    assert _same(nearest_power(half, rounding, (0, -4)), 2 * half)
    assert _same(nearest_power(half * (1 - 2**-53), rounding, (0, -4)), torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rounding", sorted(BOUNDARIES))
def test_the_ends_of_a_type_stay_finite_and_are_found_again(dtype, rounding):
    low, high = exponents_of(dtype)
    info = torch.finfo(dtype)
    ends = torch.tensor([info.max, -info.max, 2.0**low, -(2.0**low)], dtype=dtype)
    expected = torch.tensor([2.0**high, -(2.0**high), 2.0**low, -(2.0**low)], dtype=dtype)
    assert _same(nearest_power(ends, rounding), expected)
    assert _same(nearest_power(expected, rounding), expected)
    assert window_of(ends, 3) == window_of(expected, 3) == (high, high - 1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_windows_outside_a_type_neither_overflow_nor_fail(dtype):
    low, high = exponents_of(dtype)
    w = torch.tensor([1.0, -1.0, 0.0, 2.0**low], dtype=dtype)
    largest = torch.tensor([2.0**high, -(2.0**high)], dtype=dtype)
    assert _same(nearest_power(w, "log", (9000, 8000)), torch.zeros(4, dtype=dtype))
    assert _same(nearest_power(w, "log", (high + 5, 1))[:2], 2 * w[:2])
    assert _same(nearest_power(largest, "log", (high + 5, 1)), largest)
    assert _same(nearest_power(w, "log", (-8000, -9000)), torch.zeros(4, dtype=dtype))
    assert _same(nearest_power(w, "log", (0, -9000)), w)
    tiny = torch.tensor([2.0**low], dtype=dtype)
    assert window_of(tiny, 16) == (low, low + 1 - 2**14)
    assert _same(nearest_power(tiny, "linear", window_of(tiny, 16)), tiny)


def test_large_layers_are_rounded_piece_by_piece(monkeypatch):
    w = torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.contiguous_format)
    whole = nearest_power(w, "log", (0, -3))
    monkeypatch.setattr(powers, "_TOGETHER", 4)
    assert _same(nearest_power(w, "log", (0, -3)), whole)


def test_layout_and_gradients_of_the_weights_play_no_part():
    w = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    found = nearest_power(w, "log")
    assert not found.requires_grad
    assert _same(found, nearest_power(w.detach().contiguous(), "log"))
    assert nearest_power(torch.zeros(0, 3), "log").shape == (0, 3)
    assert nearest_power(torch.tensor(3.0), "log").equal(torch.tensor(4.0))


def test_weights_without_a_nearest_level_are_refused():
    with pytest.raises(ModelError, match=r"the weights of 'fc': 2 of 3 are NaN or infinite.*\n.*lower lr"):
        check_weights(torch.tensor([1.0, float("nan"), float("inf")]), "fc")
    for call in (lambda w: nearest_power(w, "log"), lambda w: window_of(w, 3)):
        with pytest.raises(ModelError, match="the weights: 1 of 1 are NaN or infinite"):
            call(torch.tensor([-float("inf")]))
        with pytest.raises(ModelError, match="the weights are torch.int64, but only floating-point"):
            call(torch.tensor([1]))


def test_a_window_needs_a_weight():
    with pytest.raises(
        ModelError, match="'fc': all 4 weights are 0, so that no window of 5 bits.*\n.*Leave its layer as it is"
    ):
        window_of(torch.zeros(2, 2), 5, "fc")
