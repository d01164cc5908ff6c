import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.checking import checked, found
from fairshrink.data.checks import Subject, check
from fairshrink.data.sources.table import Columns


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "unusable table"),
        ("image,label", "unusable table"),
        ("image,label\n'p,\"q", "unusable table"),
        ("image,image,label\np00,p00,a", "unusable table"),
        ("photo,label\np00,a\np01,b", "unusable table"),
    ],
)
def test_without_a_usable_table_the_images_are_still_checked(good, text, kind):
    folder, _ = good
    (folder / "p03.jpg").write_bytes(b"")
    metadata = folder.parent / "bad.csv"
    metadata.write_text(text)
    report = check(Subject("toy", metadata, folder, Columns()))
    assert report.of(kind)
    assert found(report, "empty file") == [(0, "p03.jpg")]
    assert report.images == 12


CELL = st.sampled_from(["", "p00", "P00.JPG", "../p", "a", "b", "12", "-1", "nan", "old", '"', "\n", ";", "\x00", "ü"])


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=8), header=st.booleans())
def test_no_table_ends_in_anything_but_a_report(good, rows, header):
    folder, lines = good
    report = checked(
        folder, [lines[0]] * header + [",".join(row) for row in rows], no_images=True, groups=("sex", "age < 5")
    )
    assert len(report.lines(None)) >= 1
    assert sum(report.counts().values()) == len(report.findings)
