import pytest

from fairshrink.files import read_json, write_json
from fairshrink.lab.jobs import Failure
from fairshrink.lab.observer import Quiet
from fairshrink.lab.states import known_failures, needed, run_states, run_unit, unforeseen, write_states
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import units
from fairshrink.lab.variants import variants
from sweeping import Lines, sweep_file


def planned(tmp_path, **parts):
    runs, _ = variants(sweep_file(**parts).sweep, "here")
    return runs, units(runs, SweepPaths(tmp_path))


def test_only_what_leads_to_something_missing_is_needed(tmp_path):
    runs, parts = planned(tmp_path, grid={"shrink.0.ratio": [0.1, 0.2]})
    first, second = map(run_unit, runs)
    assert needed([first, second], parts, set()) == set(parts)
    done = {*needed([first], parts, set())}
    assert needed([first, second], parts, done) == {second, *(n for n in parts[second].needs if n not in done)}
    assert needed([first], parts, {first}) == set()  # whatever became of its stages


def test_a_failure_belongs_to_the_first_run_that_needs_it(tmp_path):
    runs, parts = planned(tmp_path, grid={"train.lr": [0.1, 0.2], "shrink.0.ratio": [0.1, 0.2]})
    training = next(name for name in parts if name.startswith("train-"))
    last = run_unit(runs[3])
    failures = {training: Failure("too hot"), last: Failure("no ink")}
    found = run_states(runs, parts, {run_unit(runs[2])}, failures)
    assert [state.state for state in found] == ["failed", "blocked", "done", "failed"]
    assert [state.error for state in found] == ["too hot", f"needs {training}, which failed: too hot", None, "no ink"]
    assert [state.unit for state in found] == [training, training, None, last]
    assert [state.state for state in run_states(runs[:1], parts, set(), {})] == ["missing"]


def test_the_file_that_others_read(tmp_path):
    runs, parts = planned(tmp_path, seeds=[3], grid={"train.lr": [0.1]})
    write_states(tmp_path / "sweep.json", "name", run_states(runs, parts, set(), {run_unit(runs[0]): Failure("why")}))
    assert read_json(tmp_path / "sweep.json") == {
        "name": "name",
        "runs": [
            {
                "name": "lr-0.1_seed-3",
                "folder": "runs/lr-0.1_seed-3",
                "digest": runs[0].experiment.digest(),
                "varied": {"train.lr": 0.1},
                "seed": 3,
                "state": "failed",
                "error": "why",
            }
        ],
    }


def test_failures_stand_until_they_are_to_be_tried_again(tmp_path):
    paths = SweepPaths(tmp_path)
    write_json(paths.failure("a"), {"message": "m", "trace": "t", "died": False})
    write_json(paths.failure("b"), {"message": "killed", "trace": "", "died": True})
    assert known_failures(["a", "b", "c"], paths, Quiet(), retry=False) == {"a": Failure("m", "t")}
    assert not paths.failure("b").exists()  # What may have come from outside is tried again.
    assert known_failures(["a"], paths, Quiet(), retry=True) == {}
    assert not paths.failure("a").exists()


@pytest.mark.parametrize("text", ['{"message": "m', "[1]", '{"words": 3}'])
def test_a_damaged_record_of_a_failure_is_tried_again_and_said(tmp_path, text):
    paths, lines = SweepPaths(tmp_path), Lines()
    paths.failure("a").parent.mkdir(parents=True)
    paths.failure("a").write_text(text)
    assert known_failures(["a"], paths, lines, retry=False) == {}
    assert lines.said == [f"'{paths.failure('a')}', why a unit failed, is damaged: the unit is tried again"]
    assert not paths.failure("a").exists()


def test_an_error_of_the_sweep_over_a_unit_has_its_place():
    try:
        raise OSError("no room")
    except OSError as error:
        failure = unforeseen(error)
    assert failure.message == "OSError: no room"
    assert "test_states" in failure.trace
