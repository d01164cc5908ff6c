import itertools

import numpy as np
import pytest

from fairshrink.deploy.bits import pack
from fairshrink.deploy.marks import Marks, Runs, read, smallest, write


def masks():
    rng = np.random.default_rng(0)
    blocks = np.zeros(5000, dtype=bool)
    blocks[1000:2500] = True
    random = {f"{share}": rng.random(3000) < share for share in (0, 0.001, 0.012, 0.2, 0.5, 0.9, 1)}
    return random | {"blocks": blocks, "one": np.ones(1, dtype=bool), "none": np.zeros(0, dtype=bool)}


@pytest.mark.parametrize("mask", masks().values(), ids=masks())
def test_a_mask_comes_back_from_as_many_bytes_as_were_said(mask):
    marks = smallest(mask)
    content = write(mask, marks)
    assert len(content) == marks.size(len(mask))
    assert marks.count == mask.sum()
    assert np.array_equal(read(content, marks, len(mask)), mask)


@pytest.mark.parametrize(
    ("name", "runs"), [("0.012", True), ("0.5", False), ("blocks", True), ("0", True), ("1", True)]
)
def test_runs_where_they_are_clearly_smaller(name, runs):
    assert (smallest(masks()[name]).runs is not None) == runs


def test_the_widths_are_the_best_of_all():
    mask = masks()["0.012"]
    best = smallest(mask).size(len(mask))
    lengths = [len(list(run)) - 1 for _, run in itertools.groupby(mask)]

    def bits(part, width):
        return (width * sum(length // (2**width - 1) + 1 for length in part) + 7) // 8

    slow = sum(min(bits(part, width) for width in range(1, 17)) for part in (lengths[::2], lengths[1::2]))
    assert best == slow


def test_small_masks_all_come_back_from_runs():
    for bits in itertools.product([False, True], repeat=7):
        mask = np.array(bits)
        off = [len(list(run)) - 1 for marked, run in itertools.groupby(bits) if not marked]
        on = [len(list(run)) - 1 for marked, run in itertools.groupby(bits) if marked]
        runs = Runs(begins=bits[0], widths=(3, 3), numbers=(len(off), len(on)))
        content = np.concatenate([pack(np.array(part, dtype=np.int64), 3) for part in (off, on)])
        if 7 not in off + on:
            assert np.array_equal(read(content, Marks(count=sum(bits), runs=runs), 7), mask)


def broken(off, on, begins=False, count=1):
    """Runs of two bits: lengths less 1, and 3 goes on."""
    runs = Runs(begins=begins, widths=(2, 2), numbers=(len(off), len(on)))
    return np.concatenate([pack(np.array(part), 2) for part in (off, on)]), Marks(count=count, runs=runs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (broken([1, 1], [0], count=2), "1 places are marked, but 2 should be"),
        (broken([1, 1, 0], [0]), "3 and 1 runs cannot take turns"),
        (broken([1, 1], [0], begins=True), "1 and 2 runs cannot take turns"),
        (broken([1, 3], [0]), "the last run has no end"),
        (broken([1, 2], [0]), "the runs are 6 places long, but 5 are expected"),
    ],
)
def test_runs_that_cannot_be(content, message):
    with pytest.raises(ValueError, match=message):
        read(*content, 5)
