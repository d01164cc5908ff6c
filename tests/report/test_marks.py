import numpy as np
import pytest

from fairshrink.report import marks, style
from fairshrink.report.audited import Gap


@pytest.fixture
def axes():
    with style.drawing():
        yield style.canvas(2.0).subplots()


def points(axes):
    return [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1]


def test_a_forest_shows_value_interval_and_floor(axes):
    found = [Gap(0.10, 0.04, 0.16, 0.03, 0.06), Gap(0.02, 0.0, 0.05, 0.03, 0.07)]
    marks.forest(axes, found, [marks.look_of(gap) for gap in found])
    spans = [tuple(line.get_xdata()) for line in axes.lines if len(set(line.get_xdata())) == 2]
    strokes = [
        line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 1
    ]
    np.testing.assert_allclose(points(axes), [0.10, 0.02])
    np.testing.assert_allclose(spans, [(0.04, 0.16), (0.0, 0.05)])
    np.testing.assert_allclose(strokes, [0.06, 0.07])
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [0.06, 0.07])


def test_an_undefined_gap_is_named_not_drawn(axes):
    found = [None, Gap(None, None, None, None, None)]
    marks.forest(axes, found, [marks.look_of(gap) for gap in found])
    assert [text.get_text() for text in axes.texts] == ["undefined"] * 2
    assert not axes.patches


def test_above_chance_is_filled_and_bold_and_within_is_hollow(axes):
    above, within = Gap(0.1, 0.05, 0.2, 0.0, 0.05), Gap(0.1, 0.0, 0.2, 0.1, 0.2)
    assert [marks.look_of(gap).filled for gap in (above, within, None)] == [True, False, False]
    marks.values(axes, [above, within, None])
    assert [(text.get_text(), text.get_fontweight()) for text in axes.texts] == [("0.100", "bold"), ("0.100", "normal")]


def test_fields_of_one_height_stand_at_one_level():
    with style.drawing():
        figures = [style.canvas(2.0), style.canvas(2.0)]
        for number, figure in enumerate(figures):
            axes = figure.subplots()
            axes.set_title("a\nb" if number else "")
        marks.level(figures)
        boxes = [figure.axes[0].get_position() for figure in figures]
    assert boxes[0].y0 == boxes[1].y0
    assert boxes[0].y1 == boxes[1].y1
