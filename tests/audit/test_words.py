import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from fairshrink.audit import audit
from fairshrink.audit.words import class_finding, finding, sentences, striking, verdicts

CLASSES = ["df", "mel", "nv"]


def rows_of(table):
    """Labels, predictions and groups from (group, class) -> (hits, misses)."""
    rows = []
    for (group, k), (hits, misses) in table.items():
        wrong = CLASSES[(CLASSES.index(k) + 1) % 3]
        rows += [(k, k, group)] * hits + [(k, wrong, group)] * misses
    truth, pred, groups = zip(*rows, strict=True)
    return pd.Categorical(truth, categories=CLASSES), list(pred), list(groups)


PLANTED = {
    ("female", "df"): (4, 3),
    ("male", "df"): (9, 8),
    ("female", "mel"): (40, 85),
    ("male", "mel"): (136, 35),
    ("female", "nv"): (190, 110),
    ("male", "nv"): (285, 22),
}
ALIKE = PLANTED | {("male", "mel"): (56, 115), ("female", "nv"): (280, 20)}


@pytest.fixture(scope="module")
def planted():
    return audit(*rows_of(PLANTED))


@pytest.fixture(scope="module")
def alike():
    return audit(*rows_of(ALIKE))


def data(found, name="group"):
    return found.to_dict()["attributes"][name]


def test_a_mean_above_chance(planted):
    gap = planted.gaps["eopp1"]
    assert gap.above_chance
    assert gap.verdict == (
        f"How often a class is found (eopp1) differs between female and male by {gap.value:.3f}, on average over the classes "
        f"(interval {gap.low:.3f} to {gap.high:.3f}): above the {gap.null_high:.3f} that chance reaches on 927 images; "
        "the smallest cell holds 7 images (df in female); a true gap of 0.05 would be seen in four of five cases on about "
        f"{gap.needed:,} images of the same mix."
    )


def test_a_mean_within_chance_is_never_called_absent(alike):
    for name, gap in alike.gaps.items():
        assert not gap.above_chance
        assert f"within the {gap.null_high:.3f} that chance reaches on 927 images" in gap.verdict, name
        assert f"which cannot show whether there is a gap (it may be up to {gap.high:.3f})" in gap.verdict
    assert "Hits or false alarms, whichever differ more (eodd_max), differ between female and male by" in (
        alike.gaps["eodd_max"].verdict
    )


def test_a_class_is_said_in_counts(planted, alike):
    gap = planted.class_gaps["tpr[mel]"]
    assert gap.verdict.startswith(
        "mel is found in 40 of 125 (female) and 136 of 171 (male): a gap of 0.475 "
        f"(interval {gap.low:.3f} to {gap.high:.3f}), above the {gap.null_high:.3f} that chance reaches in any of 3 classes; "
    )
    gap = alike.class_gaps["tpr[mel]"]
    assert gap.verdict.startswith(
        f"mel is found in 40 of 125 (female) and 56 of 171 (male): a gap of 0.007 (it may be up to {gap.high:.3f}), within "
        f"what chance reaches: {gap.null_high:.3f} in any of 3 classes, {gap.null_alone:.3f} for a class that was named "
        f"beforehand; a true gap of 0.05 would be seen in four of five cases on about {gap.needed:,} images of the same mix."
    )


def test_a_class_above_its_own_floor_only(alike):
    found = data(alike)
    gap = found["class_gaps"]["tpr[mel]"]
    found["class_gaps"]["tpr[mel]"] = gap | {"value": (gap["null_alone"] + gap["null_high"]) / 2}
    assert class_finding("mel", found).endswith(
        f"within the {gap['null_high']:.3f} that chance reaches in any of 3 classes, but above the "
        f"{gap['null_alone']:.3f} for a class that was named beforehand"
    )


def test_of_many_groups_the_ends_are_counted_and_the_largest_pair_is_meant():
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 3, 3000), rng.integers(0, 6, 3000)
    p = np.where(rng.random(3000) < 0.5 + 0.05 * g, y, (y + 1) % 3)
    found = audit(y, p, g)
    assert "between the 6 groups by up to 0." in found.gaps["eopp1"].verdict
    assert re.match(
        r"0 is found in \d+ of \d+ \(0\) to \d+ of \d+ \(\d\), the lowest and the highest of 6 groups: a gap of",
        found.class_gaps["tpr[0]"].verdict,
    )


def test_what_cannot_be_measured_says_so():
    table = {key: value for key, value in PLANTED.items() if key != ("male", "df")}
    found = audit(*rows_of(table), n_boot=40)
    assert found.class_gaps["tpr[df]"].verdict == (
        "The gap of df cannot be measured: fewer than two groups have images of it."
    )
    assert "on average over the classes that two groups have" in found.gaps["eopp1"].verdict
    alone = audit(["a", "a", "b", "b"], ["a"] * 4, [0, 0, 1, 1], n_boot=40)
    assert alone.gaps["eopp1"].verdict.startswith("eopp1 cannot be measured: no class has such a rate in two groups")


def test_a_class_that_a_group_lacks_in_the_published_convention():
    table = {key: value for key, value in PLANTED.items() if key != ("male", "df")}
    found = audit(*rows_of(table), n_boot=40, convention="published")
    assert "those that a group lacks counted as never found" in found.gaps["eopp1"].verdict
    assert "images of the same mix" not in found.gaps["eopp1"].verdict
    assert found.class_gaps["tpr[df]"].verdict.startswith(
        "The gap of df means nothing: fewer than two groups have images"
    )


def test_more_than_ten_million_images_is_a_sentence_too(alike):
    found = data(alike)
    found["class_gaps"]["tpr[df]"]["needed"] = None
    assert verdicts(found, "strict")["tpr[df]"].endswith(
        "a true gap of 0.05 would take more than 10 million images of the same mix to be seen in four of five cases."
    )


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ([1, 5, 9], "the smallest cell holds 1 image (df in female)"),
        ([5, 5, 9], "the smallest cells hold 5 images each (df in female and df in male)"),
        ([5, 5, 5], "the smallest cells hold 5 images each (df in female and 2 more)"),
    ],
)
def test_the_smallest_cells(sizes, text):
    table = PLANTED | {("female", "df"): (sizes[0], 0), ("male", "df"): (sizes[1], 0), ("female", "mel"): (sizes[2], 0)}
    assert text in audit(*rows_of(table), n_boot=40).gaps["eopp1"].verdict


def test_the_terminal_says_what_matters(planted, alike):
    found = data(planted)
    texts = sentences(found, "strict")
    above = [name for name, gap in planted.gaps.items() if gap.above_chance]
    assert sum("that chance reaches on 927 images" in text for text in texts) == len(above)
    assert "The smallest cell holds 7 images (df in female)." in texts
    assert striking(found) == ["nv", "mel", "df"]
    quiet = sentences(data(alike), "strict")
    assert "eopp0, eodd and eodd_max are within what chance reaches, too." in quiet
    assert quiet[0].startswith("How often a class is found (eopp1)")
    assert len(striking(data(alike))) == 1
    assert all(text.endswith(".") and not text.endswith("..") for text in [*texts, *quiet])


def test_one_gap_within_chance_beside_others_above(planted):
    found = data(planted)
    for name, gap in found["gaps"].items():
        gap["value"] = gap["null_high"] + (-0.001 if name == "eopp0" else 0.01)
    assert "eopp0 is within what chance reaches." in sentences(found, "strict")


def test_classes_above_chance_come_first_and_furthest_first(planted):
    found = data(planted)
    for name, part in (("df", 1.2), ("mel", 2.0), ("nv", 0.3)):
        gap = found["class_gaps"][f"tpr[{name}]"]
        gap["value"] = part * gap["null_high"]
    assert striking(found) == ["mel", "df", "nv"]
    parts = [found["class_gaps"][f"tpr[{name}]"] for name in striking(found)]
    assert all(a["value"] / a["null_high"] > b["value"] / b["null_high"] for a, b in pairwise(parts))


def test_names_cannot_steer_a_terminal():
    y, p, g = rows_of(PLANTED)
    found = audit(y.rename_categories({"mel": "m\x1b[31m"}), [x.replace("mel", "m\x1b[31m") for x in p], g, n_boot=40)
    text = finding("eopp1", data(found), "strict") + "".join(sentences(data(found), "strict"))
    assert "\x1b" not in text
    assert "m\\x1b[31m is found in" in text
