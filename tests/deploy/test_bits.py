import numpy as np
import pytest

from fairshrink.deploy.bits import pack, size_of, unpack


def slow(numbers, width):
    """Every bit by itself, the highest first."""
    bits = [(int(number) >> (width - 1 - place)) & 1 for number in numbers for place in range(width)]
    return np.packbits(np.array(bits, dtype=np.uint8))


@pytest.mark.parametrize("width", range(1, 17))
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 64, 203])
def test_numbers_are_packed_bit_by_bit_and_come_back(width, count):
    numbers = np.random.default_rng(width).integers(0, 1 << width, count)
    packed = pack(numbers, width)
    assert len(packed) == size_of(count, width)
    assert np.array_equal(packed, slow(numbers, width))
    assert np.array_equal(unpack(packed, width, count), numbers)


@pytest.mark.parametrize("count", [3, 16, 21])
def test_a_table_gives_its_entries(count):
    numbers = np.random.default_rng(0).integers(0, 5, count)
    table = np.array([7, -2, 0, 1 << 30, -5], dtype=np.int32)
    found = unpack(pack(numbers, 3), 3, count, table)
    assert found.dtype == np.int32
    assert np.array_equal(found, table[numbers])


@pytest.mark.parametrize("place", [0, 20])
def test_a_number_behind_the_table_is_an_error(place):
    numbers = np.zeros(21, dtype=np.int64)
    numbers[place] = 5
    with pytest.raises(IndexError):
        unpack(pack(numbers, 3), 3, 21, np.arange(5))
