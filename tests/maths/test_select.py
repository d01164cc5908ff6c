import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.errors import ConfigError, DataError
from fairshrink.maths.select import lowest, shares
from oracles.select import lowest_by_sorting, shares_by_trying

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


def places(masks: dict[str, torch.Tensor]) -> set[tuple[str, int]]:
    return {(name, i) for name, mask in masks.items() for i in mask.flatten().nonzero().flatten().tolist()}


@settings(max_examples=150, deadline=None)
@given(problems())
def test_exactly_the_k_lowest_with_stable_ties(problem):
    scores, taken, k = problem
    got = lowest(scores, k, taken=taken)
    assert {name: mask.shape for name, mask in got.items()} == {name: s.shape for name, s in scores.items()}
    assert len(places(got)) == k
    assert places(got) == lowest_by_sorting(scores, k, taken)


@settings(max_examples=150, deadline=None)
@given(problems())
def test_by_layer_each_tensor_gives_its_own_lowest(problem):
    scores, taken, k = problem
    got = lowest(scores, k, taken=taken, ranking="layer")
    gone = [int(taken[name].sum()) if name in taken else 0 for name in scores]
    wanted = shares_by_trying([score.numel() for score in scores.values()], gone, k)
    assert sum(wanted) == k
    expected = set()
    for (name, score), n in zip(scores.items(), wanted, strict=True):
        expected |= lowest_by_sorting({name: score}, n, {name: taken[name]} if name in taken else {})
    assert places(got) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5), st.data())
def test_shares_are_whole_met_exactly_and_as_equal_as_can_be(parts, data):
    sizes, taken = [size for size, _ in parts], [min(parts_) for parts_ in parts]
    k = data.draw(st.integers(0, sum(sizes) - sum(taken)))
    given_ = shares(sizes, taken, k)
    ends = [gone + more for gone, more in zip(taken, given_, strict=True)]
    assert sum(given_) == k
    assert all(more >= 0 and end <= size for more, end, size in zip(given_, ends, sizes, strict=True))
    for end, more, size in zip(ends, given_, sizes, strict=True):
        # Whoever gave stands at the common level, to one weight; nobody else stands below it.
        assert all(end - 1 < (e + 1) / s * size for e, s in zip(ends, sizes, strict=True) if more and s)


@pytest.mark.parametrize(
    ("sizes", "taken", "k", "expected"),
    [
        ([100, 10], [0, 0], 11, [10, 1]),
        ([3, 3, 3], [0, 0, 0], 4, [2, 1, 1]),  # equal remainders: the first ones
        ([7, 3], [0, 0], 3, [2, 1]),  # 2.1 and 0.9: the larger remainder
        ([10, 10], [8, 0], 4, [0, 4]),  # the first is past the common share already
        ([10, 10, 0], [2, 0, 0], 6, [2, 4, 0]),
        ([5], [5], 0, [0]),
    ],
)
def test_shares_in_numbers(sizes, taken, k, expected):
    assert shares(sizes, taken, k) == expected


def test_without_taken_everything_is_free():
    got = lowest({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([[1.0], [0.0]])}, 2)
    assert got["a"].tolist() == [False, True]
    assert got["b"].tolist() == [[False], [True]]
    assert lowest({}, 0) == lowest({}, 0, ranking="layer") == {}


def test_by_layer_low_scores_elsewhere_do_not_count():
    got = lowest({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([[1.0], [0.0]])}, 2, ranking="layer")
    assert got["a"].tolist() == [False, True]
    assert got["b"].tolist() == [[False], [True]]
    got = lowest({"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([1.0, 0.0])}, 2, ranking="layer")
    assert (got["a"].tolist(), got["b"].tolist()) == ([True, False], [False, True])


def test_what_is_not_finite_in_value_still_has_a_rank_but_nan_has_none():
    assert lowest({"a": torch.tensor([float("inf"), float("-inf")])}, 1)["a"].tolist() == [False, True]
    with pytest.raises(DataError, match=r"scores of 'b': 2 of 3 are NaN"):
        lowest({"a": torch.zeros(2), "b": torch.tensor([float("nan"), 0.0, float("nan")])}, 1)


@pytest.mark.parametrize("ranking", ["global", "layer"])
@pytest.mark.parametrize("k", [3, -1])
def test_more_than_is_free_cannot_be_chosen(k, ranking):
    with pytest.raises(DataError, match=rf"{k} weights are to be chosen, but 2 of 3 are free"):
        lowest({"a": torch.zeros(3)}, k, taken={"a": torch.tensor([True, False, False])}, ranking=ranking)


def test_an_unknown_ranking_is_refused():
    with pytest.raises(ConfigError, match=r"ranking is 'layers', but there is no such choice\. Did you mean 'layer'"):
        lowest({"a": torch.zeros(3)}, 1, ranking="layers")


def test_taken_has_to_fit():
    with pytest.raises(DataError, match=r"taken: no scores for 'b' \(1 such names\)"):
        lowest({"a": torch.zeros(3)}, 1, taken={"b": torch.zeros(3, dtype=torch.bool)})
    with pytest.raises(DataError, match=r"'a'\] is torch.bool of shape \(2,\), but .* a bool mask of shape \(3,\)"):
        lowest({"a": torch.zeros(3)}, 1, taken={"a": torch.zeros(2, dtype=torch.bool)})
    with pytest.raises(DataError, match=r"taken\['a'\] is torch.int64"):
        lowest({"a": torch.zeros(3)}, 1, taken={"a": torch.zeros(3, dtype=torch.int64)})
