import numpy as np
import pytest

from fairshrink.report import analysis_figures, style
from fairshrink.report.analysed import read_analysis
from report.fake_analysis import DEPTHS, LAYERS, write_fake_analysis


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return read_analysis(write_fake_analysis(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return read_analysis(write_fake_analysis(tmp_path_factory.mktemp("alone"), folds=1, against=False))


def lines(figure, name):
    return [line for line in figure.axes[0].lines if line.get_label() == name]


def test_curves_are_one_a_fold_with_what_each_model_lacks(found, alone):
    before, after = found.before[1].layers[1], found.after[1].layers[1]
    curve = analysis_figures.curves(found, "conv2", "sex")[1]
    assert curve.before == before.labels["sex"].scores
    assert curve.after == after.labels["sex"].scores
    assert (curve.chance, curve.gone, curve.lacked) == (before.labels["sex"].chance, [1, 4], [])
    (single,) = analysis_figures.curves(alone, "conv2", "sex")
    assert single.before == []
    assert single.chance == alone.after[0].layers[1].labels["sex"].chance


def test_every_layer_is_a_row_for_each_model(found, alone):
    axes = analysis_figures.spread(found, "sex", ("before", "after")).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(LAYERS)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(dots) == 2 * len(LAYERS)
    assert {line.get_xdata()[0] for line in dots} == {-0.02}
    ends = {tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2}
    assert {(-0.1, 0.01), (-0.05, 0.0)} <= ends
    bare = analysis_figures.spread(alone, "sex", ("", "scp"))
    assert len([line for line in bare.axes[0].lines if line.get_marker() == "o"]) == len(LAYERS)


def test_depth_is_drawn_as_the_change_against_the_first(found):
    np.testing.assert_allclose(analysis_figures.change(found.before, "sex"), [[0, -1, 100 * (0.99**2 - 1)]] * 2)
    assert analysis_figures.change(found.after, "sex", "chance").shape == (2 * 19, len(DEPTHS))
    figure = analysis_figures.depth(found, "sex", ("b", "a"), {"ISIC 2019": 1.1})
    (drawn,) = lines(figure, "a")
    np.testing.assert_allclose(drawn.get_ydata(), [0, -2, 100 * (0.98**2 - 1)])
    (published,) = lines(figure, "published, ISIC 2019")
    np.testing.assert_allclose(published.get_ydata(), [0, -1.1, 100 * (0.989**2 - 1)])
    assert lines(figure, "by class alone")
    assert not lines(analysis_figures.depth(found, "class", ("b", "a")), "by class alone")
