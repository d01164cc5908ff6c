"""Batches of a data set, the same for the same seed whatever their size: every draw belongs to a sample, not to a batch."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from fairshrink.data.augment import augmented, check_augment
from fairshrink.data.dataset import Dataset
from fairshrink.data.draws import Draws, mix
from fairshrink.data.normalise import IMAGENET, Normalisation, normalise_
from fairshrink.data.portions import ALONE, Portion, own_samples
from fairshrink.errors import ConfigError, DataError, suggest
from fairshrink.maths.sharing import Share
from fairshrink.types import GroupBatch

SAMPLERS = ("plain", "class-balanced", "group-balanced")


class Loader:
    """Batches with groups; can be iterated again, and gives the same again.

    "plain" shows every image once an epoch. "class-balanced" and "group-balanced" draw as many, with replacement: a
    class (a known group) evenly, then an image of it; images of unknown group are not drawn by the latter.

    Where images are drawn or shuffled (training), a last batch of one joins the batch before it: batch norm has no
    variance of a single image.

    Args:
        dataset: The images.
        indices: Rows of the data set, (n,).
        attribute: Name of the attribute that g is of; None = the data set's first, -1 throughout if it has none.
        batch_size: Images a batch.
        shuffle: Another order every epoch.
        augment: Some of "flip", "rotate", "scale", "autoaugment"; drawn per image and epoch.
        sampler: "plain", "class-balanced" or "group-balanced".
        seed: Of order, sampler and augmentation; 0 or more.
        normalisation: Mean and deviation of the inputs.

    Raises:
        ConfigError: An unknown attribute, augmentation or sampler, no positive batch size, a negative seed.
        DataError: No rows, rows outside the data set, or no known group to balance.
    """

    def __init__(  # noqa: PLR0913  # Each is a choice of its own, and all but two are named.
        self,
        dataset: Dataset,
        indices: ArrayLike,
        *,
        attribute: str | None = None,
        batch_size: int = 128,
        shuffle: bool = False,
        augment: Sequence[str] = (),
        sampler: str = "plain",
        seed: int = 0,
        normalisation: Normalisation = IMAGENET,
    ) -> None:
        if sampler not in SAMPLERS:
            raise ConfigError(f"there is no sampler '{sampler}'.{suggest(sampler, SAMPLERS)}")
        if batch_size < 1 or seed < 0:
            raise ConfigError(f"batch_size is {batch_size} and seed {seed}: at least 1 and 0 are expected.")
        self.dataset = dataset
        self.indices = _checked(indices, len(dataset))
        self.batch_size, self.shuffle, self.sampler, self.seed = batch_size, shuffle, sampler, seed
        self.augment, self.normalisation = check_augment(augment), normalisation
        if attribute is None and not dataset.attributes:
            self.groups = np.full(len(dataset), -1, dtype=np.int64)
        else:
            self.groups = dataset.attribute(attribute).codes
        self._names = _hashes(dataset.ids[self.indices])
        if sampler == "group-balanced" and not (self.groups[self.indices] >= 0).any():
            raise DataError("sampler 'group-balanced' needs rows of a known group, and there are none.")

    def __len__(self) -> int:
        return len(self._starts()) - 1

    def __iter__(self) -> Iterator[GroupBatch]:
        return self.epoch(0)

    def epoch(self, number: int) -> Iterator[GroupBatch]:
        """The batches of one epoch, from the first; needs no epoch before it."""
        return (portion.batch for portion in self.portions(number, ALONE))

    def portions(self, number: int, share: Share) -> Iterator[Portion]:
        """One process's images of every batch of an epoch, drawn and augmented as they are for a single process."""
        order = self._order(number)
        rows = self.indices[order]
        names = mix(self._names[order] + _occurrence(rows))
        starts = self._starts()
        for start, stop in pairwise(starts):
            own = own_samples(stop - start, share)
            yield Portion(self._batch(rows[start:stop][own], names[start:stop][own], number), stop - start)

    def _starts(self) -> list[int]:
        count = len(self.indices)
        starts = [*range(0, count, self.batch_size), count]
        one_left = count - starts[-2] == 1 and count > 1 and self.batch_size > 1
        if one_left and (self.shuffle or self.sampler != "plain"):
            del starts[-2]
        return starts

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """Positions in `indices`, (n,)."""
        if self.sampler == "plain":
            if not self.shuffle:
                return np.arange(len(self.indices))
            return np.argsort(
                Draws(self.seed, _signed(self._names + _occurrence(self.indices))).keys(f"order {epoch}"), kind="stable"
            )
        of = self.dataset.labels if self.sampler == "class-balanced" else self.groups
        return _balanced(of[self.indices], Draws(self.seed, np.arange(len(self.indices))), epoch)

    def _batch(self, rows: NDArray[np.int64], names: NDArray[np.uint64], epoch: int) -> GroupBatch:
        pixels = self.dataset.images[rows]
        x = augmented(pixels, self.augment, Draws(self.seed, _signed(names)), epoch)
        y, g = torch.from_numpy(self.dataset.labels[rows]), torch.from_numpy(self.groups[rows])
        return GroupBatch(normalise_(x, self.normalisation), y, g)


def _checked(indices: ArrayLike, count: int) -> NDArray[np.int64]:
    rows = np.asarray(indices)
    if rows.ndim != 1 or not len(rows):
        raise DataError(f"a loader needs a list of rows, but got the shape {rows.shape}. Is a split empty?")
    if not np.issubdtype(rows.dtype, np.integer):
        raise DataError(f"rows are {rows.dtype}, but integers were expected. From a mask: np.flatnonzero(mask).")
    outside = rows[(rows < 0) | (rows >= count)]
    if len(outside):
        raise DataError(f"{len(outside):,} rows are outside 0 to {count - 1:,}, such as {int(outside[0]):,}.")
    return rows.astype(np.int64)


def _hashes(ids: NDArray[np.str_]) -> NDArray[np.uint64]:
    """64 bits of each id: draws follow the image's name, not its row."""
    data = b"".join(blake2b(str(name).encode(), digest_size=8).digest() for name in ids)
    return np.frombuffer(data, dtype="<u8").astype(np.uint64)


def _signed(names: NDArray[np.uint64]) -> NDArray[np.int64]:
    return names.view(np.int64)


def _occurrence(rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """0 where a row comes for the first time in an epoch, 1 for the second: each is augmented anew."""
    by_row = np.argsort(rows, kind="stable")
    ordered = rows[by_row]
    firsts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    within = np.arange(len(rows)) - np.repeat(firsts, np.diff(np.r_[firsts, len(rows)]))
    seen = np.empty(len(rows), dtype=np.uint64)
    seen[by_row] = within
    return seen


def _balanced(of: NDArray[np.int64], draws: Draws, epoch: int) -> NDArray[np.int64]:
    """As many positions as there are, drawn evenly over the kinds that occur (-1 is none), then within the kind."""
    kinds = np.unique(of[of >= 0])
    even = draws.even(f"sampler {epoch}", 2)
    kind = kinds[(even[:, 0] * len(kinds)).astype(np.int64)]
    order = np.empty(len(of), dtype=np.int64)
    for each in kinds:
        members, drawn = np.flatnonzero(of == each), kind == each
        order[drawn] = members[(even[drawn, 1] * len(members)).astype(np.int64)]
    return order
