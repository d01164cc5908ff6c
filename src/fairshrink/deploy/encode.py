"""Which layout takes the fewest bytes for a stretch of numbers, and the bytes that are then stored."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fairshrink.deploy import marks
from fairshrink.deploy.bits import Array, Bytes, pack
from fairshrink.deploy.layouts import DTYPES, Layout, bits_of, from_bits
from fairshrink.deploy.marks import Mask

NAMES = {dtype: name for name, dtype in DTYPES.items()}
FRACTION = {"F16": 10, "BF16": 7, "F32": 23, "F64": 52}  # bits below the exponent
A_LOOK = 4096  # numbers that nearly always decide whether fp16 holds them all


class Kinds(NamedTuple):
    """What some numbers are.

    Attributes:
        bits: Each number's bits as a whole number, (N,).
        zero: Which are +0.0, (N,).
        coded: Which are fixed at a power of two, (N,).
        dtype: Their type, as safetensors calls it.
    """

    bits: Array
    zero: Mask
    coded: Mask
    dtype: str


class _Parts(NamedTuple):
    zeros: Mask | None
    free: Mask | None  # among those that `zeros` leaves
    coded: Mask  # among all


def kinds(bits: Array, fixed: Mask | None, dtype: str) -> Kinds:
    """Sort finite floating-point numbers, given as bits, (N,); subnormal powers of two are no codes."""
    if fixed is None:
        return Kinds(bits, bits == 0, np.zeros(len(bits), dtype=np.bool_), dtype)
    below = (1 << FRACTION[dtype]) - 1
    above = (1 << (8 * bits.itemsize - 1)) - 1 - below
    return Kinds(bits, bits == 0, (bits & below == 0) & (bits & above != 0) & fixed, dtype)


def levels_in_use(found: Kinds, coded: Mask) -> Array:
    """The different numbers among those that are marked, all of them powers of two or 0, as bits."""
    used = np.flatnonzero(np.bincount(_exponents(found.bits[coded], found.dtype)))
    unsigned = used.astype(f"u{found.bits.itemsize}") << FRACTION[found.dtype]
    return unsigned.view(found.bits.dtype)


def encode(found: Kinds) -> tuple[Layout, Bytes]:
    """The layout of fewest bytes and its pieces, one after the other."""
    length = len(found.bits)
    possible = [(_layout(found, parts), parts) for parts in _possible(found)]
    layout, parts = min(possible, key=lambda pair: sum(pair[0].sizes(length)))
    return layout, np.concatenate(_pieces(found, layout, parts))


def narrowest(tensor: Tensor) -> Tensor:
    """The tensor as fp16 where every number comes back from it bit for bit, else as it is."""
    if tensor.dtype not in (torch.float32, torch.float64):
        return tensor
    lossless = _comes_back(tensor.reshape(-1)[:A_LOOK]) and _comes_back(tensor)
    return tensor.half() if lossless else tensor


def _comes_back(tensor: Tensor) -> bool:
    return np.array_equal(bits_of(tensor.half().to(tensor.dtype)), bits_of(tensor))


def _possible(found: Kinds) -> Iterator[_Parts]:
    """All as it is; zeros apart and powers of two as codes; zeros apart, all else as it is; zeros as one more code."""
    zero, coded = found.zero, found.coded
    yield _Parts(None, None, np.zeros_like(coded))
    some_zero, some_coded = bool(zero.any()), bool(coded.any())
    apart = zero if some_zero else None
    if some_coded:
        for some in _commonest(found):
            yield _Parts(apart, _some(~some if apart is None else ~some[~zero]), some)
    if some_zero:
        yield _Parts(apart, None, np.zeros_like(coded))
    if some_zero and some_coded:
        yield _Parts(None, _some(~(coded | zero)), coded | zero)


def _commonest(found: Kinds) -> Iterator[Mask]:
    """All that is coded; then only the commonest levels, one bit or two fewer: rare ones make every code longer."""
    yield found.coded
    exponents = _exponents(found.bits, found.dtype)
    counts = np.bincount(exponents[found.coded], minlength=1 << 16)
    width = (int(np.count_nonzero(counts)) - 1).bit_length()
    for fewer in range(max(width - 1, 0), max(width - 3, 0), -1):
        kept = np.zeros(len(counts), dtype=np.bool_)
        kept[np.argsort(-counts, kind="stable")[: 1 << fewer]] = True
        yield found.coded & kept[exponents]


def _some(mask: Mask) -> Mask | None:
    return mask if mask.any() else None


def _layout(found: Kinds, parts: _Parts) -> Layout:
    return Layout(
        zeros=None if parts.zeros is None else marks.smallest(parts.zeros),
        free=None if parts.free is None else marks.smallest(parts.free),
        levels=tuple(from_bits(levels_in_use(found, parts.coded), found.dtype).double().tolist()),
        raw=NAMES[narrowest(_raw(found, parts)).dtype],
    )


def _pieces(found: Kinds, layout: Layout, parts: _Parts) -> list[Bytes]:
    pieces = [bits_of(_raw(found, parts).to(DTYPES[layout.raw])).view(np.uint8)]
    if layout.width:
        pieces.insert(0, pack(_codes(found, parts.coded), layout.width))
    if layout.free and parts.free is not None:
        pieces.insert(0, marks.write(parts.free, layout.free))
    if layout.zeros and parts.zeros is not None:
        pieces.insert(0, marks.write(parts.zeros, layout.zeros))
    return pieces


def _raw(found: Kinds, parts: _Parts) -> Tensor:
    """The numbers that are stored as they are."""
    stays = ~parts.coded if parts.zeros is None else ~(parts.coded | parts.zeros)
    return from_bits(found.bits[stays], found.dtype)


def _codes(found: Kinds, coded: Mask) -> NDArray[np.uint16]:
    levels = levels_in_use(found, coded)
    numbers = np.zeros(1 << 16, dtype=np.uint16)
    numbers[_exponents(levels, found.dtype)] = np.arange(len(levels))
    return numbers[_exponents(found.bits[coded], found.dtype)]


def _exponents(bits: Array, dtype: str) -> NDArray[np.uint16]:
    """Sign and exponent, which tell powers of two and 0 apart."""
    unsigned = bits.view(f"u{bits.itemsize}")
    return (unsigned >> FRACTION[dtype]).astype(np.uint16)
