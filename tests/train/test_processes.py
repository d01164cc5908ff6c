"""Two processes train and evaluate as one does."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import crew
from fairshrink.data.portions import ALONE
from fairshrink.maths.sharing import Share
from fairshrink.train.processes import crew as crew_of
from fairshrink.train.processes import is_lost


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("crew")


@pytest.fixture(scope="module")
def found(folder):
    return crew.run(folder)


@pytest.mark.parametrize("name", crew.SETTINGS_OF)
def test_the_weights_are_those_of_one_process(found, name):
    expected, losses = crew.train(crew.SETTINGS_OF[name], ALONE)
    for process in found:
        trained, seen = process[name]
        assert_close(trained, expected, rtol=1e-9, atol=1e-12)
        assert seen == pytest.approx(losses, rel=1e-9)


def test_held_weights_stay_and_the_others_are_those_of_one_process(found):
    masks, before = crew.held(), crew.weights(crew.plain())
    expected, _ = crew.train(crew.SETTINGS, ALONE, held=masks)
    for process in found:
        trained, _ = process["held"]
        assert_close(trained, expected, rtol=1e-9, atol=1e-12)
        for name, mask in masks.items():
            assert trained[name][mask].equal(before[name][mask])
            assert not trained[name][~mask].equal(before[name][~mask])


def test_an_interrupted_training_goes_on(found):
    expected, losses = crew.train(crew.SETTINGS, ALONE)
    for process in found:
        trained, seen = process["resumed"]
        assert_close(trained, expected, rtol=1e-9, atol=1e-12)
        assert seen == pytest.approx(losses, rel=1e-9)


def test_one_process_goes_on_with_the_training_of_two(found, folder):
    assert (folder / "state").exists()
    assert not (folder / "nowhere").exists()
    seen = []
    again, _ = crew.train(crew.SETTINGS, ALONE, state_file=folder / "state", observer=lambda *w: seen.append(w[0]))
    assert set(seen) == {1}
    assert_close(again, crew.train(crew.SETTINGS, ALONE)[0], rtol=1e-9, atol=1e-12)


def test_all_begin_and_end_with_the_weights_and_statistics_of_process_0(found):
    first, second = (process["stats"] for process in found)
    assert_close(first, second, rtol=0, atol=0)
    assert all(bool(torch.isfinite(value).all()) for value in first.values())
    assert first["1.num_batches_tracked"] == 2 * len(crew.SIZES)
    assert not torch.equal(first["1.running_mean"], torch.zeros(4, dtype=torch.float64))


@pytest.mark.parametrize("place", range(len(crew.TOTALS)), ids=[str(total) for total in crew.TOTALS])
def test_two_processes_count_what_one_counts(found, place):
    expected = crew.counts(crew.TOTALS[place], ALONE).counts
    for process in found:
        assert np.array_equal(process["counts"][place], expected)


def test_what_process_0_has_comes_to_all(found):
    for process in found:
        assert process["spread"] == [b"abc", b"", None]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("loss", "ModelError: the loss is nan in epoch 1, batch 1 of 1"),
        ("outputs", "ModelError: the model's outputs are not finite for 1 of 3 samples of batch 1"),
        ("objective", "ValueError: two of a kind"),
    ],
)
def test_when_one_process_cannot_go_on_all_stop_and_know_why(found, name, own):
    first, second = (process["refusals"][name] for process in found)
    assert second.startswith(own)
    assert first.startswith("ModelError: process 1 of 2 could not go on: ")
    assert own.removeprefix("ModelError: ") in first


def test_an_objective_that_keeps_something_is_for_one_process(found):
    for process in found:
        said = process["refusals"]["keeps"]
        assert said.startswith("ConfigError: the objective WithMean keeps something between batches, which 2 processes")


def test_an_objective_that_compares_samples_is_for_one_process(found):
    for process in found:
        said = process["refusals"]["compares"]
        assert said.startswith("ConfigError: the objective GroupGap compares samples of a batch, of which 2 processes")


def test_nothing_to_evaluate_is_refused_in_all_processes(found):
    for process in found:
        assert "there are no batches to predict" in process["refusals"]["empty"]


def test_the_end_of_another_process_is_known_as_such(found):
    assert found[0]["lost"] is True
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost(torch.OutOfMemoryError("out of memory, with nccl"))
    assert not is_lost(ValueError("gloo"))


def test_who_this_process_is_stands_in_the_environment():
    started = {"RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    assert crew_of(started) == Share(1, 3)
    assert crew_of({"WORLD_SIZE": "3"}) == ALONE
    assert crew_of({}) == ALONE
