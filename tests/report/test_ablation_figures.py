import numpy as np
import pytest

from fairshrink.report import ablation, ablation_figures, style, trading


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


@pytest.fixture(scope="module")
def family(mapped):
    return ablation.families(mapped)[0]


@pytest.fixture(scope="module")
def found(mapped, family):
    return ablation.curves(mapped, family)


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_recall_and_gap_are_drawn_with_the_start_and_the_floor(family, found):
    figure = ablation_figures.along(family, found)
    recall, gap = figure.axes
    assert labels(figure)[:2] == ["chance alone (floor)", "Vanilla"]
    assert recall.lines[0].get_ydata()[0] == family.start.recall.value
    assert gap.lines[0].get_ydata()[0] == family.start.eopp1.value
    thick = [line for line in gap.lines if line.get_linewidth() == 1.9]
    np.testing.assert_allclose(thick[-1].get_ydata(), [point.eopp1.value for point in found[-1].points])
    band = gap.collections[-1].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(max(point.eopp1.high for point in found[-1].points))


def test_rings_stand_where_the_folds_stopped(family, found):
    gap = ablation_figures.along(family, found).axes[1]
    rings = [line for line in gap.lines if line.get_markersize() == 10]
    assert [set(np.round(ring.get_xdata(), 6)) for ring in rings] == [set(c.ends) for c in found if c.thick]


def test_thin_lines_of_one_stage_go_without_its_name(family, found):
    thin = [curve for curve in found if not curve.thick]
    assert all(curve.label.startswith("FairPrune, ") for curve in thin)
    named = labels(ablation_figures.along(family, found))
    assert set(named) >= {curve.label.removeprefix("FairPrune, ") for curve in thin}
    both = [*found, found[0]._replace(label="Other, beta 0.1")]
    assert found[0].label in labels(ablation_figures.along(family, both))


def floor(family, found):
    span = ablation_figures.along(family, found).axes[1].patches[0]
    assert span.get_label() == "chance alone (floor)"
    return span.get_y(), span.get_height()


def test_the_floor_is_the_largest_of_the_drawn_points(family, found):
    thick = [curve for curve in found if curve.thick]
    largest = max(family.start.floor, *(point.floor for curve in thick for point in curve.points))
    assert floor(family, found) == (0, pytest.approx(largest))
    high = thick[0]._replace(points=[point._replace(floor=0.9) for point in thick[0].points])
    assert floor(family, [high, *thick[1:]]) == (0, 0.9)
    assert floor(family, [curve for curve in found if not curve.thick]) == (0, family.start.floor)


def test_without_a_band_a_thick_line_is_a_line(family, found):
    bare = [curve._replace(banded=False) for curve in found]
    recall, gap = ablation_figures.along(family, bare).axes
    assert not [*recall.collections, *gap.collections]
    assert sum(line.get_linewidth() == 1.9 for line in gap.lines) == sum(curve.thick for curve in found)


def test_the_points_of_beta_are_joined_and_labelled(mapped, family):
    trade = trading.trade(mapped, family)
    figure = ablation_figures.trade(family, trade)
    (axes,) = figure.axes
    points = [point for _, point in trade.lines[0].points]
    joined = next(line for line in axes.lines if line.get_linewidth() == 1.1)
    np.testing.assert_allclose(joined.get_xdata(), [point.eopp1.value for point in points])
    np.testing.assert_allclose(joined.get_ydata(), [point.f1.value for point in points])
    assert [text.get_text() for text in axes.texts] == ["0", "0.33", "0.8"]
    bold = {float(text.get_text()) for text in axes.texts if text.get_fontweight() == "bold"}
    assert bold == set(trade.lines[0].chosen)
    assert labels(figure) == ["chance alone (floor)", "FairPrune, by beta", "Vanilla", "OBD"]


def test_of_many_points_the_ends_and_the_chosen_have_labels(mapped, family, monkeypatch):
    monkeypatch.setattr(ablation_figures, "MOST_LABELLED", 2)
    trade = trading.trade(mapped, family)
    line = trade.lines[0]._replace(chosen=frozenset({0.8}))
    (axes,) = ablation_figures.trade(family, trade._replace(lines=[line])).axes
    assert [text.get_text() for text in axes.texts] == ["0", "0.8"]


def test_quantising_is_drawn_by_precision_and_eodd_beside_its_control(quantised):
    family = ablation.families(quantised)[1]
    found = ablation.curves(quantised, family)
    figure = ablation_figures.along(family, found)
    score, gap = figure.axes
    assert score.get_title(loc="left") == "macro precision, average of the groups"
    assert gap.get_title(loc="left") == "EOdd between the groups"
    assert gap.get_xlabel() == "share of weights fixed"
    beside = next(curve for curve in found if curve.control)
    for axes, values in (
        (score, [point.precision.value for point in beside.points]),
        (gap, [point.eodd.value for point in beside.points]),
    ):
        (line,) = [line for line in axes.lines if line.get_label() == "Re-training only"]
        np.testing.assert_allclose(line.get_ydata(), values)
    floors = [point.eodd_floor for curve in found for point in curve.points] + [family.start.eodd_floor]
    assert gap.patches[0].get_height() == pytest.approx(np.nanmax(floors))
