import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from fairshrink.audit import audit
from fairshrink.errors import DataError

CLASSES = ["bcc", "mel", "nv"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 3, 400), rng.choice(["f", "m"], 400)
    prob = rng.dirichlet(np.ones(3), 400)
    prob[np.arange(400), y] += np.where(g == "f", 1.0, 0.2)
    return y, prob / prob.sum(1, keepdims=True), g


def test_auc_and_calibration_stand_beside_the_scores(rows):
    y, prob, g = rows
    found = audit(y, prob.argmax(1), g, y_prob=prob, num_classes=3, n_boot=40)
    data = found.to_dict()["attributes"]["group"]
    for group in "fm":
        mine = g == group
        areas = [roc_auc_score(y[mine] == k, prob[mine, k]) for k in range(3)]
        assert data["groups"][group]["auc"] == pytest.approx(np.mean(areas))
        assert [data["classes"][str(k)][group]["auc"] for k in range(3)] == pytest.approx(areas)
        bins = data["calibration"][group]["bins"]
        assert sum(one["n"] for one in bins) == mine.sum()
        assert bins[0] == {"low": 0.0, "high": pytest.approx(1 / 15), "n": 0, "confidence": None, "accuracy": None}
        off = sum(one["n"] * abs(one["confidence"] - one["accuracy"]) for one in bins if one["n"]) / mine.sum()
        scores = data["groups"][group]
        assert scores["ece"] == pytest.approx(off)
        assert 0 < scores["ece_null_mean"] < scores["ece_null_high"]
    assert "AUC" in str(found)
    assert "ECE" in str(found)


def test_without_them_nothing_is_said(rows):
    y, prob, g = rows
    found = audit(y, prob.argmax(1), g, n_boot=40)
    data = found.to_dict()["attributes"]["group"]
    assert data["calibration"] is None
    assert "auc" not in data["groups"]["f"]
    assert "AUC" not in str(found)


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, pd.DataFrame])
def test_any_form_gives_the_same(rows, form):
    y, prob, g = rows
    plain = audit(y, prob.argmax(1), g, y_prob=prob, num_classes=3, n_boot=40)
    assert audit(y, prob.argmax(1), g, y_prob=form(prob), num_classes=3, n_boot=40).to_json() == plain.to_json()


def test_columns_of_a_frame_are_put_in_the_order_of_the_classes(rows):
    y, prob, g = rows
    truth = pd.Categorical.from_codes(y, categories=CLASSES)
    frame = pd.DataFrame(prob, columns=CLASSES)
    pred = np.array(CLASSES)[prob.argmax(1)]
    first, second = (audit(truth, pred, g, y_prob=frame[order], n_boot=40) for order in (CLASSES, CLASSES[::-1]))
    assert first.to_json() == second.to_json()
    assert first.by_group["auc"].between(0.5, 1).all()


def test_a_prediction_that_is_not_the_likeliest_class_is_said(rows):
    y, prob, g = rows
    pred = prob.argmax(1)
    pred[:5] = (pred[:5] + 1) % 3
    notes = audit(y, pred, g, y_prob=prob, num_classes=3, n_boot=40).notes
    assert "in 5 rows the prediction is not the class with the largest probability" in notes[-1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p: p[:, :2], r"y_prob has the shape \(400, 2\), expected \(400, 3\): .* the classes 0, 1, 2. Name the"),
        (lambda p: p[:5], r"y_prob has the shape \(5, 3\)"),
        (lambda p: p[:, 0], r"y_prob has the shape \(400,\)"),
        (lambda p: [["a"] * 3] * 400, "y_prob is not a table of numbers"),
        (
            lambda p: np.where(np.arange(400)[:, None] == 7, np.nan, p),
            r"y_prob\[7\]\[0\] is nan: expected a number from 0 to 1",
        ),
        (lambda p: 2 * p - 0.5, r"y_prob\[\d+\]\[\d\] is -?\d.*expected a number from 0 to 1. \d+ of 400 rows"),
        (
            lambda p: 0.9 * p,
            r"y_prob\[0\]: the probabilities add up to 0.900, expected 1. 400 of 400 rows are like this",
        ),
        (lambda p: pd.DataFrame(p, columns=["0", "1", "3"]), "y_prob has no column '2', but every class needs one"),
        (lambda p: pd.DataFrame(p).assign(x=0.0), "y_prob has columns of classes that are not among the 3: 'x'"),
        (lambda p: pd.DataFrame(p, columns=["0", "1", "1"]), "y_prob names a class twice: '1'"),
    ],
)
def test_probabilities_that_cannot_be_used(rows, change, text):
    y, prob, g = rows
    with pytest.raises(DataError, match=text):
        audit(y, y, g, y_prob=change(prob), num_classes=3, n_boot=40)
