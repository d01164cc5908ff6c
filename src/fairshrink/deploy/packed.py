"""Packed files: a model's weights in the bits that they need, and nothing in them that could be executed."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.bits import Bytes
from fairshrink.deploy.card import Card, read_card
from fairshrink.deploy.encode import NAMES, encode, kinds, levels_in_use, narrowest
from fairshrink.deploy.layouts import DTYPES, Layout, bits_of, decode, from_bits
from fairshrink.deploy.packed_header import KEY, STRETCH, VERSION, Description, Entry, digest, metadata, parse
from fairshrink.errors import ModelError
from fairshrink.files import write_bytes
from fairshrink.models.checkpoint import load_into

MOST_CLASSES = 1 << 16
T = TypeVar("T")
AGAIN = "Copy it again, or pack the model again with  fairshrink export --packed."


class Packed(NamedTuple):
    """A packed file that was read and checked.

    Attributes:
        about: What it says about itself.
        weights: The model's state, by name.
    """

    about: Description
    weights: dict[str, Tensor]


def save_packed(path: Path, model: nn.Module, frozen: Frozen, card: Card | None = None) -> Path:
    """Write a model's weights in few bits; every tensor is unpacked again and compared before the file is written.

    >>> save_packed(Path("model.packed.safetensors"), model, frozen)     # doctest: +SKIP

    Args:
        path: The file.
        model: Whose state is written, buffers included.
        frozen: Which weights are fixed: at 0 they are pruned, at powers of two they become codes. All others, and what
            is fixed at other values, are stored as they are.
        card: How the model is used; without it the file can fill a model, but not be predicted with.

    Raises:
        ModelError: The record belongs to another model, or the state holds what cannot be packed (NaN, say).
        StoreError: The file cannot be written.
    """
    frozen.check(model)
    state = model.state_dict()
    fixed = _fixed(state, frozen)
    entries: dict[str, Entry] = {}
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        entries[name], stored[name] = _packed(name, _plain(name, tensor), fixed.get(name))
    about = Description(version=VERSION, stretch=STRETCH, card=card.to_dict() if card else None, tensors=entries)
    return write_bytes(path, safetensors.torch.save(stored, metadata(about, stored)))


def load_packed(path: Path, model: nn.Module) -> None:
    """Fill a model with the weights of a packed file, bit for bit; all of them or none.

    Args:
        path: The file.
        model: Changed in place; keeps its dtype and device.

    Raises:
        ModelError: The file is missing, damaged or none of ours, or its weights are another model's.
    """
    fill(path, model, read_packed(path).weights)


def fill(path: Path, model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put what was read from a packed file into a model; all of it or nothing.

    Raises:
        ModelError: The weights are another model's.
    """
    try:
        load_into(model, weights)
    except ModelError as error:
        raise ModelError(f"'{path}' does not fit the model, which was left as it was: {error}") from error


def read_packed(path: Path) -> Packed:
    """Read, check and unpack a file.

    Raises:
        ModelError: It is missing, damaged or none of ours.
    """
    written, text, about, stored = _contents(Path(path))
    if digest(text, stored) != written:
        raise _damaged(path, "its checksum is not the one that it was written with")
    weights = {}
    for name, entry in about.tensors.items():
        try:
            weights[name] = _unpacked(entry, stored[name], about.stretch)
        except ValueError as error:
            raise _damaged(path, f"{name!r}: {error}") from error
    return Packed(about, weights)


def is_packed(path: Path) -> bool:
    """Whether a file is a packed one, whatever its name; False also for what cannot be read."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except Exception:  # Whatever is wrong with it: who opens it as something else will say so.
        return False


def card_of(path: Path, about: Description) -> Card:
    """How the model of a packed file is used.

    Raises:
        ModelError: The file does not say it, or speaks of classes that its weights do not have.
    """
    if about.card is None:
        raise ModelError(
            f"'{path}' holds weights, but not how they are used (backbone, classes, image size). Pack the model with its card: "
            "fairshrink export --packed  writes it."
        )
    card = read_card(about.card, str(path))
    classes = len(card.classes)
    # Before a network for that many is built.
    if classes > MOST_CLASSES or not any(entry.shape[:1] == (classes,) for entry in about.tensors.values()):
        raise _damaged(path, f"its card names {classes:,} classes, but its weights are not for as many")
    return card


def _fixed(state: dict[str, Any], frozen: Frozen) -> dict[str, Tensor]:
    """The masks, if the weights are what the record says."""
    for name, mask in frozen.mask.items():
        weight = state[name].detach().cpu()
        other = mask.cpu() & (weight != frozen.value[name].to(weight))
        if moved := int(other.sum()):
            raise ModelError(
                f"{moved:,} fixed weights of '{name}' are not at the values of the record: it belongs to another model, or the "
                "model was trained since.\n  Call frozen.apply_(model) first, or give the record that the model was saved with."
            )
    return frozen.mask


def _plain(name: str, tensor: object) -> Tensor:
    """A tensor of the state on the CPU, if it can be packed."""
    if not isinstance(tensor, Tensor) or tensor.dtype not in NAMES or tensor.layout != torch.strided:
        what = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ModelError(
            f"'{name}' cannot be packed: it is {what}, but one of {', '.join(map(str, NAMES))} is expected."
        )
    if not torch.isfinite(tensor).all():
        wrong = int((~torch.isfinite(tensor)).sum())
        raise ModelError(f"'{name}' cannot be packed: {wrong:,} of {tensor.numel():,} values are NaN or infinite.")
    return tensor.detach().cpu().contiguous()


def _packed(name: str, tensor: Tensor, fixed: Tensor | None) -> tuple[Entry, Tensor]:
    """A tensor's entry in the description and what is stored for it, unpacked once to see that it comes back."""
    facts: dict[str, Any] = {"dtype": NAMES[tensor.dtype], "shape": tuple(tensor.shape)}
    if fixed is not None:
        pruned = int((fixed.cpu() & (tensor == 0)).sum())
        facts |= {"pruned": pruned, "quantised": int(fixed.sum()) - pruned}
    stored = narrowest(tensor).clone()
    layouts, content, facts["levels"] = _stretches(tensor, fixed) if tensor.is_floating_point() else ([], None, 0)
    explained = sum(len(layout.model_dump_json()) for layout in layouts)  # which a tensor as it is does not need
    if content is not None and len(content) + explained < stored.nbytes:
        entry, stored = Entry(**facts, layouts=tuple(layouts)), torch.from_numpy(content)
    else:
        entry = Entry(**facts, stored=NAMES[stored.dtype])
    again = _unpacked(entry, stored, STRETCH)
    if again.shape != tensor.shape or not np.array_equal(bits_of(again), bits_of(tensor)):
        raise ModelError(
            f"'{name}' did not come back from its packed form as it was. Nothing was written; please report this."
        )
    return entry, stored


def _stretches(tensor: Tensor, fixed: Tensor | None) -> tuple[list[Layout], Bytes, int]:
    """Layouts, their bytes, and how many different powers of two are fixed."""
    bits = bits_of(tensor)
    marked = None if fixed is None else fixed.cpu().reshape(-1).numpy()

    def one(begin: int) -> tuple[Layout, Bytes, set[int]]:
        here = slice(begin, begin + STRETCH)
        found = kinds(bits[here], None if marked is None else marked[here], NAMES[tensor.dtype])
        return *encode(found), set(levels_in_use(found, found.coded).tolist())

    found = _in_threads(one, range(0, len(bits), STRETCH))
    content = [content for _, content, _ in found]
    levels = set[int]().union(*(levels for _, _, levels in found))
    whole = np.concatenate(content) if content else np.zeros(0, dtype=np.uint8)
    return [layout for layout, _, _ in found], whole, len(levels)


def _unpacked(entry: Entry, stored: Tensor, stretch: int) -> Tensor:
    if entry.stored is not None:
        return stored.to(DTYPES[entry.dtype])
    content, spans = stored.numpy(), entry.stretches(stretch)
    ends = np.cumsum([0, *entry.sizes(stretch)])
    bits = np.empty(entry.numel, dtype=f"i{DTYPES[entry.dtype].itemsize}")

    def one(at: int) -> None:
        begin, end = spans[at]
        bits[begin:end] = decode(entry.layouts[at], content[ends[at] : ends[at + 1]], end - begin, entry.dtype)

    _in_threads(one, range(len(spans)))
    return from_bits(bits, entry.dtype).reshape(entry.shape)


def _in_threads(work: Callable[[int], T], items: Sequence[int]) -> list[T]:
    """Do the same for all items, in as many threads as torch computes with."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(work, items))


def _contents(path: Path) -> tuple[str, str, Description, dict[str, Tensor]]:
    """Digest, text, description and stored tensors; sizes are compared before anything is read."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            entry = (file.metadata() or {}).get(KEY)
            if entry is None:
                raise ValueError("it is a safetensors file, but was never packed")
            written, text, about = parse(entry, path.stat().st_size)
            _check_forms(file, about)
            return written, text, about, {name: file.get_tensor(name) for name in about.tensors}
    except OSError as error:
        raise ModelError(f"the packed model '{path}' could not be read: {error.strerror or error}.") from error
    except Exception as error:  # Our reasons, and safetensors' own class for damaged bytes.
        raise _damaged(path, (str(error).splitlines() or [type(error).__name__])[0]) from error


def _check_forms(file: Any, about: Description) -> None:
    names = set(file.keys())
    if different := sorted(names ^ about.tensors.keys()):
        raise ValueError(f"{different[0]!r} is {'not expected' if different[0] in names else 'missing'}")
    for name, entry in about.tensors.items():
        part, form = file.get_slice(name), entry.form(about.stretch)
        found = part.get_dtype(), list(part.get_shape())
        if found != form:
            raise ValueError(f"{name!r} is {found[0]} {found[1]}, but {form[0]} {form[1]} is expected")


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(f"'{path}' is damaged or not a packed model: {reason}. {AGAIN}")
