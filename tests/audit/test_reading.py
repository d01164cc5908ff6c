import codecs

import numpy as np
import pytest

from fairshrink.audit.file import AuditRequest, audit_file
from fairshrink.audit.reading import Columns, read_predictions
from fairshrink.errors import DataError

HEADER = ["dx", "pred", "sex", "age"]
ROWS = 3 * [
    ["mel", "mel", "f", "45.5"],
    ["nv", "nv", "m", "61.0"],
    ["mel", "nv", "m", "70.5"],
    ["nv", "nv", "f", "unknown"],
    ["nv", "mel", "f", "30.5"],
]
COLUMNS = Columns("dx", ["sex", "age >= 60"], "pred")


def joined(separator=",", decimal="."):
    body = [[*row[:3], row[3].replace(".", decimal)] for row in ROWS]
    return "".join(separator.join(row) + "\n" for row in [HEADER, *body])


PLAIN = joined()


def found_in(tmp_path, content, columns=COLUMNS):
    path = tmp_path / "p.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return audit_file(AuditRequest(path, columns, n_boot=40))


@pytest.mark.parametrize(
    "content",
    {
        "UTF-8 with its mark": codecs.BOM_UTF8 + PLAIN.encode(),
        "UTF-16 with its mark": PLAIN.encode("utf-16"),
        "UTF-16 big-endian with its mark": codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
        "CRLF": PLAIN.replace("\n", "\r\n"),
        "CR": PLAIN.replace("\n", "\r"),
        "no last line end": PLAIN.rstrip(),
        "blank lines": PLAIN.replace("\n", "\n\n , ,,\n"),
        "blanks around cells": PLAIN.replace(",", " , "),
        "quoted": "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in PLAIN.splitlines()),
        "semicolons": joined(";"),
        "semicolons and decimal commas": joined(";", ","),
        "tabs": joined("\t"),
        "tabs and decimal commas": joined("\t", ","),
        "semicolons and a comma in a name": joined(";")
        .replace("age\n", "age;notes, free\n")
        .replace("unknown\n", "unknown;\n")
        .replace("5\n", "5;a, b\n")
        .replace("0\n", "0;\n"),
        "columns without name and content": PLAIN.replace("\n", ",,\n"),
        "an index without a name": "".join(f"{at or ''},{line}\n" for at, line in enumerate(PLAIN.splitlines())),
        "a very long cell beside": "".join(f"{line},{'x' * 100_000}\n" for line in PLAIN.splitlines()),
    }.items(),
    ids=lambda case: case[0],
)
def test_a_file_that_is_written_otherwise_says_the_same(tmp_path, content):
    assert found_in(tmp_path, content[1]).to_json() == found_in(tmp_path, PLAIN).to_json()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "'p.csv' is empty"),
        (" \r\n\n", "'p.csv' is empty"),
        ("dx,pred,sex,age\n", "'p.csv' has a header but no rows"),
        (
            b"dx,pred,sex,age\nm\xe9l,nv,f,40\n",
            r"'p.csv' is not UTF-8 text \(byte 17, line 2\). Save it as 'CSV UTF-8'",
        ),
        (codecs.BOM_UTF16_LE + PLAIN.encode("utf-16-le")[:-1], "'p.csv' is not UTF-16 text"),
        (PLAIN.encode("utf-16-le"), "it contains zero bytes, the first in line 1"),
        ("dx,pred,sex,age\nmel,mel,f,40\nmel,m\0l,f,40\n", "it contains zero bytes, the first in line 3. Save it as"),
        ("dx,pred,sex,sex,age\n", "'p.csv' names a column twice: 'sex'"),
        ("dx,pred,,,sex,age\nmel,mel,1,2,f,40\n", "'p.csv' has 2 columns without a name"),
        ("dx|pred|sex|age\nmel|mel|f|40\n", r"'p.csv' has one column only: 'dx\|pred\|sex\|age'"),
        (
            PLAIN + "mel,mel\n",
            "row 17 of 'p.csv' does not have 4 cells as the header does. 1 rows are like this: 17. "
            "Quote cells that contain commas",
        ),
        (joined(";") + "mel;mel;f;40;5\n", "row 17 .* Quote cells that contain semicolons"),
        (
            PLAIN + 'mel,"mel,f,40\nnv,nv,m,60\n',
            "row 17 of 'p.csv' is not a row of a table: .*Is a quotation mark left open",
        ),
        (PLAIN + 'mel,mel,f,"40\nnv,nv,m,60\n', "row 17 of 'p.csv' is not a row of a table: unexpected end of data"),
        (PLAIN + 'mel,"mel"x,f,40\n', "row 17 of 'p.csv' is not a row of a table: ',' expected after '\"'"),
        (
            PLAIN + f"mel,{'x' * 200_000},f,40\n",
            "row 17 of 'p.csv' is not a row of a table: field larger than field limit",
        ),
        (PLAIN.replace("nv,nv,m", "nv,   ,m", 1), "the column 'pred' of 'p.csv' is empty in 1 of 15 rows: 3"),
        (
            joined(";", ",") + "mel;mel;f;1.234,5\n",
            "row 2 of 'p.csv': age is '45,5', but the group 'age >= 60' needs a number",
        ),
        (PLAIN.replace("45.5", "forty", 1), "row 2 of 'p.csv': age is 'forty', but the group"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path, content, text):
    with pytest.raises(DataError, match=text):
        found_in(tmp_path, content)


def test_a_column_of_blanks_is_a_group_that_nobody_is_in(tmp_path):
    with pytest.raises(DataError, match="'sex' has no known value in the 15 rows of 'p.csv' .15 unknown."):
        found_in(tmp_path, PLAIN.replace(",f,", ",  ,").replace(",m,", ",,"))


def test_labels_of_mixed_kinds_are_text(tmp_path):
    found = found_in(tmp_path, PLAIN.replace("mel", "1.0").replace("nv", "two"))
    assert found.class_names == ("1.0", "two")


def test_whole_numbers_however_written_are_one_class(tmp_path):
    found = found_in(tmp_path, PLAIN.replace("mel,", "1.0,").replace("nv,", "0,").replace("0,1.0", "00,1"))
    assert found.class_names == ("0", "1")


def test_a_group_of_one_is_a_group(tmp_path):
    found = found_in(tmp_path, PLAIN + "mel,nv,diverse,50\n")
    assert found.by_group.loc["diverse"].to_list() == [1, 0, 0, 0, 0]
    assert {"group": "diverse", "class": "mel", "n": 1} in found.attributes["sex"].small_cells


def test_a_predicted_class_that_no_label_has_is_said(tmp_path):
    found = found_in(tmp_path, PLAIN.replace("mel,nv,m", "mel,bkl,m"))
    assert found.class_names == ("bkl", "mel", "nv")
    assert "3 predictions are of 'bkl', which no label is: they count as wrong." in found.notes


def with_probabilities(header, cells):
    lines = PLAIN.splitlines()
    return "\n".join([f"{lines[0]},{header}", *(f"{line},{cells}" for line in lines[1:])]) + "\n"


def test_probabilities_beside_predictions_are_used_and_name_the_classes(tmp_path):
    found = found_in(tmp_path, with_probabilities("prob_nv,prob_df,prob_mel", "0.5,0.2,0.3"))
    assert found.class_names == ("nv", "df", "mel")
    assert found.by_group["ece"].notna().all()
    assert "in 6 rows the prediction is not the class with the largest probability" in found.notes[-1]
    declared = Columns("dx", ["sex"], "pred", classes=["mel,nv,df"])
    read = read_predictions(tmp_path / "p.csv", declared)
    assert read.y_prob is not None
    assert read.y_prob.iloc[0].to_dict() == {"mel": 0.3, "nv": 0.5, "df": 0.2}
    assert read.notes == ()


def test_whole_numbers_name_probabilities_too(tmp_path):
    content = with_probabilities("prob_01,prob_0", "0.25,0.75").replace("mel,", "1.0,").replace("nv,", "0,")
    found = found_in(tmp_path, content)
    assert found.class_names == ("1", "0")
    assert found.by_group["auc"].to_list() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("content", "columns", "note"),
    [
        (with_probabilities("prob_mel", "1"), COLUMNS, "'p.csv' has no column 'prob_nv'."),
        (
            with_probabilities("prob_mel,prob_nv,prob_x", "1,0,0"),
            Columns("dx", ["sex"], "pred", classes=["mel,nv"]),
            "'p.csv' has probabilities of classes that --classes does not name: 'x'.",
        ),
        (
            with_probabilities("prob_mel,prob_nv", "0.4,0.6").replace("45.5,0.4", "45.5,nan", 1),
            COLUMNS,
            "row 2 of 'p.csv': prob_mel is 'nan', expected a number from 0 to 1. 1 rows are like this.",
        ),
        (
            with_probabilities("prob_mel,prob_nv", "2.5,-1"),
            COLUMNS,
            "row 2 of 'p.csv': prob_mel is '2.5', expected a number from 0 to 1. 15 rows are like this.",
        ),
        (
            with_probabilities("prob_mel,prob_nv", "0.9,0.9"),
            COLUMNS,
            "row 2 of 'p.csv': the probabilities add up to 1.800, expected 1. 15 rows are like this.",
        ),
    ],
)
def test_probabilities_that_are_not_needed_and_cannot_be_used_are_said(tmp_path, content, columns, note):
    found = found_in(tmp_path, content, columns)
    assert found.notes[0] == f"the probabilities are not used: {note}"
    assert "ece" not in found.by_group
    assert found.class_names == ("mel", "nv")


def test_probabilities_with_decimal_commas(tmp_path):
    lines = joined(";", ",").splitlines()
    content = "\n".join([f"{lines[0]};prob_mel;prob_nv", *(f"{line};0,25;7,5E-1" for line in lines[1:])])
    found = found_in(tmp_path, content, Columns("dx", ["sex"]))
    assert found.class_names == ("mel", "nv")
    assert np.isfinite(found.by_group["ece"]).all()
