from dataclasses import replace

import numpy as np

from fairshrink.report import runs_figures, style
from fairshrink.report.runs_changed import Span
from fairshrink.report.runs_front import front
from fairshrink.report.runs_measured import gap


def drawn(function, *arguments):
    with style.drawing():
        figure = function(*arguments)
        style.settle(figure)
        return figure.axes[0]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def crowd(found, count):
    """As many models as a test wants, on a slope, the last one undefined."""
    places = []
    for number in range(1, count + 1):
        first = found.places[min(number, 2) - 1]
        method = first.method._replace(number=number, label=f"model {number}")
        values = {
            "f1": first.f1._replace(value=0.4 + 0.005 * number),
            "gap": first.gap._replace(value=0.1 + 0.004 * number),
        }
        places.append(first._replace(method=method, front=number in (1, 5), **values))
    return found._replace(places=(*places, places[0]._replace(f1=places[0].f1._replace(value=None))))


def test_the_plane_has_every_model_with_its_number_bars_floor_and_front(seeds):
    found = front(seeds.sections[0], "sex")
    axes = drawn(runs_figures.plane, found)
    assert sorted(texts(axes)) == ["1", "2", "3"]
    marks = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1}
    assert marks == {(place.f1.value, place.gap.value) for place in found.places}
    bars = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_alpha()]
    assert len(bars) == 6
    assert any(line.get_label() == "Pareto front" for line in axes.lines)
    floor = max(place.gap.floor for place in found.places)
    assert any(
        np.isclose(patch.get_extents().transformed(axes.transData.inverted()).y1, floor) for patch in axes.patches
    )
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert {"1 Vanilla", "2 OBD", "3 FairPrune"} <= set(names)


def test_of_many_models_the_marks_fill_the_picture(seeds):
    axes = drawn(runs_figures.plane, crowd(front(seeds.sections[0], "sex"), 20))
    assert len(texts(axes)) == 20
    bars = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_alpha()]
    assert len(bars) == 4  # two of the front, one of them the vanilla model
    assert axes.get_xlim()[0] > 0.38
    assert axes.get_xlim()[1] < 0.52


def test_twenty_models_look_different(seeds):
    method = seeds.sections[0].methods[1]
    looks = [runs_figures.look_of(method._replace(number=number)) for number in range(2, 38)]
    assert len({(look.colour, look.marker) for look in looks}) == len(looks)


def test_the_front_runs_along_what_it_covers(seeds):
    found = front(seeds.sections[0], "sex")
    points = [(0.5, 0.1), (0.6, 0.2)]
    places = [
        place._replace(front=True, f1=place.f1._replace(value=x), gap=place.gap._replace(value=y))
        for place, (x, y) in zip(found.places, points, strict=False)
    ]
    axes = drawn(runs_figures.plane, found._replace(places=tuple(places)))
    line = next(line for line in axes.lines if line.get_label() == "Pareto front")
    assert line.get_drawstyle() == "steps-pre"  # at 0.5 the gap 0.1 ends, to its right 0.2 is the smallest
    np.testing.assert_allclose(line.get_xydata(), points)


def test_a_plane_without_a_defined_model_is_empty(seeds):
    found = front(seeds.sections[0], "sex")
    lost = found.places[0]._replace(gap=found.places[0].gap._replace(value=None))
    assert texts(drawn(runs_figures.plane, found._replace(places=(lost,)))) == []


def test_seeds_are_dots_with_their_mean(seeds):
    methods = seeds.sections[0].methods
    found = [gap(method, "sex", "eopp1") for method in methods]
    axes = drawn(
        runs_figures.dots,
        methods,
        [found[0], found[1]._replace(values=(None, *found[1].values[1:])), found[2]],
        "EOpp1",
    )
    dots = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
    assert sorted(dots) == sorted([*found[0].values, *found[1].values[1:], *found[2].values])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1 Vanilla", "2 OBD", "3 FairPrune"]


def test_the_forest_has_both_intervals_around_zero(seeds):
    one = seeds.differences[0]
    told = replace(one, value=-0.1, seeds=Span(-0.2, -0.05, 0.0), images=Span(-0.3, -0.02, 0.0), p=0.0, p_holm=0.0)
    up = replace(told, value=0.1, seeds=Span(0.05, 0.2, 0.0), images=Span(0.02, 0.3, 0.0))
    rows = [told, up, replace(told, p_holm=0.5), replace(told, value=None)]
    axes = drawn(runs_figures.forest, rows, "EOpp1")
    markers = [line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1]
    assert markers == ["<", ">", "o"]
    assert texts(axes) == ["−0.100", "+0.100", "−0.100", "undefined"]
    low, high = axes.get_xlim()
    assert low == -high
    assert high > 0.3
    thick = [line for line in axes.lines if line.get_linewidth() > 3]
    assert [tuple(line.get_xdata()) for line in thick] == [(-0.2, -0.05), (0.05, 0.2), (-0.2, -0.05)]
