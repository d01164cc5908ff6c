import numpy as np

from fairshrink.audit import audit
from fairshrink.audit.text import MOST_CLASSES, classes_sheet, number, printable, reading


def test_numbers_have_three_decimals_and_small_ones_digits():
    assert [number(value) for value in (0.12345, 0.0, 1.0, 0.00042, None)] == [
        "0.123",
        "0.000",
        "1.000",
        "0.00042",
        "-",
    ]


def test_a_gap_is_read_against_its_floor():
    gap = {"value": 0.2, "null_high": 0.1, "undefined": 0}
    assert reading(gap) == "above chance"
    assert reading(gap | {"value": 0.1, "undefined": 2}) == "within chance, 2 undefined"
    assert reading(gap | {"value": None}) == "undefined"


def test_names_cannot_steer_a_terminal():
    assert printable("fe\x1b[31mmale\n") == "fe\\x1b[31mmale\\x0a"
    assert printable("Frauen über 60") == "Frauen über 60"


def test_many_classes_are_cut_to_those_furthest_above_chance():
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 20, 2000), rng.integers(0, 2, 2000)
    p = np.where((y == 17) & (g == 1), 0, y)
    found = audit(y, p, g, num_classes=21, n_boot=20).to_dict()["attributes"]["group"]
    sheet, left_out = classes_sheet(found)
    assert (len(sheet.rows), left_out) == (MOST_CLASSES, 21 - MOST_CLASSES)
    assert sheet.rows[0][0] == "17"


def test_the_text_has_every_attribute_its_gaps_and_notes():
    y = [0, 1, 0, 1, 0, 1, 0, 1]
    text = str(audit(y, y, {"a": y, "b": [0, 0, 1, 1, 0, 0, 1, None]}, n_boot=5))
    assert text.startswith("8 predictions, 2 classes: accuracy 1.000, macro F1 1.000 (strict convention, 5 resamples")
    assert "a & b: 4 groups, 1 rows unknown" in text
    assert text.count("eodd_max") == 3
    assert "note: num_classes was not given" in text
