import dataclasses

import numpy as np

from fairshrink.report import figures, style
from fairshrink.report.audited import Gap


def with_gaps(run, gaps):
    """The run, its vanilla model with other class gaps in the first attribute."""
    name = run.data.shrunk_for
    audit = dataclasses.replace(run.vanilla.audit.attributes[name], class_gaps=gaps)
    whole = dataclasses.replace(run.vanilla.audit, attributes={name: audit})
    vanilla = run.vanilla._replace(audit=whole)
    return run._replace(vanilla=vanilla, stages=[vanilla, *run.stages[1:]])


def gap(value, chance):
    return Gap(value, 0.0, 1.0, 0.0, chance)


def test_a_forest_shows_the_models_in_their_colours(five):
    with style.drawing():
        axes = figures.gap_forest(five, "sex").axes[0]
    gaps = [stage.audit.attributes["sex"].gaps["eopp1"] for stage in five.stages]
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose([mark.get_xdata()[0] for mark in marks], [gap.value for gap in gaps])
    assert [mark.get_color() for mark in marks] == [style.of_model(row).colour for row in range(3)]


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


def test_changes_are_drawn_for_the_models_that_were_compared(five):
    bare = five.stages[1]._replace(comparison=None)
    with style.drawing():
        both = figures.change_forest(five, "sex").axes
        one = figures.change_forest(five._replace(stages=[five.stages[0], bare, five.stages[2]]), "sex").axes
    assert [axes.get_title(loc="left") for axes in both] == [
        "EOpp1: ← narrower | wider →",
        "EOpp0: ← narrower | wider →",
        "EOdd: ← narrower | wider →",
    ]
    assert [label.get_text() for label in both[0].get_yticklabels()] == ["OBD", "FairPrune"]
    assert [label.get_text() for label in one[0].get_yticklabels()] == ["FairPrune"]
