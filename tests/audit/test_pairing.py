import numpy as np
import pandas as pd
import pytest

from fairshrink.audit.pairing import FileRows, pair_rows
from fairshrink.errors import DataError

A = {"id": ["p", "q", "r"], "dx": ["mel", "nv", "nv"], "age": ["45", "60.0", ""]}


def table(columns, where="'a.csv'", without=()):
    frame = pd.DataFrame({name: values for name, values in columns.items() if name not in without}, dtype=object)
    return FileRows(where, frame, np.arange(2, len(frame) + 2))


def paired(b, a=A, id_column=None, shared=("dx", "age"), without=()):
    return pair_rows(table(a), table(b, "'b.csv'", without), shared, id_column).tolist()


def ordered(order, columns=A):
    return {name: [values[at] for at in order] for name, values in columns.items()}


def test_rows_are_found_by_id_whatever_their_order():
    assert paired(ordered([2, 0, 1])) == [1, 2, 0]
    assert paired(ordered([2, 0, 1]), without=["dx", "age"]) == [1, 2, 0]


@pytest.mark.parametrize("name", ["id", "image", "image_id"])
def test_the_usual_names_are_found(name):
    renamed = {name if key == "id" else key: values for key, values in A.items()}
    assert paired(ordered([1, 0, 2], renamed), a=renamed) == [1, 0, 2]


def test_another_column_can_be_named():
    named = A | {"slide": ["7", "8", "9"], "id": ["x", "x", "x"]}
    assert paired(ordered([1, 2, 0], named), a=named, id_column="slide") == [2, 0, 1]


def test_without_ids_the_order_counts_if_all_else_agrees():
    assert paired(A, without=["id"]) == [0, 1, 2]


def test_a_number_is_the_same_however_it_is_written():
    assert paired(A | {"age": ["45.0", "60", ""]}) == [0, 1, 2]


@pytest.mark.parametrize(
    ("b", "options", "words"),
    [
        (ordered([0, 1]), {}, "row 4 of 'a.csv': the id 'r' is not in 'b.csv'. 1 of 3 rows are like this"),
        (ordered([0, 1, 2]) | {"id": ["p", "q", "s"]}, {}, "row 4 of 'a.csv': the id 'r' is not in 'b.csv'"),
        ({name: [*v, "z"] for name, v in A.items()}, {}, "row 5 of 'b.csv': the id 'z' is not in 'a.csv'. 1 of 4 rows"),
        (A | {"id": ["p", "p", "r"]}, {}, "rows 2 and 3 of 'b.csv' have the same 'id', 'p': 1 rows repeat one"),
        (A | {"id": ["p", "", "r"]}, {}, "row 3 of 'b.csv' has no 'id'"),
        (A, {"id_column": "slide"}, "'a.csv' has no column 'slide'"),
        (A | {"dx": ["mel", "mel", "nv"]}, {}, "row 3 of 'a.csv' and row 3 of 'b.csv' .* 'dx' is 'nv' there and 'mel' here"),
        (ordered([1, 0, 2]) | {"age": ["60", "46", ""]}, {}, "row 2 of .* and row 3 of .* 'age' is '45' there and '46' here"),
        (A | {"age": ["45", "60", "1"]}, {}, "'age' is '' there and '1' here. 1 rows are like this"),
        (ordered([0, 1]), {"without": ["id"]}, "'a.csv' has 3 rows and 'b.csv' 2, and they have no id column in common"),
        (A, {"without": ["id", "age"]}, "'b.csv' has no 'age' either: that the rows are the same cannot be checked"),
        (ordered([1, 0, 2]), {"without": ["id"]}, "row 2 of 'a.csv' and row 2 of 'b.csv' are not the same image"),
    ],
)  # fmt: skip
def test_rows_that_are_not_the_same(b, options, words):
    with pytest.raises(DataError, match=words):
        paired(b, **options)
