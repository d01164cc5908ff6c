import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.maths import windows
from fairshrink.maths.windows import DEPTH, Part, cut, gathered, rows_of


def part(start: int, count: int, shape=(2,), dtype=torch.float32) -> Part:
    places = torch.arange(start, start + count)
    x = places.view(-1, *[1] * len(shape)).expand(count, *shape).to(dtype)
    return Part(x, places % 3, places % 2, places)


def test_batches_are_joined_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(windows, "_GATHERED", 12)
    parts = [part(0, 2), part(2, 4), part(6, 1), part(7, 0), part(7, 9)]
    got = list(gathered(parts))
    assert [p.places.tolist() for p in got] == [[0, 1, 2, 3, 4, 5], [6], list(range(7, 16))]
    for p in got:
        assert p.x[:, 0].tolist() == p.places.tolist()
        assert p.g.tolist() == (p.places % 2).tolist()
        assert p.y.tolist() == (p.places % 3).tolist()


def test_inputs_of_other_shapes_and_kinds_stay_apart():
    parts = [part(0, 2), part(2, 2, (3,)), part(4, 2, (3,)), part(6, 1, (3,), torch.int64)]
    assert [p.places.tolist() for p in gathered(parts)] == [[0, 1], [2, 3, 4, 5], [6]]
    assert list(gathered([])) == []


def test_a_sample_may_be_taken_several_times():
    got = part(5, 3).at(torch.tensor([2, 0, 2]))
    assert got.places.tolist() == [7, 5, 7]
    assert part(5, 3).at(torch.tensor([False, True, False])).places.tolist() == [6]


def test_a_row_takes_no_more_than_its_depth():
    kept = torch.zeros(3 * DEPTH, 4, dtype=torch.bool)
    kept[[1, 5], 0] = True
    kept[: 2 * DEPTH + 3, 2] = True
    kept[7, 3] = True
    samples, taken = rows_of(kept)
    assert samples.tolist() == [2, 2, 2, 0, 3]
    assert taken.sum(0).tolist() == [DEPTH, DEPTH, 3, 2, 1]
    together = torch.zeros_like(kept).int()
    for sample, column in zip(samples.tolist(), taken.T, strict=True):
        together[:, sample] += column.int()
    assert together.equal(kept.int())  # every kept column is taken once


@settings(deadline=None)
@given(st.lists(st.integers(1, DEPTH), max_size=60), st.integers(1, 40))
def test_chunks_are_full(counts, size):
    counts.sort(reverse=True)
    chunks = list(cut(counts, size))
    assert [row for chunk in chunks for row in range(chunk.start, chunk.stop)] == list(range(len(counts)))
    for chunk in chunks:
        mine = counts[chunk]
        assert 1 <= len(mine) <= size
        assert sum(mine) >= 0.75 * mine[0] * len(mine)


def test_rows_alike_share_a_chunk():
    assert [(c.start, c.stop) for c in cut([3, 3, 3, 1, 1, 1, 1], 100)] == [(0, 4), (4, 7)]
    assert [(c.start, c.stop) for c in cut([2] * 40 + [1] * 5, 100)] == [(0, 44), (44, 45)]
    assert [(c.start, c.stop) for c in cut([2] * 5, 2)] == [(0, 2), (2, 4), (4, 5)]
