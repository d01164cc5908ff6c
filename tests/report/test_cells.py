from fairshrink.report import cells
from fairshrink.report.audited import Gap


def test_a_gap_never_stands_without_interval_and_floor():
    cell = cells.gap_cell(Gap(0.0854, 0.031, 0.112, 0.03, 0.059, 2))
    assert cell.text == "0.085"
    assert cell.notes == ("0.031\u00a0to\u00a00.112", "chance 0.059", "2 undefined")
    assert cell.strong
    assert cells.gap_cell(Gap(None, None, None, None, None, 7)).notes == ("undefined",)


def test_a_long_name_is_cut_in_a_head():
    (cut, whole) = cells.heads("x" * 200, "female")
    assert cut.text == "x" * 39 + "…"
    assert whole.text == "female"


def test_sentences_have_a_column_of_their_own_kind():
    assert cells.prose_head().kind.split()[-1] == cells.prose("In words.").kind
