from dataclasses import replace

import numpy as np
import pytest

from fairshrink.report import exit_figures, style
from fairshrink.report.exit_figures import DARK_TEXT, LIGHT_TEXT, POLICY, SUREST, left, line, mean, place, text_over
from fairshrink.report.exited import ExitRecord
from fairshrink.report.parsing import from_plain
from fairshrink.report.style import INK
from report.fake_exits import fake_exits, plain


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exits")
    return [from_plain(plain(fake_exits(seed), folder), "exits.json", ExitRecord, "") for seed in range(2)]


def coloured(axes, colour):
    return [drawn for drawn in axes.get_lines() if drawn.get_color() == colour]


def rings(axes):
    return [
        drawn for drawn in axes.get_lines() if drawn.get_markeredgecolor() == INK and drawn.get_linestyle() == "None"
    ]


def test_there_is_a_panel_for_the_score_each_gap_and_the_cost(folds):
    titles = ["macro F1, average of the groups", "EOdd", "soft EOpp1", "mean cost (% of running to the end)"]
    assert [axes.get_title() for axes in exit_figures.along_theta(folds).axes] == titles
    by_eodd = [replace(one, rule="fate:eodd") for one in folds]
    assert [axes.get_title() for axes in exit_figures.along_theta(by_eodd).axes] == [*titles[:2], titles[3]]


def test_the_curve_of_a_fold_is_its_points(folds):
    top = exit_figures.along_theta(folds[:1]).axes[0]
    (alone,) = coloured(top, POLICY.colour)
    points = [point for point in folds[0].val.curve if point.theta < 0.99999]
    assert list(alone.get_ydata())[: len(points)] == [point.f1 for point in points]
    assert list(alone.get_xdata())[: len(points)] == pytest.approx([-np.log10(1 - point.theta) for point in points])
    assert max(alone.get_xdata()) <= SUREST
    (dashed,) = [
        drawn for drawn in coloured(top, INK) if len(set(drawn.get_ydata())) == 1 and drawn.get_linestyle() == "--"
    ]
    assert dashed.get_ydata()[0] == folds[0].val.single[-1].f1


def test_what_was_chosen_is_ringed_in_every_panel(folds):
    figure = exit_figures.along_theta(folds[:1])
    chosen = folds[0].chosen
    expected = [chosen.f1, chosen.gaps["eodd"], chosen.gaps["soft_eopp1"], 100 * chosen.cost / folds[0].costs[-1]]
    for axes, value in zip(figure.axes, expected, strict=True):
        (ring,) = rings(axes)
        assert list(ring.get_xdata()) == [place(folds[0].theta)]
        assert list(ring.get_ydata()) == pytest.approx([value])
        assert not axes.texts


def test_of_several_folds_the_rings_are_counted_once(folds):
    figure = exit_figures.along_theta([folds[0], folds[0], folds[1]])
    counts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(counts) == (["3"] if folds[0].theta == folds[1].theta else ["1", "2"])
    assert [len(axes.texts) for axes in figure.axes[1:]] == [0, 0, 0]
    assert len(coloured(figure.axes[1], POLICY.colour)) == 4


def test_the_mean_is_that_of_the_folds_where_all_of_them_have_points():
    one, two = (np.array([0.0, 2.0]), np.array([0.0, 2.0])), (np.array([1.0, 3.0]), np.array([5.0, 7.0]))
    x, y = mean([one, two])
    assert (x.tolist(), y.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_what_is_undefined_is_not_drawn_and_the_end_of_the_axis_holds_what_is_above(folds):
    points = [
        replace(folds[0].val.curve[0], theta=theta, f1=f1)
        for theta, f1 in ((0.5, 0.7), (0.9, None), (0.999999, 0.9), (1.0, 0.8))
    ]
    x, y = line(replace(folds[0], val=replace(folds[0].val, curve=points)), lambda point: point.f1)
    assert x.tolist() == pytest.approx([-np.log10(0.5), 1.0, SUREST])
    assert (y[0], np.isnan(y[1]), y[2]) == (0.7, True, 0.9)


def test_a_score_that_is_undefined_in_a_fold_is_drawn_as_nothing(folds):
    curve = [replace(point, f1=None) for point in folds[0].val.curve]
    bare = replace(folds[0], val=replace(folds[0].val, curve=curve))
    figure = style.settle(exit_figures.along_theta([bare, folds[1]]))
    assert not figure.axes[0].texts
    assert np.isnan(rings(figure.axes[0])[0].get_ydata()).all()
    assert exit_figures.single([bare, folds[1]]).axes[0].texts[5].get_text() == "–"


def test_every_exit_has_a_row_and_the_policy_the_last(folds):
    score, gap = exit_figures.single(folds).axes
    names = [label.get_text() for label in score.get_yticklabels()]
    assert [name.split(" (")[0] for name in names] == ["layer1", "layer2", "layer3", "layer4", "final", "early exits"]
    assert names[:2] == ["layer1 (26 %)", "layer2 (50 %)"]
    expected = [np.mean([one.val.single[k].f1 for one in folds]) for k in range(5)]
    expected.append(np.mean([one.chosen.f1 for one in folds]))
    assert [text.get_text() for text in score.texts] == [f"{value:.3f}" for value in expected]
    assert [text.get_text() for text in gap.texts][5] == f"{np.mean([one.chosen.gaps['eodd'] for one in folds]):.3f}"


def test_the_parts_of_a_bar_are_the_shares_of_a_group(folds):
    (axes,) = exit_figures.leaving(folds).axes
    widths = np.array([[patch.get_width() for patch in bars] for bars in axes.containers]).T
    expected = 50 * (np.array(folds[0].leave) + np.array(folds[1].leave))
    np.testing.assert_allclose(widths, expected)
    np.testing.assert_allclose(left(folds), expected)
    numbers = [text.get_text() for text in axes.texts]
    assert sorted(numbers) == sorted(f"{share:.0f}" for share in expected.ravel() if share >= 7.5)


def test_a_group_without_test_images_has_no_bar(folds):
    (axes,) = exit_figures.leaving([replace(folds[0], leave=[folds[0].leave[0], [None] * 5])]).axes
    assert axes.texts[-1].get_text() == "no test image"
    assert np.isnan([bars[1].get_width() for bars in axes.containers]).all()


def test_letters_can_be_read_over_their_colour():
    assert (text_over("#00366d"), text_over("#d6b25e")) == (LIGHT_TEXT, DARK_TEXT)
