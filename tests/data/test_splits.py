import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from data.pictures import csv_of
from fairshrink.data.splits import (
    NOWHERE,
    TEST,
    TRAIN,
    VAL,
    assign_splits,
    empty_cells,
    names_in,
    read_split_file,
    unassigned,
)
from fairshrink.errors import ConfigError, DataError


def skin(count=4000, seed=0):
    """Labels as uneven as in dermatology, groups with some unknown, lesions with one to six images."""
    draw = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(count), draw.choice([1, 2, 3, 6], count, p=[0.75, 0.18, 0.06, 0.01]))[:count]
    labels = draw.choice(7, count, p=[0.67, 0.11, 0.11, 0.05, 0.03, 0.02, 0.01])[cluster]
    return (
        labels,
        draw.choice([-1, 0, 1], count, p=[0.02, 0.45, 0.53])[cluster],
        np.array([f"lesion{c}" for c in cluster]),
    )


def shares_off(splits, labels, groups, share):
    """How many images each (label, group, part) is away from its share, at most."""
    strata = labels * 3 + groups + 1
    sizes = np.bincount(strata, minlength=21)
    return max(
        np.abs(np.bincount(strata[splits == part], minlength=21) - share[part] * sizes).max()
        for part in (TRAIN, VAL, TEST)
    )


def test_a_split_is_60_20_20_in_every_stratum_and_no_lesion_crosses():
    labels, groups, lesions = skin()
    splits = assign_splits(labels, groups, lesions)
    assert splits.shape == (1, 4000)
    assert splits.dtype == np.int8
    assert np.bincount(splits[0]).tolist() == [2400, 800, 800]
    assert shares_off(splits[0], labels, groups, [0.6, 0.2, 0.2]) <= 3
    assert all(len(set(splits[0][lesions == lesion])) == 1 for lesion in set(lesions))


def test_every_image_is_tested_once_and_chosen_with_once():
    labels, groups, lesions = skin(1000)
    splits = assign_splits(labels, groups, lesions, folds=4)
    assert splits.shape == (4, 1000)
    assert ((splits == TEST).sum(axis=0) == 1).all()
    assert ((splits == VAL).sum(axis=0) == 1).all()
    assert np.array_equal(splits[0] == VAL, splits[1] == TEST)
    assert np.array_equal(splits[3] == VAL, splits[0] == TEST)


def test_one_split_is_the_first_of_five_folds():
    labels, groups, lesions = skin(500)
    assert np.array_equal(assign_splits(labels, groups, lesions)[0], assign_splits(labels, groups, lesions, folds=5)[0])


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_the_deal_is_at_least_as_even_as_the_usual_one():
    labels, groups, lesions = skin()
    strata = labels * 3 + groups + 1
    ours, usual = np.argmax(assign_splits(labels, groups, lesions, folds=5) == TEST, axis=0), np.zeros(4000, dtype=int)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, strata, lesions)
    for fold, (_, rows) in enumerate(folds):
        usual[rows] = fold

    def off(dealt):
        fifth = np.bincount(strata, minlength=21) / 5
        return sum(np.abs(np.bincount(strata[dealt == part], minlength=21) - fifth).sum() for part in range(5))

    assert off(ours) <= off(usual) + 1


def test_the_deal_follows_seed_and_names_and_not_the_order_of_rows():
    labels, groups, lesions = skin(600)
    splits = assign_splits(labels, groups, lesions, seed=3)
    other = np.random.default_rng(1).permutation(600)
    assert np.array_equal(assign_splits(labels[other], groups[other], lesions[other], seed=3), splits[:, other])
    assert not np.array_equal(assign_splits(labels, groups, lesions, seed=4), splits)
    assert np.array_equal(
        assign_splits([0, 1] * 10, [0] * 20), assign_splits(np.array(["a", "b"] * 10, dtype=object), [0] * 20)
    )


def test_the_deal_stays_what_it_was():
    # Written down so that results stay comparable between versions and machines.
    assert "".join(map(str, assign_splits([0, 1] * 10, [0, 0, 1, 1] * 5)[0])) == "10010000211200000220"


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(5, 60), st.sampled_from([1, 3, 5]))
def test_whatever_the_data_no_cluster_crosses_and_every_part_has_rows(data, count, folds):
    draw = lambda high: np.array(data.draw(st.lists(st.integers(0, high), min_size=count, max_size=count)))  # noqa: E731
    labels, groups, clusters = draw(3), draw(2) - 1, np.r_[np.arange(5), draw(30)[5:]]
    splits = assign_splits(labels, groups, clusters, folds=folds)
    for fold in splits:
        assert set(fold) == {TRAIN, VAL, TEST}
        assert all(len(set(fold[clusters == cluster])) == 1 for cluster in clusters)


@pytest.mark.parametrize("folds", [0, 2, -1])
def test_two_folds_cannot_train_choose_and_test(folds):
    with pytest.raises(ConfigError, match=rf"folds is {folds}\. Use 1 \(60/20/20\) or at least 3"):
        assign_splits([0] * 9, [0] * 9, folds=folds)


def test_too_few_clusters_and_uneven_lengths():
    with pytest.raises(DataError, match="4 clusters cannot be dealt to 5 parts"):
        assign_splits([0] * 9, [0] * 9, [0, 1, 2, 3] * 2 + [0])
    with pytest.raises(DataError, match="9 clusters cannot be dealt to 10 parts"):
        assign_splits([0] * 9, [0] * 9, folds=10)
    with pytest.raises(DataError, match="9 labels, 8 groups and 9 clusters: one each per row"):
        assign_splits([0] * 9, [0] * 8)


def test_a_class_that_a_group_lacks_in_a_part_can_be_found():
    splits = np.array([[TRAIN, TRAIN, TRAIN, TRAIN, VAL, TEST]], dtype=np.int8)
    labels, groups = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 0, -1])
    assert [cell for cell in empty_cells(splits, labels, groups, shape=(2, 2)) if cell.part != "test"] == [
        (0, "val", 0, 1),
        (0, "val", 1, 0),
        (0, "val", 1, 1),
    ]
    assert len(empty_cells(splits, labels, groups, shape=(2, 2))) == 7


IDS = np.array(["a", "b", "c", "d"])


@pytest.mark.parametrize("column", ["image", "id", "md5hash"])
def test_a_published_split_is_read_by_name(tmp_path, column):
    path = csv_of(tmp_path / "split.csv", f"{column},split", "c,test", "a,train", "d,Validation")
    splits = read_split_file(path, IDS)
    assert splits.tolist() == [[TRAIN, NOWHERE, TEST, VAL]]
    assert unassigned(splits, IDS).to_dict("records") == [{"row": 0, "id": "b", "reason": "not in the split file"}]


def test_images_that_the_data_lacks_stop_a_published_split_unless_told_otherwise(tmp_path):
    path = csv_of(tmp_path / "split.csv", "image,split", "a,train", "b,val", "c,test", "x,test", "y,train")
    with pytest.raises(DataError, match=r"'split.csv' names 2 images that the data does not have: 'x', 'y'\."):
        read_split_file(path, IDS)
    assert read_split_file(path, IDS, missing="exclude").tolist() == [[TRAIN, VAL, TEST, NOWHERE]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["image,part", "a,train"], r"'split.csv' has no column 'split'"),
        (["name,split,fold", "a,train,1"], r"should have the columns 'image' and 'split', but has: name, split, fold"),
        (["image,split", "a,trian"], r"row 2 of 'split.csv': split is 'trian'\. Did you mean 'train'\?"),
        (["image,split", "a,train", "a,val"], "row 3 of 'split.csv' names 'a' a second time"),
        (["image,split", "a,train", "b,val"], "no row of the data is in 'test' of 'split.csv'"),
    ],
)
def test_a_split_file_that_cannot_be_used_says_why(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_split_file(csv_of(tmp_path / "split.csv", *lines), IDS)


@pytest.mark.parametrize("name", ["ISIC_1", "isic_1", "ISIC_1.jpg", "ISIC_1_downsampled", "ISIC_1_downsampled.JPG"])
def test_a_published_split_may_write_names_its_own_way(tmp_path, name):
    path = csv_of(tmp_path / "split.csv", "image,split", f"{name},train", "ISIC_2,val", "ISIC_3,test")
    for ids in (["ISIC_1", "ISIC_2", "ISIC_3"], ["ISIC_1_downsampled", "isic_2.jpg", "ISIC_3"]):
        assert read_split_file(path, ids).tolist() == [[TRAIN, VAL, TEST]]


def test_a_name_that_is_written_exactly_is_nobody_elses(tmp_path):
    lines = ["image,split", "a,train", "b.jpg,val", "B.png,val", "c,test"]
    path = csv_of(tmp_path / "split.csv", *lines)
    ids = ["a", "a_downsampled", "b", "c"]
    assert names_in(["a", "b.jpg", "B.png", "c"], ids) == {"a": "a", "c": "c"}
    with pytest.raises(DataError, match="names 2 images that the data does not have: 'B.png', 'b.jpg'"):
        read_split_file(path, ids)
    exact = csv_of(tmp_path / "exact.csv", "image,split", "a,train", "a_downsampled,val", "c,test")
    assert read_split_file(exact, ids).tolist() == [[TRAIN, VAL, NOWHERE, TEST]]


@pytest.mark.parametrize(
    ("named", "ids"),
    [(["x_1", "x_1_downsampled"], ["x_1", "x_1.jpg"]), (["1.jpg", "1"], ["1.jpg", "1.png"])],
)
def test_a_name_that_another_image_has_already_is_not_given_to_a_second_one(named, ids):
    assert names_in(named, ids) == {ids[0]: ids[0]}
