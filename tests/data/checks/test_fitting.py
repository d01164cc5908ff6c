import pytest

from data.checking import checked, found, photo
from data.pictures import csv_of, encoded, picture, zip_of
from fairshrink.data.checks import Subject, check
from fairshrink.data.sources.table import Columns

BAD_ROWS = {
    "row without name": (",a,f,50,L9", [(14, "")]),
    "repeated name": ("p03,a,f,50,L1", [(14, "p03")]),
    "two names for one image": ("P03.JPG,b,f,50,L1", [(14, "P03.JPG")]),
    "outside the root": ("../p03,a,f,50,L9", [(14, "../p03")]),
    "row without image": ("p99,a,f,50,L9", [(14, "p99")]),
    "row without label": ("p11,,m,50,L5", [(13, "p11")]),
    "unknown label": ("p11,c,m,50,L5", [(13, "p11")]),
    "not a number": ("p11,b,m,old,L5", [(13, "p11")]),
    "ragged row": ("p11,b,m", [(13, "p11")]),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_every_bad_row_is_found(good, kind):
    folder, lines = good
    line, expected = BAD_ROWS[kind]
    kept = lines if expected[0][0] == 14 else lines[:-1]
    report = checked(folder, [*kept, line], groups=("sex", "age >= 50"), columns=Columns(classes=("a", "b")))
    assert found(report, kind) == expected
    others = {"image without row": "image without row"} if kind == "ragged row" else {}
    assert {finding.kind for finding in report.findings if finding.severity == "error"} == {kind, *others}
    assert report.of(kind)[0].do


def test_what_an_archive_should_not_hold_is_listed_and_the_rest_is_checked(good):
    folder, lines = good
    members = {path.name: path.read_bytes() for path in folder.iterdir()}
    packed = zip_of(
        folder.parent / "z.zip", members | {"../x.png": encoded(picture()), "/y.png": b"", "p05.jpg": b"12"}
    )
    report = check(Subject("toy", csv_of(folder.parent / "table.csv", *lines), packed, Columns(), size=32))
    assert found(report, "outside the root") == [(0, "../x.png"), (0, "/y.png")]
    assert found(report, "damaged") + found(report, "text file") == [(7, "p05")]
    (folder / "link.jpg").symlink_to("/etc/hostname")
    (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
    report = checked(folder, lines)
    assert found(report, "outside the root") == [(0, "link.jpg")]
    assert found(report, "unusable file") == [(0, "gone.jpg")]


def test_names_in_another_case_or_with_another_ending_find_their_image(good):
    folder, lines = good
    report = checked(folder, [lines[0], lines[1].replace("p00", "P00.PNG"), *lines[2:]])
    assert report.errors == 0
    assert [(one.id, one.what) for one in report.of("file named differently")] == [
        ("P00.PNG", "the image is 'p00.jpg'")
    ]
    (folder / "P01.jpg").write_bytes(photo(77))
    report = checked(folder, [*lines, "P01.jpg,a,f,1,L0"])
    assert report.errors == 0
    assert found(report, "names differ in case or ending") == [(14, "P01.jpg")]
    (folder / "p01.png").write_bytes(encoded(picture(7)))
    assert found(checked(folder, lines), "two images for one name") == [(3, "p01")]


def test_a_column_of_names_that_is_empty_is_listed_row_by_row(good):
    folder, _ = good
    report = checked(folder, ["image,label", ",a", ",b"], groups=(), split_by=None)
    assert found(report, "row without name") == [(2, ""), (3, "")]
    assert len(report.of("image without row")) == 12
