import numpy as np
import pytest

from data.pictures import manifest_of
from fairshrink.data.table import excluded_rows, first_few, need_column, nothing_excluded, read_csv
from fairshrink.errors import DataError


def write(tmp_path, content):
    path = tmp_path / "meta.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_nothing_is_guessed_and_the_byte_order_mark_is_no_part_of_a_name(tmp_path):
    frame, rows = read_csv(
        write(tmp_path, b"\xef\xbb\xbfimage, sex ,age\r\n007,NA,\r\n\r\n1e3, male,45.0\r\n"), ["image", "sex"]
    )
    assert frame.to_dict("list") == {"image": ["007", "1e3"], "sex": ["NA", "male"], "age": ["", "45.0"]}
    assert rows.tolist() == [2, 4]


def test_quoted_cells_may_hold_commas_and_line_ends(tmp_path):
    frame, _ = read_csv(write(tmp_path, 'image,note\na,"one, two\nthree"\n'), ["image"])
    assert frame["note"].tolist() == ["one, two\nthree"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"'meta.csv' is empty\. A first row with the names"),
        (b"image\0,label\n", "it contains zero bytes"),
        ("image,label\n", "has a header but no rows"),
        ("image,sex,sex\na,b,c\n", "names a column twice: 'sex'"),
        ("image|label\na|b\n", r"has one column only: 'image\|label'\. Save it with commas"),
        ("image,,label,\na,1,b,2\n", r"'meta.csv' has 2 columns without a name\. Name them in its first row"),
        ("image,lable\na,b\n", r"'meta.csv' has no column 'label'\. Did you mean 'lable'\?"),
        ("image,label\na,b\nc\nd,e,f\n", r"row 3 of 'meta.csv' does not have 2 cells .* 2 rows are like this: 3, 4"),
        ("image;label\na;b\nc\n", r"row 3 of 'meta.csv' does not have 2 cells .* Quote cells that contain semicolons"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, content), ["image", "label"])


def test_decimal_commas_become_points_where_semicolons_separate(tmp_path):
    frame, rows = read_csv(write(tmp_path, "image;age;note\n1,5;45,5;a, b\nx;unknown;c\n"), ["image", "age"])
    assert frame.to_dict("list") == {"image": ["1,5", "x"], "age": ["45.5", "unknown"], "note": ["a, b", "c"]}
    assert rows.tolist() == [2, 3]


def test_columns_without_name_are_left_out_when_they_are_empty(tmp_path):
    frame, _ = read_csv(write(tmp_path, "image,,label, \na,,b,\nc, ,d,\n"), ["image"])
    assert list(frame.columns) == ["image", "label"]
    frame, _ = read_csv(write(tmp_path, ",image,label\n0,a,b\n"), ["image"])
    assert list(frame.columns) == ["", "image", "label"]


def test_a_column_far_from_all_lists_what_there_is():
    with pytest.raises(DataError, match=r"the table has no column 'zzz'\. Known: image, sex\."):
        need_column("zzz", ["image", "sex"], "the table")


def test_long_lists_are_counted():
    assert first_few(["a", "b"]) == "'a', 'b'"
    assert first_few(list(range(1000, 1012))) == "1,000, 1,001, 1,002, 1,003, 1,004 and 7 more"


def test_excluded_rows_keep_their_types_when_there_are_none():
    assert nothing_excluded().dtypes.to_dict() == excluded_rows([(3, "a", "why")]).dtypes.to_dict()


def test_rows_are_counted_from_under_the_header_without_a_file():
    assert np.array_equal(manifest_of(3).file_rows, [2, 3, 4])


def test_a_file_of_separators_only_is_no_table(tmp_path):
    (tmp_path / "t.csv").write_text(",,\n , \n")
    with pytest.raises(DataError, match="'t.csv' has no cell with content"):
        read_csv(tmp_path / "t.csv", [])
