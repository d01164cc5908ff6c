import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairshrink.data.groups import GroupRule, parse_group
from fairshrink.errors import ConfigError, DataError

AGES = pd.DataFrame(
    {"age": ["39", "40.0", "", "60", "59.5", "Unknown", "85", "nan"], "sex": ["f", "m", "-", "f", "", "m", "f", "f"]}
)


@pytest.mark.parametrize(
    ("rule", "name", "groups", "codes"),
    [
        ("age >= 60", "age >= 60", ("age < 60", "age >= 60"), [0, 0, -1, 1, 0, -1, 1, -1]),
        ("age>60", "age > 60", ("age <= 60", "age > 60"), [0, 0, -1, 0, 0, -1, 1, -1]),
        (" age  <  60.0 ", "age < 60", ("age < 60", "age >= 60"), [0, 0, -1, 1, 0, -1, 1, -1]),
        ("age ≤ 60", "age <= 60", ("age <= 60", "age > 60"), [0, 0, -1, 0, 0, -1, 1, -1]),
        ("age bins 40,60", "age bins 40, 60", ("< 40", "40 to < 60", ">= 60"), [0, 1, -1, 2, 1, -1, 2, -1]),
        ("sex", "sex", ("-", "f", "m"), [1, 2, 0, 1, -1, 2, 1, 1]),
    ],
)
def test_a_rule_gives_every_row_its_group(rule, name, groups, codes):
    attribute = parse_group(rule).assign(AGES)
    assert (attribute.name, attribute.groups, attribute.codes.tolist()) == (name, groups, codes)
    assert attribute.codes.dtype == np.int64
    assert attribute.unknown == codes.count(-1)


def test_numbers_as_names_of_groups_are_in_the_order_of_numbers():
    assert parse_group("t").assign(pd.DataFrame({"t": ["10", "2", "1"]})).groups == ("1", "2", "10")
    assert parse_group("t").assign(pd.DataFrame({"t": [2, 1, 10]})).codes.tolist() == [1, 0, 2]
    assert parse_group("t").assign(pd.DataFrame({"t": ["10", "2", "b"]})).groups == ("10", "2", "b")


def test_numbers_and_missing_numbers_need_not_be_text():
    frame = pd.DataFrame({"age": [61.0, np.nan, 20.0], "sex": ["f", None, "m"]})
    assert parse_group("age >= 60").assign(frame).codes.tolist() == [1, -1, 0]
    assert parse_group("sex").assign(frame).codes.tolist() == [0, -1, 1]


@pytest.mark.parametrize(
    ("rule", "cells", "codes"),
    [
        ("fst >= 4", [-1, 1, 5], [-1, 0, 1]),
        ("fst bins 3", ["-1", "1", "", "5"], [-1, 0, -1, 1]),
        ("fst", [-1.0, 1.0, np.nan, 5.0], [-1, 0, -1, 1]),
        ("fst", ["-1", "1", "unknown", "-2"], [-1, 1, -1, 0]),
        ("fst >= 4", ["-1", "1.5", "5"], [0, 0, 1]),  # measured, not coded: -1 is a number like any other
        ("fst", ["-1", "a", "1"], [0, 2, 1]),
    ],
)
def test_minus_one_is_unknown_among_whole_numbers(rule, cells, codes):
    assert parse_group(rule).assign(pd.DataFrame({"fst": cells})).codes.tolist() == codes


def test_large_thresholds_keep_their_digits():
    assert parse_group("cells >= 1234567.5").name == "cells >= 1234567.5"


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=40), st.integers(-50, 50))
def test_the_four_signs_agree_about_every_number(values, edge):
    frame = pd.DataFrame({"v": [*map(str, values), "-99", "99", "0.5"]})  # with a half, -1 is a number too
    for sign, holds in [(">=", np.greater_equal), (">", np.greater), ("<", np.less), ("<=", np.less_equal)]:
        attribute = parse_group(f"v {sign} {edge}").assign(frame)
        code = attribute.groups.index(f"v {sign} {edge}")
        assert ((attribute.codes == code) == holds(frame["v"].astype(float), edge)).all()


@pytest.mark.parametrize("rule", ["age == 60", "age >= old", ">= 60", "age != 3", "age => 60", "age >= inf", "age >="])
def test_a_rule_that_cannot_be_read_says_what_can(rule):
    with pytest.raises(ConfigError, match=rf"cannot read the group '{rule}'\. Write a column \('sex'\), a threshold"):
        parse_group(rule)


@pytest.mark.parametrize("rule", ["age bins", "age bins 60, 40", "age bins 40, 40", "age bins a, b", "age bins 4 5"])
def test_edges_are_rising_numbers(rule):
    with pytest.raises(ConfigError, match=rf"the edges of '{rule}' are not rising numbers"):
        parse_group(rule)


def test_an_empty_rule():
    with pytest.raises(ConfigError, match="a group is empty"):
        parse_group("  ")


def test_text_where_a_number_is_needed_is_counted_and_its_first_row_named():
    frame = pd.DataFrame({"age": ["12", "unknown", "abc", "70", "inf"]})
    message = (
        r"row 1,204 of 'metadata.csv': age is 'abc', but the group 'age >= 60' needs a number\.\n  2 rows are like this\. "
        r".*left out with  unknown = \"exclude\";  with  unknown = \"train\"  they are trained on and count in overall numbers, "
        r"but in no group"
    )
    with pytest.raises(DataError, match=message):
        parse_group("age >= 60").assign(frame, rows=np.array([2, 3, 1204, 5, 6]), where="metadata.csv")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("sexx", r"the table has no column 'sexx'\. Did you mean 'sex'\?"),
        ("age >= 99", r"'age >= 99' has one group only, 'age < 99' in the 8 rows of the table \(3 unknown\)"),
        ("age bins 10, 12, 60", r"'age bins 10, 12, 60' has no row in '< 10', '10 to < 12'\. Choose other edges"),
        ("empty", r"'empty' has no known value in the 8 rows of the table \(8 unknown\)"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(rule, message):
    with pytest.raises(DataError, match=message):
        parse_group(rule).assign(AGES.assign(empty="unknown"))


def test_a_column_of_ever_new_values_is_no_group():
    with pytest.raises(DataError, match=r"'n' has 101 different values, more than 100 groups\. .* 'n bins 40, 60'"):
        GroupRule("n", "n").assign(pd.DataFrame({"n": [f"p{at}" for at in range(101)]}))
