"""What a model's file holds: which weights are pruned, quantised and free, and in how many bits they are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2, prod
from pathlib import Path

from torch import Tensor

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.encode import NAMES, kinds, levels_in_use
from fairshrink.deploy.layouts import DTYPES, bits_of
from fairshrink.deploy.packed import read_packed
from fairshrink.deploy.packed_header import Description, Entry

OTHERS = "other tensors"


@dataclass(frozen=True)
class Row:
    """One tensor, or several together.

    Attributes:
        name: Its name.
        shape: Its shape.
        dtype: Its type, as safetensors calls it.
        weights: How many numbers it has.
        pruned: How many are fixed at 0.
        quantised: How many are fixed at other values.
        levels: How many different powers of two those are; None where that does not apply.
        stored: Bytes in the file.
        theory: Bits that it needs: `theoretical_bits`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    weights: int
    pruned: int
    quantised: int
    levels: int | None
    stored: int
    theory: float

    @property
    def free(self) -> int:
        """How many are not fixed."""
        return self.weights - self.pruned - self.quantised

    @property
    def bits(self) -> float:
        """Bits a weight, as stored."""
        return 8 * self.stored / max(self.weights, 1)


@dataclass(frozen=True)
class Inspected:
    """A model's file.

    Attributes:
        path: Which.
        packed: Whether it is a packed one.
        size: Bytes on the disk.
        rows: Every tensor of the model's state.
        notes: What else is worth knowing.
    """

    path: Path
    packed: bool
    size: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def full(self) -> int:
        """Bytes of the numbers alone as fp32, counters as whole numbers of eight bytes."""
        return sum(row.weights * (8 if row.dtype == "I64" else 4) for row in self.rows)

    @property
    def theory(self) -> float:
        """Bytes that all tensors need."""
        return sum(row.theory for row in self.rows) / 8


def theoretical_bits(pruned: int, quantised: int, free: int, levels: int, width: int) -> float:
    """Bits that a tensor needs if its weights are in no order: which are what, a code for a level, and the rest as it is.

    N H(p, q, f) + Nq log2(levels) + Nf width, with H the entropy in bits of the three shares. It is no bound where zeros
    or levels come in a pattern, or where the free weights fit into a narrower type.

    Args:
        pruned: How many are 0 and fixed.
        quantised: How many are fixed at one of the levels.
        free: All others.
        levels: How many different ones there are.
        width: Bits of a free weight.
    """
    length = pruned + quantised + free
    which = -sum(count * log2(count / length) for count in (pruned, quantised, free) if count)
    return which + quantised * log2(max(levels, 1)) + free * width


def inspect_packed(path: Path) -> Inspected:
    """Read a packed file, and check all of it.

    Raises:
        ModelError: It is missing, damaged or none of ours.
    """
    about = read_packed(path).about
    rows = tuple(_packed_row(name, entry, about) for name, entry in about.tensors.items())
    return Inspected(path, True, path.stat().st_size, rows)


def inspect_weights(path: Path, weights: Mapping[str, Tensor], frozen: Frozen | None) -> Inspected:
    """What the weights of a file are that is not packed.

    Args:
        path: The file.
        weights: What was read from it.
        frozen: Which of them are fixed; None: nobody wrote that down.
    """
    record = frozen or Frozen()
    rows = tuple(_row(name, tensor, record.mask.get(name)) for name, tensor in weights.items())
    notes = []
    if frozen is None:
        zeros = sum(int((tensor == 0).sum()) for tensor in weights.values() if tensor.is_floating_point())
        notes = [f"no frozen.safetensors lies beside it, so that nothing counts as fixed; {zeros:,} weights are 0"]
    return Inspected(path, False, path.stat().st_size, rows, tuple(notes))


def in_short(rows: tuple[Row, ...]) -> list[Row]:
    """Every tensor with two dimensions or something fixed; the biases, norms and counters together."""
    shown = [row for row in rows if len(row.shape) > 1 or row.pruned or row.quantised]
    others = [row for row in rows if row not in shown]
    return shown + ([together(f"{len(others)} {OTHERS}", others)] if others else [])


def together(name: str, rows: Sequence[Row]) -> Row:
    """Several tensors as one."""
    return Row(
        name,
        shape=(),
        dtype="",
        weights=sum(row.weights for row in rows),
        pruned=sum(row.pruned for row in rows),
        quantised=sum(row.quantised for row in rows),
        levels=None,
        stored=sum(row.stored for row in rows),
        theory=sum(row.theory for row in rows),
    )


def _packed_row(name: str, entry: Entry, about: Description) -> Row:
    stored = DTYPES[entry.stored].itemsize * entry.numel if entry.stored else sum(entry.sizes(about.stretch))
    return _counted(name, (entry.shape, entry.dtype), (entry.pruned, entry.quantised), entry.levels, stored)


def _row(name: str, tensor: Tensor, fixed: Tensor | None) -> Row:
    form = tuple(tensor.shape), NAMES[tensor.dtype]
    if fixed is None:
        return _counted(name, form, (0, 0), 0, tensor.nbytes)
    pruned = int((fixed & (tensor == 0)).sum())
    found = kinds(bits_of(tensor), fixed.reshape(-1).numpy(), form[1])
    levels = len(levels_in_use(found, found.coded))
    return _counted(name, form, (pruned, int(fixed.sum()) - pruned), levels, tensor.nbytes)


def _counted(name: str, form: tuple[tuple[int, ...], str], fixed: tuple[int, int], levels: int, stored: int) -> Row:
    shape, dtype = form
    weights, width = prod(shape), 8 * DTYPES[dtype].itemsize
    pruned, quantised = fixed
    free = weights - pruned - quantised
    # Fixed weights that are no powers of two are stored as they are.
    bits = theoretical_bits(pruned, quantised, free, levels, width) if levels or not quantised else width * weights
    return Row(name, shape, dtype, weights, pruned, quantised, levels if quantised else None, stored, bits)
