import dataclasses

import pytest

from fairshrink.report import audit_tables
from fairshrink.report.parsing import audit_record
from report.fake_audit import fake_audit


def attribute(**how):
    return audit_record(fake_audit({"sex": ["female", "male"]}, ["df", "mel", "nv"], **how)).attributes["sex"]


def row(table, name):
    return next(row for body in table.bodies for row in body if row[0].text == name)


def test_scores_have_a_row_per_group_with_its_number_of_images():
    found = attribute()
    cells = row(audit_tables.scores(found), "male")
    assert cells[1].text == f"{found.groups['male'].n:,}"
    assert cells[5].text == f"{found.groups['male'].f1:.3f}"


def test_gaps_have_interval_floor_images_needed_and_words():
    found = attribute().gaps["eopp1"]
    name, value, chance, needed, words = row(audit_tables.gaps(attribute()), "EOpp1")
    assert name.notes == ("recognised when it is there (TPR)",)
    assert (value.text, chance.text) == (f"{found.value:.3f}", f"{found.null_mean:.3f}")
    assert value.strong is found.above_chance
    assert chance.notes == (f"up to {found.null_high:.3f}",)
    assert needed.text == "12,000"
    assert words.text == found.verdict


def test_an_undefined_gap_has_no_numbers():
    found = attribute()
    gone = dataclasses.replace(found.gaps["eopp1"], value=None, low=None, high=None, needed=None)
    table = audit_tables.gaps(dataclasses.replace(found, gaps={"eopp1": gone}))
    assert [cell.text for cell in row(table, "EOpp1")][1] == "–"
    assert row(table, "EOpp1")[1].notes == ("undefined",)
    assert row(table, "EOpp1")[3].text == "–"
    some = dataclasses.replace(found.gaps["eopp1"], undefined=2)
    assert audit_tables._value(some).notes[-1] == "2 classes undefined"


def test_classes_have_rates_counts_and_both_floors():
    found = attribute()
    cells = row(audit_tables.classes(found), "mel")
    gap = found.of_class("mel")
    assert [cell.text for cell in cells[1:3]] == [f"{found.classes['mel'][g].tpr:.3f}" for g in ("female", "male")]
    assert [cell.notes[0] for cell in cells[1:3]] == ["n 40", "n 7"]
    assert [cell.kind for cell in cells[1:3]] == ["number", "number few"]
    assert [cell.text for cell in cells[3:6]] == [f"{v:.3f}" for v in (gap.value, gap.null_high, gap.null_alone)]
    assert "corrected for their number" in audit_tables.classes(found).note
    assert "italics: fewer than 10" in audit_tables.classes(found).note


def test_suppressed_cells_show_nothing_but_that_they_are():
    found = attribute(min_cell=10)
    cells = row(audit_tables.classes(found), "mel")
    assert (cells[2].text, cells[2].notes) == ("–", ("n hidden",))
    assert "hidden: fewer than 10, or would give away one that has" in audit_tables.classes(found).note
    leaked = dataclasses.replace(attribute(probabilities=True), min_cell=10)
    cells = row(audit_tables.classes(leaked), "mel")
    assert (cells[2].text, cells[2].notes) == ("–", ("n hidden",))


def test_a_class_without_gap_or_group_has_dashes():
    found = dataclasses.replace(attribute(), class_gaps={}, classes={"mel": {}})
    cells = row(audit_tables.classes(found), "mel")
    assert [cell.text for cell in cells[1:4]] == ["–", "–", "–"]
    assert cells[1].notes == ("n 0",)
    assert cells[3].notes == ("undefined",)


@pytest.mark.parametrize(("ece", "strong"), [(0.08, True), (0.02, False)])
def test_calibration_stands_beside_its_chance(ece, strong):
    found = attribute(probabilities=True)
    groups = {"female": dataclasses.replace(found.groups["female"], ece=ece)}
    cell = row(audit_tables.probabilities(dataclasses.replace(found, groups=groups)), "female")[3]
    assert (cell.text, cell.notes, cell.strong) == (f"{ece:.3f}", ("chance 0.030",), strong)
    assert row(audit_tables.classes(found), "mel")[1].notes[1] == "AUC 0.880"


def test_without_probabilities_there_is_no_table_of_them():
    assert audit_tables.probabilities(attribute()) is None
