import numpy as np

from fairshrink.lab.analysis_labels import SHUFFLED, WITHIN, Label, draw, tells

CODES = np.array([0, 0, 1, -1, 1, 0, 1, 0, -1, 1])
CLASSES = np.array([0, 1, 0, 0, 1, 2, 0, 1, 1, 1])


def test_draws_keep_the_sizes_of_the_groups_and_who_is_unknown():
    found = draw(Label("sex", ("f", "m"), CODES, CLASSES), slice(0, 10), (3, 0))
    assert found[SHUFFLED].shape == found[WITHIN].shape == (19, 10)
    for one in (*found[SHUFFLED], *found[WITHIN]):
        np.testing.assert_array_equal(one < 0, CODES < 0)
        np.testing.assert_array_equal(np.sort(one), np.sort(CODES))
    assert len(np.unique(found[SHUFFLED], axis=0)) > 10


def test_draws_within_the_classes_keep_what_the_classes_tell():
    found = draw(Label("sex", ("f", "m"), CODES, CLASSES), slice(0, 10), (3, 0))[WITHIN]
    for one in found:
        for number in range(3):
            np.testing.assert_array_equal(np.sort(one[number == CLASSES]), np.sort(CODES[number == CLASSES]))
    assert len(np.unique(found, axis=0)) > 5


def test_draws_belong_to_their_keys_and_their_part():
    label = Label("sex", ("f", "m"), CODES)
    first, again, other = (draw(label, slice(0, 10), key, 4)[SHUFFLED] for key in ((3, 0), (3, 0), (3, 1)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    part = draw(label, slice(4, 8), (3, 0), 4)
    assert list(part) == [SHUFFLED]
    np.testing.assert_array_equal(np.sort(part[SHUFFLED]), [[0, 0, 1, 1]] * 4)


def test_labels_tell_something_with_two_groups_and_a_partner():
    assert tells(CODES)
    assert not tells(np.array([0, 0, 0, -1]))
    assert not tells(np.array([0, 1, 2, -1]))
    assert tells(np.array([0, 1, 1]))
