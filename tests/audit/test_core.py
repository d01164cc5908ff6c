import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import accuracy_score, f1_score, recall_score

from fairshrink.audit import audit
from fairshrink.errors import ConfigError, DataError
from oracles import gaps as oracle

NAMES = np.array(["bcc", "mel", "nv"])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = rng.choice(3, 900, p=[0.2, 0.3, 0.5])
    g = rng.integers(0, 2, 900)
    p = np.where(rng.random(900) < np.where((g == 1) & (y == 1), 0.4, 0.85), y, rng.integers(0, 3, 900))
    return y, p, g


def same(first, second):
    return first.to_dict()["attributes"] == second.to_dict()["attributes"]


def test_scores_and_gaps_equal_the_oracles(rows):
    found = audit(*rows, num_classes=3, n_boot=20)
    triples = list(zip(*rows, strict=True))
    for name, gap in found.gaps.items():
        assert gap["value"] == pytest.approx(oracle.gap(triples, 2, 3, name, "strict")[0])
    np.testing.assert_allclose(found.by_group.loc["0"].to_numpy()[1:], oracle.scores(triples, 0))
    assert found.by_group.index.name == "group"
    assert list(found.by_group.columns) == ["n", "accuracy", "precision", "recall", "f1"]
    for k in range(3):
        rates = found.classes[str(k)]["1"]
        assert (rates["tpr"], rates["tnr"], rates["fpr"]) == pytest.approx(oracle.rates(triples, 1, k))
        assert rates["n"] == sum(y == k and g == 1 for y, _, g in triples)
    means = np.mean([found.class_gaps[f"tpr[{k}]"].value for k in range(3)])
    assert means == pytest.approx(found.gaps["eopp1"].value)


def test_scores_equal_fairlearns(rows):
    y, p, g = rows
    scores = {
        "accuracy": accuracy_score,
        "recall": lambda *args: recall_score(*args, average="macro"),
        "f1": lambda *args: f1_score(*args, average="macro"),
    }
    theirs = MetricFrame(metrics=scores, y_true=y, y_pred=p, sensitive_features=g)
    ours = audit(y, p, g, n_boot=1)
    np.testing.assert_allclose(ours.by_group[list(scores)].to_numpy(), theirs.by_group.to_numpy().astype(float))
    attribute = ours.attributes["group"]
    assert attribute.worst_group_accuracy == pytest.approx(theirs.group_min()["accuracy"])
    assert attribute.difference["f1"] == pytest.approx(theirs.difference()["f1"])
    assert ours.overall["f1"] == pytest.approx(theirs.overall["f1"])


def test_a_planted_gap_is_above_chance_and_in_its_class_only(rows):
    found = audit(*rows, num_classes=3)
    assert found.gaps["eopp1"].above_chance
    assert found.class_gaps["tpr[1]"].above_chance
    assert not found.class_gaps["tpr[2]"].above_chance
    assert found.class_gaps["tpr[1]"].low > 0.15


@pytest.mark.parametrize(
    "form", [list, np.asarray, pd.Series, lambda column: pd.Series(column, dtype=object), lambda c: c.astype(float)]
)
def test_numbers_in_any_form_give_the_same(rows, form):
    y, p, g = rows
    assert same(audit(form(y), form(p), form(g), n_boot=30), audit(y, p, g, n_boot=30))


@pytest.mark.parametrize("form", [list, np.asarray, pd.Series, pd.Categorical])
def test_text_in_any_form_gives_the_same(rows, form):
    y, p, g = (NAMES[column] for column in rows)
    found = audit(form(y), form(p), form(g), n_boot=30)
    assert found.class_names == ("bcc", "mel", "nv")
    assert same(found, audit(y, p, g, n_boot=30))


def test_a_categorical_names_the_classes_and_their_order(rows):
    y, p, g = rows
    classes = ["nv", "mel", "df", "bcc"]
    found = audit(pd.Categorical(NAMES[y], categories=classes), NAMES[p], g, n_boot=5)
    assert found.class_names == tuple(classes)
    assert found.gaps["eopp1"].undefined == 1
    assert found.notes == ()
    assert math.isnan(found.class_gaps["tpr[df]"].value)
    assert "nobody in '0' has df (1 of 4 classes): the TPR there is undefined, and it is left out" in str(found)


def test_without_num_classes_the_union_is_taken_and_said(rows):
    found = audit([0, 1, 0, 1], [0, 3, 0, 1], [0, 0, 1, 1], n_boot=5)
    assert (found.num_classes, found.class_names) == (3, ("0", "1", "3"))
    assert "the 3 classes are the union of labels and predictions" in found.notes[0]
    assert audit(*rows, num_classes=5, n_boot=5).gaps["eopp1"].undefined == 2


def test_conventions_differ_where_a_group_lacks_a_class():
    y, p, g = [0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0], list("aaaabb")
    strict, published = (audit(y, p, g, convention=c, n_boot=5) for c in ("strict", "published"))
    assert strict.gaps["eopp1"].value == pytest.approx(0.5)
    assert published.gaps["eopp1"].value == pytest.approx((0.5 + 1.0) / 2)
    assert "it is left out" in strict.attributes["group"].notes[0]
    assert "it counts as 0" in published.attributes["group"].notes[0]


@pytest.mark.parametrize(
    "groups",
    [
        ["a", None, "b", "a", "b"],
        ["a", "", "b", "a", "b"],
        ["a", math.nan, "b", "a", "b"],
        [0, -1, 1, 0, 1],
        pd.array([0, None, 1, 0, 1], dtype="Int64"),
        pd.Categorical.from_codes([0, -1, 1, 0, 1], categories=["x", "y"]),
        [0, None, 1, 0, 1],
    ],
    ids=str,
)
def test_unknown_groups_count_overall_only(groups):
    found = audit([0, 1, 1, 0, 1], [0, 0, 1, 1, 1], groups, n_boot=5)
    assert found.attributes["group"].unknown == 1
    assert found.overall["n"] == 5
    assert found.by_group["n"].to_list() == [2, 2]
    assert found.to_dict()["attributes"]["group"]["unknown"] == 1


@pytest.mark.parametrize(
    "form", [lambda g: g, pd.Series, pd.CategoricalIndex, lambda g: pd.DataFrame({"group": g}), lambda g: {"group": g}]
)
def test_groups_of_a_categorical_keep_their_order_and_empty_ones_are_named(form):
    groups = pd.Categorical(["old", "young", "old", "young"], categories=["young", "middle", "old", "oldest"])
    found = audit([0, 1, 0, 1], [0, 1, 1, 1], form(groups), n_boot=5).attributes["group"]
    assert list(found.by_group.index) == ["young", "old"]
    assert found.notes[0] == "nobody is in 'middle', 'oldest': left out of the gaps."


def test_a_category_for_unknown_is_no_empty_group():
    groups = pd.Categorical([2, 1, 2, 1], categories=[-1, 2, 1])
    found = audit([0, 1, 0, 1], [0, 1, 1, 0], groups, n_boot=5).attributes["group"]
    assert list(found.by_group.index) == ["2", "1"]
    assert not any("nobody is in" in note for note in found.notes)


def test_numpy_integers_are_settings_too(rows):
    settings: dict[str, Any] = {"num_classes": np.int64(4), "n_boot": np.int32(5), "seed": np.uint8(3)}
    found = audit(*rows, **settings)
    assert found.to_json() == audit(*rows, num_classes=4, n_boot=5, seed=3).to_json()


@pytest.mark.parametrize("form", [dict, pd.DataFrame])
def test_several_attributes_and_their_intersection(rows, form):
    y, p, g = rows
    age = np.random.default_rng(1).choice(["old", "young", ""], y.size)
    found = audit(y, p, form({"sex": np.array(["f", "m"])[g], "age": age}), n_boot=20)
    assert list(found.attributes) == ["sex", "age", "sex & age"]
    assert list(found.attributes["sex & age"].by_group.index) == ["f & old", "f & young", "m & old", "m & young"]
    assert found.attributes["sex & age"].unknown == (age == "").sum()
    assert found.gaps is found.attributes["sex"].gaps
    assert same(
        audit(y, p, {"sex": np.array(["f", "m"])[g]}, n_boot=20),
        audit(y, p, pd.Series(np.array(["f", "m"])[g], name="sex"), n_boot=20),
    )


def test_clusters_widen_and_are_counted(rows):
    repeated = [np.repeat(column, 3) for column in rows]
    clusters = [f"lesion {row // 3}" if row > 2 else None for row in range(2700)]
    by_row, by_lesion = audit(*repeated, n_boot=300), audit(*repeated, clusters=clusters, n_boot=300)
    assert by_lesion.clusters == 902
    assert by_lesion.gaps["eopp1"].null_mean > 1.5 * by_row.gaps["eopp1"].null_mean
    assert by_lesion.notes[-1] == "3 rows have no cluster: each was resampled by itself."


def test_json_is_the_contract(rows):
    found = audit(*rows, num_classes=4, n_boot=10, seed=3)
    data = json.loads(found.to_json())
    assert data == found.to_dict()
    assert data["overall"].keys() == {"n", "accuracy", "precision", "recall", "f1"}
    attribute = data["attributes"]["group"]
    assert attribute["groups"]["0"].keys() == {"n", "accuracy", "precision", "recall", "f1"}
    assert list(attribute["gaps"]) == ["eopp0", "eopp1", "eodd", "eodd_max"]
    record = {"value", "low", "high", "null_mean", "null_high", "undefined", "needed", "verdict"}
    assert attribute["gaps"]["eopp0"].keys() == record
    assert attribute["class_gaps"]["tpr[3]"].keys() == record | {"null_alone"}
    assert attribute["class_gaps"]["tpr[3]"]["value"] is None
    assert attribute["classes"]["3"]["0"] == {"n": 0, "tpr": None, "tnr": pytest.approx(1.0), "fpr": pytest.approx(0.0)}
    assert (data["convention"], data["num_classes"], data["seed"], data["n_boot"]) == ("strict", 4, 3, 10)
    assert (attribute["min_cell"], attribute["calibration"], attribute["small_cells"]) == (None, None, [])
    assert attribute["class_gaps"]["tpr[3]"]["needed"] is None
    assert isinstance(attribute["gaps"]["eopp1"]["needed"], int)
    assert audit(*rows, num_classes=4, n_boot=10, seed=3).to_json() == found.to_json()


def test_small_cells_are_listed():
    y = [0] * 9 + [1] * 10 + [0] * 12 + [1] * 3
    found = audit(y, y, [0] * 19 + [1] * 15, num_classes=3, n_boot=5).to_dict()["attributes"]["group"]
    assert found["small_cells"] == [{"group": "0", "class": "0", "n": 9}, {"group": "1", "class": "1", "n": 3}]


def test_a_class_that_no_label_has_is_said():
    found = audit([0, 1, 0, 1], [0, 3, 0, 1], [0, 0, 1, 1], n_boot=5)
    assert found.notes[1] == "1 predictions are of '3', which no label is: they count as wrong."
    assert len(audit([0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], num_classes=5, n_boot=5).notes) == 0


def test_order_of_the_rows_does_not_matter(rows):
    order = np.random.default_rng(5).permutation(900)
    assert same(audit(*rows, n_boot=40), audit(*(column[order] for column in rows), n_boot=40))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"convention": "publisht"}, "convention is 'publisht'. Did you mean 'published'"),
        ({"n_boot": 0}, "n_boot is 0, expected a whole number of 1 or more"),
        ({"n_boot": 10.5}, "n_boot is 10.5, expected a whole number of 1 or more"),
        ({"seed": "a"}, "seed is 'a', expected a whole number of 0 or more"),
        ({"seed": None}, "seed is None, expected a whole number"),
        ({"num_classes": "3"}, "num_classes is '3', expected a whole number of 1 or more"),
        ({"num_classes": 3.0}, "num_classes is 3.0, expected a whole number"),
        ({"num_classes": 0}, "num_classes is 0, expected"),
        ({"num_classes": -1}, "num_classes is -1, expected"),
    ],
)
def test_settings_that_cannot_be_used(rows, settings, text):
    with pytest.raises(ConfigError, match=text):
        audit(*rows, **settings)


def test_one_group_only_is_refused(rows):
    y, p, g = rows
    with pytest.raises(DataError, match="'group' has one group only, '0', in 900 rows"):
        audit(y, p, g * 0)


@pytest.mark.real
def test_metadata_of_ham10000_with_drawn_predictions(data_root):
    """No predictions come with the data: right for 7 of 10, whoever it is."""
    table = pd.read_csv(data_root / "ham10000" / "HAM10000_metadata.csv")
    rng = np.random.default_rng(0)
    pred = np.where(rng.random(len(table)) < 0.7, table.dx, rng.permutation(table.dx))
    sex = table.sex.where(table.sex != "unknown")
    found = audit(
        table.dx, pred, {"sex": sex, "age >= 60": (table.age >= 60).where(table.age.notna())}, clusters=table.lesion_id
    )
    assert found.clusters == 7470
    assert found.by_group["n"].to_dict() == {"female": 4552, "male": 5406}
    assert found.attributes["sex"].unknown == 57
    assert sum(gap.above_chance for gap in found.class_gaps.values()) <= 2
