import dataclasses

import pytest

from fairshrink.report import class_figures, style
from fairshrink.report.audited import Gap, Rates
from fairshrink.report.parsing import audit_record
from report.fake_audit import fake_audit


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


def attribute(groups=("female", "male"), classes=("bcc", "df", "mel", "nv"), **how):
    return audit_record(fake_audit({"sex": groups}, classes, **how)).attributes["sex"]


def gap(value, chance):
    return Gap(value, 0.0, 1.0, 0.0, chance)


def with_gaps(values):
    return dataclasses.replace(attribute(), class_gaps={f"tpr[{name}]": gap for name, gap in values.items()})


def test_classes_stand_out_by_their_excess_over_the_floor():
    gaps = {"mel": gap(0.13, 0.07), "df": gap(0.4, 0.5), "nv": gap(0.05, 0.01), "bcc": gap(0.0, 0.0)}
    assert class_figures.striking_classes(with_gaps(gaps)) == ["mel", "nv"]
    assert class_figures.striking_classes(with_gaps({"df": gaps["df"]})) == ["df"]
    assert class_figures.striking_classes(with_gaps({"bcc": gaps["bcc"]})) == []


def test_of_many_classes_the_picture_shows_those_that_exceed_their_floor_most():
    names = [f"c{i}" for i in range(40)]
    gaps = {f"tpr[c{i}]": gap(i / 100, 0.1) for i in range(39)}
    audit = dataclasses.replace(attribute(classes=names), class_gaps=gaps)
    assert class_figures.shown_classes(audit) == [f"c{i}" for i in range(15, 39)]
    assert "24 of 40 classes are shown" in class_figures.class_caption(audit)


def test_dots_have_the_number_of_images_behind_them():
    audit = attribute()
    axes = class_figures.class_dots(audit, "title", list(audit.classes)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["300 / 40", "40 / 7", "7 / 300", "300 / 40"]


def test_many_groups_have_the_smallest_and_the_largest_number():
    audit = attribute(groups=[f"g{i}" for i in range(12)])
    figure = class_figures.class_dots(audit, "title", list(audit.classes))
    assert [text.get_text() for text in figure.axes[0].texts] == ["7 to 300"] * 4
    assert len(figure.legends[0].get_texts()) == 14
    assert "the smallest and the largest number" in class_figures.class_caption(audit)


def test_suppressed_cells_are_neither_counted_nor_drawn():
    rates = [Rates(None, 0.9, None, None), Rates(12, 0.5, None, None), Rates(9, 0.7, None, None)]
    assert class_figures.sizes(rates, 10) == "hidden / 12 / hidden"
    assert class_figures.sizes([*rates, Rates(30, 0.1, None, None)], 10) == "12 to 30, 2 hidden"
    assert class_figures.sizes([rates[0]] * 4, 10) == "4 hidden"
    audit = attribute(min_cell=10)
    leaked = audit.classes["df"] | {"male": Rates(7, 0.123, None, None)}
    audit = dataclasses.replace(audit, classes=audit.classes | {"df": leaked})
    axes = class_figures.class_dots(audit, "title", ["df"]).axes[0]
    assert 0.123 not in [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata())]


def test_class_gaps_show_both_floors():
    audit = attribute()
    figure = class_figures.class_gaps(audit, "title", ["mel"])
    at = {round(line.get_xdata()[0], 6) for line in figure.axes[0].lines if len(line.get_xdata()) == 2}
    found = audit.of_class("mel")
    assert {round(found.null_high, 6), round(found.null_alone, 6)} <= at
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "above chance",
        "within chance",
        "chance, this class",
        "chance, all classes",
    ]


def test_without_a_floor_of_its_own_nothing_is_said_about_it():
    audit = with_gaps({"mel": gap(0.1, 0.2)})
    texts = class_figures.class_gaps(audit, "title", ["mel"]).legends[0].get_texts()
    assert "chance, this class" not in [text.get_text() for text in texts]
