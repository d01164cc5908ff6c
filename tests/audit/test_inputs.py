import numpy as np
import pandas as pd
import pytest

from fairshrink.audit.inputs import encode_clusters, encode_groups, encode_labels
from fairshrink.errors import DataError


@pytest.mark.parametrize(
    ("true", "pred", "num_classes", "text"),
    [
        ([0, 1], [0], None, "y_true has 2 entries and y_pred 1: they must be of the same rows"),
        ([], [], None, "y_true and y_pred are empty: there is nothing to audit"),
        ([0, None, 1], [0, 1, 1], None, "y_true has no value in 1 of 3 entries, the first is entry 1"),
        (["a", "b"], ["a", " "], None, "y_pred has no value in 1 of 2 entries"),
        ([0, 1], [0.2, 0.7], None, r"y_pred\[0\] is 0.2, expected a class: 2 entries are not whole numbers"),
        (["a", "b"], [0, 1], None, r"y_true holds text \('a'\) and y_pred numbers"),
        ([0, 1, 7], [0, 1, 1], 3, r"y_true\[2\] is 7, expected one of the 3 classes 0, 1, 2; 1 of 3 entries"),
        ([0, 1], [0, -1], 2, r"y_pred\[1\] is -1"),
        (["a", "b"], ["a", "b"], 3, "num_classes is 3, but 2 different labels occur: a, b"),
        (pd.Categorical(["a", "b"]), ["a", "b"], 3, "num_classes is 3, but y_true has 2 categories"),
        (pd.Categorical(["a", "b"]), ["a", "c"], None, r"y_pred\[1\] is 'c', expected one of the 2 classes a, b"),
        ([[0, 1], [1, 0]], [0, 1], None, "y_true has 2 axes, expected one entry per row"),
        (None, [0, 1], None, "y_true is None, expected a list, an array or a column with one entry per row"),
        ([[0, 1], [1]], [0, 1], None, "y_true is not a list of single values"),
        ([1, "1"], [1, "1"], None, "two classes are written alike: '?1'?, '?1"),
    ],
)
def test_labels_that_cannot_be_used(true, pred, num_classes, text):
    with pytest.raises(DataError, match=text):
        encode_labels(true, pred, num_classes)


def test_kinds_that_do_not_compare_have_an_order_too():
    *_, names = encode_labels([1, "b", "a"], ["a", 1, 1], None)
    assert names == ("1", "a", "b")


def test_booleans_are_classes():
    true, pred, names = encode_labels([True, False], [1, 1], None)
    assert (true.tolist(), pred.tolist(), names) == ([1, 0], [1, 1], ("0", "1"))


@pytest.mark.parametrize(
    ("features", "text"),
    [
        ({}, "sensitive_features has no column"),
        (None, "sensitive_features is None, expected a list, an array or a column with one entry per row"),
        ("sex", "sensitive_features is 'sex', expected a list"),
        ({"a", "b", "c"}, "sensitive_features is of type set, expected a list"),
        ((g for g in "aba"), r"sensitive_features is of type generator, expected .* Make it a list first: list\(...\)"),
        ({"sex": None}, "sex is None, expected a list"),
        (
            pd.Categorical(["a", "a", None], categories=["a", "b"]),
            r"'group' has one group only, 'a', in 3 rows \(1 unknown, nobody in 'b'\)",
        ),
        (["a", "b"], "'group' has 2 entries, but there are 3 labels"),
        ({"sex": ["", None, "a"]}, r"'sex' has one group only, 'a', in 3 rows \(2 unknown\)"),
        ({"sex": [None, None, None]}, "'sex' has no known group"),
        ({"a": [0, 1, None], "b": [0, None, 1]}, "'a & b' has 1 groups in the rows where all are known"),
        ([1, "1", 2], "two groups of 'group' are written alike"),
    ],
)
def test_groups_that_cannot_be_used(features, text):
    with pytest.raises(DataError, match=text):
        encode_groups(features, 3)


def test_an_identifier_is_no_group():
    with pytest.raises(DataError, match="'id' has 101 different values, more than 100 groups: is it an identifier"):
        encode_groups(pd.Series(range(101), name="id"), 101)


def test_a_column_that_is_there_twice_is_refused():
    frame = pd.DataFrame([[0, 1], [1, 0]], columns=["sex", "sex"])
    with pytest.raises(DataError, match="sensitive_features names a column twice: sex, sex"):
        encode_groups(frame, 2)


def test_integers_that_a_missing_value_made_floats_are_named_as_integers():
    (found,) = encode_groups(pd.Series([1.0, np.nan, 10.0, 2.0]), 4)
    assert (found.names, found.codes.tolist()) == (("1", "2", "10"), [0, -1, 2, 1])


def test_clusters_are_as_long_as_the_labels():
    assert encode_clusters(None, 3) == (None, 0)
    with pytest.raises(DataError, match="'clusters' has 2 entries, but there are 3 labels"):
        encode_clusters(["a", "b"], 3)


def test_long_lists_are_cut_short():
    with pytest.raises(DataError, match=r"one of the 20 classes 0, 1, 2, 3, 4, 5, 6, 7 and 12 more"):
        encode_labels([0, 20], [0, 1], 20)
