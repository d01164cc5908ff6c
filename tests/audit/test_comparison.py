import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fairshrink.audit import adjust, compare
from fairshrink.audit.comparison import Change
from fairshrink.metrics.holm import holm

CHANGE = Change("eopp1", "gaps", 1603, a=0.2, b=0.1, low=-0.15, high=-0.05, p=0.01, p_holm=0.04, family_size=4)


@pytest.fixture(scope="module")
def comparisons():
    rng = np.random.default_rng(1)
    y, g, h = rng.integers(0, 3, 500), rng.choice(["f", "m"], 500), rng.choice(["x", "y"], 500)
    a = np.where(rng.random(500) < np.where(g == "f", 0.9, 0.5), y, rng.integers(0, 3, 500))
    others = [np.where(rng.random(500) < part, y, a) for part in (0.6, 0.05)]
    return [compare(y, a, b, {"sex": g, "side": h}, n_boot=200) for b in others]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "eopp1 is narrower: 0.200 became 0.100 (-0.100, 95 % interval -0.150 to -0.050) on 1,603 images."),
        (
            {"b": 0.3, "low": 0.05, "high": 0.15},
            "eopp1 is wider: 0.200 became 0.300 (+0.100, 95 % interval +0.050 to +0.150)",
        ),
        ({"high": 0.0}, "eopp1 is not distinguishable from no change (-0.100, 95 % interval -0.150 to 0.000) on 1,603"),
        (
            {"p_holm": 0.2, "family_size": 12},
            "on 1,603 images; among 12 comparisons it does not hold (p 0.200 by Holm).",
        ),
        ({"family": "scores", "name": "f1"}, "f1 is lower: 0.200 became 0.100"),
        ({"a": math.nan}, "eopp1 cannot be compared: no class has such a rate in two groups."),
        ({"a": math.nan, "family": "scores"}, "cannot be compared: nobody is there."),
        ({"images": 1}, "on 1 image."),
        ({"name": "tpr[\x1b]"}, "tpr[\\x1b] is narrower"),
    ],
)
def test_the_sentence_says_what_the_interval_says(changes, words):
    assert words in replace(CHANGE, **changes).verdict


def test_a_change_holds_only_if_the_interval_excludes_0_and_holm_agrees():
    assert CHANGE.holds
    assert not replace(CHANGE, p_holm=0.051).holds
    assert not replace(CHANGE, high=0.01).holds
    assert not replace(CHANGE, b=math.nan).holds


def test_the_json_has_the_layout_that_pages_read(comparisons):
    data = json.loads(comparisons[0].to_json())
    assert list(data) == [
        "models", "overall", "attributes", "convention", "num_classes", "n_boot", "seed", "clusters", "notes"
    ]  # fmt: skip
    assert list(data["overall"]) == ["accuracy", "precision", "recall", "f1"]
    found = data["attributes"]["sex"]
    assert list(found) == ["groups", "scores", "gaps", "class_gaps"]
    assert list(found["groups"]["f"]) == ["accuracy", "precision", "recall", "f1"]
    assert list(found["scores"]) == ["average_f1", "worst_group_accuracy"]
    assert list(found["gaps"]) == ["eopp0", "eopp1", "eodd", "eodd_max"]
    assert list(found["class_gaps"]) == ["tpr[0]", "tpr[1]", "tpr[2]"]
    assert list(found["gaps"]["eopp1"]) == ["a", "b", "change", "low", "high", "p", "p_holm", "verdict"]


@pytest.mark.parametrize(("family", "size"), [("scores", 4 + 3 * 2 + 4 * (2 + 2 + 4)), ("gaps", 12), ("classes", 9)])
def test_holm_is_over_all_attributes(comparisons, family, size):
    changes = [change for change in comparisons[0].changes() if change.family == family]
    assert len(changes) == changes[0].family_size == size
    np.testing.assert_array_equal([c.p_holm for c in changes], holm(np.array([c.p for c in changes])))


def test_several_models_are_adjusted_together(comparisons):
    both = adjust(comparisons)
    for family in ("scores", "gaps", "classes"):
        p, adjusted = (
            [getattr(change, name) for one in both for change in one.changes() if change.family == family]
            for name in ("p", "p_holm")
        )
        np.testing.assert_array_equal(adjusted, holm(np.array(p)))
    assert next(both[1].changes()).family_size == 2 * next(comparisons[1].changes()).family_size
    assert [change.p for change in both[1].changes()] == [change.p for change in comparisons[1].changes()]


def test_it_prints_as_a_table(comparisons):
    text = str(comparisons[0])
    assert repr(comparisons[0]) == text
    for words in (
        "B = B against A = A",
        "macro F1",
        "eopp1",
        "tpr[2]",
        "is narrower",
        "lowest accuracy",
        "note: change: B - A",
    ):
        assert words in text
