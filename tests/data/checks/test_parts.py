import re

from data.checking import checked, found, split_file
from data.pictures import csv_of


def test_what_crosses_the_parts_of_a_split_file_is_an_error(good):
    folder, lines = good
    (folder / "p09.jpg").write_bytes((folder / "p08.jpg").read_bytes())
    report = checked(folder, lines, split_file=split_file(folder, ["train", "train", "val", "test"]))
    assert report.split == "split file"
    assert [one.rows for one in report.of("cluster across parts")] == [(4, 5), (8, 9), (12, 13)]
    assert report.of("cluster across parts")[0].what == "rows 4 in val; rows 5 in test"
    assert report.of("same pixels across parts") == []
    report = checked(folder, lines, split_file=split_file(folder, ["train", "val", "test"]))
    assert [one.rows for one in report.of("same pixels across parts")] == [(10, 11)]
    assert report.of("same pixels across parts")[0].what.endswith("'p09': rows 11 in train; rows 10 in test")


def test_a_split_file_is_compared_with_the_table(good):
    folder, lines = good
    rows = ["image,split", "p00,train", "p01,vall", "p00,test", "p77,test", "p03,val"]
    report = checked(folder, lines, split_file=csv_of(folder.parent / "split.csv", *rows))
    assert found(report, "unknown part") == [(3, "p01")]
    assert "Did you mean 'val'?" in report.of("unknown part")[0].what
    assert found(report, "split named twice") == [(4, "p00")]
    assert found(report, "split of no row") == [(5, "p77")]
    assert len(report.of("row without split")) == 10
    assert found(report, "empty part") == [(0, "test")]
    report = checked(folder, lines, split_file=csv_of(folder.parent / "split.csv", "a,b", "1,2"))
    assert [one.what for one in report.of("unusable split file")] == ["'split.csv' has no column 'split'. Known: a, b"]
    assert report.split == "none"


def test_lesions_agree_with_themselves_or_are_listed(good):
    folder, lines = good
    lines[2] = lines[2].replace(",a,f", ",b,m")
    report = checked(folder, lines)
    assert found(report, "cluster with several labels") == [(2, "lesion L0")]
    assert report.of("cluster with several labels")[0].what == "a, b in rows 2, 3"
    assert report.of("cluster with several groups")[0].what == "f, m in rows 2, 3"
    assert found(report, "cluster with several images")[0] == (2, "lesion L0")


def test_a_lesion_column_that_is_not_used_is_pointed_out(good):
    report = checked(*good, split_by="image")
    assert found(report, "images of a cluster told apart") == [(0, "lesion")]
    assert re.match(
        r"6 of its values have several images, and \d of them", report.of("images of a cluster told apart")[0].what
    )
    assert not report.of("cluster with several images")
    assert checked(*good, split_by="patient").of("unusable split_by")[0].what.startswith("'table.csv' has no column")
