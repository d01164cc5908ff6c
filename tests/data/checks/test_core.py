import pytest

from data.checking import checked, found, photo, split_file
from data.pictures import encoded, picture
from fairshrink.data.checks import Subject, check
from fairshrink.data.sources.table import Columns


def test_good_data_have_notes_only(good):
    report = checked(*good)
    assert (report.rows, report.images, report.split, report.errors) == (12, 12, "dealt", 0)
    assert report.kinds() == {"cluster with several images": 6}
    assert report.findings[0].rows == (2, 3)
    assert report.findings[0].id == "lesion L0"


def test_nothing_stops_at_the_first_problem(good):
    folder, lines = good
    (folder / "p00.jpg").write_bytes(b"")
    (folder / "p01.jpg").unlink()
    (folder / "p02.jpg").write_bytes(photo(3))
    (folder / "extra.png").write_bytes(encoded(picture(8)))
    (folder / "p12.gif").write_bytes(encoded(picture(8), "GIF"))
    report = checked(folder, [*lines, "p12,a,f,1,L9", "p05,b,f,1,L2", "p13,,,,"])
    assert report.kinds().keys() >= {
        "empty file",
        "row without image",
        "image without row",
        "same pixels",
        "repeated name",
        "row without label",
        "unknown group",
        "row without cluster",
    }
    assert report.of("row without image")[1].what == "there is only 'p12.gif', which is no JPEG or PNG"
    assert found(report, "image without row") == [(0, "extra.png")]


@pytest.mark.parametrize(
    ("other", "kind"), [(1, "same pixels"), (2, "same pixels, another label"), (4, "another group")]
)
def test_the_same_pixels_are_graded_by_what_they_spoil(good, other, kind):
    folder, lines = good
    (folder / f"p{other:02d}.jpg").write_bytes((folder / "p00.jpg").read_bytes())
    kinds = checked(
        folder, lines, split_file=split_file(folder, ["train", "train", "train", "val", "train", "test"])
    ).kinds()
    assert any(name.endswith(kind) for name in kinds)
    assert "same pixels across parts" not in kinds


def test_cells_with_few_images_are_counted_in_all_and_in_each_part(good):
    folder, lines = good
    parts = split_file(folder, ["train", "train", "train", "val", "test", "test"])
    report = checked(folder, lines, split_file=parts, min_cell=3, groups=("sex",))
    assert {one.id: one.what for one in report.of("few images")} == {
        "sex: m, a": "2 images, fewer than 3",
        "sex: m, b": "2 images, fewer than 3",
    }
    assert [(one.id, one.what) for one in report.of("few images in a part")] == [
        ("sex: f, a", "0 images in test"),
        ("sex: f, a", "1 images in val"),
        ("sex: f, b", "1 images in train"),
        ("sex: f, b", "1 images in val"),
        ("sex: f, b", "2 images in test"),
    ]


def test_without_images_the_table_is_checked(good):
    folder, lines = good
    report = checked(folder, [*lines, "p00,a,f,1,L0"], no_images=True)
    assert report.images == 0
    assert found(report, "repeated name") == [(14, "p00")]
    report = check(Subject("toy", folder.parent / "table.csv", folder / "none", Columns()))
    assert "there is no folder or zip archive" in report.of("unusable images")[0].what


def test_counts_come_first_as_text_and_as_json(good):
    folder, lines = good
    (folder / "p03.jpg").write_bytes(b"")
    report = checked(folder, lines)
    text = report.lines(most=2)
    assert text[0] == "table.csv: 12 rows, 12 images decoded: 1 error, 0 warnings, 6 notes"
    assert text[1] == "  error    empty file                         1"
    assert "  row 5 'p03': 'p03.jpg': not a JPEG or PNG image (its content is empty)" in "\n".join(text)
    assert text[-1] == "  and 4 more"
    assert len(report.lines(None)) == len(text) + 3
    data = report.to_dict()
    assert list(data) == ["name", "metadata", "rows", "images", "split", "stored", "counts", "kinds", "findings"]
    assert data["counts"] == {"error": 1, "warning": 0, "note": 6}
    assert data["kinds"]["empty file"]["count"] == 1
    first = data["findings"][0]
    assert {key: first[key] for key in ("kind", "row", "id", "severity")} == {
        "kind": "empty file",
        "row": 5,
        "id": "p03",
        "severity": "error",
    }
    assert first["do"] == "Fetch or save the image again, or delete its row."
