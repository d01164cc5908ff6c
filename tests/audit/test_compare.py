import json
import math

import numpy as np
import pandas as pd
import pytest

import fairshrink
from fairshrink.audit import Comparison, audit, compare
from fairshrink.errors import ConfigError, DataError

NAMES = np.array(["bcc", "mel", "nv"])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = rng.choice(3, 400, p=[0.2, 0.3, 0.5])
    sex, age = rng.choice(["female", "male", ""], 400, p=[0.48, 0.48, 0.04]), rng.choice(["old", "young"], 400)
    a = np.where(rng.random(400) < np.where((sex == "male") & (y == 1), 0.3, 0.85), y, rng.integers(0, 3, 400))
    b = np.where(rng.random(400) < 0.3, y, a)
    return NAMES[y], NAMES[a], NAMES[b], {"sex": sex, "age": age}


@pytest.mark.parametrize("convention", ["strict", "published"])
def test_a_change_is_the_difference_of_two_audits(rows, convention):
    y, a, b, groups = rows
    found = compare(y, a, b, groups, convention=convention, n_boot=40)
    before, after = (audit(y, model, groups, convention=convention, n_boot=1) for model in (a, b))
    for score, change in found.overall.items():
        assert (change.a, change.b) == (before.overall[score], after.overall[score])
    assert list(found.attributes) == list(before.attributes) == ["sex", "age", "sex & age"]
    for name, attribute in found.attributes.items():
        first, second = before.attributes[name], after.attributes[name]
        for gap, change in (attribute.gaps | attribute.class_gaps).items():
            values = (first.gaps | first.class_gaps)[gap].value, (second.gaps | second.class_gaps)[gap].value
            assert (change.a, change.b) == values
            assert change.change == values[1] - values[0]
        for group, scores in attribute.groups.items():
            for score, change in scores.items():
                assert (change.a, change.b) == (first.by_group.loc[group, score], second.by_group.loc[group, score])
        assert attribute.scores["average_f1"].b == pytest.approx(second.average["f1"], rel=1e-12)
        assert attribute.scores["worst_group_accuracy"].b == second.worst_group_accuracy


def test_it_says_on_how_many_images(rows):
    y, a, b, groups = rows
    found = compare(y, a, b, groups, n_boot=40)
    known = groups["sex"] != ""
    assert found.overall["f1"].images == 400
    assert found.attributes["sex"].gaps["eopp1"].images == known.sum()
    assert found.attributes["sex"].class_gaps["tpr[mel]"].images == (known & (y == "mel")).sum()
    assert found.attributes["sex"].groups["male"]["f1"].images == (groups["sex"] == "male").sum()


def test_the_classes_are_the_union_of_labels_and_both_models(rows):
    y, a, b, groups = rows
    strange = b.copy()
    strange[0] = "scc"
    found = compare(y, a, strange, groups["age"], n_boot=40)
    assert found.num_classes == 4
    assert any("union of labels and of both models' predictions" in note for note in found.notes)
    assert "tpr[scc]" in found.attributes["group"].class_gaps
    declared = compare(pd.Categorical(y, categories=["bcc", "mel", "nv", "scc"]), a, strange, groups["age"], n_boot=40)
    assert not any("union" in note for note in declared.notes)
    assert declared.to_dict()["attributes"] == found.to_dict()["attributes"]


def test_what_cannot_be_compared_is_said(rows):
    y, a, b, groups = rows
    unknown = (groups["sex"] == "") | ((y == "bcc") & (groups["sex"] == "male"))
    sex = np.where(unknown, None, groups["sex"])
    found = compare(y, a, b, pd.Categorical(sex, categories=["female", "male", "other"]), n_boot=39)
    change = found.attributes["group"].class_gaps["tpr[bcc]"]
    assert math.isnan(change.change)
    assert change.verdict == "tpr[bcc] cannot be compared: fewer than two groups have images of the class."
    assert change.to_dict()["p_holm"] is None
    assert any(note.startswith("group: tpr[bcc] cannot be compared") for note in found.notes)
    assert any("nobody is in 'other'" in note for note in found.notes)
    json.loads(found.to_json())


def test_clusters_are_counted_and_rows_without_one_are_said(rows):
    y, a, b, groups = rows
    lesions = np.array([f"L{n // 2}" if n >= 10 else "" for n in range(400)])
    found = compare(y, a, b, groups, clusters=lesions, n_boot=40)
    assert found.clusters == 195 + 10
    assert any("10 rows have no cluster" in note for note in found.notes)
    assert compare(y, a, b, groups, n_boot=40).clusters is None


def test_too_few_draws_are_said(rows):
    y, a, b, groups = rows
    assert any("38 resamples are too few" in note for note in compare(y, a, b, groups["age"], n_boot=38).notes)
    assert not any("too few" in note for note in compare(y, a, b, groups["age"], n_boot=39).notes)


def test_the_same_model_twice_has_not_changed(rows):
    y, a, _, groups = rows
    for change in compare(y, a, a, groups, n_boot=40).changes():
        assert (change.change, change.low, change.high, change.p, change.p_holm) == (0, 0, 0, 1, 1)


def test_it_is_public(rows):
    y, a, b, groups = rows
    assert fairshrink.compare is compare
    found = fairshrink.compare(y, a, b, groups["age"], n_boot=40, seed=3)
    assert isinstance(found, fairshrink.Comparison) is isinstance(found, Comparison) is True
    assert found.seed == 3
    assert found.to_json() == compare(y, a, b, groups["age"], n_boot=40, seed=3).to_json()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"y_pred_b": ["mel"] * 399}, DataError, "y_true has 400 entries and y_pred_b 399"),
        ({"y_pred_a": list(range(400))}, DataError, "y_true holds text .* and y_pred_a numbers"),
        ({"y_pred_b": None}, DataError, "y_pred_b is None"),
        ({"y_pred_b": ["mel"] * 399 + [None]}, DataError, "y_pred_b has no value in 1 of 400"),
        ({"num_classes": 2}, DataError, "num_classes is 2, but 3 different labels occur"),
        ({"sensitive_features": ["x"] * 400}, DataError, "one group only"),
        ({"clusters": [1]}, DataError, "'clusters' has 1 entries"),
        ({"convention": "lax"}, ConfigError, "convention is 'lax'"),
        ({"n_boot": 2.5}, ConfigError, "n_boot is 2.5"),
        ({"seed": "x"}, ConfigError, "seed is 'x'"),
    ],
)
def test_input_that_cannot_be_used(rows, change, error, words):
    y, a, b, groups = rows
    given = {"y_true": y, "y_pred_a": a, "y_pred_b": b, "sensitive_features": groups} | change
    with pytest.raises(error, match=words):
        compare(**given)


def test_a_class_that_was_not_declared_names_the_model(rows):
    y, a, b, groups = rows
    with pytest.raises(DataError, match=r"y_pred_b\[0\] is 'scc', expected one of the 3 classes"):
        compare(pd.Categorical(y), a, np.array(["scc", *b[1:]]), groups)
