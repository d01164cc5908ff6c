import numpy as np
import pytest

from fairshrink.report import channel_figures, style
from fairshrink.report.channel_figures import Curve


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


def line(figure, name):
    return next(line for line in figure.axes[0].lines if line.get_label() == name)


def test_scores_are_sorted_and_removed_channels_left_out():
    curve = Curve([3.0, 1.0, 2.0, 9.0], [4.0, 0.0, 6.0, 9.0], [2.0, 2.5, 3.0], [1, 3], [3])
    figure = channel_figures.sorted_scores([curve], ("old", "new"))
    np.testing.assert_allclose(line(figure, "old").get_ydata(), [1, 2, 3])
    np.testing.assert_allclose(line(figure, "new").get_ydata(), [4, 6])
    np.testing.assert_allclose(line(figure, "by chance").get_ydata(), [2, 2.5, 3])
    np.testing.assert_allclose(line(figure, "old").get_xdata(), [0, 50, 100])


def test_removed_channels_are_marked_where_they_lay_before():
    curve = Curve([3.0, 1.0, 2.0, 9.0, 0.0], [0.0] * 5, [2.0] * 4, [0, 2, 3], [3])
    assert curve.newly == [0, 2]
    assert channel_figures.removed_places(curve) == [100, pytest.approx(200 / 3)]
    figure = channel_figures.sorted_scores([curve])
    (marks,) = figure.axes[0].collections
    assert [segment[0][0] for segment in marks.get_segments()] == channel_figures.removed_places(curve)


def test_several_folds_are_thin_around_their_mean():
    curves = [Curve([1.0, 2.0], [2.0, 4.0], [1.0, 1.0], []), Curve([3.0, 4.0], [6.0, 8.0], [3.0, 3.0], [])]
    figure = channel_figures.sorted_scores(curves)
    np.testing.assert_allclose(line(figure, "after").get_ydata(), [4, 6])
    np.testing.assert_allclose(line(figure, "by chance").get_ydata(), [2, 2])
    assert len(figure.axes[0].lines) == 2 * 3 + 1
    assert not figure.axes[0].collections


def test_a_model_alone_has_one_curve_and_a_layer_may_have_one_channel_left():
    figure = channel_figures.sorted_scores([Curve([], [5.0, 1.0], [2.0, 2.0], [0])])
    np.testing.assert_allclose(line(figure, "after").get_ydata(), [1, 1])
    assert [entry.get_label() for entry in figure.axes[0].lines] == ["after", "by chance"]
