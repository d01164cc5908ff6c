from dataclasses import replace

import numpy as np
import torch

from fairshrink.data.sources.lesions import lesions
from fairshrink.errors import DataError
from fairshrink.lab import pace
from fairshrink.lab.estimate import Sizes
from tiny import tiny

SIZES = Sizes(train=90, val=30, test=30, classes=5, groups=3)


class Unreadable:
    fingerprint = ""

    def read(self, indices, size):
        raise DataError("'a.png': the image is damaged")


def test_every_kind_of_work_is_measured_and_the_threads_are_as_before(monkeypatch):
    monkeypatch.setattr(pace, "ENOUGH", 0.0)
    threads = torch.get_num_threads()
    found = pace.measure(tiny(train={"threads": threads + 1}), lesions(60), SIZES)
    assert all(seconds is not None and 0 < seconds < 60 for seconds in found)
    assert torch.get_num_threads() == threads


def test_what_the_run_does_not_do_is_not_measured():
    found = pace.measure(tiny(model={"checkpoint": "x.pt"}, shrink=[]), lesions(60), SIZES)
    assert (found.train, found.score, found.pick) == (0, 0, 0)
    assert found.predict > 0
    channels = tiny(model={"checkpoint": "x.pt"}, shrink=[{"method": "scp", "fine_tune": 0}])
    found = pace.measure(channels, lesions(60), SIZES)
    assert (found.train, found.score) == (0, 0)
    assert found.predict > 0


def test_with_many_classes_a_few_columns_are_scored_and_the_rest_is_reckoned(monkeypatch):
    asked = []
    monkeypatch.setattr(pace, "ggn_diagonal", lambda *given, columns, **named: asked.append(columns))
    monkeypatch.setattr(pace, "_seconds", lambda work, count: work(count) or 8.0)
    few = pace.measure(tiny(), lesions(60), SIZES).score
    many = pace.measure(tiny(), lesions(60), SIZES._replace(classes=114)).score
    assert asked == [None, 3]
    assert (few, many) == (2, 2 * 113 / 4)


def test_on_a_slow_machine_no_more_is_measured_after_a_while(monkeypatch):
    asked = []
    monkeypatch.setattr(pace, "LONG", -1.0)
    monkeypatch.setattr(pace, "_seconds", lambda work, count: asked.append(count) or 12.0)
    found = pace.measure(tiny(), lesions(60), SIZES)
    assert asked == [4]
    assert (found.train, found.predict, found.score) == (3, 1, 8)  # a forward third; C - 1 = 4 backward passes
    assert 0 < found.pick < 1


def test_images_that_cannot_be_decoded_have_no_pace():
    assert pace._decoding(replace(lesions(60), images=Unreadable()), 32) is None


def test_random_images_have_every_class_and_group():
    made = pace.random_images(32, SIZES, 20)
    assert (made.images.shape, made.images.dtype) == ((20, 32, 32, 3), np.uint8)
    assert set(made.labels) == set(range(5))
    assert set(made.attribute().codes) == set(range(3))


def test_the_more_images_the_better_until_it_takes_long_enough(monkeypatch):
    asked = []
    clock = iter([0.001, 0.002, 0.1, 0.7])
    monkeypatch.setattr(pace, "_seconds", lambda work, count: asked.append(count) or next(clock))
    assert pace._pace(print, 4, 256) == 0.7 / 64
    assert asked == [4, 4, 16, 64]


def test_a_batch_is_the_most(monkeypatch):
    asked = []
    monkeypatch.setattr(pace, "_seconds", lambda work, count: asked.append(count) or 0.01)
    assert pace._pace(print, 4, 10) == 0.001
    assert asked == [4, 4, 10]


def test_a_network_that_is_slow_is_tried_once(monkeypatch):
    asked = []
    monkeypatch.setattr(pace, "_seconds", lambda work, count: asked.append(count) or 8.0)
    assert pace._pace(print, 4, 256) == 2
    assert asked == [4]
