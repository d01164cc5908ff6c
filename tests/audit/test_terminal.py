import io

import numpy as np
import pytest
from rich.console import Console

from fairshrink.audit import audit
from fairshrink.audit.terminal import show


def shown(found, width):
    console = Console(file=io.StringIO(), width=width)
    show(found, console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    y, sex, age = rng.integers(0, 15, 600), rng.choice(["f", "m"], 600), rng.choice(["old", "young"], 600)
    prob = np.full((600, 16), 0.01)
    prob[np.arange(600), y] = 0.85
    return audit(y, y, {"sex": sex, "age": age}, y_prob=prob, num_classes=16, n_boot=5)


def test_every_attribute_is_shown_and_long_lists_are_cut(found):
    text = shown(found, 160)
    heads = [line.split(":")[0] for line in text.splitlines() if line.endswith(" groups")]
    assert heads == ["sex", "age", "sex & age"]
    assert "4 more classes are in the JSON" in text
    assert "nobody in 'f' has 15 (1 of 16 classes)" in text


@pytest.mark.parametrize("width", [80, 120])
def test_sentences_and_tables_fit_the_terminal(found, width):
    lines = shown(found, width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert sum(line.startswith("  How often a class is found (eopp1) differs") for line in lines) == 3
    assert sum(line.split()[:2] == ["AUC", "ECE"] for line in lines) == 3


def test_cells_of_few_images_are_marked_and_the_mark_is_explained(found):
    text = shown(found, 120)
    assert "*: fewer than 10 images." in text
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    assert "*" not in shown(audit(y, y, g, n_boot=5), 120)


def test_groups_stand_below_their_class_where_there_is_no_room(found):
    wide, narrow = shown(found, 200), shown(found, 80)
    assert any(line.startswith("TPR of") and "f & old" in line for line in wide.splitlines())
    assert not any(line.startswith("TPR of") and "f & old" in line for line in narrow.splitlines())
    assert "\n  f & old  " in narrow
