"""Numbers of a few bits each, one after the other without gaps, most significant bit first, as `numpy.packbits` has them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.integer[Any]]
Bytes = NDArray[np.uint8]
WIDEST = 16  # bits a number


def size_of(count: int, width: int) -> int:
    """Bytes that numbers take; the last one is filled up with zeros."""
    return (count * width + 7) // 8


def pack(numbers: Array, width: int) -> Bytes:
    """Numbers below 2 ** width, (N,), as bytes, (ceil(N * width / 8),)."""
    eights = np.zeros((-(-len(numbers) // 8), 8), dtype=np.uint32)
    eights.reshape(-1)[: len(numbers)] = numbers
    rows = np.zeros((len(eights), width), dtype=np.uint8)
    for at in range(8):
        first, last, below = _place(at, width)
        shifted = eights[:, at] << np.uint32(below)
        for byte in range(first, last + 1):
            rows[:, byte] |= (shifted >> np.uint32(8 * (last - byte))).astype(np.uint8)
    return rows.reshape(-1)[: size_of(len(numbers), width)]


def unpack(packed: Bytes, width: int, count: int, table: Array | None = None) -> Array:
    """The numbers, (N,): bytes up to a width of 8, else uint16.

    Args:
        packed: What `pack` made, (ceil(N * width / 8),).
        width: Bits a number, 1 to 16.
        count: N.
        table: Give table[number] in place of each number.

    Raises:
        IndexError: A number is none of the table's.
    """
    numbers = np.empty(count, dtype=(np.uint8 if width <= 8 else np.uint16) if table is None else table.dtype)
    whole, rest = divmod(count, 8)
    rows = packed[: whole * width].reshape(whole, width)
    eights = numbers[: 8 * whole].reshape(whole, 8)
    for at in range(8):
        codes = _column(rows, at, width)
        eights[:, at] = codes if table is None else table.take(codes)
    if rest:
        bits = np.unpackbits(packed[whole * width :], count=rest * width).reshape(rest, width)
        codes = bits @ (1 << np.arange(width)[::-1])
        numbers[8 * whole :] = codes if table is None else table.take(codes)
    return numbers


def _place(at: int, width: int) -> tuple[int, int, int]:
    """Of number `at` of eight: its first byte, its last, and how many bits of that one lie below it."""
    end = (at + 1) * width
    last = (end - 1) // 8
    return at * width // 8, last, 8 * (last + 1) - end


def _column(rows: Bytes, at: int, width: int) -> Array:
    """Number `at` of each row of eight, (n, width) bytes -> (n,)."""
    first, last, below = _place(at, width)
    found: Array = rows[:, first]
    if last > first:
        found = found.astype(np.uint16 if last - first < 2 else np.uint32)
    for byte in range(first + 1, last + 1):
        found = (found << 8) | rows[:, byte]
    return (found >> below) & ((1 << width) - 1)
