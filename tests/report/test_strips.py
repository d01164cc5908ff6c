import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fairshrink.report import strips, style
from fairshrink.report.records import Saliency


def record(*rows):
    return Saliency("conv1.weight", [f"g{i}" for i in range(len(rows))], [list(row) for row in rows])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.floats(0, 1)] * 3),
        min_size=4,
        max_size=30,
        unique_by=tuple(lambda t, i=i: t[i] for i in range(3)),
    )
)
def test_disputed_weights_equal_a_loop(rows):
    columns = list(zip(*rows, strict=True))
    n = len(rows)
    slow = [
        i
        for i in range(n)
        if sum(v < columns[0][i] for v in columns[0]) < n / 2
        and all(sum(v < column[i] for v in column) >= 0.75 * n for column in columns[1:])
    ]
    assert strips.disputed(record(*columns), "g0").tolist() == slow


def test_without_a_known_unprivileged_group_nothing_is_disputed():
    assert strips.disputed(record([1, 2], [2, 1]), None).size == 0


def test_agreement_is_the_lowest_rank_correlation():
    assert strips.agreement(record([1, 2, 3], [1, 2, 3], [3, 2, 1])) == "−1.00"
    assert strips.agreement(record([1], [1])) == "–"


def test_the_strips_are_aligned_and_name_the_unprivileged_group():
    with style.drawing():
        figure = strips.strips(record(np.linspace(0, 1, 50), np.linspace(1, 0, 50)), "g1")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["g0", "g1 (unprivileged)", ""]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_a_layer_without_any_saliency_can_be_drawn():
    with style.drawing():
        figure = strips.strips(record([0.0, None], [0.0, 0.0]), "g0")
    assert len(figure.axes) == 3
