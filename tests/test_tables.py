import pandas as pd
import pytest

from fairshrink.tables import read_safe_csv, safe_csv


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_no_cell_begins_as_a_formula(start):
    text = safe_csv(pd.DataFrame({"id": [f"{start}cmd()"], "n": [-1.5]}))
    assert f"'{start}cmd()" in text
    assert text.endswith(",-1.5\n")


def test_guarded_cells_come_back_as_they_were(tmp_path):
    cells = ["+", "-1", "=a", "'quoted", "plain", "", "nan"]
    (tmp_path / "x.csv").write_text(safe_csv(pd.DataFrame({"label": cells})))
    assert read_safe_csv(tmp_path / "x.csv")["label"].tolist() == cells


def test_parts_written_one_after_the_other_are_the_whole():
    frame = pd.DataFrame({"id": ["=a", "b", "c"], "n": [1, 2, 3]})
    assert safe_csv(frame[:1]) + safe_csv(frame[1:], header=False) == safe_csv(frame)
