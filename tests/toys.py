"""Small models and batches for the tests of this room."""

import torch
from torch import nn

from fairshrink.types import GroupBatch, Splits


def toy_model(seed: int = 0, classes: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, classes)
    ).eval()


def toy_batches(
    seed: int = 0, groups: int = 2, classes: int = 3, samples: int = 24, unknown: int = 2
) -> list[GroupBatch]:
    torch.manual_seed(seed)
    x, y = torch.randn(samples, 2, 4, 4), torch.arange(samples) % classes
    g = (torch.arange(samples) // classes) % groups
    g[:unknown] = -1
    return [GroupBatch(x[i : i + 7], y[i : i + 7], g[i : i + 7]) for i in range(0, samples, 7)]


def toy_splits(groups: int = 2, classes: int = 3) -> Splits:
    train, val = toy_batches(1, groups, classes), toy_batches(2, groups, classes)
    return Splits(train, val, test=[])


def unchecked(train: object, val: object) -> Splits:
    """Splits as a program without type checks makes them; in the tests they would be refused at once."""
    splits = object.__new__(Splits)
    for name, batches in (("train", train), ("val", val), ("test", [])):
        object.__setattr__(splits, name, batches)
    return splits
