import pytest
import torch

from fairshrink.errors import DataError
from fairshrink.maths.samples import check_parts, counted, samples_of
from fairshrink.types import GroupBatch

LIKE = torch.zeros(1, dtype=torch.float64)


def batch(g, x=None):
    return GroupBatch(
        torch.ones(len(g), 2) if x is None else x, torch.zeros(len(g), dtype=torch.int64), torch.tensor(g)
    )


def read(*batches):
    return list(samples_of(list(batches), num_groups=2, like=LIKE))


def test_samples_of_no_group_are_left_out_and_the_dtype_is_the_models():
    got = read(batch([-1, -1]), batch([0, -1, 1]))
    assert [part.g.tolist() for part in got] == [[0, 1]]
    assert got[0].x.dtype == torch.float64
    assert read(batch([0], torch.ones(1, 2, dtype=torch.int64)))[0].x.dtype == torch.int64


def test_nan_in_a_sample_of_no_group_does_no_harm():
    x = torch.ones(2, 2)
    x[0] = float("nan")
    assert len(read(batch([-1, 0], x))[0].x) == 1
    with pytest.raises(DataError, match="batch 0: 1 of 2 inputs hold NaN or infinity"):
        read(batch([0, 0], x))


class Loader:
    def __iter__(self):
        return iter([batch([0]), (1, 2, 3)])


def test_something_else_than_a_batch_is_named():
    message = r"batch 1 is a tuple of 3 parts \(int, int, int\), but a GroupBatch\(x, y, g\) is expected"
    with pytest.raises(DataError, match=message):
        list(samples_of(Loader(), num_groups=2, like=LIKE))


def unchecked_batch(*parts: object) -> GroupBatch:
    """A batch as a program without type checks makes it."""
    made = object.__new__(GroupBatch)
    for name, part in zip("xyg", parts, strict=True):
        object.__setattr__(made, name, part)
    return made


WHOLE, PAIR = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            (WHOLE, PAIR, ["f", "m"]),
            r"\n  part 3 \(the groups\) is a list of str: let .* numbers in place of names: 0, 1",
        ),
        ((WHOLE, PAIR, ("f", "m")), r"part 3 \(the groups\) is a tuple of str: let"),
        ((WHOLE, [0, 1], PAIR), r"part 2 \(the classes\) is a list of int: make it a tensor, with torch.as_tensor"),
        ((WHOLE.numpy(), PAIR, PAIR), r"part 1 \(the inputs\) is of type ndarray: make it a tensor"),
        (
            unchecked_batch(WHOLE, PAIR, PAIR.numpy()),
            r"0 is a GroupBatch, but part 3 \(the groups\) is of type ndarray: make",
        ),
        ((WHOLE, PAIR), r"of 2 parts \(Tensor, Tensor\), .*\n  Let each item of the data set end with its group"),
        (
            {"image": WHOLE, "sex": PAIR},
            r"is a dict, but .* Its keys are 'image', 'sex'\.\n  Give batches as GroupBatch\(",
        ),
    ],
)
def test_the_part_that_is_no_tensor_is_named(given, message):
    with pytest.raises(DataError, match=message):
        check_parts(0, given)


def test_parts_of_different_lengths_are_counted():
    with pytest.raises(DataError, match="batch 0 has 3 inputs, 2 classes and 2 groups"):
        read(batch([0, 1], torch.ones(3, 2)))


@pytest.mark.parametrize(("g", "first"), [([0, 2, 3], "2 of 3 groups .* first is 2"), ([-2, 0], "first is -2")])
def test_groups_out_of_range_are_counted(g, first):
    with pytest.raises(DataError, match=first):
        read(batch(g))


def test_groups_are_integers():
    with pytest.raises(DataError, match=r"are not integers from -1 to 1, the first is of torch.float32"):
        read(batch([0.0, 1.0]))


def test_sizes():
    assert counted(torch.tensor([0, 1, 1]), 2).tolist() == [1, 2]
    with pytest.raises(DataError, match=r"group 0 has no samples \(1 of 2 groups are empty; sizes: \[0, 1\]\)"):
        counted(torch.tensor([1]), 2)
