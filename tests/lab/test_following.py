"""Every process but the first; and the whole of a run under torchrun."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pandas as pd
import pytest
from torch.distributed import HashStore

from fairshrink.errors import ConfigError, ModelError
from fairshrink.files import read_json
from fairshrink.lab import following, together
from fairshrink.lab.data import prepare
from fairshrink.lab.following import follow
from fairshrink.lab.observer import Quiet
from fairshrink.lab.run import run
from fairshrink.lab.store import read_lines
from fairshrink.lab.together import CALL, OVER, READY
from fairshrink.maths.sharing import Share
from tiny import tiny

SMALL = tiny(train={"epochs": 1}, shrink=[{"method": "obd", "ratio": 0.3}])


@pytest.fixture
def store(monkeypatch):
    """The second of two processes, which meets process 0 here."""
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    shared = HashStore()
    for module in (together, following):
        monkeypatch.setattr(module, "meet", lambda: shared)
    return shared


def follow_call(store, folder, **changed):
    """What process 0 is answered; the run is over when the other has read the experiment."""

    def load():
        store.set(OVER, "")
        return SMALL, folder

    told = {"folds": (0,), "digest": "0" * 64, "device": "cpu", "precision": "fp32"} | changed
    store.set(CALL, json.dumps(told))
    follow(load, folder)
    return store.get(f"{READY}/1").decode()


def test_without_a_call_nothing_is_read(store, tmp_path):
    store.set(OVER, "")
    follow(lambda: pytest.fail("the experiment was read"), tmp_path)


def test_other_data_are_told_to_process_0(store, tmp_path):
    assert "but those of process 0 000000000000: give all machines the same files." in follow_call(store, tmp_path)


def test_another_kind_of_machine_is_told_to_process_0(store, tmp_path, monkeypatch):
    monkeypatch.setattr(following.torch.cuda, "is_available", lambda: False)
    assert follow_call(store, tmp_path, device="cuda") == "it would compute on cpu, but process 0 does on cuda."


def test_an_experiment_that_cannot_be_read_is_told_to_process_0(store, tmp_path):
    def load():
        store.set(OVER, "")
        raise ConfigError("cannot read the experiment")

    store.set(CALL, json.dumps({"folds": [0], "digest": "", "device": "cpu", "precision": "fp32"}))
    follow(load, tmp_path)
    assert store.get(f"{READY}/1") == b"cannot read the experiment"


def test_when_the_training_stops_process_0_has_the_last_word(store, tmp_path, monkeypatch):
    waited = []

    def trained(*what):
        raise ModelError("the loss is nan")

    @contextmanager
    def group(device):
        yield Share(1, 2)

    for name, value in {"trained": trained, "group": group, "wait_for_end": waited.append, "LAST_WORDS": 0.0}.items():
        monkeypatch.setattr(following, name, value)
    digest = prepare(SMALL.data, tmp_path, tmp_path / "store", Quiet()).dataset.digest
    with pytest.raises(ModelError, match="the loss is nan"):
        follow_call(store, tmp_path, digest=digest)
    assert waited == [store]
    assert store.get(f"{READY}/1") == b""


def torchrun(folder):
    (folder / "tiny.toml").write_text(SMALL.text(), encoding="utf-8")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*start, "-m", "fairshrink", "run", "tiny.toml", "--out", "run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)


def files(folder):
    """When each was last written, but for those that note when the run was looked at."""
    noted = ("environment.json", "report.html", "card.md", "data.json", ".lock")
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name not in noted}


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchrun")
    return folder, torchrun(folder)


def test_a_run_by_two_processes_is_complete(shared_run):
    folder, done = shared_run
    root, stage = folder / "run", folder / "run" / "stages" / "00-train"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("00-train, by 2 processes\n") == 1
    assert done.stdout.count("report: run/report.html") == 1
    assert read_json(root / "environment.json")["processes"] == 2
    assert [line["fold"] for line in read_lines(stage / "history.jsonl")] == [0]
    assert not (stage / "training.state").exists()
    tested = read_json(root / "data.json")["splits"][0]["test"]
    for name in ("00-train", "01-obd"):
        table = pd.read_csv(root / "stages" / name / "predictions.csv")
        assert len(table) == len(set(table["id"])) == tested


def test_started_again_with_one_process_nothing_is_done_again(shared_run):
    folder, _ = shared_run
    before = files(folder / "run")
    run(SMALL, folder / "run")
    assert files(folder / "run") == before
    assert read_json(folder / "run" / "environment.json")["processes"] == 2  # where the training was computed
