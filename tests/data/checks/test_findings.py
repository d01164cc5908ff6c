from pathlib import Path

import pytest

from fairshrink.data.checks.findings import Finding, Report, graded, line_of
from fairshrink.data.checks.kinds import KINDS, SEVERITIES

DOCS = Path(__file__).parents[3] / "docs" / "data.md"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_documented_with_its_severity(kind):
    text = DOCS.read_text(encoding="utf-8")
    starts = {severity: text.index(f"| {severity}s | what |") for severity in SEVERITIES}
    ends = [*sorted(starts.values())[1:], len(text)]
    section = text[starts[KINDS[kind].severity] : ends[SEVERITIES.index(KINDS[kind].severity)]]
    assert f"`{kind}`{'*' if KINDS[kind].left_out else ''}" in section


def test_findings_are_graded_and_sorted_by_severity_kind_and_row():
    found = [
        Finding("same pixels", 3, "c", "x"),
        Finding("truncated", 9, "b", "y"),
        Finding("repeated name", 7, "a", "z"),
        Finding("truncated", 2, "d", "y"),
    ]
    order = [(one.kind, one.row, one.severity) for one in graded(found, exclude=False)]
    assert order == [
        ("repeated name", 7, "error"),
        ("truncated", 2, "error"),
        ("truncated", 9, "error"),
        ("same pixels", 3, "note"),
    ]
    lenient = [(one.kind, one.severity) for one in graded(found, exclude=True)]
    assert lenient[:3] == [("repeated name", "error"), ("truncated", "warning"), ("truncated", "warning")]


def test_a_line_names_what_there_is_to_name():
    assert line_of(Finding("truncated", 1234, "a", "is cut")) == "row 1,234 'a': is cut"
    assert line_of(Finding("few images", 0, "sex: f, mel", "3 images")) == "'sex: f, mel': 3 images"
    assert line_of(Finding("unusable table", 0, "", "is empty")) == "is empty"
    assert line_of(Finding("truncated", 2, "a\nerror: none", "is\n cut")) == "row 2 'a error: none': is cut"


def test_a_report_without_findings():
    report = Report("toy", "toy.csv", 2, 0, "dealt", ())
    assert report.lines() == ["toy.csv: 2 rows, 0 images decoded: 0 errors, 0 warnings, 0 notes"]
    assert (report.errors, report.to_dict()["stored"]) == (0, None)
