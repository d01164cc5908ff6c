"""What flows between the rooms. Shape letters: N batch, C classes, G groups, E exits, K channels."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class GroupBatch:
    """Some samples with their classes and groups.

    Attributes:
        x: Inputs, (N, *input).
        y: Classes, (N,), integers in [0, C).
        g: Groups, (N,), integers in [0, G), or -1 where the group is unknown.
    """

    x: Tensor
    y: Tensor
    g: Tensor


Batches = Iterable[GroupBatch | tuple[Tensor, Tensor, Tensor] | list[Tensor]]
"""Batches as (x, y, g): GroupBatches, or what a DataLoader makes of a data set whose items are an input, a class and a group."""


@dataclass(frozen=True)
class Splits:
    """Three sets of batches; each can be iterated again (a list, a loader). Scoring uses train, choices use val.

    Scores are sums over samples: give the training images in a fixed order and as they are, without shuffling or
    augmentation. Nothing that shrinks a model reads test.

    Attributes:
        train: What scores are taken from.
        val: What choices are made on.
        test: Not touched.
        retrain: What a re-training between the steps sees, shuffled and augmented as you like; None: train.
    """

    train: Batches
    val: Batches
    test: Batches = ()
    retrain: Batches | None = None
