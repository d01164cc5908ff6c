import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.errors import DataError
from fairshrink.maths.select import lowest
from oracles.select import lowest_by_sorting

VALUES = st.sampled_from([0.0, -0.0, 1.0, 1.0, -2.5, float("inf"), float("-inf"), 1e-30]) | st.floats(-3, 3, width=32)


@st.composite
def problems(draw):
    shapes = draw(st.lists(st.sampled_from([(1,), (4,), (2, 3), (3, 1, 2), (0,)]), min_size=1, max_size=4))
    scores, taken = {}, {}
    for index, shape in enumerate(shapes):
        size = torch.Size(shape).numel()
        values = draw(st.lists(VALUES, min_size=size, max_size=size))
        scores[f"p{index}"] = torch.tensor(values, dtype=torch.float32).view(shape)
        if draw(st.booleans()):
            mask = draw(st.lists(st.booleans(), min_size=size, max_size=size))
            taken[f"p{index}"] = torch.tensor(mask, dtype=torch.bool).view(shape)
    free = sum(s.numel() for s in scores.values()) - sum(int(t.sum()) for t in taken.values())
    return scores, taken, draw(st.integers(0, free))


@settings(max_examples=150, deadline=None)
@given(problems())
def test_exactly_the_k_lowest_with_stable_ties(problem):
    scores, taken, k = problem
    got = lowest(scores, k, taken=taken)
    assert {name: mask.shape for name, mask in got.items()} == {name: s.shape for name, s in scores.items()}
    chosen = {(name, i) for name, mask in got.items() for i in mask.flatten().nonzero().flatten().tolist()}
    assert len(chosen) == k
    assert chosen == lowest_by_sorting(scores, k, taken)


def test_without_taken_everything_is_free():
    got = lowest({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([[1.0], [0.0]])}, 2)
    assert got["a"].tolist() == [False, True]
    assert got["b"].tolist() == [[False], [True]]
    assert lowest({}, 0) == {}


def test_what_is_not_finite_in_value_still_has_a_rank_but_nan_has_none():
    assert lowest({"a": torch.tensor([float("inf"), float("-inf")])}, 1)["a"].tolist() == [False, True]
    with pytest.raises(DataError, match=r"scores of 'b': 2 of 3 are NaN"):
        lowest({"a": torch.zeros(2), "b": torch.tensor([float("nan"), 0.0, float("nan")])}, 1)


@pytest.mark.parametrize("k", [3, -1])
def test_more_than_is_free_cannot_be_chosen(k):
    with pytest.raises(DataError, match=rf"{k} weights are to be chosen, but 2 of 3 are free"):
        lowest({"a": torch.zeros(3)}, k, taken={"a": torch.tensor([True, False, False])})


def test_taken_has_to_fit():
    with pytest.raises(DataError, match=r"taken: no scores for 'b' \(1 such names\)"):
        lowest({"a": torch.zeros(3)}, 1, taken={"b": torch.zeros(3, dtype=torch.bool)})
    with pytest.raises(DataError, match=r"'a'\] is torch.bool of shape \(2,\), but .* a bool mask of shape \(3,\)"):
        lowest({"a": torch.zeros(3)}, 1, taken={"a": torch.zeros(2, dtype=torch.bool)})
    with pytest.raises(DataError, match=r"taken\['a'\] is torch.int64"):
        lowest({"a": torch.zeros(3)}, 1, taken={"a": torch.zeros(3, dtype=torch.int64)})
