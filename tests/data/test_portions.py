"""Every sample of a batch is one process's, and no process has a single one."""

from itertools import chain

import pytest
import torch

from fairshrink.data.portions import own_samples, portion_of
from fairshrink.maths.sharing import Share
from fairshrink.types import GroupBatch


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 16, 33])
def test_every_sample_is_one_process_s_and_none_has_one_alone(size, count):
    own = [list(range(size))[own_samples(size, Share(rank, count))] for rank in range(count)]
    assert sorted(chain(*own)) == list(range(size))
    assert all(len(part) != 1 for part in own) or size == 1
    assert max(map(len, own)) - min(len(part) for part in own if part) <= 1
    assert own[0]


def test_a_portion_knows_the_whole():
    batch = GroupBatch(torch.arange(5.0)[:, None], torch.arange(5), torch.arange(5) - 1)
    (x, whole) = portion_of(batch, Share(1, 2))
    assert whole == 5
    assert x.x.flatten().tolist() == [1, 3]
    assert x.y.tolist() == [1, 3]
    assert x.g.tolist() == [0, 2]
