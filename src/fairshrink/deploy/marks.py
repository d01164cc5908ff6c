"""Which places of a row are marked, as a bitmap or, where that takes clearly fewer bytes, as the lengths of runs."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from fairshrink.deploy.bits import WIDEST, Bytes, pack, size_of, unpack

Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]
Count = Annotated[int, Field(ge=0, le=1 << 48)]
Width = Annotated[int, Field(ge=1, le=WIDEST)]
LONG = 1 << 16  # Runs from here on are counted as this long while the width is chosen.


class Runs(BaseModel):
    """The lengths of runs, each less 1: those of the places without a mark, then those of the marked ones.

    A number that is all ones means that the run is that much longer and goes on in the next number.

    Attributes:
        begins: Whether the first run is marked.
        widths: Bits of the numbers without a mark, and of the marked ones.
        numbers: How many numbers there are of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    begins: bool
    widths: tuple[Width, Width]
    numbers: tuple[Count, Count]

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the two kinds of runs."""
        (off, on), (width_off, width_on) = self.numbers, self.widths
        return size_of(off, width_off), size_of(on, width_on)


class Marks(BaseModel):
    """How it is stored which places are marked.

    Attributes:
        count: How many are marked.
        runs: None: a bitmap, one bit a place, the first place in the highest bit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    count: Count
    runs: Runs | None = None

    def size(self, length: int) -> int:
        """Bytes for this many places."""
        return size_of(length, 1) if self.runs is None else sum(self.runs.sizes)


def smallest(mask: Mask) -> Marks:
    """The way that takes fewer bytes; runs only where they save an eighth, because they take several times as long to read."""
    count = int(mask.sum())
    plain = Marks(count=count)
    if not len(mask):
        return plain
    off, on = _run_lengths(mask)
    widths = _width(off), _width(on)
    numbers = int(_numbers_for(off, widths[0]).sum()), int(_numbers_for(on, widths[1]).sum())
    runs = Marks(count=count, runs=Runs(begins=bool(mask[0]), widths=widths, numbers=numbers))
    return runs if 8 * runs.size(len(mask)) <= 7 * plain.size(len(mask)) else plain


def write(mask: Mask, marks: Marks) -> Bytes:
    """The mask, (N,), as bytes."""
    if marks.runs is None:
        return np.packbits(mask)
    parts = zip(_run_lengths(mask), marks.runs.widths, strict=True)
    return np.concatenate([pack(_numbers(lengths, width), width) for lengths, width in parts])


def read(content: Bytes, marks: Marks, length: int) -> Mask:
    """The mask, (length,), from bytes of the right size.

    Raises:
        ValueError: The bytes are none that `write` makes.
    """
    mask = _expanded(content, marks.runs, length) if marks.runs else np.unpackbits(content, count=length).view(np.bool_)
    if (found := int(mask.sum())) != marks.count:
        raise ValueError(f"{found:,} places are marked, but {marks.count:,} should be")
    return mask


def _run_lengths(mask: Mask) -> tuple[Lengths, Lengths]:
    """Lengths less 1 of the runs without a mark, and of those that are marked."""
    edges = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    lengths = np.diff(edges, prepend=0, append=len(mask)) - 1
    begins = int(mask[0])
    return lengths[begins::2], lengths[1 - begins :: 2]


def _width(lengths: Lengths) -> int:
    """The number of bits at which all the numbers together are shortest."""
    found = np.bincount(np.minimum(lengths, LONG))
    values = np.arange(len(found))
    bits = [width * int((found * _numbers_for(values, width)).sum()) for width in range(1, WIDEST + 1)]
    return 1 + int(np.argmin(bits))


def _numbers_for(lengths: Lengths, width: int) -> Lengths:
    return lengths // ((1 << width) - 1) + 1


def _numbers(lengths: Lengths, width: int) -> NDArray[np.uint16]:
    goes_on = (1 << width) - 1
    ends = _numbers_for(lengths, width).cumsum() - 1
    numbers = np.full(int(ends[-1]) + 1 if len(ends) else 0, goes_on, dtype=np.uint16)
    numbers[ends] = lengths % goes_on
    return numbers


def _expanded(content: Bytes, runs: Runs, length: int) -> Mask:
    cut = runs.sizes[0]
    packed = zip((content[:cut], content[cut:]), runs.widths, runs.numbers, strict=True)
    off, on = (_lengths(part, width, numbers) for part, width, numbers in packed)
    first, second = (on, off) if runs.begins else (off, on)
    if not 0 <= len(first) - len(second) <= 1:
        raise ValueError(f"{len(first):,} and {len(second):,} runs cannot take turns")
    if (total := int(first.sum()) + int(second.sum())) != length:
        raise ValueError(f"the runs are {total:,} places long, but {length:,} are expected")
    lengths = np.empty(len(first) + len(second), dtype=np.int64)
    lengths[::2], lengths[1::2] = first, second
    return np.repeat((np.arange(len(lengths)) % 2 == 0) == runs.begins, lengths)


def _lengths(packed: Bytes, width: int, numbers: int) -> Lengths:
    """Lengths of runs from their numbers."""
    found = unpack(packed, width, numbers).astype(np.int64)
    goes_on = found == (1 << width) - 1
    if not goes_on.any():
        return found + 1
    if goes_on[-1]:
        raise ValueError("the last run has no end")
    begins = np.flatnonzero(~goes_on[:-1]) + 1
    return np.add.reduceat(found, np.concatenate([[0], begins])) + 1
