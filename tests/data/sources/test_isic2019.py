import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from data.pictures import csv_of, folder_of
from fairshrink.data.checks import Subject, check
from fairshrink.data.dataset import cluster_names, open_dataset
from fairshrink.data.groups import parse_group
from fairshrink.data.sources.isic2019 import CLASSES, GROUND_TRUTH, PUBLISHED, columns, isic2019
from fairshrink.data.splits import NOWHERE, TEST, TRAIN, VAL, assign_splits, read_split_file
from fairshrink.errors import DataError

HEADER = "image,age_approx,anatom_site_general,lesion_id,sex"
TRUTH = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK"
NAMES = ["ISIC_1", "ISIC_2", "ISIC_3"]
APPENDED = "_downsampled"


def tables(
    folder, *, names=NAMES, truth=("1,0,0,0,0,0,0,0,0", "0.0,1.0,0,0,0,0,0,0,0", "0,0,0,0,0,0,0,1,0"), ends=("", "")
):
    rows = ["45,anterior torso,,female", "50,head/neck,BCN_1,male", ",,,"]
    csv_of(folder / "meta.csv", HEADER, *(f"{name}{ends[0]},{row}" for name, row in zip(NAMES, rows, strict=True)))
    given = (f"{name}{ends[1]},{cells}" for name, cells in zip(names, truth, strict=True))
    csv_of(folder / GROUND_TRUTH, TRUTH, *given)
    return folder / "meta.csv"


@pytest.mark.parametrize("in_tables", ["", APPENDED])
@pytest.mark.parametrize("in_truth", ["", APPENDED])
@pytest.mark.parametrize("in_files", ["", APPENDED])
def test_what_is_appended_to_names_means_nothing(tmp_path, in_tables, in_truth, in_files):
    images = folder_of(tmp_path / "images", [f"part/{name}{in_files}" for name in NAMES])
    made = isic2019(images, tables(tmp_path, ends=(in_tables, in_truth)), missing="exclude")
    assert (made.name, made.classes, made.frame["id"].tolist()) == ("isic2019", CLASSES, NAMES)
    assert made.frame["label"].tolist() == ["MEL", "NV", "SCC"]
    assert made.frame["lesion_id"].tolist() == ["", "BCN_1", ""]
    assert not len(made.excluded)
    split = csv_of(tmp_path / "split.csv", "image,split", "ISIC_1,train", "ISIC_2_downsampled,val", "ISIC_3.jpg,test")
    assert read_split_file(split, made.frame["id"]).tolist() == [[TRAIN, VAL, TEST]]


def test_empty_cells_are_unknown_sex_and_a_lesion_of_their_own(tmp_path):
    made = isic2019(None, tables(tmp_path), missing="exclude")
    assert parse_group("sex").assign(made.frame).codes.tolist() == [0, 1, -1]
    names = cluster_names(made.frame["lesion_id"].tolist(), made.frame["id"].tolist(), "lesion_id")
    assert names.tolist() == ["(no lesion_id) ISIC_1", "BCN_1", "(no lesion_id) ISIC_3"]


def test_the_table_of_classes_may_lie_elsewhere(tmp_path):
    metadata = tables(tmp_path)
    with pytest.raises(DataError, match=rf"'meta.csv' are in '{GROUND_TRUTH}', but there is no file '.*gone.csv'"):
        isic2019(None, metadata, tmp_path / "gone.csv")
    (tmp_path / GROUND_TRUTH).rename(tmp_path / "truth.csv")
    assert len(isic2019(None, metadata, tmp_path / "truth.csv", missing="exclude").frame) == 3
    with pytest.raises(
        DataError, match=rf"there is no file '.*{GROUND_TRUTH}'. Put it there, or name it by  ground_truth"
    ):
        isic2019(None, metadata)


@pytest.mark.parametrize("wrong", ["0,0,0,0,0,0,0,0,0", "1,1,0,0,0,0,0,0,0", "2,-1,0,0,0,0,0,0,0", "?,1,0,0,0,0,0,0,0"])
def test_a_row_without_one_class_is_refused_with_its_number(tmp_path, wrong):
    one = "0,1,0,0,0,0,0,0,0"
    message = f"2 rows of '{GROUND_TRUTH}' do not say one class: rows 2, 4. A single 1 among zeros was expected, in one of MEL"
    with pytest.raises(DataError, match=message):
        isic2019(None, tables(tmp_path, truth=[wrong, one, wrong]))


def test_the_class_that_is_for_test_images_only_is_refused(tmp_path):
    one = "0,1,0,0,0,0,0,0,0"
    with pytest.raises(DataError, match=r"rows 3\. .* the training images have no UNK"):
        isic2019(None, tables(tmp_path, truth=[one, "0,0,0,0,0,0,0,0,1", one]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["ISIC_1", "ISIC_2", "ISIC_2_downsampled"], "row 4 of .* names 'ISIC_2' a second time"),
        (
            ["ISIC_1", "ISIC_2", "ISIC_9"],
            "has 1 images that 'meta.csv' does not have: 'ISIC_9'. Give two tables of the same",
        ),
    ],
)
def test_tables_of_other_images_are_refused(tmp_path, names, message):
    with pytest.raises(DataError, match=message):
        isic2019(None, tables(tmp_path, names=names))


def test_a_row_whose_class_is_not_there_is_listed(tmp_path):
    metadata = tables(tmp_path)
    csv_of(tmp_path / GROUND_TRUTH, TRUTH, "ISIC_1,1,0,0,0,0,0,0,0,0", "ISIC_3,0,1,0,0,0,0,0,0,0")
    with pytest.raises(DataError, match=r"row without label: 1: 'row 3 \(ISIC_2\)'"):
        isic2019(None, metadata)
    made = isic2019(None, metadata, missing="exclude")
    assert made.excluded.to_dict("records") == [{"row": 3, "id": "ISIC_2", "reason": "row without label"}]


def test_a_check_says_what_the_table_of_classes_lacks_once(tmp_path):
    metadata = tables(tmp_path, truth=["0,0,0,0,0,0,0,0,0"] * 3)
    report = check(Subject("isic2019", metadata, None, columns(metadata), ("sex",), "lesion_id"))
    assert [finding.what[:24] for finding in report.of("unusable table")] == ["3 rows of 'ISIC_2019_Trai"[:24]]
    assert report.rows == 3


@pytest.fixture(scope="module")
def whole(data_root):
    """Both real tables, without images."""
    return isic2019(None, data_root / "isic2019" / "ISIC_2019_Training_Metadata.csv")


# Counts of the published tables by class: female, male, unknown; and all.
BY_SEX = {
    "MEL": (1980, 2461, 81),
    "NV": (6379, 6225, 271),
    "BCC": (1317, 2000, 6),
    "AK": (406, 458, 3),
    "BKL": (1134, 1467, 23),
    "DF": (117, 122, 0),
    "VASC": (125, 128, 0),
    "SCC": (203, 425, 0),
}


@pytest.mark.real
def test_the_real_tables_have_their_published_counts(whole):
    assert (len(whole.frame), whole.published, whole.frame["id"].nunique()) == (PUBLISHED, PUBLISHED, PUBLISHED)
    assert not whole.frame["id"].str.contains(APPENDED).any()
    sex, age = parse_group("sex").assign(whole.frame), parse_group("age_approx >= 60").assign(whole.frame)
    assert sex.groups == ("female", "male")
    labels = whole.frame["label"].to_numpy()
    for label, counts in BY_SEX.items():
        assert np.bincount(sex.codes[labels == label] + 1, minlength=3).tolist() == [counts[2], *counts[:2]]
    assert np.bincount(age.codes + 1).tolist() == [437, 14_089, 10_805]
    assert Counter(labels) == {label: sum(counts) for label, counts in BY_SEX.items()}


@pytest.mark.real
def test_real_lesions_stay_together_and_images_without_one_stand_alone(whole):
    cells = whole.frame["lesion_id"].tolist()
    lesions = cluster_names(cells, whole.frame["id"].tolist(), "lesion_id")
    assert (cells.count(""), len(set(lesions))) == (2_084, 11_847 + 2_084)
    sex = parse_group("sex").assign(whole.frame).codes
    labels = pd.factorize(whole.frame["label"])[0]
    splits = assign_splits(labels, sex, lesions)[0]
    assert pd.DataFrame({"lesion": lesions, "part": splits}).groupby("lesion")["part"].nunique().max() == 1
    shares = np.bincount(splits) / PUBLISHED
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=1e-3)
    alone = splits[np.array(cells) == ""]
    assert np.bincount(alone, minlength=3).min() > 0.1 * len(alone)


@pytest.mark.real
def test_the_published_split_is_read_with_the_names_that_it_has(whole, data_root):
    path = data_root / "isic2019" / "published_split.csv"
    splits = read_split_file(path, whole.frame["id"])[0]
    assert np.bincount(splits - NOWHERE).tolist() == [491, 14_904, 4_965, 4_971]
    sex = parse_group("sex").assign(whole.frame).codes
    assert np.bincount(sex[splits != NOWHERE] + 1, minlength=3).tolist() == [0, 11_600, 13_240]


@pytest.mark.real
def test_images_of_ham10000_are_a_part_of_it(data_root, tmp_path):
    archive, metadata = (
        data_root / "ham10000" / "HAM10000_images_128.zip",
        data_root / "isic2019" / "ISIC_2019_Training_Metadata.csv",
    )
    with pytest.raises(DataError, match=r"row without image: 15,316: .*\n  10,015 of 25,331 images are here"):
        isic2019(archive, metadata)
    part = isic2019(archive, metadata, missing="exclude")
    assert part.frame["label"].value_counts().to_dict() == {
        "NV": 6705,
        "MEL": 1113,
        "BKL": 1099,
        "BCC": 514,
        "SCC": 197,
        "VASC": 142,
        "AK": 130,
        "DF": 115,
    }
    assert (len(part.excluded), set(part.excluded["reason"])) == (15_316, {"row without image"})
    assert part.frame["lesion_id"].nunique() == 7_470


@pytest.mark.real
def test_a_few_real_images_are_decoded(data_root, tmp_path):
    metadata = data_root / "isic2019" / "ISIC_2019_Training_Metadata.csv"
    with (
        zipfile.ZipFile(data_root / "ham10000" / "HAM10000_images_128.zip") as source,
        zipfile.ZipFile(tmp_path / "some.zip", "w") as target,
    ):
        for at, name in enumerate(source.namelist()[:40]):
            end = APPENDED if at % 2 else ""
            target.writestr(f"ISIC_2019_Training_Input/{name.removesuffix('.jpg')}{end}.jpg", source.read(name))
    made = isic2019(tmp_path / "some.zip", metadata, missing="exclude")
    data = open_dataset(made, size=32, groups=["sex"], split_by="lesion_id", cache=tmp_path / "cache")
    assert data.images.shape == (40, 32, 32, 3)
    assert data.coverage is not None
    assert data.coverage.words() == "40 of 25,331 images are here"
    red, green, blue = data.images.reshape(-1, 3).mean(axis=0)
    assert red > max(green, blue)  # skin
