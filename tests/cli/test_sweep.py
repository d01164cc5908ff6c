import importlib

import pytest
import tomli_w

from fairshrink import cli
from fairshrink.errors import DataError
from fairshrink.files import read_json
from fairshrink.lab import ray_engine, sweep_plan
from fairshrink.lab.estimate import Pace
from sweeping import Here
from tiny import TINY

command_file = importlib.import_module("fairshrink.cli.sweep")  # its name in the package is the command's
SHORT = TINY | {
    "data": TINY["data"] | {"count": 80},
    "train": TINY["train"] | {"epochs": 1},
    "shrink": [{"method": "obd", "ratio": 0.3}],
}


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs `fairshrink sweep ...` in a folder with base.toml, units in this process, a word in place of the report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAIRSHRINK_CACHE", raising=False)
    monkeypatch.setattr(command_file, "write_all", write)
    (tmp_path / "base.toml").write_text(tomli_w.dumps(SHORT), encoding="utf-8")
    engines = []

    def engine(jobs, threads):
        engines.append(Here())
        return engines[-1]

    monkeypatch.setattr(command_file, "local", engine)

    def call(sweep, *arguments):
        (tmp_path / "many.toml").write_text(tomli_w.dumps({"base": "base.toml"} | sweep), encoding="utf-8")
        monkeypatch.setattr("sys.argv", ["fairshrink", "sweep", "many.toml", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out = capsys.readouterr()
        return status, out.out, out.err

    call.engines = engines
    return call


def write(folder):
    """As the report, but quick; one run's fails."""
    if "ratio-0.9" in folder.name:
        raise DataError("cannot be drawn")
    for name in command_file.LEAVES:
        (folder / name).write_text("a page", encoding="utf-8")


def test_runs_are_done_and_what_failed_is_said_with_status_2(command, tmp_path):
    many = {"grid": {"shrink.0.ratio": [0.2, 0.9]}}
    status, out, _ = command(many, "--out", "here")
    assert status == 2
    assert "runs: 1 done, 1 failed" in out
    assert "DataError: cannot be drawn" in out
    assert "--retry-failed does what failed once more" in out
    assert "compare them: fairshrink report here" in out
    assert [run["state"] for run in read_json(tmp_path / "here" / "sweep.json")["runs"]] == ["done", "failed"]
    status, out, _ = command(many, "--out", "here")
    assert status == 2
    assert command.engines[-1].begun == []
    status, _, _ = command(many, "--out", "here", "--retry-failed")
    assert status == 2
    assert command.engines[-1].begun == ["run-ratio-0.9"]
    status, out, _ = command({"grid": {"shrink.0.ratio": [0.2]}}, "--from", "here")
    assert status == 0
    assert [unit.split("-")[0] for unit in command.engines[-1].begun] == ["data", "run"]
    assert "compare them: fairshrink report sweeps/many-" in out


def test_ctrl_c_says_what_is_kept(command, monkeypatch):
    def stop(self, job):
        raise KeyboardInterrupt

    monkeypatch.setattr(Here, "start", stop)
    status, _, err = command({}, "--out", "here")
    assert status == 130
    assert "What was finished is kept in here, epochs of trainings included" in err


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(command, monkeypatch, tmp_path):
    monkeypatch.setattr(sweep_plan, "measure", lambda experiment, manifest, sizes: Pace(0.1, 1.0, 0.5, 2.0, 0.1))
    monkeypatch.setattr(sweep_plan, "SHOWN", 1)
    status, out, _ = command({"seeds": [0, 1], "grid": {"shrink.0.ratio": [0.2, 0.3]}}, "--out", "here", "--dry-run")
    assert status == 0
    assert "run ratio-0.2_seed-0: missing" in out
    assert "... and 3 more" in out
    assert "into here: runs: 4; stages: 8, 6 of them different, 6 not done yet" in out
    assert "work left: about " in out
    assert not (tmp_path / "here").exists()


def test_a_dry_run_counts_what_would_be_taken_over_and_says_what_is_there_twice(command, monkeypatch, tmp_path):
    monkeypatch.setattr(sweep_plan, "measure", lambda experiment, manifest, sizes: Pace(0.1, 1.0, 0.5, 2.0, 0.1))
    command({"grid": {"shrink.0.ratio": [0.2]}}, "--out", "here")
    more = {"grid": {"shrink.0.ratio": [0.2, 0.3, 0.3]}}
    status, out, _ = command(more, "--out", "new", "--from", "here", "--dry-run")
    assert status == 0
    assert "shrink.0.ratio = 0.3 is there more than once: one run" in out
    assert "from here: would be taken over, if its data are the same: train-" in out
    assert "into new: runs: 2; stages: 4, 3 of them different, 1 not done yet" in out
    assert not (tmp_path / "new").exists()
    status, _, err = command(more, "--out", "here", "--dry-run")
    assert status == 2
    assert "holds another sweep: 1 run(s) only here, such as ratio-0.3" in err


@pytest.mark.parametrize(
    ("sweep", "arguments", "message"),
    [
        ({"grid": {"train.lrr": [1]}}, (), "run lrr-1' cannot be used"),
        (
            {"grid": {"shrink_defaults.unprivileged": ["nobody"]}},
            (),
            "run unprivileged-nobody: unprivileged is 'nobody'",
        ),
        ({}, ("--from", "nothere"), "--from is 'nothere', but that is no run folder and no sweep folder"),
        ({}, ("--address", "here:1"), "--address is 'here:1', but it belongs to --engine ray"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_starts(command, sweep, arguments, message, tmp_path):
    for dry in ((), ("--dry-run",)):
        status, _, err = command(sweep, "--out", "here", *arguments, *dry)
        assert status == 2
        assert message in err
    assert not (tmp_path / "here").exists()
    assert all(engine.begun == [] for engine in command.engines)


def test_torchrun_is_for_single_runs(command, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, _, err = command({})
    assert status == 2
    assert "a sweep was started by torchrun, with 2 processes, but it starts its own" in err


def test_the_ray_engine_is_asked_for_by_name(command, monkeypatch, tmp_path):
    asked = []

    def start(address, folder, *, threads, jobs):
        asked.append((address, str(folder), threads, jobs))
        return Here()

    monkeypatch.setattr(ray_engine, "start_ray", start)
    status, _, _ = command({}, "--engine", "ray", "--address", "a:1", "--jobs", "3", "--out", "here")
    assert status == 0
    assert asked == [("a:1", "here", 1, 3)]
