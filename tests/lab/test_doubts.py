import numpy as np
import pytest

from fairshrink.lab.doubts import doubts

GOOD = np.array([[60, 2, 3], [1, 20, 1], [2, 1, 10]])  # true by predicted
NAMES = ["nv", "mel", "bkl"]


def test_a_checkpoint_that_fits_raises_no_doubt():
    assert doubts(GOOD, NAMES) == []


@pytest.mark.parametrize("order", [[1, 0, 2], [2, 0, 1], [1, 2, 0]])
def test_outputs_in_another_order_are_found_with_the_order_to_set(order):
    (note,) = doubts(GOOD[:, order], NAMES)  # output k means class order[k]
    names = ", ".join(f'"{NAMES[k]}"' for k in order)
    assert "would be on 90.0% if its outputs were in another order" in note
    assert f"such as {names}. Look up the order that it was trained with and set it as data.classes" in note


def test_a_checkpoint_that_is_worse_than_one_answer_for_all_is_doubted():
    (note,) = doubts(np.array([[20, 22, 22], [8, 8, 7], [4, 4, 5]]), NAMES)
    assert "right on 33.0% of the validation images; always 'nv' would be right on 64.0%" in note
    assert "model.mean" in note


def test_a_weak_checkpoint_is_no_reason_to_reorder():
    assert doubts(np.array([[40, 10], [30, 20]]), ["a", "b"]) == []


def test_a_class_that_nobody_has_is_no_matter():
    assert doubts(np.array([[50, 0, 3], [0, 0, 0], [5, 0, 40]]), NAMES) == []
