import numpy as np
import pytest

from fairshrink.report import fate_figures
from fairshrink.report.fates import Line, Spot
from fairshrink.report.style import INK, MUTED, Look


def spots(values, taken):
    return [Spot(n, {"eodd": v, "eopp1": 2 * v}, -0.01 * n, n == taken) for n, v in enumerate(values)]


LOOK = Look("#009e73", "s")
TWO = Line("SCP", [spots([0.0, 0.1, 0.3], 1), spots([0.0, 0.3], 1)], LOOK)
ONE = Line("SCP", [spots([0.0, 0.1, 0.3], 2)], LOOK)


def drawn(axes, colour=LOOK.colour):
    return [line for line in axes.get_lines() if line.get_color() == colour]


def rings(axes):
    return [line for line in axes.get_lines() if line.get_markeredgecolor() == INK and line.get_linestyle() == "None"]


def test_there_is_a_panel_for_each_gap_and_one_for_the_score():
    figure = fate_figures.along([TWO])
    assert [axes.get_title() for axes in figure.axes] == [
        "FATE of EOdd",
        "FATE of EOpp1",
        "change of macro F1",
    ]
    assert figure.axes[-1].get_xlabel() == "iteration"


def test_the_mean_is_thick_and_folds_are_faint():
    top, below, _ = fate_figures.along([TWO]).axes
    faint, thick = drawn(top)[:2], [line for line in drawn(top) if line.get_linewidth() > 1.5]
    assert [
        line.get_ydata().tolist() if isinstance(line.get_ydata(), np.ndarray) else line.get_ydata() for line in faint
    ] == [
        [0.0, 0.1, 0.3],
        [0.0, 0.3],
    ]
    assert thick[0].get_ydata() == pytest.approx([0.0, 0.2])
    assert next(line for line in drawn(below) if line.get_linewidth() > 1.5).get_ydata() == pytest.approx([0.0, 0.4])
    (alone,) = [line for line in drawn(fate_figures.along([ONE]).axes[0]) if len(line.get_xdata()) == 3]
    assert alone.get_linewidth() > 1.5


def test_what_was_taken_is_ringed_and_counted_once():
    figure = fate_figures.along([TWO])
    for axes in figure.axes:
        (ring,) = rings(axes)
        assert list(ring.get_xdata()) == [1]
    assert rings(figure.axes[0])[0].get_ydata() == pytest.approx([0.2])
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [["2"], [], []]
    assert [text.get_text() for text in fate_figures.along([ONE]).axes[0].texts] == []


def test_what_was_taken_beyond_the_mean_is_ringed_on_its_own_line():
    late = TWO._replace(folds=[spots([0.0, 0.1, 0.3], 2), spots([0.0, 0.3], 1)])
    top = fate_figures.along([late]).axes[0]
    assert list(rings(top)[0].get_xdata()) == [1]
    (beyond,) = [line for line in top.get_lines() if line.get_marker() == "o" and line.get_markersize() == 6]
    assert (list(beyond.get_xdata()), list(beyond.get_ydata())) == ([2], [0.3])


def test_the_control_has_crosses_and_the_bound_stands_in_the_lowest_panel():
    control = Line("SCP control", [spots([0.0, -0.1], 0)], Look(MUTED, "x"), control=True)
    top, _, low = fate_figures.along([TWO, control], [0.01, 0.02]).axes
    (crosses,) = [line for line in top.get_lines() if line.get_marker() == "x"]
    assert crosses.get_ydata() == pytest.approx([0.0, -0.1])
    assert [text.get_text() for text in low.texts] == ["−0.01 (th_acc)", "−0.02 (th_acc)"]
    assert [list(line.get_xdata()) for line in rings(top)] == [[1], [0]]  # what the control kept, on its own line


def test_a_line_without_a_name_has_no_rings():
    top = fate_figures.along([TWO._replace(label="")]).axes[0]
    assert rings(top) == []
