import numpy as np
import pytest

from fairshrink.compress.stopping import Step
from fairshrink.lab.records import read_step, scores, step_record
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
