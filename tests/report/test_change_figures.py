import numpy as np
import pytest

from fairshrink.report import change_figures, style
from fairshrink.report.compared import Change

NARROWER = Change(0.2, 0.1, -0.1, -0.15, -0.05, 0.001, 0.004)
WIDER = Change(0.1, 0.2, 0.1, 0.02, 0.18, 0.002, 0.01)
NEITHER = Change(0.2, 0.15, -0.05, -0.09, -0.01, 0.03, 0.4)
UNDEFINED = Change(None, None, None, None, None)


@pytest.fixture
def axes():
    with style.drawing():
        found = {"a": NARROWER, "b": WIDER, "c": NEITHER, "d": UNDEFINED}
        yield change_figures.changes(found, "title").axes[0]


def test_the_mark_shows_the_direction_and_whether_it_can_be_told(axes):
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [mark.get_marker() for mark in marks] == ["<", ">", "o"]
    assert [mark.get_markerfacecolor() != "none" for mark in marks] == [True, True, False]
    np.testing.assert_allclose([mark.get_xdata()[0] for mark in marks], [-0.1, 0.1, -0.05])


def test_no_change_is_in_the_middle_and_the_undefined_is_named(axes):
    low, high = axes.get_xlim()
    assert low == -high
    assert high > 0.18
    assert [text.get_text() for text in axes.texts] == ["−0.100", "+0.100", "−0.050", "undefined"]


def test_of_many_changes_the_surest_are_drawn():
    many = {f"c{i}": Change(0.1, 0.2, 0.1, i / 1000 - 0.02, 0.3, 0.5, 1.0) for i in range(40)} | {"d": UNDEFINED}
    with style.drawing():
        axes = change_figures.changes(many, "title").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"c{i}" for i in range(16, 40)]


def test_nothing_but_undefined_changes_can_be_drawn():
    with style.drawing():
        axes = change_figures.changes({"a": UNDEFINED}, "title").axes[0]
    assert axes.get_xlim()[1] > 0
