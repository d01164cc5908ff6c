"""Which training images a method is scored on, and in which order."""

import numpy as np
import pytest
import torch

from fairshrink.data.splits import TRAIN
from fairshrink.lab.data import prepare
from fairshrink.lab.observer import Quiet
from fairshrink.lab.store import RunPaths
from fairshrink.lab.work import Work, scoring_rows
from tiny import tiny


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    return made(folder, 0)


def made(folder, seed: int) -> Work:
    experiment = tiny(train={"seed": seed})
    prepared = prepare(experiment.data, folder, folder / "cache", Quiet())
    return Work(experiment, prepared, RunPaths(folder), folder, Quiet(), torch.device("cpu"))


def test_rows_come_in_the_order_of_the_data_unless_they_are_to_be_mixed(work):
    for samples, by_group in (("all", False), (9, False), (9, True)):
        plain = scoring_rows(work, 0, samples, by_group)
        mixed = scoring_rows(work, 0, samples, by_group, mixed=True)
        assert plain.tolist() == sorted(mixed.tolist())
        assert plain.tolist() != mixed.tolist()


def test_a_mixture_has_every_group_in_all_its_parts(work):
    rows = scoring_rows(work, 0, "all", False, mixed=True)
    codes = work.prepared.dataset.attribute().codes
    assert len(rows) == (codes[work.prepared.rows(0, TRAIN)] >= 0).sum()
    for part in np.array_split(rows, 4):
        assert len(set(codes[part].tolist())) == len(work.groups)


def test_the_lot_is_drawn_once_from_the_seed(work, tmp_path):
    drawn = scoring_rows(work, 0, "all", False, mixed=True)
    assert np.array_equal(drawn, scoring_rows(work, 0, "all", False, mixed=True))
    assert not np.array_equal(drawn, scoring_rows(made(tmp_path, 1), 0, "all", False, mixed=True))
