"""Counting random numbers: the published sequence, a twin in Python's integers, and no dependence on the batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.data.draws import Draws, counted, mix

WORD = 2**64


def mix_slowly(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % WORD
    return value ^ (value >> 31)


def test_counting_gives_the_published_splitmix64_sequence():
    first = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert counted(np.array([1234567], dtype=np.uint64), 4)[0].tolist() == first


@given(st.integers(0, WORD - 1))
def test_mix_equals_its_twin(value):
    assert int(mix(np.array([value], dtype=np.uint64))[0]) == mix_slowly(value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.integers(0, 19))
def test_a_draw_does_not_depend_on_its_neighbours(seed, indices, at):
    at %= len(indices)
    together = Draws(seed, np.array(indices)).bell("radius", 2, 3)
    alone = Draws(seed, np.array(indices[at : at + 1])).bell("radius", 2, 3)
    assert np.array_equal(together[at], alone[0])


@pytest.mark.filterwarnings("error")
def test_draws_have_the_moments_they_state_and_purposes_are_independent():
    draws = Draws(2**63 - 1, np.arange(20_000))
    even, bell, other = draws.even("one"), draws.bell("one"), draws.even("two")
    assert 0 <= even.min() < 0.001 < 0.999 < even.max() < 1
    assert even.mean() == pytest.approx(0.5, abs=0.01)
    assert (bell.mean(), bell.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.02))
    assert np.abs(bell).max() <= 3
    assert abs(np.corrcoef(even, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(even[1:], even[:-1])[0, 1]) < 0.03
