from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fairshrink.audit import audit
from fairshrink.audit.rules import check_rule, parse_rule
from fairshrink.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def found():
    """Group a of sex is right always; group b misses half of 'mel'. Nobody has 'df'."""
    y = np.tile(["mel", "nv"], 40)
    p = y.copy()
    p[40:60:2] = "nv"
    sex = np.repeat(["a", "b"], 40)
    age = np.tile(["young", "young", "old", "old"], 20)
    return audit(pd.Categorical(y, categories=["mel", "nv", "df"]), p, {"sex": sex, "age >= 60": age}, n_boot=80)


def held(text, found):
    return bool(check_rule(parse_rule(text), found))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eopp1>0.2", True),
        ("eopp1 > 0.6", False),
        ("sex:eopp1>0.2", True),
        ("age >= 60:eopp1>0.2", False),
        ("sex & age >= 60:tpr[mel]>=0.5", True),
        ("sex:tpr[mel]>=0.5", True),
        ("sex:tpr[mel]>0.5", False),
        ("age >= 60 : tpr[mel] <= 0.0", True),
        ("worst_group_accuracy<0.8", True),
        ("sex:worst_group_accuracy<=0.75", True),
        ("accuracy<0.9", True),
        ("f1<1e-1", False),
        ("eodd_max>=0.9", False),
        ("sex:tpr[mel]>chance", True),
        ("sex:tpr[mel] > chance", True),
        ("sex:tpr[nv]>chance", False),
        ("sex:eopp1>chance", True),
        ("age >= 60:eopp1>chance", False),
    ],
)
def test_conditions(text, expected, found):
    assert held(text, found) is expected


def test_the_sentence_names_value_and_place(found):
    assert check_rule(parse_rule("sex:tpr[mel]>0.2"), found) == ["sex:tpr[mel]>0.2 holds: tpr[mel] is 0.500 (sex)"]
    assert len(check_rule(parse_rule("tpr[mel]>0.2"), found)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eopp1", "cannot read the condition 'eopp1'. Write METRIC>NUMBER"),
        ("eopp1=0.2", "cannot read the condition"),
        ("__import__('os').system('x')>1", "cannot read the condition"),
        ("eopp1>abc", "compares with 'abc', expected a number"),
        ("eopp1>nan", "compares with 'nan', expected a number"),
        ("eopp1>0.1>0.2", "cannot read the condition"),
        ("eopp1<chance", "compares with chance by '<': only '>' says something"),
        ("eopp1>=chance", "compares with chance by '>='"),
    ],
)
def test_conditions_that_cannot_be_read(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_rule(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eop1>0.2", "names 'eop1'. Did you mean 'eopp1'"),
        ("tpr[melanoma]>0.2", r"names 'tpr\[melanoma\]'. Did you mean 'tpr\[mel\]'"),
        ("gender:eopp1>0.2", "names the attribute 'gender'"),
        ("sex:f1>0.2", "f1 is of all rows. Leave out 'sex:'"),
        ("f1>chance", "f1 has no chance level, only gaps have. Write METRIC>NUMBER"),
        ("worst_group_accuracy>chance", "worst_group_accuracy has no chance level"),
    ],
)
def test_conditions_on_what_is_not_there(text, message, found):
    with pytest.raises(ConfigError, match=message):
        check_rule(parse_rule(text), found)


def test_an_undefined_metric_does_not_pass_silently(found):
    with pytest.raises(DataError, match=r"cannot be decided: tpr\[df\] is undefined for sex, age >= 60, sex & age"):
        check_rule(parse_rule("tpr[df]>0.2"), found)


def test_chance_is_that_of_a_class_named_beforehand(found):
    gap = found.class_gaps["tpr[mel]"]
    (sentence,) = check_rule(parse_rule("sex:tpr[mel]>chance"), found)
    floor = f"{gap.null_alone:.3f}"
    assert sentence == (f"sex:tpr[mel]>chance holds: tpr[mel] is 0.500, above the {floor} that chance reaches (sex)")
    between = replace(gap, value=(gap.null_alone + gap.null_high) / 2)
    attribute = replace(found.attributes["sex"], class_gaps=found.class_gaps | {"tpr[mel]": between})
    assert not between.above_chance
    assert held("sex:tpr[mel]>chance", replace(found, attributes=found.attributes | {"sex": attribute}))


@pytest.mark.parametrize("text", ["tpr[df]>0.2", "tpr[df]>chance"])
def test_a_suppressed_class_is_an_error_that_says_so(text):
    y = ["mel"] * 40 + ["nv"] * 40 + ["df"] * 6 + ["bcc"] * 6
    sex = ["a", "b"] * 46
    private = audit(y, y, {"sex": sex}, n_boot=40, min_cell=5)
    assert held("tpr[mel]>0.2", private) is False
    message = r"cannot be decided: tpr\[df\] is not shown for sex: cells of fewer than 5 rows are suppressed"
    with pytest.raises(DataError, match=message):
        check_rule(parse_rule(text), private)
