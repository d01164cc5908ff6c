"""Batches as the curvature reads them: checked, on the model's device, and without the samples of no group."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from fairshrink.errors import DataError
from fairshrink.types import Batches, GroupBatch

PARTS = ("inputs", "classes", "groups")
END_WITH_GROUP = "Let each item of the data set end with its group: 0, 1, ..., or -1 where it is unknown."


class Samples(NamedTuple):
    """Samples of known groups: inputs (N, *input), classes (N,) and groups (N,), all on the model's device."""

    x: Tensor
    y: Tensor
    g: Tensor


def samples_of(batches: Batches, *, num_groups: int, like: Tensor) -> Iterator[Samples]:
    """The samples that belong to a group, batch by batch; a batch without any is passed over.

    Args:
        batches: What the user gave.
        num_groups: G; groups are -1 or in [0, G).
        like: A parameter of the model: its device, and its dtype for inputs that are floating point.

    Raises:
        DataError: Not (x, y, g), parts of different lengths, groups out of range, NaN or infinity in the inputs.
    """
    for number, given in enumerate(batches):
        batch = _check_batch(number, given, num_groups)
        known = batch.g >= 0
        if not bool(known.any()):
            continue
        x = batch.x[known.to(batch.x.device)]
        if x.is_floating_point():
            _check_finite(number, x)
            x = x.to(like.dtype)
        yield Samples(
            x.to(like.device), batch.y[known.to(batch.y.device)].to(like.device), batch.g[known].to(like.device)
        )


def counted(groups: Int[Tensor, "N"], num_groups: int) -> Int[Tensor, "G"]:
    """How many samples each group has.

    Raises:
        DataError: A group has none; its mean would not exist.
    """
    sizes = torch.bincount(groups, minlength=num_groups)
    if empty := (sizes == 0).nonzero().flatten().tolist():
        raise DataError(
            f"group {empty[0]} has no samples ({len(empty)} of {num_groups} groups are empty; sizes: {sizes.tolist()}).\n"
            "  Give batches with samples of every group, or a smaller num_groups."
        )
    return sizes


def check_parts(number: int, given: object) -> GroupBatch:
    """The batch as a GroupBatch, with one class and one group for every input.

    Args:
        number: Which batch, for messages.
        given: A GroupBatch, or three tensors x, y, g in a tuple or list, as a DataLoader gives them.

    Raises:
        DataError: It is something else.
    """
    batch = _grouped(number, given)
    if not len(batch.x) == len(batch.y) == len(batch.g):
        raise DataError(
            f"batch {number:,} has {len(batch.x)} inputs, {len(batch.y)} classes and {len(batch.g)} groups: one of each is "
            "expected for every sample."
        )
    if batch.y.dim() != 1 or batch.g.dim() != 1:
        raise DataError(
            f"batch {number:,} has classes of shape {tuple(batch.y.shape)} and groups of shape {tuple(batch.g.shape)}, but one "
            "number for every sample, (N,), is expected. Squeeze them, or take the argmax of one-hot classes."
        )
    return batch


def _grouped(number: int, given: object) -> GroupBatch:
    if isinstance(given, GroupBatch):
        if wrong := _no_tensor((given.x, given.y, given.g)):
            raise DataError(f"batch {number:,} is a GroupBatch, but {wrong}")
        return given
    expected = "but a GroupBatch(x, y, g) is expected, or three tensors (x, y, g): inputs, classes and groups"
    if not isinstance(given, tuple | list):
        raise DataError(f"batch {number:,} is a {type(given).__name__}, {expected}.{_from_keys(given)}")
    if len(given) != 3 or not all(isinstance(part, Tensor) for part in given):
        kinds = ", ".join(type(part).__name__ for part in given[:4]) + (", ..." if len(given) > 4 else "")
        raise DataError(
            f"batch {number:,} is a {type(given).__name__} of {len(given)} parts ({kinds}), {expected}.\n  "
            + (_no_tensor(given) if len(given) == len(PARTS) else END_WITH_GROUP)
        )
    return GroupBatch(*given)


def _no_tensor(parts: Sequence[object]) -> str:
    """Which part is no tensor, and what to do; empty when all are."""
    for number, (name, part) in enumerate(zip(PARTS, parts, strict=True), start=1):
        if not isinstance(part, Tensor):
            return f"part {number} (the {name}) is {_kind(part)}: {_as_tensor(part)}"
    return ""


def _kind(part: object) -> str:
    kind = f"of type {type(part).__name__}"
    if isinstance(part, tuple | list) and len(part):
        kind = f"a {type(part).__name__} of {type(part[0]).__name__}"
    return kind


def _as_tensor(part: object) -> str:
    first = part[0] if isinstance(part, tuple | list) and len(part) else part
    if isinstance(first, str):
        return "let the data set give numbers in place of names: 0, 1, ..., and -1 for a group that is unknown."
    return "make it a tensor, with torch.as_tensor for numbers and arrays."


def _from_keys(given: object) -> str:
    if not isinstance(given, Mapping):
        return ""
    return (
        f" Its keys are {', '.join(repr(key) for key in given)}.\n  Give batches as GroupBatch(batch[...], batch[...], "
        "batch[...]) with the keys of inputs, classes and groups, from a list or an object that can be iterated again."
    )


def _check_batch(number: int, given: object, num_groups: int) -> GroupBatch:
    batch = check_parts(number, given)
    wrong = (batch.g < -1) | (batch.g >= num_groups)
    if batch.g.is_floating_point() or bool(wrong.any()):
        example = batch.g[wrong][0].item() if bool(wrong.any()) else f"of {batch.g.dtype}"
        raise DataError(
            f"batch {number:,}: {int(wrong.sum())} of {len(batch.g)} groups are not integers from -1 to {num_groups - 1}, the "
            f"first is {example}.\n  Groups count from 0; -1 means unknown. Is num_groups = {num_groups} right?"
        )
    return batch


def _check_finite(number: int, x: Tensor) -> None:
    if bool(x.sum().isfinite()):
        return
    bad = ~x.isfinite().reshape(len(x), -1).all(1)
    if bool(bad.any()):
        raise DataError(
            f"batch {number:,}: {int(bad.sum())} of {len(x)} inputs hold NaN or infinity.\n  Look at how they are read and "
            "normalised."
        )
