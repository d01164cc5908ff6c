import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fairshrink.audit import audit
from fairshrink.audit.inputs import encode_groups
from fairshrink.audit.privacy import suppress
from fairshrink.audit.terminal import show
from fairshrink.errors import ConfigError, DataError

CLASSES = ["bcc", "df", "mel", "nv"]
LEAST = 10


def frame_of(cells):
    """One row per image: cells are (sex, age, class, how many)."""
    rows = [(sex, age, k) for sex, age, k, n in cells for _ in range(n)]
    return pd.DataFrame(rows, columns=["sex", "age", "dx"])


def people(small=7):
    """df is rare among women, and rarest among young ones; three people of unknown sex have mel."""
    cells = [("f", "old", "df", 12), ("f", "young", "df", small - 4), ("m", "old", "df", 14), ("m", "young", "df", 25)]
    cells += [(sex, age, k, 31) for sex in "fm" for age in ("old", "young") for k in ("bcc", "mel", "nv")]
    cells += [("", "old", "mel", 3), ("", "young", "nv", 40)]
    return frame_of(cells)


def audited(frame, pred, prob, **options):
    truth = pd.Categorical(frame.dx, categories=CLASSES)
    return audit(truth, pred, {"sex": frame.sex, "age": frame.age}, y_prob=prob, n_boot=40, **options)


def predicted(frame, seed):
    """A prediction and probabilities for each row, drawn from its place in its cell: more rows change no other's."""
    place = frame.groupby(["sex", "age", "dx"]).cumcount()
    keys = [f"{sex}{age}{dx}{at}" for sex, age, dx, at in zip(frame.sex, frame.age, frame.dx, place, strict=True)]
    draws = [np.random.default_rng([seed, *key.encode()]).dirichlet(np.ones(4)) for key in keys]
    prob = np.stack(draws)
    return np.array(CLASSES)[prob.argmax(1)], prob


def printed(found):
    console = Console(file=io.StringIO(), width=120)
    show(found, console)
    return console.file.getvalue() + str(found)


def hidden_rows(frame):
    groups = encode_groups({"sex": frame.sex, "age": frame.age}, len(frame))
    codes = pd.Categorical(frame.dx, categories=CLASSES).codes.astype(np.int64)
    return ~suppress(codes, groups, len(CLASSES), LEAST).keep


def test_nothing_that_is_shown_depends_on_a_hidden_row():
    """Whatever is predicted for the hidden rows, and however many they are, every byte stays the same."""
    outputs = set()
    for small, seed in ((7, 1), (7, 2), (6, 3), (13, 4)):
        frame = people(small)
        pred, prob = predicted(frame, 0)
        other, other_prob = predicted(frame, seed)
        hidden = hidden_rows(frame)
        assert 0 < hidden.sum() < 100
        pred, prob = np.where(hidden, other, pred), np.where(hidden[:, None], other_prob, prob)
        found = audited(frame, pred, prob, min_cell=LEAST)
        outputs.add((found.to_json(), printed(found)))
    assert len(outputs) == 1


def test_without_it_the_hidden_rows_show():
    frame = people()
    pred, prob = predicted(frame, 0)
    other = np.where(hidden_rows(frame), predicted(frame, 2)[0], pred)
    assert audited(frame, pred, prob).to_json() != audited(frame, other, prob).to_json()


def test_no_small_cell_is_shown_and_none_alone_is_hidden():
    frame = people()
    pred, prob = predicted(frame, 0)
    data = json.loads(audited(frame, pred, prob, min_cell=LEAST).to_json())
    for name, found in data["attributes"].items():
        table = pd.DataFrame({k: {g: rate["n"] for g, rate in rates.items()} for k, rates in found["classes"].items()})
        assert (table.isna() | (table == 0) | (table >= LEAST)).all(axis=None)
        assert (table.isna().sum(axis=1) != 1).all()
        assert found["min_cell"] == LEAST
        assert found["calibration"] is None
        hidden = {(cell["group"], cell["class"]) for cell in found["small_cells"] if cell["n"] is None}
        assert hidden == {(g, k) for g, row in table.iterrows() for k in CLASSES if pd.isna(row[k])}, name
    young = data["attributes"]["sex & age"]["classes"]["df"]["f & young"]
    assert young == dict.fromkeys(["n", "tpr", "tnr", "fpr", "auc"])


def test_totals_are_those_of_the_rows_that_are_shown():
    frame = people()
    pred, prob = predicted(frame, 0)
    data = audited(frame, pred, prob, min_cell=LEAST).to_dict()
    for found in data["attributes"].values():
        groups = sum(scores["n"] or 0 for scores in found["groups"].values())
        assert groups + found["unknown"] == data["overall"]["n"]
        for group, scores in found["groups"].items():
            assert (scores["n"] or 0) == sum(rates[group]["n"] or 0 for rates in found["classes"].values())


def test_a_hidden_class_has_no_gap_and_its_sentence_says_why():
    frame = people()
    pred, prob = predicted(frame, 0)
    found = audited(frame, pred, prob, min_cell=LEAST)
    gap = found.attributes["sex & age"].class_gaps["tpr[df]"]
    assert np.isnan([gap.value, gap.low, gap.high, gap.null_mean, gap.null_high, gap.null_alone]).all()
    assert gap.needed is None
    assert gap.verdict.startswith("The gap of df is not shown: its images in f & young")
    assert "are fewer than 10, or would give away others that are." in gap.verdict
    assert "fewer than 10 rows are not shown" in found.notes[-1]
    text = printed(found)
    assert "<10" in text
    assert "<10: fewer than 10 images, or hidden because it would give such a cell away." in text


def test_a_small_group_is_hidden_whole_and_the_others_are_compared():
    cells = [(sex, "old", k, 20) for sex in "fm" for k in ("bcc", "mel")] + [
        ("x", "old", "bcc", 3),
        ("x", "old", "mel", 4),
    ]
    frame = frame_of(cells)
    found = audit(frame.dx, frame.dx, frame.sex, min_cell=5, n_boot=40)
    data = found.to_dict()["attributes"]["sex"]
    assert data["groups"]["x"] == dict.fromkeys(["n", "accuracy", "precision", "recall", "f1"])
    assert data["groups"]["f"]["n"] == 40
    assert found.gaps["eopp1"].value == 0.0
    assert all(np.isnan(gap.value) for gap in found.class_gaps.values())


def test_nothing_is_hidden_where_every_cell_is_large():
    frame = frame_of([(sex, "old", k, 20) for sex in "fm" for k in ("bcc", "mel")])
    plain, private = (audit(frame.dx, frame.dx, frame.sex, min_cell=least, n_boot=40) for least in (None, 20))
    assert private.notes == plain.notes
    assert private.to_dict()["attributes"]["sex"] == plain.to_dict()["attributes"]["sex"] | {"min_cell": 20}


def test_how_many_rows_have_no_cluster_is_not_said():
    frame = people()
    pred, prob = predicted(frame, 0)
    notes = audited(frame, pred, prob, min_cell=LEAST, clusters=[None, *range(len(frame) - 1)]).notes
    assert "Of rows without cluster each was resampled by itself." in notes


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"min_cell": 1}, ConfigError, "min_cell is 1, expected a whole number of 2 or more"),
        ({"min_cell": 2.5}, ConfigError, "min_cell is 2.5, expected a whole number"),
        (
            {"min_cell": 5, "convention": "published"},
            ConfigError,
            "min_cell cannot be used with the convention 'published'",
        ),
        ({"min_cell": 500}, DataError, "min_cell is 500: every cell of a group and a class has fewer rows"),
    ],
)
def test_numbers_that_cannot_be_used(options, error, text):
    frame = people()
    with pytest.raises(error, match=text):
        audited(frame, frame.dx, None, **options)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2), st.integers(-1, 1)), min_size=8, max_size=80),
    st.integers(2, 6),
)
def test_whatever_the_table_no_small_and_no_lonely_cell_is_left(rows, least):
    true, *groups = np.array(rows, dtype=np.int64).T
    try:
        attributes = encode_groups({"a": groups[0], "b": groups[1]}, true.size)
        left = suppress(true, attributes, 4, least)
    except DataError:
        return
    for attribute in attributes:
        for g in range(-1, len(attribute.names)):
            mine = attribute.codes == g
            before = np.bincount(true[mine], minlength=4)
            after = np.bincount(true[mine & left.keep], minlength=4)
            assert ((after == 0) | (after >= least)).all()
            gone = (before > 0) & (after == 0)
            assert gone.sum() != 1 or not after.any()
            if g >= 0:
                assert (left.hidden[attribute.name][g] == gone).all()
