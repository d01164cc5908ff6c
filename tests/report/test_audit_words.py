import dataclasses

import pytest

from fairshrink.report import audit_words
from fairshrink.report.audited import Gap
from fairshrink.report.parsing import audit_record
from report.fake_audit import fake_audit

ABOVE, WITHIN = Gap(0.2, 0.1, 0.3, 0.03, 0.06), Gap(0.02, 0.0, 0.05, 0.03, 0.06)


def record(gap=WITHIN, single=WITHIN, classes=("df", "mel", "nv"), **values):
    """An audit of one attribute with the same gap everywhere, and one for all classes."""
    whole = audit_record(fake_audit({"sex": ["female", "male"]}, classes))
    found = dataclasses.replace(
        whole.attributes["sex"],
        gaps=dict.fromkeys(("eopp0", "eopp1", "eodd", "eodd_max"), gap),
        class_gaps={f"tpr[{name}]": single for name in classes},
    )
    return dataclasses.replace(whole, attributes={"sex": found}, **values)


def finding(audit):
    return audit_words.finding("sex", audit.attributes["sex"])


def test_the_lead_names_what_is_above_and_what_is_within_chance():
    assert audit_words.lead(record(ABOVE)) == (
        "The model differs by more than chance between the groups of sex (EOpp1, EOpp0, EOdd and EOdd max)."
    )
    assert audit_words.lead(record()) == "Between the groups of sex, no gap can be told from chance."


def test_single_classes_are_named_and_many_are_counted():
    assert audit_words.lead(record(single=ABOVE)).endswith("Single classes that stand out: df, mel and nv (sex).")
    many = record(single=ABOVE, classes=[f"c{i}" for i in range(8)])
    assert "c0, c1, c2 and 5 more (sex)." in audit_words.lead(many)
    assert finding(many).sentences[1].endswith("7 more classes are above chance too.")


@pytest.mark.parametrize(
    ("gap", "single", "badge", "above"),
    [
        (ABOVE, WITHIN, "EOpp1, EOpp0, EOdd and EOdd max above chance", True),
        (WITHIN, ABOVE, "3 classes above chance", True),
        (WITHIN, WITHIN, "within chance", False),
    ],
)
def test_the_badge_says_where_chance_is_exceeded(gap, single, badge, above):
    assert finding(record(gap, single))[1:3] == (badge, above)


def test_the_audits_own_sentence_is_used_where_there_is_one():
    told = dataclasses.replace(WITHIN, verdict="In words.")
    assert finding(record(told)).sentences[0] == "In words."
    assert audit_words.verdict("eopp1", ABOVE) == (
        "EOpp1 is 0.200 (interval 0.100\u00a0to\u00a00.300); chance alone reaches 0.060: above chance."
    )
    assert "undefined" in audit_words.verdict("eopp1", Gap(None, None, None, None, None))


def test_classes_within_chance_are_said_to_be():
    assert finding(record()).sentences[1] == (
        "No single class exceeds chance, corrected for the number of classes; df comes nearest."
    )
    none = record(single=Gap(None, None, None, None, None))
    assert finding(none).sentences[1] == "No single class has a gap that can be compared."


def test_facts_count_what_was_audited():
    assert audit_words.facts(record()) == (
        "4,000 predictions · 3 classes · 3,100 clusters · 1 attribute · accuracy 0.810 · macro F1 0.610"
    )


def test_unknown_rows_and_small_cells_are_counted():
    found = record().attributes["sex"]
    assert "57 rows of unknown group, which are in no gap" in audit_words.about(found)
    assert "2 cells of class and group with fewer than 10 images" in audit_words.about(found)
    assert "few images hidden (limit 10)" in audit_words.about(dataclasses.replace(found, min_cell=10))


def test_limits_depend_on_how_it_was_measured():
    plain = " ".join(audit_words.limits(record()))
    assert "this page makes 4" in plain
    assert "the 3,100 clusters" in plain
    assert "sex: nobody in 'female' has one class" in plain
    other = " ".join(audit_words.limits(record(clusters=None, convention="published")))
    assert "floors and intervals are too narrow" in other
    assert "Rates of nobody count as 0 here" in other


def test_settings_name_everything_that_a_repetition_needs():
    assert audit_words.settings(record()) == {
        "convention": "strict",
        "classes": "3",
        "attributes": "sex",
        "resampled": "3,100 clusters",
        "resamples": "1,000",
        "seed": "0",
    }
    assert audit_words.settings(record(n_boot=None, clusters=None))["resamples"] == "not recorded"
    hidden = audit_record(fake_audit({"sex": ["f", "m"]}, ["a"], min_cell=10))
    assert audit_words.settings(hidden)["smallest cell shown"] == "10 images"
