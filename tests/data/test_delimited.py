import codecs

import pytest

from fairshrink.data.delimited import read_rows, with_decimal_points
from fairshrink.errors import DataError


def rows_of(tmp_path, content, needed=("image", "label")):
    path = tmp_path / "meta.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(path, needed)


def test_blank_rows_are_counted_and_cells_are_stripped(tmp_path):
    rows, separator = rows_of(tmp_path, " image , label\n\n a ,\tb \n , \n'c',\"d, e\"\n")
    assert rows == [(1, ["image", "label"]), (3, ["a", "b"]), (5, ["'c'", "d, e"])]
    assert separator == ","


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("image", ","),
        ("image,label", ","),
        ("image;label", ";"),
        ("image\tlabel", "\t"),
        ('image;"label, or so"', ";"),
        ("image;label;notes, free", ";"),
        ("image,label,mm;size", ","),
        ("image,label;x,image;y", ","),
        ("a;b,c", ","),
        ("\n\nimage;label", ";"),
        ("image|label", ","),
    ],
)
def test_the_separator_is_what_the_header_shows(tmp_path, header, separator):
    assert rows_of(tmp_path, header + "\n")[1] == separator


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + "image,label\ne\u0301,ä\n".encode(),
        "image,label\ne\u0301,ä\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "image,label\ne\u0301,ä\n".encode("utf-16-be"),
    ],
)
def test_encodings_with_their_mark(tmp_path, content):
    assert rows_of(tmp_path, content)[0] == [(1, ["image", "label"]), (2, ["e\u0301", "ä"])]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["45,5", "6", "-7,25", "", "Unknown", "1,5e-3"], ["45.5", "6", "-7.25", "", "Unknown", "1.5e-3"]),
        (["1.234", "45,5"], ["1.234", "45,5"]),
        (["1.234,5"], ["1.234,5"]),
        (["45,5", "forty"], ["45,5", "forty"]),
        (["1,2,3"], ["1,2,3"]),
        (["45.5", "6"], ["45.5", "6"]),
        ([], []),
    ],
)
def test_decimal_commas_in_columns_of_numbers(column, expected):
    assert with_decimal_points(column, ";") == expected
    assert with_decimal_points(column, "\t") == expected
    assert with_decimal_points(column, ",") == column


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", r"'meta.csv' is empty\. A first row with the names"),
        ("\ufeff \n", "'meta.csv' is empty"),
        (b"image,label\na,b\nc,\xff\n", r"'meta.csv' is not UTF-8 text \(byte 18, line 3\)\. Save it as 'CSV UTF-8'"),
        (b"\xff\xfei\x00m", r"'meta.csv' is not UTF-16 text"),
        (b"image,label\na,\0\n", "'meta.csv' is not a text file: it contains zero bytes, the first in line 2"),
        (
            'image,label\na,"b\nc,d\n',
            "row 2 of 'meta.csv' is not a row of a table: unexpected end of data. Is a quotation",
        ),
        ('image,label\na,b\nc,"d"e\n', "row 3 of 'meta.csv' is not a row of a table"),
        ("image,label\na," + "x" * 200_000 + "\n", "row 2 of 'meta.csv' is not a row of a table: field larger than"),
        ('"image,label\na,b\n', "row 1 of 'meta.csv' is not a row of a table: unexpected end of data"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path, content, text):
    with pytest.raises(DataError, match=text):
        rows_of(tmp_path, content)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"cannot read '.*nothing.csv': No such file"):
        read_rows(tmp_path / "nothing.csv", [])
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        read_rows(tmp_path, [])
