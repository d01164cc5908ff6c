import numpy as np
import pytest

from fairshrink.audit import audit
from fairshrink.audit.text import (
    MOST_CLASSES,
    aligned,
    class_reading,
    classes_below,
    classes_sheet,
    gaps_sheet,
    left_out,
    legend,
    number,
    printable,
    rate_cell,
    reading,
    sheets,
    widths,
)


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 20, 2000), rng.integers(0, 2, 2000)
    p = np.where((y == 17) & (g == 1), 0, y)
    return audit(y, p, g, num_classes=21, n_boot=60).to_dict()["attributes"]["group"]


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
    assert reading(gap | {"value": None, "undefined": 2}) == "undefined"


def test_a_class_is_read_against_both_of_its_floors():
    gap = {"null_high": 0.2, "null_alone": 0.1}
    values = (None, 0.1, 0.15, 0.2, 0.25)
    assert [class_reading(gap | {"value": value}) for value in values] == [
        "-",
        "within",
        "if named",
        "if named",
        "above",
    ]


def test_names_cannot_steer_a_terminal():
    assert printable("fe\x1b[31mmale\n") == "fe\\x1b[31mmale\\x0a"
    assert printable("Frauen über 60") == "Frauen über 60"


def test_many_classes_are_cut_to_those_furthest_above_chance(many):
    sheet = classes_sheet(many)
    assert (len(sheet.rows), left_out(many)) == (MOST_CLASSES, 21 - MOST_CLASSES)
    assert sheet.rows[0][0] == "17"
    assert sheet.rows[0][-1] == "above"


def test_groups_go_below_their_class_where_the_table_is_too_wide(many):
    side = classes_sheet(many)
    width = sum(widths(side)) + len(side.head)
    assert sheets(many, width)[-1] == side
    below = sheets(many, width - 1)[-1]
    assert below == classes_below(many)
    assert [row[0] for row in below.rows[:3]] == ["17", "  0", "  1"]
    assert below.rows[1][1] == side.rows[0][1]


def test_counts_stand_beside_rates_and_few_are_marked():
    found = {"min_cell": 5}
    cells = [{"n": n, "tpr": 0.5} for n in (10, 9, None)] + [{"n": 0, "tpr": None}]
    assert [rate_cell(cell, found) for cell in cells] == ["0.500 of 10", "0.500 of 9*", "<5", "- of 0"]


def test_the_legend_explains_what_occurs():
    assert legend([{"small_cells": [], "min_cell": 5}]) == []
    assert legend([{"small_cells": [{"n": 3}], "min_cell": None}]) == ["*: fewer than 10 images."]
    hidden = [{"small_cells": [{"n": None}], "min_cell": 5}]
    assert legend(hidden) == ["<5: fewer than 5 images, or hidden because it would give such a cell away."]


def test_the_images_that_it_takes_stand_in_the_table_of_gaps(many):
    needed = many["gaps"]["eopp1"]["needed"]
    rows = {row[0]: row for row in gaps_sheet(many).rows}
    assert rows["eopp1"][-1] == f"{needed:,}"
    many["gaps"]["eodd"]["needed"] = None
    assert {row[0]: row for row in gaps_sheet(many).rows}["eodd"][-1] == "-"


def test_tables_are_aligned(many):
    lines = aligned(classes_sheet(many))
    assert len({line.index("0.") for line in lines[2:]}) == 1
