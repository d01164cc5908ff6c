"""Several processes give what one gives, and refuse to add up what does not belong together."""

import pytest
from torch.testing import assert_close

import processes

NAMES = [*processes.SETTINGS, "one sample"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return processes.run(tmp_path_factory.mktemp("processes"))


@pytest.fixture(scope="module")
def expected():
    return processes.all_numbers()


@pytest.mark.parametrize("name", NAMES)
def test_several_processes_give_the_same_as_one(name, found, expected):
    for _, numbers in found:
        assert list(numbers[name]) == list(expected[name])
        for parameter, value in numbers[name].items():
            assert_close(value, expected[name][parameter], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("columns", [None, 1.0])
@pytest.mark.parametrize("what", ["turned", "other"])
def test_different_batches_or_models_are_refused_by_every_process(what, columns, found):
    for said, _ in found:
        assert "processes 0 and 1 of 2 were given different batches, models or settings" in said[f"{what} {columns}"]


@pytest.mark.parametrize("columns", [None, 1.0])
def test_when_one_process_fails_the_others_stop_too(columns, found):
    (first, _), (second, _) = found
    assert "process 0 of 2 stops, because process 1 could not go on" in first[f"broken {columns}"]
    assert "inputs hold NaN or infinity" in second[f"broken {columns}"]


@pytest.mark.parametrize("name", ["seed", "columns", "params"])
def test_different_settings_are_refused_by_every_process(name, found):
    for said, _ in found:
        assert "were given different batches, models or settings" in said[name]


def test_what_is_refused_before_any_data_are_read_stops_all(found):
    (first, _), (second, _) = found
    assert "process 0 of 2 stops, because process 1 could not go on" in first["generator"]
    assert "which can be read once only" in second["generator"]
