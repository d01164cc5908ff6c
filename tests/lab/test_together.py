"""What process 0 and the others leave for each other; the whole of it, with torchrun, is in test_following.py."""

from types import SimpleNamespace

import pytest
import torch
from torch import distributed
from torch.distributed import HashStore

from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.lab import together
from fairshrink.lab.observer import Quiet
from fairshrink.lab.together import OVER, READY, Call, answer, call, called, group, leading, own_device, wait_for_end

CALL = Call((0, 2), "abc", "cpu", "fp32")


@pytest.fixture
def store(monkeypatch):
    """Process 0 of two, both of which meet here."""
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    shared = HashStore()
    monkeypatch.setattr(together, "meet", lambda: shared)
    return shared


def test_a_call_is_heard_as_it_was_made(store, monkeypatch):
    store.set(f"{READY}/1", "")
    call(CALL, Quiet())
    assert called(store) == CALL
    monkeypatch.setenv("RANK", "1")
    answer(store, None)
    assert store.get(f"{READY}/1") == b""


def test_a_process_that_cannot_take_part_stops_the_training(store, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    answer(store, DataError("'images.zip' is not there."))
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConfigError, match=r"^process 1 of 2 cannot take part: 'images.zip' is not there\.$"):
        call(CALL, Quiet())


def test_a_run_that_is_over_calls_nobody(store):
    with leading():
        assert not store.check([OVER])
    assert called(store) is None
    wait_for_end(store)


def test_a_store_that_went_with_process_0_is_an_end_too(store, monkeypatch):
    def check(keys):
        raise distributed.DistNetworkError("connection reset")

    gone = SimpleNamespace(check=check)
    assert called(gone) is None
    wait_for_end(gone)


def test_who_comes_when_all_is_over_does_not_begin(store):
    store.set(f"{READY}/1", "")
    call(CALL, Quiet())
    store.set(OVER, "")
    assert called(store) is None


def test_a_run_that_fails_lets_the_others_go_too(store):
    with pytest.raises(DataError), leading():
        raise DataError("no images")
    assert called(store) is None


def test_one_process_meets_nobody(monkeypatch):
    monkeypatch.setattr(together, "meet", lambda: pytest.fail("nobody is there"))
    with leading():
        pass


@pytest.mark.parametrize(("processes", "expected"), [("2", torch.device("cuda", 1)), ("3", None)])
def test_every_process_has_a_gpu_of_its_own(monkeypatch, processes, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    if expected is not None:
        assert own_device() == expected
        return
    with pytest.raises(ConfigError, match="there are 3 processes on this machine, but 2 GPU"):
        own_device()


def test_without_gpus_the_processor_computes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert own_device() == torch.device("cpu")


def broken(error):
    with group(torch.device("cpu")) as share:
        assert (share.rank, share.count) == (0, 1)
        assert distributed.is_initialized()
        raise error


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (RuntimeError("[gloo/pair.cc:538] Connection closed by peer"), ModelError, "process 0 of 1 lost the others"),
        (RuntimeError("shapes cannot be multiplied"), RuntimeError, "shapes"),
        (DataError("no images"), DataError, "no images"),
    ],
)
def test_the_group_ends_with_the_training_however_that_ends(store, monkeypatch, error, expected, message):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr(together, "SIGNAL", 0.0)
    with pytest.raises(expected, match=message):
        broken(error)
    assert not distributed.is_initialized()
