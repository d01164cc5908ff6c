import dataclasses
import math

import pytest
from pydantic import TypeAdapter

from fairshrink.report.audited import Gap, Scores, SmallCell


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Gap(0.1, 0.0, 0.2, 0.0, 0.1).value = 1


@pytest.mark.parametrize("text", ["null", "NaN", "Infinity"])
def test_what_is_no_number_is_undefined(text):
    record = f'{{"n": 1, "accuracy": {text}, "precision": 0, "recall": 0, "f1": 0}}'
    assert TypeAdapter(Scores).validate_json(record).accuracy is None


@pytest.mark.parametrize(
    ("value", "floor", "above"), [(0.2, 0.1, True), (0.1, 0.1, False), (None, 0.1, False), (0.1, None, False)]
)
def test_above_chance_means_beyond_the_floor(value, floor, above):
    assert Gap(value, 0.0, 1.0, 0.0, floor).above_chance is above


@pytest.mark.parametrize(
    ("value", "floor", "excess"), [(0.2, 0.05, 0.15), (None, 0.1, -math.inf), (0.1, None, -math.inf)]
)
def test_the_excess_over_the_floor_ranks_gaps(value, floor, excess):
    assert Gap(value, 0.0, 1.0, 0.0, floor).excess == pytest.approx(excess)


def test_a_small_cell_has_the_key_class():
    assert TypeAdapter(SmallCell).validate_python({"group": "a", "class": "mel", "n": None}).name == "mel"
