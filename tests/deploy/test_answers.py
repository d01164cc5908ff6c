import numpy as np
import pytest

from fairshrink.deploy.answers import Answer, check_finite, early, mean
from fairshrink.errors import ModelError

LOG = np.log
LOGITS = LOG(
    np.array(
        [
            [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]],
            [[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]],
            [[0.6, 0.4], [0.7, 0.3], [0.1, 0.9]],
            [[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]],
        ]
    )
).astype(np.float32)


def test_each_image_leaves_at_the_first_exit_that_is_sure():
    answer = early(LOGITS, 0.75)
    assert answer.exit is not None
    assert answer.exit.tolist() == [0, 1, 2, 0]
    assert answer.probabilities.dtype == np.float32
    assert np.abs(answer.probabilities - [[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.1, 0.9]]).max() < 1e-6


@pytest.mark.parametrize(("threshold", "exits"), [(0.4, [0, 0, 0, 0]), (0.95, [2, 2, 2, 2])])
def test_all_may_leave_at_one(threshold, exits):
    assert early(LOGITS, threshold).exit.tolist() == exits


def test_no_images_have_no_exits():
    answer = early(LOGITS[:0], 0.5)
    assert (answer.probabilities.shape, answer.exit.shape) == ((0, 2), (0,))


def test_the_mean_of_several_has_no_exit_and_of_one_keeps_it():
    one = Answer(np.float32([[0.2, 0.8]]), np.array([1]))
    two = Answer(np.float32([[0.4, 0.6]]), np.array([0]))
    assert mean([one]) is one
    both = mean([one, two])
    assert both.exit is None
    assert np.abs(both.probabilities - [[0.3, 0.7]]).max() < 1e-7


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_images_whose_outputs_are_not_finite_are_counted(bad):
    outputs = LOGITS.copy()
    outputs[1, 2, 0] = outputs[3, :, :] = bad
    with pytest.raises(ModelError, match=r"the outputs of 'm' are not finite for 2 of 4 images. Do this."):
        check_finite(outputs, "'m'", "Do this.")


def test_finite_outputs_pass_and_so_does_nothing():
    check_finite(LOGITS, "'m'", "")
    check_finite(LOGITS[:0], "'m'", "")
