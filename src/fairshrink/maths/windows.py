"""Samples gathered across batches, and cut into chunks in which few passes go to waste."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

# Numbers of inputs that are gathered at once: 256 MB in float32.
_GATHERED = 2**26
# Columns that a sample takes through one forward pass when some are left out; with more it comes several times.
DEPTH = 8
# The part of a chunk's passes that has to be of use, in a chunk of few rows and from so many on.
_USED_BY_FEW, _FEW, _USED = 0.75, 16, 0.95


class Part(NamedTuple):
    """Some samples of the data.

    Attributes:
        x: Inputs, (N, *input), on the model's device.
        y: Classes, (N,), on the model's device.
        g: Groups, (N,), on the CPU.
        places: Where they stand in the data, (N,), on the CPU; samples of no group do not count.
    """

    x: Tensor
    y: Tensor
    g: Int[Tensor, "N"]
    places: Int[Tensor, "N"]

    def at(self, rows: Tensor | slice) -> "Part":
        """Some of these samples, by number or by mask; a sample may come several times."""
        there = rows.to(self.x.device) if isinstance(rows, Tensor) else rows
        return Part(self.x[there], self.y[there], self.g[rows], self.places[rows])


def gathered(parts: Iterable[Part]) -> Iterator[Part]:
    """The same samples in larger parts, each of one shape of inputs and bounded, however small the batches are."""
    held: list[Part] = []
    for part in parts:
        if held and not _fits(held, part.x):
            yield _joined(held)
            held = []
        if len(part.x):
            held.append(part)
    if held:
        yield _joined(held)


def _fits(held: list[Part], x: Tensor) -> bool:
    first = held[0].x
    alike = x.shape[1:] == first.shape[1:] and x.dtype == first.dtype
    return alike and x.numel() + sum(part.x.numel() for part in held) <= _GATHERED


def _joined(held: list[Part]) -> Part:
    if len(held) == 1:
        return held[0]
    x, y, g, places = zip(*held, strict=True)
    return Part(torch.cat(x), torch.cat(y), torch.cat(g), torch.cat(places))


def rows_of(kept: Bool[Tensor, "J N"]) -> tuple[Int[Tensor, "R"], Bool[Tensor, "J R"]]:
    """One row for every DEPTH kept columns of a sample, the fullest rows first.

    Returns:
        The sample of each row, and the columns that it takes; a sample without a kept column has no row.
    """
    turn = (kept.int().cumsum(0) - 1).div(DEPTH, rounding_mode="floor")
    turns = (kept.sum(0) + DEPTH - 1).div(DEPTH, rounding_mode="floor")
    samples = torch.repeat_interleave(torch.arange(kept.shape[1]), turns)
    which = torch.arange(len(samples)) - (turns.cumsum(0) - turns)[samples]
    taken = kept[:, samples] & (turn[:, samples] == which)
    order = taken.sum(0).argsort(descending=True, stable=True)
    return samples[order], taken[:, order]


def cut(counts: list[int], size: int) -> Iterator[slice]:
    """Cuts rows, the fullest first, into chunks: a chunk costs each of its rows as many passes as its first one needs.

    Args:
        counts: Columns of each row, descending, above 0.
        size: Most rows of a chunk.
    """
    start, used = 0, 0
    for row, count in enumerate(counts):
        rows = row - start
        least = _USED if rows >= _FEW else _USED_BY_FEW
        if rows and (rows == size or used + count < least * counts[start] * (rows + 1)):
            yield slice(start, row)
            start, used = row, 0
        used += count
    if counts:
        yield slice(start, len(counts))
