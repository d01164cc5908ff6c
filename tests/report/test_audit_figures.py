import dataclasses

import pytest

from fairshrink.report import audit_figures, style
from fairshrink.report.parsing import audit_record
from report.fake_audit import fake_audit, fake_gap


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


def attribute(classes=("df", "mel", "nv"), **how):
    return audit_record(fake_audit({"sex": ["female", "male"]}, classes, **how)).attributes["sex"]


def labels(figure):
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_the_overview_has_the_gaps_then_the_classes_that_stand_out():
    data = fake_audit({"sex": ["female", "male"]}, ["df", "mel", "nv"])
    gaps = data["attributes"]["sex"]["class_gaps"]
    gaps["tpr[df]"] |= fake_gap(0.01, 0.1, 0.1)
    gaps["tpr[mel]"] |= fake_gap(0.3, 0.1, 0.1)
    gaps["tpr[nv]"] |= fake_gap(0.02, 0.1, 0.1)
    figure = audit_figures.gaps(audit_record(data).attributes["sex"])
    assert labels(figure) == ["EOpp1", "EOpp0", "EOdd", "EOdd max", "TPR of mel"]


def test_a_long_class_name_is_not_preceded():
    found = attribute(["a class of more than twenty letters"])
    assert labels(audit_figures.gaps(found))[-1] == "a class of more than twent…"[:25] + "…"


def test_without_classes_the_overview_has_the_gaps():
    assert len(labels(audit_figures.gaps(dataclasses.replace(attribute(), classes={}, class_gaps={})))) == 4


def test_scores_have_a_row_per_group_and_its_size():
    found = attribute()
    gone = dataclasses.replace(found.groups["male"], n=None, f1=None)
    figure = audit_figures.scores(dataclasses.replace(found, groups=found.groups | {"male": gone}, min_cell=10))
    axes = figure.axes[0]
    assert labels(figure) == ["female", "male"]
    assert [text.get_text() for text in axes.texts] == [f"n {found.groups['female'].n:,}", "n hidden"]
    assert sum(len(line.get_xdata()) == 1 and line.get_xdata()[0] == line.get_xdata()[0] for line in axes.lines) == 3
