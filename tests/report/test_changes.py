import pytest

from fairshrink.report import changes, style
from fairshrink.report.parsing import comparison_record
from report.fake_audit import fake_audit, fake_change, fake_comparison


@pytest.fixture
def data():
    """Nothing changed but what a test changes."""
    audit = fake_audit({"sex": ["female", "male"]}, ["mel", "nv"])
    return fake_comparison(audit, audit, ["A", "B"])


def part(data):
    with style.drawing():
        return changes.part(comparison_record(data), 0)


def test_no_change_is_said(data):
    assert (
        part(data).lead
        == "Of 20 changes from A to B, no gap and no overall score can be told from no change on these rows."
    )


def test_what_can_be_told_is_named_and_nothing_else(data):
    sex = data["attributes"]["sex"]
    sex["gaps"]["eopp1"] = fake_change(0.2, 0.1, 0.01)
    sex["class_gaps"]["tpr[mel]"] = fake_change(0.2, 0.1, 0.01)
    sex["gaps"]["eodd"] = fake_change(0.1, 0.2, 0.01)
    sex["gaps"]["eopp0"] = fake_change(0.1, 0.08, 0.009)
    data["overall"]["accuracy"] = fake_change(0.8, 0.7, 0.01)
    assert part(data).lead == (
        "Against A, B narrows EOpp1 and the gap in TPR of mel in sex; it widens EOdd in sex; it lowers accuracy over all rows. "
        "Of 20 changes, no other gap or overall score can be told from no change."
    )


def test_tables_have_both_models_the_interval_and_both_p(data):
    data["attributes"]["sex"]["gaps"]["eopp1"] = fake_change(0.2, 0.17, 0.01) | {"verdict": "in words"}
    table = part(data).attributes[0].gap_table
    assert [cell.text for cell in table.heads] == ["", "A", "B", "change", "p", "p (Holm)", "in words"]
    row = table.bodies[0][0]
    assert [cell.text for cell in row] == ["EOpp1", "0.200", "0.170", "−0.030", "0.002", "0.018", "in words"]
    assert row[3].notes == ("−0.050\u00a0to\u00a0−0.010",)
    assert row[3].strong
    assert [body[0][0].text for body in table.bodies][4:] == ["TPR of mel", "TPR of nv"]


def test_an_undefined_change_has_dashes(data):
    gone = dict.fromkeys(("a", "b", "change", "low", "high", "p", "p_holm"))
    data["attributes"]["sex"]["gaps"]["eopp1"] = gone | {"verdict": ""}
    row = part(data).attributes[0].gap_table.bodies[0][0]
    assert [cell.text for cell in row[1:6]] == ["–"] * 5
    assert row[3].notes == ("undefined",)


def test_scores_of_groups_are_named_by_group(data):
    names = [body[0][0].text for body in part(data).attributes[0].score_table.bodies]
    assert names[:3] == ["macro F1, average", "lowest accuracy", "accuracy, female"]


def test_a_comparison_without_scores_draws_what_there_is(data):
    data["overall"] = {}
    assert part(data).overall.caption == "There is nothing to compare here."
    assert not part(data).overall.panels
