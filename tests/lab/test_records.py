import numpy as np
import pandas as pd
import pytest

from fairshrink.compress.stopping import Step
from fairshrink.lab.records import read_safe_csv, read_step, safe_csv, scores, step_record
from fairshrink.metrics.counts import GroupCounts

COUNTS = GroupCounts(np.array([[[8, 2], [5, 5]], [[6, 4], [5, 5]]]))


def test_a_step_comes_back_as_it_was():
    step = Step(0.1, 10, 100, 1.5, COUNTS)
    again = read_step(step_record(step, ["a", "b"]))
    assert np.array_equal(again.counts.counts, COUNTS.counts)
    assert (again.ratio, again.fixed, again.total, again.seconds) == (0.1, 10, 100, 1.5)


def test_scores_by_group():
    table = scores(COUNTS.counts, ["a", "b"])
    f1 = (16 / 23 + 10 / 17) / 2
    assert table["a"] == pytest.approx(
        {"n": 20, "accuracy": 0.65, "precision": (8 / 13 + 5 / 7) / 2, "recall": 0.65, "f1": f1}
    )
    assert table["b"]["accuracy"] == 0.55


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_no_cell_begins_as_a_formula(start):
    text = safe_csv(pd.DataFrame({"id": [f"{start}cmd()"], "n": [-1.5]}))
    assert f"'{start}cmd()" in text
    assert text.endswith(",-1.5\n")


def test_guarded_cells_come_back_as_they_were(tmp_path):
    cells = ["+", "-1", "=a", "'quoted", "plain", "", "nan"]
    (tmp_path / "x.csv").write_text(safe_csv(pd.DataFrame({"label": cells})))
    assert read_safe_csv(tmp_path / "x.csv")["label"].tolist() == cells
