import dataclasses

import numpy as np
import pytest

from fairshrink.report import figures, style
from fairshrink.report.records import Gap


def with_gaps(run, gaps):
    """The run, its vanilla model with other class gaps in the first attribute."""
    name = run.data.shrunk_for
    audit = dataclasses.replace(run.vanilla.audit.attributes[name], class_gaps=gaps)
    whole = dataclasses.replace(run.vanilla.audit, attributes={name: audit})
    vanilla = run.vanilla._replace(audit=whole)
    return run._replace(vanilla=vanilla, stages=[vanilla, *run.stages[1:]])


def gap(value, chance):
    return Gap(value, 0.0, 1.0, 0.0, chance)


def test_a_forest_shows_value_interval_and_floor_of_every_model(five):
    with style.drawing():
        axes = figures.gap_forest(five, "sex").axes[0]
    gaps = [stage.audit.attributes["sex"].gaps["eopp1"] for stage in five.stages]
    marks = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
    spans = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(marks, [g.value for g in gaps])
    np.testing.assert_allclose(spans, [(g.low, g.high) for g in gaps])
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [g.null_high for g in gaps])


def test_an_undefined_gap_is_named_not_drawn(five):
    run = with_gaps(five, {f"tpr[{name}]": gap(None, None) for name in five.data.classes})
    with style.drawing():
        axes = figures.class_forest(run, "sex", ["mel"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["undefined"]


def test_the_tradeoff_has_one_mark_per_model_and_the_floor_as_a_band(five):
    with style.drawing():
        figure = figures.tradeoff(five, "sex")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "Vanilla",
        "OBD",
        "FairPrune",
        "chance alone (floor)",
    ]


def test_classes_stand_out_by_their_excess_over_the_floor(five):
    gaps = {
        "tpr[mel]": gap(0.13, 0.07),
        "tpr[df]": gap(0.4, 0.5),
        "tpr[nv]": gap(0.05, 0.01),
        "tpr[bcc]": gap(0.0, 0.0),
    }
    assert figures.striking_classes(with_gaps(five, gaps), "sex") == ["mel", "nv"]
    assert figures.striking_classes(with_gaps(five, {"tpr[df]": gaps["tpr[df]"]}), "sex") == ["df"]
    assert figures.striking_classes(with_gaps(five, {"tpr[bcc]": gaps["tpr[bcc]"]}), "sex") == []


def test_of_many_classes_the_picture_shows_those_that_exceed_their_floor_most(five):
    name = five.data.shrunk_for
    audit = five.vanilla.audit.attributes[name]
    rates = audit.classes["mel"]
    classes = {f"c{i}": rates for i in range(40)}
    gaps = {f"tpr[c{i}]": gap(i / 100, 0.1) for i in range(39)}
    many = dataclasses.replace(audit, classes=classes, class_gaps=gaps)
    run = five._replace(
        vanilla=five.vanilla._replace(audit=dataclasses.replace(five.vanilla.audit, attributes={name: many}))
    )
    assert figures.shown_classes(run, name) == [f"c{i}" for i in range(15, 39)]


@pytest.mark.parametrize("attribute", ["sex", "age >= 60"])
def test_class_dots_count_the_images_behind_them(five, attribute):
    with style.drawing():
        axes = figures.class_dots(five, five.vanilla, attribute).axes[0]
    assert axes.texts[4].get_text() == "550 / 550"


def test_three_groups_have_three_marks(three):
    with style.drawing():
        figure = figures.class_dots(three, three.vanilla, "tone")
    assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == ["tone 1", "tone 2", "tone 3"]
