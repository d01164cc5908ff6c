import json
import shutil

import pytest

from fairshrink.errors import StoreError
from fairshrink.report.runs_found import find_runs, is_sweep
from report.fake_runs import write_seeds, write_sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("found") / "sweep")


def test_a_sweep_gives_its_finished_runs_and_lists_the_others(sweep):
    found = find_runs([sweep])
    assert list(found.runs) == ["seed-0", "seed-1", "seed-2"]
    assert [(run.name, run.state) for run in found.failed] == [
        ("broken", "failed"),
        ("waiting", "waits for a run that failed"),
    ]
    assert found.failed[0].error == "DataError: row 3 of <b>x</b> has no label"
    assert found.failed[1].error == "Nothing was written down about why."
    assert found.notes == []


def test_run_folders_and_sweeps_go_together_and_none_counts_twice(sweep, tmp_path):
    (tmp_path / "link").symlink_to(sweep / "runs" / "seed-1")
    found = find_runs([sweep / "runs" / "seed-0", sweep, tmp_path / "link"])
    assert list(found.runs) == ["seed-0", "seed-1", "seed-2"]
    assert found.notes == [
        "seed-0 was given 2 times and is counted once.",
        "seed-1 was given 2 times and is counted once.",
    ]


def test_a_sweep_without_its_list_is_read_from_its_folders(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "sweep")
    (copy / "sweep.json").unlink()
    (copy / "runs" / ".hidden").mkdir()
    (copy / "runs" / "seed-2" / "data.json").write_text("{", encoding="utf-8")
    found = find_runs([copy])
    assert list(found.runs) == ["seed-0", "seed-1"]
    assert [(run.name, run.state) for run in found.failed] == [("seed-2", "cannot be read")]
    assert "'data.json'" in found.failed[0].error


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path):
    a, b = write_seeds(tmp_path / "a", 1)[0], write_seeds(tmp_path / "b", 1)[0]
    assert list(find_runs([a, b]).runs) == [str(a), str(b)]


def test_a_run_that_stopped_between_stages_is_said_to_be_unfinished(sweep, tmp_path):
    copy = shutil.copytree(sweep / "runs" / "seed-0", tmp_path / "run")
    shutil.rmtree(copy / "stages" / "02-fairprune")
    assert find_runs([copy]).notes == [
        "run is not finished: 1 of its 2 shrink steps have no stage yet, and stand in no table."
    ]


def test_what_is_no_run_is_refused(sweep, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="neither a run folder .* nor a sweep folder"):
        find_runs([tmp_path / "empty"])
    with pytest.raises(StoreError, match="'.*nowhere' is no folder. Give run folders"):
        find_runs([tmp_path / "nowhere"])
    assert is_sweep(sweep)
    assert not is_sweep(sweep / "runs" / "seed-0")


def test_a_damaged_run_that_was_named_is_refused_with_a_way_out(sweep, tmp_path):
    copy = shutil.copytree(sweep / "runs" / "seed-0", tmp_path / "run")
    (copy / "data.json").unlink()
    with pytest.raises(StoreError, match=r"(?s)'data.json' of the run .* Or leave '.*run' out of the comparison"):
        find_runs([copy])


def test_a_sweep_without_a_finished_run_says_why(sweep, tmp_path):
    copy = tmp_path / "sweep"
    copy.mkdir()
    runs = [{"name": f"r{i}", "folder": f"runs/r{i}", "state": "missing", "error": None} for i in range(7)]
    (copy / "sweep.json").write_text(json.dumps({"name": "s", "runs": runs}), encoding="utf-8")
    with pytest.raises(
        StoreError, match=r"(?s)no finished run in .*r0: not finished: The sweep has not come .* and 2 more"
    ):
        find_runs([copy])


def test_a_damaged_list_is_refused(tmp_path):
    (tmp_path / "sweep.json").write_text('{"name": 3}', encoding="utf-8")
    with pytest.raises(StoreError, match="sweep.json.*Start the sweep again"):
        find_runs([tmp_path])
    (tmp_path / "sweep.json").unlink()
    (tmp_path / "sweep.json").mkdir()
    with pytest.raises(StoreError, match="sweep.json' cannot be read: Is a directory"):
        find_runs([tmp_path])
