import numpy as np
import pytest
import torch

from fairshrink.compress.methods import obd
from fairshrink.compress.recipe import compress
from fairshrink.compress.starting import check_group, weakest_group
from fairshrink.errors import ConfigError, DataError
from fairshrink.metrics.counts import GroupCounts
from fairshrink.types import GroupBatch, Splits
from toys import toy_batches, toy_model, unchecked


def test_the_weakest_group_is_that_of_macro_f1_where_accuracy_says_another():
    accurate, balanced = np.array([[90, 0], [10, 0]]), np.array([[40, 10], [10, 40]])  # 0.90 and 0.80; F1 0.47 and 0.80
    assert weakest_group(GroupCounts(np.stack([accurate, balanced]))) == 0


def test_a_group_from_numpy_will_do():
    check_group(np.argmax([0, 1]), 2)
    with pytest.raises(ConfigError, match="unprivileged is True"):
        check_group(True, 2)


def test_the_weakest_group_has_the_lowest_macro_f1():
    good, bad = np.diag([9, 9]), np.array([[9, 0], [9, 0]])
    assert weakest_group(GroupCounts(np.stack([good, bad]))) == 1
    assert weakest_group(GroupCounts(np.stack([good, good]))) == 0


def test_a_group_without_validation_samples_cannot_be_measured():
    with pytest.raises(DataError, match="group 1 has no samples in the validation data"):
        weakest_group(GroupCounts(np.stack([np.diag([9, 9]), np.zeros((2, 2), dtype=np.int64)])))


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_generator_is_refused(part):
    data = {"train": toy_batches(1), "val": toy_batches(2), "test": []}
    with pytest.raises(DataError, match=f"the {part} batches are a generator"):
        compress(toy_model(), Splits(**data | {part: (b for b in toy_batches())}), obd(0.1))


def test_one_group_only_is_refused():
    one = [GroupBatch(b.x, b.y, torch.zeros_like(b.g)) for b in toy_batches()]
    with pytest.raises(DataError, match=r"hold 1 group\(s\), but a gap needs two"):
        compress(toy_model(), Splits(one, one, []), obd(0.1))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (None, "the train batches are None, but a list or a loader"),
        ([(1, 2, 3)], r"batch 0 is a tuple of 3 parts \(int, int, int\), but a GroupBatch\(x, y, g\) is expected"),
        ([GroupBatch(torch.zeros(2, 2, 4, 4), torch.zeros(2, 1), torch.zeros(2))], r"classes of shape \(2, 1\)"),
    ],
)
def test_batches_that_are_none(batches, message):
    with pytest.raises(DataError, match=message):
        compress(toy_model(), unchecked(batches, toy_batches()), obd(0.1))
