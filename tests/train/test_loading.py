"""One process's samples of each batch, wherever the batches come from."""

import pytest
import torch

from fairshrink.data.portions import ALONE
from fairshrink.errors import DataError
from fairshrink.maths.sharing import Share
from fairshrink.train.loading import portions
from fairshrink.types import GroupBatch


def batch(first: int, size: int) -> GroupBatch:
    numbers = torch.arange(first, first + size)
    return GroupBatch(numbers[:, None].float(), numbers, numbers % 2)


class ByEpoch:
    def __len__(self):
        return 2

    def epoch(self, number):
        return [batch(10 * number, 5), batch(10 * number + 5, 2)]


LOADERS = {
    "a list": [batch(10, 5), batch(15, 2)],
    "tuples": [(whole.x, whole.y, whole.g) for whole in (batch(10, 5), batch(15, 2))],
    "epochs": ByEpoch(),
}


@pytest.mark.parametrize("name", LOADERS)
def test_each_process_has_its_samples_of_every_batch(name):
    found = [
        [(part.batch.y.tolist(), part.whole) for part in portions(LOADERS[name], 1, share)]
        for share in (Share(0, 2), Share(1, 2), ALONE)
    ]
    assert found == [
        [([10, 12, 14], 5), ([15, 16], 2)],
        [([11, 13], 5), ([], 2)],
        [([10, 11, 12, 13, 14], 5), ([15, 16], 2)],
    ]


def test_what_is_no_batch_is_refused():
    with pytest.raises(DataError, match="batch 2 "):
        list(portions([LOADERS["tuples"][0], [torch.zeros(2, 1), torch.zeros(2)]], 0, ALONE))
