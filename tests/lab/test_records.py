import json
from dataclasses import replace

import numpy as np
import pytest

from fairshrink.compress.steps import Step
from fairshrink.lab.data import prepare
from fairshrink.lab.observer import Quiet
from fairshrink.lab.records import SOFT_SUMS, data_card, read_step, scores, step_record
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.soft import Soft
from tiny import tiny

COUNTS = GroupCounts(np.array([[[8, 2], [5, 5]], [[6, 4], [5, 5]]]))


def test_a_step_comes_back_as_it_was():
    step = Step(0.1, 10, 100, 1.5, COUNTS)
    again = read_step(json.loads(json.dumps(step_record(step, ["a", "b"]))))
    assert again.soft is None
    assert np.array_equal(again.counts.counts, COUNTS.counts)
    assert (again.ratio, again.fixed, again.total, again.seconds) == (0.1, 10, 100, 1.5)


def test_sums_of_probabilities_come_back_bit_for_bit():
    rng = np.random.default_rng(0)
    soft = Soft(COUNTS.counts.sum(-1), rng.random((2, 2)) / 3, rng.random((2, 2)) / 7)
    record = json.loads(json.dumps(step_record(Step(0.1, 10, 100, 1.5, COUNTS, soft), ["a", "b"])))
    again = read_step(record)
    assert record["criteria"] == again.criteria
    assert all(np.array_equal(getattr(again.soft, name), getattr(soft, name)) for name in SOFT_SUMS)


def test_scores_by_group():
    table = scores(COUNTS.counts, ["a", "b"])
    f1 = (16 / 23 + 10 / 17) / 2
    assert table["a"] == pytest.approx(
        {"n": 20, "accuracy": 0.65, "precision": (8 / 13 + 5 / 7) / 2, "recall": 0.65, "f1": f1}
    )
    assert table["b"]["accuracy"] == 0.55


def test_the_card_tells_other_splits_apart_and_counts_lesions_on_two_sides(tmp_path):
    experiment = tiny(data={"count": 50})
    prepared = prepare(experiment.data, tmp_path, tmp_path, Quiet())
    card = data_card(experiment, prepared)
    assert card["clusters_across"] is None
    turned = data_card(experiment, replace(prepared, splits=np.roll(prepared.splits, 1, axis=1)))
    assert turned["split_digest"] != card["split_digest"]
    assert turned["digest"] == card["digest"]
    # Lesions of two images each: 0 lies in train and val, 1 in test, 2 in test and nowhere, 3 in train, val of fold 1 only.
    clusters, splits = np.repeat(np.arange(25).astype(str), 2), np.zeros((2, 50), dtype=np.int8)
    splits[0, :6] = [0, 1, 2, 2, 2, -1]
    splits[1, 7] = 1
    lesions = replace(prepared, dataset=replace(prepared.dataset, clusters=clusters), splits=splits)
    assert data_card(experiment, lesions)["clusters_across"] == 2
    splits[:] = np.repeat(np.arange(25) % 3, 2)
    assert data_card(experiment, lesions)["clusters_across"] == 0
