"""How a stretch of a tensor's numbers lies in a packed file: zeros apart, powers of two as codes, the rest as it is."""

from typing import Annotated

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from fairshrink.deploy import marks
from fairshrink.deploy.bits import Array, Bytes, size_of, unpack
from fairshrink.deploy.marks import Marks

DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
WHOLE_NUMBERS = {
    1: torch.uint8,
    2: torch.int16,
    4: torch.int32,
    8: torch.int64,
}  # by bytes: the same bits as a whole number
Level = Annotated[float, Field(allow_inf_nan=False)]


class Layout(BaseModel):
    """How numbers were cut into pieces, which follow each other: zeros, free, codes, raw.

    Attributes:
        zeros: Which are 0 and stand nowhere else; None: none is.
        free: Which of the others are stored as they are; None: none where there are levels, else all.
        levels: What the codes mean: code k is levels[k]. Without levels there are no codes.
        raw: The type in which the free ones are stored: the tensor's, or F16 where that loses nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    zeros: Marks | None = None
    free: Marks | None = None
    levels: Annotated[tuple[Level, ...], Field(max_length=1 << 13)] = ()
    raw: str

    @property
    def width(self) -> int:
        """Bits of a code; 0 where there is only one level."""
        return max(len(self.levels) - 1, 0).bit_length()

    def counts(self, length: int) -> tuple[int, int]:
        """How many of this many numbers are codes, and how many are stored as they are."""
        rest = length - (self.zeros.count if self.zeros else 0)
        if self.free is not None:
            return rest - self.free.count, self.free.count
        return (rest, 0) if self.levels else (0, rest)

    def sizes(self, length: int) -> tuple[int, int, int, int]:
        """Bytes of the four pieces."""
        coded, free = self.counts(length)
        return (
            self.zeros.size(length) if self.zeros else 0,
            self.free.size(coded + free) if self.free else 0,
            size_of(coded, self.width),
            free * DTYPES[self.raw].itemsize,
        )

    def check(self, length: int, dtype: str) -> None:
        """Raise ValueError unless this many numbers of this type can lie like this."""
        if not DTYPES[dtype].is_floating_point or self.raw not in (dtype, "F16"):
            raise ValueError(f"a tensor of type {dtype} cannot be stored with {self.raw!r}")
        coded, free = self.counts(length)
        if min(coded, free) < 0 or (coded and not self.levels):
            raise ValueError(
                f"{length:,} numbers cannot be {coded:,} codes of {len(self.levels)} levels and {free:,} others"
            )
        if len(set(self.levels)) < len(self.levels) or not torch.equal(
            _table(self, dtype).double(), _table(self, "F64")
        ):
            raise ValueError(f"its levels are not different numbers of the type {dtype}")


def decode(layout: Layout, content: Bytes, length: int, dtype: str) -> Array:
    """The bits of the numbers, (length,), from as many bytes as the layout says.

    Raises:
        ValueError: The bytes do not fit the layout.
    """
    zeros, free, codes, raw = np.split(content, np.cumsum(layout.sizes(length)[:-1]))
    values = _others(layout, (free, codes, raw), length, dtype)
    if layout.zeros is None:
        return values
    found = np.zeros(length, dtype=values.dtype)
    found[~marks.read(zeros, layout.zeros, length)] = values
    return found


def bits_of(tensor: Tensor) -> Array:
    """The bits of a tensor's numbers as whole numbers, (N,)."""
    return tensor.detach().contiguous().view(WHOLE_NUMBERS[tensor.dtype.itemsize]).reshape(-1).numpy()


def from_bits(bits: Array, dtype: str) -> Tensor:
    """The numbers, (N,), that have these bits."""
    return torch.from_numpy(bits).view(DTYPES[dtype])


def _others(layout: Layout, pieces: tuple[Bytes, Bytes, Bytes], length: int, dtype: str) -> Array:
    """All but the zeros that are apart."""
    free, codes, raw = pieces
    coded, count = layout.counts(length)
    if not count:
        return _codes(layout, codes, coded, dtype)
    kept = torch.from_numpy(raw.copy()).view(DTYPES[layout.raw])  # bytes of the file may lie at odd places
    as_they_are = bits_of(kept.to(DTYPES[dtype]))
    if layout.free is None:
        return as_they_are
    is_free = marks.read(free, layout.free, coded + count)
    values = np.empty(coded + count, dtype=as_they_are.dtype)
    values[is_free] = as_they_are
    values[~is_free] = _codes(layout, codes, coded, dtype)
    return values


def _codes(layout: Layout, content: Bytes, coded: int, dtype: str) -> Array:
    table = bits_of(_table(layout, dtype))
    if not layout.width:
        return np.full(coded, table[0] if len(table) else 0, dtype=table.dtype)
    try:
        return unpack(content, layout.width, coded, table)
    except IndexError as error:
        raise ValueError(f"a code is out of range: there are {len(table)} levels") from error


def _table(layout: Layout, dtype: str) -> Tensor:
    return torch.tensor(layout.levels, dtype=torch.float64).to(DTYPES[dtype])
