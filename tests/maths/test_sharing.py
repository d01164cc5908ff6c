import pytest
import torch

from fairshrink.errors import DataError
from fairshrink.maths import sharing
from fairshrink.maths.sharing import Share, key_of, largest, share_of_process, summed_, together


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_sample_is_one_processs_own(count):
    batches = [torch.arange(0, 5), torch.arange(5, 6), torch.arange(6, 13)]
    seen = [batch[Share(rank, count).own(int(batch[0]))] for rank in range(count) for batch in batches]
    assert torch.cat(seen).sort().values.tolist() == list(range(13))
    for rank in range(count):
        assert all(
            int(place) % count == rank for batch in batches for place in batch[Share(rank, count).own(int(batch[0]))]
        )


def test_alone_nothing_is_exchanged():
    assert share_of_process() == Share(0, 1)
    assert together(Share(), torch.device("cpu"), lambda: ("read", 7)) == "read"
    assert largest(Share(), 3, torch.device("cpu")) == 3
    one = torch.ones(2)
    summed_(Share(), one)
    assert one.tolist() == [1, 1]


def test_the_key_tells_values_places_and_order():
    x, g = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    key = int(key_of([x, g], start=0))
    assert key == int(key_of([x.clone(), g.int()], start=0))
    parts = key_of([x[:1], g[:1]], start=0) + key_of([x[1:], g[1:]], start=1)
    assert key == int(parts)  # whatever the batches
    other = x.clone()
    other[2, 1] = torch.nextafter(x[2, 1], torch.tensor(9.0))
    turned = x.flip(1)
    for changed in (key_of([other, g], start=0), key_of([turned, g], start=0), key_of([x, 1 - g], start=0)):
        assert int(changed) != key
    assert int(key_of([x, g], start=1)) != key
    assert int(key_of([x.flip(0), g.flip(0)], start=0)) != key


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float16, torch.bfloat16, torch.float64])
def test_any_kind_of_number_has_a_key(dtype):
    x = torch.tensor([[1, 0], [0, 1]]).to(dtype)
    assert int(key_of([x], start=0)) != int(key_of([x.flip(0)], start=0))


def test_only_equal_processes_go_on():
    sharing._check(Share(0, 2), [[0, 5], [0, 5]])
    with pytest.raises(DataError, match="process 0 of 2 stops, because process 1 could not go on"):
        sharing._check(Share(0, 2), [[0, 5], [1, 0]])
    with pytest.raises(DataError, match="processes 0 and 1 of 2 were given different batches, models or settings"):
        sharing._check(Share(0, 2), [[0, 5], [0, 6]])
