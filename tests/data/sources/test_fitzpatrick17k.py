import numpy as np
import pandas as pd
import pytest

from data.pictures import csv_of, encoded, folder_of, picture
from fairshrink.data.dataset import open_dataset
from fairshrink.data.groups import parse_group
from fairshrink.data.sources.fitzpatrick17k import LEVELS, PUBLISHED, fitzpatrick17k
from fairshrink.data.splits import NOWHERE, TEST, assign_splits, read_split_file
from fairshrink.errors import ConfigError, DataError

HEADER = "md5hash,fitzpatrick_scale,label,nine_partition_label,three_partition_label"
ROWS = [
    "aa,3,acne,inflammatory,non-neoplastic",
    "bb,4,halo nevus,benign melanocyte,benign",
    "cc,-1,malignant melanoma,malignant melanoma,malignant",
]
GROUPS = "fitzpatrick_scale >= 4"


def made(folder, header=HEADER, rows=ROWS, **options):
    return fitzpatrick17k(None, csv_of(folder / "f.csv", header, *rows), missing="exclude", **options)


@pytest.mark.parametrize("name", ["fitzpatrick_scale", "fitzpatrick"])
def test_both_names_of_the_skin_type_are_read_and_unknown_is_in_no_group(tmp_path, name):
    found = made(tmp_path, HEADER.replace("fitzpatrick_scale", name))
    types = parse_group(GROUPS).assign(found.frame)
    assert types.groups == ("fitzpatrick_scale < 4", "fitzpatrick_scale >= 4")
    assert types.codes.tolist() == [0, 1, -1]


def test_skin_types_that_pandas_wrote_as_floats_are_read(tmp_path):
    rows = [ROWS[0].replace("3", "3.0", 1), ROWS[1].replace("4", "4.0"), ROWS[2].replace("-1", "-1.0")]
    found = made(tmp_path, rows=rows)
    assert found.frame["fitzpatrick_scale"].tolist() == ["3", "4", "-1"]
    with pytest.raises(DataError, match="the skin type is '3.5'"):
        made(tmp_path, rows=[ROWS[0].replace("3", "3.5", 1), *ROWS[1:]])


@pytest.mark.parametrize(
    ("level", "labels"),
    [
        (114, ["acne", "halo nevus", "malignant melanoma"]),
        (9, ["inflammatory", "benign melanocyte", "malignant melanoma"]),
        (3, ["non-neoplastic", "benign", "malignant"]),
    ],
)
def test_the_level_chooses_the_classes(tmp_path, level, labels):
    found = made(tmp_path, level=level)
    assert (found.frame["label"].tolist(), len(found.classes)) == (labels, level)
    assert list(found.classes) == sorted(found.classes)


def test_images_are_found_by_their_hash(tmp_path):
    folder = folder_of(tmp_path / "images", ["aa", "sub/bb", "cc"], ".jpg")
    found = fitzpatrick17k(folder, csv_of(tmp_path / "f.csv", HEADER, *ROWS), missing="exclude")
    assert (found.name, found.frame["id"].tolist(), len(found.excluded)) == ("fitzpatrick17k", ["aa", "bb", "cc"], 0)


def test_what_it_cannot_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="level is 10, but Fitzpatrick-17k has 114, 9, 3 classes"):
        made(tmp_path, level=10)
    with pytest.raises(DataError, match="'f.csv' has no column 'fitzpatrick_scale'"):
        made(tmp_path, HEADER.replace("fitzpatrick_scale", "tone"))
    with pytest.raises(DataError, match="'f.csv' has no column 'nine_partition_label'"):
        made(tmp_path, HEADER.replace("nine_partition", "nine"), level=9)
    message = "row 3 of 'f.csv': the skin type is '7', but 1 to 6, or -1 .* is expected. 2 rows are like this: 3, 4."
    with pytest.raises(DataError, match=message):
        made(tmp_path, rows=[ROWS[0], ROWS[1].replace("4", "7"), ROWS[2].replace("-1", "0")])
    with pytest.raises(DataError, match=r"row 2 of 'f.csv': label is 'acnee'\. Did you mean 'acne'") as refused:
        made(tmp_path, rows=[ROWS[0].replace("acne", "acnee"), *ROWS[1:]])
    assert "There are 114 classes, such as 'acanthosis nigricans', 'acne', 'acne vulgaris'." in str(refused.value)
    with pytest.raises(DataError, match=r"label is 'xx'\. 1 rows are like this\. There are 114 classes") as refused:
        made(tmp_path, rows=[ROWS[0].replace("acne", "xx"), *ROWS[1:]])
    assert len(str(refused.value)) < 250


@pytest.fixture(scope="module")
def whole(data_root):
    """The real table, without images."""
    return fitzpatrick17k(None, data_root / "fitzpatrick17k" / "fitzpatrick17k.csv")


@pytest.mark.real
def test_the_real_table_has_its_published_counts(whole):
    assert (len(whole.frame), whole.published, len(whole.classes)) == (PUBLISHED, PUBLISHED, 114)
    types = parse_group(GROUPS).assign(whole.frame)
    assert np.bincount(types.codes + 1).tolist() == [565, 11_063, 4_949]
    counts = whole.frame["label"].value_counts()
    assert (set(counts.index), counts.min(), counts.max()) == (set(whole.classes), 53, 653)
    known = pd.crosstab(whole.frame["label"], types.codes)
    assert (known == 0).sum().to_dict() == {-1: 14, 0: 0, 1: 0}
    assert (known[1] < 10).sum() == 15
    assert (whole.frame["url"] == "").sum() == 41


# Counts of the published table: types 1 to 3, 4 to 6, unknown.
PARTITIONS = {
    "benign dermal": (805, 213, 49),
    "benign epidermal": (609, 300, 22),
    "benign melanocyte": (176, 57, 3),
    "genodermatoses": (670, 495, 29),
    "inflammatory": (7152, 3375, 359),
    "malignant cutaneous lymphoma": (130, 46, 6),
    "malignant dermal": (73, 78, 5),
    "malignant epidermal": (1009, 278, 65),
    "malignant melanoma": (439, 107, 27),
    "benign": (1590, 570, 74),
    "malignant": (1651, 509, 103),
    "non-neoplastic": (7822, 3870, 388),
}


@pytest.mark.real
def test_the_coarser_levels_have_their_counts(whole):
    codes = parse_group(GROUPS).assign(whole.frame).codes
    assert set(PARTITIONS) == {*LEVELS[9][1], *LEVELS[3][1]}
    for column in (LEVELS[9][0], LEVELS[3][0]):
        labels = whole.frame[column].to_numpy()
        for label in set(labels):
            unknown, low, high = np.bincount(codes[labels == label] + 1, minlength=3).tolist()
            assert (low, high, unknown) == PARTITIONS[label]


@pytest.mark.real
def test_the_published_split_holds_fairprunes_population(whole, data_root):
    splits = read_split_file(data_root / "fitzpatrick17k" / "published_split.csv", whole.frame["id"])[0]
    assert np.bincount(splits - NOWHERE).tolist() == [10, 9_939, 3_314, 3_314]
    codes = parse_group(GROUPS).assign(whole.frame).codes[splits != NOWHERE]
    assert np.bincount(codes + 1).tolist() == [564, 11_057, 4_946]


@pytest.mark.real
def test_dealt_anew_every_class_and_group_has_its_share_of_tests(whole):
    codes = parse_group(GROUPS).assign(whole.frame).codes
    labels = pd.factorize(whole.frame["label"])[0]
    splits = assign_splits(labels, codes, folds=5)
    assert ((splits == TEST).sum(axis=0) == 1).all()
    cells = pd.crosstab(labels[splits[0] == TEST], codes[splits[0] == TEST])
    expected = pd.crosstab(labels, codes) / 5
    assert np.abs(cells.reindex_like(expected).fillna(0) - expected).to_numpy().max() <= 1


@pytest.mark.real
def test_some_of_its_images_made_for_this_test_are_used_and_counted(whole, data_root, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for at, name in enumerate(whole.frame["id"][::80]):
        (images / f"{name}.jpg").write_bytes(encoded(picture(at, 16), "JPEG"))
    metadata = data_root / "fitzpatrick17k" / "fitzpatrick17k.csv"
    part = fitzpatrick17k(images, metadata, missing="exclude")
    data = open_dataset(part, size=32, groups=[GROUPS], unknown="exclude", cache=tmp_path / "cache")
    assert (len(part.frame), len(part.classes), data.coverage) == (208, 114, (208, 16_577))
    assert len(data) + (data.excluded["reason"] == f"{GROUPS} is unknown").sum() == 208
