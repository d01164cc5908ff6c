"""Soft nearest-neighbour loss of every channel: how well its feature maps tell the groups apart.

    value of k = mean over i of -log( sum_{j != i, c_j = c_i} exp(-d_ij / T) / sum_{j != i} exp(-d_ij / T) )

with d_ij the squared Euclidean distance of channel k's maps of samples i and j (Kong et al. 2024, Eq. 1). Low: a sample's
nearest are of its own group. A table holds -d_ij / T of some channels and rows, up to |x_i|^2 / T, which cancels.
"""

from collections.abc import Callable, Iterator
from math import isfinite
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from fairshrink.errors import ConfigError, DataError

_Losses = Callable[[Tensor, slice], Tensor]

# Exponents of normalised maps span 4 / T at most; up to here they need neither a shift nor double precision.
_SPAN = 16.0
# Bytes of a table on the CPU: what is near to the processor and large enough for several threads, measured.
_NEAR = 2**23
# Tables that exist at once: one and what log-sum-exp makes of it, and with gradients those of both.
_COPIES = {False: 3, True: 6}


class Entangled(NamedTuple):
    """The loss of every channel and the samples that it is a mean of.

    Attributes:
        value: One value per channel, (K,), in nats.
        counted: Samples in the mean: those with another one of their group.
        alone: Samples whose group nobody else has. They are left out of the mean, but stay neighbours of the others.
    """

    value: Float[Tensor, "K"]
    counted: int
    alone: int


def snnl(maps: Tensor, groups: Tensor, temperature: float = 2.0, normalize: bool = True) -> Tensor:
    """Soft nearest-neighbour loss of each channel with respect to the groups.

    Low means that the channel's maps tell the groups apart. `entangled` says also how many samples went in.

    Args:
        maps: Feature maps, (N, K, *spatial), floating point.
        groups: Group of each sample, (N,), integers; -1 means unknown: such a sample is left out altogether.
        temperature: Divides the squared distances; 2.0 on normalised maps equals cosine distance at 1.0.
        normalize: Scale each map to unit length first; a map of zeros stays one.

    Returns:
        One value per channel, (K,), in nats, differentiable. 0 where all samples are of one group.

    Raises:
        DataError: The parts do not fit each other, or no two samples share a group.
        ConfigError: The temperature is not above 0.

    Source: Kong et al. 2024, Eq. 1, with i != j in both sums.
    """
    return entangled(maps, groups, temperature, normalize).value


def entangled(
    maps: Tensor, groups: Tensor, temperature: float = 2.0, normalize: bool = True, *, memory: int = 2**28
) -> Entangled:
    """The same as `snnl`, with the number of samples behind it, in pieces that fit into the memory.

    Args:
        maps: Feature maps, (N, K, *spatial), floating point. Half precision is computed in single.
        groups: Group of each sample, (N,), integers; -1 means unknown.
        temperature: Divides the squared distances.
        normalize: Scale each map to unit length first. Maps as they are, and temperatures below 0.25, are computed in
            double precision: their distances are small differences of large numbers.
        memory: Bytes that distances may take at once, gradients included: pieces are made of channels, then of rows. One
            row of one channel is taken even where it needs more.

    Returns:
        The values in the precision of the maps (at least single), and the counts. A channel whose maps are all equal gets
        what the sizes of the groups give: the mean of log((M - 1) / (size of the group - 1)), M the known samples. A channel
        with NaN or infinity in a map gets NaN.

    Raises:
        DataError: The parts do not fit each other, or no two samples share a group.
        ConfigError: The temperature is not above 0.
    """
    _check(maps, groups, temperature)
    seating = _seated(groups)
    exact = not normalize or 4 / temperature > _SPAN
    precision = torch.promote_types(maps.dtype, torch.float32)
    # Autocast would take the products in half precision.
    with torch.autocast(maps.device.type, enabled=False):
        x = _seats(maps, seating).to(torch.float64 if exact else precision)
        # Distances do not change with the origin, and are most precise near it.
        sides = _sides(_unit(x) if normalize else x - x.detach().mean(1, keepdim=True), temperature)
        sums = _by_span(sides, seating, _log_sums if exact else _sums, memory)
        value = (torch.stack(list(sums)).sum(0) / seating.counted).to(precision)
    return Entangled(value, seating.counted, seating.alone)


class _Seating(NamedTuple):
    """Which samples are read, group by group; those without a partner last."""

    order: Int[Tensor, "M"]
    sizes: tuple[int, ...]
    alone: int

    @property
    def counted(self) -> int:
        return sum(self.sizes)


class _Sides(NamedTuple):
    """Two factors whose product is a table: rows (2 x_i / T, 1) and columns (x_j, -|x_j|^2 / T)."""

    rows: Float[Tensor, "K M D1"]
    columns: Float[Tensor, "K D1 M"]


class _Piece(NamedTuple):
    """Some channels and some rows of one group, and the columns of that group."""

    channels: slice
    rows: slice
    own: slice


def _seated(groups: Int[Tensor, "N"]) -> _Seating:
    known = (groups >= 0).cpu().nonzero().flatten()
    _, group, sizes = groups.cpu()[known].unique(return_inverse=True, return_counts=True)
    alone = sizes[group] == 1
    partnered = tuple(sizes[sizes > 1].tolist())
    if not partnered:
        raise DataError(
            f"{len(known):,} samples of known group, and no two of the same: nobody has a partner to be near to "
            f"({len(groups) - len(known):,} more are of unknown group).\n  Take larger batches, mixed samples, or coarser groups."
        )
    order = (group + alone * len(sizes)).argsort(stable=True)
    return _Seating(known[order], partnered, int(alone.sum()))


def _seats(maps: Float[Tensor, "N K *spatial"], seating: _Seating) -> Float[Tensor, "K M D"]:
    read = maps[seating.order.to(maps.device)]
    return read.reshape(len(read), maps.shape[1], -1).transpose(0, 1)


def _unit(x: Float[Tensor, "K M D"]) -> Float[Tensor, "K M D"]:
    """Maps at unit length; their largest number is taken out first, whose square might not be representable."""
    largest = x.detach().abs().amax(-1, keepdim=True)
    x = x / torch.where(largest == 0, 1, largest)
    squares = x.square().sum(-1, keepdim=True)
    return x * torch.where(largest == 0, 0, torch.where(largest == 0, 1, squares).rsqrt())


def _sides(x: Float[Tensor, "K M D"], temperature: float) -> _Sides:
    heights = x.square().sum(-1, keepdim=True) / -temperature
    rows = torch.cat([x * (2 / temperature), torch.ones_like(heights)], -1)
    return _Sides(rows, torch.cat([x, heights], -1).transpose(1, 2).contiguous())


def _by_span(sides: _Sides, seating: _Seating, losses: _Losses, memory: int) -> Iterator[Float[Tensor, "K"]]:
    """The sum of the samples' losses for each span of rows, all channels."""
    learns = torch.is_grad_enabled() and sides.rows.requires_grad
    numbers = _bytes(sides.rows, memory, learns) // sides.rows.element_size()
    for pieces in _pieces(sides.rows.shape, seating.sizes, numbers):
        if learns:
            # Tables are computed again for the gradients: all of them together would not fit.
            sums = [
                checkpoint(_piece_sum, *sides, piece, losses, use_reentrant=False, preserve_rng_state=False)
                for piece in pieces
            ]
        else:
            sums = [_piece_sum(*sides, piece, losses) for piece in pieces]
        yield torch.cat(sums)


def _bytes(like: Tensor, memory: int, learns: bool) -> int:
    share = memory // _COPIES[learns]
    return min(share, _NEAR) if like.device.type == "cpu" else share


def _pieces(shape: torch.Size, sizes: tuple[int, ...], numbers: int) -> Iterator[list[_Piece]]:
    """For each span of rows, the pieces over all channels, tables of no more than so many numbers."""
    channels, samples, _ = shape
    first = 0
    for size in sizes:
        own, height = slice(first, first + size), min(size, max(1, numbers // samples))
        width = max(1, numbers // (samples * height))
        for row in range(own.start, own.stop, height):
            rows = slice(row, min(row + height, own.stop))
            yield [_Piece(slice(k, k + width), rows, own) for k in range(0, channels, width)]
        first += size


def _piece_sum(
    rows: Float[Tensor, "K M D1"], columns: Float[Tensor, "K D1 M"], piece: _Piece, losses: _Losses
) -> Float[Tensor, "k"]:
    table = rows[piece.channels, piece.rows] @ columns[piece.channels]
    table.diagonal(piece.rows.start, 1, 2).fill_(-torch.inf)
    return losses(table, piece.own).sum(1)


def _sums(table: Float[Tensor, "k m M"], own: slice) -> Float[Tensor, "k m"]:
    """Losses where no exponent is far from 0."""
    near = table.exp_()
    return (near.sum(-1) / near[..., own].sum(-1)).log()


def _log_sums(table: Float[Tensor, "k m M"], own: slice) -> Float[Tensor, "k m"]:
    """Losses anywhere: a row's own group may lie far behind its nearest neighbour, so each sum gets its own shift."""
    return table.logsumexp(-1) - table[..., own].logsumexp(-1)


def _check(maps: Tensor, groups: Tensor, temperature: float) -> None:
    if not maps.is_floating_point() or maps.dim() < 2 or 0 in maps.shape:
        raise DataError(
            f"maps are {maps.dtype} of shape {tuple(maps.shape)}, but floating-point maps (N, K, *spatial) are expected, with "
            "something in them.\n  Give what a layer puts out for a batch of images."
        )
    if groups.shape != maps.shape[:1] or groups.is_floating_point() or groups.dtype == torch.bool:
        raise DataError(
            f"groups are {groups.dtype} of shape {tuple(groups.shape)}, but one integer for each of {len(maps):,} samples is "
            "expected: 0, 1, ..., or -1 where the group is unknown."
        )
    if int(lowest := groups.min()) < -1:
        raise DataError(f"a group is {int(lowest)}, but groups count from 0, and -1 means unknown.")
    if not (isfinite(temperature) and temperature > 0):
        raise ConfigError(f"temperature is {temperature}, but a finite number above 0 is expected; 2.0 is the default.")
