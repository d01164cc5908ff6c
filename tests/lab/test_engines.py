"""Real processes: one, so that starting it is paid for once or twice."""

import os

import pytest
import torch

from fairshrink.lab import engines
from fairshrink.lab.engines import Ended, Local, local
from fairshrink.lab.jobs import Job
from fairshrink.lab.run import Part
from sweeping import die, mark, refuse_first
from tiny import tiny


def job(folder, then=None) -> Job:
    experiment = tiny(data={"count": 50})
    return Job(
        folder.name, experiment, folder, Part(None), folder, folder.parent / "store", folder.parent / "log", then
    )


def end(engine) -> Ended:
    ended = []
    while not ended:
        ended = engine.wait(5.0)
    assert len(ended) == 1
    return ended[0]


@pytest.fixture(scope="module")
def engine():
    engine = Local(1)
    yield engine
    engine.stop()


def test_one_process_does_unit_after_unit_until_it_dies_and_then_another_goes_on(engine, tmp_path):
    assert engine.wait(0.0) == []
    engine.start(job(tmp_path / "good", mark))
    assert end(engine) == Ended("good", None)
    assert (tmp_path / "good" / "report.html").exists()
    first = engine.idle[0].process.pid
    engine.start(job(tmp_path / "ratio-0.2", refuse_first))
    failure = end(engine).failure
    assert failure is not None
    assert failure.message == "DataError: 'ratio-0.2' cannot be drawn."
    assert [worker.process.pid for worker in engine.idle] == [first]

    engine.start(job(tmp_path / "dead", die))
    failure = end(engine).failure
    assert failure is not None
    assert failure.died
    assert failure.message == "its process died of SIGKILL: out of memory? Give fewer --jobs, or smaller batches"
    assert engine.idle == []
    assert engine.busy == {}

    engine.start(job(tmp_path / "again"))
    worker = engine.busy["again"].process
    engine.stop()
    assert worker.exitcode == -9
    assert engine.busy == {}


def test_a_process_that_died_between_two_units_is_noticed(engine, tmp_path):
    class Gone:
        exitcode = 3
        sentinel = os.pipe()[0]

        def kill(self): ...

        def join(self): ...

    here, there = engines.multiprocessing.Pipe()
    there.close()
    engine.idle.append(engines._Worker(Gone(), here, None))
    engine.start(job(tmp_path / "late"))
    ended = end(engine)
    assert ended.failure is not None
    assert ended.failure.message == "its process ended with status 3 without a word"


def test_as_many_as_have_their_threads_to_themselves(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    assert [local(None, threads).slots for threads in (1, 3, 16)] == [8, 2, 1]
    assert local(3, 1).slots == 3
    assert local(2, 1).devices == [None, None]


def test_one_process_for_each_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert local(None, 4).devices == ["0", "1"]
    assert local(3, 4).devices == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5a")
    engine = local(None, 4)
    assert engine.devices == ["3", "GPU-5a"]
    begun = []
    monkeypatch.setattr(engines, "_begin", lambda device: begun.append(device) or Worker(device))
    for unit in ("a", "b"):
        engine.start(Named(unit))
    assert begun == ["3", "GPU-5a"]
    del engine.busy["a"]
    engine.start(Named("c"))
    assert begun == ["3", "GPU-5a", "3"]


class Named:
    def __init__(self, unit):
        self.unit = unit


class Worker:
    def __init__(self, device):
        self.device, self.pipe = device, self

    def send(self, job): ...


class Pipe:
    """One unit, and then nothing more."""

    def __init__(self, *jobs):
        self.jobs, self.sent = list(jobs), []

    def recv(self):
        if not self.jobs:
            raise EOFError
        return self.jobs.pop(0)

    def send(self, what):
        self.sent.append(what)


def test_a_process_takes_its_gpu_and_leaves_when_nothing_more_comes(monkeypatch):
    pipe, heard = Pipe("a", "b"), []
    monkeypatch.setattr(engines.signal, "signal", lambda number, what: heard.append((number, what)))
    monkeypatch.setattr(engines, "attempt", lambda job: f"did {job}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all")
    engines.serve(pipe, "7")
    assert pipe.sent == ["did a", "did b"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    assert heard == [(engines.signal.SIGINT, engines.signal.SIG_IGN)]
