"""Which layers read, carry and join a layer's channels, and which convolutions can therefore be cut alone."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from fairshrink.compress.streams import BLOCKS, CARRIES, CONVOLUTIONS, ENDS, READS, WRITES, Stream, streams
from fairshrink.errors import ModelError, suggest


class Reader(NamedTuple):
    """A layer that reads channels.

    Attributes:
        module: Its name.
        inputs: Which of its inputs belong to the given channels, in order; several to each behind a flatten.
    """

    module: str
    inputs: tuple[int, ...]


class Coupling(NamedTuple):
    """What the channels of a layer depend on.

    Attributes:
        layer: The layer's name.
        carried: Norms that carry the same channels along.
        readers: Layers that read them.
        others: Layers that put out into the same channels (a shortcut), and what else needs them as they are: where this is
            not empty, the channels cannot be cut alone.
    """

    layer: str
    carried: tuple[str, ...]
    readers: tuple[Reader, ...]
    others: tuple[str, ...]


def inner(model: nn.Module, example: Tensor) -> list[str]:
    """The convolutions whose channels can be cut alone, in the model's order.

    No other layer puts out into the same channels, and they are not the model's outputs themselves.

    Args:
        model: Any module.
        example: A batch of inputs, (N, ...).

    Raises:
        ModelError: The model cannot be traced.
    """
    found = streams(model, example, CONVOLUTIONS)
    return [stream.layer for stream in found if not _others(stream)]


def couplings(model: nn.Module, example: Tensor, layers: Sequence[str]) -> dict[str, Coupling]:
    """What the channels of some layers depend on, by layer; one forward pass for all.

    Args:
        model: Any module.
        example: A batch of inputs, (N, ...).
        layers: Names of convolutions and linear layers.

    Raises:
        ModelError: The model cannot be traced, or does not run one of the layers.
    """
    found = {stream.layer: stream for stream in streams(model, example)}
    if unknown := [name for name in layers if name not in found]:
        raise ModelError(
            f"the channels of '{unknown[0]}' could not be followed: it is no convolution or linear layer that the model runs."
            f"{suggest(unknown[0], found)}"
        )
    return {name: _coupling(found[name]) for name in layers}


def _others(stream: Stream) -> tuple[str, ...]:
    """What stands against cutting the layer's channels alone."""
    ahead = _ahead(stream)
    against = [
        part.module
        for at, part in enumerate(stream.parts)
        if part.role in (BLOCKS, ENDS) or (part.role == WRITES and at and at not in ahead)
    ]
    return tuple(dict.fromkeys(against))


def _ahead(stream: Stream) -> set[int]:
    """Parts whose channels nobody but the layer itself reads: it is depthwise, and they go where its own channels go."""
    before = _reached([0], [part.inputs for part in stream.parts])
    after: list[list[int]] = [[] for _ in stream.parts]
    for at, part in enumerate(stream.parts):
        for source in part.inputs:
            if at:
                after[source].append(at)
    return {at for at in before if _reached([at], after) <= before}


def _reached(begin: list[int], edges: Sequence[Sequence[int]]) -> set[int]:
    """All that can be reached along the edges, without what one begins with."""
    found, todo = set[int](), [at for start in begin for at in edges[start]]
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += edges[at]
    return found


def _coupling(stream: Stream) -> Coupling:
    carried = tuple(dict.fromkeys(part.module for part in stream.parts if part.role == CARRIES))
    readers = tuple(Reader(part.module, part.channels) for part in stream.parts if part.role == READS)
    return Coupling(stream.layer, carried, readers, _others(stream))
