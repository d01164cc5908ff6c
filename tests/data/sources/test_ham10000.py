import zipfile

import numpy as np
import pytest

from data.pictures import csv_of, folder_of
from fairshrink.data.dataset import open_dataset
from fairshrink.data.groups import parse_group
from fairshrink.data.sources.ham10000 import CLASSES, ham10000
from fairshrink.data.splits import TEST, assign_splits, read_split_file
from fairshrink.errors import DataError

HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"
ROWS = [
    "HAM_1,ISIC_1,nv,histo,45.0,male,trunk",
    "HAM_1,ISIC_2,nv,histo,45.0,male,trunk",
    "HAM_2,ISIC_3,mel,histo,,unknown,face",
]


@pytest.mark.parametrize("names", [["ISIC_1", "ISIC_2", "ISIC_3"], ["part_1/ISIC_1", "part_1/ISIC_2", "part_2/ISIC_3"]])
def test_images_are_found_with_and_without_the_published_folders(tmp_path, names):
    names = [name.replace("part", "HAM10000_images_part") for name in names]
    made = ham10000(folder_of(tmp_path / "f", names), csv_of(tmp_path / "meta.csv", HEADER, *ROWS), missing="exclude")
    assert (made.name, made.classes) == ("ham10000", CLASSES)
    assert made.frame["label"].tolist() == ["nv", "nv", "mel"]
    assert {"lesion_id", "image_id", "dx", "age", "sex", "localization"} <= set(made.frame.columns)


def test_a_diagnosis_that_is_not_of_the_seven_is_refused(tmp_path):
    meta = csv_of(tmp_path / "meta.csv", HEADER, *ROWS[:2], ROWS[2].replace("mel", "mell"))
    message = (
        r"row 4 of 'meta.csv': dx is 'mell'\. Did you mean 'mel'\? 1 rows are like this\. The classes are akiec, bcc"
    )
    with pytest.raises(DataError, match=message):
        ham10000(folder_of(tmp_path / "f", ["ISIC_1", "ISIC_2", "ISIC_3"]), meta, missing="exclude")


def test_a_part_of_it_is_refused_unless_it_is_meant(tmp_path):
    images, meta = folder_of(tmp_path / "f", ["ISIC_1", "ISIC_2", "ISIC_3"]), csv_of(tmp_path / "m.csv", HEADER, *ROWS)
    message = r"3 of 10,015 images are here: 'm.csv' has 3 rows. Get the whole set, or go on .*  missing = \"exclude\""
    with pytest.raises(DataError, match=message):
        ham10000(images, meta)
    with pytest.raises(DataError, match=r"row without image: 1: .*\n  2 of 10,015 images are here\."):
        ham10000(folder_of(tmp_path / "g", ["ISIC_1", "ISIC_3"]), meta)
    assert ham10000(images, meta, missing="exclude").published == 10_015


@pytest.fixture(scope="module")
def whole(data_root):
    folder = data_root / "ham10000"
    return ham10000(folder / "HAM10000_images_128.zip", folder / "HAM10000_metadata.csv")


@pytest.mark.real
def test_the_real_table_has_its_published_counts(whole):
    assert whole.frame["label"].value_counts().to_dict() == {
        "nv": 6705,
        "mel": 1113,
        "bkl": 1099,
        "bcc": 514,
        "akiec": 327,
        "vasc": 142,
        "df": 115,
    }
    sex, age = parse_group("sex").assign(whole.frame), parse_group("age >= 60").assign(whole.frame)
    assert (sex.groups, np.bincount(sex.codes + 1).tolist()) == (("female", "male"), [57, 4552, 5406])
    assert (age.groups, np.bincount(age.codes + 1).tolist()) == (("age < 60", "age >= 60"), [57, 6356, 3602])
    assert whole.frame["lesion_id"].nunique() == 7470
    assert not len(whole.excluded)


@pytest.mark.real
def test_the_real_lesions_do_not_cross(whole):
    labels, sex = whole.frame["label"].to_numpy(), parse_group("sex").assign(whole.frame).codes
    lesions = whole.frame["lesion_id"].to_numpy()
    splits = assign_splits(labels, sex, lesions, folds=5)
    assert (splits == TEST).sum(axis=1).tolist() == [2003] * 5
    sides = np.stack([lesions, splits[0].astype(str)])
    assert np.unique(sides.astype(str), axis=1).shape[1] == 7470
    for label in CLASSES:
        for group in (0, 1):
            rows = (labels == label) & (sex == group)
            assert np.abs((splits[:, rows] == TEST).sum(axis=1) - rows.sum() / 5).max() <= 1


@pytest.mark.real
def test_real_images_are_decoded_from_a_zip(data_root, tmp_path):
    folder = data_root / "ham10000"
    lines = (folder / "HAM10000_metadata.csv").read_text().splitlines()
    some = lines[1:200:4]
    with (
        zipfile.ZipFile(folder / "HAM10000_images_128.zip") as source,
        zipfile.ZipFile(tmp_path / "some.zip", "w") as target,
    ):
        for line in some:
            name = f"{line.split(',')[1]}.jpg"
            target.writestr(f"HAM10000_images_part_1/{name}", source.read(name))
    made = ham10000(tmp_path / "some.zip", csv_of(tmp_path / "meta.csv", lines[0], *some), missing="exclude")
    data = open_dataset(made, size=32, groups=["sex"], split_by="lesion_id", cache=tmp_path / "cache")
    assert data.images.shape == (50, 32, 32, 3)
    red, green, blue = data.images.reshape(-1, 3).mean(axis=0)
    assert red > green  # skin
    assert red > blue


@pytest.mark.real
def test_published_splits_are_read(data_root):
    path = data_root / "fitzpatrick17k" / "published_split.csv"
    ids = np.array([line.split(",")[0] for line in path.read_text().splitlines()[1:]])
    assert np.bincount(read_split_file(path, ids)[0]).tolist() == [9939, 3314, 3314]
