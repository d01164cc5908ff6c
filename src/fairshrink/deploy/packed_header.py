"""What a packed file says about itself, in the metadata of its safetensors header; checked before anything is unpacked."""

import hashlib
import json
from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from fairshrink.deploy.layouts import DTYPES, Layout, bits_of
from fairshrink.deploy.marks import Count

KEY = "fairshrink_packed"
VERSION = 1
STRETCH = 1 << 20  # numbers that are packed together: their temporary arrays are small, and threads share a tensor
LARGEST = 1 << 31  # bytes: what a file may unpack to however small it is
MOST_TIMES = 64  # times its size: what it may unpack to where that is more
NEWER = "It was written by another version of fairshrink: install that, or pack the model again"
Form = tuple[str, list[int]]  # a stored tensor's type, as safetensors calls it, and its shape


class Entry(BaseModel):
    """One tensor of a model.

    Attributes:
        dtype: Its type, as safetensors calls it.
        shape: Its shape.
        pruned: How many of its weights are fixed at 0.
        quantised: How many are fixed at other values.
        levels: How many different powers of two those are.
        stored: The type in which it is stored as it is; None: it is stored as bytes, stretch after stretch.
        layouts: How each stretch of its numbers lies there; the numbers in a row, the last index fastest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    dtype: Literal["F16", "BF16", "F32", "F64", "I64"]
    shape: Annotated[tuple[Count, ...], Field(max_length=8)]
    pruned: Count = 0
    quantised: Count = 0
    levels: Count = 0
    stored: str | None = None
    layouts: tuple[Layout, ...] = ()

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    def check(self, stretch: int) -> None:
        """Raise ValueError unless all this can be meant together."""
        if self.pruned + self.quantised > self.numel:
            raise ValueError(f"{self.pruned + self.quantised:,} of its {self.numel:,} weights cannot be fixed")
        if self.stored is not None:
            if self.stored != self.dtype and (self.stored != "F16" or self.dtype == "I64"):
                raise ValueError(f"a tensor of type {self.dtype} cannot be stored as {self.stored!r}")
            return
        if len(self.layouts) != (needed := -(-self.numel // stretch)):
            raise ValueError(f"it has {needed:,} stretches, but {len(self.layouts):,} are described")
        for layout, (begin, end) in zip(self.layouts, self.stretches(stretch), strict=True):
            layout.check(end - begin, self.dtype)

    def stretches(self, stretch: int) -> list[tuple[int, int]]:
        """Where each stretch of its numbers begins and ends."""
        return [(at, min(at + stretch, self.numel)) for at in range(0, self.numel, stretch)]

    def sizes(self, stretch: int) -> list[int]:
        """Bytes of each stretch."""
        ends = zip(self.layouts, self.stretches(stretch), strict=True)
        return [sum(layout.sizes(end - begin)) for layout, (begin, end) in ends]

    def form(self, stretch: int) -> Form:
        """What the file holds for this tensor."""
        return ("U8", [sum(self.sizes(stretch))]) if self.stored is None else (self.stored, list(self.shape))


class Description(BaseModel):
    """What a packed file says about itself.

    Attributes:
        version: Of the format.
        stretch: How many numbers are packed together.
        card: How the model is used; None: the weights alone.
        tensors: Every tensor of the model's state by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    version: Literal[1]
    stretch: Annotated[int, Field(ge=1, le=1 << 32)]
    card: dict[str, Any] | None = None
    tensors: dict[str, Entry]


def metadata(about: Description, stored: Mapping[str, Tensor]) -> dict[str, str]:
    """What goes into the header: one entry, because safetensors writes several in any order."""
    text = about.model_dump_json(exclude_defaults=True)
    return {KEY: f"{digest(text, stored)} {text}"}


def digest(text: str, stored: Mapping[str, Tensor]) -> str:
    """SHA-256 of the description and of the stored bytes in the order of their names."""
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name in sorted(stored):
        found.update(bits_of(stored[name]).data)
    return found.hexdigest()


def parse(entry: str, size: int) -> tuple[str, str, Description]:
    """The digest, the text and the description from the header's entry.

    Args:
        entry: What stands in the metadata.
        size: Bytes of the file.

    Raises:
        ValueError: It is none of ours, of another version, or speaks of more than such a file can hold.
    """
    written, _, text = entry.partition(" ")
    version = _version(text)
    if version != VERSION:
        raise ValueError(f"its format is version {str(version)[:40]!r}, but {VERSION} is known. {NEWER}")
    try:
        about = Description.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:200]
        raise ValueError(f"its description cannot be understood: {where!r}: {first['msg']}") from error
    for name, tensor in about.tensors.items():
        try:
            tensor.check(about.stretch)
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from error
    unpacked = sum(tensor.numel * DTYPES[tensor.dtype].itemsize for tensor in about.tensors.values())
    if unpacked > max(LARGEST, MOST_TIMES * size):
        raise ValueError(f"it would unpack to {unpacked / 1e9:,.1f} GB, more than a file of {size:,} bytes may")
    return written, text, about


def _version(text: str) -> object:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("its description is no JSON") from error
    return read.get("version") if isinstance(read, dict) else None
