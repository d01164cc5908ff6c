import io
from contextlib import ExitStack
from pathlib import Path

from fairshrink.files import alone_in
from fairshrink.lab import jobs
from fairshrink.lab.jobs import Job, Log, attempt
from fairshrink.lab.run import Part
from sweeping import refuse_first, stumble
from tiny import tiny


def job(folder: Path, then=None, **data) -> Job:
    """The cheapest unit: a data card."""
    experiment = tiny(data={"count": 50, **data})
    return Job("data", experiment, folder, Part(None), Path.cwd(), folder.parent / "store", folder.parent / "log", then)


def test_a_unit_leaves_its_results_and_a_log(tmp_path):
    found = job(tmp_path / "unit")
    assert attempt(found) is None
    assert found.threads == 1
    assert (tmp_path / "unit" / "data.json").exists()
    assert not (tmp_path / "unit" / "stages").exists()
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith(" begins")
    assert lines[-1].endswith(" done")


def test_an_error_is_returned_with_its_place(tmp_path):
    failure = attempt(job(tmp_path / "ratio-0.2", refuse_first))
    assert failure is not None
    assert failure.message == "DataError: 'ratio-0.2' cannot be drawn."
    assert "refuse_first" in failure.trace
    assert not failure.died
    assert "failed: DataError: 'ratio-0.2' cannot be drawn." in (tmp_path / "log").read_text(encoding="utf-8")


def test_a_fault_of_the_program_says_so(tmp_path):
    failure = attempt(job(tmp_path / "unit", stumble))
    assert failure is not None
    assert failure.message == "ZeroDivisionError: unit (a fault of fairshrink, or of what it uses)"


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "log").mkdir()
    failure = attempt(job(tmp_path / "unit"))
    assert failure is not None
    assert "log' could not be written: Is a directory" in failure.message


def test_a_folder_that_a_dying_process_still_holds_is_waited_for(tmp_path, monkeypatch):
    with ExitStack() as held:
        held.enter_context(alone_in(tmp_path / "unit"))
        monkeypatch.setattr(jobs.time, "sleep", lambda seconds: held.close())
        assert attempt(job(tmp_path / "unit")) is None


def test_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE", -1.0)
    with alone_in(tmp_path / "unit"):
        failure = attempt(job(tmp_path / "unit"))
    assert failure is not None
    assert "another process" in failure.message


def test_progress_is_a_line_now_and_then(monkeypatch):
    times = iter([100.0, 100.0, 101.0, 200.0, 200.0])
    monkeypatch.setattr(jobs.time, "monotonic", lambda: next(times))
    file = io.StringIO()
    log = Log(file)
    for done in range(3):
        log.advance("training, fold 0", done, 3)
    assert [line.split(" ", 1)[1] for line in file.getvalue().splitlines()] == [
        "training, fold 0: 0 of 3",
        "training, fold 0: 2 of 3",
    ]
