"""Small models and batches for the tests of this room."""

import copy

import numpy as np
import torch
from torch import nn

from fairshrink.compress.keeping import Halfway
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


def same(one, other) -> bool:
    """Two results of compress(), bit for bit but for the time that they took."""
    states = [done.model.state_dict() for done in (one, other)]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    for name, mask in one.frozen.mask.items():
        assert torch.equal(mask, other.frozen.mask[name])
        assert torch.equal(one.frozen.value[name], other.frozen.value[name])
    assert list(one.frozen.mask) == list(other.frozen.mask)
    for a, b in zip((one.start, *one.steps), (other.start, *other.steps), strict=True):
        assert (a.ratio, a.fixed, a.total) == (b.ratio, b.fixed, b.total)
        assert np.array_equal(a.counts.counts, b.counts.counts)
        assert np.array_equal(a.soft.true_prob, b.soft.true_prob)
        assert np.array_equal(a.soft.log_loss, b.soft.log_loss)
    ends = [(done.unprivileged, done.measured, done.stopped) for done in (one, other)]
    return ends[0] == ends[1]


class Kept:
    """Keeps in memory, and stops the path after some steps."""

    training = None

    def __init__(self, stop_after=None):
        self.halfway, self.stop_after, self.batches = None, stop_after, []

    def load(self):
        return self.halfway

    def save(self, halfway):
        self.halfway = Halfway(*copy.deepcopy(tuple(halfway)))
        if len(halfway.steps) == self.stop_after:
            raise KeyboardInterrupt

    def batch(self, *place):
        self.batches.append(place)
