"""Sums of squared per-sample gradients, without keeping a gradient of every sample.

Samples are sorted by group; `bounds` (G + 1 numbers) says where each group begins. One record holds one parameter and a
chunk of samples; `add_` takes the output gradients of one column, and what is still missing after the last of them reaches
the groups' totals by `close_`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

Bounds = tuple[int, ...]

# Numbers held at once on the CPU and elsewhere, in float32 32 MB and 256 MB: products of pairs of positions.
_SPOTS = {"cpu": 2**23}
# And samples' gradients: on the CPU one sample's at a time, but for small layers, stays nearest to the processor.
_GRADIENTS = {"cpu": 2**16}
_ELSEWHERE = 2**26


@runtime_checkable
class Squares(Protocol):
    """The sum over samples and columns of squared gradients of one parameter."""

    def add_(self, rows: Float[Tensor, "N L F"]) -> None:
        """Takes the output gradients of one more column."""
        ...

    def close_(self) -> None:
        """Brings what was put off until all columns are there to the totals."""
        ...


@dataclass(frozen=True)
class VectorSquares:
    """Of a bias (features None) or of a norm's scale: the gradient is a vector, so all columns meet in (N, F) numbers."""

    features: Float[Tensor, "N L F"] | None
    bounds: Bounds
    sums: Float[Tensor, "N F"]
    totals: Float[Tensor, "G *shape"]

    def add_(self, rows: Float[Tensor, "N L F"]) -> None:
        """Takes the output gradients of one more column."""
        gradients = (rows if self.features is None else rows * self.features).sum(1)
        self.sums.addcmul_(gradients, gradients)

    def close_(self) -> None:
        """Adds the sums of each group's samples to its totals."""
        for total, (low, high) in zip(self.totals, _spans(self.bounds), strict=True):
            total += self.sums[low:high].sum(0).view_as(total)


@dataclass(frozen=True)
class PositionSquares:
    """Of a weight seen at few positions: the square of a sum over positions is a sum over pairs of positions.

    (sum_l r_l a_l)^2 = sum_{l, m} (r_l r_m) (a_l a_m): the first bracket can be summed over columns before it meets the
    second, so one matrix product serves all columns and samples and no sample's gradient is ever formed. With one
    position (a linear layer) this is the outer product of the squares.
    """

    patches: Float[Tensor, "N Q K L"]
    bounds: Bounds
    sums: Float[Tensor, "N P F"]  # over columns, for each of the P = L (L + 1) / 2 pairs
    totals: Float[Tensor, "G Q O K"]

    def add_(self, rows: Float[Tensor, "N L F"]) -> None:
        """Takes the output gradients of one more column."""
        first, second = _pairs(self.patches.shape[3], rows.device)
        rows = rows.contiguous()
        self.sums.addcmul_(rows.index_select(1, first), rows.index_select(1, second))

    def close_(self) -> None:
        """Lets the sums meet the pairs of patches, a piece of the samples at a time."""
        _, q, k, positions = self.patches.shape
        first, second = _pairs(positions, self.patches.device)
        twice = torch.where(first == second, 1.0, 2.0).to(self.sums.dtype)
        for total, (low, high) in zip(self.totals, _spans(self.bounds), strict=True):
            for start, stop in _pieces(low, high, len(first) * q * k, _SPOTS.get(self.patches.device.type, _ELSEWHERE)):
                spots = self.patches[start:stop].mT.contiguous()
                spots = spots.index_select(2, first) * spots.index_select(2, second)
                rows = (self.sums[start:stop] * twice[:, None]).unflatten(2, (q, -1))
                left = rows.permute(2, 3, 0, 1).flatten(2)  # (Q, F / Q, pieces * P)
                total.baddbmm_(left, spots.transpose(0, 1).flatten(1, 2))


@dataclass(frozen=True)
class ProductSquares:
    """Of a weight seen at many positions: each sample's gradient is formed, squared and added, a few at a time."""

    patches: Float[Tensor, "N Q K L"]
    bounds: Bounds
    room: Float[Tensor, "pieces Q O K"]
    totals: Float[Tensor, "G Q O K"]

    def add_(self, rows: Float[Tensor, "N L F"]) -> None:
        """Takes the output gradients of one more column."""
        left = rows.mT.unflatten(1, (self.patches.shape[1], -1))
        for total, (low, high) in zip(self.totals, _spans(self.bounds), strict=True):
            for start, stop in _pieces(low, high, 1, len(self.room)):
                products = self.room[: stop - start]
                torch.matmul(left[start:stop], self.patches[start:stop].mT, out=products)
                if len(products) == 1:
                    total.addcmul_(products[0], products[0])
                else:
                    total += products.square_().sum(0)

    def close_(self) -> None:
        """Nothing is put off."""


def vector_squares(
    features: Tensor | None, bounds: Bounds, like: Float[Tensor, "N L F"], totals: Float[Tensor, "G *shape"]
) -> Squares:
    """The sum for a bias or a norm's scale; `like` has the shape of the rows to come."""
    return VectorSquares(features, bounds, like.new_zeros(len(like), like.shape[2]), totals)


def matrix_squares(
    patches: Float[Tensor, "N Q K L"], bounds: Bounds, like: Float[Tensor, "N L F"], columns: int,
    totals: Float[Tensor, "G *shape"],
) -> Squares:  # fmt: skip
    """The sum for the weight of a linear layer or a convolution, in the form that is cheaper for so many columns."""
    n, q, k, positions = patches.shape
    out = like.shape[2] // q
    totals = totals.view(-1, q, out, k)
    if pairs_are_cheaper(positions, out, k, columns):
        pairs = positions * (positions + 1) // 2
        return PositionSquares(patches, bounds, like.new_zeros(n, pairs, q * out), totals)
    at_once = max(1, min(n, _GRADIENTS.get(patches.device.type, _ELSEWHERE) // (q * out * k)))
    return ProductSquares(patches, bounds, like.new_empty(at_once, q, out, k), totals)


def pairs_are_cheaper(positions: int, out: int, k: int, columns: int) -> bool:
    """Whether PositionSquares beats ProductSquares: operations per weight and sample.

    The factors beside the counts are measured (benchmarks/curvature): what a number that is written and read costs,
    next to one multiplication and addition inside a matrix product.
    """
    pairs = positions * (positions + 1) // 2
    by_pairs = 2 * pairs + 150 * pairs / out + 200 * columns * pairs / k
    by_products = columns * (2 * positions + 25)
    return positions == 1 or by_pairs < by_products


def numbers_held(patches: Float[Tensor, "N Q K L"], features: int, columns: int) -> int:
    """How many numbers a chunk's sum keeps for each sample, next to the model's own activations."""
    _, q, k, positions = patches.shape
    by_pairs = pairs_are_cheaper(positions, features // q, k, columns)
    return q * k * positions + (positions * (positions + 1) // 2 * features if by_pairs else 0)


def _pairs(positions: int, device: torch.device) -> tuple[Tensor, Tensor]:
    first, second = torch.triu_indices(positions, positions, device=device)
    return first, second


def _spans(bounds: Bounds) -> Iterator[tuple[int, int]]:
    return pairwise(bounds)


def _pieces(low: int, high: int, size: int, bound: int) -> Iterator[tuple[int, int]]:
    """Cuts [low, high) so that a piece of samples with `size` numbers each stays under the bound, or is one sample."""
    step = max(1, bound // size)
    return ((start, min(start + step, high)) for start in range(low, high, step))
