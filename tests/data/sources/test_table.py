import numpy as np
import pytest

from data.pictures import csv_of, encoded, folder_of, picture, zip_of
from fairshrink.data.dataset import open_dataset
from fairshrink.data.sources import SOURCES
from fairshrink.data.sources.table import table
from fairshrink.errors import ConfigError, DataError

ROWS = ["image,label,sex", "a,x,f", "b,y,m", "c,x,m"]


def test_sources_are_found_by_name():
    assert sorted(SOURCES) == ["fitzpatrick17k", "ham10000", "isic2019", "lesions", "table"]


def test_a_table_and_a_folder_become_a_manifest(tmp_path):
    made = table(folder_of(tmp_path / "f", ["c", "deep/a", "b"]), csv_of(tmp_path / "mine.csv", *ROWS))
    assert (made.name, made.where, made.classes) == ("mine", "mine.csv", ("x", "y"))
    assert list(made.frame.columns) == ["id", "label", "image", "label (table)", "sex"]
    assert made.frame["id"].tolist() == ["a", "b", "c"]
    assert made.file_rows.tolist() == [2, 3, 4]
    assert np.array_equal(made.images.read(np.array([0, 2]), 24), [picture(1), picture(0)])  # by name, not by place


def test_columns_may_have_any_name_and_none_is_lost(tmp_path):
    rows = ["id,md5,label,nine", "p1,a,skin,x", "p1,b.png,skin,y"]
    made = table(folder_of(tmp_path / "f", ["a", "b"]), csv_of(tmp_path / "m.csv", *rows), image="md5", label="nine")
    assert list(made.frame.columns) == ["id", "label", "id (table)", "md5", "label (table)", "nine"]
    assert made.frame.iloc[1].tolist() == ["b.png", "y", "p1", "b.png", "skin", "y"]


def test_the_order_of_the_classes_may_be_given_and_hold_more_than_occur(tmp_path):
    images, metadata = folder_of(tmp_path / "f", ["a", "b", "c"]), csv_of(tmp_path / "m.csv", *ROWS)
    assert table(images, metadata, classes=("y", "z", "x")).classes == ("y", "z", "x")
    with pytest.raises(DataError, match=r"row 3 of 'm.csv': label is 'y'"):
        table(images, metadata, classes=("x", "z"))


def test_what_does_not_fit_together_is_an_error_that_lists_it(tmp_path):
    images = folder_of(tmp_path / "f", ["a", "d", "e"])
    with pytest.raises(DataError) as error:
        table(images, csv_of(tmp_path / "mine.csv", *ROWS, "d,,f"))
    text = str(error.value)
    assert "'mine.csv' and folder" in text
    assert "row without image: 2: 'row 3 (b)', 'row 4 (c)'." in text
    assert "row without label: 1: 'row 5 (d)'." in text
    assert "image without row: 1: 'e.png'." in text
    assert "names such as 'a.png'" in text
    assert 'missing = "exclude"' in text


def test_what_does_not_fit_together_can_be_left_out_and_is_listed(tmp_path):
    images = folder_of(tmp_path / "f", ["a", "c", "d", "e", "g"])
    (images / "c.png").write_bytes(b"broken")
    made = table(images, csv_of(tmp_path / "mine.csv", *ROWS, "d,,f", "g,y,f", "h,,m"), missing="exclude")
    assert made.frame["id"].tolist() == ["a", "c", "g"]
    assert made.excluded.to_dict("records") == [
        {"row": 0, "id": "e.png", "reason": "image without row"},
        {"row": 3, "id": "b", "reason": "row without image"},
        {"row": 5, "id": "d", "reason": "row without label"},
        {"row": 7, "id": "h", "reason": "row without image"},
    ]
    assert made.file_rows.tolist() == [2, 4, 6]
    data = open_dataset(made, size=8, groups=["label"], cache=tmp_path / "cache")
    assert data.ids.tolist() == ["a", "g"]
    assert data.excluded["row"].tolist() == [0, 3, 5, 7, 4]
    assert data.excluded["reason"].iloc[-1].startswith("unreadable image 'c.png': not a JPEG or PNG")


def test_an_unreadable_image_names_its_file_and_row(tmp_path):
    images = folder_of(tmp_path / "f", ["a", "b", "c"])
    (images / "b.png").write_bytes((images / "b.png").read_bytes()[:300])
    made = table(images, csv_of(tmp_path / "mine.csv", *ROWS))
    with pytest.raises(
        DataError, match=r"row 3 of 'mine.csv': image 'b.png': the image is damaged .*\n  1 images cannot"
    ):
        open_dataset(made, size=8, groups=["sex"], cache=tmp_path / "cache")


def test_a_zip_that_points_out_of_itself_is_refused(tmp_path):
    packed = zip_of(tmp_path / "z.zip", {"a.png": encoded(picture()), "../b.png": encoded(picture())})
    with pytest.raises(DataError, match=r"the member '\.\./b.png' points out of the archive"):
        table(packed, csv_of(tmp_path / "mine.csv", *ROWS))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["image,lable", "a,x"], r"'mine.csv' has no column 'label'\. Did you mean 'lable'\?"),
        (["image,label", "a,x", "b,y", "a,y"], r"names 1 images more than once, such as 'a' in rows 2, 4\. One row"),
        (["image,label", "a,x", ",y"], r"1 rows of 'mine.csv' name no image: rows 3\."),
        (["image,label", "a,x", "b,x", "c,x"], r"column 'label' of 'mine.csv' has one class only, 'x'"),
        (["image,label", "../a,x", "b,y"], r"1 ids point out of folder"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        table(folder_of(tmp_path / "f", ["a", "b", "c"]), csv_of(tmp_path / "mine.csv", *rows))


def test_nothing_that_fits_at_all(tmp_path):
    with pytest.raises(DataError, match="no row of 'mine.csv' has both an image in folder"):
        table(folder_of(tmp_path / "f", ["q"]), csv_of(tmp_path / "mine.csv", *ROWS), missing="exclude")


def test_an_unknown_policy(tmp_path):
    with pytest.raises(ConfigError, match=r"missing is 'exclud'\. Did you mean 'exclude'\?"):
        table(tmp_path, tmp_path / "mine.csv", missing="exclud")
