import copy
import json
import re

import numpy as np
import pandas as pd
import pytest

from fairshrink.audit import audit
from fairshrink.errors import StoreError
from fairshrink.report.audit_page import render_audit, write_audit_page
from report.fake_audit import fake_audit, fake_comparison
from report.pages import EVIL, Elements, check_harmless

CLASSES = ["akiec", "bcc", "df", "mel", "nv"]
HOSTILE = [
    *EVIL,
    "x" * 200,
    "ein langer Name " * 12,
    "שלום עולם",
    "👩🏽\u200d⚕️🙂",
    'O\'Brien & "co" onclick=alert(1)',
    "皮膚",
]


@pytest.fixture(scope="module")
def data():
    return fake_audit({"sex": ["female", "male"], "tone": ["I", "II", "III"]}, CLASSES, probabilities=True)


@pytest.fixture(scope="module")
def text(data):
    return render_audit(data, "The title", [fake_comparison(data, data, ["before", "after"])])


def test_the_page_is_self_contained(text):
    check_harmless(text)
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_page_has_what_a_reader_needs(text, data):
    for part in ("verdict", "attribute-1", "attribute-2", "comparison-1", "reading", "limits", "settings"):
        assert f'<section id="{part}">' in text
    assert "<h1>The title</h1>" in text
    gap = data["attributes"]["sex"]["gaps"]["eopp1"]
    assert f"{gap['value']:.3f}<small>{gap['low']:.3f}\u00a0to\u00a0{gap['high']:.3f}</small>" in text
    assert gap["verdict"] in text
    assert data["attributes"]["tone"]["class_gaps"]["tpr[mel]"]["verdict"] in text
    assert "after against before" in text
    assert "the classes are as given" in text
    assert "<dt>seed</dt><dd>0</dd>" in text
    assert re.search(r"<dt>page written by</dt><dd>fairshrink \d", text)


def test_every_picture_says_what_it_shows(text):
    pictures = [attributes for tag, attributes in Elements(text).found if tag == "svg"]
    assert len(pictures) == 2 * (1 + 1 + 2 + 1) + 1 + 2 * 3
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)


def test_without_probabilities_and_comparisons_nothing_is_said_of_them():
    text = render_audit(fake_audit({"sex": ["female", "male"]}, CLASSES), "t")
    assert "Reliability" not in text
    assert "comparison-1" not in text
    assert 'class="absent"' not in text


def test_the_same_record_gives_the_same_bytes(text, data):
    again = [fake_comparison(data, data, ["before", "after"])]
    assert render_audit(json.loads(json.dumps(data)), "The title", again) == text


def test_the_record_is_not_touched(data):
    before = copy.deepcopy(data)
    render_audit(data, "t")
    assert data == before


def test_hostile_names_are_shown_and_do_nothing():
    data = fake_audit({EVIL[0]: HOSTILE, EVIL[2]: ["a", "b"]}, HOSTILE)
    for found in data["attributes"].values():
        found["notes"].append(EVIL[2])
        for gap in (*found["gaps"].values(), *found["class_gaps"].values()):
            gap["verdict"] = EVIL[2]
    text = render_audit(data, EVIL[2], [fake_comparison(data, data, [EVIL[0], EVIL[2]])])
    check_harmless(text)
    text.encode("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}" in text
    assert "\u202e" not in text
    assert "\x07" not in text
    for name in ("שלום עולם", "👩🏽\u200d⚕️🙂", "x" * 200):
        assert name in text


def test_a_name_that_cannot_be_written_is_written_out(tmp_path):
    data = fake_audit({"\ud800": ["a", "b"]}, ["x", "y"])
    render_audit(data, "\udfff").encode("utf-8")


def test_many_classes_and_an_undefined_one_have_a_page():
    data = fake_audit(
        {"tone": [f"tone {i}" for i in range(12)]}, [f"class {i}" for i in range(114)], probabilities=True
    )
    found = data["attributes"]["tone"]
    gone = dict.fromkeys(("value", "low", "high", "null_mean", "null_high", "null_alone"), float("nan"))
    found["class_gaps"]["tpr[class 3]"] |= gone | {"undefined": 1, "verdict": ""}
    found["gaps"]["eopp1"] |= gone | {"verdict": ""}
    for rate in found["classes"]["class 3"].values():
        rate |= {"n": 0, "tpr": float("nan")}
    text = render_audit(data, "t")
    check_harmless(text)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S).lower()
    assert "class 113" in text
    assert "24 of 114 classes are shown" in text


def test_no_suppressed_number_is_on_the_page():
    """Even when it stands in the record: number and rate are easily recognised."""
    data = fake_audit({"sex": ["female", "male"]}, CLASSES, min_cell=9000, sizes=(9100, 9200, 9300))
    data["attributes"]["sex"]["classes"]["mel"]["male"] = {
        "n": 8765,
        "tpr": 0.98765,
        "tnr": 0.98765,
        "fpr": 0.98765,
        "auc": 0.98765,
    }
    text = render_audit(data, "t")
    for number in ("8,765", "8765", "0.987", "0.988"):
        assert number not in text
    assert "n hidden" in text
    assert "smallest cell shown" in text


@pytest.mark.parametrize("broken", [{}, {"attributes": {}}, []])
def test_what_is_no_audit_is_refused(broken):
    with pytest.raises(StoreError, match="'audit': .*fairshrink audit PREDICTIONS.csv"):
        render_audit(broken, "t")


def test_what_is_no_comparison_is_refused(data):
    with pytest.raises(StoreError, match="'comparison': models: Field required"):
        render_audit(data, "t", [{}])


def test_a_real_audit_is_written(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    predicted = np.where(rng.random(300) < 0.7, y, rng.integers(0, 3, 300))
    groups = pd.DataFrame({"sex": rng.choice(["f", "m"], 300), "old": rng.choice(["yes", "no", ""], 300)})
    found = audit(y, predicted, groups, n_boot=50)
    path = write_audit_page(found, tmp_path / "deep" / "audit.html", "Three classes")
    text = path.read_text(encoding="utf-8")
    check_harmless(text)
    for name in ("sex", "old", "sex &amp; old"):
        assert f"<h2>{name}</h2>" in text
    assert text == render_audit(json.loads(found.to_json()), "Three classes")
